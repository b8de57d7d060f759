"""Parse whole token sequences; `stream.py` does the work.

Strict parsing accepts nothing that openai-harmony 0.0.8 refuses. Where the two differ, this one is stricter or reads
more correctly ("there" is openai-harmony):

- A control token inside a content or a header is an error; there it becomes text, and a message whose `<|end|>` is
  missing swallows the next one.
- Headers are read by id; there the header is decoded first, so a tool's name that spells `<|channel|>` sets the
    channel.
- A lone word after the channel (`final json`) is a content type; there it is a recipient. A word that is neither
  a known content type nor `to=…` is an error.
- An unknown author must answer somebody (`to=…`) to count as a tool; there any second word is enough.
- Both write a message that names its user (`user:ada`), and neither reads it strictly; lenient parsing does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import tiktoken

from .messages import Message
from .stream import Repair, StreamParser


@dataclass(frozen=True)
class ParseReport:
    """The result of a parse.

    messages : in order. repairs : what a lenient parse repaired, with the text that was left out. rest : ids of a
        header  only names an author, as at a prompt's end. partial : the last message was cut off; never run a call
        that was.
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
    """Parse the messages of a token sequence.

    Parameters
    ----------
    tokens : ids; a whole conversation, or what a model sampled (then say role="assistant").
    strict : refuse what the format does not allow; otherwise repair it and never raise.
    encoding : any encoding with harmony's control tokens; None means o200k_harmony.
    role : whose turn the prompt opened, or None if the tokens start with `<|start|>`.

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
    """Parse, and report the repairs, what is left over, and whether the end is cut off. Parameters as for `parse`."""
    parser = StreamParser(strict, encoding, role)
    parser.feed(tokens.tolist() if hasattr(tokens, "tolist") else tokens)
    parser.flush()
    return ParseReport(parser.messages, parser.repairs, parser.rest, parser.partial)
