// What went wrong, kindly: what it means, what the server said, what to do now.

import { el } from "./dom.js";

/** @typedef {import("./api.js").ApiError} ApiError */

/** By status, and by how it was asked. @type {Record<number, string | Record<string, string>>} */
const TITLES = {
  0: "The server cannot be reached",
  400: "That was not understood",
  404: { song: "No song by that name", other: "This server cannot do that" },
  405: "This server cannot do that",
  413: "That is too large",
  415: "That is no audio file this server knows",
  422: { sound: "That could not be listened to", other: "That does not fit together" },
  429: "Too many questions at once",
  501: {
    words: "This catalogue does not know words yet",
    sound: "This catalogue cannot be asked by sound",
    other: "This server cannot do that",
  },
  503: "The server is busy",
  504: "That took too long",
};

const KINDS = "It takes wav, flac, ogg, opus, mp3, aiff, m4a and aac that play.";

/** By status, some by how it was asked. @type {Record<number, string | Record<string, string>>} */
const HELP = {
  0: "Look whether it still runs, and whether you are online.",
  413: "A shorter piece does as well: a minute is plenty.",
  415: { sound: KINDS },
  422: { sound: KINDS },
  501: { words: "Its model hears, but does not read. Whoever runs this server can add the other half:" },
  503: { sound: "It listens to other sounds right now." },
};

const WORTH_TRYING_AGAIN = new Set([0, 429, 500, 502, 503, 504]);

/**
 * @param {ApiError} error
 * @param {string} kind of query
 * @param {{ask: (query: import("./state.js").Query) => void, again: () => void}} acts
 */
export function problemOf(error, kind, acts) {
  const title = chosen(TITLES[error.status], kind) ?? "Something went wrong";
  const help = chosen(HELP[error.status], kind);
  return el(
    "div",
    { className: "problem", role: "alert" },
    el("h3", {}, title),
    help && el("p", {}, help),
    error.status !== 0 && el("p", { className: "problem-said" }, error.message),
    error.suggestions.length > 0 && suggestions(error.suggestions, acts),
    WORTH_TRYING_AGAIN.has(error.status) &&
      el("button", { type: "button", onclick: acts.again }, error.retryS ? `Try again (in ${error.retryS} s)` : "Try again"),
  );
}

/** @param {string | Record<string, string> | undefined} texts @param {string} kind */
const chosen = (texts, kind) => (typeof texts === "object" ? (texts[kind] ?? texts.other) : texts);

/** @param {string[]} names @param {{ask: (query: import("./state.js").Query) => void}} acts */
function suggestions(names, acts) {
  const buttons = names.map((song) => {
    const onclick = () => acts.ask({ kind: "song", song });
    return el("li", {}, el("button", { type: "button", className: "suggested", onclick }, song));
  });
  return el("div", {}, el("p", {}, "Did you mean"), el("ul", { className: "suggested-songs" }, ...buttons));
}
