// The API, from wherever this page was served: every address is relative to this file.

const BASE = new URL("../", import.meta.url);

/** What the server, or the way to it, refused. */
export class ApiError extends Error {
  /**
   * @param {number} status 0 when there was no answer at all
   * @param {string} message
   * @param {string[]} [suggestions]
   * @param {number} [retryS] seconds after which to try again, if the server said so
   */
  constructor(status, message, suggestions = [], retryS = 0) {
    super(message);
    this.status = status;
    this.suggestions = suggestions;
    this.retryS = retryS;
  }
}

/** @typedef {{song: string, similarity: number | null}} Found */
/** @typedef {{matched: string | null, recommendations: Found[], also?: string[]}} Answer */
/**
 * @typedef {object} Options
 * @property {number} top_k
 * @property {number} [diversity]
 * @property {number} [max_per_artist]
 * @property {string[]} [not_like]
 * @property {string[]} [exclude]
 */

/** @param {string} q @param {number} limit @param {AbortSignal} [signal] @returns {Promise<{songs: string[]}>} */
export const listSongs = (q, limit, signal) => get("songs", { q, limit }, signal);

/** @param {AbortSignal} [signal] */
export const health = (signal) => get("health", {}, signal);

/** @param {string} song @param {Options} options @param {AbortSignal} signal @returns {Promise<Answer>} */
export const likeSong = (song, options, signal) => post("recommend", { song, ...options }, signal);

/** @param {string} text @param {string} minus @param {Options} options @param {AbortSignal} signal @returns {Promise<Answer>} */
export const likeWords = (text, minus, options, signal) =>
  Object.keys(options).length > 1
    ? post("recommend/text", { text, ...(minus && { minus }), ...options }, signal)
    : get("recommend/text", { q: text, ...(minus && { minus }), ...options }, signal);

/** @param {File} file @param {Options} options @param {AbortSignal} signal @returns {Promise<Answer>} */
export function likeSound(file, options, signal) {
  const body = new FormData();
  body.append("file", file, file.name);
  return ask(address("recommend/audio", options), { method: "POST", body, signal });
}

/** @param {object} wanted @param {AbortSignal} [signal] @returns {Promise<{songs: Found[]}>} */
export const playlist = (wanted, signal) => post("playlist", wanted, signal);

/** The playlist as a file that players open. @param {object} wanted @returns {Promise<Blob>} */
export async function playlistFile(wanted) {
  const headers = { "content-type": "application/json", accept: "audio/x-mpegurl" };
  const answer = await fetched(address("playlist"), { method: "POST", headers, body: JSON.stringify(wanted) });
  if (!answer.ok) throw await problem(answer);
  return answer.blob();
}

/** @param {number} limit @param {string} [cursor] @returns {Promise<{pairs: any[], next_cursor: string | null}>} */
export const similarPairs = (limit, cursor) => get("similar-pairs", { limit, ...(cursor && { cursor }) });

/** @returns {Promise<{version: string, songs: number, points: string | null, artists: string | null, names_per_page: number, previews: boolean, hint: string | null}>} */
export const songMap = () => get("map", {});

/** @param {number} page @param {string} v @returns {Promise<{names: string[]}>} */
export const mapNames = (page, v) => get("map/names", { page, v });

/** @param {string} song @param {string} v @param {AbortSignal} signal @returns {Promise<{similarities: string}>} */
export const mapSimilarities = (song, v, signal) => get("map/similarities", { song, v }, signal);

/** Where ten seconds of a song can be heard. @param {string} song @param {string} v */
export const previewAddress = (song, v) => address("previews", { song, v }).href;

/** @param {string} path @param {Record<string, any>} [query] */
function address(path, query = {}) {
  const found = new URL(path, BASE);
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) found.searchParams.append(name, one);
  }
  return found;
}

/** @param {string} path @param {Record<string, any>} query @param {AbortSignal} [signal] */
const get = (path, query, signal) => ask(address(path, query), { signal });

/** @param {string} path @param {object} body @param {AbortSignal} [signal] */
function post(path, body, signal) {
  const headers = { "content-type": "application/json" };
  return ask(address(path), { method: "POST", headers, body: JSON.stringify(body), signal });
}

/** @param {URL} where @param {RequestInit} how */
async function ask(where, how) {
  const answer = await fetched(where, how);
  if (!answer.ok) throw await problem(answer);
  try {
    return await answer.json();
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new ApiError(answer.status, "the answer could not be read");
  }
}

/** @param {URL} where @param {RequestInit} how */
async function fetched(where, how) {
  try {
    return await fetch(where, how);
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new ApiError(0, "no answer came");
  }
}

/** @param {Response} answer */
async function problem(answer) {
  let said = { error: "", suggestions: [] };
  try {
    said = await answer.json();
  } catch {
    // A proxy's own error page: the status says enough.
  }
  const retryS = Number(answer.headers.get("retry-after")) || 0;
  return new ApiError(answer.status, said.error || `status ${answer.status}`, said.suggestions ?? [], retryS);
}

/** Whether a request ended because a newer one took its place. @param {unknown} error */
export const isAbort = (error) => error instanceof DOMException && error.name === "AbortError";
