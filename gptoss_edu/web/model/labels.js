// Which message, role, channel and section every token belongs to. The same in Python: gptoss_edu/trace/labels.py.

import { controlTokens, ROLES, strip } from "./harmony_control.js";
import { parseHeaderLenient, parseHeaderUnfinished } from "./harmony_repairs.js";

export const TABLES = {
  roles: ["none", ...ROLES],
  channels: ["none", "analysis", "commentary", "final"],
  sections: ["none", "control", "header", "content"],
  kinds: ["control", "digit", "word", "word part", "space", "punctuation", "bytes"],
};

// {role, channel, section, kind, message}: an array each, with a number per token; the names are in TABLES.
export function labelTokens(ids, tokenizer) {
  const control = controlTokens(tokenizer);
  const { kinds } = TABLES;
  const out = { message: new Int16Array(ids.length).fill(-1) };
  for (const name of ["role", "channel", "section", "kind"]) out[name] = new Uint8Array(ids.length);
  ids.forEach(
    (id, i) => (out.kind[i] = kinds.indexOf(tokenKind(tokenizer.tokenBytes(id), tokenizer.names[id] !== undefined))),
  );
  const starts = [...ids.keys()].filter((i) => ids[i] === control.start);
  starts.forEach((start, number) => {
    const following = starts[number + 1] ?? ids.length;
    const end = ids.findIndex((id, i) => i >= start && i < following && control.ends.includes(id));
    labelMessage(out, ids, tokenizer, control, start, end < 0 ? following : end + 1, number);
  });
  return out;
}

function labelMessage(out, ids, tokenizer, control, start, stop, number) {
  const { roles, channels, sections } = TABLES;
  const tokens = ids.slice(start, stop);
  const body = tokens.includes(control.message) ? tokens.indexOf(control.message) : tokens.length;
  const author = tokens.slice(1, body);
  const reader = { tokenizer, control, textOf: (run) => tokenizer.decode(run) };
  const unfinished = author.filter((id) => !control.ends.includes(id));
  const whole = body < tokens.length;
  const header = whole ? parseHeaderLenient(author, reader, null) : parseHeaderUnfinished(unfinished, reader, null)[0];
  tokens.forEach((id, i) => {
    const section = tokenizer.names[id] !== undefined ? "control" : i < body ? "header" : "content";
    out.message[start + i] = number;
    out.role[start + i] = author.length ? Math.max(0, roles.indexOf(header.role)) : 0;
    out.channel[start + i] = Math.max(0, channels.indexOf(header.channel));
    out.section[start + i] = sections.indexOf(section);
  });
}

// One of TABLES.kinds; a word starts with a space or a capital.
export function tokenKind(bytes, isControl) {
  if (isControl) return "control";
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return "bytes";
  }
  const body = strip(text);
  if (!body) return "space";
  if (/^[\p{Nd}¹²³⁰⁴-⁹₀-₉①-⑨]+$/u.test(body)) return "digit";
  if (/\p{L}/u.test(body)) return strip(text[0]) === "" || /^\p{Uppercase}/u.test(text) ? "word" : "word part";
  return "punctuation";
}
