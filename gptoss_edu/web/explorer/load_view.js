// The load of one layer: how often each expert was chosen, and by whose tokens.

import { fade } from "./colors.js";
import { ring } from "./pen.js";
import { percent } from "./store.js";

export class LoadView {
  constructor() {
    this.title = "Load of the experts";
  }
  key(s, width) {
    return [s.l, s.e, s.side, width].join();
  }
  height() {
    return 190;
  }
  geometry(run, width) {
    return { left: 38, top: 30, w: width - 46, h: 118, dx: (width - 46) / run.E };
  }
  draw(pen, store, box, theme) {
    const { run, state } = store;
    const c = theme.colors;
    const g = this.geometry(run, box.w);
    const { parts, total } = run.load(state.l);
    const sums = Array.from({ length: run.E }, (_, e) => parts.reduce((a, p) => a + p.counts[e], 0) / total);
    const top = Math.max(...sums, 1.5 / run.E);
    const entropy = -sums.reduce((a, p) => a + (p ? p * Math.log2(p) : 0), 0);
    pen.text(
      "layer " + state.l + ": entropy " + entropy.toFixed(2) + " of " + +Math.log2(run.E).toFixed(2) + " bits",
      g.left,
      8,
      c.ink,
      { size: 11.5, bold: true },
    );
    for (let e = 0; e < run.E; e++) {
      const x = g.left + e * g.dx;
      let y = g.top + g.h;
      for (const { voice, counts } of parts) {
        const h = (counts[e] / total / top) * g.h;
        y -= h;
        if (h > 0) voiceBlock(pen, voice, x + g.dx * 0.12, y, g.dx * 0.76, h, theme);
      }
      const wide = Math.max(g.dx - 1, 5); // a frame as narrow as one of 128 bars would hide it
      if (e === state.e) ring(pen, theme, x + (g.dx - wide) / 2, y - 2, wide, g.top + g.h - y + 3, 2, 2);
      if (g.dx > 15 || e % Math.ceil(24 / g.dx) === 0)
        pen.text("" + e, x + g.dx / 2, g.top + g.h + 10, e === state.e ? c.ink : c.muted, {
          size: 10,
          align: "center",
          bold: e === state.e,
        });
    }
    const even = g.top + g.h - (1 / run.E / top) * g.h;
    pen.line(
      [
        [g.left, even],
        [g.left + g.w, even],
      ],
      c.ink,
      1.2,
      [4, 3],
    );
    pen.text("even share " + percent(1 / run.E, 1), g.left + g.w, g.top - 7, c.muted, { size: 10.5, align: "right" });
    pen.text(percent(top), g.left - 4, g.top + 4, c.muted, { size: 10, align: "right" });
    pen.text("0", g.left - 4, g.top + g.h, c.muted, { size: 10, align: "right" });
    let x = g.left;
    for (const { voice } of parts) {
      voiceBlock(pen, voice, x, g.top + g.h + 24, 12, 10, theme);
      pen.text(voice, x + 16, g.top + g.h + 29, c.ink, { size: 10.5 });
      x += 26 + voice.length * 6.2;
    }
  }
  hit(store, x, y, box) {
    const g = this.geometry(store.run, box.w);
    const e = Math.floor((x - g.left) / g.dx);
    return e >= 0 && e < store.run.E ? { e } : null;
  }
  tip(store, { e }) {
    const { parts, total } = store.run.load(store.state.l);
    return "expert " + e + ": " + parts.map((p) => p.voice + " " + percent(p.counts[e] / total, 1)).join(", ");
  }
  legend() {
    return { note: "share of choices, by role and channel" };
  }
  table(store) {
    const { run, state } = store;
    const { parts, total } = run.load(state.l);
    const rows = Array.from({ length: run.E }, (_, e) => [
      (e === state.e ? "▸ " : "") + e,
      ...parts.map((p) => percent(p.counts[e] / total, 1)),
      percent(parts.reduce((a, p) => a + p.counts[e], 0) / total, 1),
    ]);
    return { head: ["expert", ...parts.map((p) => p.voice), "all"], rows };
  }
}

function voiceBlock(pen, voice, x, y, w, h, theme) {
  const color = theme.colors[voice] || theme.colors.neutral;
  pen.rect(x, y, w, h, voice === "analysis" ? fade(color, 0.55) : color);
  if (voice === "analysis") for (let i = 0; i < h; i += 4) pen.rect(x, y + i, w, Math.min(1.6, h - i), color);
  if (voice === "commentary" || voice === "tool")
    for (let i = 2; i < h - 1; i += 4) pen.rect(x + 1, y + i, w - 2, 1.4, theme.colors.paper);
}
