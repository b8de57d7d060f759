// Router, clamped SwiGLU and the mixture of experts, for one token. The same in Python: gptoss_edu/moe.py.
// Letters: c hidden, e experts, k experts of the token, f expert width.

import { rmsNorm } from "./norm.js";
import { largest, softmax } from "./sampling.js";

// gate · sigmoid(alpha · gate) · (up + 1). x: (2f,), where gate and up alternate; the gate is clamped from above only.
export function swiglu(x, limit, alpha = 1.702) {
  const out = new Float32Array(x.length / 2); // (f,)
  for (let i = 0; i < out.length; i++) {
    const gate = Math.min(x[2 * i], limit);
    const up = Math.max(-limit, Math.min(x[2 * i + 1], limit));
    out[i] = (gate / (1 + Math.exp(-alpha * gate))) * (up + 1);
  }
  return out;
}

// The k largest logits, falling, as weights that sum to one: softmax over the chosen only. (k,) each.
export function topKSoftmax(routerLogits, k) {
  const { ids, values } = largest(routerLogits, k);
  return { indices: ids, weights: [...softmax(values)] };
}

// Norm, router, chosen experts, weighted sum.
export class MLPBlock {
  constructor(config, tensor, kernels) {
    this.kernels = kernels;
    this.eps = config.rms_norm_eps;
    this.limit = config.swiglu_limit;
    [this.k, this.f] = [config.experts_per_token, config.intermediate_size];
    this.norm = tensor("mlp.norm.scale");
    [this.gate, this.gateBias] = [tensor("mlp.gate.weight"), tensor("mlp.gate.bias")];
    this.mlp1 = experts(config.num_experts, tensor, "mlp.mlp1");
    this.mlp2 = experts(config.num_experts, tensor, "mlp.mlp2");
  }

  // (c,) → (c,); `at` as in attention.js.
  forward(x, at) {
    const normed = at("normed", rmsNorm(x, this.norm, this.eps)); // (c,)
    const scores = this.kernels.linear(new Float32Array(this.gateBias.length), this.gate, normed, this.gateBias);
    const routerLogits = at("router_logits", scores); // (e,)
    const chosen = topKSoftmax(routerLogits, at("k", this.k)); // (k,) each
    const indices = at("expert_indices", chosen.indices);
    const weights = at("expert_weights", chosen.weights);
    const out = new Float32Array(x.length); // (c,)
    indices.forEach((e, j) => {
      const inner = swiglu(this.linear(new Float32Array(2 * this.f), this.mlp1[e], normed), this.limit); // (f,)
      const expertOut = this.linear(new Float32Array(x.length), this.mlp2[e], inner); // (c,)
      for (let i = 0; i < out.length; i++) out[i] += weights[j] * expertOut[i];
    });
    return at("out", out);
  }

  linear(out, expert, x) {
    return expert.weight
      ? this.kernels.linear(out, expert.weight, x, expert.bias)
      : this.kernels.linearMxfp4(out, expert, x, expert.bias);
  }
}

// Each expert's share of a tensor: MXFP4 blocks and scales, or a dense weight; and its bias.
function experts(count, tensor, name) {
  const share = (data, e) => data && data.subarray((e * data.length) / count, ((e + 1) * data.length) / count);
  const [blocks, scales, weight] = [".blocks", ".scales", ""].map((end) => tensor(name + "_weight" + end, true));
  const bias = tensor(name + "_bias");
  return Array.from({ length: count }, (_, e) => ({
    blocks: share(blocks, e),
    scales: share(scales, e),
    weight: share(weight, e),
    bias: share(bias, e),
  }));
}
