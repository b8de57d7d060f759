// The page: panels, controls, keyboard, the spoken summary. mount.js puts it into an element.

import { dress, Theme } from "./colors.js";
import { CompareView } from "./compare_view.js";
import { button, el, select } from "./elements.js";
import { GRID, GridView } from "./grid_view.js";
import { keyboardHelp } from "./keyboard_help.js";
import { LensView } from "./lens_view.js";
import { LoadView } from "./load_view.js";
import { MatrixView } from "./matrix_view.js";
import { Panel, savePng } from "./panel.js";
import { RibbonView } from "./ribbon_view.js";
import { RouteView } from "./route_view.js";
import { RowView } from "./row_view.js";
import { Store, summary } from "./store.js";
import { SHADES, shadesOf, StripView } from "./strip_view.js";
import { STYLE } from "./style.js";
import { visible } from "./visible.js";

export class App {
  constructor(root, payload, options = {}) {
    this.root = root;
    this.options = options;
    this.payload = payload;
    const start = { ...payload.start, ...options.start };
    this.store = new Store(payload, start);
    this.shades = shadesOf(payload);
    if (!this.shades.includes(this.store.state.shade)) this.store.state.shade = this.shades[0];
    this.timings = [];
    this.resized = true;
    this.build();
    this.setTheme(options.theme || payload.theme || "auto");
    this.store.listeners.add(() => this.schedule());
    this.store.set({ t: this.store.run.lastAnswered(), ...start, shade: this.store.state.shade });
    this.flush();
  }
  build() {
    const { run } = this.store;
    this.shell = el("div", { class: "gx" + (this.payload.runs.length > 1 ? " two" : "") });
    this.say = el("p", { id: "gx-say", class: "say", role: "status", "aria-live": "polite" });
    this.tipBox = el("div", { class: "tip", "aria-hidden": "true", hidden: "" });
    const views = [
      ["strip", new StripView()],
      ["grid", new GridView()],
      ["matrix", new MatrixView()],
      ["row", new RowView()],
      ["ribbon", new RibbonView()],
      ["route", new RouteView()],
      ["load", new LoadView()],
      ["lens", new LensView()],
    ];
    if (this.payload.runs.length > 1) views.splice(1, 0, ["compare", new CompareView()]);
    const keep = {
      grid: run.has("sink_mass"),
      matrix: run.has("sink_mass"),
      row: run.has("sink_mass"),
      lens: run.has("next_tokens"),
    };
    this.panels = views.filter(([name]) => keep[name] !== false).map(([area, view]) => new Panel(this, view, area));
    const grid = el("div", { class: "grid" });
    grid.append(...this.panels.map((p) => p.root));
    this.helpBox = keyboardHelp();
    this.shell.append(this.header(run), this.helpBox, this.say, this.maskBox(), grid);
    this.root.append(el("style", {}, STYLE), this.shell, this.tipBox);
    this.shell.addEventListener("keydown", (event) => this.keydown(event));
    this.observer = new ResizeObserver(() => {
      this.resized = true;
      this.schedule();
    });
    this.observer.observe(this.shell);
    this.media = window.matchMedia("(prefers-color-scheme: dark)");
    this.strong = window.matchMedia("(prefers-contrast: more), (forced-colors: active)");
    this.onMedia = () => this.setTheme(this.choice);
    for (const media of [this.media, this.strong]) media.addEventListener("change", this.onMedia);
  }
  header(run) {
    const bar = el("header", { class: "bar" });
    const title = el("div", { class: "title" });
    const origin = run.meta.origin || {};
    title.append(
      el("h1", {}, this.payload.title || "Trace explorer"),
      el(
        "p",
        { class: "sub" },
        run.meta.model +
          " · " +
          run.T +
          (run.T === 1 ? " token · " : " tokens · ") +
          run.L +
          " layers × " +
          run.H +
          " heads · " +
          run.E +
          " experts, " +
          run.K +
          " per token" +
          (origin.device ? " · " + origin.device + ", " + origin.dtype : "") +
          (origin.path ? " · " + origin.path : ""),
      ),
    );
    this.shadeBox = select(
      "Tokens by",
      this.shades.map((k) => [k, SHADES[k].name]),
      this.store.state.shade,
      (shade) => this.store.set({ shade }),
    );
    this.gridBox = select(
      "Heads by",
      Object.entries(GRID).map(([k, v]) => [k, v.name]),
      this.store.state.grid,
      (g) => this.store.set({ grid: g }),
    );
    this.find = el("input", { type: "search", placeholder: "find a token", "aria-label": "Find a token's text" });
    this.find.addEventListener("keydown", (event) => event.key === "Enter" && this.search());
    const controls = el("div", { class: "controls" });
    if (this.shades.length) controls.append(this.shadeBox);
    if (run.has("sink_mass")) controls.append(this.gridBox);
    controls.append(this.find);
    if (this.payload.runs.length > 1) {
      this.sideBox = select(
        "Run",
        this.payload.runs.map((r, i) => [String(i), "AB"[i] + ": " + r.name]),
        "0",
        (side) => this.store.set({ side: Number(side) }),
      );
      controls.append(this.sideBox);
    }
    if (run.has("sink_mass"))
      controls.append(
        button("Largest sink (S)", "Select the head with the largest sink at this token", () => this.command("s")),
      );
    controls.append(
      button("Mask (M)", "Mask the first expert of this token in this layer, or undo", () => this.command("m")),
    );
    this.zoomButton = button("Zoom (Z)", "Zoom the attention around the token", () => this.command("z"));
    if (run.has("sink_mass")) controls.append(this.zoomButton);
    this.helpButton = button("?", "Keyboard help", () => this.command("?"));
    this.helpButton.setAttribute("aria-expanded", "false");
    controls.append(
      button("◐", "Dark or light", () => this.command("d")),
      this.helpButton,
    );
    bar.append(title, controls);
    return bar;
  }
  maskBox() {
    this.masks = el("section", { class: "masks", hidden: "", "aria-label": "Masked experts" });
    return this.masks;
  }
  showMasks() {
    const list = this.store.interventions();
    this.masks.hidden = !list.length;
    if (!list.length) return this.masks.replaceChildren();
    const code =
      "trace.compare(model, tokens, " +
      list.map((m) => "trace.MaskExpert(" + m.layer + ", " + m.expert + ")").join(", ") +
      ")";
    const note = this.options.apply
      ? ""
      : " This page holds no model, so it shows each masked layer's own route only; the line below gives what follows.";
    this.masks.replaceChildren(
      el("p", {}, "Masked: " + list.map((m) => "layer " + m.layer + " expert " + m.expert).join("; ") + "." + note),
      el("code", {}, code),
    );
    if (this.options.apply)
      this.masks.append(button("Run the model with these masks", "Run the model with these masks", this.options.apply));
    this.masks.append(button("Undo all", "Undo all masks", () => this.store.set({ masks: {} })));
  }
  setTheme(choice) {
    this.choice = choice;
    const name = choice === "auto" ? (this.media.matches ? "dark" : "light") : choice;
    this.theme = new Theme(name, this.payload.palette, this.strong.matches);
    dress(this.shell, this.theme);
    if (this.options.dressed) this.options.dressed(this.theme);
    if (this.options.whole)
      Object.assign(document.body.style, { colorScheme: name, background: this.theme.colors.raised });
    this.tipBox.style.background = this.theme.colors.ink;
    this.tipBox.style.color = this.theme.colors.paper;
    this.schedule();
  }
  schedule() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.flush();
    });
  }
  flush() {
    if (!this.panels || this.gone) return;
    const start = performance.now();
    this.ratio = Math.min(4, window.devicePixelRatio || 1); // a page zoomed to 200 % on a fine screen has 4
    if (this.resized) this.panels.forEach((panel) => panel.measure());
    this.resized = false;
    this.panels.forEach((panel) => panel.draw());
    this.speak();
    this.timings.push(performance.now() - start);
    if (this.timings.length > 4000) this.timings.splice(0, 2000);
  }
  speak() {
    const { state } = this.store;
    const text = summary(this.store);
    if (this.say.textContent !== text) this.say.textContent = text;
    this.shadeBox.node.value = state.shade;
    this.gridBox.node.value = state.grid;
    if (this.sideBox) this.sideBox.node.value = String(state.side);
    this.zoomButton.setAttribute("aria-pressed", String(state.zoom));
    const masks = JSON.stringify(state.masks);
    if (masks !== this.masksShown) {
      this.masksShown = masks;
      this.showMasks();
    }
  }
  tip(text, x, y) {
    this.tipBox.hidden = !text;
    if (!text) return;
    this.tipBox.textContent = text;
    const w = document.documentElement.clientWidth;
    this.tipBox.style.left = Math.max(4, Math.min(x + 14, w - 300)) + "px";
    const below = y + 16,
      h = this.tipBox.offsetHeight;
    this.tipBox.style.top = (below + h > window.innerHeight ? Math.max(0, y - h - 8) : below) + "px";
  }
  keydown(event) {
    const origin = event.composedPath()[0];
    if (["SELECT", "INPUT"].includes(origin.tagName) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (origin.tagName === "BUTTON" && [" ", "Enter"].includes(event.key)) return;
    const panel = this.panels.find((p) => p.root.contains(origin));
    if (
      this.command(
        event.shiftKey && event.key.toLowerCase() === "m"
          ? "M"
          : event.key.length === 1
            ? event.key.toLowerCase()
            : event.key,
        panel,
      )
    )
      event.preventDefault();
  }
  // Run the command of a key or a button. Returns true if the key has a meaning.
  command(key, panel) {
    const { store } = this;
    const { state, run } = store;
    const moves = {
      ArrowLeft: { t: state.t - 1 },
      ArrowRight: { t: state.t + 1 },
      ArrowUp: { l: state.l - 1 },
      ArrowDown: { l: state.l + 1 },
      Home: { t: 0 },
      End: { t: run.T - 1 },
      PageUp: { t: state.t - 10 },
      PageDown: { t: state.t + 10 },
      "[": { h: state.h - 1 },
      "]": { h: state.h + 1 },
      ",": { e: state.e - 1 },
      ".": { e: state.e + 1 },
      z: { zoom: !state.zoom },
      x: { shade: following(this.shadeBox.node, state.shade) },
      g: { grid: following(this.gridBox.node, state.grid) },
      a: { side: 0 },
      b: { side: this.payload.runs.length - 1 },
    };
    if (key in moves) store.set(moves[key]);
    else if (/^[1-9]$/.test(key))
      store.set({ e: (run.route(state.l, state.t)[key - 1] || { expert: state.e }).expert });
    else if (key === "s" && run.has("sink_mass")) {
      const [l, h] = store.largestSink();
      store.set({ l, h });
    } else if (key === "m") store.toggleMask(state.l, run.route(state.l, state.t)[0].expert);
    else if (key === "M") store.toggleMask(state.l, state.e);
    else if (key === "d") this.setTheme(this.theme.name === "dark" ? "light" : "dark");
    else if (key === "?") {
      this.helpBox.hidden = !this.helpBox.hidden;
      this.helpButton.setAttribute("aria-expanded", String(!this.helpBox.hidden));
      this.helpBox.scrollIntoView({ block: "nearest" });
    } else if (key === "/") this.find.focus();
    else if (key === "t" && panel) panel.showTable(panel.tableBox.hidden);
    else if (key === "p" && panel) savePng(panel);
    else return false;
    return true;
  }
  search() {
    const { run, state } = this.store;
    const wanted = visible(this.find.value).toLowerCase();
    let i = 1;
    while (i <= run.T && !run.texts[(state.t + i) % run.T].toLowerCase().includes(wanted)) i++;
    if (wanted && i <= run.T) this.store.set({ t: (state.t + i) % run.T });
    this.find.setCustomValidity(i <= run.T ? "" : "No token has this text.");
    this.find.reportValidity();
  }
  destroy() {
    this.gone = true;
    cancelAnimationFrame(this.frame);
    this.observer.disconnect();
    for (const media of [this.media, this.strong]) media.removeEventListener("change", this.onMedia);
    this.store.listeners.clear();
    this.panels = null;
    this.root.replaceChildren();
  }
}

function following(node, value) {
  const keys = [...node.options].map((o) => o.value);
  return keys[(keys.indexOf(value) + 1) % keys.length];
}
