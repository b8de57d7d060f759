// The selection. Every view reads it. Changes go through set(), and the views that depend on them redraw once.

export class Store {
  constructor(payload, options) {
    this.payload = payload;
    this.state = {
      t: 0,
      l: 0,
      h: 0,
      e: 0,
      side: 0,
      shade: "surprisal",
      grid: "map",
      zoom: false,
      table: false,
      masks: {},
      ...options,
    };
    this.listeners = new Set();
  }
  get run() {
    return this.payload.runs[Math.min(this.state.side, this.payload.runs.length - 1)];
  }
  get other() {
    return this.payload.runs.length > 1 ? this.payload.runs[1 - Math.min(1, this.state.side)] : null;
  }
  set(change) {
    const run = this.run;
    const next = { ...this.state, ...change };
    next.t = clamp(next.t, 0, run.T - 1);
    next.l = clamp(next.l, 0, run.L - 1);
    next.h = clamp(next.h, 0, run.H - 1);
    next.e = clamp(next.e, 0, run.E - 1);
    if (("t" in change || "l" in change) && !("e" in change)) next.e = run.route(next.l, next.t)[0].expert;
    this.state = next;
    this.listeners.forEach((listener) => listener(next));
  }
  masked(l) {
    return new Set(this.state.masks[l] || []);
  }
  toggleMask(l, e) {
    const set = this.masked(l);
    set.has(e) ? set.delete(e) : set.size < this.run.E - this.run.K && set.add(e);
    this.set({ masks: { ...this.state.masks, [l]: [...set] }, e });
  }
  // The interventions for the masks, in the form that the Python side reads.
  interventions() {
    return Object.entries(this.state.masks).flatMap(([l, list]) =>
      list.map((expert) => ({ kind: "MaskExpert", layer: Number(l), expert, refill: "next" })),
    );
  }
  largestSink() {
    const { run, state } = this;
    let best = [0, 0];
    for (let l = 0; l < run.L; l++)
      for (let h = 0; h < run.H; h++) if (run.sink(l, state.t, h) > run.sink(best[0], state.t, best[1])) best = [l, h];
    return best;
  }
}

export function clamp(value, low, high) {
  return Math.max(low, Math.min(high, value));
}

export function percent(value, digits = 0) {
  return Number.isFinite(value) ? (100 * value).toFixed(digits) + " %" : "unknown";
}

export function spoken(run, t) {
  const text = run.texts[t];
  return "token " + t + " “" + text + "”";
}

// The sentence that is read out, and shown, for the selection.
export function summary(store) {
  const { run, state } = store;
  const { t, l, h } = state;
  const said = [spoken(run, t)];
  const role = run.label("role", t);
  const channel = run.label("channel", t);
  if (role !== "none") said.push(role + (channel !== "none" ? " on " + channel : ""));
  const bits = run.has("surprisal") ? run.at("surprisal", t) : NaN;
  if (Number.isFinite(bits) && t > 0) said.push("surprisal " + bits.toFixed(1) + " bits");
  let second = "";
  if (run.has("sink_mass")) {
    const sink = run.sink(l, t, h);
    second =
      "Layer " +
      l +
      " (" +
      run.kind(l) +
      (run.windows[l] ? " over " + run.windows[l] : "") +
      "), head " +
      h +
      ": " +
      percent(sink) +
      " to the sink";
    const top = topKeys(run, l, h, t, 1)[0];
    const near = run.isSingle(l, h) ? ", most of the rest to " : "; the queries around it give most to ";
    if (top) second += near + top.name + " (" + percent(top.weight) + ")";
    second += ". ";
  }
  const route = run.routeWithout(l, t, store.masked(l));
  second +=
    "Router of layer " +
    l +
    ": " +
    route.map((r) => "expert " + r.expert + run.weighed(" " + percent(r.weight))).join(", ");
  const place = route.findIndex((r) => r.expert === state.e);
  if (place !== 0)
    second += "; selected: expert " + state.e + (place < 0 ? ", not chosen here" : ", number " + (place + 1));
  const lost = run.route(l, t).filter((r) => store.masked(l).has(r.expert));
  if (lost.length)
    second +=
      "; masked: expert " +
      lost.map((r) => r.expert).join(", ") +
      " (this layer only; what follows from it needs the model)";
  return said.join(", ") + ". " + second + ".";
}

function binName(run, first, bin) {
  const last = Math.min(run.T, Math.round(first + bin)) - 1;
  return last <= first ? "token " + first + " “" + run.texts[first] + "”" : "tokens " + first + " to " + last;
}

// The keys, or pooled bins, with the largest shares of a row.
export function topKeys(run, l, h, q, count) {
  let list;
  if (run.isExact(l, h)) {
    const row = run.row(l, h, q);
    list = Array.from(row.weights, (weight, j) => ({
      at: row.first + j,
      weight,
      name: "token " + (row.first + j) + " “" + run.texts[row.first + j] + "”",
    }));
  } else if (run.has("pooled")) {
    const row = run.pooledRow(l, h, q);
    list = Array.from(row.weights, (weight, j) => {
      const a = Math.round(j * row.bin);
      return { at: a, weight, name: binName(run, a, row.bin) };
    });
  } else return [];
  return list.sort((a, b) => b.weight - a.weight).slice(0, count);
}
