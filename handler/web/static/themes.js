// Dark or light: as the system is, until somebody chooses here.

import { byId } from "./dom.js";

const KEY = "vibe-theme";
const root = document.documentElement;
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

export const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : systemIsDark.matches);

/** Told when the colours change. */
export const themes = new EventTarget();

export function startTheme() {
  const button = byId("theme");
  const show = () => {
    button.setAttribute("aria-pressed", String(isDark()));
    themes.dispatchEvent(new Event("change"));
  };
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try {
      localStorage.setItem(KEY, root.dataset.theme);
    } catch {
      // Storage may be forbidden; then it lasts as long as the page.
    }
    show();
  });
  systemIsDark.addEventListener("change", show);
  show();
}
