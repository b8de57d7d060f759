// The end of the model: the likeliest next tokens at a temperature, and what each block would have said.

import { el } from "../explorer/elements.js";
import { bars, card, chip, flow, line } from "./parts.js";
import { count, likeliestAt, inPercent } from "./reading.js";

const TOKENS_LISTED = 8;

export function outputView(view) {
  const { look, config, tokens, position } = view.world;
  const list = el("div");
  const draw = () => {
    const { ids, values } = likeliestAt(look.logits, view.temperature, TOKENS_LISTED);
    const texts = new Map(look.next.map((token) => [token.id, token]));
    list.replaceChildren(
      bars(ids.map((id, i) => ({ token: texts.get(id), share: values[i] })).filter(({ token }) => token)),
    );
  };
  draw();
  const slider = el("input", {
    type: "range",
    min: 0,
    max: 2,
    step: 0.1,
    "data-focus": "temperature",
    "aria-label": "Temperature",
  });
  slider.value = String(view.temperature);
  const shown = el("output", {}, slider.value);
  slider.addEventListener("input", () => {
    view.setTemperature(Number(slider.value));
    view.temperature = Number(slider.value);
    shown.textContent = slider.value;
    draw();
  });
  const heat = el("label", { class: "heat" });
  heat.append("Temperature ", slider, shown);
  const written = tokens[position + 1];
  const after = el("p", { class: "line" });
  if (written) after.append("In this text ", chip(written), " comes next.");
  else after.append("Nothing is written after this token.");
  const path = look.layers.map(({ says }, layer) => ({ layer, says: says[0] }));
  const steps = el("ol", { class: "path" });
  for (const { layer, says } of path) {
    const step = el("li");
    step.append(el("span", { class: "label" }, `after block ${layer}`), chip(says), ` ${inPercent(says.share)}`);
    steps.append(step);
  }
  return flow(
    "pairs",
    card(view, { title: "The likeliest next tokens", chapter: "11" }, list, heat, after),
    card(
      view,
      { title: "What it would have said earlier", chapter: "10" },
      steps,
      line(
        `Each time: the norm, then ${count(config.vocab_size)} products with the unembedding. In gpt-oss these are ${count(view.large.vocab_size)}.`,
      ),
    ),
  );
}
