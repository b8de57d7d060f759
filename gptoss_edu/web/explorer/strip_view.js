// The token strip: the text itself, shaded by a number, with a bar for role and channel under each token.

import { cut, MONO, ring, voiceBar } from "./pen.js";
import { clamp, spoken } from "./store.js";

export const SHADES = {
  surprisal: { name: "surprisal", unit: "bits", ramp: "sequential", array: "surprisal" },
  sink: { name: "mean sink mass", unit: "", ramp: "heat", array: "sink_mass" },
  head: { name: "this head's sink mass", unit: "", ramp: "heat", array: "sink_mass" },
  router: { name: "routing entropy", unit: "bits", ramp: "sequential", array: "router_entropy" },
  attended: { name: "attention from the selected token", unit: "", ramp: "sequential", array: "pooled" },
  difference: { name: "change of surprisal, A to B", unit: "bits", ramp: "diverging", array: "surprisal" },
};

// The shadings that a payload has the numbers for.
export function shadesOf({ runs }) {
  return Object.keys(SHADES).filter(
    (k) => runs.every((run) => run.has(SHADES[k].array)) && (k !== "difference" || runs.length > 1),
  );
}

// The shading of every token, as values in 0 … 1 of a ramp, with the numbers at its two ends.
function shading(store) {
  const { run, state } = store;
  const from = (value, low, high) => ({ value, low, high, ...SHADES[state.shade] });
  if (state.shade === "surprisal") return from((t) => (t ? run.at("surprisal", t) : 0), 0, 8);
  if (state.shade === "sink") return from((t) => run.sinkByToken()[t], 0, 1);
  if (state.shade === "head") return from((t) => run.sink(state.l, t, state.h), 0, 1);
  if (state.shade === "router") return from((t) => run.routerEntropyByToken()[t], 0, +Math.log2(run.E).toFixed(2));
  if (state.shade === "attended") {
    const exact = run.isExact(state.l, state.h);
    const row = exact ? run.row(state.l, state.h, state.t) : run.pooledRow(state.l, state.h, state.t);
    const at = exact ? (t) => t - row.first : (t) => Math.floor(t / row.bin);
    const name = run.isSingle(state.l, state.h) ? {} : { name: "pooled attention around the selected token" };
    return { ...from((t) => row.weights[at(t)] || 0, 0, +Math.max(...row.weights, 1e-6).toPrecision(2)), ...name };
  }
  if (state.shade === "difference") {
    const [a, b] = store.payload.runs;
    return from((t) => (t ? b.at("surprisal", t) - a.at("surprisal", t) : 0), -4, 4);
  }
  return { value: () => 0, low: 0, high: 1, name: "", unit: "", ramp: "sequential", none: true };
}

export class StripView {
  constructor() {
    this.title = "Tokens";
    this.scrolls = true;
    this.widths = new Map();
  }
  key(s, width) {
    return [
      s.t,
      s.shade,
      s.side,
      width,
      ["head", "attended"].includes(s.shade) ? s.l + "." + s.h : "",
      this.top,
    ].join();
  }
  height(run, width, context) {
    return Math.min(176, this.layout(run, width, context).total);
  }
  // Places of all chips for a width; made once.
  layout(run, width, context) {
    if (this.places && this.places.width === width && this.places.run === run) return this.places;
    context.font = "12px " + MONO;
    const xs = new Float32Array(run.T),
      ys = new Float32Array(run.T),
      ws = new Float32Array(run.T);
    let x = EDGE,
      y = EDGE;
    for (let t = 0; t < run.T; t++) {
      const shown = cut(run.texts[t], LONGEST);
      if (!this.widths.has(shown)) this.widths.set(shown, Math.ceil(context.measureText(shown).width) + 8);
      const w = Math.min(this.widths.get(shown), width - 2 * EDGE);
      const starts = t > 0 && run.arrays.message && run.arrays.message.data[t] !== run.arrays.message.data[t - 1];
      if (x + w > width - EDGE || starts) [x, y] = [EDGE, y + (x > EDGE ? ROW : 0) + (starts ? 5 : 0)];
      [xs[t], ys[t], ws[t]] = [x, y, w];
      x += w + 2;
      if (run.texts[t].endsWith("↵") && t + 1 < run.T) [x, y] = [EDGE, y + ROW];
    }
    this.places = { width, run, xs, ys, ws, total: y + ROW };
    return this.places;
  }
  draw(pen, store, box, theme, context) {
    const { run, state } = store;
    const p = this.layout(run, box.w, context);
    const shade = shading(store);
    const top = box.whole ? 0 : this.top || 0;
    const span = shade.high - shade.low || 1;
    for (let t = firstAtOrBelow(p.ys, top - ROW); t < run.T && p.ys[t] < top + box.h; t++) {
      const x = p.xs[t],
        y = p.ys[t] - top,
        w = p.ws[t];
      const v = (shade.value(t) - shade.low) / span;
      pen.rect(x, y, w, CHIP, theme.plate(shade.ramp, v), 3);
      const control = run.label("section", t) === "control";
      const ink = theme.over(shade.ramp, v);
      pen.text(cut(run.texts[t], LONGEST), x + 4, y + 10, ink, { size: control ? 11 : 12, mono: true });
      voiceBar(pen, run.voice(t), x, y + CHIP - 1, w, 4, theme);
      if (t === state.t) ring(pen, theme, x - 0.5, y - 0.5, w + 1, CHIP + 5, 2.5, 4);
    }
  }
  hit(store, x, y) {
    const p = this.places;
    if (!p) return null;
    y += this.top || 0;
    for (let t = firstAtOrBelow(p.ys, y - ROW); t < store.run.T && p.ys[t] <= y; t++)
      if (x >= p.xs[t] - 1 && x <= p.xs[t] + p.ws[t] + 1 && y <= p.ys[t] + ROW) return { t };
    return null;
  }
  tip(store, found) {
    const shade = shading(store);
    return (
      spoken(store.run, found.t) +
      (shade.none ? "" : " · " + shade.name + " " + shade.value(found.t).toFixed(2) + " " + shade.unit)
    );
  }
  legend(store) {
    const shade = shading(store);
    return {
      ramp: shade.none ? "" : shade.ramp,
      plate: true,
      low: shade.low,
      high: shade.high,
      name: shade.name + (shade.unit ? " (" + shade.unit + ")" : ""),
      voices: store.run.voices,
    };
  }
  table(store) {
    const { run, state } = store;
    const first = clamp(state.t - 10, 0, Math.max(0, run.T - 21));
    const rows = [];
    for (let t = first; t < Math.min(run.T, first + 21); t++)
      rows.push([
        (t === state.t ? "▸ " : "") + t,
        run.texts[t],
        run.label("role", t),
        run.label("channel", t),
        run.has("surprisal") && t ? run.at("surprisal", t).toFixed(2) : "",
        run.has("sink_mass") ? run.sinkByToken()[t].toFixed(3) : "",
        run.has("router_entropy") ? run.routerEntropyByToken()[t].toFixed(2) : "",
      ]);
    return {
      head: ["token", "text", "role", "channel", "surprisal, bits", "mean sink mass", "routing entropy, bits"],
      rows,
    };
  }
}

export const ROW = 28;
const CHIP = 20;
const EDGE = 3; // room for the selection's frame
const LONGEST = 40;

// First index whose y is at least `y`; ys never fall.
function firstAtOrBelow(ys, y) {
  let low = 0,
    high = ys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ys[middle] < y) low = middle + 1;
    else high = middle;
  }
  return low;
}
