// What a trace says about attention, routers and next tokens. The same in Python: gptoss_edu/trace/statistics.py.

import { largest, softmax } from "./sampling.js";

export const MAX_BINS = 48;
const POOLED_BUDGET = 4096; // bytes per token for the pooled maps of all heads together

// Bits of a distribution, in all or from `start` on `count` entries.
export function entropyBits(p, start = 0, count = p.length) {
  let sum = 0;
  for (let i = start; i < start + count; i++) if (p[i] > 0) sum -= p[i] * Math.log2(p[i]);
  return sum;
}

// Of weights (h, s + 1): each head's sink mass, bits of the row, and mean distance over what did not go to the sink.
export function headStatistics(weights, h) {
  const width = weights.length / h;
  const [sink, entropy, distance] = [new Float32Array(h), new Float32Array(h), new Float32Array(h)];
  for (let head = 0; head < h; head++) {
    const start = head * width;
    sink[head] = weights[start + width - 1];
    entropy[head] = entropyBits(weights, start, width);
    let spread = 0;
    for (let s = 0; s < width - 1; s++) spread += weights[start + s] * (width - 2 - s);
    distance[head] = spread / Math.max(1 - sink[head], 1e-6);
  }
  return { sink_mass: sink, head_entropy: entropy, head_distance: distance };
}

// Bits of softmax over all logits, and the last chosen logit's distance from the first one left out.
export function routerStatistics(logits, k) {
  const { values } = largest(logits, k + 1);
  const margin = k < logits.length ? values[k - 1] - values[k] : Infinity;
  return { router_entropy: entropyBits(softmax(logits)), router_margin: Math.min(margin, 60000) };
}

// Bins per side of the pooled maps, so that they stay within POOLED_BUDGET bytes per token.
export function pooledBins(tokens, layers, heads) {
  const affordable = Math.floor(Math.sqrt(Math.max(1, Math.floor((POOLED_BUDGET * tokens) / (2 * layers * heads)))));
  return Math.max(1, Math.min(MAX_BINS, tokens, affordable));
}

// Mean over each bin's queries of what they gave to each bin of keys, (p, p), and to the sink, (p,).
// rows: for each query its shares of the last keys, as roots of `levels`; sinks: (t,).
export function pooled(rows, levels, sinks, bin) {
  const p = Math.ceil(rows.length / bin);
  const map = new Float32Array(p * p);
  const sink = new Float32Array(p);
  rows.forEach((row, q) => {
    const i = Math.floor(q / bin);
    const share = 1 / Math.min(bin, rows.length - i * bin);
    const first = q + 1 - row.length;
    sink[i] += share * sinks[q];
    for (let j = 0; j < row.length; j++) map[i * p + Math.floor((first + j) / bin)] += share * (row[j] / levels) ** 2;
  });
  return { map, sink };
}
