// The logit lens: what the model would say if it stopped after a layer.

import { cut } from "./pen.js";
import { percent } from "./store.js";

export class LensView {
  constructor() {
    this.title = "Logit lens";
  }
  key(s, width) {
    return [s.t, s.l, s.side, width].join();
  }
  height(run) {
    return 34 + (run.has("lens_tokens") ? run.L + 1 : 1) * this.step(run);
  }
  step(run) {
    return run.L > 12 ? 17 : 28;
  }
  rows(run, t) {
    const rows = [];
    if (run.has("lens_tokens"))
      for (let l = run.L - 1; l >= 0; l--) rows.push({ name: "after " + l, l, list: run.lens(l, t) });
    rows.unshift({ name: "output", l: -1, list: run.next(t).slice(0, 5) });
    return rows;
  }
  draw(pen, store, box, theme) {
    const { run, state } = store;
    const c = theme.colors;
    const left = 54,
      step = this.step(run),
      width = box.w - left - 4;
    const follows = state.t + 1 < run.T;
    const actual = follows ? run.arrays.tokens.data[state.t + 1] : -1;
    pen.text(
      "after “" +
        cut(run.texts[state.t], 14) +
        "”" +
        (follows ? ", next is really “" + cut(run.texts[state.t + 1], 14) + "”" : ""),
      2,
      9,
      c.ink,
      { size: 11.5, bold: true },
    );
    this.rows(run, state.t).forEach(({ name, l, list }, i) => {
      const y = 24 + i * step;
      pen.text(name, left - 6, y + step / 2, c.ink, { size: 10.5, align: "right", bold: l === state.l || l < 0 });
      const cell = width / 5;
      list.slice(0, 5).forEach(({ token, prob }, j) => {
        const x = left + j * cell;
        const word = run.word(token);
        pen.rect(x, y, cell - 2, step - 2, theme.plate("sequential", Math.sqrt(prob)), 3);
        pen.frame(x, y, cell - 2, step - 2, token === actual ? c.sink : c.grid, token === actual ? 2 : 1, 3);
        const ink = theme.over("sequential", Math.sqrt(prob));
        const room = Math.floor((cell - 8) / 6.6);
        if (step > 20) {
          pen.text(cut(word, room), x + 4, y + 9, ink, { size: 11, mono: true });
          pen.text(percent(prob), x + 4, y + 20, ink, { size: 9 });
        } else pen.text(cut(word, room), x + 4, y + step / 2 - 1, ink, { size: 10.5, mono: true });
      });
    });
  }
  hit(store, x, y) {
    const row = this.rows(store.run, store.state.t)[Math.floor((y - 24) / this.step(store.run))];
    return row && row.l >= 0 ? { l: row.l } : null;
  }
  tip(store, { l }) {
    return (
      "if the model stopped after layer " +
      l +
      ": " +
      store.run
        .lens(l, store.state.t)
        .map((r) => store.run.word(r.token) + " " + percent(r.prob))
        .join(", ")
    );
  }
  legend() {
    return { ramp: "sequential", plate: true, low: 0, high: 1, name: "probability; framed: next" };
  }
  table(store) {
    const rows = this.rows(store.run, store.state.t).map((r) => [
      r.name,
      ...r.list.slice(0, 5).map((x) => store.run.word(x.token) + " " + percent(x.prob, 1)),
    ]);
    return { head: ["layer", "1st", "2nd", "3rd", "4th", "5th"], rows };
  }
}
