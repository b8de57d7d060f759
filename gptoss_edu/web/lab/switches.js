// The one thing that a box lets its reader change, by the kind of its experiment: {nodes}, which call `changed`.

import { el } from "../explorer/elements.js";

const WINDOW_SIZES = [1, 2, 4, 8, 16, 32];
const keysInWords = (keys) => (keys === 1 ? "only themselves" : `${keys} keys`);

export function switchFor(kind, config, changed) {
  const { sliding_window: window, experts_per_token: k, num_experts: e, num_hidden_layers: layers } = config;
  if (kind === "sinks")
    return optionBox(
      "Sinks",
      [
        ["off", "removed"],
        ["0", "as they are"],
        ["-4", "weaker (−4)"],
        ["-2", "weaker (−2)"],
        ["2", "stronger (+2)"],
        ["4", "stronger (+4)"],
      ],
      (value) => changed({ sinks: value === "off" ? -Infinity : Number(value) }),
    );
  if (kind === "window")
    return optionBox(
      "Sliding layers see",
      [["4", "4 keys"], ...WINDOW_SIZES.filter((n) => n !== 4 && n !== window).map((n) => [n, keysInWords(n)]), ["", `${window} keys, as they are`]],
      (value) => changed({ sliding: value === "" ? null : Number(value) }),
    );
  if (kind === "experts")
    return optionBox(
      "Experts per token",
      [["1", "1"], ...[2, 4, 8, 16].filter((n) => n <= e).map((n) => [n, n === k ? `${n}, as it is` : n])],
      (value) => changed({ experts: Number(value) === k ? null : Number(value) }),
    );
  if (kind === "busiest") {
    const each = Array.from({ length: layers }, (_, layer) => [layer, `of layer ${layer}`]);
    const middle = Math.floor(layers / 2);
    const ordered = [each[middle], ...each.filter((_, layer) => layer !== middle), ["all", "of every layer"]];
    return optionBox("Mask the busiest expert", ordered, (layer) => changed({ layer }));
  }
  if (kind === "heads") {
    const heads = (layer) => Array.from({ length: config.num_attention_heads }, (_, head) => `${layer}.${head}`);
    const each = Array.from({ length: layers }, (_, layer) => [layer, `all of layer ${layer}`]);
    return optionBox("Zero heads", [...each, ["", "none"]], (value) => changed({ zeroed: value === "" ? [] : heads(value) }));
  }
  if (kind === "temperature")
    return optionBox(
      "Temperature",
      [["2", "2"], ["1.5", "1.5"], ["1", "1"], ["0.5", "0.5"], ["0", "0, the likeliest token"]],
      (value) => changed({ temperature: Number(value) }),
    );
  return { nodes: [] };
}

// The first option is what the box begins with.
function optionBox(label, options, action) {
  const box = el("label", { class: "field" });
  const node = el("select");
  for (const [value, name] of options) node.append(el("option", { value }, name));
  node.addEventListener("change", () => action(node.value));
  box.append(el("span", { class: "name" }, label), node);
  queueMicrotask(() => action(node.value));
  return { nodes: [box], node };
}
