// The walkable picture: where the reader stands, which token is looked at, and what the model in the page says of it.

import { button, el } from "../explorer/elements.js";
import { inLayer, keyOf, parentOf, pathOf } from "./places.js";
import { clearestHead, tellingToken } from "./reading.js";
import { fillCrumbs, fillGuide } from "./signposts.js";
import { TokenStrip } from "./token_strip.js";
import { STEPS } from "./tour.js";
import { VIEWS } from "./views.js";
import { zoom } from "./zoom.js";

const PAUSE = 150; // milliseconds between two pictures of an answer that is being written
const HOME = { kind: "model" };

export class Picture {
  // client: a ModelClient; settings: {config, large, chapters}: the model's shape, gpt-oss-20b's, chapter → address.
  constructor(client, { config, large, chapters }) {
    Object.assign(this, { client, config, large, chapters, temperature: 1 });
    this.root = el("section", { class: "picture", "aria-label": "The model, to walk through", hidden: "" });
    this.strip = new TokenStrip((position) => this.choose(position));
    this.crumbs = el("nav", { class: "crumbs", "aria-label": "Where you are" });
    this.guide = el("div", { class: "guide", role: "group", "aria-label": "Guided walk" });
    this.sentence = el("p", { class: "sentence", "aria-live": "polite" });
    this.stage = el("div", { class: "stage" });
    const bar = el("div", { class: "tokenbar" });
    bar.append(
      button("‹", "Token before", () => this.choose(this.position - 1)),
      this.strip.root,
      button("›", "Token after", () => this.choose(this.position + 1)),
    );
    this.root.append(bar, this.guide, this.crumbs, this.stage);
    this.root.addEventListener("keydown", (event) => this.keydown(event));
    this.begin([]);
  }

  // ---- the text

  // A new question: its tokens as session.js tells them, and the interventions under which they are read.
  begin(tokens, interventions = []) {
    Object.assign(this, { tokens: [], interventions, prompt: tokens.length, position: 0, look: null, key: null });
    Object.assign(this, { place: HOME, step: null, following: true, drawn: 0 });
    this.strip.clear();
    for (const token of tokens) this.add(token);
    this.root.hidden = true;
    this.stage.replaceChildren();
  }

  add(token) {
    this.tokens.push(token);
    this.strip.add(token);
  }

  // A token of the answer, which the worker holds by the time it is asked about it.
  wrote(token) {
    this.add(token);
    if (!this.following) return;
    this.position = this.tokens.length - 1;
    if (performance.now() - this.drawn > PAUSE && !this.looking) this.show();
  }

  // The answer is complete: look at the token that tells most.
  async settle() {
    if (!this.tokens.length) return;
    if (this.following) this.position = tellingToken(this.tokens);
    this.following = false;
    this.layer ??= Math.floor(this.config.num_hidden_layers / 2);
    await this.show();
  }

  // ---- what the model says of it

  // Ask until the newest wish is fulfilled; only one question is out at a time.
  refresh() {
    this.wish = {};
    this.looking ??= this.fulfil().finally(() => (this.looking = null));
    return this.looking;
  }

  async fulfil() {
    for (let done = null; done !== this.wish; ) {
      done = this.wish;
      const { tokens } = this;
      const look = await this.ask();
      if (look && tokens === this.tokens) this.look = look;
    }
  }

  ask() {
    const { position, interventions: a } = this;
    const layer = this.place.layer ?? this.layer ?? 0;
    const tokens = this.tokens.slice(0, position + 1).map(({ id }) => id);
    return new Promise((done) => {
      const told = ({ kind, look }) => done(kind === "finished" ? look : null);
      this.client.ask({ kind: "look", tokens, position, layer, a }, told).catch(() => done(null));
    });
  }

  // {config, tokens, …} of tour.js; the head and the expert of the walk are the token's own.
  world() {
    const { config, tokens, prompt, position, look } = this;
    const { layer } = look.detail;
    const head = this.place.head ?? clearestHead(look, config);
    const expert = this.place.expert ?? look.layers[layer].experts[0];
    return { config, tokens, prompt, position, look, layer, head, expert };
  }

  // ---- walking

  choose(position) {
    if (position < 0 || position >= this.tokens.length) return;
    Object.assign(this, { position, following: false, key: null });
    this.show();
  }

  // Walk to a place; from the guided walk with its step.
  async go(place, step = null) {
    const before = this.place;
    const [from, to] = [pathOf(before).map(keyOf), pathOf(place).map(keyOf)];
    Object.assign(this, { place, step, following: false });
    this.layer = place.layer ?? this.layer;
    const inwards = to.length > from.length;
    const key = inwards ? to[from.length] : to.length < from.length ? from[to.length] : null;
    const moved = from.at(-1) !== to.at(-1);
    await this.show(moved && (key ? { key, inwards } : { inwards: true }));
  }

  walk(step) {
    if (step >= STEPS.length || step < 0) return this.go(HOME);
    return this.go(STEPS[step].place(this.world()), step);
  }

  keydown(event) {
    if (event.target.closest("input") || event.altKey || event.ctrlKey || event.metaKey) return;
    const other = (by) => inLayer(this.place, this.place.layer + by, this.config);
    const moves = {
      ArrowLeft: () => this.choose(this.position - 1),
      ArrowRight: () => this.choose(this.position + 1),
      ArrowUp: () => other(1) && this.go(other(1)),
      ArrowDown: () => other(-1) && this.go(other(-1)),
      Home: () => this.choose(0),
      End: () => this.choose(this.tokens.length - 1),
      Escape: () => parentOf(this.place) && this.go(parentOf(this.place)),
    };
    const move = moves[event.key];
    if (!move || (["ArrowUp", "ArrowDown"].includes(event.key) && this.place.layer === undefined)) return;
    event.preventDefault();
    event.stopPropagation();
    move();
  }

  // ---- drawing

  wear(theme) {
    this.theme = theme;
    if (this.look) this.draw();
  }

  async show(moved = null) {
    this.strip.select(this.position);
    await this.refresh();
    if (this.look) this.draw(moved);
  }

  draw(moved = null) {
    if (!this.theme || this.look.detail.layer !== (this.place.layer ?? this.look.detail.layer)) return;
    this.drawn = performance.now();
    this.root.hidden = false;
    const world = this.world();
    const { config, large, chapters, theme, place, key, temperature } = this;
    const actions = {
      go: (to) => this.go(to),
      choose: (position) => this.choose(position),
      take: (at) => ((this.key = at), this.draw()),
      setTemperature: (value) => (this.temperature = value),
    };
    const active = this.root.getRootNode().activeElement;
    const inStage = this.stage.contains(active);
    const view = el("div", { class: "view", "data-kind": place.kind });
    view.append(VIEWS[place.kind]({ world, config, large, chapters, theme, place, key, temperature, ...actions }));
    const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    fillCrumbs(this, world);
    fillGuide(this, world);
    zoom(this.stage, view, { ...moved, still: still || !moved });
    const part = this.step === null ? null : STEPS[this.step].part;
    const lit = part && view.querySelector(`[data-part="${part}"]`);
    lit?.classList.add("lit");
    if (moved !== null) lit?.scrollIntoView({ block: "nearest", behavior: still ? "auto" : "smooth" });
    const text = view.querySelector(".text");
    if (text) text.scrollTop = (text.querySelector("[aria-pressed=true]")?.offsetTop ?? 0) - text.clientHeight / 2;
    if (inStage) {
      const again = active.dataset.focus && view.querySelector(`[data-focus="${active.dataset.focus}"]`);
      (again ?? this.crumbs.querySelector("[aria-current]")).focus({ preventScroll: true });
    }
    this.root.dataset.at = `${keyOf(place)}@${this.position}`;
    this.strip.select(this.position);
  }
}
