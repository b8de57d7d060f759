// What the reader has set: as an object, as the part of an address behind #, and as interventions on the model.

export const INITIAL = {
  question: "",
  effort: "medium",
  instructions: "",
  temperature: 0,
  topP: 1,
  seed: 0,
  longest: 512,
  sinks: 0, // added to every sink's logit; -Infinity removes the sinks
  sliding: null, // keys that the sliding layers see: null for what the model has, Infinity for all
  full: null, // keys that the full layers see; null for all
  experts: null, // per token; null for what the model has
  masked: [], // "layer.expert"
  forced: [],
  zeroed: [], // "layer.head"
  compare: true, // answer also with the model as it is
};

export const EFFORT_NAMES = ["low", "medium", "high"];
const KEYS_IN_ADDRESS = {
  question: "q",
  effort: "effort",
  instructions: "instructions",
  temperature: "temperature",
  topP: "top_p",
  seed: "seed",
  longest: "tokens",
  sinks: "sinks",
  sliding: "window",
  full: "full",
  experts: "experts",
  masked: "mask",
  forced: "force",
  zeroed: "zero",
  compare: "compare",
};

// The part of an address that says how `state` differs from the beginning; empty where it does not.
export function toAddress(state) {
  const parts = new URLSearchParams();
  for (const [name, key] of Object.entries(KEYS_IN_ADDRESS)) {
    const value = state[name];
    if (String(value) !== String(INITIAL[name])) parts.set(key, written(value));
  }
  return parts.toString().replaceAll("%2C", ","); // a comma needs no disguise behind #
}

function written(value) {
  if (value === Infinity) return "all";
  if (value === -Infinity) return "off";
  return Array.isArray(value) ? value.join(",") : String(value);
}

// The state of an address; what makes no sense there, or not for this model, is left as it was at the beginning.
export function fromAddress(address, config) {
  const given = new URLSearchParams(address.replace(/^#/, ""));
  const state = { ...INITIAL };
  const read = (name, make) => {
    const text = given.get(KEYS_IN_ADDRESS[name]);
    const value = text === null ? undefined : make(text);
    if (value !== undefined) state[name] = value;
  };
  const number = (low, high, whole) => (text) => {
    const value = text.trim() === "" ? NaN : Number(text);
    return value >= low && value <= high && (!whole || Number.isInteger(value)) ? value : undefined;
  };
  const keys = (text) => (text === "all" ? Infinity : number(1, 1e6, true)(text));
  const pairs = (count) => (text) => text.split(",").filter((pair) => isPair(pair, config.num_hidden_layers, count));
  read("question", (text) => text);
  read("instructions", (text) => text);
  read("effort", (text) => (EFFORT_NAMES.includes(text) ? text : undefined));
  read("temperature", number(0, 5));
  read("topP", number(1e-6, 1));
  read("seed", number(0, 2 ** 32 - 1, true));
  read("longest", number(1, 4096, true));
  read("sinks", (text) => (text === "off" ? -Infinity : number(-20, 20)(text)));
  read("sliding", keys);
  read("full", keys);
  read("experts", number(1, config.num_experts, true));
  read("masked", pairs(config.num_experts));
  read("forced", pairs(config.num_experts));
  read("zeroed", pairs(config.num_attention_heads));
  read("compare", (text) => text !== "false");
  return state;
}

function isPair(text, layers, count) {
  const [layer, number, ...rest] = text.split(".");
  const within = (word, limit) => /^\d+$/.test(word ?? "") && Number(word) < limit;
  return !rest.length && within(layer, layers) && within(number, count);
}

// The interventions that the state asks for, as web/model/interventions.js and gptoss_edu.trace read them.
export function interventionsOf(state, config) {
  const { num_hidden_layers: layers, sliding_window: window, experts_per_token: k } = config;
  const out = [];
  const pairs = (list) => list.map((pair) => pair.split(".").map(Number));
  if (state.sinks)
    out.push({ kind: "ShiftSink", amount: state.sinks === -Infinity ? "-inf" : state.sinks, layer: null, heads: null });
  for (let layer = 0; layer < layers; layer++) {
    const [wanted, own] = layer % 2 ? [state.full, Infinity] : [state.sliding, window];
    if (wanted !== null && wanted !== own)
      out.push({ kind: "SetWindow", layer, window: wanted === Infinity ? null : wanted });
  }
  if (state.experts !== null && state.experts !== k)
    out.push({ kind: "ExpertsPerToken", k: state.experts, layer: null });
  for (const [layer, expert] of pairs(state.masked)) out.push({ kind: "MaskExpert", layer, expert, refill: "next" });
  for (const [layer, expert] of pairs(state.forced)) out.push({ kind: "ForceExpert", layer, expert, margin: 0 });
  const heads = {};
  for (const [layer, head] of pairs(state.zeroed)) (heads[layer] ??= []).push(head);
  for (const [layer, list] of Object.entries(heads))
    out.push({ kind: "ZeroHeads", layer: Number(layer), heads: list, group: null });
  return out;
}

// The same in words, for the name of a run.
export function inWords(state, config) {
  const said = [];
  const many = (list, one, more) => list.length && said.push(`${list.length === 1 ? one : more} ${list.join(", ")}`);
  if (state.sinks === -Infinity) said.push("no sinks");
  else if (state.sinks) said.push(`sinks ${state.sinks > 0 ? "+" : "−"}${Math.abs(state.sinks)}`);
  const keys = (value) => (value === Infinity ? "all keys" : `${value} ${value === 1 ? "key" : "keys"}`);
  if (state.sliding !== null && state.sliding !== config.sliding_window)
    said.push(`sliding layers see ${keys(state.sliding)}`);
  if (state.full !== null && state.full !== Infinity) said.push(`full layers see ${keys(state.full)}`);
  if (state.experts !== null && state.experts !== config.experts_per_token)
    said.push(`${state.experts} ${state.experts === 1 ? "expert" : "experts"} per token`);
  many(state.masked, "without expert", "without experts");
  many(state.forced, "always expert", "always experts");
  many(state.zeroed, "head zeroed:", "heads zeroed:");
  return said.join("; ");
}
