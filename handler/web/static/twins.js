// What the catalogue may hold twice: looked for when somebody wants to know, a piece at a time.

import { ApiError, similarPairs } from "./api.js";
import { announce, byId, el, songs } from "./dom.js";
import { problemOf } from "./problems.js";
import { playButton, songLink } from "./results.js";
import { watch } from "./state.js";

const AT_ONCE = 10;
const MOST_REQUESTS = 10; // for AT_ONCE pairs: in a large catalogue many pages are empty

/** @type {Record<string, string>} */
const KINDS = {
  same: "The same recording",
  remaster: "Remastered, or encoded otherwise",
  version: "Another version",
  cover: "A cover, or a namesake",
  close: "Very close in sound",
};

/** @typedef {{kind: string, similarity: number, songs: {song: string, path: string}[]}} Pair */

/** @type {Pair[]} */
let found = [];
/** Where to go on; null at the end. @type {string | null | undefined} */
let cursor;

/** @param {import("./results.js").Acts} acts */
export function startTwins(acts) {
  const fold = /** @type {HTMLDetailsElement} */ (byId("twins"));
  fold.addEventListener("toggle", () => {
    if (fold.open && cursor === undefined) look(acts);
  });
  byId("twins-more").addEventListener("click", () => look(acts));
  watch(["previews", "playing"], () => render(acts));
}

/** Look further. @param {import("./results.js").Acts} acts */
async function look(acts) {
  const fold = byId("twins");
  const more = byId("twins-more");
  const before = found.length;
  fold.setAttribute("aria-busy", "true");
  more.disabled = true;
  byId("twins-problem").replaceChildren();
  byId("twins-said").textContent = "Looking…";
  try {
    for (let asked = 0; asked < MOST_REQUESTS && cursor !== null && found.length < before + AT_ONCE; asked++) {
      const page = await similarPairs(AT_ONCE, cursor);
      found = [...found, ...page.pairs];
      cursor = page.next_cursor;
    }
    announce(`${songs(found.length - before, "pair")} found`);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    byId("twins-problem").replaceChildren(problemOf(error, "other", { ...acts, again: () => look(acts) }));
  } finally {
    fold.removeAttribute("aria-busy");
    more.disabled = false;
    render(acts);
  }
}

/** @param {import("./results.js").Acts} acts */
function render(acts) {
  const list = byId("twins-pairs");
  const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset.key;
  const had = list.contains(document.activeElement);
  list.replaceChildren(...found.map((pair) => row(pair, acts)));
  byId("twins-more").hidden = !cursor;
  byId("twins-said").textContent = said();
  if (had && focused) /** @type {HTMLElement | null} */ (list.querySelector(`[data-key="${CSS.escape(focused)}"]`))?.focus();
}

function said() {
  if (cursor === undefined) return "";
  if (cursor !== null) return found.length ? "" : "Nothing so far; there is more to look through.";
  return found.length ? "That is all." : "Nothing: no two songs seem to be one.";
}

/** @param {Pair} pair @param {import("./results.js").Acts} acts */
function row({ kind, similarity, songs: both }, acts) {
  const head = el("p", { className: "twins-kind" }, KINDS[kind] ?? kind, el("span", { className: "value" }, similarity.toFixed(2)));
  const lines = both.map(({ song, path }) => {
    const link = songLink(song, acts);
    link.title = path;
    return el("div", { className: "twin" }, playButton(song, acts.play), link);
  });
  return el("li", { className: "twins-pair" }, head, ...lines);
}
