"""Which message, role, channel and section every token of a harmony text belongs to, read from the ids alone.

The labels come from the tokens that the model itself saw or wrote, so they also hold for text that no renderer made:
a completion, a cut-off answer, a malformed header.
"""

from __future__ import annotations

import unicodedata

import numpy as np

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
    control = _control_names(encoding)
    pieces = [token_bytes(token, encoding) for token in ids]
    out["kind"][:] = [
        KINDS.index(token_kind(piece, token in control)) for piece, token in zip(pieces, ids, strict=True)
    ]
    for start, stop, message in _messages(ids, control):
        _label_message(out, ids, pieces, control, start, stop, message)
    return out


def token_bytes(token: int, encoding) -> bytes:
    """A token's bytes; an id outside the vocabulary gives its number in brackets."""
    try:
        return encoding.decode_single_token_bytes(int(token))
    except KeyError:
        return f"<{int(token)}>".encode()


def token_kind(piece: bytes, is_control: bool = False) -> str:
    """One of `KINDS`: control, digit, word (starts with a space or a capital), word part, space, punctuation, bytes."""
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


def _control_names(encoding) -> dict[int, str]:
    return {encoding.encode_single_token(name): name for name in encoding.special_tokens_set}


def _messages(ids: list[int], control: dict[int, str]):
    """(start, stop, number) of every message: from <|start|> to its closing token, or to the next <|start|>."""
    starts = [i for i, token in enumerate(ids) if control.get(token) == "<|start|>"]
    for number, start in enumerate(starts):
        stop = starts[number + 1] if number + 1 < len(starts) else len(ids)
        closing = next((i for i in range(start, stop) if control.get(ids[i]) in CLOSING), stop - 1)
        yield start, closing + 1, number


def _label_message(out, ids, pieces, control, start, stop, number) -> None:
    names = [control.get(ids[i], "") for i in range(start, stop)]
    body = names.index("<|message|>") if "<|message|>" in names else len(names)
    header = "".join(
        f" {names[i]} " if names[i] else pieces[start + i].decode("utf-8", "replace") for i in range(1, body)
    )
    role, channel = _role_and_channel(header)
    out["message"][start:stop] = number
    out["role"][start:stop] = ROLES.index(role)
    out["channel"][start:stop] = CHANNELS.index(channel)
    for i, name in enumerate(names):
        section = "control" if name else ("header" if i < body else "content")
        out["section"][start + i] = SECTIONS.index(section)


def _role_and_channel(header: str) -> tuple[str, str]:
    before, _, after = header.partition("<|channel|>")
    first = before.split()[0] if before.split() else ""
    role = first if first in ROLES[1:] else ("tool" if "." in first or "to=" in before else "none")
    channel = after.split()[0] if after.split() else "none"
    return role, channel if channel in CHANNELS else "none"
