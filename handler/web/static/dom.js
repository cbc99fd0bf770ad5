// Elements from data; text is always set as text.

/**
 * The element with this id.
 * @template {HTMLElement} [T=any]
 * @param {string} id
 * @returns {T}
 */
export const byId = (id) => /** @type {T} */ (document.getElementById(id));

/**
 * An element with properties, "aria-…", "data-…" and "on…" among them, and children.
 * @param {string} tag
 * @param {Record<string, unknown>} [properties]
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {any}
 */
export function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), /** @type {any} */ (value));
    else if (name.includes("-") || name === "role") made.setAttribute(name, String(value));
    else /** @type {any} */ (made)[name] = value;
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

/** Paths on a 20 × 20 grid. */
const ICONS = {
  play: "M6.5 4.2v11.6L15.8 10z",
  stop: "M5.5 5.5h9v9h-9z",
  add: "M10 4v12M4 10h12",
  less: "M4 10h12",
  up: "M5 12l5-5 5 5",
  down: "M5 8l5 5 5-5",
  remove: "M5.5 5.5l9 9M14.5 5.5l-9 9",
  check: "M4.5 10.5l3.5 3.5 7.5-8",
};

/**
 * A button that shows an icon.
 * @param {keyof typeof ICONS} icon
 * @param {string} label what a screen reader says, and the tip
 * @param {() => void} onclick
 * @param {Record<string, unknown>} [more]
 */
export function iconButton(icon, label, onclick, more = {}) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[icon]);
  svg.append(path);
  return el(
    "button",
    { type: "button", className: `icon icon-${icon}`, title: label, "aria-label": label, onclick, ...more },
    svg,
  );
}

/** Say it to those who do not see it. @param {string} text */
export function announce(text) {
  byId("live").textContent = text;
}

/** "Artist - Title" in its parts. @param {string} name @returns {{artist: string, title: string}} */
export function parts(name) {
  const at = name.indexOf(" - ");
  return at < 0 ? { artist: "", title: name } : { artist: name.slice(0, at), title: name.slice(at + 3) };
}

/** @param {number} count @param {string} [one] */
export const songs = (count, one = "song") => `${count.toLocaleString("en")} ${one}${count === 1 ? "" : "s"}`;
