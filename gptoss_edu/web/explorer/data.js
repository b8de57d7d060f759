// The payload: a header in JSON and arrays behind it, compressed with gzip. See gptoss_edu/web/payload.py.

import { visible, visibleText } from "./visible.js";

const KINDS_OF_ARRAY = { u1: Uint8Array, u2: Uint16Array, i4: Int32Array, f4: Float32Array };

export async function decodePayload(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const buffer = await new Response(stream).arrayBuffer();
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const base = 4 + length + ((8 - ((4 + length) % 8)) % 8);
  return { ...header, runs: header.runs.map((run, id) => new RunData(run, id, buffer, base)) };
}

export function bytesFromBase64(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

export class RunData {
  constructor(header, id, buffer, base) {
    this.id = id; // names may be equal
    this.meta = header.meta;
    this.name = header.name;
    this.arrays = {};
    for (const a of header.arrays) {
      const count = a.shape.reduce((x, y) => x * y, 1);
      const data = new KINDS_OF_ARRAY[a.kind](buffer, base + a.offset, count);
      this.arrays[a.name] = { ...a, data };
    }
    const m = this.meta;
    this.T = this.arrays.tokens.shape[0];
    this.L = m.n_layers;
    this.H = m.n_heads;
    this.G = m.n_kv_heads;
    this.E = m.n_experts;
    this.K = m.experts_per_token;
    this.windows = m.windows;
    const offsets = this.arrays.piece_offsets.data;
    const pieces = this.arrays.piece_bytes.data;
    this.texts = [];
    for (let t = 0; t < this.T; t++) this.texts.push(visibleText(pieces.subarray(offsets[t], offsets[t + 1])));
    this.summaries = {};
  }

  has(name) {
    return name in this.arrays;
  }

  // One number of an array that was stored in bytes, on its own scale again.
  at(name, index) {
    const a = this.arrays[name];
    const v = a.data[index];
    if (a.hole && v === 0) return -Infinity;
    if (a.coding === "linear") return a.low + v * a.step;
    if (a.coding === "root") return a.low + (v * a.step) ** 2;
    return v;
  }

  label(what, t) {
    const table = { role: "roles", channel: "channels", section: "sections", kind: "kinds" }[what];
    return this.has(what) ? this.meta[table][this.arrays[what].data[t]] : "none";
  }

  // Where to look first: the answer's last word or number, else the last that the assistant wrote and that is no
  // control token, else the last token of all.
  lastAnswered() {
    let last = -1;
    for (let t = this.T - 1; t >= 0; t--) {
      if (this.label("role", t) !== "assistant" || this.label("section", t) === "control") continue;
      const says = this.label("section", t) === "content" && !["space", "punctuation"].includes(this.label("kind", t));
      if (says && this.label("channel", t) === "final") return t;
      if (last < 0) last = t;
    }
    return last < 0 ? Math.max(0, this.T - 1) : last;
  }

  // Channel of an assistant's message, else the role: the name of the token's colour.
  voice(t) {
    const channel = this.label("channel", t);
    const role = this.label("role", t);
    if (role === "tool") return "tool";
    return channel !== "none" ? channel : role !== "none" ? role : "neutral";
  }

  // Whose tokens there are, in the order of the text.
  get voices() {
    return this.memo("voices", () => [...new Set(this.texts.map((_, t) => this.voice(t)))]);
  }

  kind(l) {
    return this.windows[l] === null ? "full" : "sliding";
  }

  sink(l, t, h) {
    return this.has("sink_mass") ? this.at("sink_mass", (l * this.T + t) * this.H + h) : NaN;
  }

  // A statistic of a head at a token, or its mean over the run if only that was kept.
  head(name, l, t, h) {
    if (this.has(name)) return this.at(name, (l * this.T + t) * this.H + h);
    return this.has(name + "_mean") ? this.at(name + "_mean", l * this.H + h) : NaN;
  }

  headMean(name, l, h) {
    if (this.has(name + "_mean")) return this.at(name + "_mean", l * this.H + h);
    if (!this.has(name)) return NaN;
    const key = name + l + "." + h;
    if (!(key in this.summaries)) {
      let sum = 0;
      for (let t = 0; t < this.T; t++) sum += this.head(name, l, t, h);
      this.summaries[key] = sum / this.T;
    }
    return this.summaries[key];
  }

  // Mean sink mass over all heads of all layers at each token.
  sinkByToken() {
    return this.memo("sinkByToken", () => {
      const out = new Float32Array(this.T);
      for (let l = 0; l < this.L; l++)
        for (let t = 0; t < this.T; t++) {
          let sum = 0;
          for (let h = 0; h < this.H; h++) sum += this.sink(l, t, h);
          out[t] += sum / (this.H * this.L);
        }
      return out;
    });
  }

  routerEntropyByToken() {
    return this.memo("routerEntropy", () => {
      const out = new Float32Array(this.T);
      for (let l = 0; l < this.L; l++)
        for (let t = 0; t < this.T; t++) out[t] += this.at("router_entropy", l * this.T + t) / this.L;
      return out;
    });
  }

  memo(key, make) {
    if (!(key in this.summaries)) this.summaries[key] = make();
    return this.summaries[key];
  }

  // The text about a weight; empty if only the choice was kept.
  weighed(text) {
    return this.has("expert_weights") ? text : "";
  }

  // The k experts of a token in a layer: [{expert, weight}], falling; shared evenly if only the choice was kept.
  route(l, t) {
    const out = [];
    for (let j = 0; j < this.K; j++) {
      const i = (l * this.T + t) * this.K + j;
      out.push({
        expert: this.arrays.expert_indices.data[i],
        weight: this.has("expert_weights") ? this.at("expert_weights", i) : 1 / this.K,
      });
    }
    return out;
  }

  routerLogits(l, t) {
    if (!this.has("router_logits")) return null;
    const out = new Float32Array(this.E);
    for (let e = 0; e < this.E; e++) out[e] = this.at("router_logits", (l * this.T + t) * this.E + e);
    return out;
  }

  // The route if some experts of this layer were masked and the next ones took their places.
  routeWithout(l, t, masked) {
    const logits = this.routerLogits(l, t);
    const before = this.route(l, t);
    if (!logits || !before.some((r) => masked.has(r.expert))) return before;
    const order = [...logits.keys()]
      .filter((e) => !masked.has(e))
      .sort((a, b) => logits[b] - logits[a])
      .slice(0, this.K);
    const powers = order.map((e) => Math.exp(logits[e] - logits[order[0]]));
    const total = powers.reduce((a, b) => a + b, 0);
    return order.map((expert, i) => ({ expert, weight: powers[i] / total }));
  }

  // The first expert that was left out, and its logit's distance from the last one chosen; null where there is none.
  leftOut(l, t, masked = new Set()) {
    const logits = this.routerLogits(l, t);
    if (!logits) return null;
    const chosen = this.routeWithout(l, t, masked).map((r) => r.expert);
    let expert = -1,
      most = -Infinity;
    for (let e = 0; e < this.E; e++)
      if (logits[e] > most && !masked.has(e) && !chosen.includes(e)) [expert, most] = [e, logits[e]];
    if (expert < 0) return null;
    const altered = this.route(l, t).some((r) => masked.has(r.expert));
    return {
      expert,
      margin: altered ? Math.max(0, logits[chosen.at(-1)] - most) : this.at("router_margin", l * this.T + t),
    };
  }

  // That distance in words; empty where nothing was left out or no logits were kept.
  margin(l, t, digits = 2, masked) {
    const left = this.leftOut(l, t, masked);
    return left ? left.margin.toFixed(digits) : "";
  }

  isExact(l, h) {
    return this.has("exact." + l + "." + h);
  }

  exactHeads() {
    return Object.keys(this.arrays)
      .filter((name) => name.startsWith("exact."))
      .map((name) => name.split(".").slice(1, 3).map(Number));
  }

  // One attention row: shares of keys first … first + weights.length − 1, and of the sink. Stored as roots of the
  // share.
  row(l, h, q) {
    const a = this.arrays["exact." + l + "." + h];
    const top = this.at("exact_top." + l + "." + h, q);
    const width = this.windows[l] === null ? this.T : Math.min(this.windows[l], this.T);
    const first = Math.max(0, q - width + 1);
    const count = q - first + 1;
    const start = width < this.T ? rowStart(q, width) : (q * (q + 1)) / 2;
    const weights = new Float32Array(count);
    for (let j = 0; j < count; j++) weights[j] = (a.data[start + j] / a.levels) ** 2 * top;
    return { first, weights, sink: this.sink(l, q, h) };
  }

  // Tokens in a bin of the pooled map.
  get bin() {
    return this.meta.pool_bin || this.T / this.arrays.pooled.shape[2];
  }

  // Whether a row is that of one query: kept exactly, or in a map whose bins are single tokens.
  isSingle(l, h) {
    return this.isExact(l, h) || (this.has("pooled") && this.bin === 1);
  }

  // A row of the pooled map: each bin's share for the mean query of q's bin.
  pooledRow(l, h, q) {
    const p = this.arrays.pooled.shape[2],
      bin = this.bin;
    const i = Math.min(p - 1, Math.floor(q / bin));
    const weights = new Float32Array(i + 1);
    for (let j = 0; j <= i; j++) weights[j] = this.at("pooled", ((l * this.H + h) * p + i) * p + j);
    return { bin, i, weights, sink: this.at("pooled_sink", (l * this.H + h) * p + i) };
  }

  lens(l, t) {
    if (!this.has("lens_tokens")) return [];
    const n = this.arrays.lens_tokens.shape[2];
    const out = [];
    for (let j = 0; j < n; j++) {
      const i = (l * this.T + t) * n + j;
      out.push({ token: this.arrays.lens_tokens.data[i], prob: this.at("lens_probs", i) });
    }
    return out;
  }

  next(t) {
    if (!this.has("next_tokens")) return [];
    const n = this.arrays.next_tokens.shape[1];
    const out = [];
    for (let j = 0; j < n; j++) {
      const i = t * n + j;
      out.push({ token: this.arrays.next_tokens.data[i], prob: this.at("next_probs", i) });
    }
    return out;
  }

  word(id) {
    const text = this.meta.vocabulary[id];
    return text === undefined ? "#" + id : text.includes("\ufffd") ? "‹bytes›" : visible(text);
  }

  // Counts of the chosen experts in a layer by voice: [{voice, counts}], and their total.
  load(l) {
    return this.memo("load" + l, () => {
      const byVoice = new Map();
      let total = 0;
      for (let t = 0; t < this.T; t++) {
        const voice = this.voice(t);
        if (!byVoice.has(voice)) byVoice.set(voice, new Float64Array(this.E));
        const counts = byVoice.get(voice);
        for (let j = 0; j < this.K; j++) {
          counts[this.arrays.expert_indices.data[(l * this.T + t) * this.K + j]] += 1;
          total += 1;
        }
      }
      return { parts: [...byVoice].map(([voice, counts]) => ({ voice, counts })), total };
    });
  }
}

// Where row q of a banded triangle starts: rows grow to `width` and then stay there.
function rowStart(q, width) {
  return q < width ? (q * (q + 1)) / 2 : (width * (width + 1)) / 2 + (q - width) * width;
}
