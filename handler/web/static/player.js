// Ten seconds of a song, one at a time.

import { previewAddress } from "./api.js";
import { announce, byId } from "./dom.js";
import { now, set, watch } from "./state.js";

const FAILED_MS = 8_000;

/** @returns {(name: string) => void} plays a song; the one that plays, it stops */
export function startPlayer() {
  const audio = /** @type {HTMLAudioElement} */ (byId("audio"));
  const progress = byId("player-progress");
  let closing = 0;

  const stop = () => {
    audio.pause();
    set({ playing: null });
  };

  /** @param {string} name */
  const play = (name) => {
    if (now().playing === name) return stop();
    audio.src = previewAddress(name, now().version);
    set({ playing: name });
    audio.play().catch((error) => {
      if (error.name !== "AbortError") failed(name); // Abort: another song took its place
    });
  };

  /** Say so where it would have played, for a while. @param {string} name */
  const failed = (name) => {
    if (now().playing !== name) return;
    set({ playing: null });
    const said = `${name} cannot be played`;
    announce(said);
    byId("player-name").textContent = said;
    byId("player").hidden = false;
    progress.hidden = true;
    closing = setTimeout(close, FAILED_MS);
  };

  const close = () => {
    byId("player").hidden = true;
  };

  audio.addEventListener("timeupdate", () => {
    progress.value = audio.duration ? audio.currentTime / audio.duration : 0;
  });
  audio.addEventListener("ended", () => {
    const { playing, playlist } = now();
    set({ playing: null });
    const following = playlist[playlist.indexOf(playing ?? "") + 1];
    if (playing !== null && playlist.includes(playing) && following) play(following);
  });
  byId("player-stop").addEventListener("click", () => (now().playing === null ? close() : stop()));
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && now().playing !== null && !event.defaultPrevented) stop();
  });
  watch(["playing"], ({ playing }) => {
    clearTimeout(closing);
    byId("player").hidden = playing === null;
    progress.hidden = false;
    byId("player-name").textContent = playing ?? "";
    progress.value = 0;
  });
  return play;
}
