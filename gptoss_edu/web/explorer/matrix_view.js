// The attention matrix of one head.

import { fade, strengthen } from "./colors.js";
import { makeCanvas, ring } from "./pen.js";
import { clamp, percent, topKeys } from "./store.js";

export class MatrixView {
  constructor() {
    this.title = "Attention of one head";
    this.made = new Map();
  }
  key(s, width) {
    return [s.t, s.l, s.h, s.side, s.zoom, width].join();
  }
  height(run, width) {
    return Math.min(430, this.geometry(width).size + this.geometry(width).top + 34);
  }
  geometry(width) {
    const left = 46,
      sink = 18,
      gap = 8,
      top = 24;
    return {
      left,
      sink,
      gap,
      top,
      x: left + sink + gap,
      size: Math.max(120, Math.min(370, width - left - sink - gap - 8)),
    };
  }
  // Which tokens the square shows.
  range(store) {
    const { run, state } = store;
    if (!state.zoom || run.T <= ZOOM) return [0, run.T];
    const first = clamp(state.t - Math.floor(ZOOM * 0.75), 0, run.T - ZOOM);
    return [first, first + ZOOM];
  }
  draw(pen, store, box, theme) {
    const { run, state } = store;
    const g = this.geometry(box.w);
    const c = theme.colors;
    if (!run.has("pooled") && !run.isExact(state.l, state.h))
      return pen.text("This trace keeps no attention.", 10, 30, c.muted, { size: 13 });
    const [a, b] = this.range(store);
    const n = b - a,
      px = g.size / n;
    const picture = this.picture(run, state.l, state.h, theme);
    const f = picture.scale;
    pen.rect(g.x, g.top, g.size, g.size, c.raised);
    pen.image(picture.keys, a * f, a * f, n * f, n * f, g.x, g.top, g.size, g.size);
    pen.image(picture.sink, 0, a * f, 1, n * f, g.left, g.top, g.sink, g.size);
    pen.frame(g.left, g.top, g.sink, g.size, c.sink, 1.5);
    pen.frame(g.x, g.top, g.size, g.size, c.muted, 1);
    pen.text("sink", g.left + g.sink / 2, g.top - 9, c.sink, { size: 11, align: "center", bold: true });
    pen.text("keys " + a + " to " + (b - 1) + " →", g.x, g.top - 9, c.muted, { size: 11 });
    pen.text("queries ↓", 12, g.top + g.size / 2, c.muted, { size: 11, align: "center", turn: -Math.PI / 2 });
    pen.clip(g.x, g.top, g.size, g.size, () => this.edges(pen, run, state, theme, g, a, n, px));
    this.selected(pen, store, theme, g, a, px);
    const note = run.isExact(state.l, state.h)
      ? "exact weights, shaded by their root"
      : run.isSingle(state.l, state.h)
        ? "one cell a token, shaded by the root"
        : "pooled over " +
          Math.round(run.bin) +
          " tokens a side; " +
          (run.exactHeads().length
            ? "exact rows: " +
              run
                .exactHeads()
                .map(([l, h]) => l + "." + h)
                .join(" ")
            : "no rows were kept exactly");
    pen.text(note, g.left, g.top + g.size + 13, c.muted, { size: 10.5 });
  }
  edges(pen, run, state, theme, g, a, n, px) {
    const c = theme.colors;
    const at = (i) => g.x + (i - a) * px;
    const down = (i) => g.top + (i - a) * px;
    pen.line(
      [
        [at(a), down(a)],
        [at(a + n), down(a + n)],
      ],
      fade(c.muted, 0.7),
      1,
    );
    pen.text("the future", g.x + g.size - 10, g.top + 16, c.muted, { size: 12, align: "right" });
    const w = run.windows[state.l];
    if (w === null || w >= a + n) return;
    // Key k is visible from query q while k > q − w: the edge is a staircase along k = q − w.
    pen.line(
      [
        [at(a), down(a + w)],
        [at(a + n), down(a + n + w)],
      ],
      c.sliding,
      2,
      [6, 3],
    );
    if ((n - w) * px > 60)
      pen.text("beyond the window of " + w, g.x + 10, g.top + g.size - 14, strengthen(c.sliding, [c.raised], 4.5), {
        size: 12,
      });
  }
  selected(pen, store, theme, g, a, px) {
    const { state } = store;
    const c = theme.colors;
    const y = g.top + (state.t - a) * px;
    const h = Math.max(2, px);
    const middle = [
      [g.left - 1, y + h / 2],
      [g.x + g.size, y + h / 2],
    ];
    if (px >= 6) ring(pen, theme, g.left - 1, y, g.size + g.sink + g.gap + 2, h, 1.5);
    else {
      if (theme.strong) pen.line(middle, c.paper, 4.5);
      pen.line(middle, c.ink, 1.5);
    }
    pen.area(
      [
        [g.left - 3, y + h / 2],
        [g.left - 10, y + h / 2 - 5],
        [g.left - 10, y + h / 2 + 5],
      ],
      c.ink,
    );
    pen.text("" + state.t, g.left - 13, y + h / 2, c.ink, { size: 11, align: "right", bold: true });
  }
  // The head as two bitmaps: queries by keys, and the sink's column. At most 512 pixels a side; the largest weight
  // counts.
  picture(run, l, h, theme) {
    const id = [run.id, l, h, theme.id].join();
    if (this.made.has(id)) return this.made.get(id);
    const exact = run.isExact(l, h);
    const p = exact ? 0 : run.arrays.pooled.shape[2];
    const bin = exact ? Math.max(1, Math.ceil(run.T / 512)) : run.bin;
    const side = exact ? Math.ceil(run.T / bin) : p;
    const cells = new Float32Array(side * side),
      sinks = new Float32Array(side);
    if (exact) this.fillExact(run, l, h, bin, side, cells, sinks);
    else
      for (let i = 0; i < side; i++) {
        sinks[i] = run.at("pooled_sink", (l * run.H + h) * p + i);
        for (let j = 0; j <= i; j++) cells[i * side + j] = run.at("pooled", ((l * run.H + h) * p + i) * p + j);
      }
    // What attends beyond the window is shown: a model whose window was left out must not look as if it had one.
    const window = run.windows[l] === null ? run.T + bin : run.windows[l];
    const within = (i, j) => (i - j) * bin < window + bin - 1 || cells[i * side + j] > 0;
    const made = {
      keys: this.bitmap(cells, side, side, theme, "sequential", (i, j) => j <= i && within(i, j)),
      sink: this.bitmap(sinks, 1, side, theme, "heat", () => true),
      scale: 1 / bin,
    };
    if (this.made.size > 24) this.made.delete(this.made.keys().next().value);
    this.made.set(id, made);
    return made;
  }
  fillExact(run, l, h, bin, side, cells, sinks) {
    for (let q = 0; q < run.T; q++) {
      const row = run.row(l, h, q);
      const i = Math.floor(q / bin);
      sinks[i] = Math.max(sinks[i], row.sink);
      for (let j = 0; j < row.weights.length; j++) {
        const o = i * side + Math.floor((row.first + j) / bin);
        if (row.weights[j] > cells[o]) cells[o] = row.weights[j];
      }
    }
  }
  bitmap(values, width, height, theme, ramp, visible) {
    const canvas = makeCanvas(width, height);
    const context = canvas.getContext("2d");
    const image = context.createImageData(width, height);
    const table = theme.ramps[ramp].table;
    for (let i = 0; i < height; i++)
      for (let j = 0; j < width; j++) {
        if (!visible(i, j)) continue;
        const v = values[i * width + j];
        const level = 3 * Math.round(255 * Math.min(1, ramp === "heat" ? v : Math.sqrt(v)));
        const o = 4 * (i * width + j);
        image.data[o] = table[level];
        image.data[o + 1] = table[level + 1];
        image.data[o + 2] = table[level + 2];
        image.data[o + 3] = 255;
      }
    context.putImageData(image, 0, 0);
    return canvas;
  }
  hit(store, x, y, box) {
    const g = this.geometry(box.w);
    const [a, b] = this.range(store);
    const q = a + Math.floor(((y - g.top) / g.size) * (b - a));
    const k = a + Math.floor(((x - g.x) / g.size) * (b - a));
    if (q < a || q >= b || x < g.left) return null;
    return { t: q, k: x >= g.x && k <= q ? k : null };
  }
  tip(store, { t, k }) {
    const { run, state } = store;
    if (k === null)
      return "query " + t + " “" + run.texts[t] + "” · " + percent(run.sink(state.l, t, state.h), 1) + " to the sink";
    const w = run.windows[state.l];
    const beyond = w !== null && k <= t - w;
    const exact = run.isExact(state.l, state.h);
    const row = exact ? run.row(state.l, state.h, t) : run.pooledRow(state.l, state.h, t);
    const weight = row.weights[exact ? k - row.first : Math.floor(k / run.bin)] ?? 0;
    // A pooled cell holds several queries and keys: it tells of this one only if none of them lies within the window.
    const [q, key] = [t, k].map((at) => (exact ? at : Math.floor(at / run.bin) * run.bin));
    const whole = exact || (w !== null && key + run.bin - 1 <= q - w);
    if (beyond && !(weight && whole)) return "query " + t + " cannot see key " + k + ": it is beyond the window of " + w;
    const share = run.isSingle(state.l, state.h) ? percent(weight, 1) : "pooled";
    const told = "query " + t + " “" + run.texts[t] + "” to key " + k + " “" + run.texts[k] + "”: " + share;
    return beyond ? told + ", although it is beyond the window of " + w : told;
  }
  legend() {
    return { ramp: "sequential", low: 0, high: 1, name: "share of a key (root scale)", sink: true };
  }
  table(store) {
    const { run, state } = store;
    const rows = [["sink", "", run.sink(state.l, state.t, state.h).toFixed(4)]];
    for (const key of topKeys(run, state.l, state.h, state.t, 15))
      rows.push([key.name, state.t - key.at, key.weight.toFixed(4)]);
    return { head: ["key", "distance", "share of query " + state.t], rows };
  }
}

const ZOOM = 40;
