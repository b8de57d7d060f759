"""Parsing whole token sequences; `stream.py` does the work.

Strict parsing accepts nothing that openai-harmony 0.0.8 refuses. Where it differs, it is stricter, or reads better:

- A control token inside a content or a header is an error; there it becomes text, and a message whose `<|end|>` is
  missing swallows the next one.
- Headers are read by id; there the header is decoded first, so a tool's name that spells `<|channel|>` sets the
    channel.
- A lone word after the channel (`final json`) is a content type; there it is a recipient. A word that is neither a
known
  content type nor `to=…` is an error.
- An unknown author must answer somebody (`to=…`) to count as a tool; there any second word will do.
- A message that names its user (`user:ada`) is written by both and read strictly by neither; lenient parsing reads it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import tiktoken

from .messages import Message
from .stream import Repair, StreamParser


@dataclass(frozen=True)
class ParseReport:
    """What a parse found.

    messages : in order. repairs : what a lenient parse repaired, with the text that was left out. rest : ids of a
    header that only names an author, as a prompt's end does. partial : whether the last message was cut off; a call
    that was cut off must not be run.
    """

    messages: list[Message]
    repairs: list[Repair]
    rest: list[int]
    partial: bool


def parse(
    tokens: Iterable[int],
    strict: bool = True,
    encoding: tiktoken.Encoding | None = None,
    *,
    role: str | None = None,
) -> list[Message]:
    """Messages of a token sequence.

    Parameters
    ----------
    tokens : ids; a whole conversation, or what a model sampled (then say role="assistant").
    strict : refuse what the format does not allow; otherwise repair it and never raise.
    encoding : any encoding with harmony's control tokens; None means o200k_harmony.
    role : whose turn the prompt had opened, or None where the tokens start with `<|start|>`.

    Raises
    ------
    HarmonyError : strict only; position, what was expected and what was found.
    """
    return parse_report(tokens, strict, encoding, role=role).messages


def parse_report(
    tokens: Iterable[int],
    strict: bool = False,
    encoding: tiktoken.Encoding | None = None,
    *,
    role: str | None = None,
) -> ParseReport:
    """parse(), with the repairs made, what is left, and whether the end is cut off. Parameters as there."""
    parser = StreamParser(strict, encoding, role)
    parser.feed(tokens.tolist() if hasattr(tokens, "tolist") else tokens)
    parser.flush()
    return ParseReport(parser.messages, parser.repairs, parser.rest, parser.partial)
