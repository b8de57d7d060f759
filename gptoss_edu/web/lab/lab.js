// The lab: a question and the model's answer on the left, what happened inside on the right.

import { App } from "../explorer/app.js";
import { RunData } from "../explorer/data.js";
import { button, el, pick } from "../explorer/elements.js";
import { dress, Theme } from "../explorer/colors.js";
import { STYLE } from "../explorer/style.js";
import { PICTURE_STYLE } from "../picture/picture_style.js";
import { AnswerCard } from "./answers.js";
import { ModelClient } from "./client.js";
import { Controls } from "./controls.js";
import { InsideView } from "./inside_view.js";
import { LAB_STYLE } from "./lab_style.js";
import { fromAddress, inWords, interventionsOf, toAddress } from "./state.js";
import { Walk } from "./walk.js";

const NARROW = 980; // pixels of width up to which everything is in one column, as in lab_style.js
const DRAW_EVERY = 60; // milliseconds between two pictures of an answer that is being written

class Lab {
  // settings: {config, examples, palette, name, about, limits}; source: as ModelClient takes it.
  constructor(host, settings, source) {
    Object.assign(this, { host, settings, config: settings.config });
    this.client = new ModelClient(source);
    this.choice = "auto";
    this.shell = el("div", { class: "gx lab" });
    this.inside = new InsideView(el("canvas", { role: "img", "aria-label": "Sinks and experts, token by token" }));
    this.cards = {};
    this.build();
    const root = host.attachShadow({ mode: "open" });
    root.append(el("style", {}, STYLE + LAB_STYLE + PICTURE_STYLE), this.shell);
    this.media = window.matchMedia("(prefers-color-scheme: dark)");
    this.strong = window.matchMedia("(prefers-contrast: more), (forced-colors: active)");
    for (const media of [this.media, this.strong]) media.addEventListener("change", () => this.wear());
    new ResizeObserver(() => this.drawInside(true)).observe(this.insideBox);
    window.addEventListener("hashchange", () => location.hash.slice(1) !== this.address && this.open());
    this.wear();
    this.open();
  }

  build() {
    const { settings } = this;
    this.controls = new Controls({
      config: this.config,
      examples: settings.examples,
      limits: settings.limits,
      changed: () => this.changed(),
      ask: () => this.ask(),
      stop: () => this.client.stop(),
    });
    const bar = el("header", { class: "bar" });
    const title = el("div", { class: "title" });
    title.append(el("h1", {}, settings.title), el("p", { class: "sub" }, settings.about));
    const tools = el("div", { class: "controls" });
    this.linkButton = button("Copy link", "Copy link to exactly this experiment", () => this.copyLink());
    tools.append(
      this.linkButton,
      button("◐", "Dark or light", () => this.toggleTheme()),
    );
    if (settings.home) tools.prepend(el("a", { href: settings.home, class: "home" }, "Back to the book"));
    bar.append(title, tools);
    this.status = el("p", { class: "status", role: "status", "aria-live": "polite" });
    this.changeNote = el("p", { class: "changes", hidden: "" });
    this.answers = el("section", { class: "answers", "aria-label": "Answer" });
    this.insideBox = el("section", { class: "inside", hidden: "", "aria-labelledby": "lab-inside" });
    this.insideNote = el(
      "p",
      { class: "sub" },
      "A column per token. Of each layer: above, the share left on the sinks; below, the experts in their colours.",
    );
    this.insideBox.append(el("h2", { id: "lab-inside" }, "Inside, as it happens"), this.insideNote, this.inside.canvas);
    this.tipLine = el("p", { class: "tipline", "aria-hidden": "true" });
    this.insideBox.append(this.tipLine);
    this.inside.canvas.addEventListener("pointermove", (event) => {
      const box = this.inside.canvas.getBoundingClientRect();
      this.tipLine.textContent = this.inside.tip(event.clientX - box.left, event.clientY - box.top);
    });
    const left = el("section", { class: "left", "aria-label": "Question and answer" });
    left.append(this.controls.root, this.changeNote, this.status, this.answers, this.insideBox);
    this.right = el("section", { class: "right", "aria-label": "Explorer" });
    this.explorerBox = el("div");
    this.walk = new Walk(this.client, settings, this.explorerBox);
    tools.prepend(this.walk.button);
    this.right.append(this.welcome(), this.explorerBox, this.walk.box);
    const columns = el("div", { class: "columns" });
    columns.append(left, this.right);
    this.shell.append(bar, columns);
  }

  welcome() {
    this.welcomeBox = el("div", { class: "welcome" });
    this.welcomeBox.append(el("h2", {}, "Look inside"));
    const list = el("ol");
    for (const step of this.settings.steps) list.append(el("li", {}, step));
    this.welcomeBox.append(list);
    return this.welcomeBox;
  }

  // What the address says; a question in it is asked at once.
  open() {
    const state = fromAddress(location.hash, this.config);
    this.controls.write(state);
    this.changed();
    if (state.question) this.ask();
    else this.say("The model is loaded at the first question.");
  }

  changed() {
    const state = this.controls.read();
    this.address = toAddress(state);
    const words = inWords(state, this.config);
    this.changeNote.hidden = !words;
    this.changeNote.textContent = words && `Changed: ${words}.`;
    const address = this.address ? "#" + this.address : location.pathname + location.search;
    try {
      history.replaceState(null, "", address);
    } catch {
      // a page without its own address, as in a frame, has none to keep
    }
  }

  copyLink() {
    const done = () => this.say("The link is copied.");
    const failed = () => this.say("Copy the link from the address bar; this browser lets no page do it.");
    if (navigator.clipboard) navigator.clipboard.writeText(location.href).then(done, failed);
    else failed();
  }

  say(text) {
    if (this.status.textContent !== text) this.status.textContent = text;
  }

  async ask() {
    const state = this.controls.read();
    if (!state.question.trim()) {
      this.say("Type a question first.");
      return this.controls.question.focus();
    }
    const changes = interventionsOf(state, this.config);
    const both = changes.length > 0 && state.compare;
    this.changesOfA = both ? [] : changes;
    this.plain = !this.changesOfA.length && state.temperature === 0; // else a refusal may be the change's doing
    const words = inWords(state, this.config) || "as it is";
    this.names = both ? ["as it is", words] : [words];
    this.begin();
    const mine = (this.asking = {});
    try {
      this.ready = await this.client.load();
      if (mine !== this.asking) return;
      await this.client.ask(
        {
          ...pick(state, ["question", "effort", "instructions", "temperature", "topP", "seed"]),
          maxNewTokens: state.longest,
          a: this.changesOfA,
          b: both ? changes : null,
          names: this.names,
        },
        (message) => mine === this.asking && this.told(message), // a question that another one displaced is not heard
      );
    } catch (error) {
      if (mine === this.asking) this.failed(error.message);
    }
  }

  begin() {
    this.cards = {};
    this.answers.replaceChildren();
    this.inside.clear();
    this.controls.busy(true);
    this.controls.examples.open = false;
    this.say(this.ready ? "Reading the question …" : "Loading the model …");
  }

  told(message) {
    const { kind } = message;
    this.walk.told(message, this.changesOfA);
    if (kind === "start") this.started(message);
    else if (kind === "inside") this.looked(message);
    else if (kind === "token") this.wrote(message);
    else if (kind === "done") this.ended(message);
    else if (kind === "finished") this.finished(message);
    else if (kind === "stopped") this.stopped();
    else if (kind === "problem") this.failed(message.message);
  }

  ended(message) {
    const card = this.cards[message.side];
    card.finish({ ...message, kernel: this.ready.kernel, calls: this.last?.text === "<|call|>" });
    if (this.plain && message.side === "A" && this.settings.refusals?.includes(message.final.trim())) card.refused();
  }

  started({ side, tokens, reused }) {
    const card = new AnswerCard(this.names.length > 1 ? `${side}: ${this.names["AB".indexOf(side)]}` : "Answer");
    card.showPrompt(tokens);
    this.cards[side] = card;
    this.answers.append(card.root);
    if (side === "A") this.reveal();
    this.inside.clear();
    this.insideBox.hidden = false;
    this.tokens = tokens.map((token) => ({ ...token, voice: "muted" }));
    this.reused = reused;
    this.say(`Reading the question: ${tokens.length} tokens${reused ? `, ${reused} of them known from before` : ""} …`);
  }

  // On a narrow screen the answer may be below the visible part.
  reveal() {
    const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    const narrow = window.innerWidth <= NARROW;
    this.status.scrollIntoView({ block: narrow ? "start" : "nearest", behavior: still ? "auto" : "smooth" });
  }

  wrote(token) {
    this.cards[token.side].add(token);
    this.tokens.push({ ...token, voice: token.control ? "muted" : (token.channel ?? "muted") });
    this.last = token;
  }

  looked({ at, layers }) {
    this.inside.add({ ...this.tokens[at], layers });
    this.drawInside();
  }

  drawInside(now = false) {
    const due = performance.now() - (this.drawn ?? 0) > DRAW_EVERY;
    if (this.insideBox.hidden || !this.theme || (!now && !due)) return;
    this.drawn = performance.now();
    const width = Math.floor(this.insideNote.clientWidth);
    if (width > 100) this.inside.draw(this.theme, width, Math.min(3, window.devicePixelRatio || 1));
  }

  finished({ runs }) {
    this.controls.busy(false);
    this.drawInside(true);
    this.inside.canvas.setAttribute("aria-label", `Sinks and experts, token by token. ${this.inside.summary()}`);
    this.say(
      this.names.length > 1
        ? "Both answers are done; the explorer compares them on the tokens of A."
        : "Done; the explorer shows all of it.",
    );
    this.explore(runs);
    this.host.dataset.answers = String(Number(this.host.dataset.answers ?? 0) + 1);
  }

  stopped() {
    if (this.cards.A) this.cards.A.note.textContent ||= "Stopped.";
    if (this.cards.B) this.cards.B.note.textContent ||= "Stopped.";
    this.controls.busy(false);
    this.drawInside(true);
    this.say("Stopped.");
  }

  failed(text) {
    this.controls.busy(false);
    this.say(`This did not work: ${text}`);
  }

  // The explorer of the new runs takes the place of the old one; what the reader had chosen in it stays.
  explore(runs) {
    const kept = this.app ? pick(this.app.store.state, ["l", "h", "grid"]) : {};
    if (this.app) this.app.destroy();
    this.welcomeBox.hidden = true;
    const payload = {
      title: runs.length > 1 ? "What the change does" : "Inside the answer",
      theme: this.theme.name,
      start: runs.length > 1 ? { shade: "difference" } : {},
      palette: this.settings.palette,
      runs: runs.map((run, id) => new RunData(run, id, run.buffer, 0)),
    };
    this.explorerRoot ??= this.explorerBox.attachShadow({ mode: "open" });
    const apply = () => this.applyMasks();
    this.app = new App(this.explorerRoot, payload, { apply, start: kept, dressed: (theme) => this.dressed(theme) });
  }

  // Masks that were set in the explorer become changes of the model.
  applyMasks() {
    const masked = this.app.store.interventions().map(({ layer, expert }) => `${layer}.${expert}`);
    this.controls.write({ ...this.controls.read(), masked });
    this.controls.changesBox.open = true;
    this.changed();
    this.ask();
  }

  // ---- light and dark

  wear() {
    const dark = this.choice === "auto" ? this.media.matches : this.choice === "dark";
    this.dressed(new Theme(dark ? "dark" : "light", this.settings.palette, this.strong.matches));
    if (this.app && this.app.theme.id !== this.theme.id) this.app.setTheme(this.theme.name);
  }

  dressed(theme) {
    this.theme = theme;
    dress(this.shell, theme);
    this.walk.picture.wear(theme);
    Object.assign(document.body.style, { colorScheme: theme.name, background: theme.colors.raised });
    this.drawInside(true);
  }

  toggleTheme() {
    this.choice = this.theme.name === "dark" ? "light" : "dark";
    this.wear();
  }
}

export function mountLab(host, settings, source) {
  return new Lab(host, settings, source);
}
