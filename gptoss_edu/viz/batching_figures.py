"""Figures of chapter 24 on what shares a batch: who waits, rounds and rows, experts hit, the ring, kept prefixes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import cos, pi, sin

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from gptoss_edu.config import ModelConfig

from . import style

GONE = "gone"  # in a grid of rounds: a row that works for a client who has left


def client_color(client: str) -> str:
    """Return the colour of client A, B, C, …"""
    return style.cycle()[(ord(client[0]) - ord("A")) % len(style.CYCLE)]


def figure_gantt(panels: Mapping[str, Sequence[tuple[str, float, float, float]]], unit: str = "seconds") -> Figure:
    """Draw clients as bars. Each is (name, asked, first text, end): waiting is hatched, answering is filled."""
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
    """Draw rows of cells, one per key in a cache, coloured by the client whose token it is."""
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
    """Draw rows of a batch, round by round: a square has the letter of the client that the row worked for.

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
    """Return how many experts of a layer `rows` tokens visit on average, if a router spreads them evenly."""
    e, k = config.num_experts, config.experts_per_token
    return e * (1 - (1 - k / e) ** rows)


def figure_experts(configs: Mapping[str, ModelConfig], recorded: Mapping[int, float], name: str) -> Figure:
    """Draw the share of a layer's experts that b rows read (left), and recorded tokens per second against one row.

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
    """Draw a sliding layer's ring after `length` tokens, and what is left of what a query at `back` would need."""
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
    """Draw prompts turn by turn: tokens that a kept prefix saved, and tokens that were read.

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
