"""Convert the vocabulary to a GGUF file's metadata and back.

GGUF writes a token as text with one visible character per byte (GPT-2's table), and lists the pairs that merge;
tiktoken has bytes and ranks. tiktoken merges two neighbours whenever their joined bytes are a token, so this module
writes every such pair, in the order of the resulting tokens.

Source: openai/gpt-2, src/encoder.py (the table); llama.cpp, src/llama-vocab.cpp (the keys).
"""

import functools
from collections.abc import Iterator
from pathlib import Path

import tiktoken

from gptoss_edu import bpe
from gptoss_edu.harmony.template import jinja_template
from gptoss_edu.tokenizer import checked_encoding, load_tokenizer, o200k_of_size

NORMAL, CONTROL = 1, 3  # token types
KIND, PATTERN = "gpt2", "gpt-4o"  # llama.cpp's names for byte-level BPE and for o200k's way of splitting text
# Under the name gpt-4o, which distributed files use, llama.cpp splits before combining marks (Hindi, Bengali, Yoruba
# and others). Under this name, which it has known since 2026, it does not, and takes a piece that is a token at once.
WITH_MARKS = "granite-embed-multi-97m"
OWN_PATTERN, OWN_NAME = "gptoss_edu.tokenizer.pat_str", "gptoss_edu.tokenizer.name"  # this package's own keys
ENDS = {"bos": "<|startoftext|>", "eos": "<|return|>", "padding": "<|endoftext|>"}


@functools.cache
def visible() -> dict[int, str]:
    """Return each byte's character: itself if printable, else one from 256 on, in byte order."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(others)}


def merges(ranks: dict[bytes, int]) -> Iterator[tuple[bytes, bytes]]:
    """Yield every pair of tokens that is a token when joined, the lowest rank first; 446,189 for o200k."""
    for token in sorted(ranks, key=ranks.__getitem__):
        pairs = [(token[:i], token[i:]) for i in range(1, len(token)) if token[:i] in ranks and token[i:] in ranks]
        yield from sorted(pairs, key=lambda pair: (ranks[pair[0]], ranks[pair[1]]))


def tokenizer_metadata(encoding: tiktoken.Encoding | None, vocab_size: int) -> dict:
    """Return the keys that llama.cpp, Ollama and LM Studio read, and two of our own that make reading them back exact.

    encoding : None writes a model without a vocabulary, which llama.cpp runs on token ids only
    vocab_size : of the model; ids beyond the vocabulary get names
    """
    if encoding is None:
        return {"tokenizer.ggml.model": "none"}
    table, ranks, specials = visible(), encoding._mergeable_ranks, encoding._special_tokens
    spell = functools.cache(lambda raw: "".join(table[byte] for byte in raw))
    tokens = [f"<|unused_{i}|>" for i in range(vocab_size)]
    types = [CONTROL] * vocab_size
    for raw, rank in ranks.items():
        tokens[rank], types[rank] = spell(raw), NORMAL
    for name, i in specials.items():
        tokens[i] = name
    keys = {
        "tokenizer.ggml.model": KIND, "tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.pre": PATTERN if encoding.name == "o200k_harmony" else WITH_MARKS,
        "tokenizer.ggml.merges": [f"{spell(left)} {spell(right)}" for left, right in merges(ranks)],
        "tokenizer.ggml.add_bos_token": False,
    }  # fmt: skip
    for end, name in ENDS.items():
        if name in specials:
            keys[f"tokenizer.ggml.{end}_token_id"] = specials[name]
    keys["tokenizer.chat_template"] = jinja_template(released=encoding.name == "o200k_harmony")
    return keys | {OWN_PATTERN: encoding._pat_str, OWN_NAME: encoding.name}


def read_tokenizer(metadata: dict, path: Path) -> tiktoken.Encoding | None:
    """Read a file's vocabulary: o200k_harmony if its tokens match, else one with the file's own tokens.

    None if the metadata has no vocabulary, or one of another kind.

    Errors: `TokenizerError` if tokens are missing or duplicated.
    """
    tokens, types = metadata.get("tokenizer.ggml.tokens"), metadata.get("tokenizer.ggml.token_type")
    pattern = metadata.get(OWN_PATTERN)
    if pattern is None and metadata.get("tokenizer.ggml.pre") in (PATTERN, WITH_MARKS):
        pattern = bpe.O200K_PATTERN
    if metadata.get("tokenizer.ggml.model") != KIND or not tokens or not types or pattern is None:
        return None
    byte_of = {character: byte for byte, character in visible().items()}
    ranks, specials = {}, {}
    for i, (text, kind) in enumerate(zip(tokens, types, strict=True)):
        if kind == NORMAL and all(character in byte_of for character in text):
            ranks[bytes(byte_of[character] for character in text)] = i
        else:
            specials[text] = i
    if ranks == load_tokenizer()._mergeable_ranks and (known := o200k_of_size(len(tokens))) is not None:
        return known
    last = max(ranks.values(), default=0)
    unused = {name: i for name, i in specials.items() if name.startswith("<|unused_") and i > last}
    named = {name: i for name, i in specials.items() if name not in unused}
    return checked_encoding(metadata.get(OWN_NAME, path.stem), ranks, pattern, named, str(path))
