// The name beside a song of the map: of the one pointed at, or walked to.

import { byId, el, parts } from "./dom.js";

const MARGIN_PX = 6;
const ABOVE_PX = 14;

export class MapTip {
  /** @param {import("./mapdata.js").MapData} data @param {import("./mapview.js").MapView} view */
  constructor(data, view) {
    this.data = data;
    this.view = view;
    this.element = byId("map-tip");
    this.row = -1;
  }

  /**
   * Show a row's name beside it; none for -1.
   * @param {number} row
   * @param {() => boolean} isWanted whether it still is, once the name is here
   * @returns {Promise<string>} the name
   */
  async show(row, isWanted) {
    this.element.hidden = true;
    if (row < 0) return "";
    const name = await this.data.nameOf(row).catch(() => "");
    if (!isWanted()) return name;
    const { artist, title } = parts(name);
    this.element.replaceChildren(el("strong", {}, title), el("span", {}, artist));
    this.element.hidden = name === "";
    this.row = row;
    this.place();
    return name;
  }

  /** It stays beside its song, wherever that goes. */
  place() {
    if (this.element.hidden) return;
    const { offsetWidth, offsetHeight } = this.element;
    const [px, py] = this.view.toPixels(this.data.x[this.row], this.data.y[this.row]);
    const rightmost = Math.max(this.view.width - offsetWidth - MARGIN_PX, MARGIN_PX);
    const left = Math.min(Math.max(px - offsetWidth / 2, MARGIN_PX), rightmost);
    const hasRoom = py > offsetHeight + ABOVE_PX + 8;
    const top = hasRoom ? py - offsetHeight - ABOVE_PX : py + ABOVE_PX;
    this.element.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }
}
