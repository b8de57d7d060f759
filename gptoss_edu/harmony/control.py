"""Harmony's control tokens in one encoding, looked up by name: gpt-oss-tiny's ids differ from o200k_harmony's.

Source: OpenAI, "OpenAI harmony response format", section Special tokens.
"""

from __future__ import annotations

from functools import lru_cache

import tiktoken

from gptoss_edu.errors import HarmonyError

NAMES = ("start", "end", "message", "channel", "constrain", "return", "call")
CONSTRAIN = "<|constrain|>"


class ControlTokens:
    """The ids of one encoding's control tokens, and the text of its ordinary ones.

    Attributes
    ----------
    start, end, message, channel, constrain, return_, call, endoftext : token ids (endoftext is None if the encoding has
        none).
    ends : frozenset; the ids that end a message (`<|end|>`, `<|return|>`, `<|call|>`).
    stops : list; the ids at which sampling stops (`<|return|>`, `<|call|>`, `<|endoftext|>`): `<|end|>` is not one,
        since a chain of thought ends with it before the answer.
    specials : dict id → name of every special token, including unused ones.
    """

    def __init__(self, encoding: tiktoken.Encoding):
        special = encoding._special_tokens
        missing = [f"<|{name}|>" for name in NAMES if f"<|{name}|>" not in special]
        if missing:
            raise HarmonyError(
                f"encoding {encoding.name!r} has no {', '.join(missing)}: harmony needs an encoding with its control "
                "tokens, such as load_tokenizer('o200k_harmony')."
            )
        self.start, self.end, self.message, self.channel, self.constrain, self.return_, self.call = (
            special[f"<|{name}|>"] for name in NAMES
        )
        self.endoftext = special.get("<|endoftext|>")
        self.specials = {token: name for name, token in special.items()}
        self.ends = frozenset((self.end, self.return_, self.call))
        self.stops = [token for token in (self.return_, self.call, self.endoftext) if token is not None]
        self.n_vocab = encoding.n_vocab


@lru_cache(maxsize=8)
def control_tokens(encoding: tiktoken.Encoding) -> ControlTokens:
    """Return the control tokens of an encoding (cached)."""
    return ControlTokens(encoding)


class TokenTexts(dict):
    """Token id → its text, or None if it is not complete UTF-8; filled on first use."""

    def __init__(self, encoding: tiktoken.Encoding):
        super().__init__()
        self.encoding = encoding

    def __missing__(self, token: int) -> str | None:
        try:
            text = self.encoding.decode_single_token_bytes(token).decode("utf-8")
        except UnicodeDecodeError:
            text = None
        self[token] = text
        return text


@lru_cache(maxsize=8)
def token_texts(encoding: tiktoken.Encoding) -> TokenTexts:
    """Return the texts of an encoding's tokens (cached); control tokens are never text."""
    texts = TokenTexts(encoding)
    for token in control_tokens(encoding).specials:
        texts[token] = None
    return texts


@lru_cache(maxsize=1)
def _default_encoding() -> tiktoken.Encoding:
    from gptoss_edu.tokenizer import load_tokenizer

    return load_tokenizer("o200k_harmony")


def resolve_encoding(encoding: tiktoken.Encoding | None) -> tiktoken.Encoding:
    """Return the given encoding, or o200k_harmony."""
    return _default_encoding() if encoding is None else encoding


def stop_tokens(encoding: tiktoken.Encoding | None = None) -> list[int]:
    """Return the ids at which sampling must stop: `<|return|>`, `<|call|>`, `<|endoftext|>`; never `<|end|>`."""
    return list(control_tokens(resolve_encoding(encoding)).stops)
