// Around the stage: where the reader is, and the sentence of the place or of the guided walk.

import { button, el } from "../explorer/elements.js";
import { chapterLink } from "./parts.js";
import { besides, KINDS, nameOf, pathOf } from "./places.js";
import { captionOf, STEPS } from "./tour.js";

// The way down to the place, and its neighbours; the focus stays in it.
export function fillCrumbs(picture, world) {
  const { crumbs, place, config } = picture;
  const focused = crumbs.contains(picture.root.getRootNode().activeElement);
  const list = el("ol");
  const path = pathOf(place);
  for (const one of path) {
    const name = nameOf(one);
    const item = el("li");
    const here = one === path.at(-1);
    item.append(
      here
        ? el("span", { tabindex: "-1", "aria-current": "location" }, name)
        : button(name, `Out to: ${name}`, () => picture.go(one)),
    );
    list.append(item);
  }
  const near = el("span", { class: "near" });
  const [before, after] = besides(place, config, world.look.layers[world.layer].experts);
  if (before) near.append(button(`‹ ${nameOf(before)}`, `‹ ${nameOf(before)}`, () => picture.go(before)));
  if (after) near.append(button(`${nameOf(after)} ›`, `${nameOf(after)} ›`, () => picture.go(after)));
  crumbs.replaceChildren(list, near);
  if (focused) crumbs.querySelector("[aria-current]").focus({ preventScroll: true });
}

// The sentence, its chapter, and the buttons of the walk.
export function fillGuide(picture, world) {
  const { guide, sentence, step, place } = picture;
  const said = step === null ? captionOf(place, world) : STEPS[step].say(world);
  if (sentence.textContent !== said) sentence.textContent = said;
  const steps = el("span", { class: "steps" });
  const add = (text, label, to, main) => {
    const node = button(text, label, () => picture.walk(to));
    if (main) node.classList.add("main");
    node.disabled = to < 0;
    steps.append(node);
  };
  if (step === null) add("Guided walk", "Guided walk through the model, step by step", 0, true);
  else {
    steps.append(el("span", { class: "aside" }, `${step + 1} of ${STEPS.length}`));
    add("Back", "Back one step", step - 1);
    if (step + 1 < STEPS.length) add("Next", "Next step", step + 1, true);
    else add("End", "End of the walk", STEPS.length, true);
  }
  const focused = guide.contains(picture.root.getRootNode().activeElement);
  const chapter = step === null ? KINDS[place.kind].chapter : STEPS[step].chapter;
  guide.replaceChildren(steps, sentence, chapterLink(picture, chapter));
  if (focused) guide.querySelector("button.main").focus({ preventScroll: true });
}
