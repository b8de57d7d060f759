// A question box whose answer is not only written: it can be walked through.

import { el } from "../explorer/elements.js";
import { Box } from "../lab/box.js";
import { Picture } from "./picture.js";
import { PICTURE_STYLE } from "./picture_style.js";

class PictureBox extends Box {
  build() {
    super.build();
    this.tracing = { level: "none", live: false }; // the visible part is requested token by token
    this.picture = new Picture(this.client, this.settings);
    this.shell.classList.add("walkable");
    this.shell.append(el("style", {}, PICTURE_STYLE));
    this.insideBox.after(this.picture.root);
  }

  started(run, message) {
    super.started(run, message);
    this.insideBox.hidden = true;
    this.picture.begin(message.tokens);
  }

  told(run, message) {
    super.told(run, message);
    if (message.kind === "token") this.picture.wrote(message);
    else if (message.kind === "done" || message.kind === "stopped") this.picture.settle();
  }

  wear() {
    super.wear();
    this.picture.wear(this.theme);
  }
}

export function mountPicture(host, settings, source) {
  return new PictureBox(host, settings, source);
}
