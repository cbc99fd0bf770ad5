// Where the map is looked at from, and how fingers, wheel and keys move that.

const MOST_ZOOM = 400;
const GLIDE_MS = 260;
const CLICK_PX = 5;
const MARGIN_PX = 28;
const LEAST_SIDE = 0.2; // of the map: a few songs in one place are not all there is to see

/** Changes by being told, and says when it did. */
export class MapView {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {{left: number, right: number, top: number, bottom: number}} bounds of what is on the map
   * @param {() => void} changed
   */
  constructor(canvas, { left, right, top, bottom }, changed) {
    this.canvas = canvas;
    this.changed = changed;
    this.width = 1;
    this.height = 1;
    /** The middle of all there is, and its extent. */
    this.home = {
      x: (left + right) / 2,
      y: (top + bottom) / 2,
      across: Math.max(right - left, LEAST_SIDE),
      down: Math.max(bottom - top, LEAST_SIDE),
    };
    this.x = this.home.x;
    this.y = this.home.y;
    this.scale = 1;
    this.gliding = 0;
    /** Where a glide under way will end. @type {{x: number, y: number, zoom: number} | null} */
    this.goal = null;
  }

  /** Where the view is, or will be in a moment: two presses of a button count twice. */
  get aim() {
    return this.goal ?? { x: this.x, y: this.y, zoom: this.zoom };
  }

  /** Pixels for 1 at which all songs are in view, with a margin. */
  get whole() {
    const [width, height] = [this.width, this.height].map((side) => Math.max(side - 2 * MARGIN_PX, 1));
    return Math.min(width / this.home.across, height / this.home.down);
  }

  get zoom() {
    return this.scale / this.whole;
  }

  /** The frame has this size in CSS pixels now. @param {number} width @param {number} height */
  resize(width, height) {
    const zoom = this.width > 1 ? this.zoom : 1;
    [this.width, this.height] = [width, height];
    this.scale = this.whole * zoom;
    this.changed();
  }

  /** @param {number} x @param {number} y @returns {[number, number]} pixels */
  toPixels(x, y) {
    return [(x - this.x) * this.scale + this.width / 2, (y - this.y) * this.scale + this.height / 2];
  }

  /** @param {number} px @param {number} py @returns {[number, number]} */
  toMap(px, py) {
    return [(px - this.width / 2) / this.scale + this.x, (py - this.height / 2) / this.scale + this.y];
  }

  /** @param {number} dx @param {number} dy pixels */
  pan(dx, dy) {
    this.stop();
    this.#to(this.x - dx / this.scale, this.y - dy / this.scale, this.scale);
  }

  /** Closer by `factor`, about a place that stays where it is. @param {number} factor @param {number} [px] @param {number} [py] */
  zoomBy(factor, px = this.width / 2, py = this.height / 2) {
    this.stop();
    const [x, y] = this.toMap(px, py);
    const scale = this.#bounded(this.scale * factor);
    this.#to(x - (px - this.width / 2) / scale, y - (py - this.height / 2) / scale, scale);
  }

  /** Go there gently; at once for those who want no motion. @param {number} x @param {number} y @param {number} zoom */
  glide(x, y, zoom) {
    this.stop();
    const from = { x: this.x, y: this.y, scale: this.scale };
    const scale = this.#bounded(this.whole * zoom);
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return this.#to(x, y, scale);
    const begin = performance.now();
    const step = (/** @type {number} */ time) => {
      const part = Math.min(Math.max((time - begin) / GLIDE_MS, 0), 1);
      const ease = 1 - (1 - part) ** 3;
      this.#to(from.x + (x - from.x) * ease, from.y + (y - from.y) * ease, from.scale * (scale / from.scale) ** ease);
      if (part < 1) this.gliding = requestAnimationFrame(step);
      else this.goal = null;
    };
    this.goal = { x, y, zoom: scale / this.whole };
    this.gliding = requestAnimationFrame(step);
  }

  /** Go on by so many pixels, zooming as before. @param {number} dx @param {number} dy */
  glideBy(dx, dy) {
    const { x, y, zoom } = this.aim;
    const scale = this.whole * zoom;
    this.glide(x + dx / scale, y + dy / scale, zoom);
  }

  /** End a glide where it is: the hand on the map wins. */
  stop() {
    cancelAnimationFrame(this.gliding);
    this.goal = null;
  }

  /** Bring a place into view, if it is not. @param {number} x @param {number} y */
  reveal(x, y) {
    const [px, py] = this.toPixels(x, y);
    const margin = 10;
    if (px < margin || py < margin || px > this.width - margin || py > this.height - margin) this.glide(x, y, this.aim.zoom);
  }

  /** @param {number} x @param {number} y @param {number} scale */
  #to(x, y, scale) {
    this.x = Math.min(Math.max(x, 0), 1);
    this.y = Math.min(Math.max(y, 0), 1);
    this.scale = scale;
    this.changed();
  }

  /** @param {number} scale */
  #bounded(scale) {
    return Math.min(Math.max(scale, this.whole * 0.8), this.whole * MOST_ZOOM);
  }
}

/**
 * Let pointers and the wheel move the view.
 * @param {MapView} view
 * @param {{hover: (px: number, py: number) => void, leave: () => void, click: (px: number, py: number) => void}} on
 */
export function startPointers(view, on) {
  const { canvas } = view;
  /** @type {Map<number, {x: number, y: number}>} */
  const down = new Map();
  let moved = 0;

  /** @param {PointerEvent} event */
  const place = (event) => {
    const frame = canvas.getBoundingClientRect();
    return { x: event.clientX - frame.left, y: event.clientY - frame.top };
  };
  /** Middle and spread of what is down. */
  const grip = () => {
    const all = [...down.values()];
    const [x, y] = [mean(all.map((one) => one.x)), mean(all.map((one) => one.y))];
    return { x, y, spread: mean(all.map((one) => Math.hypot(one.x - x, one.y - y))) };
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    view.stop();
    if (down.size === 0) moved = 0;
    down.set(event.pointerId, place(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!down.has(event.pointerId)) {
      const { x, y } = place(event);
      return on.hover(x, y);
    }
    const before = grip();
    down.set(event.pointerId, place(event));
    const after = grip();
    moved += Math.hypot(after.x - before.x, after.y - before.y) + Math.abs(after.spread - before.spread);
    if (moved < CLICK_PX) return;
    on.leave();
    view.pan(after.x - before.x, after.y - before.y);
    if (before.spread > 0 && after.spread > 0) view.zoomBy(after.spread / before.spread, after.x, after.y);
  });
  const lift = (/** @type {PointerEvent} */ event) => {
    const was = down.get(event.pointerId);
    down.delete(event.pointerId);
    if (was && down.size === 0 && moved < CLICK_PX && event.type === "pointerup") on.click(was.x, was.y);
  };
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("pointerleave", on.leave);
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const { x, y } = place(/** @type {any} */ (event));
      const unit = event.deltaMode === 1 ? 16 : 1;
      view.zoomBy(Math.exp(-Math.min(Math.max(event.deltaY * unit, -120), 120) * (event.ctrlKey ? 0.01 : 0.0022)), x, y);
    },
    { passive: false },
  );
}

/** @param {number[]} values */
const mean = (values) => values.reduce((sum, one) => sum + one, 0) / values.length;
