"""Pictures of an agent at work: messages between whom, tool results, open pages, and the cost of the loop."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gptoss_edu.harmony import Message
from gptoss_edu.tools.base import ToolResult
from gptoss_edu.tools.browser import wrap
from gptoss_edu.tools.pages import Page

from . import style

LABEL_WIDTH = 118  # characters that fit across the figure, shared by the columns


def figure_sequence(messages: Iterable[Message], width: float = 8.5) -> Figure:
    """Draw messages between user, model and tools.

    A solid arrow is a message, a dashed one a tool's result, a box on the model's line a thought. Colour and label give
    the channel. System and developer messages are left out.
    """
    messages = [message for message in messages if message.role in ("user", "assistant", "tool")]
    tools = dict.fromkeys(tool_of(message) for message in messages if tool_of(message))
    columns = {name: x for x, name in enumerate(["user", "model", *tools])}
    figure, axis = plt.subplots(figsize=(width, 0.8 + 0.46 * len(messages)))
    for name, x in columns.items():
        kind = {"user": "user", "model": "assistant"}.get(name, "tool")
        axis.plot([x, x], [-0.5, len(messages)], color=style.color("grid"), linewidth=1.5, zorder=0)
        box = {"boxstyle": "round,pad=0.35", "facecolor": style.color("raised"), "edgecolor": style.color(kind)}
        axis.text(x, -1.0, name, ha="center", va="center", weight="bold", bbox=box)
    for y, message in enumerate(messages):
        draw_message(axis, y, message, columns, LABEL_WIDTH // len(columns))
    axis.set(xlim=(-0.6, len(columns) - 0.4), ylim=(len(messages), -1.5))
    axis.axis("off")
    return figure


def tool_of(message: Message) -> str | None:
    """Return the tool that a message goes to or comes from, without the function's name."""
    if message.role == "tool":
        return (message.name or "tool").split(".")[0]
    if message.role == "assistant" and message.recipient not in (None, "assistant", "user", "all"):
        return message.recipient.split(".")[0]
    return None


def shorten(text: str, length: int) -> str:
    """Return one line of at most `length` characters, for Matplotlib: a dollar begins no formula."""
    line = " ".join(text.split()) or "(empty)"
    return (line if len(line) <= length else line[: length - 1] + "…").replace("$", r"\$")


def draw_message(axis: Axes, y: int, message: Message, columns: dict[str, int], length: int) -> None:
    """Draw one row: an arrow with its text above it, or a thought as a box."""
    channel = message.channel or "commentary"
    colour = style.color(channel if channel in style.CHANNEL_HATCH else "commentary")
    tool = tool_of(message)
    length *= abs(columns[tool] - columns["model"]) if tool else 1
    text = shorten(message.text, length)
    if message.role == "user":
        start, end, colour, label = columns["user"], columns["model"], style.color("user"), text
    elif message.role == "tool":
        start, end, colour, label = columns[tool], columns["model"], style.color("tool"), text
    elif tool:
        function = message.recipient.partition(".")[2]
        label = shorten(f"{channel}: {function} {message.text}", length + 4)
        start, end = columns["model"], columns[tool]
    elif channel == "final":
        start, end, label = columns["model"], columns["user"], f"{channel}: {text}"
    else:
        box = {"boxstyle": "round,pad=0.25", "facecolor": style.color("paper"), "edgecolor": colour}
        text = f"{channel}: {shorten(message.text, length * 3 // 2)}"
        axis.text(columns["model"], y, text, ha="center", va="center", size=8, color=colour, bbox=box)
        return
    line = "dashed" if message.role == "tool" else "solid"
    arrow = {"arrowstyle": "-|>", "color": colour, "linestyle": line, "shrinkA": 0, "shrinkB": 0, "linewidth": 1.4}
    axis.annotate("", (end, y), (start, y), arrowprops=arrow)
    paper = {"facecolor": style.color("paper"), "edgecolor": "none", "pad": 0.8}
    axis.text((start + end) / 2, y - 0.24, label, ha="center", va="center", size=8, color=colour, bbox=paper)


def figure_mistakes(calls: Sequence[dict], found: Sequence[Mapping[str, set]]) -> Figure:
    """Draw one row per call, one column per kind of mistake, with the names found in the cells."""
    figure, axis = plt.subplots(figsize=(7.2, 0.5 + 0.34 * len(calls)))
    marks = [[bool(names) for names in row.values()] for row in found]
    axis.imshow(marks, cmap=style.sequential(), vmin=0, vmax=3, aspect="auto")
    axis.set_yticks(range(len(calls)), [json.dumps(call) for call in calls], family="monospace")
    axis.set_xticks(range(len(found[0])), list(found[0]))
    for y, row in enumerate(found):
        for x, names in enumerate(row.values()):
            axis.text(x, y, ", ".join(sorted(names)) or "·", ha="center", va="center")
    return figure


def figure_outcomes(outcomes: Mapping[str, ToolResult], limit: float) -> Figure:
    """Draw how long each call of a tool took, and whether it ended in an error; `limit` in seconds as a line."""
    figure, axis = plt.subplots(figsize=(7.2, 0.34 * len(outcomes) + 0.9))
    for y, outcome in enumerate(outcomes.values()):
        colour = style.color("wrong" if outcome.error else "right")
        seconds = max(outcome.seconds, 0.01)
        axis.barh(y, seconds, color=colour, hatch="//" if outcome.error else "", edgecolor=style.color("paper"))
        axis.text(seconds + 0.03, y, "error" if outcome.error else "ok", va="center", size=8)
    axis.axvline(limit, color=style.color("ink"), linestyle="--", linewidth=1)
    axis.text(limit + 0.02, -0.7, "limit of a call", size=8)
    axis.set(yticks=range(len(outcomes)), yticklabels=list(outcomes), xlabel="seconds (starting a kernel included)")
    axis.invert_yaxis()
    return figure


def figure_stack(pages: Sequence[Page], steps: Sequence[str]) -> Figure:
    """Draw the browser's displays in order, their cursors in brackets; `steps` names what led from one to the next."""
    figure, axis = plt.subplots(figsize=(2.55 * len(pages), 1.2))
    for cursor, page in enumerate(pages):
        box = {"boxstyle": "round,pad=0.5", "facecolor": style.color("raised"), "edgecolor": style.color("tool")}
        count = f"{len(wrap(page.text))} lines, {len(page.links)} link{'s' * (len(page.links) != 1)}"
        text = f"[{cursor}]  {shorten(page.title, 22)}\n{count}"
        axis.text(cursor, 0, text, ha="center", va="center", size=8.5, bbox=box)
        if cursor:
            arrow = {"arrowstyle": "-|>", "color": style.color("ink")}
            axis.annotate("", (cursor - 0.42, 0), (cursor - 0.58, 0), arrowprops=arrow)
            axis.text(cursor - 0.5, 0.3, steps[cursor - 1], ha="center", size=9, color=style.color("tool"))
    axis.set(xlim=(-0.5, len(pages) - 0.5), ylim=(-0.6, 0.6))
    axis.axis("off")
    return figure


def figure_cost(prompts: Sequence[int]) -> Figure:
    """Draw ids read so far, turn by turn: every prompt from its beginning, or with a cache only what is new.

    prompts : length of each turn's prompt, each the beginning of the next.
    """
    figure, axis = plt.subplots()
    turns = range(1, len(prompts) + 1)
    whole = [sum(prompts[:n]) for n in turns]
    axis.plot(turns, whole, color=style.color("wrong"), label="every prompt from its beginning")
    axis.plot(turns, prompts, color=style.color("right"), linestyle="--", label="with a cache: only what is new")
    for curve in (whole, prompts):
        axis.text(len(prompts) + 0.5, curve[-1], f"{curve[-1]:,}", va="center", size=9)
    axis.set(xlabel="turn of the model", ylabel="ids read so far", xlim=(0, len(prompts) + 6), ylim=(0, None))
    axis.legend()
    return figure
