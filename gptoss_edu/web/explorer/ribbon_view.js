// The router over the whole text: a ribbon per layer.

import { hexToRgb } from "./colors.js";
import { makeCanvas, ring, voiceBar } from "./pen.js";
import { clamp, percent, spoken } from "./store.js";

const BAND = 24;

export class RibbonView {
  constructor() {
    this.title = "Router over the text";
  }
  key(s, width) {
    return [s.t, s.l, s.e, s.side, width].join();
  }
  height(run) {
    return 30 + run.L * this.band(run) + 18;
  }
  band(run) {
    return run.L > 12 ? 12 : 30;
  }
  geometry(run, width) {
    return { left: 74, top: 18, w: width - 74 - 8, band: this.band(run) };
  }
  draw(pen, store, box, theme) {
    const { run, state } = store;
    const c = theme.colors;
    const g = this.geometry(run, box.w);
    const { all, one } = this.pictures(run, state.l, state.e, theme);
    pen.image(all, 0, 0, run.T, run.L * BAND, g.left, g.top, g.w, run.L * g.band);
    pen.image(one, 0, 0, run.T, BAND, g.left, g.top + state.l * g.band, g.w, g.band);
    for (let l = 0; l < run.L; l++) {
      const y = g.top + l * g.band;
      if (g.band > 20 || l % 2 === 0)
        pen.text(g.band > 20 ? "layer " + l : "" + l, 66, y + g.band / 2, c.ink, {
          size: 11,
          align: "right",
          bold: l === state.l,
        });
      pen.rect(g.left, y + g.band - 1, g.w, 1, c.paper);
    }
    ring(pen, theme, g.left - 1, g.top + state.l * g.band - 1, g.w + 2, g.band, 1.8);
    const px = g.w / run.T;
    const x = g.left + state.t * px;
    ring(pen, theme, x - 0.5, g.top - 3, Math.max(2, px + 1), run.L * g.band + 6, 1.6);
    pen.area(
      [
        [x + px / 2, g.top - 4],
        [x + px / 2 - 5, g.top - 11],
        [x + px / 2 + 5, g.top - 11],
      ],
      c.ink,
    );
    this.voices(pen, run, theme, g);
  }
  // Under the ribbon: who speaks.
  voices(pen, run, theme, g) {
    const y = g.top + run.L * g.band + 5;
    let from = 0;
    for (let t = 1; t <= run.T; t++) {
      if (t < run.T && run.voice(t) === run.voice(from)) continue;
      const x = g.left + (from / run.T) * g.w,
        w = ((t - from) / run.T) * g.w;
      voiceBar(pen, run.voice(from), x, y, Math.max(0.5, w - 0.5), 5, theme);
      if (w > 60)
        pen.text(run.voice(from), x + 1, y + 13, theme.colors[run.voice(from)] || theme.colors.muted, { size: 10.5 });
      from = t;
    }
  }
  // One pixel per token; BAND pixels per layer, divided by weight. The whole ribbon is drawn once; the selected layer
  // is drawn again over it, with the selected expert standing out.
  pictures(run, layer, selected, theme) {
    const id = [run.id, theme.id].join();
    if (!this.made || this.made.id !== id) {
      this.made = { id, all: makeCanvas(run.T, run.L * BAND), one: makeCanvas(run.T, BAND), shown: "" };
      const colors = this.colors(run, theme, () => 0.62);
      for (let l = 0; l < run.L; l++) this.paint(this.made.all, run, l, l * BAND, colors);
    }
    if (this.made.shown !== layer + "." + selected) {
      this.made.shown = layer + "." + selected;
      this.paint(
        this.made.one,
        run,
        layer,
        0,
        this.colors(run, theme, (e) => (e === selected ? 1 : 0.22)),
      );
    }
    return this.made;
  }
  colors(run, theme, strength) {
    const paper = hexToRgb(theme.colors.paper);
    return Array.from({ length: run.E }, (_, e) => {
      const f = strength(e);
      const [r, g, b] = hexToRgb(theme.expert(e)).map((v, i) => Math.round(f * v + (1 - f) * paper[i]));
      return (255 << 24) | (b << 16) | (g << 8) | r;
    });
  }
  paint(canvas, run, l, top, colors) {
    const context = canvas.getContext("2d");
    const image = context.createImageData(run.T, BAND);
    const data = new Uint32Array(image.data.buffer);
    const { data: indices } = run.arrays.expert_indices;
    for (let t = 0; t < run.T; t++) {
      let y = 0,
        sum = 0;
      for (let j = 0; j < run.K; j++) {
        const i = (l * run.T + t) * run.K + j;
        sum += run.has("expert_weights") ? run.at("expert_weights", i) : 1 / run.K;
        const stop = j === run.K - 1 ? BAND : Math.round(sum * BAND);
        for (; y < stop; y++) data[y * run.T + t] = colors[indices[i]];
      }
    }
    context.putImageData(image, 0, top);
  }
  hit(store, x, y, box) {
    const { run } = store;
    const g = this.geometry(run, box.w);
    const t = Math.floor(((x - g.left) / g.w) * run.T),
      l = Math.floor((y - g.top) / g.band);
    return t >= 0 && t < run.T && l >= 0 && l < run.L ? { t, l } : null;
  }
  tip(store, { t, l }) {
    const { run } = store;
    return (
      spoken(run, t) +
      " · layer " +
      l +
      ": " +
      run
        .route(l, t)
        .map((r) => r.expert + run.weighed(" (" + percent(r.weight) + ")"))
        .join(", ") +
      (run.leftOut(l, t) ? " · margin " + run.margin(l, t) : "")
    );
  }
  legend(store) {
    return {
      note:
        "each column shares its height among the experts chosen; layer " +
        store.state.l +
        ": expert " +
        store.state.e +
        " in full colour",
      swatch: store.state.e,
    };
  }
  table(store) {
    const { run, state } = store;
    const first = clamp(state.t - 8, 0, Math.max(0, run.T - 17));
    const rows = [];
    for (let t = first; t < Math.min(run.T, first + 17); t++)
      rows.push([
        (t === state.t ? "▸ " : "") + t,
        run.texts[t],
        run
          .route(state.l, t)
          .map((r) => r.expert + run.weighed(" (" + r.weight.toFixed(2) + ")"))
          .join(", "),
        run.margin(state.l, t),
      ]);
    return {
      head: ["token", "text", "experts of layer " + state.l + " (weight)", "margin to the first left out"],
      rows,
    };
  }
}
