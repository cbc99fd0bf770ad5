// The answer: songs by likeness, what went wrong, or what to begin with.

import { listSongs } from "./api.js";
import { byId, el, iconButton, parts, songs } from "./dom.js";
import { problemOf } from "./problems.js";
import { now, set, watch } from "./state.js";

const MAX_NOT_LIKE = 50;
const BEGINNINGS = 6;

/**
 * @typedef {object} Acts
 * @property {(query: import("./state.js").Query) => void} ask
 * @property {() => void} again
 * @property {(name: string) => void} play
 * @property {(name: string) => void} add
 */

/** @param {Acts} acts */
export function startResults(acts) {
  watch(["status", "answer", "error", "previews", "playing", "playlist"], () => render(acts));
  render(acts);
  offerBeginnings(acts);
}

/** @type {string[]} */
let beginnings = [];

/** @param {Acts} acts */
async function offerBeginnings(acts) {
  try {
    const all = (await listSongs("", 1000)).songs;
    const apart = Math.max(all.length / BEGINNINGS, 1);
    const places = Array.from({ length: Math.min(BEGINNINGS, all.length) }, (_, at) => Math.floor((at + 0.5) * apart));
    beginnings = places.map((at) => all[Math.min(at, all.length - 1)]);
  } catch {
    return; // asking will say what is wrong
  }
  if (now().status === "idle") render(acts);
}

/** @param {Acts} acts */
function render(acts) {
  const { status, answer, error } = now();
  const body = byId("results-body");
  const focused = focusKey(body);
  byId("results").setAttribute("aria-busy", String(status === "loading"));
  byId("results-title").textContent = titleOf(now());
  const isShown = status === "done" || (status === "loading" && now().query !== null);
  byId("results-title").className = isShown ? "" : "unseen";
  byId("results-kind").hidden = status !== "done";
  if (status === "failed" && error) body.replaceChildren(problemOf(error, now().query?.kind ?? "song", acts));
  else if (answer && status !== "idle") body.replaceChildren(...listOf(answer, acts));
  else if (status === "loading") body.replaceChildren(skeleton());
  else body.replaceChildren(beginningsOf(acts));
  if (focused) /** @type {HTMLElement | null} */ (body.querySelector(`[data-key="${CSS.escape(focused)}"]`))?.focus();
}

/** Which of the buttons has the focus, so that it still has it when all is drawn anew. @param {HTMLElement} body */
function focusKey(body) {
  const focused = document.activeElement;
  return body.contains(focused) ? /** @type {HTMLElement} */ (focused).dataset.key : undefined;
}

/** @param {import("./state.js").State} state */
export function titleOf({ query, answer, status }) {
  if (!query) return "Results";
  if (status === "loading") return query.kind === "sound" ? "Listening…" : "Looking…";
  if (query.kind === "words") return `“${query.text}”${query.minus ? ` but not “${query.minus}”` : ""}`;
  if (query.kind === "sound") return query.file.name;
  return answer?.matched ?? query.song;
}

/** @param {import("./api.js").Answer} answer @param {Acts} acts @returns {Node[]} */
function listOf(answer, acts) {
  const { query, notLike } = now();
  const found = answer.recommendations;
  const also = answer.also ?? [];
  const notes = also.length > 0 && query?.kind === "song"
    ? [el("p", { className: "also" }, "Also named so: ", ...also.slice(0, 5).flatMap((name, at) => [at ? ", " : "", songLink(name, acts)]))]
    : [];
  if (found.length === 0) {
    const why = notLike.length || now().refine.perArtist ? "Refine less, or avoid fewer songs." : "There may be no other song here.";
    return [...notes, el("div", { className: "empty" }, el("p", {}, "Nothing is like it."), el("p", {}, why))];
  }
  // Cosines of words and sounds are small by nature: only their order means something.
  const isRelative = query?.kind === "words";
  const best = Math.max(...found.map(({ similarity }) => similarity ?? 0), 1e-6);
  const rows = found.map((one) => row(one, isRelative ? best : 1, isRelative, acts));
  return [...notes, el("ol", { className: "songs" }, ...rows)];
}

/** @param {import("./api.js").Found} found @param {number} full @param {boolean} isRelative @param {Acts} acts */
function row({ song, similarity }, full, isRelative, acts) {
  const bar = el("span", { className: "bar", "aria-hidden": "true" }, el("span", { className: "bar-fill" }));
  const share = Math.min(Math.max((similarity ?? 0) / full, 0), 1);
  bar.firstChild.style.inlineSize = `${(share * 100).toFixed(1)}%`;
  const isAdded = now().playlist.includes(song);
  return el(
    "li",
    { className: "song" },
    playButton(song, acts.play),
    songLink(song, acts),
    isRelative
      ? null
      : el("span", { className: "value" }, el("span", { className: "unseen" }, "likeness "), (similarity ?? 0).toFixed(2)),
    el(
      "span",
      { className: "song-acts" },
      iconButton(isAdded ? "check" : "add", isAdded ? `${song} is in the playlist` : `Add ${song} to the playlist`, () => acts.add(song), {
        "data-key": `add ${song}`,
        "aria-disabled": isAdded ? "true" : null,
      }),
      iconButton("less", `Not like ${song}`, () => avoid(song, acts), { "data-key": `less ${song}` }),
    ),
    bar,
  );
}

/** A link that asks for what is like a song; opened elsewhere, it does so too. @param {string} name @param {Acts} acts */
export function songLink(name, acts) {
  const { artist, title } = parts(name);
  return el(
    "a",
    {
      className: "song-name",
      href: `?${new URLSearchParams({ song: name })}`,
      "data-key": `song ${name}`,
      onclick: (/** @type {MouseEvent} */ event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
        event.preventDefault();
        acts.ask({ kind: "song", song: name });
      },
    },
    el("span", { className: "title" }, title),
    artist && el("span", { className: "artist" }, artist),
  );
}

/** @param {string} name @param {(name: string) => void} play */
export function playButton(name, play) {
  if (!now().previews) return null;
  const isPlaying = now().playing === name;
  return iconButton(isPlaying ? "stop" : "play", `${isPlaying ? "Stop" : "Play"} ${name}`, () => play(name), {
    "data-key": `play ${name}`,
  });
}

/** @param {string} name @param {Acts} acts */
function avoid(name, acts) {
  set({ notLike: [...now().notLike.filter((one) => one !== name), name].slice(-MAX_NOT_LIKE) });
  byId("results").focus();
  acts.again();
}

function skeleton() {
  const rows = Array.from({ length: 6 }, () => el("div", { className: "ghost" }));
  return el("div", { className: "ghosts", "aria-hidden": "true" }, ...rows);
}

/** @param {Acts} acts */
function beginningsOf(acts) {
  if (beginnings.length === 0) return el("div", { className: "empty" }, el("p", {}, "Name a song, drop a sound, or say it in words."));
  return el(
    "div",
    { className: "begin" },
    el("p", {}, "Begin with one of these:"),
    el("ul", { className: "begin-songs" }, ...beginnings.map((name) => el("li", {}, songLink(name, acts)))),
  );
}

/** What a screen reader is told when an answer is there. @param {import("./state.js").State} state */
export function summaryOf(state) {
  if (state.status === "failed") return "";
  const count = state.answer?.recommendations.length ?? 0;
  return count ? `${songs(count)} like ${titleOf(state)}` : `nothing is like ${titleOf(state)}`;
}
