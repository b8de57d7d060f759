// The whole model, one token at a time: the same steps as gptoss_edu/transformer.py, in plain numbers.
// Letters: c hidden, h query heads, g key/value heads, d head size, l layers, v vocabulary.

import { AttentionBlock } from "./attention.js";
import { readHeader, readTensors, tensorBytes } from "./checkpoint.js";
import { plainKernels, wasmKernels } from "./kernel.js";
import { MLPBlock } from "./moe.js";
import { rmsNorm } from "./norm.js";
import { ropeCosSin, yarnInvFreq } from "./rope.js";

const LONGEST = 4096; // tokens that a cache has room for, where a model could read more

// x + attention(norm(x)), then x + experts(norm(x)).
class TransformerBlock {
  constructor(config, layer, tensor, kernels) {
    this.attn = new AttentionBlock(config, layer, tensor, kernels);
    this.mlp = new MLPBlock(config, tensor, kernels);
  }

  forward(x, rope, cache, at) {
    x = at("resid_pre", x); // (c,)
    const attended = this.attn.forward(x, rope, cache, (point, value) => at("attn." + point, value));
    x = at("resid_mid", add(x, attended));
    const worked = this.mlp.forward(x, (point, value) => at("mlp." + point, value));
    return at("resid_post", add(x, worked));
  }
}

// gpt-oss: embedding, blocks, norm, unembedding.
export class Transformer {
  constructor(config, tensors, kernels) {
    const whole = (name) => tensors[name].data;
    config = { rms_norm_eps: 1e-5, ...config }; // released files do not name it
    this.config = config;
    this.kernels = kernels;
    this.embedding = whole("embedding.weight"); // (v, c)
    this.block = Array.from({ length: config.num_hidden_layers }, (_, layer) => {
      const tensor = (name, optional) =>
        optional ? tensors[`block.${layer}.${name}`]?.data : whole(`block.${layer}.${name}`);
      return new TransformerBlock(config, layer, tensor, kernels);
    });
    this.norm = whole("norm.scale"); // (c,)
    this.unembedding = whole("unembedding.weight"); // (v, c)
    this.yarn = yarnInvFreq(config);
  }

  newCache() {
    return new KVCache(this.config, this.kernels);
  }

  // Read one token; give the logits of the next, (v,), or nothing where `logits` is false.
  // `hooks`: name of an intermediate → functions (value, name) that may give another value, as in gptoss_edu/hooks.py.
  forward(token, cache, { hooks = {}, logits = true } = {}) {
    const { hidden_size: c, vocab_size: v } = this.config;
    if (!(token >= 0 && token < v)) throw new Error(`model: expected a token id from 0 to ${v - 1}, found ${token}.`);
    if (cache.length >= cache.room)
      throw new Error(`model: the text has ${cache.length} tokens, all that the cache has room for.`);
    const at = (name, value) => (hooks[name] ?? []).reduce((now, hook) => hook(now, name) ?? now, value);
    const rope = ropeCosSin(cache.length, this.yarn); // (d/2,) each
    let x = at("embedding", this.embedding.slice(token * c, (token + 1) * c)); // (c,)
    this.block.forEach((block, layer) => {
      x = block.forward(x, rope, cache, (point, value) => at(`block.${layer}.${point}`, value));
    });
    cache.length += 1;
    return logits ? at("logits", this.unembed(x)) : null;
  }

  // Norm and unembedding: (c,) → (v,). Of an earlier layer's x it is the logit lens.
  unembed(x) {
    const { vocab_size: v, rms_norm_eps: eps } = this.config;
    return this.kernels.linear(new Float32Array(v), this.unembedding, rmsNorm(x, this.norm, eps));
  }
}

// Keys and values of every position, (g, room, d) per layer. No ring: a window may be changed in the middle of a text.
class KVCache {
  constructor(config, kernels) {
    const { num_hidden_layers: layers, num_key_value_heads: g, head_dim: d } = config;
    const make = () => Array.from({ length: layers }, () => kernels.floats(g * contextOf(config) * d));
    [this.room, this.g, this.d] = [contextOf(config), g, d];
    [this.keys, this.values] = [make(), make()];
    this.length = 0; // tokens held; lowering it forgets the last ones
  }

  // k, v: (g · d,) of the position `length`.
  update(layer, k, v) {
    const { g, d, room } = this;
    for (let group = 0; group < g; group++) {
      const at = (group * room + this.length) * d;
      this.keys[layer].set(k.subarray(group * d, (group + 1) * d), at);
      this.values[layer].set(v.subarray(group * d, (group + 1) * d), at);
    }
  }
}

export function contextOf(config) {
  return Math.min(LONGEST, Math.floor(config.initial_context_length * config.rope_scaling_factor));
}

function add(x, y) {
  return x.map((value, i) => value + y[i]);
}

// The model of a checkpoint's bytes. kernel: "wasm", "plain", or "auto": WebAssembly where there is any.
// caches: how many will be made.
export function loadModel(config, bytes, kernel = "auto", caches = 1) {
  const header = readHeader(bytes);
  const { num_hidden_layers: l, num_key_value_heads: g, head_dim: d, num_attention_heads: h } = config;
  const { vocab_size: v, intermediate_size: f, hidden_size: c } = config;
  const room = contextOf(config);
  const size = tensorBytes(header) + caches * 2 * l * (4 * g * room * d + 16);
  const kernels = kernelsOf(kernel, size, Math.max(v, 2 * f, c, (h + 2 * g) * d, room));
  return new Transformer(config, readTensors(bytes, header, kernels), kernels);
}

function kernelsOf(kernel, size, widest) {
  if (kernel === "plain") return plainKernels();
  try {
    return wasmKernels(size, widest);
  } catch (error) {
    if (kernel === "wasm") throw error;
    return plainKernels();
  }
}
