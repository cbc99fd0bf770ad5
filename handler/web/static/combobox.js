// A text field that suggests songs: the ARIA combobox with a list below it.
// https://www.w3.org/WAI/ARIA/apg/patterns/combobox/

import { isAbort, listSongs } from "./api.js";
import { announce, el, parts, songs } from "./dom.js";

const WAIT_MS = 120;
const SHOWN = 8;

/**
 * Let `input` suggest songs; `choose` gets the name that was chosen.
 * @param {HTMLInputElement} input
 * @param {(name: string) => void} choose
 * @returns {{close: () => void}}
 */
export function suggestSongs(input, choose) {
  const list = el("ul", { id: `${input.id}-list`, className: "suggestions", role: "listbox", hidden: true });
  list.setAttribute("aria-label", "Songs");
  input.insertAdjacentElement("afterend", list);
  input.parentElement?.classList.add("suggests");
  for (const [name, value] of Object.entries({
    role: "combobox",
    "aria-autocomplete": "list",
    "aria-expanded": "false",
    "aria-controls": list.id,
  })) input.setAttribute(name, value);

  /** @type {string[]} */
  let names = [];
  let active = -1;
  let timer = 0;
  let asking = new AbortController();

  const close = () => {
    clearTimeout(timer);
    asking.abort();
    show([]);
  };

  /** @param {string[]} found */
  function show(found) {
    names = found;
    activate(-1);
    list.replaceChildren(...found.map(option));
    list.hidden = found.length === 0;
    input.setAttribute("aria-expanded", String(found.length > 0));
  }

  /** @param {string} name @param {number} at */
  function option(name, at) {
    const { artist, title } = parts(name);
    return el(
      "li",
      {
        id: `${input.id}-${at}`,
        role: "option",
        "aria-selected": "false",
        // Before the field loses its focus, which closes the list.
        onpointerdown: (/** @type {Event} */ event) => event.preventDefault(),
        onclick: () => take(at),
      },
      el("span", { className: "title" }, ...marked(title, input.value)),
      artist && el("span", { className: "artist" }, ...marked(artist, input.value)),
    );
  }

  /** @param {number} at */
  function activate(at) {
    list.children[active]?.setAttribute("aria-selected", "false");
    active = at;
    const chosen = list.children[at];
    if (chosen) {
      chosen.setAttribute("aria-selected", "true");
      chosen.scrollIntoView({ block: "nearest" });
      input.setAttribute("aria-activedescendant", chosen.id);
    } else {
      input.removeAttribute("aria-activedescendant");
    }
  }

  /** @param {number} at */
  function take(at) {
    const name = names[at];
    input.value = name;
    close();
    choose(name);
  }

  async function look() {
    asking.abort();
    asking = new AbortController();
    const asked = input.value.trim();
    if (!asked) return show([]);
    try {
      const found = (await listSongs(asked, SHOWN, asking.signal)).songs;
      if (document.activeElement !== input) return;
      show(found);
      announce(found.length ? `${songs(found.length, "suggestion")}` : "no suggestion");
    } catch (error) {
      if (!isAbort(error)) show([]); // the answer to the question itself will say what is wrong
    }
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(look, WAIT_MS);
  });
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return; // these keys choose among signs, of Japanese for one
    if (event.key === "Escape") {
      if (list.hidden) input.value = "";
      close();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) look();
      else activate(stepped(active, event.key === "ArrowDown" ? 1 : -1, names.length));
    } else if (event.key === "Enter" && active >= 0) {
      event.preventDefault();
      take(active);
    }
  });
  return { close };
}

/** The next place, round the list by way of none (-1). @param {number} at @param {number} step @param {number} count */
const stepped = (at, step, count) => ((at + 1 + step + count + 1) % (count + 1)) - 1;

/** The text with what was typed in bold. @param {string} text @param {string} typed @returns {(Node | string)[]} */
function marked(text, typed) {
  const part = typed.trim().toLowerCase();
  const at = part ? text.toLowerCase().indexOf(part) : -1;
  if (at < 0) return [text];
  return [text.slice(0, at), el("b", {}, text.slice(at, at + part.length)), text.slice(at + part.length)];
}
