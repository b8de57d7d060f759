// A trace as the explorer takes it: {arrays: [{name, kind, shape, offset}], buffer}, each array at a multiple of eight.

import { labelTokens } from "./labels.js";

const ARRAYS = { u1: Uint8Array, u2: Uint16Array, i4: Int32Array, f4: Float32Array };
const COLUMN_KINDS = { expert_indices: "u1", next_tokens: "i4", lens_tokens: "i4" }; // all other columns are "f4"
const WITHOUT_LAYERS = ["surprisal", "next_tokens", "next_probs", "next_entropy"];
const SINGLE = ["surprisal", "next_entropy", "residual_norm", "router_entropy", "router_margin"]; // one number each

export class Packed {
  constructor() {
    [this.arrays, this.parts, this.offset] = [[], [], 0];
  }

  add(name, kind, values, shape = [values.length], more = {}) {
    const data = values instanceof ARRAYS[kind] ? values : ARRAYS[kind].from(values);
    this.arrays.push({ name, kind, shape, offset: this.offset, ...more });
    this.parts.push([this.offset, data]);
    this.offset += 8 * Math.ceil(data.byteLength / 8);
  }

  // The rows of a head, one after another; each value means (value / levels)² of a total of 1.
  addRows(head, rows, levels) {
    this.add(`exact.${head}`, "u2", joined(rows), undefined, { levels });
    this.add(`exact_top.${head}`, "f4", new Float32Array(rows.length).fill(1));
  }

  finish() {
    const buffer = new ArrayBuffer(this.offset);
    for (const [offset, data] of this.parts) new data.constructor(buffer, offset, data.length).set(data);
    return { arrays: this.arrays, buffer };
  }
}

// Concatenate typed arrays.
export function joined(parts) {
  const out = new parts[0].constructor(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

// Ids, bytes and labels of the tokens.
export function addTokens(packed, tokens, tokenizer) {
  const offsets = [0];
  for (const token of tokens) offsets.push(offsets.at(-1) + tokenizer.tokenBytes(token).length);
  packed.add("tokens", "i4", tokens);
  packed.add("piece_offsets", "i4", offsets);
  packed.add("piece_bytes", "u1", tokenizer.decodeBytes(tokens));
  for (const [name, values] of Object.entries(labelTokens(tokens, tokenizer)))
    packed.add(name, name === "message" ? "i4" : "u1", values);
}

// Columns hold a token's values, layer after layer; in the explorer's arrays the layers come first: (l, t, …).
export function addColumns(packed, columns, layers) {
  for (const [name, list] of Object.entries(columns)) {
    const kind = COLUMN_KINDS[name] ?? "f4";
    const count = WITHOUT_LAYERS.includes(name) ? 1 : layers + (name === "residual_norm" ? 1 : 0);
    const each = list[0].length / count;
    const data = new ARRAYS[kind](list.length * list[0].length);
    list.forEach((column, t) =>
      column.forEach((value, i) => {
        data[(Math.floor(i / each) * list.length + t) * each + (i % each)] = value;
      }),
    );
    const layered = WITHOUT_LAYERS.includes(name) ? [] : [count];
    const shape = [...layered, list.length, ...(SINGLE.includes(name) ? [] : [each])];
    packed.add(name, kind, data, shape);
  }
}
