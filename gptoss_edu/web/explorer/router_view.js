// The router: a ribbon over the whole text, the route of one token through all layers, and the load of one layer.

import { fade, hexToRgb, makeCanvas, ring, voiceBar } from "./pen.js";
import { clamp, percent, spoken } from "./store.js";

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
      if (g.band > 20 || l % 2 === 0) pen.text(g.band > 20 ? "layer " + l : "" + l, 66, y + g.band / 2, c.ink, { size: 11, align: "right", bold: l === state.l });
      pen.rect(g.left, y + g.band - 1, g.w, 1, c.paper);
    }
    ring(pen, theme, g.left - 1, g.top + state.l * g.band - 1, g.w + 2, g.band, 1.8);
    const px = g.w / run.T;
    const x = g.left + state.t * px;
    ring(pen, theme, x - 0.5, g.top - 3, Math.max(2, px + 1), run.L * g.band + 6, 1.6);
    pen.area([[x + px / 2, g.top - 4], [x + px / 2 - 5, g.top - 11], [x + px / 2 + 5, g.top - 11]], c.ink);
    this.voices(pen, run, theme, g);
  }
  // Under the ribbon: who speaks.
  voices(pen, run, theme, g) {
    const y = g.top + run.L * g.band + 5;
    let from = 0;
    for (let t = 1; t <= run.T; t++) {
      if (t < run.T && run.voice(t) === run.voice(from)) continue;
      const x = g.left + (from / run.T) * g.w, w = ((t - from) / run.T) * g.w;
      voiceBar(pen, run.voice(from), x, y, Math.max(0.5, w - 0.5), 5, theme);
      if (w > 60) pen.text(run.voice(from), x + 1, y + 13, theme.colors[run.voice(from)] || theme.colors.muted, { size: 10.5 });
      from = t;
    }
  }
  // One pixel a token; BAND pixels a layer, shared out by weight. The whole ribbon is drawn once; the selected layer is
  // drawn again over it, with the selected expert standing out.
  pictures(run, layer, selected, theme) {
    const id = [run.id, theme.id].join();
    if (!this.made || this.made.id !== id) {
      this.made = { id, all: makeCanvas(run.T, run.L * BAND), one: makeCanvas(run.T, BAND), shown: "" };
      const colors = this.colors(run, theme, () => 0.62);
      for (let l = 0; l < run.L; l++) this.paint(this.made.all, run, l, l * BAND, colors);
    }
    if (this.made.shown !== layer + "." + selected) {
      this.made.shown = layer + "." + selected;
      this.paint(this.made.one, run, layer, 0, this.colors(run, theme, (e) => (e === selected ? 1 : 0.22)));
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
      let y = 0, sum = 0;
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
    const t = Math.floor(((x - g.left) / g.w) * run.T), l = Math.floor((y - g.top) / g.band);
    return t >= 0 && t < run.T && l >= 0 && l < run.L ? { t, l } : null;
  }
  tip(store, { t, l }) {
    const { run } = store;
    return spoken(run, t) + " · layer " + l + ": " + run.route(l, t).map((r) => r.expert + run.weighed(" (" + percent(r.weight) + ")")).join(", ") + (run.leftOut(l, t) ? " · margin " + run.margin(l, t) : "");
  }
  legend(store) {
    return { note: "each column shares its height among the experts chosen; layer " + store.state.l + ": expert " + store.state.e + " in full colour", swatch: store.state.e };
  }
  table(store) {
    const { run, state } = store;
    const first = clamp(state.t - 8, 0, Math.max(0, run.T - 17));
    const rows = [];
    for (let t = first; t < Math.min(run.T, first + 17); t++)
      rows.push([(t === state.t ? "▸ " : "") + t, run.texts[t], run.route(state.l, t).map((r) => r.expert + run.weighed(" (" + r.weight.toFixed(2) + ")")).join(", "), run.margin(state.l, t)]);
    return { head: ["token", "text", "experts of layer " + state.l + " (weight)", "margin to the first left out"], rows };
  }
}

const BAND = 24;

export class RouteView {
  constructor() {
    this.title = "Route of the token";
  }
  key(s, width) {
    return [s.t, s.l, s.e, s.side, width, JSON.stringify(s.masks)].join();
  }
  height(run) {
    return 28 + run.L * this.step(run) + 6;
  }
  step(run) {
    return run.L > 12 ? 14 : 32;
  }
  geometry(run, width) {
    const left = 30, right = 46;
    return { left, top: 26, dx: (width - left - right) / run.E, dy: this.step(run), right: width - right };
  }
  draw(pen, store, box, theme) {
    const { run, state } = store;
    const c = theme.colors;
    const g = this.geometry(run, box.w);
    const at = (l, e) => [g.left + (e + 0.5) * g.dx, g.top + (l + 0.5) * g.dy];
    pen.rect(g.left, g.top + state.l * g.dy, run.E * g.dx, g.dy, c.raised);
    pen.rect(g.left + state.e * g.dx, g.top, g.dx, run.L * g.dy, c.raised);
    for (let e = 0; e < run.E; e++) if (g.dx > 15 || e % Math.ceil(24 / g.dx) === 0) pen.text("" + e, at(0, e)[0], 16, e === state.e ? c.ink : c.muted, { size: 10, align: "center", bold: e === state.e });
    pen.text("expert", g.left, 5, c.muted, { size: 10 });
    pen.text("margin", g.right + 5, 16, c.muted, { size: 10 });
    const radius = Math.min(Math.max(g.dx * 0.95, 6), g.dy * 0.62, 14);
    for (let l = 0; l < run.L; l++) {
      const [, y] = at(l, 0);
      pen.line([[g.left, y], [g.right - 2, y]], c.grid, 1);
      pen.text("" + l, g.left - 10, y, c.ink, { size: 11, align: "right", bold: l === state.l });
      const masked = store.masked(l);
      const route = run.routeWithout(l, state.t, masked);
      const next = run.leftOut(l, state.t, masked);
      if (next) pen.circle(at(l, next.expert)[0], y, Math.min(4, radius * 0.5), c.paper, c.muted, 1.2);
      for (const { expert, weight } of route) pen.circle(at(l, expert)[0], y, radius * Math.sqrt(weight), theme.expert(expert), expert === state.e && l === state.l ? c.ink : c.paper, expert === state.e && l === state.l ? 2 : 1);
      for (const e of masked) {
        const [x] = at(l, e);
        pen.line([[x - 5, y - 5], [x + 5, y + 5]], c.wrong, 2.2);
        pen.line([[x - 5, y + 5], [x + 5, y - 5]], c.wrong, 2.2);
      }
      if (next) pen.text(next.margin.toFixed(2), g.right + 6, y, next.margin < 0.1 ? c.sink : c.muted, { size: 10.5, bold: next.margin < 0.1 });
    }
  }
  hit(store, x, y, box) {
    const { run } = store;
    const g = this.geometry(run, box.w);
    const e = Math.floor((x - g.left) / g.dx), l = Math.floor((y - g.top) / g.dy);
    return e >= 0 && e < run.E && l >= 0 && l < run.L ? { l, e } : null;
  }
  tip(store, { l, e }) {
    const route = store.run.routeWithout(l, store.state.t, store.masked(l));
    const found = route.find((r) => r.expert === e);
    const logits = store.run.routerLogits(l, store.state.t);
    return "layer " + l + " expert " + e + (found ? ": chosen" + store.run.weighed(", weight " + found.weight.toFixed(3)) : ": not chosen") + (!logits ? "" : logits[e] > -Infinity ? ", logit " + logits[e].toFixed(2) : ", it was masked");
  }
  legend(store) {
    return { note: store.run.weighed("area of a dot: weight; ring: first expert left out; ") + "cross: masked" };
  }
  table(store) {
    const { run, state } = store;
    const rows = [];
    for (let l = 0; l < run.L; l++) {
      const route = run.routeWithout(l, state.t, store.masked(l));
      rows.push([(l === state.l ? "▸ " : "") + l, route.map((r) => r.expert + run.weighed(" (" + r.weight.toFixed(3) + ")")).join(", "), run.leftOut(l, state.t, store.masked(l))?.expert ?? "", run.margin(l, state.t, 3, store.masked(l)), [...store.masked(l)].join(", ")]);
    }
    return { head: ["layer", "experts (weight)", "first left out", "margin", "masked"], rows };
  }
}

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
    pen.text("layer " + state.l + ": entropy " + entropy.toFixed(2) + " of " + +Math.log2(run.E).toFixed(2) + " bits", g.left, 8, c.ink, { size: 11.5, bold: true });
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
      if (g.dx > 15 || e % Math.ceil(24 / g.dx) === 0) pen.text("" + e, x + g.dx / 2, g.top + g.h + 10, e === state.e ? c.ink : c.muted, { size: 10, align: "center", bold: e === state.e });
    }
    const even = g.top + g.h - (1 / run.E / top) * g.h;
    pen.line([[g.left, even], [g.left + g.w, even]], c.ink, 1.2, [4, 3]);
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
    const rows = Array.from({ length: run.E }, (_, e) => [(e === state.e ? "▸ " : "") + e, ...parts.map((p) => percent(p.counts[e] / total, 1)), percent(parts.reduce((a, p) => a + p.counts[e], 0) / total, 1)]);
    return { head: ["expert", ...parts.map((p) => p.voice), "all"], rows };
  }
}

function voiceBlock(pen, voice, x, y, w, h, theme) {
  const color = theme.colors[voice] || theme.colors.neutral;
  pen.rect(x, y, w, h, voice === "analysis" ? fade(color, 0.55) : color);
  if (voice === "analysis") for (let i = 0; i < h; i += 4) pen.rect(x, y + i, w, Math.min(1.6, h - i), color);
  if (voice === "commentary" || voice === "tool") for (let i = 2; i < h - 1; i += 4) pen.rect(x + 1, y + i, w - 2, 1.4, theme.colors.paper);
}
