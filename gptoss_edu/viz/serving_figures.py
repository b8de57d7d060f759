"""Figures of chapter 24: a request's way, items and messages, events, rounds of a batch, the ring, doors, a board."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import cos, pi, sin

import matplotlib.pyplot as plt
import tiktoken
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from gptoss_edu.config import ModelConfig
from gptoss_edu.harmony import Message, control_tokens, kept_messages

from . import style
from .sequence import shorten

GONE = "gone"  # in a grid of rounds: a row that works for a client who has left


def client_color(client: str) -> str:
    """The colour of client A, B, C, …"""
    return style.cycle()[(ord(client[0]) - ord("A")) % len(style.CYCLE)]


def figure_lanes(lanes: Sequence[str], steps: Sequence[tuple[str, str, str]]) -> Figure:
    """A vertical line per lane, an arrow per step (from, to, what passes), in time from top to bottom."""
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
    """Items of a request above, its messages below, a thread from each item to its message.

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
    """What an item says, whichever of its fields holds it."""
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
    """Tokens that note how many of them have been taken."""

    def __init__(self, tokens: Sequence[int]):
        self.tokens, self.taken = tokens, []

    def __iter__(self) -> Iterator[int]:
        for token in self.tokens:
            self.taken.append(token)
            yield token


LANES = ("response", "output_item", "content_part", "text")


def figure_events(tokens: Sequence[int], encoding: tiktoken.Encoding, events: Sequence[tuple[int, dict]]) -> Figure:
    """The tokens that the model has sampled, the events by the token after which they go out, and the items' life.

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
    """Which lane an event belongs to: the response, an item, a part of its content, or text."""
    name = kind.removeprefix("response.")
    return next((lane for lane in LANES[1:3] if name.startswith(lane)), "text" if "." in name else "response")


def figure_gantt(panels: Mapping[str, Sequence[tuple[str, float, float, float]]], unit: str = "seconds") -> Figure:
    """Clients as bars. Each is (name, asked, first text, end): waiting is hatched, answering is filled."""
    count = max(len(rows) for rows in panels.values())
    figure, axes = plt.subplots(
        len(panels), 1, figsize=(7.6, 0.5 + (0.5 + 0.34 * count) * len(panels)), sharex=True, squeeze=False
    )
    for axis, (title, rows) in zip(axes[:, 0], panels.items(), strict=True):
        for y, (name, asked, first, end) in enumerate(rows):
            colour = client_color(name)
            axis.barh(y, first - asked, left=asked, color="none", edgecolor=colour, hatch="////", linewidth=1)
            axis.barh(y, end - first, left=first, color=colour, edgecolor=colour, linewidth=1)
        axis.set_yticks(range(len(rows)), [row[0] for row in rows])
        axis.set_title(title)
        axis.invert_yaxis()
    axes[-1, 0].set_xlabel(f"{unit} since all have asked (hatched: waits; filled: text arrives)")
    return figure


def figure_hands(rows: Mapping[str, Sequence[str]]) -> Figure:
    """Rows of cells, one a key in a cache, coloured by the client whose token it is."""
    longest, first = max(len(cells) for cells in rows.values()), next(iter(rows.values()))[0]
    figure, axis = plt.subplots(figsize=(9.2, 0.5 + 0.5 * len(rows)))
    for y, cells in enumerate(rows.values()):
        for x, client in enumerate(cells):
            axis.add_patch(
                Rectangle(
                    (x, y - 0.36),
                    1,
                    0.72,
                    facecolor=client_color(client),
                    hatch="" if client == first else "////",
                    edgecolor=style.color("paper"),
                    linewidth=0.4,
                )
            )
    axis.set_yticks(range(len(rows)), list(rows))
    axis.set(xlim=(0, longest), ylim=(len(rows) - 0.5, -0.5), xlabel="position in the cache")
    names = sorted({client for cells in rows.values() for client in cells})
    handles = [
        Patch(
            facecolor=client_color(n),
            hatch="" if n == first else "////",
            edgecolor=style.color("paper"),
            label=f"written for {n}",
        )
        for n in names
    ]
    axis.legend(handles=handles, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.1)
    axis.spines[:].set_visible(False)
    return figure


def figure_rounds(panels: Mapping[str, Sequence[Sequence[str | None]]]) -> Figure:
    """Rows of a batch, round by round: a square has the letter of the client that the row worked for.

    panels : title → one list per round of what each row did; None is a free row, "A gone" works for who has left
    """
    longest, rows = max(map(len, panels.values())), max(len(r) for grid in panels.values() for r in grid)
    height = 0.4 + (0.55 + 0.26 * rows) * len(panels)
    figure, axes = plt.subplots(len(panels), 1, figsize=(8.6, height), sharex=True, squeeze=False)
    for axis, (title, grid) in zip(axes[:, 0], panels.items(), strict=True):
        before: list = []
        for x, row_states in enumerate(grid):
            for y, state in enumerate(row_states):
                _square(axis, x, y, state, before[y : y + 1] == [state])
            before = list(row_states)
        axis.set(title=title, ylabel="row", yticks=range(rows), xlim=(0, longest), ylim=(rows - 0.5, -0.5))
        axis.spines[:].set_visible(False)
    axes[-1, 0].set_xlabel("round")
    return figure


def _square(axis: Axes, x: int, y: int, state: str | None, goes_on: bool) -> None:
    if state is None:
        axis.add_patch(
            Rectangle(
                (x, y - 0.42), 1, 0.84, facecolor="none", edgecolor=style.color("grid"), hatch="..", linewidth=0.5
            )
        )
        return
    left = state.endswith(GONE)
    colour = style.color("grid") if left else client_color(state)
    axis.add_patch(
        Rectangle(
            (x, y - 0.42),
            1,
            0.84,
            facecolor=colour,
            edgecolor=style.color("paper"),
            hatch="xx" if left else "",
            linewidth=0.5,
        )
    )
    if not goes_on:
        axis.text(
            x + 0.5,
            y,
            state[0],
            ha="center",
            va="center",
            size=8,
            weight="bold",
            color=style.color("ink" if left else "paper"),
        )


def experts_hit(config: ModelConfig, rows: int) -> float:
    """How many experts of a layer `rows` tokens visit on average, if a router spreads them evenly."""
    e, k = config.num_experts, config.experts_per_token
    return e * (1 - (1 - k / e) ** rows)


def figure_experts(configs: Mapping[str, ModelConfig], recorded: Mapping[int, float], name: str) -> Figure:
    """Left: the share of a layer's experts that b rows read. Right: tokens per second against one row, as recorded.

    recorded : rows → tokens per second; name : of the model that was measured
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.3))
    for (title, config), line in zip(configs.items(), ("-", "--", ":"), strict=False):
        rows = range(1, 65)
        left.plot(rows, [100 * experts_hit(config, b) / config.num_experts for b in rows], line, label=title)
        left.plot(8, 100 * experts_hit(config, 8) / config.num_experts, "o", color=style.color("ink"), markersize=4)
    left.axvline(8, color=style.color("grid"), zorder=0)
    left.set(
        xscale="log",
        xticks=[1, 2, 4, 8, 16, 32, 64],
        xlabel="rows",
        ylabel="experts read, %",
        ylim=(0, 103),
        title="what a round reads",
    )
    left.legend()
    rows, one = list(recorded), recorded[1]
    right.plot(rows, [recorded[b] / one for b in rows], "o-", label=f"{name}, recorded")
    right.plot(rows, rows, "--", color=style.color("muted"), label="a token per row, for free")
    for b in rows:
        right.annotate(f"{recorded[b]:,.0f}", (b, recorded[b] / one), (3, -11), textcoords="offset points", size=8)
    right.axhline(1, color=style.color("grid"), zorder=0)
    right.set(
        xscale="log",
        yscale="log",
        xticks=rows,
        yticks=[1, 4, 16, 64],
        xlabel="rows",
        ylabel="tokens per second, to one row",
        title="what a round gives",
    )
    right.legend(loc="upper left")
    for axis in (left, right):
        for one_axis in (axis.xaxis, axis.yaxis):
            one_axis.set_major_formatter("{x:g}")
            one_axis.set_minor_locator(plt.NullLocator())
    return figure


def figure_ring(window: int, length: int, back: int) -> Figure:
    """A sliding layer's ring after `length` tokens, and what is left of what a query at `back` would need."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.7))
    held = [max(p for p in range(length) if p % window == slot) for slot in range(window)]
    needed = {p for p in range(max(0, back - window), back)}
    titles = (f"after {length} tokens: the last {window}", f"gone back to {back}: what token {back} needs")
    for axis, title in zip(axes, titles, strict=True):
        for slot, position in enumerate(held):
            angle = pi / 2 - 2 * pi * slot / window
            x, y = cos(angle), sin(angle)
            wanted = position if axis is axes[0] or position in needed else position - window
            lost = axis is axes[1] and wanted != position
            colour = style.color("wrong" if lost else "sliding")
            circle = {
                "boxstyle": "circle,pad=0.32",
                "edgecolor": colour,
                "linestyle": "--" if lost else "-",
                "facecolor": style.color("raised"),
            }
            axis.text(x, y, f"{wanted:2d}", ha="center", va="center", size=8.5, bbox=circle, color=colour)
        if axis is axes[1]:
            lost = sorted(needed - set(held))
            axis.text(
                0,
                0,
                f"{len(lost)} of {len(needed)} lost:\noverwritten by\n{length - len(lost)} to {length - 1}",
                ha="center",
                va="center",
                size=9,
                color=style.color("wrong"),
            )
        axis.set(title=title, xlim=(-1.3, 1.3), ylim=(-1.25, 1.25), aspect="equal")
        axis.axis("off")
    return figure


def figure_read(turns: Mapping[str, Sequence[tuple[int, int]]]) -> Figure:
    """Prompts turn by turn: tokens that a kept prefix saved, and tokens that were read.

    turns : title → (saved, read) of each turn
    """
    figure, axes = plt.subplots(1, len(turns), figsize=(8, 2.7), sharey=True, squeeze=False)
    for axis, (title, pairs) in zip(axes[0], turns.items(), strict=True):
        at = range(1, len(pairs) + 1)
        axis.bar(
            at, [saved for saved, _ in pairs], color="none", edgecolor=style.color("muted"), hatch="..", label="kept"
        )
        axis.bar(
            at,
            [read for _, read in pairs],
            bottom=[saved for saved, _ in pairs],
            color=style.color("user"),
            label="read",
        )
        for x, (saved, read) in zip(at, pairs, strict=True):
            axis.text(x, saved + read + 2, read, ha="center", size=8, color=style.color("user"))
        axis.set(title=title, xlabel="turn", xticks=list(at))
    axes[0, 0].set_ylabel("tokens of the prompt")
    axes[0, 0].legend(loc="upper left")
    return figure


def figure_doors(tries: Mapping[str, int], doors: Mapping[str, int]) -> Figure:
    """Each request runs from the left until the door that refuses it.

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
    """What was tried in rows, servers in columns: passed, failed, or not tried."""
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
