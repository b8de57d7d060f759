"""Figures of chapter 24 on what a server says: a request's way, items and messages, events, doors, a board.

What shares a batch is drawn in `batching_figures`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import matplotlib.pyplot as plt
import tiktoken
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from gptoss_edu.harmony import Message, control_tokens, kept_messages

from . import style
from .sequence import shorten


def figure_lanes(lanes: Sequence[str], steps: Sequence[tuple[str, str, str]]) -> Figure:
    """Draw a vertical line per lane, an arrow per step (from, to, what passes), in time from top to bottom."""
    figure, axis = plt.subplots(figsize=(8.6, 0.9 + 0.42 * len(steps)))
    place = {name: x for x, name in enumerate(lanes)}
    for name, x in place.items():
        axis.plot([x, x], [-0.5, len(steps) - 0.4], color=style.color("grid"), linewidth=1.5, zorder=0)
        box = {"boxstyle": "round,pad=0.35", "facecolor": style.color("raised"), "edgecolor": style.color("muted")}
        axis.text(x, -1.0, name, ha="center", va="center", weight="bold", bbox=box)
    for y, (source, target, text) in enumerate(steps):
        start, end = place[source], place[target]
        colour = style.color("user" if end > start else "final")
        arrow = {"arrowstyle": "-|>", "color": colour, "shrinkA": 0, "shrinkB": 0, "linewidth": 1.4}
        axis.annotate("", (end, y), (start, y), arrowprops=arrow)
        paper = {"facecolor": style.color("paper"), "edgecolor": "none", "pad": 0.6}
        axis.text((start + end) / 2, y - 0.27, text, ha="center", va="center", size=8, color=colour, bbox=paper)
    axis.set(xlim=(-0.5, len(lanes) - 0.5), ylim=(len(steps) - 0.3, -1.6))
    axis.axis("off")
    return figure


def figure_threads(items: Sequence[dict], messages: Sequence[Message]) -> Figure:
    """Draw the items of a request above its messages, with a line from each item to its message.

    Messages that the next prompt leaves out are dashed.
    """
    figure, axis = plt.subplots(figsize=(9.2, 2.7))
    kept = kept_messages(messages, "finished_turns")
    texts = [_text_of(message) for message in messages]
    for x, item in enumerate(items):
        kind, text = item.get("role") or item["type"], _text_in(item)
        _card(axis, x, 1, kind, text, _kind_color(kind), True)
        if text in texts:
            axis.plot([x, texts.index(text)], [0.74, 0.26], color=style.color(_kind_color(kind)), linewidth=1.5)
    for x, (message, text) in enumerate(zip(messages, texts, strict=True)):
        name = message.channel if message.role == "assistant" else message.role
        colour = _kind_color(f"{name} call" if message.recipient and name == "commentary" else f"{name}")
        named = (message.recipient if message.role == "assistant" else message.name) or ""
        if named:
            name = f"{name} {'to=' if message.role == 'assistant' else ''}\n{named.removeprefix('functions.')}"
        _card(axis, x, 0, f"{name}", text, colour, kept[x])
    axis.text(-0.62, 1, "items", ha="right", va="center", weight="bold")
    axis.text(-0.62, 0, "messages", ha="right", va="center", weight="bold")
    axis.set(xlim=(-1.25, max(len(items), len(messages)) - 0.45), ylim=(-0.42, 1.34))
    axis.axis("off")
    return figure


def _text_in(item: dict) -> str:
    """Return what an item says, whichever of its fields holds it."""
    text = next((item[key] for key in ("arguments", "output", "content") if item.get(key)), "")
    return text if isinstance(text, str) else "".join(part["text"] for part in text)


def _text_of(message: Message) -> str:
    return message.text or "".join(getattr(part, "instructions", None) or "" for part in message.content)


def _kind_color(name: str) -> str:
    table = (
        ("reason", "analysis"),
        ("analysis", "analysis"),
        ("output", "tool"),
        ("tool", "tool"),
        ("call", "commentary"),
        ("commentary", "commentary"),
        ("developer", "developer"),
        ("user", "user"),
    )
    return next((colour for part, colour in table if part in name), "final")


def _card(axis: Axes, x: float, y: float, title: str, text: str, colour: str, kept: bool) -> None:
    edge = style.color(colour)
    line = "solid" if kept else (0, (3, 2))
    axis.add_patch(
        Rectangle(
            (x - 0.46, y - 0.26),
            0.92,
            0.52,
            facecolor=style.color("raised"),
            edgecolor=edge,
            linestyle=line,
            linewidth=1.5,
        )
    )
    title = title.replace("function_call_output", "function_call_\noutput")
    axis.text(x, y + 0.13, title, ha="center", va="center", size=7, weight="bold", color=edge, linespacing=0.9)
    axis.text(x, y - 0.05, shorten(text, 18), ha="center", va="center", size=7)
    if not kept:
        axis.text(x, y - 0.17, "left out", ha="center", va="center", size=7, style="italic")


class Counted:
    """Tokens that count how many of them have been taken."""

    def __init__(self, tokens: Sequence[int]):
        self.tokens, self.taken = tokens, []

    def __iter__(self) -> Iterator[int]:
        for token in self.tokens:
            self.taken.append(token)
            yield token


LANES = ("response", "output_item", "content_part", "text")


def figure_events(tokens: Sequence[int], encoding: tiktoken.Encoding, events: Sequence[tuple[int, dict]]) -> Figure:
    """Draw the tokens that the model has sampled, the events by the token after which they go out, and the items' life.

    events : (tokens sampled so far, event)
    """
    figure, axis = plt.subplots(figsize=(9.2, 3.6))
    specials, channel = control_tokens(encoding).specials, "muted"
    for x, token in enumerate(tokens):
        name = encoding.decode([token])
        channel = name if name in style.CHANNEL_HATCH else channel
        edge = style.color("ink" if token in specials else channel)
        axis.add_patch(
            Rectangle(
                (x + 0.06, 4.6),
                0.88,
                0.8,
                facecolor=edge if token in specials else style.color("raised"),
                edgecolor=edge,
            )
        )
        axis.text(x + 0.5, 5.5, shorten(name, 12) if name.strip() else "␣", rotation=60, ha="left", va="bottom", size=7)
    seen: dict[tuple[int, str], int] = {}
    lives: dict[int, list] = {}
    for at, event in events:
        lane = lane_of(event["type"])
        nth = seen[at, lane] = seen.get((at, lane), -1) + 1
        axis.text(
            at + 0.02 + 0.62 * nth,
            3 - LANES.index(lane) + 0.45,
            event["sequence_number"],
            size=7,
            ha="center",
            va="center",
            bbox={"boxstyle": "circle,pad=0.16", "facecolor": style.color("paper"), "edgecolor": style.color("muted")},
        )
        if lane == "output_item":
            lives.setdefault(event["output_index"], [event["item"]["type"]]).append(at)
    for index, (kind, *times) in lives.items():
        colour = style.color(_kind_color(kind))
        axis.plot([times[0], times[-1]], [-0.5, -0.5], color=colour, linewidth=7, solid_capstyle="butt")
        axis.text(times[0], -0.95, f"output_index {index}: {kind}", size=8, color=colour, va="center")
    labels = ["items", *[f"{lane}" for lane in reversed(LANES)], "tokens"]
    axis.set_yticks([-0.5, 0.45, 1.45, 2.45, 3.45, 5.0], labels)
    axis.set(xlim=(-0.8, len(tokens) + 1.6), ylim=(-1.3, 8.2), xticks=[])
    for y in (0, 1, 2, 3, 4):
        axis.axhline(y, color=style.color("grid"), linewidth=0.8, zorder=0)
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    return figure


def lane_of(kind: str) -> str:
    """Return which lane an event belongs to: the response, an item, a part of its content, or text."""
    name = kind.removeprefix("response.")
    return next((lane for lane in LANES[1:3] if name.startswith(lane)), "text" if "." in name else "response")


def figure_doors(tries: Mapping[str, int], doors: Mapping[str, int]) -> Figure:
    """Draw each request as a line from the left to the door that refuses it.

    tries : what was sent → status of the answer. doors : a door's name → the status with which it refuses
    """
    figure, axis = plt.subplots(figsize=(8.6, 0.8 + 0.36 * len(tries)))
    names = list(doors)
    for x, name in enumerate(names):
        axis.axvline(x + 1, color=style.color("muted"), linewidth=3, zorder=1)
        paper = {"facecolor": style.color("paper"), "edgecolor": "none", "pad": 2}
        axis.text(x + 1, -0.85, name, ha="center", va="center", weight="bold", size=9, bbox=paper)
    used: list[str] = []
    for y, (name, status) in enumerate(tries.items()):
        stop = next((d for d in names if doors[d] == status and d.split()[0].lower() in name.lower()), None)
        stop = stop or next((d for d in names if doors[d] == status and d not in used), None)
        used += [stop] if stop else []
        end = names.index(stop) + 0.94 if stop else len(names) + 0.6
        colour = style.color("wrong" if stop else "right")
        arrow = {
            "arrowstyle": "-[,widthB=0.5" if stop else "-|>",
            "color": colour,
            "linewidth": 1.8,
            "shrinkA": 0,
            "shrinkB": 0,
        }
        axis.annotate("", (end, y), (0.1, y), arrowprops=arrow)
        axis.text(end + (0.12 if stop else 0.06), y, str(status), va="center", size=9, color=colour)
    axis.set_yticks(range(len(tries)), list(tries))
    axis.set(xlim=(0, len(names) + 1), ylim=(len(tries) - 0.5, -1.2), xticks=[])
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    return figure


def figure_board(results: Mapping[str, Mapping[str, bool | None]]) -> Figure:
    """Draw what was tried in rows, servers in columns: passed, failed, or not tried."""
    columns, rows = list(results), list(next(iter(results.values())))
    figure, axis = plt.subplots(figsize=(8.6, 0.7 + 0.34 * len(rows)))
    for x, column in enumerate(columns):
        for y, row in enumerate(rows):
            passed = results[column][row]
            sign, colour = {True: ("✓", "right"), False: ("✗", "wrong"), None: ("–", "muted")}[passed]
            axis.add_patch(
                Rectangle(
                    (x - 0.47, y - 0.42), 0.94, 0.84, facecolor=style.color("raised"), edgecolor=style.color(colour)
                )
            )
            axis.text(x, y, sign, ha="center", va="center", weight="bold", color=style.color(colour))
    axis.set_xticks(range(len(columns)), columns)
    axis.set_yticks(range(len(rows)), rows)
    axis.xaxis.tick_top()
    axis.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    return figure
