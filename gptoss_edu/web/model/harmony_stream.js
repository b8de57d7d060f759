// Parsing ids one at a time, strictly or with repairs. The same in Python: gptoss_edu/harmony/stream.py.
// Three states: between messages, in a header, in a content. Lenient, no stream throws: what a model leaves out,
// doubles or invents is repaired, each repair is written down, and all other text ends up in a message.

import { controlTokens, HarmonyError, mayBecomeHeader, splitWords, strip } from "./harmony_control.js";
import { parseHeaderStrict } from "./harmony_headers.js";
import { parseHeaderLenient, parseHeaderUnfinished } from "./harmony_repairs.js";

export class StreamParser {
  // role: whose turn the prompt opened ("assistant" for what a model samples), or null: the ids begin with <|start|>.
  constructor(tokenizer, { strict = true, role = null } = {}) {
    const control = controlTokens(tokenizer);
    Object.assign(this, { tokenizer, control, strict });
    this.textOf = (ids) => tokenizer.decode(ids);
    this.isControl = (id) => tokenizer.names[id] !== undefined;
    this.nameOf = (id) => tokenizer.names[id] ?? `'${tokenizer.decode([id])}'`;
    this.reader = { tokenizer, control, textOf: this.textOf };
    this.messages = []; // finished ones: {role, name, channel, recipient, contentType, text}
    this.repairs = []; // {position, problem, text}
    this.rest = []; // ids of a header that only names an author, as a prompt's end does
    this.partial = false; // after flush(): whether the last message was cut off
    this.count = 0; // ids read
    this.stray = [];
    this.header = null; // of the message whose content is being read
    this.content = "";
    this.openHeader(role);
    if (role === null) this.state = "between";
  }
  openHeader(role, begin = []) {
    this.state = "header";
    [this.givenRole, this.begin, this.collected, this.headerAt] = [role, begin, [], this.count];
  }
  // Take one id; give the content text that it completes.
  process(id) {
    this.count += 1;
    if (!this.tokenizer.knows(id)) return this.refuse(`id ${id}, which is not in the vocabulary`, "a token");
    if (this.state === "content") return this.inContent(id);
    return this.state === "header" ? this.inHeader(id) : this.between(id);
  }
  // End the stream: keep what is there, even a message that was cut off; return the text still held.
  flush() {
    if (this.state === "between") return this.dropOrKeepStray();
    if (this.state === "content") {
      this.partial = true;
      return this.finish();
    }
    if (this.strict)
      throw new HarmonyError(`the stream ends at token ${this.count} inside a header: expected <|message|>.`);
    this.state = "between";
    if (this.onlyAuthor()) {
      this.rest = [...(this.givenRole ? [] : this.begin), ...this.collected];
      return "";
    }
    this.partial = true;
    this.repairs.push({ position: this.count, problem: "the stream ends inside a header", text: "" });
    return this.keepUnfinished();
  }
  // Throw in strict mode; record a repair in lenient mode.
  refuse(problem, expected) {
    const position = this.count - 1;
    if (this.strict) throw new HarmonyError(`token ${position}: expected ${expected}, found ${problem}.`);
    this.repairs.push({ position, problem, text: "" });
    return "";
  }

  // ---- content
  openContent(header) {
    [this.header, this.content, this.state] = [header, "", "content"];
    this.utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
    return "";
  }
  inContent(id) {
    const { control } = this;
    if (control.ends.includes(id)) return this.finish();
    if (!this.isControl(id)) return this.addText(id);
    const expected = "text or the message's end";
    if (id === control.endoftext)
      return this.refuse("<|endoftext|> in place of a message's end", expected) + this.finish();
    if (id === control.start || id === control.channel) {
      this.refuse(`${this.nameOf(id)} before the message's end`, expected);
      const { role } = this.header;
      const text = this.finish();
      this.openHeader(id === control.start ? null : role, [id]);
      if (id === control.channel) this.collected.push(id);
      return text;
    }
    return this.refuse(`${this.nameOf(id)} inside a content`, expected);
  }
  addText(id) {
    const text = this.utf8.decode(this.tokenizer.tokenBytes(id), { stream: true });
    this.content += text;
    return text;
  }
  // Close the current message; give the text that its last, incomplete character leaves.
  finish() {
    const text = this.utf8.decode();
    this.keepMessage(this.header, this.content + text);
    this.state = "between";
    return text;
  }
  keepMessage({ role, name, channel, recipient, contentType }, text) {
    this.messages.push({ role, name, channel, recipient, contentType, text });
    [this.header, this.content] = [null, ""];
  }

  // ---- header
  inHeader(id) {
    const { control } = this;
    if (id === control.message) return this.beginContent();
    if (!this.isControl(id) || id === control.channel || id === control.constrain) {
      this.collected.push(id);
      return "";
    }
    this.refuse(`${this.nameOf(id)} inside a header`, "a header's words, <|channel|>, <|constrain|> or <|message|>");
    let text = "";
    if (id === control.start) {
      if (this.onlyAuthor()) {
        const text = this.textOf(this.collected);
        this.repairs.splice(-1, 1, { position: this.count - 1, problem: "doubled header", text });
      } else text = this.keepUnfinished();
      this.openHeader(null, [id]);
    } else if (control.ends.includes(id) || id === control.endoftext) {
      text = this.keepUnfinished();
      this.state = "between";
    }
    return text;
  }
  beginContent() {
    const { reader, collected, givenRole } = this;
    if (this.strict) {
      const textOf = (ids) => this.strictText(ids);
      return this.openContent(parseHeaderStrict(collected, { ...reader, textOf }, givenRole, this.headerAt));
    }
    this.writeDown((this.header = parseHeaderLenient(collected, reader, givenRole)));
    return this.openContent(this.header);
  }
  writeDown({ problems, words }) {
    const list = problems.length || !words.length ? problems : ["left-over words"];
    list.forEach((problem, i) =>
      this.repairs.push({ position: this.count - 1, problem, text: i ? "" : words.join(" ") }),
    );
  }
  strictText(ids) {
    try {
      return this.tokenizer.decode(ids, true);
    } catch {
      throw new HarmonyError(`header at token ${this.headerAt}: expected UTF-8 text, found broken bytes.`);
    }
  }
  onlyAuthor() {
    const words = splitWords(this.textOf(this.collected));
    if (this.collected.some((id) => this.isControl(id))) return false;
    return words.length <= (this.givenRole ? 0 : 1) || (words.length === 1 && words[0] === this.givenRole);
  }
  // A header that never came to its <|message|>: text that no header has was meant as content.
  keepUnfinished() {
    const [header, text] = parseHeaderUnfinished(this.collected, this.reader, this.givenRole);
    this.writeDown(header);
    this.keepMessage(header, text);
    return text;
  }

  // ---- between messages
  between(id) {
    const { control } = this;
    if (id === control.start) {
      const text = this.dropOrKeepStray();
      this.openHeader(null, [id]);
      return text;
    }
    if (this.isControl(id)) {
      this.refuse(`${this.nameOf(id)} between messages`, "<|start|>");
      if (![control.channel, control.message, control.constrain].includes(id)) return "";
      const { stray } = this;
      this.stray = [];
      this.openHeader(stray.length ? null : "assistant");
      this.collected = stray;
      return this.inHeader(id);
    }
    if (!this.stray.length) this.refuse(`${this.nameOf(id)} between messages`, "<|start|>");
    this.stray.push(id);
    return mayBecomeHeader(this.textOf(this.stray)) ? "" : this.openHeadless();
  }
  // Text with no header: a message of the assistant without a channel.
  openHeadless() {
    this.openContent({ role: "assistant", name: null, channel: null, recipient: null, contentType: null });
    return this.stray.splice(0).map(this.addText, this).join("");
  }
  dropOrKeepStray() {
    if (!this.stray.length) return "";
    const text = this.textOf(this.stray);
    if (strip(text)) return this.openHeadless() + this.finish();
    this.repairs.at(-1).text = text;
    this.stray = [];
    return "";
  }
}
