// One view on the page: a heading, a canvas that takes the keyboard, a legend, its pictures, and its table.
// It has the role of an application, or a screen reader would keep the arrow keys for itself.

import { bytesFromBase64 } from "./data.js";
import { button, el, pick } from "./elements.js";
import { MatrixView } from "./matrix_view.js";
import { CanvasPen, FONT, makeCanvas, SvgPen, voiceBar } from "./pen.js";
import { ROW } from "./strip_view.js";

export class Panel {
  constructor(app, view, area) {
    Object.assign(this, { app, view, area });
    const id = "gx-" + area;
    this.canvas = el("canvas", { "aria-hidden": "true" });
    this.stage = el("div", {
      class: "stage" + (view.scrolls ? " scrolls" : ""),
      tabindex: "0",
      role: "application",
      "aria-labelledby": id,
      "aria-describedby": "gx-say",
      "data-area": area,
    });
    this.spacer = el("div", { class: "spacer" });
    this.stage.append(this.canvas);
    if (view.scrolls) this.stage.append(this.spacer);
    this.legend = el("canvas", { class: "legend", "aria-hidden": "true" });
    this.tableBox = el("div", { class: "tablebox", hidden: "" });
    this.tableButton = button("Table", "Table of: " + view.title, () => this.showTable(this.tableBox.hidden));
    this.tableButton.setAttribute("aria-expanded", "false");
    const tools = el("span", { class: "tools" });
    tools.append(
      this.tableButton,
      button("PNG", "Save as PNG: " + view.title, () => savePng(this)),
      button("SVG", "Save as SVG: " + view.title, () => saveSvg(this)),
    );
    const head = el("div", { class: "head" });
    head.append(el("h2", { id }, view.title), tools);
    this.root = el("section", { class: "panel", style: "grid-area:" + area, "aria-labelledby": id });
    this.root.append(head, this.stage, this.legend, this.tableBox);
    this.listen();
  }
  get store() {
    return this.app.store;
  }
  listen() {
    const place = (event) => {
      const r = this.canvas.getBoundingClientRect();
      return this.view.hit(this.store, event.clientX - r.left, event.clientY - r.top, {
        w: this.width,
        h: this.height,
      });
    };
    this.canvas.addEventListener("pointerdown", (event) => {
      const found = event.button === 0 && place(event);
      if (found) this.store.set(pick(found, ["t", "l", "h", "e"]));
    });
    this.canvas.addEventListener("pointermove", (event) => {
      const found = place(event);
      if (found && event.buttons === 1 && this.view instanceof MatrixView) this.store.set({ t: found.t });
      this.app.tip(found ? this.view.tip(this.store, found) : "", event.clientX, event.clientY);
    });
    this.canvas.addEventListener("pointerleave", () => this.app.tip(""));
    if (this.view.scrolls) this.stage.addEventListener("scroll", () => this.draw());
  }
  // Asking for the width lays the page out, so it is asked for only after the page's size changed. JupyterLab takes a
  // notebook off the page for a moment, as when its theme changes: then the width is still the last one.
  measure() {
    this.width = Math.floor(this.stage.clientWidth) || this.width;
  }
  // Redraw if what the view depends on has changed.
  draw(force = false) {
    const { app, view, store } = this;
    if (!(this.width >= 20)) return;
    if (view.scrolls) view.top = this.stage.scrollTop;
    const { t, l, h, e } = store.state;
    const key = [
      view.key(store.state, this.width),
      app.theme.id,
      app.ratio,
      this.tableBox.hidden ? "" : [t, l, h, e],
    ].join();
    if (!force && key === this.drawn) return;
    this.drawn = key;
    const context = this.canvas.getContext("2d");
    this.height = Math.ceil(view.height(store.run, this.width, context));
    sizeCanvas(this.canvas, this.width, this.height, app.ratio);
    context.setTransform(app.ratio, 0, 0, app.ratio, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    if (view.scrolls) this.reveal(context);
    view.draw(new CanvasPen(context), store, { w: this.width, h: this.height }, app.theme, context);
    this.drawLegend();
    if (!this.tableBox.hidden) this.fillTable();
  }
  // Scroll so that the selected token is in sight, once for every new selection.
  reveal(context) {
    const { view, store } = this;
    const p = view.layout(store.run, this.width, context);
    const tall = p.total - this.height + "px";
    if (this.spacer.style.height !== tall) this.spacer.style.height = tall;
    const { t } = store.state;
    if (this.revealed === t) return;
    this.revealed = t;
    const y = p.ys[t];
    if (y < view.top || y + ROW > view.top + this.height) this.stage.scrollTop = y - this.height / 2;
    view.top = this.stage.scrollTop;
  }
  drawLegend() {
    const { app, view, store } = this;
    const legend = view.legend(store, this.width);
    const key = JSON.stringify(legend) + this.width + app.theme.id + app.ratio;
    if (key === this.legendDrawn) return;
    this.legendDrawn = key;
    this.legendHeight = paintLegend(new SvgPen(), legend, app.theme, 2, 9, this.width) + 11;
    sizeCanvas(this.legend, this.width, this.legendHeight, app.ratio);
    const context = this.legend.getContext("2d");
    context.setTransform(app.ratio, 0, 0, app.ratio, 0, 0);
    context.clearRect(0, 0, this.width, this.legendHeight);
    paintLegend(new CanvasPen(context), legend, app.theme, 2, 9, this.width);
  }
  showTable(open) {
    this.tableBox.hidden = !open;
    this.tableButton.setAttribute("aria-expanded", String(open));
    open ? this.fillTable() : this.tableBox.replaceChildren();
  }
  fillTable() {
    const { head, rows } = this.view.table(this.store);
    const table = el("table");
    table.append(el("caption", {}, this.view.title));
    const top = el("tr");
    head.forEach((name) => top.append(el("th", { scope: "col" }, name)));
    const thead = el("thead"),
      body = el("tbody");
    thead.append(top);
    for (const row of rows) {
      const tr = el("tr");
      row.forEach((value, i) => tr.append(i ? el("td", {}, value) : el("th", { scope: "row" }, value)));
      body.append(tr);
    }
    table.append(thead, body);
    this.tableBox.replaceChildren(table);
  }
}

const LINE = 17;
let ruler = null; // made at the first use, so that this module loads without a page

function textWidth(text, size) {
  ruler ??= makeCanvas(1, 1).getContext("2d");
  ruler.font = size + "px " + FONT;
  return ruler.measureText(text).width;
}

// A text in as many lines as it needs to stay left of `right`; gives the last line's y.
function paragraph(pen, text, x, y, right, fill, size) {
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line ? line + " " + word : word;
    if (line && x + textWidth(longer, size) > right) {
      pen.text(line + " ", x, y, fill, { size });
      [line, y] = [word, y + LINE];
    } else line = longer;
  }
  pen.text(line, x, y, fill, { size });
  return y;
}

// The parts of a legend in a row, or in several where the view is narrow; gives the last row's y.
function paintLegend(pen, legend, theme, left, y, right) {
  const c = theme.colors;
  const shade = (ramp, value) => (legend.plate ? theme.plate(ramp, value) : theme.ramp(ramp, value));
  let x = left;
  const put = (before, mark, name) => {
    const w = mark + textWidth(name, 10.5);
    if (x > left && x + w > right) [x, y] = [left, y + LINE];
    before(x);
    pen.text(name, x + mark, y, c.ink, { size: 10.5 });
    x += w + 12;
  };
  const bar = (ramp, at, w, n) => {
    for (let i = 0; i < n; i++) pen.rect(at + (i * w) / n, y - 5, w / n + 0.2, 10, shade(ramp, i / (n - 1)));
  };
  if (legend.sink) put((at) => bar("heat", at, 24, 24), 29, "sink");
  if (legend.ramp) {
    const low = String(legend.low),
      start = 5 + textWidth(low, 10.5);
    put(
      (at) => {
        pen.text(low, at, y, c.ink, { size: 10.5 });
        bar(legend.ramp, at + start, 64, 64);
        pen.frame(at + start, y - 5, 64, 10, c.muted, 0.7);
      },
      start + 69,
      legend.high + "  " + legend.name,
    );
  }
  if (legend.swatch !== undefined) {
    pen.rect(x, y - 5, 10, 10, theme.expert(legend.swatch));
    x += 15;
  }
  if (legend.note) y = paragraph(pen, legend.note, x, y, right, c.ink, 10.5);
  if (legend.kinds) {
    put((at) => pen.rect(at, y - 4, 8, 8, c.sliding, 2), 12, "sliding");
    put((at) => pen.circle(at + 4, y, 4, c.full), 12, "full");
    if (legend.exact) put((at) => pen.circle(at + 4, y, 2.2, c.ink), 12, "rows kept exactly");
  }
  for (const voice of legend.voices || []) put((at) => voiceBar(pen, voice, at, y - 3, 14, 5, theme), 18, voice);
  return y;
}

// A picture with its title, its legend and where it comes from.
function compose(panel, pen) {
  const { app, view, store, width } = panel;
  const c = app.theme.colors;
  const whole = view.scrolls ? Math.min(4000, view.places.total) : panel.height;
  const after = 30 + whole + 8,
    from = origin(store);
  const total = paragraph(new SvgPen(), from, 12, after + panel.legendHeight + 8, width + 12, c.muted, 10) + 16;
  pen.rect(0, 0, width + 24, total, c.paper);
  pen.text(view.title, 12, 16, c.ink, { size: 14, bold: true });
  const body = () =>
    view.draw(pen, store, { w: width, h: whole, whole: true }, app.theme, makeCanvas(1, 1).getContext("2d"));
  return { total, width: width + 24, body, after, from };
}

function origin(store) {
  const { run, state } = store;
  const o = run.meta.origin || {};
  const from = Object.entries(o)
    .map(([k, v]) => k + " " + v)
    .join(", ");
  return (
    run.meta.model +
    " · token " +
    state.t +
    ", layer " +
    state.l +
    ", head " +
    state.h +
    " · " +
    from +
    " · gptoss_edu trace explorer"
  );
}

export function savePng(panel) {
  const scale = 2;
  const canvas = makeCanvas(10, 10);
  const probe = compose(panel, new SvgPen());
  canvas.width = probe.width * scale;
  canvas.height = probe.total * scale;
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  const pen = new CanvasPen(context);
  const plan = compose(panel, pen);
  context.translate(12, 30);
  plan.body();
  context.translate(-12, -30);
  finishPicture(panel, pen, plan);
  const bytes = bytesFromBase64(canvas.toDataURL("image/png").split(",")[1]); // toBlob waits for an idle moment
  download(new Blob([bytes], { type: "image/png" }), panel.area + ".png");
}

function saveSvg(panel) {
  const pen = new SvgPen();
  const plan = compose(panel, pen);
  pen.parts.push("<g transform='translate(12 30)'>");
  plan.body();
  pen.parts.push("</g>");
  finishPicture(panel, pen, plan);
  download(
    new Blob([pen.finish(plan.width, plan.total, panel.view.title)], { type: "image/svg+xml" }),
    panel.area + ".svg",
  );
}

function finishPicture(panel, pen, plan) {
  paintLegend(pen, panel.view.legend(panel.store, panel.width), panel.app.theme, 12, plan.after + 8, panel.width + 10);
  paragraph(
    pen,
    plan.from,
    12,
    plan.after + panel.legendHeight + 8,
    panel.width + 12,
    panel.app.theme.colors.muted,
    10,
  );
}

function download(blob, name) {
  const link = el("a", { href: URL.createObjectURL(blob), download: "gptoss-trace-" + name });
  link.hidden = true;
  document.body.append(link);
  link.click();
  setTimeout(() => {
    URL.revokeObjectURL(link.href);
    link.remove();
  }, 10000);
}

function sizeCanvas(canvas, width, height, ratio) {
  const w = Math.round(width * ratio),
    h = Math.round(height * ratio);
  if (canvas.width !== w) canvas.width = w;
  if (canvas.height !== h) canvas.height = h;
  canvas.style.width = width + "px";
  canvas.style.height = height + "px";
}
