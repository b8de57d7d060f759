// The answers that a box in a page runs when the reader asks, one after another, each with a title and its changes.
// A plan is a list of functions: each is given what the answers before it showed, and gives {title, ...request}.

import { EFFORT_NAMES, interventionsOf } from "./state.js";

const SEEDS = [0, 1, 2];

export function planOf(kind, state, config) {
  const plain = { effort: state.effort, temperature: state.temperature, topP: state.topP, seed: state.seed, a: [] };
  if (kind === "efforts") return EFFORT_NAMES.map((effort) => () => ({ ...plain, title: `effort ${effort}`, effort }));
  if (kind === "temperature" && state.temperature > 0)
    return SEEDS.map((seed) => () => ({ ...plain, title: `temperature ${state.temperature}, seed ${seed}`, seed }));
  if (kind === "busiest") return [() => ({ ...plain, title: "as it is" }), (seen) => withoutBusiest(plain, state, seen)];
  const changes = interventionsOf(state, config);
  if (!changes.length) return [() => ({ ...plain, title: "Answer" })];
  return [() => ({ ...plain, title: "as it is" }), () => ({ ...plain, title: "changed", a: changes })];
}

// The busiest expert of the chosen layer, or of each, masked: of the tokens that the first answer wrote.
function withoutBusiest(plain, state, seen) {
  const layers = state.layer === "all" ? seen.loads.map((_, layer) => layer) : [Number(state.layer)];
  const masked = layers.map((layer) => [layer, busiest(seen.loads[layer])]);
  const a = masked.map(([layer, expert]) => ({ kind: "MaskExpert", layer, expert, refill: "next" }));
  const [layer, expert] = masked[0];
  const share = Math.round((100 * seen.loads[layer].get(expert)) / seen.tokens);
  const title =
    masked.length > 1
      ? "the busiest expert of every layer masked"
      : `expert ${expert} of layer ${layer} masked, which worked on ${share} % of the tokens`;
  return { ...plain, title, a, masked: masked.map((pair) => pair.join(".")) };
}

function busiest(load) {
  return [...load].reduce((best, entry) => (entry[1] > best[1] ? entry : best))[0];
}

// Counts, layer by layer, how many tokens each expert worked on.
export class Loads {
  constructor() {
    this.tokens = 0;
    this.loads = [];
  }

  add(layers) {
    this.tokens++;
    layers.forEach(({ experts }, layer) => {
      const load = (this.loads[layer] ??= new Map());
      for (const expert of experts) load.set(expert, (load.get(expert) ?? 0) + 1);
    });
  }
}
