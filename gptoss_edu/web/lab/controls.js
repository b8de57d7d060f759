// The form on the left: the question, how to answer it, and what to change in the model.

import { button, el } from "../explorer/elements.js";
import { EFFORT_NAMES } from "./state.js";
import { ToggleGrid } from "./toggle_grid.js";

const NUMBERS = {
  temperature: { label: "Temperature", min: 0, max: 2, step: 0.1, hint: "0 always takes the likeliest token" },
  topP: { label: "Top-p", min: 0.05, max: 1, step: 0.05, hint: "draws from the likeliest tokens of this mass" },
  seed: { label: "Seed", min: 0, max: 2 ** 32 - 1, step: 1, box: true, hint: "the same seed gives the same text" },
  longest: { label: "Longest answer", min: 1, max: 2048, step: 1, box: true, hint: "tokens" },
};
const WINDOWS = [1, 2, 4, 8, 16, 32, 64, 128];

export class Controls {
  // config: the model's; examples: [{question, effort, why}]; changed: called after every change; ask: called to ask.
  constructor({ config, examples, limits, changed, ask, stop }) {
    Object.assign(this, { config, changed });
    this.root = el("form", { class: "ask", novalidate: "" });
    this.root.addEventListener("submit", (event) => event.preventDefault());
    this.root.addEventListener("keydown", (event) => event.key === "Escape" && stop());
    this.question = el("textarea", {
      id: "lab-question",
      rows: "3",
      placeholder: "Ask something, or take an example below",
    });
    this.question.addEventListener("keydown", (event) => {
      event.stopPropagation(); // a surrounding notebook or book has its own keys
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      ask();
    });
    this.question.addEventListener("input", changed);
    this.askButton = button("Ask", "Ask the model", ask);
    this.askButton.classList.add("main");
    this.stopButton = button("Stop", "Stop the answer", stop);
    this.stopButton.disabled = true;
    const row = el("div", { class: "row" });
    row.append(this.effortBox(), this.askButton, this.stopButton);
    const about = el("p", { class: "limits" }, limits);
    this.root.append(labelled("Question", this.question), row, about, this.exampleList(examples, ask));
    this.root.append(this.changes(), this.sampling());
  }

  effortBox() {
    const box = el("fieldset", { class: "segments" });
    box.append(el("legend", {}, "Reasoning effort"));
    this.efforts = EFFORT_NAMES.map((name) => {
      const label = el("label");
      const input = el("input", { type: "radio", name: "effort", value: name });
      input.addEventListener("change", this.changed);
      label.append(input, el("span", {}, name));
      box.append(label);
      return input;
    });
    return box;
  }

  exampleList(examples, ask) {
    this.examples = el("details", { class: "plain", open: "" });
    const box = el("div", { class: "examples" });
    this.examples.append(el("summary", {}, "Examples"), box);
    this.examples.hidden = !examples.length;
    for (const { question, effort, why, instructions = "" } of examples) {
      const chip = button(question, `${why}: ${question}`, () => {
        Object.assign(this.question, { value: question });
        this.instructions.value = instructions;
        this.efforts.forEach((input) => (input.checked = input.value === effort));
        this.changed();
        ask();
      });
      chip.removeAttribute("aria-label"); // what it shows is its name
      chip.prepend(el("span", { class: "why" }, why));
      box.append(chip);
    }
    return this.examples;
  }

  changes() {
    const {
      num_hidden_layers: layers,
      num_experts: e,
      num_attention_heads: h,
      experts_per_token: k,
      sliding_window: w,
    } = this.config;
    const box = fold("Change the model while it answers");
    this.sinks = choice(
      "Sinks",
      [
        ["0", "as they are"],
        ["off", "removed"],
        ["-2", "weaker (−2)"],
        ["2", "stronger (+2)"],
        ["4", "much stronger (+4)"],
      ],
      this.changed,
    );
    const some = WINDOWS.filter((keys) => keys !== w).map((keys) => [
      String(keys),
      keys === 1 ? "only themselves" : `${keys} keys`,
    ]);
    this.sliding = choice(
      "Sliding layers see",
      [["", `${w} keys, as they are`], ...some, ["all", "all keys"]],
      this.changed,
    );
    this.full = choice(
      "Full layers see",
      [
        ["", "all keys, as they are"],
        ...WINDOWS.map((keys) => [String(keys), keys === 1 ? "only themselves" : `${keys} keys`]),
      ],
      this.changed,
    );
    this.experts = choice(
      "Experts per token",
      Array.from({ length: e }, (_, i) => [String(i + 1), i + 1 === k ? `${k}, as it is` : String(i + 1)]),
      this.changed,
    );
    this.expertGrid = new ToggleGrid({
      label: "Experts, by layer",
      rows: layers,
      columns: e,
      what: "expert",
      changed: this.changed,
      states: [
        ["as it is", ""],
        ["masked", "×"],
        ["always chosen", "●"],
      ],
    });
    this.headGrid = new ToggleGrid({
      label: "Heads, by layer",
      rows: layers,
      columns: h,
      what: "head",
      changed: this.changed,
      states: [
        ["as it is", ""],
        ["zeroed", "×"],
      ],
    });
    this.compare = el("input", { type: "checkbox" });
    this.compare.addEventListener("change", this.changed);
    const compare = el("label", { class: "check" });
    compare.append(this.compare, " answer as it is, too, and compare (A and B)");
    const grids = el("div", { class: "grids" });
    grids.append(
      captioned("Experts: × masked, ● always chosen", this.expertGrid.root),
      captioned("Heads: × zeroed", this.headGrid.root),
    );
    const reset = button("Undo all changes", "Undo all changes to the model", () => {
      this.write({
        ...this.read(),
        sinks: 0,
        sliding: null,
        full: null,
        experts: null,
        masked: [],
        forced: [],
        zeroed: [],
      });
      this.changed();
    });
    const fields = el("div", { class: "fields" });
    fields.append(this.sinks.box, this.sliding.box, this.full.box, this.experts.box);
    box.append(fields, grids, compare, reset);
    this.changesBox = box;
    return box;
  }

  sampling() {
    const box = fold("Sampling and instructions");
    const fields = el("div", { class: "fields" });
    this.numbers = {};
    for (const [name, { label, hint, box: plain, ...range }] of Object.entries(NUMBERS)) {
      const input = el("input", { type: plain ? "number" : "range", ...range, title: hint });
      const shown = el("output", {}, "");
      input.addEventListener("input", () => {
        shown.textContent = plain ? "" : input.value;
        this.changed();
      });
      input.addEventListener("keydown", (event) => event.stopPropagation());
      const row = labelled(label, input);
      if (!plain) row.firstChild.append(" ", shown);
      fields.append(row);
      this.numbers[name] = { input, shown };
    }
    this.instructions = el("textarea", { rows: "2", placeholder: "for example: Never use the digit 7." });
    this.instructions.addEventListener("input", this.changed);
    this.instructions.addEventListener("keydown", (event) => event.stopPropagation());
    box.append(fields, labelled("Developer's instructions", this.instructions));
    return box;
  }

  // The settings, in the terms of state.js.
  read() {
    const { value: sinks } = this.sinks.node;
    const keys = ({ node }) => (node.value === "" ? null : node.value === "all" ? Infinity : Number(node.value));
    const experts = Number(this.experts.node.value);
    const numbers = Object.fromEntries(
      Object.entries(this.numbers).map(([name, { input }]) => [name, clampedNumber(input)]),
    );
    return {
      question: this.question.value,
      instructions: this.instructions.value,
      effort: this.efforts.find((input) => input.checked)?.value ?? "medium",
      ...numbers,
      sinks: sinks === "off" ? -Infinity : Number(sinks),
      sliding: keys(this.sliding),
      full: keys(this.full),
      experts: experts === this.config.experts_per_token ? null : experts,
      masked: this.expertGrid.pairs(1),
      forced: this.expertGrid.pairs(2),
      zeroed: this.headGrid.pairs(1),
      compare: this.compare.checked,
    };
  }

  write(state) {
    this.question.value = state.question;
    this.instructions.value = state.instructions;
    this.efforts.forEach((input) => (input.checked = input.value === state.effort));
    for (const [name, { input, shown }] of Object.entries(this.numbers)) {
      input.value = String(state[name]);
      if (input.type === "range") shown.textContent = input.value;
    }
    setChoice(this.sinks, state.sinks === -Infinity ? "off" : String(state.sinks));
    for (const name of ["sliding", "full"])
      setChoice(this[name], state[name] === null ? "" : state[name] === Infinity ? "all" : String(state[name]));
    setChoice(this.experts, String(state.experts ?? this.config.experts_per_token));
    this.expertGrid.set([state.masked, state.forced]);
    this.headGrid.set([state.zeroed]);
    this.compare.checked = state.compare;
  }

  busy(answering) {
    this.stopButton.disabled = !answering;
  }
}

function clampedNumber({ value, min, max }) {
  return Math.max(Number(min), Math.min(Number(max), Number(value) || 0));
}

// A value that the list lacks, as an address may hold one, is added to it.
function setChoice({ node }, value) {
  if (![...node.options].some((option) => option.value === value)) node.append(el("option", { value }, value));
  node.value = value;
}

function choice(label, options, action) {
  const node = el("select");
  for (const [value, name] of options) node.append(el("option", { value }, name));
  node.addEventListener("change", action);
  return { node, box: labelled(label, node) };
}

function labelled(label, node) {
  const box = el("label", { class: "field" });
  box.append(el("span", { class: "name" }, label), node);
  return box;
}

function captioned(text, node) {
  const box = el("div", { class: "captioned" });
  box.append(el("p", { class: "name" }, text), node);
  return box;
}

function fold(summary) {
  const box = el("details", { class: "fold" });
  box.append(el("summary", {}, summary));
  return box;
}
