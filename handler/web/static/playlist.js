// The playlist: kept in order by hand, begun or gone on with by the server, saved as .m3u8 (which
// the server writes: it knows where the files are).

import { ApiError, playlist as askPlaylist, playlistFile } from "./api.js";
import { suggestSongs } from "./combobox.js";
import { announce, byId, el, iconButton, songs } from "./dom.js";
import { problemOf } from "./problems.js";
import { playButton, songLink } from "./results.js";
import { now, set, watch } from "./state.js";

const MORE = 5;
const MAX_SEEDS = 50;

/**
 * @param {import("./results.js").Acts} acts
 * @returns {(name: string) => void} adds a song at the end
 */
export function startPlaylist(acts) {
  watch(["playlist", "previews", "playing"], () => render(acts));
  startWay(acts);
  byId("playlist-more").addEventListener("click", () => goOn(acts));
  byId("playlist-clear").addEventListener("click", () => {
    change([]);
    byId("playlist-title").scrollIntoView({ block: "nearest" });
    announce("playlist is empty");
  });
  byId("playlist-save").addEventListener("click", () => save(acts));
  return (name) => {
    if (now().playlist.includes(name)) return;
    change([...now().playlist, name]);
    announce(`${name} added, ${songs(now().playlist.length)} in the playlist`);
  };
}

/** @param {string[]} names */
const change = (names) => set({ playlist: names });

/** @param {import("./results.js").Acts} acts */
function render(acts) {
  const { playlist } = now();
  const list = byId("playlist-songs");
  const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset.key;
  list.replaceChildren(...playlist.map((name, at) => row(name, at, acts)));
  byId("playlist-tools").hidden = playlist.length === 0;
  byId("playlist-empty").hidden = playlist.length > 0;
  if (focused) {
    const same = /** @type {HTMLButtonElement | null} */ (list.querySelector(`[data-key="${CSS.escape(focused)}"]`));
    const other = same?.disabled ? same.parentElement?.querySelector("button:not(:disabled)") : same;
    /** @type {HTMLElement | null | undefined} */ (other)?.focus();
  }
}

/** @param {string} name @param {number} at @param {import("./results.js").Acts} acts */
function row(name, at, acts) {
  const { playlist } = now();
  return el(
    "li",
    { className: "song" },
    playButton(name, acts.play),
    songLink(name, acts),
    el(
      "span",
      { className: "song-acts" },
      iconButton("up", `Move ${name} up`, () => move(at, -1), { disabled: at === 0, "data-key": `up ${name}` }),
      iconButton("down", `Move ${name} down`, () => move(at, 1), { disabled: at === playlist.length - 1, "data-key": `down ${name}` }),
      iconButton("remove", `Remove ${name}`, () => remove(at)),
    ),
  );
}

/** @param {number} at @param {number} step */
function move(at, step) {
  const names = [...now().playlist];
  const [name] = names.splice(at, 1);
  names.splice(at + step, 0, name);
  change(names);
  announce(`${name} is now ${at + step + 1} of ${names.length}`);
}

/** @param {number} at */
function remove(at) {
  const names = [...now().playlist];
  const [name] = names.splice(at, 1);
  change(names);
  announce(`${name} removed`);
  const buttons = byId("playlist-songs").querySelectorAll(".icon-remove");
  const near = /** @type {HTMLElement | undefined} */ (buttons[Math.min(at, buttons.length - 1)]);
  (near ?? byId("way-from")).focus();
}

/** @param {import("./results.js").Acts} acts */
function startWay(acts) {
  for (const id of ["way-from", "way-to"]) suggestSongs(byId(id), () => {});
  byId("way-form").addEventListener("submit", (/** @type {Event} */ event) => {
    event.preventDefault();
    const [from, to] = ["way-from", "way-to"].map((id) => byId(id).value.trim());
    if (!from || !to) return byId(from ? "way-to" : "way-from").focus();
    const request = { from, to, n: Math.min(Math.max(Math.round(Number(byId("way-n").value)) || 10, 2), 100), ...refined() };
    make(request, (found) => found, acts);
  });
}

/** @param {import("./results.js").Acts} acts */
function goOn(acts) {
  const { playlist } = now();
  const request = { songs: playlist.slice(-MAX_SEEDS), n: MORE, exclude: playlist.slice(-100), ...refined() };
  make(request, (found) => [...playlist, ...found.filter((name) => !playlist.includes(name))], acts);
}

function refined() {
  const { refine, notLike } = now();
  return {
    ...(refine.diversity > 0 && { diversity: refine.diversity }),
    ...(refine.perArtist !== null && { max_per_artist: refine.perArtist }),
    ...(notLike.length > 0 && { not_like: notLike }),
  };
}

/**
 * @param {object} request
 * @param {(found: string[]) => string[]} joined the playlist, with what was found
 * @param {import("./results.js").Acts} acts
 */
async function make(request, joined, acts) {
  const problem = byId("playlist-problem");
  const section = problem.closest("section");
  section?.setAttribute("aria-busy", "true");
  try {
    const found = (await askPlaylist(request)).songs.map(({ song }) => song);
    const names = joined(found);
    change(names);
    problem.replaceChildren();
    announce(`${songs(names.length)} in the playlist`);
  } catch (error) {
    fail(error, () => make(request, joined, acts), acts);
  } finally {
    section?.removeAttribute("aria-busy");
  }
}

/** @param {unknown} error @param {() => void} again @param {import("./results.js").Acts} acts */
function fail(error, again, acts) {
  if (!(error instanceof ApiError)) throw error;
  byId("playlist-problem").replaceChildren(problemOf(error, "song", { ...acts, again }));
}

/** @param {import("./results.js").Acts} acts */
async function save(acts) {
  try {
    const file = await playlistFile({ these: now().playlist });
    const address = URL.createObjectURL(file);
    el("a", { href: address, download: "vibe-search.m3u8" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
    byId("playlist-problem").replaceChildren();
  } catch (error) {
    fail(error, () => save(acts), acts);
  }
}
