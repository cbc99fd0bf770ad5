// Before anything is drawn: the colours chosen here once, else those of the system.
(() => {
  try {
    const kept = localStorage.getItem("vibe-theme");
    if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
  } catch {
    // Storage may be forbidden; then the system decides.
  }
})();
