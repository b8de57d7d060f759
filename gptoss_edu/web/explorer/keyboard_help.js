// The list of all keys.

import { el } from "./elements.js";

const KEYS = [
  ["← →", "token before, after"],
  ["↑ ↓", "layer above, below"],
  ["[ ]", "head before, after"],
  [", .", "expert before, after"],
  ["1 … 9", "the token's 1st … 9th expert"],
  ["S", "head with the largest sink at this token"],
  ["M", "mask the first expert of the token, or undo"],
  ["Shift+M", "mask the selected expert, or undo"],
  ["Z", "zoom the attention around the token"],
  ["X", "shade tokens by the next number"],
  ["G", "colour heads by the next number"],
  ["A B", "first, second run"],
  ["/", "find a token"],
  ["T", "table of the view in focus"],
  ["P", "picture (PNG) of the view in focus"],
  ["D", "dark or light"],
  ["PgUp PgDn", "ten tokens before, after"],
  ["Home End", "first, last token"],
  ["?", "this help"],
];

// A section that is hidden at first.
export function keyboardHelp() {
  const box = el("section", { class: "help", hidden: "", "aria-label": "Keyboard help" });
  const list = el("dl");
  for (const [keys, what] of KEYS) list.append(el("dt", {}, keys), el("dd", {}, what));
  box.append(el("h2", {}, "Keyboard"), list);
  return box;
}
