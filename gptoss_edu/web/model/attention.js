// Grouped-query attention with a sink for each head and, in every other layer, a sliding window, for one query.
// The same in Python: gptoss_edu/attention.py. Letters: s key time, h query heads, g key/value heads, d head size.

import { rmsNorm } from "./norm.js";
import { applyRope } from "./rope.js";
import { softmax } from "./sampling.js";

// q · k / √d for every head and the keys from `first` on: (h, s). Query head h reads key head ⌊h / (h/g)⌋.
export function attentionScores(q, keys, { h, g, d, room, first, count, linear }) {
  const scores = new Float32Array(h * count);
  const scale = 1 / Math.sqrt(d);
  for (let head = 0; head < h; head++) {
    const start = (Math.floor(head / (h / g)) * room + first) * d; // keys: (g, room, d)
    const row = scores.subarray(head * count, (head + 1) * count);
    linear(row, keys.subarray(start, start + count * d), q.subarray(head * d, (head + 1) * d));
    for (let s = 0; s < count; s++) row[s] *= scale;
  }
  return scores;
}

// Softmax over the keys and one sink per head: (h, s + 1), the sink's share in the last column.
export function attentionWeights(scores, sinks) {
  const h = sinks.length;
  const count = scores.length / h;
  const weights = new Float32Array(h * (count + 1));
  for (let head = 0; head < h; head++) {
    const row = new Float32Array(count + 1);
    row.set(scores.subarray(head * count, (head + 1) * count));
    row[count] = sinks[head];
    weights.set(softmax(row), head * (count + 1));
  }
  return weights;
}

// Sum of the values by their weights: (h · d,). The sink's column has no value and is dropped.
export function weightedValues(weights, values, { h, g, d, room, first, count }) {
  const heads = new Float32Array(h * d);
  for (let head = 0; head < h; head++) {
    const start = (Math.floor(head / (h / g)) * room + first) * d; // values: (g, room, d)
    const out = heads.subarray(head * d, (head + 1) * d);
    for (let s = 0; s < count; s++) {
      const weight = weights[head * (count + 1) + s];
      const at = start + s * d;
      for (let i = 0; i < d; i++) out[i] += weight * values[at + i];
    }
  }
  return heads;
}

// Norm, the three projections in one, rotation, cache, attention, output projection.
export class AttentionBlock {
  constructor(config, layer, tensor, kernels) {
    this.layer = layer;
    this.kernels = kernels;
    this.eps = config.rms_norm_eps;
    [this.h, this.g, this.d] = [config.num_attention_heads, config.num_key_value_heads, config.head_dim];
    this.window = layer % 2 === 0 ? config.sliding_window : null; // even layers slide, odd ones see all keys
    this.norm = tensor("attn.norm.scale");
    [this.qkv, this.qkvBias] = [tensor("attn.qkv.weight"), tensor("attn.qkv.bias")];
    this.sinks = tensor("attn.sinks");
    [this.out, this.outBias] = [tensor("attn.out.weight"), tensor("attn.out.bias")];
  }

  // x: (c,). `at(point, value)` shows an intermediate to hooks and gives what they put in its place. Gives (c,).
  forward(x, rope, cache, at) {
    const { h, g, d, layer } = this;
    const { linear } = this.kernels;
    const { room, length: position } = cache;
    const normed = at("normed", rmsNorm(x, this.norm, this.eps)); // (c,)
    const qkv = linear(new Float32Array((h + 2 * g) * d), this.qkv, normed, this.qkvBias); // ((h + 2g) · d,)
    const q = at("q_rotated", applyRope(at("q", qkv.subarray(0, h * d)), rope)); // (h · d,)
    const k = at("k_rotated", applyRope(at("k", qkv.subarray(h * d, (h + g) * d)), rope));
    const v = at("v", qkv.subarray((h + g) * d)); // (g · d,) each
    cache.update(layer, k, v);
    const window = at("window", this.window) ?? Infinity; // Python has a mask here; of one query, its length says all
    const first = Math.max(0, position + 1 - window);
    const shape = { h, g, d, room, first, count: position + 1 - first, linear };
    const scores = at("scores", attentionScores(q, cache.keys[layer], shape)); // (h, s)
    const weights = at("weights", attentionWeights(scores, at("sinks", this.sinks))); // (h, s + 1)
    const heads = at("heads", weightedValues(weights, cache.values[layer], shape)); // (h · d,)
    return at("out", linear(new Float32Array(x.length), this.out, heads, this.outBias)); // (c,)
  }
}
