"""Turn tokens into events: a message begins, a piece of its text, the message ends.

Everything that shows or sends an answer while it is written uses this module (chat, generate, the notebook's display,
the server). So no text is kept that was not shown, and none is shown without its channel.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import tiktoken

from .messages import Message
from .stream import CONTENT, Repair, StreamParser


@dataclass(frozen=True)
class Begins:
    """A message's header is complete. `number` tells messages apart: 0, 1, …"""

    number: int
    role: str
    channel: str | None = None
    recipient: str | None = None
    content_type: str | None = None


@dataclass(frozen=True)
class Piece:
    """A piece of a message's text, as it becomes complete UTF-8; never empty."""

    text: str
    channel: str | None
    recipient: str | None
    number: int


@dataclass(frozen=True)
class Ends:
    """A message is complete, or `partial`: cut off where the tokens ended."""

    number: int
    message: Message
    partial: bool = False


@dataclass(frozen=True)
class Repaired:
    """The tokens were not valid harmony; this is the repair."""

    repair: Repair


Happening = Begins | Piece | Ends | Repaired


class PieceReader:
    """Reads tokens one at a time. The joined pieces of a message are its text; flush() returns the rest.

    encoding : any encoding with harmony's control tokens; None means o200k_harmony.
    role : whose turn the prompt opened; None if the tokens start with `<|start|>`.
    """

    def __init__(self, encoding: tiktoken.Encoding | None = None, role: str | None = "assistant"):
        self.parser = StreamParser(strict=False, encoding=encoding, role=role)
        self._ended, self._repairs, self._begun = 0, 0, False

    def take(self, token: int) -> list[Happening]:
        """Take one token; return the events that it causes, in order."""
        return self._happenings(self.parser.process(token), partial=False)

    def flush(self) -> list[Happening]:
        """End the stream, perhaps in the middle of a message; return the remaining events."""
        return self._happenings(self.parser.flush(), partial=True)

    def read(self, tokens: Iterable[int]) -> Iterator[Happening]:
        """Yield all events of these tokens, including the end."""
        for token in tokens:
            yield from self.take(token)
        yield from self.flush()

    def _happenings(self, text: str, partial: bool) -> list[Happening]:
        parser = self.parser
        out: list[Happening] = []
        for message in parser.messages[self._ended :]:  # the text belongs to the message that it completes
            if not self._begun:  # a header without its <|message|>
                out.append(_begins(self._ended, message))
            if text:
                out.append(Piece(text, message.channel, message.recipient, self._ended))
            out.append(Ends(self._ended, message, partial and parser.partial))
            self._ended, self._begun, text = self._ended + 1, False, ""
        if parser.state is CONTENT:
            if not self._begun:
                out.append(
                    Begins(
                        self._ended,
                        parser.current_role,
                        parser.current_channel,
                        parser.current_recipient,
                        parser.current_content_type,
                    )
                )
                self._begun = True
            if text:
                out.append(Piece(text, parser.current_channel, parser.current_recipient, self._ended))
        out += map(Repaired, parser.repairs[self._repairs :])
        self._repairs = len(parser.repairs)
        return out


def _begins(number: int, message: Message) -> Begins:
    return Begins(number, message.role, message.channel, message.recipient, message.content_type)
