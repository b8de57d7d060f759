// A conversation as ids, and ids as messages. The same in Python: gptoss_edu/harmony/.
//   <|start|>{author}[ to={recipient}][<|channel|>{channel}][ {content type}]<|message|>{content}<|end|>
// Conversations are the JSON of openai-harmony: {messages: [{role, name, content, channel, recipient, content_type}]}.

import { CONSTRAIN, controlTokens, HarmonyError, strip } from "./harmony_control.js";
import { StreamParser } from "./harmony_stream.js";
import { typescript } from "./typescript.js";

export const EFFORTS = ["low", "medium", "high"];
export const IDENTITY = "You are ChatGPT, a large language model trained by OpenAI.";
const CUTOFF = "2024-06";
const CHANNEL_CONFIG = { valid_channels: ["analysis", "commentary", "final"], channel_required: true };

// A system message with the reasoning effort, perhaps a developer's, and the user's question.
export function questionConversation(question, effort, instructions = "") {
  if (!EFFORTS.includes(effort))
    throw new HarmonyError(`expected a reasoning effort of ${EFFORTS.join(", ")}, found '${effort}'.`);
  const system = {
    type: "system_content",
    model_identity: IDENTITY,
    reasoning_effort: effort,
    knowledge_cutoff: CUTOFF,
    channel_config: CHANNEL_CONFIG,
  };
  const developer = instructions ? [{ role: "developer", content: [{ type: "developer_content", instructions }] }] : [];
  return { messages: [{ role: "system", content: [system] }, ...developer, { role: "user", content: question }] };
}

// Ids of a conversation and of the start of the next message; nextRole null: of the conversation alone.
// thoughts: "library" drops the analysis of finished turns as openai-harmony does, "keep" drops nothing.
export function render({ messages }, tokenizer, { nextRole = "assistant", thoughts = "library" } = {}) {
  const control = controlTokens(tokenizer);
  const text = (string) => tokenizer.encode(string);
  const functions = messages.some(({ content }) =>
    contentsOf(content).some((part) => part.type === "developer_content" && part.tools?.functions?.tools.length),
  );
  const out = [];
  for (const [index, message] of keptMessages(messages, thoughts)) {
    const { role, channel, recipient, content_type: type } = message;
    out.push(control.start, ...text(authorOf(message, index)));
    if (recipient != null && recipient !== "all") out.push(...text(` to=${recipient}`));
    if (channel != null) out.push(control.channel, ...text(channel));
    if (type != null && type.startsWith(CONSTRAIN))
      out.push(...text(" "), control.constrain, ...text(type.slice(CONSTRAIN.length)));
    else if (type != null) out.push(...text(` ${type}`));
    out.push(control.message);
    for (const part of contentsOf(message.content)) out.push(...text(contentText(part, message, index, functions)));
    out.push(role === "assistant" && recipient != null ? control.call : control.end);
  }
  return nextRole === null ? out : [...out, control.start, ...text(nextRole)];
}

const contentsOf = (content) => (typeof content === "string" ? [{ type: "text", text: content }] : content);

// [index, message] of the messages that are rendered: see gptoss_edu/harmony/thoughts.py.
function keptMessages(messages, thoughts) {
  const entries = [...messages.entries()];
  if (thoughts === "keep" || messages.findLast(({ role }) => role === "assistant")?.channel !== "final") return entries;
  const firstFinal = messages.findIndex(({ channel }) => channel === "final");
  return entries.filter(([index, { channel }]) => !(index < firstFinal && channel === "analysis"));
}

function authorOf({ role, name }, index) {
  if (role !== "tool") return name == null ? role : `${role}:${name}`;
  if (name == null)
    throw new HarmonyError(
      `message ${index} has role 'tool' and no name; give the tool's name, as in 'functions.search'.`,
    );
  return name;
}

function contentText(part, { role }, index, functions) {
  if (part.type === "text") return part.text;
  if (part.type === `${role}_content`) return role === "system" ? systemText(part, functions) : developerText(part);
  throw new HarmonyError(`message ${index}: a content of type '${part.type}' may not stand in a ${role} message.`);
}

// Identity, cutoff and date; effort; built-in tools; channels.
function systemText(content, functions) {
  const { reasoning_effort: effort, channel_config: channels, tools } = content;
  const { model_identity: identity, knowledge_cutoff: cutoff, conversation_start_date: date } = content;
  const head = identity != null ? [identity] : [];
  if (cutoff != null) head.push(`Knowledge cutoff: ${cutoff}`);
  if (date != null) head.push(`Current date: ${date}`);
  const sections = head.length ? [head.join("\n")] : [];
  if (effort != null) sections.push(`Reasoning: ${effort.toLowerCase()}`);
  if (tools && Object.keys(tools).length) sections.push(toolsText(tools));
  if (channels?.valid_channels.length) {
    let line = `# Valid channels: ${channels.valid_channels.join(", ")}.`;
    if (channels.channel_required) line += " Channel must be included for every message.";
    if (functions) line += "\nCalls to these tools must go to the commentary channel: 'functions'.";
    sections.push(line);
  }
  return sections.join("\n\n");
}

function developerText({ instructions, tools }) {
  const sections = instructions == null ? [] : ["# Instructions", instructions];
  return [...sections, ...(tools && Object.keys(tools).length ? [toolsText(tools)] : [])].join("\n\n");
}

function toolsText(tools) {
  const names = Object.keys(tools).sort();
  return ["# Tools", ...names.map((name) => namespaceText(tools[name]))].join("\n\n");
}

function namespaceText({ name, description, tools }) {
  const lines = [`## ${name}\n`, ...linesOf(description ?? "").map((line) => (tools.length ? "// " : "") + line)];
  if (tools.length) {
    lines.push(`namespace ${name} {\n`);
    for (const tool of tools) {
      const takes = tool.parameters == null ? "" : `_: ${typescript(tool.parameters)}`;
      lines.push(...linesOf(tool.description).map((line) => `// ${line}`), `type ${tool.name} = (${takes}) => any;\n`);
    }
    lines.push(`} // namespace ${name}`);
  }
  return lines.join("\n");
}

// Lines at line feeds, each without its line end; no empty last line.
function linesOf(text) {
  const lines = text.split("\n");
  const last = lines.pop();
  return [...lines.map((line) => line.replace(/\r$/, "")), ...(last ? [last] : [])];
}

// {messages, repairs, rest, partial} of ids: a whole conversation, or (role "assistant") what a model wrote.
export function parse(ids, tokenizer, options = {}) {
  const parser = new StreamParser(tokenizer, options);
  for (const id of ids) parser.process(id);
  parser.flush();
  const { messages, repairs, rest, partial } = parser;
  return { messages, repairs, rest, partial };
}

// The text of the last message on the final channel, without blanks around it; "" where there is none.
export function finalText(ids, tokenizer) {
  const role = ids[0] === controlTokens(tokenizer).start ? null : "assistant";
  const finals = parse(ids, tokenizer, { strict: false, role }).messages.filter(({ channel }) => channel === "final");
  return finals.length ? strip(finals.at(-1).text) : "";
}
