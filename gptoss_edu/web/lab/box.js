// A question box for a page of text: the model answers in it, with what happens inside, and with one thing to change.

import { dress, Theme } from "../explorer/colors.js";
import { button, el } from "../explorer/elements.js";
import { STYLE } from "../explorer/style.js";
import { AnswerCard } from "./answers.js";
import { BOX_STYLE } from "./box_style.js";
import { ModelClient } from "./client.js";
import { InsideView } from "./inside_view.js";
import { LAB_STYLE } from "./lab_style.js";
import { Loads, planOf } from "./plans.js";
import { EFFORT_NAMES, INITIAL, inWords, toAddress } from "./state.js";
import { switchFor } from "./switches.js";

const REDRAW = 60; // milliseconds between two pictures of an answer that is being written
const ENDINGS = ["finished", "stopped", "problem"];
let boxes = 0;

export class Box {
  // settings: {config, palette, limits, refusals, lab, experiment: {kind, title, text, question, effort, examples}}.
  constructor(host, settings, source) {
    Object.assign(this, { host, settings, config: settings.config, experiment: settings.experiment });
    this.client = new ModelClient(source);
    this.number = ++boxes;
    this.tracing = { level: "default" };
    this.state = { ...INITIAL, question: this.experiment.question ?? "", effort: this.experiment.effort ?? "medium" };
    this.shell = el("section", { class: "gx lab box", "aria-label": this.experiment.title });
    this.shell.dataset.kind = this.experiment.kind;
    this.inside = new InsideView(el("canvas", { role: "img", "aria-label": "Sinks and experts, token by token" }));
    this.build();
    const root = host.attachShadow({ mode: "open" });
    root.append(el("style", {}, STYLE + LAB_STYLE + BOX_STYLE), this.shell);
    this.media = window.matchMedia("(prefers-color-scheme: dark)");
    this.strong = window.matchMedia("(prefers-contrast: more), (forced-colors: active)");
    for (const media of [this.media, this.strong]) media.addEventListener("change", () => this.wear());
    new MutationObserver(() => this.wear()).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    new ResizeObserver(() => this.draw(true)).observe(this.insideBox);
    this.wear();
    this.changed();
  }

  build() {
    const { title, text, kind } = this.experiment;
    const head = el("header", { class: "boxhead" });
    head.append(el("p", { class: "boxtitle" }, title));
    if (text) head.append(el("p", { class: "sub" }, text));
    this.status = el("p", { class: "status", role: "status", "aria-live": "polite" });
    this.answers = el("div", { class: "answers" });
    this.insideBox = el("div", { class: "inside", hidden: "" });
    this.tipLine = el("p", { class: "tipline", "aria-hidden": "true" });
    const note = "A column per token. Of each layer: above, the share left on the sinks; below, the experts by colour.";
    this.insideNote = el("p", { class: "sub" }, note);
    this.insideBox.append(this.insideNote, this.inside.canvas, this.tipLine);
    this.inside.canvas.addEventListener("pointermove", (event) => {
      const place = this.inside.canvas.getBoundingClientRect();
      this.tipLine.textContent = this.inside.tip(event.clientX - place.left, event.clientY - place.top);
    });
    this.switch = switchFor(kind, this.config, (change) => this.changed(change));
    this.link = el("a", { class: "more" }, "Open this in the lab");
    const foot = el("p", { class: "limits" }, this.settings.limits + " ");
    foot.append(this.link);
    this.shell.append(head, this.form(kind), this.exampleList(), this.status, this.answers, this.insideBox, foot);
  }

  form(kind) {
    const form = el("form", { class: "ask", novalidate: "" });
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("keydown", (event) => event.key === "Escape" && this.client.stop());
    this.question = el("textarea", { rows: "2", "aria-label": "Question", placeholder: "Ask something" });
    this.question.value = this.state.question;
    this.question.addEventListener("input", () => this.changed());
    this.question.addEventListener("keydown", (event) => {
      event.stopPropagation(); // the book has its own keys
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.ask();
    });
    const row = el("div", { class: "row" });
    this.askButton = button("Ask", "Ask the model", () => this.ask());
    this.askButton.classList.add("main");
    this.stopButton = button("Stop", "Stop the answer", () => this.client.stop());
    this.stopButton.disabled = true;
    if (kind !== "efforts") row.append(this.effortBox());
    row.append(...this.switch.nodes, this.askButton, this.stopButton);
    form.append(this.question, row);
    return form;
  }

  effortBox() {
    const box = el("fieldset", { class: "segments" });
    box.append(el("legend", {}, "Reasoning effort"));
    this.efforts = EFFORT_NAMES.map((name) => {
      const label = el("label");
      const input = el("input", { type: "radio", name: `effort-${this.number}`, value: name });
      input.checked = name === this.state.effort;
      input.addEventListener("change", () => this.changed({ effort: name }));
      label.append(input, el("span", {}, name));
      box.append(label);
      return input;
    });
    return box;
  }

  exampleList() {
    const list = el("div", { class: "examples" });
    for (const { question, effort, why } of this.experiment.examples ?? []) {
      const chip = button(question, question, () => {
        this.question.value = question;
        for (const input of this.efforts ?? []) input.checked = input.value === effort;
        this.changed({ effort });
        this.ask();
      });
      chip.removeAttribute("aria-label"); // what it shows is its name
      chip.prepend(el("span", { class: "why" }, why));
      list.append(chip);
    }
    return list;
  }

  changed(change = {}) {
    Object.assign(this.state, change, { question: this.question.value });
    const { layer: _, ...known } = this.state;
    this.link.href = `${this.settings.lab}#${toAddress(known)}`;
  }

  say(text) {
    if (this.status.textContent !== text) this.status.textContent = text;
  }

  async ask() {
    if (!this.state.question.trim()) {
      this.say("Type a question first.");
      return this.question.focus();
    }
    const mine = (this.asking = {});
    this.answers.replaceChildren();
    this.stopButton.disabled = false;
    this.say(this.ready ? "Reading the question …" : "Loading the model …");
    let seen = null;
    try {
      this.ready = await this.client.load();
      for (const next of planOf(this.experiment.kind, this.state, this.config)) {
        if (mine !== this.asking) return;
        seen = await this.answer(next(seen), mine);
        if (!seen) break;
      }
      if (mine !== this.asking) return;
      this.say(seen ? "Done." : "Stopped.");
      this.host.dataset.answers = String(Number(this.host.dataset.answers ?? 0) + 1);
    } catch (error) {
      if (mine === this.asking) this.say(`This did not work: ${error.message}`);
    }
    if (mine === this.asking) this.stopButton.disabled = true;
    this.draw(true);
  }

  // One answer in its own card; returns what its tokens showed, or null if it was stopped.
  answer({ title, masked, ...request }, mine) {
    const words = title === "changed" ? inWords(this.state, this.config) : title;
    if (masked) this.changed({ masked });
    const plain = !request.a.length && request.temperature === 0; // else a refusal may be the change's doing
    const run = { card: new AnswerCard(words), loads: new Loads(), tokens: [], plain };
    this.answers.append(run.card.root);
    this.inside.clear();
    const asked = { question: this.state.question, instructions: "", maxNewTokens: this.state.longest, ...request };
    return new Promise((done, failed) => {
      const told = (message) => {
        if (mine === this.asking) this.told(run, message);
        if (message.kind === "problem") failed(new Error(message.message));
        else if (ENDINGS.includes(message.kind)) done(message.kind === "finished" ? run.loads : null);
      };
      this.client.ask({ ...asked, b: null, ...this.tracing }, told).catch(failed);
    }).finally(() => masked && this.changed({ masked: [] }));
  }

  told(run, message) {
    const { kind } = message;
    if (kind === "start") this.started(run, message);
    else if (kind === "inside") this.looked(run, message);
    else if (kind === "token") {
      run.card.add(message);
      run.last = message;
      run.tokens.push({ ...message, voice: message.control ? "muted" : (message.channel ?? "muted") });
    } else if (kind === "done") {
      run.card.finish({ ...message, kernel: this.ready.kernel, calls: run.last?.text === "<|call|>" });
      if (run.plain && this.settings.refusals.includes(message.final.trim())) run.card.refused();
    } else if (kind === "stopped") run.card.note.textContent ||= "Stopped.";
  }

  started(run, { tokens }) {
    run.card.showPrompt(tokens);
    run.card.prompt.open = this.experiment.kind === "forge";
    run.prompt = tokens.length;
    run.tokens = tokens.map((token) => ({ ...token, voice: "muted" }));
    this.insideBox.hidden = false;
    this.say(`Reading the question: ${tokens.length} tokens …`);
  }

  looked(run, { at, layers }) {
    this.inside.add({ ...run.tokens[at], layers });
    if (at >= run.prompt) run.loads.add(layers);
    this.draw();
  }

  draw(now = false) {
    const due = performance.now() - (this.drawn ?? 0) > REDRAW;
    if (this.insideBox.hidden || !this.theme || (!now && !due)) return;
    this.drawn = performance.now();
    const width = Math.floor(this.insideNote.clientWidth);
    if (width > 100) this.inside.draw(this.theme, width, Math.min(3, window.devicePixelRatio || 1));
    if (now) this.inside.canvas.setAttribute("aria-label", `Sinks and experts, token by token. ${this.inside.summary()}`);
  }

  // Light or dark as the site says, and where it says nothing as the reader's system does.
  wear() {
    const said = document.documentElement.dataset.theme;
    const name = said === "dark" || said === "light" ? said : this.media.matches ? "dark" : "light";
    this.theme = new Theme(name, this.settings.palette, this.strong.matches);
    dress(this.shell, this.theme);
    this.draw(true);
  }
}

export function mountBox(host, settings, source) {
  return new Box(host, settings, source);
}
