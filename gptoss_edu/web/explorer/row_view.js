// One row of attention as a bar that sums to one: the sink's share, then the keys in the order of the text.

import { fade } from "./colors.js";
import { MatrixView } from "./matrix_view.js";
import { cut } from "./pen.js";
import { percent, spoken } from "./store.js";

export class RowView {
  constructor() {
    this.title = "One row sums to one";
  }
  key(s, width) {
    return [s.t, s.l, s.h, s.side, width].join();
  }
  height() {
    return 100;
  }
  row(store) {
    const { run, state } = store;
    if (run.isExact(state.l, state.h)) return { bin: 1, exact: true, ...run.row(state.l, state.h, state.t) };
    if (!run.has("pooled")) return null;
    return { first: 0, exact: run.isSingle(state.l, state.h), ...run.pooledRow(state.l, state.h, state.t) };
  }
  draw(pen, store, box, theme) {
    const { run, state } = store;
    const c = theme.colors;
    const row = this.row(store);
    if (!row) return pen.text("This trace keeps no attention.", 10, 30, c.muted, { size: 13 });
    const x0 = 4,
      width = box.w - 64,
      y = 22,
      h = 34;
    const total = row.sink + row.weights.reduce((a, b) => a + b, 0);
    const what = row.exact
      ? "query " + state.t + " “" + cut(run.texts[state.t], 14) + "”"
      : "the mean of " + Math.round(row.bin) + " queries around " + state.t;
    pen.text("Where " + what + " looks, layer " + state.l + " head " + state.h, x0, 9, c.ink, {
      size: 11.5,
      bold: true,
    });
    let x = x0 + row.sink * width;
    pen.rect(x0, y, row.sink * width, h, theme.plate("heat", 0.66));
    for (let i = 0; i < row.sink * width - 3; i += 7)
      pen.line(
        [
          [x0 + i, y + h],
          [x0 + Math.min(i + 7, row.sink * width), y],
        ],
        fade(c.paper, 0.28),
        1,
      );
    this.label(pen, theme, "sink", row.sink, x0, y, row.sink * width, h, c.sink);
    const top = Math.max(...row.weights, 1e-9);
    for (let j = 0; j < row.weights.length; j++) {
      const w = row.weights[j] * width;
      if (w < 0.02) {
        x += w;
        continue;
      }
      const v = 0.25 + 0.55 * Math.sqrt(row.weights[j] / top);
      pen.rect(x, y, w, h, theme.plate("sequential", v));
      if (w > 3) pen.rect(x, y, 1, h, c.paper);
      const name = row.exact ? run.texts[row.first + j] : Math.round(j * row.bin) + "…";
      if (w > 22) this.label(pen, theme, name, row.weights[j], x, y, w, h, c.ink, theme.over("sequential", v));
      x += w;
    }
    pen.frame(x0, y, width, h, c.ink, 1.2);
    pen.text("= " + total.toFixed(2), x0 + width + 8, y + h / 2, c.ink, { size: 14, bold: true });
    pen.line(
      [
        [x0, y + h + 22],
        [x0, y + h + 26],
        [x0 + width, y + h + 26],
        [x0 + width, y + h + 22],
      ],
      c.muted,
      1,
    );
    pen.text("0", x0, y + h + 32, c.muted, { size: 10 });
    pen.text("1", x0 + width, y + h + 32, c.muted, { size: 10, align: "right" });
  }
  label(pen, theme, name, share, x, y, w, h, below, inside) {
    if (w < 14) return;
    const room = Math.floor((w - 4) / 7);
    if (room >= 1)
      pen.text(cut(name, room), x + w / 2, y + h / 2, inside || theme.over("heat", 0.66), {
        size: inside ? 11 : 12.5,
        mono: !!inside,
        bold: !inside,
        align: "center",
      });
    if (w > 26) pen.text(percent(share), x + w / 2, y + h + 11, below, { size: 10.5, align: "center" });
  }
  hit(store, x, y, box) {
    const row = this.row(store);
    if (!row || y < 16 || y > 66) return null;
    const share = (x - 4) / (box.w - 64);
    if (share < 0 || share > 1) return null;
    let sum = row.sink;
    if (share < sum) return { sink: true };
    for (let j = 0; j < row.weights.length; j++)
      if ((sum += row.weights[j]) >= share) return { key: Math.round(row.first + j * row.bin), weight: row.weights[j] };
    return null;
  }
  tip(store, found) {
    const row = this.row(store);
    return found.sink
      ? "the sink: " + percent(row.sink, 1)
      : (row.exact ? spoken(store.run, found.key) : "tokens from " + found.key) + ": " + percent(found.weight, 1);
  }
  legend() {
    return { ramp: "sequential", plate: true, low: 0, high: 1, name: "share of a key", sink: true };
  }
  table(store) {
    return new MatrixView().table(store);
  }
}
