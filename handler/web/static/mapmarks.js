// What is drawn over the points: the seed, the answer, the playlist's way, names where there is room.

import { parts } from "./dom.js";
import { now } from "./state.js";

const NAMES_SHOWN = 60; // of songs in view; past that they would hide each other
const NAMES_BESIDE_ANSWER = 24;

/**
 * @param {any} map a SongMap
 * @param {number} radius of a point, in CSS pixels
 */
export function drawMarks(map, radius) {
  const { data, view, ratio, marks } = map;
  const context = /** @type {CanvasRenderingContext2D} */ (marks.getContext("2d"));
  const style = getComputedStyle(map.points);
  const colours = { ink: style.color, paper: style.columnRuleColor, accent: style.caretColor };
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, view.width, view.height);
  context.lineJoin = "round";
  const place = (/** @type {number} */ row) => view.toPixels(data.x[row], data.y[row]);
  const rowsOf = (/** @type {string[]} */ names) => names.map((name) => data.rows.get(name)).filter((row) => row !== undefined);

  way(context, rowsOf(now().playlist).map(place), colours);
  const found = rowsOf((now().answer?.recommendations ?? []).map(({ song }) => song));
  for (const row of found) ring(context, place(row), radius + 3, colours, 1.5);
  const seed = data.rows.get(map.seed ?? "") ?? -1;
  const seeds = seed >= 0 ? [seed] : [];
  const few = inView(data, view);
  const named = new Set([...seeds, ...found.slice(0, 6), ...few]);
  const seen = [...new Set([...seeds, ...found, ...few])].map(place);
  names(context, [...named], place, radius, data, view, colours, new Set([map.hovered, map.cursor]), seen);
  if (seed >= 0) star(context, place(seed), radius + 4, colours);
  for (const row of [map.hovered, map.cursor]) if (row >= 0) ring(context, place(row), radius + 4, { ...colours, accent: colours.ink }, 2);
}

/** @typedef {{ink: string, paper: string, accent: string}} Colours */

/** @param {CanvasRenderingContext2D} context @param {[number, number][]} places @param {Colours} colours */
function way(context, places, colours) {
  if (places.length < 2) return;
  context.beginPath();
  for (const [x, y] of places) context.lineTo(x, y);
  context.setLineDash([5, 4]);
  context.strokeStyle = colours.ink;
  context.globalAlpha = 0.55;
  context.lineWidth = 1.25;
  context.stroke();
  context.setLineDash([]);
  context.globalAlpha = 1;
}

/** @param {CanvasRenderingContext2D} context @param {[number, number]} place @param {number} radius @param {Colours} colours @param {number} width */
function ring(context, [x, y], radius, colours, width) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.lineWidth = width + 2;
  context.strokeStyle = colours.paper;
  context.stroke();
  context.lineWidth = width;
  context.strokeStyle = colours.accent;
  context.stroke();
}

/** @param {CanvasRenderingContext2D} context @param {[number, number]} place @param {number} radius @param {Colours} colours */
function star(context, [x, y], radius, colours) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = colours.accent;
  context.fill();
  ring(context, [x, y], radius + 2, colours, 2);
}

/** Rows to name when few are in view. @param {any} data @param {any} view @returns {number[]} */
function inView(data, view) {
  const [left, top] = view.toMap(0, 0);
  const [right, bottom] = view.toMap(view.width, view.height);
  const most = now().answer === null ? NAMES_SHOWN : NAMES_BESIDE_ANSWER;
  const found = [];
  for (const row of data.grid.within(left, top, right, bottom)) {
    if (data.x[row] < left || data.x[row] > right || data.y[row] < top || data.y[row] > bottom) continue;
    found.push(row);
    if (found.length > most) return [];
  }
  return found;
}

/**
 * Titles beside points, each where no earlier one is.
 * @param {CanvasRenderingContext2D} context @param {number[]} rows @param {(row: number) => [number, number]} place
 * @param {number} radius @param {any} data @param {any} view @param {Colours} colours @param {Set<number>} passed @param {[number, number][]} seen places that no name may hide
 */
function names(context, rows, place, radius, data, view, colours, passed, seen) {
  context.font = `500 12px ${getComputedStyle(document.body).fontFamily}`;
  context.textBaseline = "middle";
  /** @type {[number, number, number][]} */
  const taken = seen.map(([x, y]) => [x - radius - 3, y, 2 * radius + 6]);
  /** @param {number} left @param {number} y @param {number} width */
  const isFree = (left, y, width) =>
    left >= 0 && left + width <= view.width && !taken.some(([a, b, c]) => Math.abs(b - y) < 15 && left < a + c && a < left + width);
  for (const row of rows) {
    const name = data.names[row];
    if (name === undefined || passed.has(row)) continue;
    const [x, y] = place(row);
    if (x < 0 || y < 0 || x > view.width || y > view.height) continue;
    const full = parts(name).title;
    const text = full.length > 28 ? `${full.slice(0, 27)}…` : full;
    const width = context.measureText(text).width;
    const [beside, apart] = [radius + 9, radius + 14];
    const places = [[x + beside, y], [x - beside - width, y], [x - width / 2, y - apart], [x - width / 2, y + apart]];
    const free = places.find(([left, line]) => isFree(left, line, width));
    if (!free) continue;
    const [left, line] = free;
    taken.push([left, line, width]);
    context.lineWidth = 4;
    context.strokeStyle = colours.paper;
    context.strokeText(text, left, line);
    context.fillStyle = colours.ink;
    context.fillText(text, left, line);
  }
}
