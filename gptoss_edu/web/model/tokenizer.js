// Byte-pair encoding: cut text into pieces, then in each piece join the pair of lowest rank until none is left.
// The same in Python: gptoss_edu/bpe.py. Bytes are kept as strings of one letter per byte, which a Map can look up.

export class Tokenizer {
  // ranks: the text of tokenizer.tiktoken, a line "base64 rank" per token; meta: tokenizer.meta.json.
  constructor(ranks, meta) {
    this.ranks = new Map();
    this.bytes = []; // by id
    for (const line of ranks.split("\n")) {
      const [base64, rank] = line.split(" ");
      if (rank === undefined) continue;
      this.bytes[Number(rank)] = atob(base64);
      this.ranks.set(atob(base64), Number(rank));
    }
    this.name = meta.name;
    this.specials = meta.special_tokens; // name → id
    this.names = []; // id → name, of control tokens alone
    for (const [name, id] of Object.entries(this.specials)) this.bytes[id] = this.names[id] = name;
    this.pattern = new RegExp(translated(meta.pat_str), "gu");
    this.seen = new Map();
  }

  // Ordinary text: whatever it spells, no control token comes of it.
  encode(text) {
    return Array.from(text.matchAll(this.pattern), ([piece]) => this.encodePiece(piece)).flat();
  }

  encodePiece(piece) {
    if (!this.seen.has(piece)) {
      if (this.seen.size > 20000) this.seen.clear();
      const bytes = letters(new TextEncoder().encode(piece)); // half a surrogate pair becomes U+FFFD, as in tiktoken
      this.seen.set(piece, this.ranks.has(bytes) ? [this.ranks.get(bytes)] : this.merge(bytes));
    }
    return this.seen.get(piece);
  }

  merge(bytes) {
    const parts = [...bytes];
    const rankAt = (i) =>
      i >= 0 && i + 1 < parts.length ? (this.ranks.get(parts[i] + parts[i + 1]) ?? Infinity) : Infinity;
    const ranks = parts.map((_, i) => rankAt(i)); // of the pair that starts at i
    for (;;) {
      let at = 0;
      for (let i = 1; i < ranks.length; i++) if (ranks[i] < ranks[at]) at = i;
      if (ranks[at] === Infinity) return parts.map((part) => this.ranks.get(part));
      parts.splice(at, 2, parts[at] + parts[at + 1]);
      ranks.splice(at, 1);
      ranks[at] = rankAt(at);
      if (at > 0) ranks[at - 1] = rankAt(at - 1);
    }
  }

  knows(id) {
    return this.bytes[id] !== undefined;
  }

  // The bytes of a token; for an id outside the vocabulary, its number in angle brackets.
  tokenBytes(id) {
    return Uint8Array.from(this.bytes[id] ?? `<${id}>`, (letter) => letter.charCodeAt(0));
  }

  decodeBytes(ids) {
    const pieces = ids.map((id) => this.tokenBytes(id));
    const out = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
    let at = 0;
    for (const piece of pieces) {
      out.set(piece, at);
      at += piece.length;
    }
    return out;
  }

  // Bytes that are no UTF-8, such as half a character, become U+FFFD; with `fatal` they throw.
  decode(ids, fatal = false) {
    return new TextDecoder("utf-8", { ignoreBOM: true, fatal }).decode(this.decodeBytes(ids));
  }
}

function letters(bytes) {
  let out = "";
  for (const byte of bytes) out += String.fromCharCode(byte);
  return out;
}

// A pattern of tiktoken in JavaScript: \s is another set of characters here, and browsers before 2025 know no (?i:…).
function translated(pattern) {
  const either = { s: "[sSſ]", k: "[kK\u212a]" }; // letters with a third form
  return pattern
    .replace(
      /\(\?i:([^()]*)\)/g,
      (_, inside) =>
        "(?:" +
        inside.replace(/[a-z]/gi, (c) => either[c.toLowerCase()] ?? `[${c.toLowerCase()}${c.toUpperCase()}]`) +
        ")",
    )
    .replaceAll("\\s", "\\p{White_Space}")
    .replaceAll("\\S", "\\P{White_Space}");
}
