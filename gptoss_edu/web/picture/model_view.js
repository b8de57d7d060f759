// The whole model, from the tokens to the next one: the blocks in a row, the residual stream through all of them.

import { el } from "../explorer/elements.js";
import { arrow, bars, card, chip, columns, flow, line, vector } from "./parts.js";
import { layerKind } from "./places.js";
import { count, mean, number, inPercent } from "./reading.js";

const TOKENS = 5; // shown before the one that is looked at

export function modelView(view) {
  const { config } = view;
  const blocks = el("div", { class: "blocks", "data-part": "blocks" });
  for (let layer = 0; layer < config.num_hidden_layers; layer++) blocks.append(blockCard(view, layer));
  return flow("model", tokensCard(view), arrow(), embeddingCard(view), arrow(), blocks, arrow(), outputCard(view));
}

function tokensCard(view) {
  const { tokens, position } = view.world;
  const column = el("div", { class: "column" });
  const first = Math.max(0, position - TOKENS);
  if (first) column.append(el("span", { class: "aside" }, `${first} before`));
  for (let i = first; i <= position; i++) {
    const one = chip(tokens[i]);
    if (i === position) one.classList.add("chosen");
    column.append(one);
  }
  return card(view, { place: { kind: "tokens" }, part: "tokens", chapter: "12" }, column);
}

function embeddingCard(view) {
  const { look, config } = view.world;
  const said = `row ${count(look.id)} of ${count(config.vocab_size)}`;
  return card(
    view,
    { place: { kind: "embedding" }, part: "embedding", chapter: "10" },
    line(said),
    vector(view, look.embedding, "The token's row of the embedding"),
  );
}

function blockCard(view, layer) {
  const { look, config } = view.world;
  const { sinks, experts, weights, stream, says } = look.layers[layer];
  const heads = columns(
    sinks,
    sinks.map(() => view.theme.colors.sink),
    `Share that each of ${sinks.length} heads leaves on its sink, ${inPercent(mean(sinks))} on the mean`,
    26,
  );
  const squares = el("div", { class: "squares", role: "img" });
  squares.setAttribute("aria-label", `Experts ${experts.join(", ")} of ${config.num_experts} work on the token`);
  squares.title = squares.getAttribute("aria-label");
  for (let expert = 0; expert < config.num_experts; expert++) {
    const square = el("span");
    const j = experts.indexOf(expert);
    if (j >= 0)
      Object.assign(square.style, {
        background: view.theme.expert(expert),
        opacity: 0.35 + 0.65 * Math.min(1, 2 * weights[j]),
      });
    squares.append(square);
  }
  const word = el("p", { class: "says" });
  word.append("says ", chip(says[0]), ` ${inPercent(says[0].share)}`);
  return card(
    view,
    { title: `Block ${layer}`, place: { kind: "block", layer }, note: layerKind(layer) },
    heads,
    squares,
    vector(view, stream, `The stream after block ${layer}`),
    word,
  );
}

function outputCard(view) {
  const { next } = view.world.look;
  return card(
    view,
    { place: { kind: "output" }, part: "output", chapter: "11" },
    bars(next.slice(0, 5).map((token) => ({ token, share: token.share }))),
  );
}

// All tokens; a click takes another one.
export function tokensView(view) {
  const { tokens, position, look, config, prompt } = view.world;
  const text = el("div", { class: "text" });
  tokens.forEach((token, i) => {
    const one = el("button", {
      type: "button",
      class: "key",
      "data-focus": `token.${i}`,
      "aria-pressed": String(i === position),
    });
    one.append(chip(token));
    one.addEventListener("click", () => view.choose(i));
    if (i === prompt) text.append(el("span", { class: "aside" }, "from here on written by the model:"));
    text.append(one);
  });
  const said = el("p", { class: "line" });
  said.append(
    "The token ",
    chip(tokens[position]),
    ` stands at position ${position} and has the number ${count(look.id)}.`,
  );
  return flow(
    "tokens",
    card(view, { title: `All ${tokens.length} tokens`, chapter: "12", wide: true }, text),
    card(
      view,
      { title: "The one we follow", part: "chosen", chapter: "02" },
      said,
      line(`There are ${count(config.vocab_size)} tokens; gpt-oss has ${count(view.large.vocab_size)}.`),
    ),
  );
}

export function embeddingView(view) {
  const { look, config, tokens, position } = view.world;
  const said = el("p", { class: "line" });
  said.append(`Row ${count(look.id)} of the table, that of `, chip(tokens[position]), ":");
  const first = Array.from(look.embedding.slice(0, 8), number).join("  ");
  return flow(
    "single",
    card(
      view,
      { title: "Embedding", chapter: "10", note: `${count(config.vocab_size)} × ${config.hidden_size}` },
      said,
      vector(view, look.embedding, "The row", 32),
      line(`It begins ${first} …`, "figures"),
      line(`gpt-oss-20b has ${count(view.large.vocab_size)} rows of ${count(view.large.hidden_size)} numbers.`),
    ),
  );
}
