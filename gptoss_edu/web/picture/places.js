// The places of the picture, from the whole model into a block, a head, an expert: where each lies, what it is called,
// and which chapter builds it. A place is plain data: {kind, layer, head, expert}, of which a kind has what it needs.

export const KINDS = {
  model: { inside: null, chapter: "10" },
  tokens: { inside: "model", chapter: "02" },
  embedding: { inside: "model", chapter: "10" },
  block: { inside: "model", counts: "layer", chapter: "10" },
  norm: { inside: "block", chapter: "03" },
  head: { inside: "block", counts: "head", chapter: "04" },
  router: { inside: "block", chapter: "08" },
  expert: { inside: "block", counts: "expert", chapter: "07" },
  output: { inside: "model", chapter: "11" },
};

// What the parts are called that lead to a chapter; a page of the book gives each an address.
export const CHAPTERS = {
  "02": "tokens",
  "03": "RMSNorm and the residual stream",
  "04": "attention",
  "05": "RoPE and YaRN",
  "06": "attention sinks",
  "07": "an expert's SwiGLU",
  "08": "the router",
  "09": "MXFP4",
  10: "the whole model",
  11: "decoding",
  12: "harmony",
};

const needsLayer = ({ kind }) => kind === "block" || KINDS[kind].inside === "block";

// A name that is the same for the same place, and for nothing else.
export function keyOf(place) {
  const { counts } = KINDS[place.kind];
  const own = counts && counts !== "layer" ? [place[counts]] : [];
  return [place.kind, ...(needsLayer(place) ? [place.layer] : []), ...own].join(".");
}

export function parentOf(place) {
  const kind = KINDS[place.kind].inside;
  if (!kind) return null;
  return kind === "block" ? { kind, layer: place.layer } : { kind };
}

// From the whole model down to the place.
export function pathOf(place) {
  const parent = parentOf(place);
  return [...(parent ? pathOf(parent) : []), place];
}

export function nameOf(place) {
  const { kind, layer } = place;
  if (kind === "model") return "The whole model";
  if (kind === "block") return `Block ${layer}`;
  if (kind === "norm") return "RMSNorm";
  if (KINDS[kind].counts) return `${kind === "head" ? "Head" : "Expert"} ${place[kind]}`;
  return { tokens: "Tokens", embedding: "Embedding", router: "Router", output: "Next token" }[kind];
}

// The places before and after it of the same kind: the block before, the next head, the token's next expert.
export function besides(place, config, chosen = []) {
  const { counts } = KINDS[place.kind];
  if (!counts) return [null, null];
  const limit = { layer: config.num_hidden_layers, head: config.num_attention_heads, expert: config.num_experts };
  const order = counts === "expert" && chosen.length ? chosen : Array.from({ length: limit[counts] }, (_, i) => i);
  const at = order.indexOf(place[counts]);
  return [order[at - 1], order[at + 1]].map((n) => (n === undefined ? null : { ...place, [counts]: n }));
}

// The place with another layer: the same head or router of the block above or below.
export function inLayer(place, layer, config) {
  if (!needsLayer(place) || layer < 0 || layer >= config.num_hidden_layers) return null;
  return { ...place, layer };
}

// "sliding" or "full": in gpt-oss even layers slide.
export const layerKind = (layer) => (layer % 2 ? "full" : "sliding");
