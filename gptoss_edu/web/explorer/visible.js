// The text of tokens, so that all of it can be seen.

// Spaces, control characters, marks that turn the direction of writing, and bytes that are no code point become
// visible.
export function visibleText(bytes) {
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return "‹" + [...bytes].map((b) => b.toString(16).padStart(2, "0")).join(" ") + "›";
  }
  return visible(text);
}

export function visible(text) {
  return text
    .replace(/\r?\n/g, "↵")
    .replace(/\t/g, "⇥")
    .replace(/ /g, "·")
    .replace(
      /[\u0000-\u001f\u007f-\u00a0\u00ad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]/g,
      (c) => {
        return "‹U+" + c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0") + "›";
      },
    );
}
