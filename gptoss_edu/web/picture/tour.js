// The guided walk: where each step stands, what it points at, and one sentence with the numbers of the token in sight.
// A world is {config, tokens, prompt, position, look, layer, head, expert}: the answer's tokens, the one looked at, and
// the parts that the walk goes through. `look` holds the inside of `layer` from the first block on.

import { layerKind } from "./places.js";
import { clearestHead, count, headRow, number, inPercent, queryAndKey, sinkiestHead, strongest } from "./reading.js";

const quoted = (text) => `“${text}”`;
const said = (world) => quoted(world.tokens[world.position].text);
const summaryOf = ({ look, layer }) => look.layers[layer];
const rowOf = (world) => headRow(world.look, world.head, world.config);

export const STEPS = [
  {
    place: () => ({ kind: "model" }),
    part: "tokens",
    chapter: "12",
    say: ({ prompt }) =>
      `Your question became ${prompt} tokens: what harmony writes around it stands between control tokens, which have a frame.`,
  },
  {
    place: () => ({ kind: "tokens" }),
    part: "chosen",
    chapter: "02",
    say: (world) =>
      `A token is a piece of text with a number: we follow ${said(world)}, which is ${count(world.look.id)} of ${count(world.config.vocab_size)}.`,
  },
  {
    place: () => ({ kind: "embedding" }),
    chapter: "10",
    say: ({ config }) =>
      `Its number picks a row of ${config.hidden_size} numbers: with them the residual stream begins.`,
  },
  {
    place: () => ({ kind: "model" }),
    part: "blocks",
    chapter: "10",
    say: ({ config, look }) =>
      `${config.num_hidden_layers} blocks read the stream and add to it; if it stopped after block 0, the model would say ${quoted(look.layers[0].says[0].text)}, after the last it says ${quoted(look.next[0].text)}.`,
  },
  {
    place: ({ layer }) => ({ kind: "block", layer }),
    part: "attention",
    chapter: "04",
    say: ({ config, layer, look }) =>
      `In block ${layer} attention comes first: ${config.num_attention_heads} heads look back, here at ${look.detail.keys[0].length / config.head_dim} tokens, since a ${layerKind(layer)} layer sees ${layerKind(layer) === "full" ? "all of them" : `the last ${config.sliding_window}`}.`,
  },
  {
    place: ({ layer, look, config }) => ({ kind: "head", layer, head: clearestHead(look, config) }),
    part: "keys",
    chapter: "04",
    say: (world) => {
      const best = strongest(rowOf(world));
      return `Head ${world.head} compares its query with every key and gives most to ${quoted(world.tokens[best.at].text)}: ${inPercent(best.share)}.`;
    },
  },
  {
    place: ({ layer, look, config }) => ({ kind: "head", layer, head: clearestHead(look, config) }),
    part: "score",
    chapter: "05",
    say: (world) => {
      const best = strongest(rowOf(world));
      const { query } = queryAndKey(world.look, world.head, best.at, world.config);
      return `Query and key have ${query.length} numbers each and are turned by their positions, ${world.position} and ${best.at}, so that the score ${number(best.score)} depends on their distance.`;
    },
  },
  {
    place: ({ layer, look }) => ({ kind: "head", layer, head: sinkiestHead(look, layer) }),
    part: "sink",
    chapter: "06",
    say: (world) =>
      `Head ${world.head} leaves ${inPercent(rowOf(world).sink.share)} on the sink, on no token at all: a head that finds nothing need not mix anything in.`,
  },
  {
    place: ({ layer }) => ({ kind: "block", layer }),
    part: "middle",
    chapter: "03",
    say: (world) => {
      const [before, after] = summaryOf(world).size;
      return `What the heads found is added to the stream: its root mean square goes from ${number(before)} to ${number(after)}, and RMSNorm brings a copy back to 1 for the experts.`;
    },
  },
  {
    place: ({ layer }) => ({ kind: "router", layer }),
    chapter: "08",
    say: (world) => {
      const { experts, weights } = summaryOf(world);
      const list = experts.map((expert, j) => `${expert} (${inPercent(weights[j])})`).join(", ");
      return `The router scores ${world.config.num_experts} experts and sends the token to ${experts.length}: ${list}.`;
    },
  },
  {
    place: ({ layer, expert }) => ({ kind: "expert", layer, expert }),
    part: "units",
    chapter: "07",
    say: ({ config, expert, look }) => {
      const { hidden } = look.detail.experts.find((one) => one.expert === expert);
      const open = hidden.filter((value) => Math.abs(value) > 0.1).length;
      return `Expert ${expert} has ${config.intermediate_size} hidden units, each a gate times a value that it lets through; ${open} of them are more than 0.1 from zero for this token.`;
    },
  },
  {
    place: ({ layer, expert }) => ({ kind: "expert", layer, expert }),
    part: "packed",
    chapter: "09",
    say: () => "Its weights take 4.25 bits each: 32 codes of four bits share one power of two.",
  },
  {
    place: () => ({ kind: "output" }),
    chapter: "11",
    say: ({ config, look }) =>
      `After the last block come ${count(config.vocab_size)} logits, and softmax makes shares of them: ${quoted(look.next[0].text)} has ${inPercent(look.next[0].share)}.`,
  },
  {
    place: () => ({ kind: "model" }),
    part: "output",
    chapter: "11",
    say: ({ prompt, tokens }) =>
      `The token that is drawn is read next, and so on: ${tokens.length - prompt} tokens, one after the other, are the answer. Now walk on your own.`,
  },
];

// One sentence for a place where no step of the walk stands.
export function captionOf(place, world) {
  const own = { ...world, ...(place.layer === undefined ? {} : { layer: place.layer }), ...place };
  if (place.kind === "norm")
    return "RMSNorm divides the stream by its root mean square and multiplies each number by a learned scale; the stream itself stays as it is.";
  if (place.kind === "model")
    return `We look at ${said(world)}, token ${world.position}, on its way through the model. Every part opens.`;
  if (place.kind === "expert" && !world.look.detail.experts.some(({ expert }) => expert === place.expert))
    return `Expert ${place.expert} rests: the router sent this token to others.`;
  return STEPS.find((step) => step.place(own).kind === place.kind).say(own);
}
