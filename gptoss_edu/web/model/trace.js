// Record what the model computes, token by token, as the explorer reads it: the arrays of gptoss_edu/trace/record.py.
// Levels as in gptoss_edu/trace/levels.py: "routing", "default" (sinks, statistics, pooled maps, logit lens), "exact"
// (and the rows of chosen heads), "full" (the rows of every head).

import { hooksOf, shapeOf } from "./interventions.js";
import { TABLES } from "./labels.js";
import { meanSquare } from "./norm.js";
import { addColumns, addTokens, joined, Packed } from "./packed.js";
import { largest, softmax } from "./sampling.js";
import { entropyBits, headStatistics, pooled, pooledBins, routerStatistics } from "./statistics.js";

export const LEVELS = ["routing", "default", "exact", "full"];
const ROW_LEVELS = 65535; // rows are kept as roots of the shares, in 16 bits
const NEXT_TOKENS = 8;
const LENS_TOKENS = 5;

export class Tracer {
  constructor(model, tokenizer, { level = "full", heads = [], interventions = [] } = {}) {
    if (!LEVELS.includes(level)) throw new Error(`trace: expected a level of ${LEVELS.join(", ")}, found '${level}'.`);
    Object.assign(this, { model, tokenizer, level, heads, interventions, config: model.config });
    this.hooks = this.listening(hooksOf(interventions, model.config));
    const { windows, experts } = shapeOf(interventions, model.config);
    if (new Set(experts).size > 1)
      throw new Error("trace: the layers choose different numbers of experts, and a trace holds one number for all.");
    [this.windows, this.k] = [windows, experts[0]];
    this.tokens = [];
    this.columns = {}; // name → for each token its values, layer after layer
    this.rows = {}; // "layer.head" → for each token its row
    this.probabilities = null; // of the token that comes next
    this.known = null; // surprisal of the token that is read again
  }

  // Hooks that look, after those that change; each writes into `this.now`, the column of the token being read.
  listening(hooks) {
    const { num_hidden_layers: layers, num_attention_heads: h } = this.config;
    const last = layers - 1;
    const look = (name, hook) => (hooks[name] ??= []).push((value) => void hook(value));
    const all = this.level !== "routing";
    if (all) look("embedding", (x) => this.put("residual_norm", 0, Math.sqrt(meanSquare(x))));
    for (let layer = 0; layer < layers; layer++) {
      const point = `block.${layer}.`;
      look(point + "mlp.router_logits", (logits) => this.put("router_logits", layer, logits));
      look(point + "mlp.expert_indices", (indices) => this.put("expert_indices", layer, indices));
      look(point + "mlp.expert_weights", (weights) => this.put("expert_weights", layer, weights));
      if (!all) continue;
      look(point + "attn.weights", (weights) => {
        for (const [name, values] of Object.entries(headStatistics(weights, h))) this.put(name, layer, values);
        for (let head = 0; head < h; head++) this.keepRow(layer, head, weights);
      });
      look(point + "resid_post", (x) => {
        this.put("residual_norm", layer + 1, Math.sqrt(meanSquare(x)));
        if (layer < last) this.keepLens(layer, softmax(this.model.unembed(x))); // the last layer's is the output
      });
    }
    return hooks;
  }

  put(name, layer, values) {
    (this.now[name] ??= [])[layer] = values;
  }

  keepLens(layer, probabilities) {
    const best = largest(probabilities, LENS_TOKENS);
    this.put("lens_tokens", layer, best.ids);
    this.put("lens_probs", layer, best.values);
  }

  // Every head's rows are kept until the end, as the pooled maps are made of them.
  keepRow(layer, head, weights) {
    const width = weights.length / this.config.num_attention_heads;
    const row = new Uint16Array(width - 1);
    for (let s = 0; s < row.length; s++) row[s] = Math.round(ROW_LEVELS * Math.sqrt(weights[head * width + s]));
    (this.rows[`${layer}.${head}`] ??= []).push(row);
  }

  // Read a token and record what happened; return the logits of the next.
  forward(token, cache) {
    this.now = {};
    const logits = this.model.forward(token, cache, { hooks: this.hooks });
    this.now.router_logits.forEach((values, layer) => {
      for (const [name, value] of Object.entries(routerStatistics(values, this.k))) this.put(name, layer, value);
    });
    if (this.level !== "routing") this.keepNext(token, softmax(logits));
    for (const [name, parts] of Object.entries(this.now))
      (this.columns[name] ??= []).push(parts.flatMap((part) => (typeof part === "number" ? part : [...part])));
    this.tokens.push(token);
    return logits;
  }

  keepNext(token, probabilities) {
    const best = largest(probabilities, NEXT_TOKENS);
    this.now.surprisal = [this.known ?? (this.probabilities ? -Math.log2(this.probabilities[token]) : NaN)];
    this.now.next_tokens = best.ids;
    this.now.next_probs = best.values;
    this.now.next_entropy = [entropyBits(probabilities)];
    this.keepLens(this.config.num_hidden_layers - 1, probabilities);
    [this.probabilities, this.known] = [probabilities, null];
  }

  // Forget all tokens from position `length` on. The one at `length` is read again next, so its surprisal is kept.
  truncate(length) {
    this.known = this.columns.surprisal?.[length]?.[0] ?? null;
    this.tokens.length = length;
    for (const list of [...Object.values(this.columns), ...Object.values(this.rows)])
      list.length = Math.min(list.length, length);
  }

  // The part of the newest token's trace that a page shows while the answer is written.
  newest() {
    const { num_hidden_layers: layers, num_attention_heads: h } = this.config;
    const last = (name) => this.columns[name].at(-1);
    const k = last("expert_indices").length / layers;
    const ofLayer = (name, layer, width) => last(name).slice(layer * width, (layer + 1) * width);
    return Array.from({ length: layers }, (_, layer) => ({
      sink: this.level === "routing" ? null : ofLayer("sink_mass", layer, h).reduce((a, b) => a + b) / h,
      experts: ofLayer("expert_indices", layer, k),
      weights: ofLayer("expert_weights", layer, k),
    }));
  }

  // {name, meta, arrays, buffer}: what RunData of the explorer takes.
  result(name) {
    const packed = new Packed();
    addTokens(packed, this.tokens, this.tokenizer);
    addColumns(packed, this.columns, this.config.num_hidden_layers);
    if (this.level !== "routing") this.addRows(packed);
    return { name, meta: this.meta(), ...packed.finish() };
  }

  addRows(packed) {
    const { num_hidden_layers: layers, num_attention_heads: h } = this.config;
    const bin = this.poolBin();
    const maps = [];
    const sinks = [];
    for (let layer = 0; layer < layers; layer++)
      for (let head = 0; head < h; head++) {
        const rows = this.rows[`${layer}.${head}`];
        const left = this.columns.sink_mass.map((values) => values[layer * h + head]);
        const made = pooled(rows, ROW_LEVELS, left, bin);
        maps.push(made.map);
        sinks.push(made.sink);
        const chosen =
          this.level === "full" || (this.level === "exact" && this.heads.some(([l, i]) => l === layer && i === head));
        if (chosen) packed.addRows(`${layer}.${head}`, rows, ROW_LEVELS);
      }
    packed.add("pooled", "f4", joined(maps), [layers, h, sinks[0].length, sinks[0].length]);
    packed.add("pooled_sink", "f4", joined(sinks), [layers, h, sinks[0].length]);
  }

  poolBin() {
    const { num_hidden_layers: layers, num_attention_heads: h } = this.config;
    return Math.ceil(this.tokens.length / pooledBins(this.tokens.length, layers, h));
  }

  meta() {
    const { config, tokenizer, columns } = this;
    const ids = new Set([...(columns.next_tokens ?? []), ...(columns.lens_tokens ?? [])].flat());
    const { num_hidden_layers: n_layers, num_attention_heads: n_heads, num_key_value_heads: n_kv_heads } = config;
    return {
      model: this.model.name ?? tokenizer.name,
      ...{ n_layers, n_heads, n_kv_heads, n_experts: config.num_experts, experts_per_token: this.k },
      windows: this.windows,
      ...TABLES,
      level: this.level,
      interventions: this.interventions,
      pool_bin: this.level === "routing" ? undefined : this.poolBin(),
      vocabulary: Object.fromEntries(Array.from(ids, (id) => [id, tokenizer.decode([id])])),
      origin: { device: "this browser", dtype: "float32", kernel: this.model.kernels.name },
    };
  }
}
