// What the map's colours and marks mean, below it: those that it shows just now.

import { byId, el } from "./dom.js";
import { now } from "./state.js";

export function showLegend() {
  const { query, answer, playlist } = now();
  const isByLikeness = byId("map-colour").value === "likeness";
  const found = answer?.recommendations.length ?? 0;
  byId("map-legend").replaceChildren(
    isByLikeness ? sign("scale", "less to more alike") : sign("artists", "one colour, one artist"),
    ...(found > 0 && query?.kind === "song" ? [sign("asked", "asked for")] : []),
    ...(found > 0 ? [sign("answered", "answered")] : []),
    ...(playlist.length > 1 ? [sign("way", "playlist")] : []),
  );
}

/** @param {string} kind @param {string} meaning */
const sign = (kind, meaning) => el("li", {}, el("span", { className: `sign sign-${kind}`, "aria-hidden": "true" }), meaning);
