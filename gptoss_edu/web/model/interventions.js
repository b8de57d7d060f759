// Change one thing in a running model. The same in Python: gptoss_edu/trace/interventions.py.
// An intervention is plain data, {kind, …}; here it becomes hooks on intermediates. Weights are never touched.

const MINUS_INFINITY = "-inf"; // how JSON writes it

// name of an intermediate → functions (value, name). Throws if a layer, head or expert does not exist.
export function hooksOf(interventions, config) {
  const hooks = {};
  for (const intervention of interventions) {
    if (!Object.hasOwn(KINDS, intervention.kind))
      throw new Error(`intervention '${intervention.kind}': expected one of ${Object.keys(KINDS).join(", ")}.`);
    for (const [name, hook] of KINDS[intervention.kind](intervention, config)) (hooks[name] ??= []).push(hook);
  }
  checkMasks(interventions, config);
  return hooks;
}

// Each gives [name, hook] pairs.
const KINDS = {
  // Forbid an expert in a layer. refill "next": the best expert left takes its place; "drop": nothing does.
  MaskExpert({ layer, expert, refill = "next" }, config) {
    checked(layer, config.num_hidden_layers, "layers");
    checked(expert, config.num_experts, "experts");
    const point = `block.${layer}.mlp.`;
    if (refill === "next") return [[point + "router_logits", (logits) => replaced(logits, expert, -Infinity)]];
    let chosen;
    return [
      [point + "expert_indices", (indices) => void (chosen = indices)],
      [point + "expert_weights", (weights) => weights.map((weight, i) => (chosen[i] === expert ? 0 : weight))],
    ];
  },
  // Send every token to an expert: its logit becomes at least the largest of the others plus `margin`.
  ForceExpert({ layer, expert, margin = 0 }, config) {
    checked(layer, config.num_hidden_layers, "layers");
    checked(expert, config.num_experts, "experts");
    const force = (logits) => {
      const others = Math.max(...replaced(logits, expert, -Infinity));
      return replaced(logits, expert, Math.max(logits[expert], others, others + margin));
    };
    return [[`block.${layer}.mlp.router_logits`, force]];
  },
  // Use k experts per token, in one layer or (layer null) in all.
  ExpertsPerToken({ k, layer = null }, config) {
    if (!(k >= 1 && k <= config.num_experts)) throw new Error(`k: expected 1 to ${config.num_experts}, found ${k}.`);
    return layersOf(layer, config).map((l) => [`block.${l}.mlp.k`, () => k]);
  },
  // Add to sink logits: −inf removes the sinks. heads null: every head of the layer; layer null: every layer.
  ShiftSink({ amount = MINUS_INFINITY, layer = null, heads = null }, config) {
    const chosen = headsOf(heads, config);
    const by = amount === MINUS_INFINITY ? -Infinity : amount;
    const shift = (sinks) => sinks.map((sink, head) => (chosen.includes(head) ? sink + by : sink));
    return layersOf(layer, config).map((l) => [`block.${l}.attn.sinks`, shift]);
  },
  // Let a layer see `window` keys, the query's own included; null: all.
  SetWindow({ layer, window }, config) {
    checked(layer, config.num_hidden_layers, "layers");
    if (window !== null && !(window >= 1)) throw new Error(`window: expected 1 or more keys, found ${window}.`);
    return [[`block.${layer}.attn.window`, () => window ?? Infinity]];
  },
  // Zero the output of heads of a layer (null: all), or (group) of the heads that share a key/value head.
  ZeroHeads({ layer, heads = null, group = null }, config) {
    const { num_hidden_layers: l, num_attention_heads: h, num_key_value_heads: g, head_dim: d } = config;
    checked(layer, l, "layers");
    if (group !== null) checked(group, g, "groups of heads");
    const ofGroup = (head) => Math.floor(head / (h / g)) === group;
    const chosen = group === null ? headsOf(heads, config) : [...Array(h).keys()].filter(ofGroup);
    const zero = (values) => values.map((value, i) => (chosen.includes(Math.floor(i / d)) ? 0 : value));
    return [[`block.${layer}.attn.heads`, zero]];
  },
};

// The active changes, by layer: the windows (null: all keys), and the numbers of experts per token.
export function shapeOf(interventions, config) {
  const layers = [...Array(config.num_hidden_layers).keys()];
  const windows = layers.map((layer) => (layer % 2 ? null : config.sliding_window));
  const experts = layers.map(() => config.experts_per_token);
  for (const { kind, layer = null, window, k } of interventions) {
    if (kind === "SetWindow") windows[layer] = window;
    if (kind === "ExpertsPerToken") for (const l of layersOf(layer, config)) experts[l] = k;
  }
  return { windows, experts };
}

function checkMasks(interventions, config) {
  shapeOf(interventions, config).experts.forEach((k, layer) => {
    const masks = interventions.filter((i) => i.kind === "MaskExpert" && i.layer === layer && i.refill !== "drop");
    const left = config.num_experts - new Set(masks.map(({ expert }) => expert)).size;
    if (masks.length && left < k)
      throw new Error(`layer ${layer}: ${left} experts are left unmasked, and a token needs ${k}; mask fewer.`);
  });
}

function replaced(values, index, value) {
  const out = values.slice();
  out[index] = value;
  return out;
}

function layersOf(layer, config) {
  if (layer === null) return [...Array(config.num_hidden_layers).keys()];
  checked(layer, config.num_hidden_layers, "layers");
  return [layer];
}

function headsOf(heads, { num_attention_heads: h }) {
  for (const head of heads ?? []) checked(head, h, "heads");
  return heads ?? [...Array(h).keys()];
}

function checked(index, count, what) {
  if (!(Number.isInteger(index) && index >= 0 && index < count))
    throw new Error(`there are ${what} 0 to ${count - 1}; found ${index}.`);
}
