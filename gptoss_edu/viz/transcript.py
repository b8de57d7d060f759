"""A conversation as a rich display: every message with its role, channel and recipient, thoughts and results folded.

    watch(chat.say("Will it rain in Rome?"))          # live: the display grows while the model writes
    Transcript(chat.history)                          # afterwards, or for any list of messages

All text of models, users and tools is escaped; the display contains no script and loads nothing.
"""

from __future__ import annotations

import base64
import html
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gptoss_edu.agent.chat import Event, MessageDone, Stopped, ToolDone
from gptoss_edu.harmony import Begins, Message, Piece, Repaired

from .style import COLORS

FOLD_LINES = 8
PICTURE_BYTES = 300_000
SIGNS = {"analysis": "thinks", "commentary": "says", "final": "answers"}


@dataclass
class Entry:
    """One message, or a note about the loop, as it is shown."""

    kind: str  # a key of COLORS: analysis, commentary, final, user, tool, system, developer, neutral
    title: str
    text: str
    folded: bool = False
    pictures: list[Path] = field(default_factory=list)


def entry_of(message: Message) -> Entry:
    """Return how a message is shown: calls and answers open, long results and thoughts folded."""
    if message.role == "assistant":
        kind = message.channel if message.channel in SIGNS else "commentary"
        if message.recipient not in (None, "assistant", "user", "all"):
            return Entry(kind, f"{message.channel} · calls {message.recipient}", message.text)
        is_long = kind == "analysis" and message.text.count("\n") >= FOLD_LINES
        return Entry(kind, f"{message.channel or 'no channel'} · {SIGNS.get(kind, 'says')}", message.text, is_long)
    if message.role == "tool":
        return Entry("tool", f"{message.name} · result", message.text, message.text.count("\n") >= FOLD_LINES)
    text = message.text if message.text else "\n".join(str(content) for content in message.content)
    return Entry(message.role, message.role, text, message.role in ("system", "developer"))


class Transcript:
    """Messages as HTML in a notebook, as plain text elsewhere."""

    def __init__(self, messages: Iterable[Message] = ()):
        self.entries = [entry_of(message) for message in messages]

    def _repr_html_(self) -> str:
        return f'<div class="tex2jax_ignore mathjax_ignore">{"".join(map(block, self.entries))}</div>'

    def __repr__(self) -> str:
        parts = []
        for entry in self.entries:
            rail = "\n".join(f"  │ {line}" for line in entry.text.split("\n"))
            parts.append(f"{entry.title}\n{rail}")
        return "\n".join(parts)


def block(entry: Entry) -> str:
    """Return one entry: a coloured edge, the title in words, the text as it is."""
    edge = COLORS[entry.kind][0]
    text = (
        "<div"
        f' style="white-space:pre-wrap;overflow-wrap:anywhere;font-family:monospace">{html.escape(entry.text)}</div>'
    )
    text += "".join(map(picture, entry.pictures))
    title = f"<b>{html.escape(entry.title)}</b>"
    if entry.folded:
        count = entry.text.count("\n") + 1
        inside = f'<details><summary style="cursor:pointer">{title} · {count} lines</summary>{text}</details>'
    else:
        inside = f"<div>{title}</div>{text}"
    return (
        f'<div style="border-left:4px solid {edge};background:{edge}14;padding:.3em .9em;margin:.3em 0;max-width:60em">'
        f"{inside}</div>"
    )


def picture(path: Path) -> str:
    """Return a tool's picture inside the page, if it is small enough."""
    try:
        content = path.read_bytes()
    except OSError:
        return ""
    if len(content) > PICTURE_BYTES:
        return f"<div>{html.escape(path.name)}: {len(content):,} bytes, too large to show here</div>"
    kind = "jpeg" if path.suffix == ".jpg" else "png"
    data = base64.b64encode(content).decode()
    return f'<img alt="{html.escape(path.name)}" style="max-width:100%" src="data:image/{kind};base64,{data}">'


class Watcher:
    """Builds a transcript from events."""

    def __init__(self):
        self.transcript = Transcript()
        self.open: dict[int, Entry] = {}  # message number → the growing entry

    def take(self, event: Event) -> None:
        entries = self.transcript.entries
        if isinstance(event, Begins):
            self.open[event.number] = entry_of(
                Message("assistant", "", channel=event.channel, recipient=event.recipient)
            )
            entries.append(self.open[event.number])
        elif isinstance(event, Piece):
            self.open[event.number].text += event.text
        elif isinstance(event, MessageDone):
            finished = entry_of(event.message)
            if self.open:
                _, growing = self.open.popitem()
                growing.title, growing.folded = finished.title, finished.folded
            else:
                entries.append(finished)
        elif isinstance(event, ToolDone):
            entry = entry_of(event.message)
            entry.pictures = event.result.pictures
            entries.append(entry)
        elif isinstance(event, Repaired):
            entries.append(Entry("neutral", "repaired", event.repair.problem))
        elif isinstance(event, Stopped) and event.reason != "answered":
            entries.append(Entry("neutral", f"stopped · {event.reason}", event.detail))


def watch(events: Iterable[Event], seconds: float = 0.1) -> Sequence[Event]:
    """Show events as they arrive, in one display that is refreshed every `seconds`.

    Returns the others: whole messages, results, the end.
    """
    from IPython.display import display

    watcher, kept, last = Watcher(), [], 0.0
    handle = display(watcher.transcript, display_id=True)
    try:
        for event in events:
            watcher.take(event)
            if not isinstance(event, Begins | Piece):
                kept.append(event)
            if handle is not None and time.monotonic() - last > seconds:
                handle.update(watcher.transcript)
                last = time.monotonic()
    finally:
        if hasattr(events, "close"):
            events.close()
        if handle is not None:
            handle.update(watcher.transcript)
    return kept
