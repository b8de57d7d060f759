// All tokens in one line that scrolls; one of them is looked at. One Tab stop, arrows move.

import { el } from "../explorer/elements.js";
import { chip } from "./parts.js";

export class TokenStrip {
  constructor(choose) {
    this.choose = choose;
    this.root = el("div", {
      class: "strip",
      role: "listbox",
      "aria-label": "The token that is looked at",
      "aria-orientation": "horizontal",
    });
    this.root.addEventListener("click", (event) => {
      const at = this.options().indexOf(event.target.closest("[role=option]"));
      if (at >= 0) choose(at);
    });
  }

  options() {
    return [...this.root.children];
  }

  clear() {
    this.root.replaceChildren();
  }

  add(token) {
    const option = chip(token);
    option.setAttribute("role", "option");
    option.setAttribute("aria-selected", "false");
    option.tabIndex = -1;
    if (token.channel) option.dataset.channel = token.channel;
    this.root.append(option);
  }

  // Show which one is looked at, without scrolling the page.
  select(position) {
    const option = this.root.children[position];
    if (!option) return;
    if (this.selected && this.selected !== option) {
      this.selected.setAttribute("aria-selected", "false");
      this.selected.tabIndex = -1;
    }
    const focused = this.selected && this.root.getRootNode().activeElement === this.selected;
    this.selected = option;
    option.setAttribute("aria-selected", "true");
    option.tabIndex = 0;
    if (focused) option.focus({ preventScroll: true });
    this.root.scrollLeft = option.offsetLeft - this.root.clientWidth / 2 + option.offsetWidth / 2;
  }
}
