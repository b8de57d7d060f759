// An answer as it is written: one block per message, its tokens as spans, so that a reader can see where they end.

import { el } from "../explorer/elements.js";

const CHANNEL_NAMES = { analysis: "thinks", commentary: "comments", final: "answers" };

export class AnswerCard {
  constructor(title) {
    this.root = el("article", { class: "answer" });
    this.title = el("h3", {}, title);
    this.prompt = el("details", { class: "prompt" });
    this.body = el("div", { class: "messages" });
    this.note = el("p", { class: "note" });
    this.root.append(this.title, this.body, this.note, this.prompt);
    this.block = null;
  }

  // What the model reads, before it writes the first token.
  showPrompt(tokens) {
    const text = el("p", { class: "tokens" });
    text.append(...tokens.map(tokenSpan));
    this.prompt.replaceChildren(el("summary", {}, `What it reads: ${tokens.length} tokens`), text);
  }

  // A token of the answer. A control token belongs to the header between two messages.
  add(token) {
    const key = `${token.channel} ${token.recipient}`;
    if (token.control || token.channel === null) this.header(token);
    else {
      if (!this.block || this.block.key !== key) this.open(key, token);
      this.block.text.append(tokenSpan(token));
    }
  }

  header(token) {
    if (token.text === "<|start|>" || !this.headerBox) {
      this.headerBox = el("p", { class: "tokens header" });
      this.body.append(this.headerBox);
      this.block = null;
    }
    const ends = ["<|end|>", "<|return|>", "<|call|>"].includes(token.text);
    (ends && this.block ? this.block.text : this.headerBox).append(tokenSpan(token));
    if (ends) this.block = null;
  }

  open(key, { channel, recipient }) {
    const box = el("div", { class: "message", "data-channel": channel });
    const called = recipient ? `calls ${recipient}` : (CHANNEL_NAMES[channel] ?? channel);
    const text = el("p", { class: "tokens" });
    box.append(el("span", { class: "channel" }, called), text);
    this.body.append(box);
    this.block = { key, text };
  }

  finish({ complete, tokens, final, ms, prefill, kernel, calls }) {
    const speed = Math.round((1000 * tokens.length) / Math.max(1, ms - prefill));
    const said = [`${tokens.length} tokens in ${(ms / 1000).toFixed(2)} s, ${speed} per second (${kernel}).`];
    if (!complete) said.push("It was cut off: no more tokens were allowed.");
    else if (calls) said.push("It asked for a tool; this page runs none.");
    else if (!final) said.push("It wrote no final message.");
    this.note.textContent = said.join(" ");
    this.root.dataset.done = "true";
  }

  // The model declined, as it was taught to do outside its world. This is not a failure, and the page says so.
  refused() {
    this.root.dataset.refused = "true";
    const said = "An honest refusal: it declines what it was not trained on, where it would have to guess.";
    this.note.before(el("p", { class: "refusal" }, said));
  }
}

function tokenSpan({ text, control }) {
  return el("span", { class: control ? "token control" : "token" }, text);
}
