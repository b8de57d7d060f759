// Message headers: the tokens between <|start|> and <|message|>. The same in Python: gptoss_edu/harmony/headers.py.
//   {author}[ to={recipient}][<|channel|>{channel}[ to={recipient}]][ {content type}]
// Headers are read by id, so a name that spells a control token stays a name.

import { CONSTRAIN, HarmonyError, isSpace, ROLES, splitWords } from "./harmony_control.js";

export const CONTENT_TYPES = ["json", "code", "text", "markdown", "python"]; // lone words that are never a recipient

export function emptyHeader(role) {
  return { role: role ?? "", name: null, channel: null, recipient: null, contentType: null, words: [], problems: [] };
}

// [[control id or null, the text that follows], …]. A reader holds a tokenizer, its control tokens, and `textOf`, which
// decodes ordinary ids.
export function splitHeader(ids, { tokenizer, textOf }) {
  const parts = [];
  let key = null;
  let run = [];
  for (const id of ids)
    if (tokenizer.names[id] !== undefined) {
      parts.push([key, textOf(run)]);
      [key, run] = [id, []];
    } else run.push(id);
  return [...parts, [key, textOf(run)]];
}

// A well-formed header, or a HarmonyError that says where it stands. role: what the prompt already gave, or null.
export function parseHeaderStrict(ids, reader, role, where) {
  const { tokenizer, control } = reader;
  const parts = splitHeader(ids, reader);
  const order = parts.slice(1).map(([key]) => key);
  const shown = JSON.stringify(parts.map(([key, text]) => (tokenizer.names[key] ?? "") + text).join(""));
  const refuse = (why) => {
    throw new HarmonyError(`header at token ${where}, ${shown}: ${why}.`);
  };
  const { channel, constrain } = control;
  if (!["", `${channel}`, `${constrain}`, `${channel},${constrain}`].includes(order.join()))
    refuse(`expected at most <|channel|> and then <|constrain|>, found ${order.map((key) => tokenizer.names[key])}`);
  const words = []; // [section, word]
  for (const [key, text] of parts) {
    const section = key === null ? "author" : key === control.channel ? "channel" : "constrain";
    if (key !== null && (!text || isSpace([...text][0])) && !(section === "constrain" && !text))
      refuse(`expected a word right after ${tokenizer.names[key]}, found ${JSON.stringify(text.slice(0, 10))}`);
    for (const word of splitWords(text)) {
      if (word.includes("<|")) refuse(`'${word}' spells a control token in ordinary text: a name cannot hold '<|'`);
      words.push([section, word]);
    }
    if (section === "constrain" && !text) words.push([section, ""]);
    if ([...text].some((letter) => isSpace(letter) && !" \t\n\r\f".includes(letter)))
      refuse("expected plain spaces between words, found another kind of white space");
  }
  const header = emptyHeader(role);
  if (role === null) {
    if (words[0]?.[0] !== "author") refuse("expected a role or a tool's name after <|start|>");
    header.name = words.shift()[1];
  } else if (words[0]?.[0] === "author" && words[0][1] === role) words.shift();
  if (order[0] === control.channel) {
    const at = words.findIndex(([section]) => section === "channel");
    header.channel = words.splice(at, 1)[0][1];
    if (header.channel.includes("<")) refuse(`channel '${header.channel}': a channel cannot hold '<'`);
  }
  takeRecipientAndType(header, words, refuse);
  if (role === null) settleAuthor(header, refuse);
  return header;
}

function takeRecipientAndType(header, words, refuse) {
  if (words[0]?.[1].startsWith("to=") && words[0][0] !== "constrain") {
    header.recipient = words.shift()[1].slice(3);
    if (!header.recipient) refuse("expected a name after 'to='");
  }
  if (!words.length) return;
  const [section, word] = words.shift();
  if (words.length) refuse(`expected the header to end after '${word}', found '${words[0][1]}'`);
  if (section === "constrain") header.contentType = CONSTRAIN + word;
  else if (word.startsWith("to=")) refuse(`expected one recipient, found a second: '${word}'`);
  else if (ROLES.includes(word)) refuse(`'${word}' is a role, but the author is already known`);
  else if (header.recipient !== null || header.channel === "final" || CONTENT_TYPES.includes(word))
    header.contentType = word;
  else refuse(`'${word}' is neither a recipient ('to=${word}') nor a content type (${CONTENT_TYPES.join(", ")})`);
}

// The first word is a role, or else a tool's name; a tool always answers somebody.
function settleAuthor(header, refuse) {
  const { name } = header;
  if (ROLES.includes(name)) [header.role, header.name] = [name, name === "tool" ? "tool" : null];
  else if (ROLES.includes(name.split(":")[0]))
    refuse(`'${name}' names its author beside the role, which only lenient parsing accepts`);
  else if (header.recipient === null)
    refuse(`'${name}' is not a role (${ROLES.join(", ")}); a tool's result names its recipient, 'to=assistant'`);
  else header.role = "tool";
}
