// The page's wiring: asking, the address bar, the theme.

import { ApiError, isAbort, likeSong, likeSound, likeWords } from "./api.js";
import { showQuery, startAsking } from "./ask.js";
import { announce, byId, songs } from "./dom.js";
import { startMap } from "./map.js";
import { startPlayer } from "./player.js";
import { startPlaylist } from "./playlist.js";
import { startResults, summaryOf, titleOf } from "./results.js";
import { now, options, set, watch } from "./state.js";
import { startTheme } from "./themes.js";
import { startTwins } from "./twins.js";

/** @typedef {import("./state.js").Query} Query */

/** Files asked by, for as long as the page is open: the address bar cannot hold them. @type {Map<string, File>} */
const files = new Map();
let asking = new AbortController();

/** Ask, and put it in the history. @param {Query} query */
function ask(query) {
  const state = query.kind === "sound" ? { file: keep(query.file) } : {};
  history.pushState(state, "", addressOf(query));
  answer(query, true);
}

/** Ask the same, refined anew. */
function again() {
  const { query } = now();
  if (query) answer(query, false);
}

/** @param {Query} query @param {boolean} isNew */
async function answer(query, isNew) {
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  const hadFocus = document.activeElement !== document.body;
  showQuery(query);
  set({ query, status: "loading", error: null, ...(isNew && { answer: null }) });
  try {
    set({ answer: await answerTo(query, signal), status: "done" });
  } catch (error) {
    if (isAbort(error)) return;
    if (!(error instanceof ApiError)) throw error;
    set({ error, status: "failed", answer: null });
  }
  announce(summaryOf(now()));
  // The link that was followed is gone: what it led to has its place.
  if (isNew && hadFocus && document.activeElement === document.body) byId("results").focus();
}

/** @param {Query} query @param {AbortSignal} signal */
function answerTo(query, signal) {
  if (query.kind === "song") return likeSong(query.song, options(), signal);
  if (query.kind === "words") return likeWords(query.text, query.minus, options(), signal);
  return likeSound(query.file, options(), signal);
}

/** @param {Query} query */
function addressOf(query) {
  if (query.kind === "song") return `?${new URLSearchParams({ song: query.song })}`;
  if (query.kind === "words") return `?${new URLSearchParams({ words: query.text, ...(query.minus && { minus: query.minus }) })}`;
  return "?sound";
}

/** What the address bar asks, null when nothing. @returns {Query | null} */
function queryOfAddress() {
  const given = new URLSearchParams(location.search);
  const song = given.get("song")?.trim();
  const words = given.get("words")?.trim();
  if (song) return { kind: "song", song };
  if (words) return { kind: "words", text: words, minus: given.get("minus") ?? "" };
  const file = files.get(history.state?.file ?? "");
  return file ? { kind: "sound", file } : null;
}

/** @param {File} file */
function keep(file) {
  const key = `${files.size} ${file.name}`;
  files.set(key, file);
  return key;
}

function follow() {
  const query = queryOfAddress();
  if (query) answer(query, true);
  else {
    asking.abort();
    showQuery(null);
    set({ query: null, status: "idle", answer: null, error: null });
  }
}

const play = startPlayer();
const acts = { ask, again, play, add: (/** @type {string} */ name) => add(name) };
const add = startPlaylist(acts);
startTheme();
startAsking(ask, again);
startResults(acts);
startTwins(acts);
startMap(ask).then((count) => {
  byId("song-count").textContent = count ? songs(count) : "";
});
watch(["query", "answer"], (state) => {
  document.title = state.query ? `${titleOf(state)} · vibe-search` : "vibe-search";
});
byId("home").addEventListener("click", (/** @type {MouseEvent} */ event) => {
  if (event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  history.pushState({}, "", "./");
  follow();
});
addEventListener("popstate", follow);
follow();
