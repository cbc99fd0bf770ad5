// The map's points and names: fetched, unpacked, found again by place.

import { mapNames, mapSimilarities, songMap } from "./api.js";

const CELLS = 128;
const NAMES_AT_ONCE = 200_000;

export class MapData {
  /** @param {Awaited<ReturnType<typeof songMap>>} answer with points */
  constructor(answer) {
    this.version = answer.version;
    this.count = answer.songs;
    const points = new Uint16Array(bytes(answer.points ?? "").buffer);
    this.x = new Float32Array(this.count);
    this.y = new Float32Array(this.count);
    this.bounds = { left: 1, right: 0, top: 1, bottom: 0 };
    for (let row = 0; row < this.count; row++) {
      this.x[row] = points[2 * row] / 65_535;
      this.y[row] = points[2 * row + 1] / 65_535;
      this.#include(this.x[row], this.y[row]);
    }
    this.artists = new Uint32Array(bytes(answer.artists ?? "").buffer);
    /** @type {(string | undefined)[]} */
    this.names = [];
    /** @type {Map<string, number>} */
    this.rows = new Map();
    this.namesPerPage = answer.names_per_page;
    /** @type {Map<number, Promise<void>>} */
    this.pages = new Map();
    this.grid = new Grid(this.x, this.y);
  }

  /** @param {number} x @param {number} y */
  #include(x, y) {
    const { left, right, top, bottom } = this.bounds;
    if (x < left) this.bounds.left = x;
    if (x > right) this.bounds.right = x;
    if (y < top) this.bounds.top = y;
    if (y > bottom) this.bounds.bottom = y;
  }

  /** The name of a row; what is not here yet is fetched. @param {number} row @returns {Promise<string>} */
  async nameOf(row) {
    if (this.names[row] === undefined) await this.#page(Math.floor(row / this.namesPerPage));
    return this.names[row] ?? "";
  }

  /** All names, one page after the other, unless they are very many. @returns {Promise<void>} */
  async loadNames() {
    if (this.count > NAMES_AT_ONCE) return;
    for (let page = 0; page * this.namesPerPage < this.count; page++) await this.#page(page);
  }

  /** How like a song each row is, 0 to 255. @param {string} song @param {AbortSignal} signal */
  async similarities(song, signal) {
    return bytes((await mapSimilarities(song, this.version, signal)).similarities);
  }

  /** @param {number} page */
  #page(page) {
    let loading = this.pages.get(page);
    if (!loading) {
      loading = this.#load(page);
      this.pages.set(page, loading);
      loading.catch(() => this.pages.delete(page)); // to be tried again
    }
    return loading;
  }

  /** @param {number} page */
  async #load(page) {
    const { names } = await mapNames(page, this.version);
    const first = page * this.namesPerPage;
    for (const [at, name] of names.entries()) {
      this.names[first + at] = name;
      if (!this.rows.has(name)) this.rows.set(name, first + at);
    }
  }
}

/** Points by cell of a square grid, to find the nearest without looking at all. */
class Grid {
  /** @param {Float32Array} x from 0 to 1 @param {Float32Array} y */
  constructor(x, y) {
    this.x = x;
    this.y = y;
    this.starts = new Uint32Array(CELLS * CELLS + 1);
    this.rows = new Uint32Array(x.length);
    const cells = new Uint32Array(x.length);
    for (let row = 0; row < x.length; row++) {
      cells[row] = cell(y[row]) * CELLS + cell(x[row]);
      this.starts[cells[row] + 1]++;
    }
    for (let at = 0; at < CELLS * CELLS; at++) this.starts[at + 1] += this.starts[at];
    const next = this.starts.slice();
    for (let row = 0; row < x.length; row++) this.rows[next[cells[row]]++] = row;
  }

  /**
   * Rows in a rectangle (and some beside it, of the same cells).
   * @param {number} left @param {number} top @param {number} right @param {number} bottom
   */
  *within(left, top, right, bottom) {
    for (let line = cell(top); line <= cell(bottom); line++) {
      const first = this.starts[line * CELLS + cell(left)];
      const end = this.starts[line * CELLS + cell(right) + 1];
      for (let at = first; at < end; at++) yield this.rows[at];
    }
  }

  /** The row nearest to a place, at most `reach` away; -1 when there is none. @param {number} x @param {number} y @param {number} reach */
  nearest(x, y, reach) {
    let found = -1;
    let best = reach * reach;
    for (const row of this.within(x - reach, y - reach, x + reach, y + reach)) {
      const distance = (this.x[row] - x) ** 2 + (this.y[row] - y) ** 2;
      if (distance <= best) [found, best] = [row, distance];
    }
    return found;
  }

  /**
   * The next row from another in a direction: near, and not far aside; -1 when there is none.
   * @param {number} from @param {number} dx @param {number} dy one of them ±1, the other 0
   */
  towards(from, dx, dy) {
    const [x, y] = [this.x[from], this.y[from]];
    for (let reach = 1 / CELLS; reach < 2; reach *= 2) {
      let found = -1;
      let best = Infinity;
      for (const row of this.within(x - reach, y - reach, x + reach, y + reach)) {
        const [right, down] = [this.x[row] - x, this.y[row] - y];
        const ahead = right * dx + down * dy;
        const aside = Math.abs(right * dy) + Math.abs(down * dx);
        if (ahead <= 0 || ahead > reach || aside > ahead) continue;
        if (ahead + 2 * aside < best) [found, best] = [row, ahead + 2 * aside];
      }
      if (found >= 0) return found;
    }
    return -1;
  }
}

/** @param {number} place */
const cell = (place) => Math.min(Math.max(Math.floor(place * CELLS), 0), CELLS - 1);

/** @param {string} base64 @returns {Uint8Array} */
function bytes(base64) {
  const text = atob(base64);
  const found = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) found[at] = text.charCodeAt(at);
  return found;
}
