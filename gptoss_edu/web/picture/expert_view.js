// An expert: its hidden units on the curve of SwiGLU, what it writes, and a block of its weights in MXFP4.

import { el } from "../explorer/elements.js";
import { swiglu } from "../model/moe.js";
import { arrow, card, figure, flow, line, vector } from "./parts.js";
import { number, inPercent, unpackBlock, units } from "./reading.js";

const SVG = "http://www.w3.org/2000/svg";
const UNITS = 6; // hidden units of largest outcome
const CURVE_WIDE = 300;
const CURVE_HIGH = 150;

export function expertView(view) {
  const { world, place, config, large } = view;
  const { experts, weights } = world.look.layers[place.layer];
  const j = experts.indexOf(place.expert);
  if (j < 0) return idle(view, experts);
  const inside = world.look.detail.experts[j];
  const work = flow(
    "pair",
    figure(vector(view, world.look.detail["mlp.normed"], "The normed stream"), `${config.hidden_size} numbers in`),
    arrow(),
    figure(vector(view, inside.hidden, "The hidden units"), `${config.intermediate_size} hidden units`),
    arrow(),
    figure(
      vector(view, inside.out, "What the expert writes"),
      `${config.hidden_size} out, times ${inPercent(weights[j])}`,
    ),
  );
  return flow(
    "expert",
    card(
      view,
      { title: `Expert ${place.expert} at work`, part: "work", chapter: "08", wide: true },
      work,
      line(
        `gpt-oss-20b has ${large.num_experts} such experts in each block, of ${large.intermediate_size.toLocaleString("en")} hidden units.`,
      ),
    ),
    card(view, { title: "Its hidden units", part: "units", chapter: "07" }, curve(view, inside), unitTable(inside)),
    inside.packed &&
      card(view, { title: "Its first 32 weights", part: "packed", chapter: "09" }, ...packedBlock(view, inside.packed)),
  );
}

function idle(view, experts) {
  const said = `This token goes to experts ${experts.join(", ")}; the others do not work, and cost nothing.`;
  return flow("single", card(view, { title: `Expert ${view.place.expert} rests`, chapter: "08" }, line(said)));
}

// gate · sigmoid(1.702 · gate), and each hidden unit of the token on it.
function curve({ theme, config }, { gateUp, hidden }) {
  const [low, high] = [-5, config.swiglu_limit + 0.5];
  const top = high;
  const x = (gate) => (CURVE_WIDE * (Math.max(low, Math.min(high, gate)) - low)) / (high - low);
  const y = (value) => CURVE_HIGH - 16 - ((CURVE_HIGH - 22) * (value + 0.5)) / (top + 0.5);
  const gated = (gate) => swiglu([gate, 0], config.swiglu_limit)[0];
  const svg = document.createElementNS(SVG, "svg");
  const draw = (name, attributes, text) => {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text) node.textContent = text;
    svg.append(node);
  };
  const told = `The curve of the gate with this token's ${hidden.length} hidden units on it`;
  for (const [key, value] of Object.entries({
    viewBox: `0 0 ${CURVE_WIDE} ${CURVE_HIGH}`,
    role: "img",
    "aria-label": told,
    class: "curve",
  }))
    svg.setAttribute(key, value);
  draw("line", { x1: 0, x2: CURVE_WIDE, y1: y(0), y2: y(0), stroke: theme.colors.grid });
  const points = Array.from({ length: 101 }, (_, i) => low + (i * (high - low)) / 100).map(
    (gate) => `${x(gate).toFixed(1)},${y(gated(gate)).toFixed(1)}`,
  );
  draw("polyline", { points: points.join(" "), fill: "none", stroke: theme.colors.muted, "stroke-width": 1.5 });
  for (let i = 0; i < hidden.length; i++) {
    const gate = gateUp[2 * i];
    draw("circle", {
      cx: x(gate).toFixed(1),
      cy: y(gated(gate)).toFixed(1),
      r: 2.6,
      fill: theme.colors.final,
      "fill-opacity": 0.55,
    });
  }
  const words = { fill: theme.colors.muted, "font-size": 9 };
  draw(
    "text",
    { ...words, x: CURVE_WIDE, y: CURVE_HIGH - 3, "text-anchor": "end" },
    `gate, clamped at ${config.swiglu_limit} →`,
  );
  draw("text", { ...words, x: 0, y: 11 }, "gate · sigmoid(1.702 · gate)");
  return svg;
}

function unitTable(inside) {
  const table = el("table");
  const head = el("tr");
  for (const name of ["unit", "gate", "value", "comes out"]) head.append(el("th", { scope: "col" }, name));
  const rows = units(inside)
    .slice(0, UNITS)
    .map(({ unit, gate, up, out }) => {
      const row = el("tr");
      row.append(el("th", { scope: "row" }, unit), ...[gate, up, out].map((value) => el("td", {}, number(value))));
      return row;
    });
  table.append(
    el("caption", {}, "Those of which most comes out: the gate through the curve, times value + 1"),
    head,
    ...rows,
  );
  return table;
}

function packedBlock(view, packed) {
  const weights = unpackBlock(packed);
  const codes = Array.from(packed.bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  const power = packed.scale - 127;
  return [
    line(`16 bytes: ${codes}`, "figures"),
    line(
      `scale byte ${packed.scale}: 2 to the power ${String(power).replace("-", "−")} = ${number(2 ** power)}`,
      "figures",
    ),
    vector(view, weights, "The 32 weights"),
    line(`They begin ${Array.from(weights.slice(0, 4), number).join("  ")} …`, "figures"),
  ];
}
