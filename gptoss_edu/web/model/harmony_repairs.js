// Headers as models get them wrong, read all the same. The same in Python: gptoss_edu/harmony/headers.py.

import { CHANNELS, CONSTRAIN, ROLES, SPACE, splitWords } from "./harmony_control.js";
import { CONTENT_TYPES, emptyHeader, splitHeader } from "./harmony_headers.js";

// Any header at all; what does not fit ends in `words`, and each repair in `problems`.
export function parseHeaderLenient(ids, reader, role) {
  const { tokenizer, control } = reader;
  const header = emptyHeader(role);
  for (const [key, text] of splitHeader(ids, reader)) {
    let words = splitWords(text);
    if (key === null) {
      if (role === null) words = readAuthor(header, words);
      else if (words[0] === header.role) words.shift();
    } else if (key === control.channel) words = readChannel(header, words);
    else if (key === control.constrain) {
      const word = words.shift() ?? "";
      if (header.contentType === null) header.contentType = CONSTRAIN + word;
      else {
        header.problems.push(`second content type ${CONSTRAIN}${word}`);
        if (word) header.words.push(word);
      }
    } else header.problems.push(`${tokenizer.names[key]} in a header`);
    for (const word of words) readWord(header, word);
  }
  if (!header.role) {
    header.role = "assistant";
    header.problems.push("no author: taken for the assistant's");
  }
  return header;
}

function readAuthor(header, words) {
  if (!words.length || words[0].startsWith("to=")) return words;
  const [first] = words;
  const author = first.split(":")[0];
  const name = first.slice(author.length + 1);
  if (ROLES.includes(first) || (ROLES.includes(author) && name))
    [header.role, header.name] = [author, name || (author === "tool" ? "tool" : null)];
  else {
    const known = ROLES.find((role) => role !== "tool" && first.startsWith(role + "<|"));
    [header.role, header.name] = known ? [known, null] : ["tool", first];
    if (known) {
      header.problems.push(`author '${first}': taken for ${known}`);
      header.words.push(first.slice(known.length));
    }
  }
  return words.slice(1);
}

function readChannel(header, words) {
  if (!words.length || words[0].startsWith("to=")) {
    header.problems.push("<|channel|> without a channel");
    return words;
  }
  const [first] = words;
  if (header.channel !== null) {
    header.problems.push(`second channel '${first}'`);
    header.words.push(header.channel);
  }
  header.channel = first;
  // "analysisto=…", "final<|constrain|>" spelled as text, and the like
  for (const channel of CHANNELS)
    if (first !== channel && (first.startsWith(channel + "to=") || first.startsWith(channel + "<|"))) {
      header.channel = channel;
      header.problems.push(`channel '${first}': taken for '${channel}'`);
      return [first.slice(channel.length), ...words.slice(1)];
    }
  return words.slice(1);
}

function readWord(header, word) {
  const { channel, recipient, contentType } = header;
  if (word.startsWith("to=") && word.length > 3) {
    if (recipient === null) return void (header.recipient = word.slice(3));
    if (recipient !== word.slice(3)) header.problems.push(`second recipient '${word}'`);
    header.words.push(word);
  } else if (contentType === null && (channel === "final" || CONTENT_TYPES.includes(word) || recipient))
    header.contentType = word;
  else if (recipient === null && ["analysis", "commentary"].includes(channel) && /^[^<]*\.[^<]*$/.test(word)) {
    header.recipient = word;
    header.problems.push(`recipient '${word}' without 'to='`);
  } else {
    header.problems.push(`left-over word '${word}'`);
    header.words.push(word);
  }
}

const WORD = SPACE.replace("[", "[^<{");
const TO = `(?:${SPACE}+to=(${WORD}+))?`;
const UNFINISHED = {
  author: new RegExp(`^${SPACE}*(${WORD}*)${TO}(.*)$`, "s"),
  channel: new RegExp(`^(${WORD}*)${TO}(.*)$`, "s"),
  constrain: new RegExp(`^${SPACE}*((?:${CONTENT_TYPES.join("|")})?)()(.*)$`, "s"),
};

// A header whose <|message|> never came: [header, the text that was meant as content].
export function parseHeaderUnfinished(ids, reader, role) {
  const { control } = reader;
  const header = emptyHeader(role);
  const content = [];
  for (const [key, text] of splitHeader(ids, reader)) {
    const section = key === null ? "author" : key === control.channel ? "channel" : "constrain";
    const [, word, to, rest] = UNFINISHED[section].exec(text);
    if (section === "author" && role !== null && word !== "" && word !== role) {
      content.push(text);
      continue;
    }
    if (section === "author") {
      if (role === null) content.push(...readAuthor(header, word ? [word] : []));
    } else if (section === "channel" && header.channel === null && word) header.channel = word;
    else if (section === "constrain" && key === control.constrain && header.contentType === null)
      header.contentType = CONSTRAIN + word;
    else content.push(word);
    if (to && header.recipient !== null) content.push(" to=" + to);
    header.recipient ??= to || null;
    content.push(rest);
  }
  header.role ||= "assistant";
  return [header, content.join("").replace(/^ /, "")];
}
