// The head grid: layer by head, in groups that share keys and values.

import { hexToRgb } from "./colors.js";
import { makeCanvas, ring } from "./pen.js";
import { clamp, percent } from "./store.js";

export const GRID = {
  map: { name: "pooled attention of the whole run", ramp: "sequential" },
  sink: { name: "sink mass at the selected token", ramp: "heat", array: "sink_mass", top: () => 1 },
  meansink: { name: "mean sink mass", ramp: "heat", array: "sink_mass", mean: true, top: () => 1 },
  entropy: {
    name: "entropy of the row (bits)",
    ramp: "sequential",
    array: "head_entropy",
    top: (run) => Math.log2(run.T + 1),
  },
  distance: {
    name: "mean distance (tokens, root scale)",
    ramp: "sequential",
    array: "head_distance",
    root: true,
    top: (run) => run.T,
  },
};

export class GridView {
  constructor() {
    this.title = "Heads";
  }
  key(s, width) {
    return [
      s.grid === "meansink" || (s.grid === "map" && this.maps) ? "" : s.t,
      s.l,
      s.h,
      s.grid,
      s.side,
      width,
    ].join();
  }
  height(run, width) {
    const g = this.geometry(run, width);
    return Math.min(520, g.top + run.L * (g.ch + 2) + 4);
  }
  geometry(run, width) {
    const left = 74,
      top = 22,
      gap = 7;
    const pitch = (width - left - gap * (run.G - 1) - 4) / run.H;
    const space = pitch < 8 ? 1 : 2,
      cw = Math.max(1, pitch - space);
    const ch = Math.max(6, Math.min(cw * (run.L > 12 ? 2.4 : 1), (480 - top) / run.L - 2, 62));
    return { left, top, gap, space, cw, ch, per: run.H / run.G };
  }
  cell(g, l, h) {
    return { x: g.left + h * (g.cw + g.space) + Math.floor(h / g.per) * g.gap, y: g.top + l * (g.ch + 2) };
  }
  // Maps need room: where the cells are too small for them, the sink's mass takes their place.
  mode(run, state, width) {
    return state.grid === "map" && (this.geometry(run, width).cw < 12 || !run.has("pooled")) ? "sink" : state.grid;
  }
  value(run, state, mode, l, h) {
    const v = mode.mean ? run.headMean(mode.array, l, h) : run.head(mode.array, l, state.t, h);
    const share = v / mode.top(run);
    return [v, mode.root ? Math.sqrt(share) : share];
  }
  draw(pen, store, box, theme) {
    const { run, state } = store;
    const g = this.geometry(run, box.w);
    const small = g.cw < 12;
    const mode = GRID[this.mode(run, state, box.w)];
    this.maps = mode === GRID.map;
    const c = theme.colors;
    for (let i = 0; i < run.G; i++) {
      const a = this.cell(g, 0, i * g.per),
        b = this.cell(g, 0, (i + 1) * g.per - 1);
      pen.text(small ? "" + i : "key/value head " + i, (a.x + b.x + g.cw) / 2, 7, c.muted, {
        size: 10.5,
        align: "center",
      });
      pen.line(
        [
          [a.x, 15],
          [b.x + g.cw, 15],
        ],
        c.muted,
        1,
      );
    }
    for (let l = 0; l < run.L; l++) {
      const { y } = this.cell(g, l, 0);
      const kind = run.kind(l);
      const tall = g.ch > 15;
      if (kind === "sliding") pen.rect(2, y + g.ch / 2 - 4, 8, 8, c.sliding, 2);
      else pen.circle(6, y + g.ch / 2, 4, c.full);
      if (tall || l % 2 === 0)
        pen.text(tall ? l + " " + kind : "" + l, 16, y + g.ch / 2, c.ink, { size: 11, bold: l === state.l });
      if (small) continue;
      for (let h = 0; h < run.H; h++) {
        const { x } = this.cell(g, l, h);
        if (mode === GRID.map) this.thumbnail(pen, store, theme, l, h, x, y, g);
        else pen.rect(x, y, g.cw, g.ch, theme.ramp(mode.ramp, this.value(run, state, mode, l, h)[1]), 2);
        pen.frame(x, y, g.cw, g.ch, c.grid, 1, 2);
        if (run.isExact(l, h)) pen.circle(x + g.cw - 5, y + 5, 2.2, c.ink);
      }
    }
    if (small) this.pixels(pen, run, state, mode, theme, g);
    const { x, y } = this.cell(g, state.l, state.h);
    ring(pen, theme, x - 1.5, y - 1.5, g.cw + 3, g.ch + 3, 2.5, 3);
  }
  // Many small cells: one pixel per head, enlarged group by group, with the gaps drawn on top.
  pixels(pen, run, state, mode, theme, g) {
    if (!this.tiny || this.tiny.width !== run.H || this.tiny.height !== run.L) this.tiny = makeCanvas(run.H, run.L);
    const context = this.tiny.getContext("2d");
    const image = context.createImageData(run.H, run.L);
    const table = theme.ramps[mode.ramp].table;
    for (let l = 0, o = 0; l < run.L; l++)
      for (let h = 0; h < run.H; h++, o += 4) {
        const i = 3 * Math.round(255 * clamp(this.value(run, state, mode, l, h)[1] || 0, 0, 1));
        image.data.set([table[i], table[i + 1], table[i + 2], 255], o);
      }
    context.putImageData(image, 0, 0);
    const height = run.L * (g.ch + 2);
    for (let i = 0; i < run.G; i++) {
      const { x } = this.cell(g, 0, i * g.per);
      pen.image(this.tiny, i * g.per, 0, g.per, run.L, x, g.top, g.per * (g.cw + g.space), height);
      for (let h = 1; h <= g.per; h++)
        pen.rect(x + h * (g.cw + g.space) - g.space, g.top, g.space, height, theme.colors.paper);
    }
    for (let l = 1; l <= run.L; l++)
      pen.rect(g.left, g.top + l * (g.ch + 2) - 2, this.cell(g, 0, run.H - 1).x + g.cw - g.left, 2, theme.colors.paper);
  }
  // The sink's share in its own column on the left, then the map of keys.
  thumbnail(pen, store, theme, l, h, x, y, g) {
    const { run } = store;
    const atlas = this.atlas(run, theme);
    const s = Math.max(3, Math.round(g.cw * 0.13));
    const p = atlas.p;
    const sy = l * p,
      sx = h * (p + 1);
    pen.image(atlas.canvas, sx, sy, 1, p, x, y, s, g.ch);
    pen.image(atlas.canvas, sx + 1, sy, p, p, x + s + 1, y, g.cw - s - 1, g.ch);
  }
  atlas(run, theme) {
    const id = run.id + theme.id;
    if (this.made && this.made.id === id) return this.made;
    const p = run.arrays.pooled.shape[2];
    const canvas = makeCanvas(run.H * (p + 1), run.L * p);
    const context = canvas.getContext("2d");
    const image = context.createImageData(canvas.width, canvas.height);
    const keys = theme.ramps.sequential.table,
      heat = theme.ramps.heat.table;
    const back = hexToRgb(theme.colors.raised);
    for (let l = 0; l < run.L; l++)
      for (let h = 0; h < run.H; h++) {
        const head = (l * run.H + h) * p;
        for (let i = 0; i < p; i++) {
          let o = 4 * ((l * p + i) * canvas.width + h * (p + 1));
          const sink = Math.round(255 * Math.min(1, run.at("pooled_sink", head + i)));
          for (let c = 0; c < 3; c++) image.data[o + c] = heat[3 * sink + c];
          image.data[o + 3] = 255;
          for (let j = 0; j < p; j++) {
            o += 4;
            const v = Math.round(255 * Math.min(1, Math.sqrt(run.at("pooled", (head + i) * p + j))));
            for (let c = 0; c < 3; c++) image.data[o + c] = j > i ? back[c] : keys[3 * v + c];
            image.data[o + 3] = 255;
          }
        }
      }
    context.putImageData(image, 0, 0);
    this.made = { id, canvas, p };
    return this.made;
  }
  hit(store, x, y, box) {
    const { run } = store;
    const g = this.geometry(run, box.w);
    const l = Math.floor((y - g.top) / (g.ch + 2));
    if (l < 0 || l >= run.L) return null;
    for (let h = 0; h < run.H; h++) {
      const cell = this.cell(g, l, h);
      if (x >= cell.x && x <= cell.x + g.cw + 1) return { l, h };
    }
    return null;
  }
  tip(store, { l, h }) {
    const { run, state } = store;
    return (
      "layer " +
      l +
      " (" +
      run.kind(l) +
      ") head " +
      h +
      " · sink " +
      percent(run.sink(l, state.t, h)) +
      " here, " +
      percent(run.headMean("sink_mass", l, h)) +
      " on average"
    );
  }
  legend(store, width) {
    const name = this.mode(store.run, store.state, width);
    const mode = GRID[name];
    const top = mode.top ? mode.top(store.run) : 1;
    return {
      ramp: mode.ramp,
      low: 0,
      high: mode.root ? top : +top.toFixed(1),
      name: mode.name,
      sink: name === "map",
      kinds: true,
      exact: store.run.exactHeads().length > 0,
    };
  }
  table(store) {
    const { run, state } = store;
    const rows = [];
    for (let h = 0; h < run.H; h++)
      rows.push([
        (h === state.h ? "▸ " : "") + state.l + "." + h,
        Math.floor(h / (run.H / run.G)),
        run.kind(state.l),
        run.sink(state.l, state.t, h).toFixed(3),
        run.headMean("sink_mass", state.l, h).toFixed(3),
        run.head("head_entropy", state.l, state.t, h).toFixed(2),
        run.head("head_distance", state.l, state.t, h).toFixed(1),
      ]);
    return {
      head: [
        "layer.head",
        "key/value head",
        "layer",
        "sink mass here",
        "mean sink mass",
        "entropy, bits",
        "mean distance",
      ],
      rows,
    };
  }
}
