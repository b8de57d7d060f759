// Shared by all parts of harmony: control tokens by name, roles, channels, and Python's idea of white space.

export const ROLES = ["system", "developer", "user", "assistant", "tool"]; // falling authority
export const CHANNELS = ["analysis", "commentary", "final"];
export const CONSTRAIN = "<|constrain|>";
export const STOPS = ["<|return|>", "<|call|>", "<|endoftext|>"]; // not <|end|>: an answer follows the thoughts

// Name without its brackets → id, and `ends`, the ids that end a message.
export function controlTokens({ specials }) {
  const control = Object.fromEntries(Object.entries(specials).map(([name, id]) => [name.slice(2, -2), id]));
  return { ...control, ends: [control.end, control.return, control.call] };
}

export function stopTokens({ specials }) {
  return STOPS.filter((name) => name in specials).map((name) => specials[name]);
}

export const SPACE = "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const SPACES = new RegExp(SPACE + "+");
const AROUND = new RegExp(`^${SPACE}+|${SPACE}+$`, "g");

export function splitWords(text) {
  return text.split(SPACES).filter(Boolean);
}

export function strip(text) {
  return text.replace(AROUND, "");
}

export function isSpace(letter) {
  return letter !== undefined && letter !== "" && strip(letter) === "";
}

export class HarmonyError extends Error {}

// Whether text between messages may still turn out to be a header that lost its <|start|>: a role, then perhaps to=…
export function mayBecomeHeader(text) {
  if ([...text].length > 100) return false;
  const [author, ...more] = strip(text + "|")
    .slice(0, -1)
    .split(" ");
  if (!more.length) return ROLES.some((role) => role.startsWith(author));
  const rest = more.join(" ");
  return ROLES.includes(author) && (rest.startsWith("to=") || "to=".startsWith(rest));
}
