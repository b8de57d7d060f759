// The lab's other right side: the picture of the model, walked through with the answer in place of the explorer.

import { button, el } from "../explorer/elements.js";
import { Picture } from "../picture/picture.js";

export class Walk {
  // explorer: the element whose place the picture takes.
  constructor(client, settings, explorer) {
    this.picture = new Picture(client, settings);
    this.box = el("div", { class: "walk", hidden: "" });
    this.box.append(this.picture.root);
    this.explorer = explorer;
    this.button = button("Walk through the model", "Walk through the model with this answer, or back", () =>
      this.turn(),
    );
    this.button.setAttribute("aria-pressed", "false");
    this.button.hidden = true;
  }

  // A message about answer A; `interventions` are those under which it is written.
  told(message, interventions) {
    const { kind, side } = message;
    if (side === "A" && kind === "start") this.picture.begin(message.tokens, interventions);
    if (side === "A" && kind === "token") this.box.hidden ? this.picture.add(message) : this.picture.wrote(message);
    if (kind === "finished" || kind === "stopped") this.ended();
  }

  ended() {
    this.button.hidden = !this.picture.tokens.length;
    if (!this.box.hidden) this.picture.settle();
  }

  turn() {
    this.box.hidden = !this.box.hidden;
    this.explorer.hidden = !this.box.hidden;
    this.button.setAttribute("aria-pressed", String(!this.box.hidden));
    if (!this.box.hidden) this.picture.settle();
  }
}
