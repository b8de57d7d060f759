// A block: norm, heads, addition; norm, router, experts, addition.

import { el } from "../explorer/elements.js";
import { arrow, bars, card, chip, columns, figure, flow, line, plus, vector } from "./parts.js";
import { binned, headRow, number, inPercent, strongest } from "./reading.js";

const BINS = 36; // bars that sum up a head's keys, from the first to the last

export function blockView(view) {
  const { detail, layers } = view.world.look;
  const { layer } = view.place;
  const { size } = layers[layer];
  const attention = el("div", { class: "heads" });
  for (let head = 0; head < view.config.num_attention_heads; head++) attention.append(headCard(view, head));
  const first = flow(
    "half",
    streamCard(view, "Stream", "resid_pre", size[0]),
    arrow(),
    normCard(view, "attn.normed"),
    arrow(),
    group(view, "attention", "Attention", "04", attention),
    plus(),
    streamCard(view, "Stream, attention added", "resid_mid", size[1], "middle"),
  );
  const work = el("div", { class: "experts" });
  detail.experts.forEach((_, j) => work.append(expertCard(view, j)));
  const second = flow(
    "half",
    normCard(view, "mlp.normed"),
    arrow(),
    routerCard(view),
    arrow(),
    group(view, "experts", "Experts", "07", work),
    plus(),
    streamCard(view, "Stream, experts added", "resid_post", size[2], "end"),
  );
  return flow("block", first, second);
}

function group(view, part, title, chapter, inner) {
  const box = card(view, { title, part, chapter, wide: true }, inner);
  box.classList.add("group");
  return box;
}

function streamCard(view, title, point, size, part) {
  return card(
    view,
    { title, part },
    vector(view, view.world.look.detail[point], title),
    line(`root mean square ${number(size)}`),
  );
}

function normCard(view, point) {
  const place = { kind: "norm", layer: view.place.layer };
  return card(view, { place, chapter: "03" }, vector(view, view.world.look.detail[point], "The stream, normed"));
}

function headCard(view, head) {
  const { world, theme, config } = view;
  const row = headRow(world.look, head, config);
  const best = strongest(row);
  const shares = [
    row.sink.share,
    ...binned(
      row.keys.map(({ share }) => share),
      BINS,
    ),
  ];
  const colours = shares.map((_, i) => (i ? theme.colors.sliding : theme.colors.sink));
  const told = `Head ${head}: ${inPercent(row.sink.share)} to the sink, ${inPercent(best.share)} to token ${best.at}`;
  const said = el("p", { class: "says" });
  said.append(chip(world.tokens[best.at]), ` ${inPercent(best.share)}`);
  return card(
    view,
    { place: { kind: "head", layer: view.place.layer, head } },
    columns(shares, colours, told, 30),
    said,
  );
}

function routerCard(view) {
  const { world, theme, config } = view;
  const logits = Array.from(world.look.detail["mlp.router_logits"]);
  const low = Math.min(...logits.filter(Number.isFinite));
  const { experts } = world.look.layers[view.place.layer];
  const colours = logits.map((_, e) => (experts.includes(e) ? theme.expert(e) : theme.colors.grid));
  const told = `Scores of ${config.num_experts} experts; chosen are ${experts.join(", ")}`;
  return card(
    view,
    { place: { kind: "router", layer: view.place.layer }, chapter: "08" },
    columns(
      logits.map((logit) => Math.max(0, logit - low)),
      colours,
      told,
      60,
    ),
    line(`${experts.length} of ${config.num_experts}`),
  );
}

function expertCard(view, j) {
  const { look } = view.world;
  const { expert, hidden } = look.detail.experts[j];
  const share = look.layers[view.place.layer].weights[j];
  const box = card(
    view,
    { place: { kind: "expert", layer: view.place.layer, expert }, note: inPercent(share) },
    vector(view, hidden, `Hidden units of expert ${expert}`),
  );
  box.style.setProperty("--own", view.theme.expert(expert));
  box.classList.add("own");
  return box;
}

// Before and after RMSNorm, both times.
export function normView(view) {
  const { detail, layers } = view.world.look;
  const { size } = layers[view.place.layer];
  const norm = (title, point, normed, rms) => {
    const before = figure(vector(view, detail[point], "The stream"), `root mean square ${number(rms)}`);
    const after = figure(vector(view, detail[normed], "Its normed copy"), "divided by it, times the learned scales");
    return card(view, { title, chapter: "03" }, flow("pair", before, arrow(), after));
  };
  return flow(
    "pairs",
    norm("Before attention", "resid_pre", "attn.normed", size[0]),
    norm("Before the experts", "resid_mid", "mlp.normed", size[1]),
  );
}

export function routerView(view) {
  const { world, theme, config, large } = view;
  const logits = world.look.detail["mlp.router_logits"];
  const { experts, weights } = world.look.layers[view.place.layer];
  const finite = Array.from(logits).filter(Number.isFinite);
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  const rows = Array.from(logits, (logit, expert) => ({
    text: `expert ${expert}`,
    share: Number.isFinite(logit) ? logit - low : 0,
    shown: number(logit),
    colour: experts.includes(expert) ? theme.expert(expert) : theme.colors.muted,
  }));
  const chosen = experts.map((expert, j) => ({
    text: `expert ${expert}`,
    share: weights[j],
    colour: theme.expert(expert),
  }));
  const doors = el("p", { class: "doors" });
  for (const expert of experts) {
    const door = el("button", { type: "button", "data-focus": `door.${expert}` }, `Open expert ${expert}`);
    door.addEventListener("click", () => view.go({ kind: "expert", layer: view.place.layer, expert }));
    doors.append(door);
  }
  return flow(
    "pairs",
    card(
      view,
      { title: `A score for each of ${config.num_experts} experts`, chapter: "08" },
      bars(rows, { most: high - low || 1 }),
    ),
    card(
      view,
      { title: `The ${experts.length} largest, as shares` },
      bars(chosen),
      line("Softmax over the chosen alone: the shares add up to 1, and weigh what these experts write."),
      doors,
      line(`gpt-oss-20b chooses ${large.experts_per_token} of ${large.num_experts}.`),
    ),
  );
}
