// The pieces that the views are made of: cards that open, chips of tokens, bars, and vectors as little pictures.
// A view is {world, config, theme, go, choose, chapters}: `go(place)` walks there, `choose(position)` takes another token.

import { el } from "../explorer/elements.js";
import { visible } from "../explorer/visible.js";
import { CHAPTERS, keyOf, nameOf } from "./places.js";
import { number, inPercent } from "./reading.js";

const SMALL = 4; // minimum height or width of a bar in pixels, so that none disappears

// A box with a heading; where it has a place, the heading is a button that walks there, and so is the box for a mouse.
export function card(view, { title, place, part, chapter, note, wide }, ...children) {
  const box = el("section", { class: "card" + (wide ? " wide" : "") });
  if (part) box.dataset.part = part;
  const head = el("div", { class: "cardhead" });
  if (place) {
    box.dataset.key = keyOf(place);
    box.classList.add("opens");
    const open = el("button", { type: "button", class: "open", "data-focus": keyOf(place) }, title ?? nameOf(place));
    open.addEventListener("click", (event) => {
      event.stopPropagation();
      view.go(place);
    });
    box.addEventListener("click", (event) => !event.target.closest("a, button, input") && view.go(place));
    head.append(open);
  } else head.append(el("h4", {}, title));
  if (note) head.append(el("span", { class: "aside" }, note));
  box.append(head, ...children.filter(Boolean));
  if (chapter) box.append(chapterLink(view, chapter));
  return box;
}

// To the chapter that builds the part; its name alone where the page stands outside the book.
export function chapterLink({ chapters }, chapter) {
  const text = `${chapter} ${CHAPTERS[chapter]}`;
  const href = chapters?.[chapter];
  return href ? el("a", { class: "chapter", href }, text) : el("span", { class: "chapter" }, `Chapter ${text}`);
}

// A token as it is written, control tokens with a frame.
export function chip({ text, control }) {
  return el("span", { class: control ? "chip control" : "chip" }, control ? text : visible(text));
}

// Numbers as coloured squares, row after row: blue below zero, vermilion above, the ground at zero.
export function vector(view, values, label, columns = 16) {
  const canvas = el("canvas", { class: "vector", role: "img" });
  const rows = Math.ceil(values.length / columns);
  [canvas.width, canvas.height] = [columns, rows];
  canvas.style.aspectRatio = `${columns} / ${rows}`;
  const most = values.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-9);
  const context = canvas.getContext("2d");
  values.forEach((value, i) => {
    context.fillStyle = view.theme.ramp("diverging", 0.5 + value / most / 2);
    context.fillRect(i % columns, Math.floor(i / columns), 1, 1);
  });
  const told = `${label}: ${values.length} numbers of size up to ${number(most)}`;
  canvas.setAttribute("aria-label", told);
  canvas.title = told;
  return canvas;
}

export function figure(node, caption) {
  const box = el("figure");
  box.append(node, el("figcaption", {}, caption));
  return box;
}

// A list with a bar per entry: [{text, share, value, colour, token}].
export function bars(entries, { most = 1, digits = inPercent } = {}) {
  const list = el("ul", { class: "bars" });
  for (const { text, token, share, shown = digits(share), colour } of entries) {
    const row = el("li");
    const bar = el("span", { class: "meter", "aria-hidden": "true" });
    const fill = el("span");
    fill.style.width = `max(2px, ${(100 * Math.max(0, share)) / most}%)`;
    if (colour) fill.style.background = colour;
    bar.append(fill);
    row.append(token ? chip(token) : el("span", { class: "label" }, text), bar, el("span", { class: "figure" }, shown));
    list.append(row);
  }
  return list;
}

// Upright bars side by side; `colours` one per value.
export function columns(values, colours, label, height = 40) {
  const box = el("div", { class: "columnbars", role: "img", "aria-label": label, title: label });
  const most = Math.max(...values, 1e-9);
  values.forEach((value, i) => {
    const bar = el("span");
    bar.style.height = `${Math.max(SMALL / 2, (height * Math.max(0, value)) / most)}px`;
    bar.style.background = colours[i];
    box.append(bar);
  });
  box.style.height = `${height}px`;
  return box;
}

export const arrow = () => el("span", { class: "arrow", "aria-hidden": "true" }, "→");
export const plus = () => el("span", { class: "arrow plus", "aria-hidden": "true" }, "+");

export function flow(name, ...children) {
  const box = el("div", { class: `flow ${name}` });
  box.append(...children);
  return box;
}

export const line = (text, name = "line") => el("p", { class: name }, text);
