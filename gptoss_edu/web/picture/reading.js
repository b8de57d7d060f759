// What the numbers of a looked-at token say, without a page: shares, sums and the words for them.

import { unpack } from "../model/checkpoint.js";
import { largest, nextTokenProbabilities } from "../model/sampling.js";

// About 3 significant digits; "−" for minus.
export function number(value) {
  if (!Number.isFinite(value)) return value > 0 ? "∞" : value < 0 ? "−∞" : "–";
  const size = Math.abs(value);
  const text =
    size >= 100
      ? size.toFixed(0)
      : size >= 10
        ? size.toFixed(1)
        : size >= 0.1 || !size
          ? size.toFixed(2)
          : size.toPrecision(2);
  return (value < 0 && Number(text) !== 0 ? "−" : "") + text;
}

export function inPercent(share) {
  const value = 100 * share;
  return (
    (value >= 9.95 || value === 0 ? value.toFixed(0) : value >= 0.095 ? value.toFixed(1) : "<\u00a00.1") + "\u00a0%"
  );
}

export const count = (value) => value.toLocaleString("en");

export function dot(x, y) {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * y[i];
  return sum;
}

export const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;

// A head's row: for each key in sight {at, score, share}, and the sink's {score, share}.
export function headRow({ detail }, head, config) {
  const h = config.num_attention_heads;
  const weights = detail["attn.weights"];
  const width = weights.length / h;
  const scores = detail["attn.scores"].subarray(head * (width - 1), (head + 1) * (width - 1));
  const keys = Array.from(scores, (score, s) => ({ at: detail.first + s, score, share: weights[head * width + s] }));
  return { keys, sink: { score: detail["attn.sinks"][head], share: weights[(head + 1) * width - 1] } };
}

// The two vectors that a score is the product of: the head's query, and the key that its group shares.
export function queryAndKey({ detail }, head, at, config) {
  const { num_attention_heads: h, num_key_value_heads: g, head_dim: d } = config;
  const query = detail["attn.q_rotated"].subarray(head * d, (head + 1) * d);
  const keys = detail.keys[Math.floor(head / (h / g))];
  return { query, key: keys.subarray((at - detail.first) * d, (at - detail.first + 1) * d) };
}

// Values summed up in at most n bins of equal size, in order.
export function binned(values, n) {
  const size = Math.ceil(values.length / n);
  const bins = Array.from({ length: Math.ceil(values.length / size) }, () => 0);
  values.forEach((value, i) => (bins[Math.floor(i / size)] += value));
  return bins;
}

// The key that a head gives most to.
export const strongest = ({ keys }) => keys.reduce((best, key) => (key.share > best.share ? key : best));

// The head of a layer that gives most to one earlier token, the sink not counted: the one to look at first.
export function clearestHead(look, config) {
  const heads = Array.from({ length: config.num_attention_heads }, (_, head) => head);
  const most = (head) => {
    const earlier = headRow(look, head, config).keys.slice(0, -1);
    return earlier.length ? Math.max(...earlier.map(({ share }) => share)) : 0;
  };
  return heads.reduce((best, head) => (most(head) > most(best) ? head : best));
}

export const sinkiestHead = (look, layer) => look.layers[layer].sinks.indexOf(Math.max(...look.layers[layer].sinks));

// Gate, up and what comes of them, of each hidden unit; the units of largest outcome first.
export function units({ gateUp, hidden }) {
  const all = Array.from(hidden, (out, i) => ({ unit: i, gate: gateUp[2 * i], up: gateUp[2 * i + 1], out }));
  return all.sort((a, b) => Math.abs(b.out) - Math.abs(a.out));
}

// The n likeliest next tokens at a temperature, as {ids, values}.
export const likeliestAt = (logits, temperature, n) => largest(nextTokenProbabilities(logits, temperature), n);

// 32 weights of an expert from their 16 bytes and the byte of their scale.
export const unpackBlock = ({ bytes, scale }) => unpack(bytes, Uint8Array.of(scale));

// Where to look first in a finished answer: the last token of the final message that another one follows there.
export function tellingToken(tokens) {
  const final = tokens.map((token, i) => (token.channel === "final" && !token.control ? i : -1)).filter((i) => i >= 0);
  return final.at(-2) ?? final.at(-1) ?? tokens.length - 1;
}
