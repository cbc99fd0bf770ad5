// The three ways to ask: tabs, forms, a file dropped anywhere; and how the answer is refined.

import { suggestSongs } from "./combobox.js";
import { byId, el, iconButton, parts } from "./dom.js";
import { now, set, watch } from "./state.js";

const WAYS = /** @type {const} */ (["song", "sound", "words"]);

/** @param {(query: import("./state.js").Query) => void} ask @param {() => void} again */
export function startAsking(ask, again) {
  startTabs();
  startSong(ask);
  startWords(ask);
  startSound(ask);
  startRefine(again);
  startNotLike(again);
}

/** Show the way that a query came by, and what was asked. @param {import("./state.js").Query | null} query */
export function showQuery(query) {
  if (!query) {
    byId("song").value = "";
    return;
  }
  select(query.kind);
  if (query.kind === "song") byId("song").value = query.song;
  if (query.kind === "words") {
    byId("words").value = query.text;
    byId("minus").value = query.minus;
  }
}

/** @param {string} way */
function select(way) {
  for (const one of WAYS) {
    const tab = byId(`tab-${one}`);
    tab.setAttribute("aria-selected", String(one === way));
    tab.tabIndex = one === way ? 0 : -1;
    byId(`by-${one}`).hidden = one !== way;
  }
}

function startTabs() {
  for (const [at, way] of WAYS.entries()) {
    const tab = byId(`tab-${way}`);
    tab.addEventListener("click", () => select(way));
    tab.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const to = { Home: 0, End: WAYS.length - 1 }[event.key] ?? (step && (at + step + WAYS.length) % WAYS.length);
      if (to === undefined) return;
      event.preventDefault();
      select(WAYS[to]);
      byId(`tab-${WAYS[to]}`).focus();
    });
  }
}

/** @param {(query: import("./state.js").Query) => void} ask */
function startSong(ask) {
  const input = byId("song");
  const { close } = suggestSongs(input, (song) => ask({ kind: "song", song }));
  byId("song-form").addEventListener("submit", (/** @type {Event} */ event) => {
    event.preventDefault();
    close();
    const song = input.value.trim();
    if (song) ask({ kind: "song", song });
    else input.focus();
  });
}

/** @param {(query: import("./state.js").Query) => void} ask */
function startWords(ask) {
  byId("words-form").addEventListener("submit", (/** @type {Event} */ event) => {
    event.preventDefault();
    const text = byId("words").value.trim();
    if (text) ask({ kind: "words", text, minus: byId("minus").value.trim() });
    else byId("words").focus();
  });
  // Two fields and a button in the first: Enter in the second must do as well.
  byId("minus").addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    byId("words-form").requestSubmit();
  });
}

/** @param {(query: import("./state.js").Query) => void} ask */
function startSound(ask) {
  const input = byId("file");
  input.addEventListener("change", () => {
    const file = input.files[0];
    input.value = ""; // so that the same file may be chosen again
    if (file) ask({ kind: "sound", file });
  });
  const veil = byId("drop-veil");
  const hasFile = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files");
  let depth = 0; // dragenter and dragleave come for every element on the way
  addEventListener("dragenter", (event) => {
    if (hasFile(event)) veil.hidden = ++depth === 0;
  });
  addEventListener("dragleave", (event) => {
    if (hasFile(event)) veil.hidden = (depth = Math.max(depth - 1, 0)) === 0;
  });
  addEventListener("dragover", (event) => {
    if (hasFile(event)) event.preventDefault();
  });
  addEventListener("drop", (event) => {
    if (!hasFile(event)) return;
    event.preventDefault();
    veil.hidden = true;
    depth = 0;
    const file = event.dataTransfer?.files[0];
    if (file) ask({ kind: "sound", file });
  });
}

/** @param {() => void} again */
function startRefine(again) {
  const topK = byId("top-k");
  const perArtist = byId("per-artist");
  const diversity = byId("diversity");
  for (const input of [topK, perArtist, diversity]) {
    input.addEventListener("change", () => {
      set({
        refine: {
          topK: whole(topK) ?? 10,
          perArtist: whole(perArtist),
          diversity: Number(diversity.value),
        },
      });
      again();
    });
  }
}

/** A whole number within the field's bounds, which it then shows; null when there is none. @param {HTMLInputElement} input */
function whole(input) {
  const value = Math.round(Number(input.value));
  if (!input.value || !Number.isFinite(value)) return null;
  const bound = Math.min(Math.max(value, Number(input.min)), Number(input.max));
  input.value = String(bound);
  return bound;
}

/** @param {() => void} again */
function startNotLike(again) {
  watch(["notLike"], ({ notLike }) => {
    const chips = byId("not-like");
    chips.hidden = notLike.length === 0;
    chips.replaceChildren(el("span", { className: "chips-name" }, "Not like"), ...notLike.map(chip));
  });
  /** @param {string} name */
  const chip = (name) =>
    el(
      "span",
      { className: "chip", title: name },
      el("span", {}, parts(name).title),
      iconButton("remove", `No longer avoid ${name}`, () => {
        set({ notLike: now().notLike.filter((one) => one !== name) });
        byId("results").focus();
        again();
      }),
    );
}
