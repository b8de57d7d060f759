"""Stop texts end the final message and are never sent. Thoughts and calls may contain them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gptoss_edu.harmony import Ends, Message, Piece
from gptoss_edu.harmony.pieces import Happening


class StopText:
    """Filters the events of one sampling run. Text that may begin a stop text is held back until that is clear.

    stops : texts; found : the one that occurred
    """

    def __init__(self, stops: Sequence[str]):
        self.stops = tuple(stops)
        self.found: str | None = None
        self._sent, self._held = "", ""

    def filter(self, happenings: list[Happening]) -> list[Happening]:
        """Return the events without what follows a stop text; the message that contains it ends there."""
        if not self.stops:
            return happenings
        out: list[Happening] = []
        for event in happenings:
            if self.found is not None:
                break
            if isinstance(event, Piece) and event.channel == "final" and event.recipient is None:
                out += self._take(event)
            elif isinstance(event, Ends) and self._held:
                out += [Piece(self._held, "final", None, event.number), event]
                self._held = ""
            else:
                out.append(event)
        return out

    def _take(self, piece: Piece) -> list[Happening]:
        text = self._held + piece.text
        places = [(text.index(stop), stop) for stop in self.stops if stop in text]
        if places:
            at, self.found = min(places)
            text, self._held = text[:at], ""
        else:
            hold = max((n for stop in self.stops for n in range(1, len(stop)) if text.endswith(stop[:n])), default=0)
            text, self._held = text[: len(text) - hold], text[len(text) - hold :]
        self._sent += text
        out: list[Happening] = [replace(piece, text=text)] if text else []
        if self.found is not None:
            out.append(Ends(piece.number, Message("assistant", self._sent, channel="final")))
        return out
