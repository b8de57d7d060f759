"""Show a conversation in the terminal: each message under its channel, with a rail on its left."""

import os
import sys
from collections.abc import Callable

from gptoss_edu.agent.chat import Event, MessageDone, Stopped, ToolDone
from gptoss_edu.errors import UNSAFE
from gptoss_edu.harmony import Message, Piece, Repaired

COLOURS = {"analysis": "\033[2m", "commentary": "\033[33m", "tool": "\033[36m", "final": "\033[1m", "note": "\033[2;3m"}


def use_colour(stream) -> bool:
    return stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


class Screen:
    """Shows events as text: each message has a rail on its left that names its channel, in colour if available."""

    def __init__(self, write: Callable[[str], object], colour: bool, show_analysis: bool = True):
        self.write, self.colour, self.show_analysis = write, colour, show_analysis
        self.open: int | None = None  # the number of the message whose text is being written

    def show(self, event: Event) -> None:
        if isinstance(event, Piece):
            self.piece(event)
        elif isinstance(event, MessageDone):
            self.close()
        elif isinstance(event, ToolDone):
            self.message(event.message)
            for path in event.result.pictures:
                self.note(f"[picture: {path}]")
        elif isinstance(event, Repaired):
            self.note(f"[repaired: {event.repair.problem}]")
        elif isinstance(event, Stopped) and event.reason != "answered":
            self.note(f"[{event.reason}{': ' + event.detail if event.detail else ''}]")
        sys.stdout.flush()

    def style(self, kind: str) -> tuple[str, str]:
        return (COLOURS.get(kind, ""), "\033[0m") if self.colour else ("", "")

    def piece(self, piece: Piece) -> None:
        kind = piece.channel or "commentary"
        if kind == "analysis" and piece.recipient is None and not self.show_analysis:
            return
        start, end = self.style(kind)
        if self.open != piece.number:
            self.close()
            self.open = piece.number
            to = f" → {piece.recipient}" if piece.recipient else ""
            self.write(f"{start}{UNSAFE.sub('', kind + to)}{end}\n{start}  │ {end}")
        text = UNSAFE.sub("", piece.text).replace("\n", f"{end}\n{start}  │ ")
        self.write(f"{start}{text}{end}")

    def close(self) -> None:
        if self.open is not None:
            self.write("\n")
            self.open = None

    def message(self, message: Message) -> None:
        """Show a whole message: a tool's result, or one from a saved conversation."""
        if message.role == "user":
            self.close()
            self.write(f"\nyou > {UNSAFE.sub('', message.text)}\n")
        elif message.role == "tool":
            self.close()
            start, end = self.style("tool")
            lines = UNSAFE.sub("", message.text).split("\n")
            shown = lines if len(lines) <= 12 else [*lines[:11], f"… {len(lines) - 11} more lines"]
            rail = "".join(f"{start}  │ {line}{end}\n" for line in shown)
            self.write(f"{start}{UNSAFE.sub('', message.name or 'tool')} answers{end}\n{rail}")
        else:
            self.piece(Piece(message.text, message.channel, message.recipient, -1))
            self.close()

    def note(self, text: str) -> None:
        self.close()
        start, end = self.style("note")
        self.write(f"{start}{UNSAFE.sub('', text)}{end}\n")
