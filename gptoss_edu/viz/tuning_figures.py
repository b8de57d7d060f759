"""Figures of fine-tuning: updates in units of half a step of MXFP4, what new facts cost, the memory of a run."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np

from . import style

VALUES = (0, 0.5, 1, 1.5, 2, 3, 4, 6)  # of four bits, without the sign


def grid_of_codes(updates: Sequence[tuple[float, float]], ax=None) -> plt.Axes:
    """Draw the positive four-bit values on a line, and updates (from, to) as arrows, red where rounding undoes them."""
    ax = ax or plt.subplots(figsize=(7.2, 1.9))[1]
    middles = [(a + b) / 2 for a, b in itertools.pairwise(VALUES)]
    ax.hlines(0, 0, 6.4, color=style.color("muted"), lw=1)
    ax.vlines(middles, -0.25, 0.25, color=style.color("muted"), linestyles=":")
    ax.scatter(VALUES, [0] * len(VALUES), s=60, color=style.color("ink"), zorder=3)
    for value in VALUES:
        ax.text(value, -0.45, f"{value:g}", ha="center", va="top", fontsize=9)
    for number, (old, new) in enumerate(updates):
        kept = min(VALUES, key=lambda value: abs(value - new)) != old
        height, shade = 0.42 + 0.36 * (number % 2), style.color("right" if kept else "wrong")
        ax.annotate("", (new, height), (old, height), arrowprops={"arrowstyle": "->", "color": shade, "lw": 2})
        ax.text(new + 0.07, height, "new code" if kept else "taken back", color=shade, va="center", fontsize=9)
    ax.set(xlim=(-0.2, 7.2), ylim=(-1.1, 1.25), yticks=[], xticks=[])
    ax.set_title("dots: values of four bits; dotted: half a step", fontsize=10)
    ax.grid(False)
    for side in ax.spines.values():
        side.set_visible(False)
    return ax


def update_histogram(runs: Mapping[str, Sequence[int]]) -> plt.Figure:
    """Draw updates in units of half a step, one panel per run; updates right of 1 change their code when stored.

    runs : name to counts as `evals.fine_tuning.histogram` gives them: of zeros, then of 24 bins from 10^-4 to 10^2
    """
    edges = np.logspace(-4, 2, 25)
    fig, axes = plt.subplots(len(runs), 1, figsize=(7.2, 1.2 + 1.7 * len(runs)), sharex=True, squeeze=False)
    for ax, (name, counts) in zip(axes[:, 0], runs.items(), strict=True):
        share = np.array(counts[1:]) / sum(counts[1:])
        shades = [style.color("right" if left >= 1 else "wrong") for left in edges[:-1]]
        ax.bar(edges[:-1], share, np.diff(edges), align="edge", color=shades, edgecolor=style.color("paper"), lw=0.5)
        ax.axvline(1, color=style.color("ink"), lw=1.2)
        beyond = share[edges[:-1] >= 1].sum()
        ax.text(4, 0.93, f"beyond: {beyond:.1%}", transform=ax.get_xaxis_transform(), va="top", fontsize=9)
        ax.set(xscale="log", ylabel="share of\nupdates", title=name)
    axes[-1, 0].set_xlabel("update in units of half a step of MXFP4")
    return fig


def memory_bars(plans: Mapping[str, Mapping[str, int]], card: float, of: str) -> plt.Figure:
    """Draw GiB by part, one bar per plan; dashed lines are the memory of cards."""
    names = list(plans)
    parts = list(dict.fromkeys(part for plan in plans.values() for part in plan))
    fig, ax = plt.subplots(figsize=(7.2, 0.9 + 0.55 * len(names)))
    hatches = ("", "///", "...", "xxx", "\\\\\\", "++")
    left = np.zeros(len(names))
    for number, part in enumerate(parts):
        sizes = np.array([plans[name].get(part, 0) / 2**30 for name in names])
        ax.barh(
            names, sizes, left=left, label=part, color=style.cycle()[number], hatch=hatches[number % 6],
            edgecolor=style.color("paper"), lw=0.4,
        )  # fmt: skip
        left += sizes
    for y, total in enumerate(left):
        ax.text(total + 5, y, f"{total:,.0f} GiB", va="center", fontsize=9)
    ax.axvline(card, color=style.color("ink"), ls="--", lw=1.2)
    ax.text(card + 3, -0.75, of, fontsize=9, va="bottom")
    ax.set(xlabel="GiB", xlim=(0, 1.18 * left.max()))
    ax.invert_yaxis()
    ax.legend(fontsize=8, loc="lower right")
    return fig


def kept_abilities(columns: Mapping[str, Mapping]) -> plt.Figure:
    """Draw shares of right answers, one group per measurement, one bar per model.

    columns : model's name to {measurement: [right, of]}, as `evals.fine_tuning.abilities` gives them
    """
    rows = [name for name, value in next(iter(columns.values())).items() if isinstance(value, list)]
    fig, ax = plt.subplots(figsize=(7.2, 0.9 + 0.62 * len(rows)))
    height = 0.8 / len(columns)
    for number, (model, found) in enumerate(columns.items()):
        y = np.arange(len(rows)) + (number - (len(columns) - 1) / 2) * height
        shares = [found[row][0] / found[row][1] for row in rows]
        ax.barh(
            y, shares, height * 0.92, label=model, color=style.cycle()[number], hatch=("", "///", "...")[number % 3]
        )
        for at, row, share in zip(y, rows, shares, strict=True):
            ax.text(share + 0.01, at, f"{found[row][0]}/{found[row][1]}", va="center", fontsize=8)
    ax.set(yticks=range(len(rows)), yticklabels=rows, xlim=(0, 1.12), xlabel="share that is right")
    ax.invert_yaxis()
    ax.legend(fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3)
    return fig
