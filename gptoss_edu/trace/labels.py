"""Label every token of a harmony text with its message, role, channel and section, from the ids alone.

The labels come from the tokens that the model itself saw or wrote, so they also work for text that no
renderer made: a completion, a cut-off answer, a malformed header.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from gptoss_edu.harmony.control import ControlTokens, control_tokens
from gptoss_edu.harmony.headers import parse_header_lenient, parse_header_unfinished

from .record import CHANNELS, KINDS, ROLES, SECTIONS

CLOSING = ("<|end|>", "<|return|>", "<|call|>")


def label_tokens(tokens, encoding) -> dict[str, np.ndarray]:
    """Label every token.

    Parameters
    ----------
    tokens : (t,) token ids.
    encoding : tiktoken.Encoding, or None (then everything is labelled "none").

    Returns
    -------
    dict with role, channel, section, kind (t,) uint8 and message (t,) int16, as in `gptoss_edu.trace.record`.
    """
    ids = [int(token) for token in tokens]
    out = {name: np.zeros(len(ids), np.uint8) for name in ("role", "channel", "section", "kind")}
    out["message"] = np.full(len(ids), -1, np.int16)
    if encoding is None:
        out["kind"][:] = KINDS.index("bytes")
        return out
    control = control_tokens(encoding)
    pieces = [token_bytes(token, encoding) for token in ids]
    out["kind"][:] = [
        KINDS.index(token_kind(piece, token in control.specials)) for piece, token in zip(pieces, ids, strict=True)
    ]
    for number, (start, stop) in enumerate(_messages(ids, control)):
        _label_message(out, ids, control, encoding, slice(start, stop), number)
    return out


def token_bytes(token: int, encoding) -> bytes:
    """Return a token's bytes; for an id outside the vocabulary, its number in brackets."""
    try:
        return encoding.decode_single_token_bytes(int(token))
    except KeyError:
        return f"<{int(token)}>".encode()


def token_kind(piece: bytes, is_control: bool = False) -> str:
    """Return one of `KINDS`: control, digit, word (after a space, or capital), word part, space, punctuation, bytes."""
    if is_control:
        return "control"
    try:
        text = piece.decode("utf-8")
    except UnicodeDecodeError:
        return "bytes"
    body = text.strip()
    if not body:
        return "space"
    if all(c.isdigit() for c in body):
        return "digit"
    if any(unicodedata.category(c).startswith("L") for c in body):
        return "word" if text[:1].isspace() or text[:1].isupper() else "word part"
    return "punctuation"


def _messages(ids: list[int], control: ControlTokens) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of every message: from <|start|> to its closing token, or to the next <|start|>."""
    closing = {token for token, name in control.specials.items() if name in CLOSING}
    starts = [i for i, token in enumerate(ids) if token == control.start]
    for start, following in pairwise([*starts, len(ids)]):
        end = next((i for i in range(start, following) if ids[i] in closing), following - 1)
        yield start, end + 1


def _label_message(out, ids, control: ControlTokens, encoding, at: slice, number: int) -> None:
    """Label one message; its header is read by id, as in harmony."""
    tokens = ids[at]
    body = tokens.index(control.message) if control.message in tokens else len(tokens)

    def text_of(run) -> str:
        return b"".join(token_bytes(token, encoding) for token in run).decode("utf-8", "replace")

    author = tokens[1:body]
    if body < len(tokens):
        header = parse_header_lenient(author, control, text_of, None)
    else:
        closing = {token for token, name in control.specials.items() if name in CLOSING}
        header, _ = parse_header_unfinished([t for t in author if t not in closing], control, text_of, None)
    role = header.role if author and header.role in ROLES else "none"
    out["message"][at] = number
    out["role"][at] = ROLES.index(role)
    out["channel"][at] = CHANNELS.index(header.channel if header.channel in CHANNELS else "none")
    for i, token in enumerate(tokens):
        section = "control" if token in control.specials else ("header" if i < body else "content")
        out["section"][at.start + i] = SECTIONS.index(section)
