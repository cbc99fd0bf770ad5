// What the page knows, in one place.

/** @typedef {{kind: "song", song: string} | {kind: "words", text: string, minus: string} | {kind: "sound", file: File}} Query */
/**
 * @typedef {object} State
 * @property {Query | null} query what was asked
 * @property {"idle" | "loading" | "done" | "failed"} status
 * @property {import("./api.js").Answer | null} answer to the query; the last one while loading
 * @property {import("./api.js").ApiError | null} error
 * @property {{topK: number, perArtist: number | null, diversity: number}} refine
 * @property {string[]} notLike songs to keep away from
 * @property {string[]} playlist
 * @property {string | null} playing
 * @property {boolean} previews whether songs can be played
 * @property {string} version of the bundle
 */

/** @type {State} */
let state = {
  query: null,
  status: "idle",
  answer: null,
  error: null,
  refine: { topK: 10, perArtist: null, diversity: 0 },
  notLike: [],
  playlist: [],
  playing: null,
  previews: false,
  version: "",
};

/** @type {Set<(now: State, before: State) => void>} */
const watchers = new Set();

export const now = () => state;

/** Change some of it, and tell those who watch. @param {Partial<State>} change */
export function set(change) {
  const before = state;
  state = { ...state, ...change };
  for (const watcher of watchers) watcher(state, before);
}

/**
 * Call `act` whenever one of `fields` changes.
 * @param {(keyof State)[]} fields
 * @param {(now: State) => void} act
 */
export function watch(fields, act) {
  watchers.add((now, before) => {
    if (fields.some((field) => now[field] !== before[field])) act(now);
  });
}

/** The options of a request, without those that are not set. @returns {import("./api.js").Options} */
export function options() {
  const { refine, notLike } = state;
  return {
    top_k: refine.topK,
    ...(refine.diversity > 0 && { diversity: refine.diversity }),
    ...(refine.perArtist !== null && { max_per_artist: refine.perArtist }),
    ...(notLike.length > 0 && { not_like: notLike, exclude: notLike }),
  };
}
