// A grid of small buttons, layer by expert or layer by head, each in one of a few states. One stop for the Tab key;
// arrow keys move inside, Enter or Space goes to the next state.

import { el } from "../explorer/elements.js";

export class ToggleGrid {
  // states: [name, mark] pairs, the first of which is how things are; changed: called after every change.
  constructor({ label, rows, columns, what, states, changed }) {
    Object.assign(this, { rows, columns, what, states, changed });
    this.values = new Map(); // "row.column" → state, where it is not the first
    this.root = el("div", { role: "group", "aria-label": label, class: "toggles" });
    this.root.style.setProperty("--columns", columns);
    this.cells = [];
    this.root.append(el("span", { class: "corner", "aria-hidden": "true" }));
    for (let column = 0; column < columns; column++)
      this.root.append(el("span", { class: "top", "aria-hidden": "true" }, column));
    for (let row = 0; row < rows; row++) {
      this.root.append(el("span", { class: "side", "aria-hidden": "true" }, row));
      for (let column = 0; column < columns; column++) this.addCell(row, column);
    }
    this.cells[0].tabIndex = 0;
    this.root.addEventListener("keydown", (event) => this.keydown(event));
  }

  addCell(row, column) {
    const cell = el("button", { type: "button", tabindex: "-1" });
    cell.addEventListener("click", () => this.next(row, column));
    cell.addEventListener("focus", () => this.enter(cell));
    this.cells.push(cell);
    this.root.append(cell);
    this.paint(row, column);
  }

  next(row, column) {
    const key = `${row}.${column}`;
    const state = ((this.values.get(key) ?? 0) + 1) % this.states.length;
    if (state) this.values.set(key, state);
    else this.values.delete(key);
    this.paint(row, column);
    this.changed();
  }

  paint(row, column) {
    const cell = this.cells[row * this.columns + column];
    const state = this.values.get(`${row}.${column}`) ?? 0;
    const [name, mark] = this.states[state];
    cell.dataset.state = String(state);
    cell.textContent = mark;
    cell.setAttribute("aria-label", `layer ${row}, ${this.what} ${column}: ${name}`);
    cell.title = `layer ${row}, ${this.what} ${column}: ${name}`;
  }

  // The pairs in a state, as "row.column".
  pairs(state) {
    return [...this.values].filter(([, value]) => value === state).map(([key]) => key);
  }

  set(lists) {
    this.values = new Map(lists.flatMap((list, i) => list.map((key) => [key, i + 1])));
    for (let row = 0; row < this.rows; row++)
      for (let column = 0; column < this.columns; column++) this.paint(row, column);
  }

  enter(cell) {
    for (const other of this.cells) other.tabIndex = other === cell ? 0 : -1;
  }

  keydown(event) {
    const at = this.cells.indexOf(event.target);
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns }[event.key];
    if (at < 0 || step === undefined) return;
    event.preventDefault();
    this.cells[at + step]?.focus();
  }
}
