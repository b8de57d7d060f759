// One token looked at closely: what passes through the model while it is read, in the terms of gptoss_edu/hooks.py.
// Letters: c hidden, h query heads, g key/value heads, d head size, e experts, k experts per token, f expert width.

import { hooksOf } from "./interventions.js";
import { swiglu } from "./moe.js";
import { meanSquare } from "./norm.js";
import { largest, softmax } from "./sampling.js";

const LENS = 3; // likeliest next tokens after each layer
const BYTES = 16; // of a block of MXFP4

// Read the token at `position` of a lane again, after the same keys. Of every layer a summary, of `layer` (or null) all
// that passes; and the logits. `shown` gives the text of an id. The lane is left as it was.
export function lookAt(lane, position, layer, shown) {
  const { model, cache, tokens } = lane;
  const { num_hidden_layers: layers } = model.config;
  const hooks = hooksOf(lane.interventions, model.config);
  const seen = {};
  const keep = (value, name) => void (seen[name] = value?.slice?.() ?? value);
  const points = (i) => (i === layer ? [...SUMMARY, ...DETAIL] : SUMMARY).map((point) => `block.${i}.${point}`);
  for (const name of ["embedding", ...Array.from({ length: layers }, (_, i) => points(i)).flat()])
    (hooks[name] ??= []).push(keep);
  const length = cache.length;
  cache.length = position;
  const logits = model.forward(tokens[position], cache, { hooks });
  cache.length = length;
  return {
    position,
    id: tokens[position],
    embedding: seen.embedding, // (c,)
    layers: Array.from({ length: layers }, (_, i) => summary(model, seen, i, shown)),
    detail: layer === null ? null : detail(lane, seen, position, layer),
    logits, // (v,)
    next: likeliest(softmax(logits), 8, shown),
  };
}

const SUMMARY = ["resid_pre", "resid_mid", "resid_post", "attn.weights", "mlp.expert_indices", "mlp.expert_weights"];
const DETAIL = [
  "attn.normed",
  "attn.q",
  "attn.q_rotated",
  "attn.k",
  "attn.k_rotated",
  "attn.v",
  "attn.window",
  "attn.scores",
  "attn.sinks",
  "attn.heads",
  "attn.out",
  "mlp.normed",
  "mlp.router_logits",
  "mlp.out",
];

function summary(model, seen, layer, shown) {
  const at = (point) => seen[`block.${layer}.${point}`];
  const { num_attention_heads: h } = model.config;
  const weights = at("attn.weights"); // (h, s + 1)
  const width = weights.length / h;
  return {
    stream: at("resid_post"), // (c,)
    size: ["resid_pre", "resid_mid", "resid_post"].map((point) => Math.sqrt(meanSquare(at(point)))),
    sinks: Array.from({ length: h }, (_, head) => weights[(head + 1) * width - 1]),
    experts: [...at("mlp.expert_indices")],
    weights: [...at("mlp.expert_weights")],
    says: likeliest(softmax(model.unembed(at("resid_post"))), LENS, shown),
  };
}

// The values in a layer, under the names of the hook points, with the visible keys and the experts' internals.
function detail({ model, cache }, seen, position, layer) {
  const { num_key_value_heads: g, head_dim: d, intermediate_size: f, hidden_size: c } = model.config;
  const { mlp } = model.block[layer];
  const own = Object.keys(seen).filter((name) => name.startsWith(`block.${layer}.`));
  const all = Object.fromEntries(own.map((name) => [name.slice(`block.${layer}.`.length), seen[name]]));
  const first = Math.max(0, position + 1 - (all["attn.window"] ?? Infinity));
  const ofGroup = (i) => cache.keys[layer].slice((i * cache.room + first) * d, (i * cache.room + position + 1) * d);
  const inside = (expert) => {
    const [w1, w2] = [mlp.mlp1[expert], mlp.mlp2[expert]];
    const gateUp = mlp.linear(new Float32Array(2 * f), w1, all["mlp.normed"]); // (2f,), gate and up alternate
    const hidden = swiglu(gateUp, mlp.limit); // (f,)
    const out = mlp.linear(new Float32Array(c), w2, hidden); // (c,)
    const packed = w1.blocks && { bytes: w1.blocks.slice(0, BYTES), scale: w1.scales[0] };
    return { expert, gateUp, hidden, out, packed };
  };
  return {
    ...all,
    layer,
    first, // position of the first key in sight
    keys: Array.from({ length: g }, (_, i) => ofGroup(i)), // (s, d) each, rotated
    experts: [...all["mlp.expert_indices"]].map(inside),
  };
}

function likeliest(probabilities, n, shown) {
  const { ids, values } = largest(probabilities, n);
  return ids.map((id, i) => ({ ...shown(id), share: values[i] }));
}
