// The route of one token through all layers.

export class RouteView {
  constructor() {
    this.title = "Route of the token";
  }
  key(s, width) {
    return [s.t, s.l, s.e, s.side, width, JSON.stringify(s.masks)].join();
  }
  height(run) {
    return 28 + run.L * this.step(run) + 6;
  }
  step(run) {
    return run.L > 12 ? 14 : 32;
  }
  geometry(run, width) {
    const left = 30,
      right = 46;
    return { left, top: 26, dx: (width - left - right) / run.E, dy: this.step(run), right: width - right };
  }
  draw(pen, store, box, theme) {
    const { run, state } = store;
    const c = theme.colors;
    const g = this.geometry(run, box.w);
    const at = (l, e) => [g.left + (e + 0.5) * g.dx, g.top + (l + 0.5) * g.dy];
    pen.rect(g.left, g.top + state.l * g.dy, run.E * g.dx, g.dy, c.raised);
    pen.rect(g.left + state.e * g.dx, g.top, g.dx, run.L * g.dy, c.raised);
    for (let e = 0; e < run.E; e++)
      if (g.dx > 15 || e % Math.ceil(24 / g.dx) === 0)
        pen.text("" + e, at(0, e)[0], 16, e === state.e ? c.ink : c.muted, {
          size: 10,
          align: "center",
          bold: e === state.e,
        });
    pen.text("expert", g.left, 5, c.muted, { size: 10 });
    pen.text("margin", g.right + 5, 16, c.muted, { size: 10 });
    const radius = Math.min(Math.max(g.dx * 0.95, 6), g.dy * 0.62, 14);
    for (let l = 0; l < run.L; l++) {
      const [, y] = at(l, 0);
      pen.line(
        [
          [g.left, y],
          [g.right - 2, y],
        ],
        c.grid,
        1,
      );
      pen.text("" + l, g.left - 10, y, c.ink, { size: 11, align: "right", bold: l === state.l });
      const masked = store.masked(l);
      const route = run.routeWithout(l, state.t, masked);
      const next = run.leftOut(l, state.t, masked);
      if (next) pen.circle(at(l, next.expert)[0], y, Math.min(4, radius * 0.5), c.paper, c.muted, 1.2);
      for (const { expert, weight } of route)
        pen.circle(
          at(l, expert)[0],
          y,
          radius * Math.sqrt(weight),
          theme.expert(expert),
          expert === state.e && l === state.l ? c.ink : c.paper,
          expert === state.e && l === state.l ? 2 : 1,
        );
      for (const e of masked) {
        const [x] = at(l, e);
        pen.line(
          [
            [x - 5, y - 5],
            [x + 5, y + 5],
          ],
          c.wrong,
          2.2,
        );
        pen.line(
          [
            [x - 5, y + 5],
            [x + 5, y - 5],
          ],
          c.wrong,
          2.2,
        );
      }
      if (next)
        pen.text(next.margin.toFixed(2), g.right + 6, y, next.margin < 0.1 ? c.sink : c.muted, {
          size: 10.5,
          bold: next.margin < 0.1,
        });
    }
  }
  hit(store, x, y, box) {
    const { run } = store;
    const g = this.geometry(run, box.w);
    const e = Math.floor((x - g.left) / g.dx),
      l = Math.floor((y - g.top) / g.dy);
    return e >= 0 && e < run.E && l >= 0 && l < run.L ? { l, e } : null;
  }
  tip(store, { l, e }) {
    const route = store.run.routeWithout(l, store.state.t, store.masked(l));
    const found = route.find((r) => r.expert === e);
    const logits = store.run.routerLogits(l, store.state.t);
    return (
      "layer " +
      l +
      " expert " +
      e +
      (found ? ": chosen" + store.run.weighed(", weight " + found.weight.toFixed(3)) : ": not chosen") +
      (!logits ? "" : logits[e] > -Infinity ? ", logit " + logits[e].toFixed(2) : ", it was masked")
    );
  }
  legend(store) {
    return { note: store.run.weighed("area of a dot: weight; ring: first expert left out; ") + "cross: masked" };
  }
  table(store) {
    const { run, state } = store;
    const rows = [];
    for (let l = 0; l < run.L; l++) {
      const route = run.routeWithout(l, state.t, store.masked(l));
      rows.push([
        (l === state.l ? "▸ " : "") + l,
        route.map((r) => r.expert + run.weighed(" (" + r.weight.toFixed(3) + ")")).join(", "),
        run.leftOut(l, state.t, store.masked(l))?.expert ?? "",
        run.margin(l, state.t, 3, store.masked(l)),
        [...store.masked(l)].join(", "),
      ]);
    }
    return { head: ["layer", "experts (weight)", "first left out", "margin", "masked"], rows };
  }
}
