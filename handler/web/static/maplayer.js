// The points on their canvas. Painting 50,000 of them takes longer than a frame may, so a picture
// that is in motion is moved by the browser, and painted anew as often as there is time for it.

import { drawPoints } from "./mapdraw.js";

const QUICK_MS = 5; // to paint: then every frame may
const REST = 3; // else so many times as long is left to all else
const MANY = 20_000; // points that a dense screen gets at half its resolution

export class PointLayer {
  /** @param {HTMLCanvasElement} canvas @param {import("./mapdata.js").MapData} data @param {import("./mapview.js").MapView} view */
  constructor(canvas, data, view) {
    this.canvas = canvas;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    this.data = data;
    this.view = view;
    this.ratio = 1;
    this.isStale = true;
    /** What the canvas shows, and when that was painted. */
    this.shown = { x: 0, y: 0, scale: 0, at: 0, tookMs: 0 };
  }

  /** @param {number} width @param {number} height of the frame @param {number} ratio device pixels for one */
  resize(width, height, ratio) {
    this.ratio = this.data.count > MANY ? 1 : ratio;
    this.canvas.width = Math.round(width * this.ratio);
    this.canvas.height = Math.round(height * this.ratio);
    this.shown.tookMs = 0; // it is empty: nothing can be moved
    this.isStale = true;
  }

  /**
   * Bring it up to date, or near it.
   * @param {{colours: Uint32Array, order: Uint32Array | null}} painted
   * @param {number} radius in CSS pixels
   * @returns {boolean} whether it is; else to be called again with the next frame
   */
  update(painted, radius) {
    if (!this.isStale) return true;
    const { shown } = this;
    const isTime = shown.tookMs < QUICK_MS || performance.now() - shown.at > REST * shown.tookMs;
    if (isTime) this.#paint(painted, radius);
    else this.#move();
    return isTime;
  }

  /** @param {{colours: Uint32Array, order: Uint32Array | null}} painted @param {number} radius */
  #paint({ colours, order }, radius) {
    const begin = performance.now();
    const { view, ratio, data, canvas } = this;
    const scaled = { x: view.x, y: view.y, scale: view.scale * ratio };
    const alpha = data.count > 3000 && view.zoom < 4 ? 0.72 : 0.9;
    const seen = drawPoints(this.context, data, scaled, colours, order, radius * ratio, alpha);
    canvas.style.transform = "";
    canvas.dataset.seen = String(seen);
    canvas.dataset.painted = String(Number(canvas.dataset.painted ?? 0) + 1);
    const at = performance.now();
    this.shown = { x: view.x, y: view.y, scale: view.scale, at, tookMs: at - begin };
    this.isStale = false;
  }

  /** What is shown goes where it belongs now; what was out of view is missing until it is painted. */
  #move() {
    const { view, shown } = this;
    const factor = view.scale / shown.scale;
    const right = (view.width / 2) * (1 - factor) + (shown.x - view.x) * view.scale;
    const down = (view.height / 2) * (1 - factor) + (shown.y - view.y) * view.scale;
    this.canvas.style.transform = `translate(${right}px, ${down}px) scale(${factor})`;
  }
}
