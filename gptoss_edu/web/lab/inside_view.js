// What happens inside while the model reads and writes: a column per token, a band per layer. The upper part of a band
// is the share that the layer's heads leave on their sinks, the lower one the experts that the token goes to.

import { MONO } from "../explorer/pen.js";

const COLUMN = 11;
const LEFT = 66;
const SINK = 5;
const EXPERTS = 15;
const BAND_HEIGHT = SINK + EXPERTS + 5;
const FOOT = 62; // for the tokens' texts, written upwards

export class InsideView {
  constructor(canvas) {
    this.canvas = canvas;
    this.clear();
  }

  clear() {
    this.columns = []; // {text, voice, layers}
  }

  add(column) {
    this.columns.push(column);
  }

  get height() {
    return (this.columns[0]?.layers.length ?? 6) * BAND_HEIGHT + FOOT;
  }

  // The last columns that fit.
  draw(theme, width, ratio) {
    const { canvas, height } = this;
    [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    Object.assign(canvas.style, { width: width + "px", height: height + "px" });
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const count = Math.max(1, Math.floor((width - LEFT) / COLUMN));
    this.shown = this.columns.slice(-count);
    const layers = this.shown[0]?.layers.length ?? 0;
    for (let layer = 0; layer < layers; layer++) this.drawBand(context, theme, layer, width);
    this.shown.forEach((column, i) => this.drawText(context, theme, column, LEFT + i * COLUMN, layers * BAND_HEIGHT));
  }

  drawBand(context, theme, layer, width) {
    const y = layer * BAND_HEIGHT;
    context.fillStyle = theme.colors.muted;
    context.font = "11px system-ui, sans-serif";
    context.textAlign = "left";
    context.textBaseline = "middle";
    context.fillText(`${layer} ${layer % 2 ? "full" : "sliding"}`, 0, y + BAND_HEIGHT / 2 - 2);
    context.fillStyle = theme.colors.grid;
    context.fillRect(LEFT, y, Math.min(this.shown.length * COLUMN, width - LEFT) - 1, SINK);
    this.shown.forEach(({ layers }, i) => {
      const x = LEFT + i * COLUMN;
      const { sink, experts, weights } = layers[layer];
      context.fillStyle = theme.ramp("heat", sink ?? 0);
      context.fillRect(x, y, COLUMN - 1, SINK);
      let top = y + SINK + 1;
      experts.forEach((expert, j) => {
        context.fillStyle = theme.expert(expert);
        context.fillRect(x, top, COLUMN - 1, EXPERTS * weights[j]);
        top += EXPERTS * weights[j];
      });
    });
  }

  drawText(context, theme, { text, control, voice }, x, y) {
    context.save();
    context.translate(x + COLUMN / 2, y + 5);
    context.rotate(Math.PI / 2);
    context.font = `${control ? 9 : 11}px ${MONO}`;
    context.textAlign = "left";
    context.textBaseline = "middle";
    context.fillStyle = theme.colors[voice] ?? theme.colors.ink;
    const shown = text.replace(/\n/g, "↵").replace(/ /g, "·");
    context.fillText(shown.length > 8 && !control ? shown.slice(0, 7) + "…" : shown.replace(/<\||\|>/g, ""), 0, 0);
    context.restore();
  }

  // The column under a point, and what it says.
  tip(x, y) {
    const column = this.shown?.[Math.floor((x - LEFT) / COLUMN)];
    if (!column || x < LEFT) return "";
    const layer = Math.min(column.layers.length - 1, Math.max(0, Math.floor(y / BAND_HEIGHT)));
    return `“${column.text}” ${this.described(column, layer)}`;
  }

  described({ layers }, layer) {
    const { sink, experts, weights } = layers[layer];
    const chosen = experts.map((expert, j) => `${expert} (${Math.round(100 * weights[j])} %)`).join(", ");
    const left = sink === null ? "" : `, ${Math.round(100 * sink)} % on the sinks`;
    return `in layer ${layer}${left}: ${experts.length === 1 ? "expert" : "experts"} ${chosen}`;
  }

  // The newest token in words.
  summary() {
    const last = this.columns.at(-1);
    return last
      ? `Newest token “${last.text}”: ${last.layers.map((_, layer) => this.described(last, layer)).join("; ")}.`
      : "";
  }
}
