// Points as soft discs, straight into pixels: 50,000 take a few milliseconds, where a canvas'
// own calls take one for each.

/** @typedef {{x: number, y: number, scale: number}} View place of the middle (0 to 1), pixels for 1 */

/**
 * Draw all points.
 * @param {CanvasRenderingContext2D} context
 * @param {{x: Float32Array, y: Float32Array}} points
 * @param {View} view in device pixels
 * @param {Uint32Array} colours by row, 0xBBGGRR
 * @param {Uint32Array | null} order rows, the last on top
 * @param {number} radius in device pixels
 * @param {number} alpha 0 to 1
 * @returns {number} how many were seen
 */
export function drawPoints(context, points, view, colours, order, radius, alpha) {
  const { width, height } = context.canvas;
  const { image, pixels } = blank(context);
  const disc = discOf(radius, alpha);
  const reach = disc.reach;
  const left = width / 2 - view.x * view.scale;
  const top = height / 2 - view.y * view.scale;
  let seen = 0;
  for (let at = 0; at < colours.length; at++) {
    const row = order === null ? at : order[at];
    const x = Math.round(points.x[row] * view.scale + left);
    const y = Math.round(points.y[row] * view.scale + top);
    if (x < -reach || y < -reach || x >= width + reach || y >= height + reach) continue;
    seen++;
    const isInside = x >= reach && y >= reach && x < width - reach && y < height - reach;
    stamp(pixels, width, height, x, y, disc, colours[row], isInside);
  }
  context.putImageData(image, 0, 0);
  return seen;
}

/** @type {{image: ImageData, pixels: Uint32Array} | null} */
let kept = null;

/** An empty image of the canvas' size: the last one again, if it fits. @param {CanvasRenderingContext2D} context */
function blank(context) {
  const { width, height } = context.canvas;
  if (kept?.image.width === width && kept.image.height === height) {
    kept.pixels.fill(0);
  } else {
    const image = context.createImageData(width, height);
    kept = { image, pixels: new Uint32Array(image.data.buffer) };
  }
  return kept;
}

/**
 * @param {Uint32Array} pixels @param {number} width @param {number} height @param {number} x @param {number} y
 * @param {ReturnType<typeof discOf>} disc @param {number} colour @param {boolean} isInside
 */
function stamp(pixels, width, height, x, y, disc, colour, isInside) {
  const { dx, dy, cover } = disc;
  for (let at = 0; at < cover.length; at++) {
    const right = x + dx[at];
    const down = y + dy[at];
    if (!isInside && (right < 0 || down < 0 || right >= width || down >= height)) continue;
    const place = down * width + right;
    const below = pixels[place];
    const share = cover[at];
    const belowAlpha = below >>> 24;
    if (belowAlpha === 0) {
      pixels[place] = (colour | (share << 24)) >>> 0;
      continue;
    }
    // "Over", not premultiplied as canvases have it: c = (s·cs + (1 − s)·b·cb) / a.
    const rest = ((255 - share) * belowAlpha) / 255;
    const sum = share + rest;
    const red = ((colour & 255) * share + (below & 255) * rest) / sum;
    const green = (((colour >> 8) & 255) * share + ((below >> 8) & 255) * rest) / sum;
    const blue = (((colour >> 16) & 255) * share + ((below >> 16) & 255) * rest) / sum;
    pixels[place] = ((Math.round(sum) << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  }
}

/** Pixels of a disc, and how much of each it covers (of 255), at its edge a little. @param {number} radius @param {number} alpha */
function discOf(radius, alpha) {
  const reach = Math.ceil(radius);
  const [dx, dy, cover] = /** @type {number[][]} */ ([[], [], []]);
  for (let down = -reach; down <= reach; down++) {
    for (let right = -reach; right <= reach; right++) {
      const share = Math.min(Math.max(radius + 0.5 - Math.hypot(right, down), 0), 1) * alpha;
      if (share < 0.02) continue;
      dx.push(right);
      dy.push(down);
      cover.push(Math.round(share * 255));
    }
  }
  return { reach, dx: Int32Array.from(dx), dy: Int32Array.from(dy), cover: Uint8Array.from(cover) };
}

/** Distinct, equally strong hues in the order of the golden angle. @param {Uint32Array} artists @param {boolean} isDark */
export function artistColours(artists, isDark) {
  const palette = Uint32Array.from({ length: 24 }, (_, at) => hsl((at * 137.508 + 18) % 360, isDark ? 0.5 : 0.52, isDark ? 0.66 : 0.44));
  return artists.map((artist) => palette[artist % palette.length]);
}

/**
 * From `far` to `near`, by rank as much as by value: among all songs most are alike.
 * @param {Uint8Array} similarities @param {number} far @param {number} near 0xBBGGRR
 * @returns {{colours: Uint32Array, order: Uint32Array}} the likest are drawn last
 */
export function likenessColours(similarities, far, near) {
  const counts = new Uint32Array(257);
  for (const one of similarities) counts[one + 1]++;
  for (let at = 0; at < 256; at++) counts[at + 1] += counts[at];
  const shade = Uint32Array.from({ length: 256 }, (_, value) => {
    const rank = counts[value] / Math.max(similarities.length - 1, 1);
    return mix(far, near, Math.min(rank ** 6, 1));
  });
  const colours = Uint32Array.from(similarities, (one) => shade[one]);
  const next = counts.slice();
  const order = new Uint32Array(similarities.length);
  for (let row = 0; row < similarities.length; row++) order[next[similarities[row]]++] = row;
  return { colours, order };
}

/** "rgb(1, 2, 3)" as 0xBBGGRR. @param {string} css */
export function packed(css) {
  const [red, green, blue] = (css.match(/[\d.]+/g) ?? ["0", "0", "0"]).map(Number);
  return (blue << 16) | (green << 8) | red;
}

/** @param {number} one @param {number} other @param {number} share */
function mix(one, other, share) {
  let found = 0;
  for (const shift of [0, 8, 16]) {
    const [from, to] = [(one >> shift) & 255, (other >> shift) & 255];
    found |= Math.round(from + (to - from) * share) << shift;
  }
  return found;
}

/** https://www.w3.org/TR/css-color-4/#hsl-to-rgb @param {number} hue @param {number} saturation @param {number} light */
function hsl(hue, saturation, light) {
  const channel = (/** @type {number} */ n) => {
    const k = (n + hue / 30) % 12;
    return Math.round(255 * (light - saturation * Math.min(light, 1 - light) * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return (channel(4) << 16) | (channel(8) << 8) | channel(0);
}
