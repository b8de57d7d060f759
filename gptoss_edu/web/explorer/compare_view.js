// What changed between two runs of the same tokens.

import { cut, ring } from "./pen.js";
import { percent, spoken } from "./store.js";

export class CompareView {
  constructor() {
    this.title = "A and B";
  }
  key(s, width) {
    return [s.t, width].join();
  }
  height() {
    return 228;
  }
  changes(store) {
    const [a, b] = store.payload.runs;
    if (!this.made) {
      const bits = Float32Array.from({ length: a.T }, (_, t) =>
        t && a.has("surprisal") && b.has("surprisal") ? b.at("surprisal", t) - a.at("surprisal", t) : 0,
      );
      const replaced = new Float32Array(a.T);
      for (let t = 0; t < a.T; t++)
        for (let l = 0; l < a.L; l++) {
          const after = new Set(b.route(l, t).map((r) => r.expert));
          replaced[t] += a.route(l, t).filter((r) => !after.has(r.expert)).length / (a.K * a.L);
        }
      this.made = { bits, replaced };
    }
    return this.made;
  }
  draw(pen, store, box, theme) {
    const [a, b] = store.payload.runs;
    const { t } = store.state;
    const c = theme.colors;
    const { bits, replaced } = this.changes(store);
    const left = 46,
      w = box.w - left - 6;
    const span = Math.max(0.5, ...bits.map(Math.abs));
    const room = Math.floor(box.w / 6.3);
    pen.text(cut("A: " + a.name, room), 2, 9, c.ink, { size: 11.5, bold: true });
    pen.text(cut("B: " + b.name, room), 2, 24, c.ink, { size: 11.5, bold: true });
    const middle = 76,
      half = 34,
      foot = 142;
    const bar = Math.max(0.7, w / a.T - 0.4);
    for (let i = 0; i < a.T; i++) {
      const x = left + (i / a.T) * w;
      const y = (bits[i] / span) * half;
      if (y) pen.rect(x, y > 0 ? middle - y : middle, bar, Math.abs(y), theme.ramp("diverging", y > 0 ? 0.95 : 0.05));
      if (replaced[i]) pen.rect(x, foot - 20 * replaced[i], bar, 20 * replaced[i], c.full);
    }
    pen.line(
      [
        [left, middle],
        [left + w, middle],
      ],
      c.muted,
      1,
    );
    pen.line(
      [
        [left, foot],
        [left + w, foot],
      ],
      c.muted,
      1,
    );
    pen.text("+" + span.toFixed(1), left - 4, middle - half + 4, c.muted, { size: 10, align: "right" });
    pen.text("−" + span.toFixed(1), left - 4, middle + half - 4, c.muted, { size: 10, align: "right" });
    pen.text("bits", left - 4, middle, c.muted, { size: 10, align: "right" });
    pen.text("experts", left - 4, foot - 16, c.muted, { size: 10, align: "right" });
    pen.text("replaced", left - 4, foot - 5, c.muted, { size: 10, align: "right" });
    ring(pen, theme, left + (t / a.T) * w - 1, 36, bar + 2, 110, 1.4);
    this.nexts(pen, theme, "A", a, t, 2, box.w / 2 - 6);
    this.nexts(pen, theme, "B", b, t, box.w / 2 + 4, box.w / 2 - 6);
  }
  nexts(pen, theme, name, run, t, x, w) {
    const c = theme.colors;
    const before = Math.max(0, t - 1);
    pen.text(
      name + (t ? " expected at token " + t + " “" + cut(run.texts[t], 14) + "”" : " expected after token 0"),
      x,
      158,
      c.muted,
      { size: 10.5 },
    );
    run
      .next(before)
      .slice(0, 4)
      .forEach(({ token, prob }, i) => {
        const y = 168 + i * 15;
        pen.rect(x + 54, y, Math.max(1, (w - 96) * prob), 11, theme.ramp("sequential", 0.6));
        pen.text(cut(run.word(token), 8), x + 50, y + 6, c.ink, { size: 10.5, mono: true, align: "right" });
        pen.text(percent(prob, 1), x + 58 + (w - 96) * prob, y + 6, c.ink, { size: 10 });
      });
  }
  hit(store, x, y, box) {
    const t = Math.floor(((x - 46) / (box.w - 52)) * store.run.T);
    return t >= 0 && t < store.run.T && y < 146 ? { t } : null;
  }
  tip(store, { t }) {
    const { bits, replaced } = this.changes(store);
    return (
      spoken(store.run, t) +
      ": " +
      (bits[t] >= 0 ? "+" : "") +
      bits[t].toFixed(2) +
      " bits, " +
      percent(replaced[t]) +
      " of its experts replaced"
    );
  }
  legend() {
    return { ramp: "diverging", low: "less", high: "more", name: "surprisal of B compared with A" };
  }
  table(store) {
    const { bits, replaced } = this.changes(store);
    const order = [...bits.keys()].sort((i, j) => Math.abs(bits[j]) - Math.abs(bits[i])).slice(0, 15);
    return {
      head: ["token", "text", "change, bits", "experts replaced"],
      rows: order.map((t) => [t, store.run.texts[t], bits[t].toFixed(2), percent(replaced[t])]),
    };
  }
}
