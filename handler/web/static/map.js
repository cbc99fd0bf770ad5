// The map of the catalogue: every song a point, those that sound alike together.

import { isAbort, songMap } from "./api.js";
import { announce, byId } from "./dom.js";
import { MapData } from "./mapdata.js";
import { artistColours, likenessColours, packed } from "./mapdraw.js";
import { PointLayer } from "./maplayer.js";
import { drawMarks } from "./mapmarks.js";
import { showLegend } from "./maplegend.js";
import { MapTip } from "./maptip.js";
import { MapView, startPointers } from "./mapview.js";
import { now, set, watch } from "./state.js";
import { themes } from "./themes.js";

const REACH_PX = 14;

/**
 * Show the map, if the bundle has one.
 * @param {(query: import("./state.js").Query) => void} ask
 * @returns {Promise<number>} how many songs there are
 */
export async function startMap(ask) {
  let answer;
  try {
    answer = await songMap();
  } catch {
    return 0; // the page does without; asking will say what is wrong
  }
  set({ previews: answer.previews, version: answer.version });
  if (answer.points === null) {
    byId("map-missing").textContent = answer.hint ?? "";
    byId("map-missing").hidden = !answer.hint;
    return answer.songs;
  }
  byId("map").hidden = false;
  document.body.classList.add("has-map");
  new SongMap(new MapData(answer), ask);
  return answer.songs;
}

class SongMap {
  /** @param {MapData} data @param {(query: import("./state.js").Query) => void} ask */
  constructor(data, ask) {
    this.data = data;
    this.ask = ask;
    this.points = /** @type {HTMLCanvasElement} */ (byId("map-points"));
    this.marks = /** @type {HTMLCanvasElement} */ (byId("map-marks"));
    this.view = new MapView(this.marks, data.bounds, () => this.redraw());
    this.layer = new PointLayer(this.points, data, this.view);
    this.tip = new MapTip(data, this.view);
    this.ratio = 1;
    this.hovered = -1;
    this.cursor = -1;
    this.frame = 0;
    /** @type {Uint8Array | null} */
    this.similarities = null;
    /** @type {{colours: Uint32Array, order: Uint32Array | null}} */
    this.painted = { colours: new Uint32Array(data.count), order: null };
    this.asking = new AbortController();
    this.#listen();
    this.repaint();
    data.loadNames().then(() => this.remark(), () => {});
  }

  #listen() {
    new ResizeObserver(() => this.resize()).observe(byId("map-frame"));
    startPointers(this.view, {
      hover: (px, py) => this.hover(this.at(px, py)),
      leave: () => this.hover(-1),
      click: (px, py) => this.choose(this.at(px, py)),
    });
    this.marks.addEventListener("keydown", (event) => this.key(event));
    this.marks.addEventListener("blur", () => this.walkTo(-1));
    byId("map-in").addEventListener("click", () => this.#zoom(1.8));
    byId("map-out").addEventListener("click", () => this.#zoom(1 / 1.8));
    byId("map-whole").addEventListener("click", () => this.view.glide(this.view.home.x, this.view.home.y, 1));
    byId("map-colour").addEventListener("change", () => this.repaint());
    themes.addEventListener("change", () => this.repaint());
    watch(["answer"], () => this.compare());
    watch(["answer", "playlist"], () => this.remark());
    watch(["answer", "playlist"], showLegend);
    this.compare();
  }

  /** Closer by `factor`, about the middle. @param {number} factor */
  #zoom(factor) {
    const { x, y, zoom } = this.view.aim;
    this.view.glide(x, y, zoom * factor);
  }

  resize() {
    const { clientWidth, clientHeight } = byId("map-frame");
    if (!clientWidth || !clientHeight) return;
    this.ratio = Math.min(devicePixelRatio || 1, 2);
    this.layer.resize(clientWidth, clientHeight, this.ratio);
    this.marks.width = Math.round(clientWidth * this.ratio);
    this.marks.height = Math.round(clientHeight * this.ratio);
    this.view.resize(clientWidth, clientHeight);
  }

  /** The song that was asked by, when it is on the map. */
  get seed() {
    const { query, answer } = now();
    return query?.kind === "song" && typeof answer?.matched === "string" ? answer.matched : null;
  }

  /** How like the seed are all others? */
  async compare() {
    this.asking.abort();
    this.asking = new AbortController();
    const { seed } = this;
    const choice = /** @type {HTMLSelectElement} */ (byId("map-colour"));
    const likeness = choice.options[1];
    if (seed === null) {
      if (now().answer === null && now().status === "loading") return; // the next seed is on its way
      this.similarities = null;
      likeness.disabled = true;
      choice.value = "artist";
      return this.repaint();
    }
    try {
      this.similarities = await this.data.similarities(seed, this.asking.signal);
    } catch (error) {
      if (isAbort(error)) return;
      this.similarities = null;
    }
    likeness.disabled = this.similarities === null;
    choice.value = this.similarities === null ? "artist" : "likeness";
    this.repaint();
    const row = this.data.rows.get(seed);
    if (row !== undefined) this.view.reveal(this.data.x[row], this.data.y[row]);
  }

  /** New colours: of artists, or of likeness. */
  repaint() {
    const style = getComputedStyle(this.points);
    const isDark = lightness(packed(style.columnRuleColor)) < 0.5;
    if (byId("map-colour").value === "likeness" && this.similarities !== null) {
      this.painted = likenessColours(this.similarities, packed(style.outlineColor), packed(style.caretColor));
    } else {
      this.painted = { colours: artistColours(this.data.artists, isDark), order: null };
    }
    showLegend();
    this.redraw();
  }

  redraw() {
    this.layer.isStale = true;
    this.remark();
  }

  /** New marks over the same points. */
  remark() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  draw() {
    const begin = performance.now();
    const { view } = this;
    const room = Math.sqrt((view.width * view.height) / this.data.count);
    const radius = Math.min(Math.max(room * 0.16, 1) * view.zoom ** 0.4, 6);
    const isUpToDate = this.layer.update(this.painted, radius);
    drawMarks(this, radius);
    this.tip.place();
    if (!isUpToDate) this.remark();
    this.points.dataset.drawMs = (performance.now() - begin).toFixed(1);
  }

  /** The row at a place of the frame, -1 when none is near. @param {number} px @param {number} py */
  at(px, py) {
    return this.data.grid.nearest(...this.view.toMap(px, py), REACH_PX / this.view.scale);
  }

  /** @param {number} row */
  async hover(row) {
    if (row === this.hovered) return;
    this.hovered = row;
    this.marks.style.cursor = row < 0 ? "" : "pointer";
    this.remark();
    await this.#tip(row);
  }

  /** @param {number} row */
  async choose(row) {
    if (row < 0) return;
    const song = await this.data.nameOf(row).catch(() => "");
    if (song) this.ask({ kind: "song", song });
  }

  /** @param {number} row */
  #tip(row) {
    return this.tip.show(row, () => row === this.hovered || row === this.cursor);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const step = steps[event.key];
    if (step && event.shiftKey) this.view.glideBy(60 * step[0], 60 * step[1]);
    else if (step) this.walk(step[0], step[1]);
    else if (event.key === "Enter" || event.key === " ") this.choose(this.cursor);
    else if (event.key === "+" || event.key === "=") byId("map-in").click();
    else if (event.key === "-") byId("map-out").click();
    else if (event.key === "0" || event.key === "Home") byId("map-whole").click();
    else return;
    event.preventDefault();
  }

  /** @param {number} dx @param {number} dy */
  walk(dx, dy) {
    if (this.cursor < 0) {
      const seed = this.data.rows.get(this.seed ?? "") ?? -1;
      this.walkTo(seed >= 0 ? seed : this.data.grid.nearest(this.view.x, this.view.y, 1));
      return;
    }
    const to = this.data.grid.towards(this.cursor, dx, dy);
    if (to >= 0) this.walkTo(to);
    else announce("no song further that way");
  }

  /** @param {number} row */
  async walkTo(row) {
    this.cursor = row;
    if (row >= 0) this.view.reveal(this.data.x[row], this.data.y[row]);
    this.remark();
    const name = await this.#tip(row);
    if (name) announce(name);
  }
}

/** @param {number} colour 0xBBGGRR */
const lightness = (colour) => ((colour & 255) * 0.3 + ((colour >> 8) & 255) * 0.59 + ((colour >> 16) & 255) * 0.11) / 255;
