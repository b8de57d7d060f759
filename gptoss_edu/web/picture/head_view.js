// A head: its query, the keys in sight as shaded text, the sink, and the arithmetic of one score.

import { el } from "../explorer/elements.js";
import { bars, card, chip, flow, line, vector } from "./parts.js";
import { dot, headRow, number, inPercent, queryAndKey, strongest } from "./reading.js";

const LARGEST_KEYS = 5; // keys of largest share

export function headView(view) {
  const { world, place, config } = view;
  const row = headRow(world.look, place.head, config);
  const inSight = row.keys.some(({ at }) => at === view.key);
  const chosen = inSight ? row.keys[view.key - row.keys[0].at] : strongest(row);
  return flow(
    "head",
    keysCard(view, row, chosen),
    flow("side", sinkCard(view, row), scoreCard(view, row, chosen), outCard(view)),
  );
}

// The text up to the token, shaded by the head's attention; a click selects a key.
function keysCard(view, { keys, sink }, chosen) {
  const { world, theme } = view;
  const most = Math.max(sink.share, ...keys.map(({ share }) => share));
  const text = el("div", { class: "text" });
  const paint = (node, ramp, share) => {
    const value = Math.sqrt(share / most) * 0.9;
    Object.assign(node.style, { background: theme.plate(ramp, value), color: theme.over(ramp, value) });
  };
  if (keys[0].at) text.append(el("span", { class: "aside" }, `${keys[0].at} earlier tokens are out of sight`));
  for (const key of keys) {
    const one = el("button", { type: "button", class: "key", "data-focus": `key.${key.at}` });
    one.setAttribute("aria-pressed", String(key === chosen));
    one.title = `token ${key.at}: ${inPercent(key.share)}`;
    const inner = chip(world.tokens[key.at]);
    paint(inner, "sequential", key.share);
    one.append(inner, el("span", { class: "unseen" }, ` ${inPercent(key.share)}`));
    one.addEventListener("click", () => view.take(key.at));
    text.append(one);
  }
  const largest = [...keys].sort((a, b) => b.share - a.share).slice(0, LARGEST_KEYS);
  const rest = 1 - sink.share - largest.reduce((sum, { share }) => sum + share, 0);
  const list = largest.map(({ at, share }) => ({ token: world.tokens[at], share, colour: theme.colors.sliding }));
  list.push({ text: "the sink", share: sink.share, colour: theme.colors.sink });
  if (keys.length > LARGEST_KEYS)
    list.push({ text: `${keys.length - LARGEST_KEYS} others`, share: Math.max(0, rest), colour: theme.colors.muted });
  return card(
    view,
    { title: `${keys.length} keys in sight`, part: "keys", chapter: "04", wide: true },
    text,
    bars(list),
    line("The shares of all keys and of the sink add up to 1."),
  );
}

function sinkCard(view, { sink }) {
  return card(
    view,
    { title: "The sink", part: "sink", chapter: "06" },
    bars([{ text: "sink", share: sink.share, colour: view.theme.colors.sink }]),
    line(
      `A learned score of ${number(sink.score)} takes part in the softmax; it belongs to no token and has no value.`,
    ),
  );
}

function scoreCard(view, { keys, sink }, { at, score, share }) {
  const { world, place, config } = view;
  const { query, key } = queryAndKey(world.look, place.head, at, config);
  const d = config.head_dim;
  const title = el("p", { class: "line" });
  title.append(
    "Query of ",
    chip(world.tokens[world.position]),
    " and key of ",
    chip(world.tokens[at]),
    `, ${world.position - at} apart`,
  );
  const sums = el("dl", { class: "sums" });
  const add = (term, value) => sums.append(el("dt", {}, term), el("dd", {}, value));
  const most = Math.max(sink.score, ...keys.map((one) => one.score));
  const total = Math.exp(sink.score - most) + keys.reduce((sum, one) => sum + Math.exp(one.score - most), 0);
  add("query · key", number(dot(query, key)));
  add(`divided by √${d}: the score`, number(score));
  add(
    `e to the score less ${number(most)}, over the sum of all`,
    `${number(Math.exp(score - most))} / ${number(total)}`,
  );
  add("its share", inPercent(share));
  return card(
    view,
    { title: "One score", part: "score", chapter: "05" },
    title,
    vector(view, query, "The query, turned by its position", d),
    vector(view, key, "The key, turned by its position", d),
    sums,
  );
}

function outCard(view) {
  const { world, place, config, large } = view;
  const d = config.head_dim;
  const out = world.look.detail["attn.heads"].subarray(place.head * d, (place.head + 1) * d);
  const shared = config.num_attention_heads / config.num_key_value_heads;
  return card(
    view,
    { title: "What it passes on", part: "out", chapter: "04" },
    vector(view, out, "The values, weighted by their shares and added", d),
    line(
      `The values by these shares, added up: ${d} numbers. ${shared} heads share a key and a value; gpt-oss-20b has ${large.num_attention_heads} heads in each block.`,
    ),
  );
}
