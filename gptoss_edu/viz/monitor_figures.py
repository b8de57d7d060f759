"""Figures of monitors: recall against false alarms, and what is left of a habit under each reward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt

from . import style

MARKERS = ("o", "s", "D", "^", "v", "P")


def recall_and_alarms(found: Mapping[str, Mapping[str, Mapping]], title: str):
    """Draw each monitor as a point: false alarms to the right, recall upwards, with 95 % intervals; best is top left.

    found : name to what `evals.thought_monitors.quality` gives; without a case to find there is an interval alone
    """
    fig, ax = plt.subplots(figsize=(7.2, 4.2))
    for number, (name, cell) in enumerate(found.items()):
        alarms, recall, shade = cell["false alarms"], cell["recall"], style.cycle()[number % len(style.CYCLE)]
        x, y = (0.5 if part["share"] is None else part["share"] for part in (alarms, recall))
        ax.plot([alarms["low"], alarms["high"]], [y, y], color=shade, lw=1.2)
        ax.plot([x, x], [recall["low"], recall["high"]], color=shade, lw=1.2)
        counts = f"{recall['right']} of {recall['of']} found, {alarms['right']} of {alarms['of']} false"
        marker = MARKERS[number % len(MARKERS)]
        ax.plot(x, y, marker, ms=9, color=shade, mec=style.color("paper"), label=f"{name}: {counts}")
    ax.set(xlim=(-0.04, 1.04), ylim=(-0.04, 1.04), xlabel="false alarms", ylabel="recall", title=title)
    fig.legend(loc="outside lower left", ncols=1)
    return fig


def under_each_reward(rows: Sequence[tuple[str, Mapping[str, Mapping]]], columns: Sequence[str], title: str):
    """Draw a dot with its 95 % interval for each measurement, one row per run, one panel per column.

    rows : (name, {column: count}), counts as `tasks.graders.count` gives them
    """
    fig, axes = plt.subplots(1, len(columns), figsize=(7.2, 0.3 * len(rows) + 1.3), sharey=True, squeeze=False)
    for ax, column in zip(axes[0], columns, strict=True):
        for y, (_, cells) in enumerate(rows):
            cell = cells[column]
            shade = style.color("final" if cell["of"] else "muted")
            ax.plot([cell["low"], cell["high"]], [y, y], color=shade, lw=2, ls="-" if cell["of"] else ":")
            if cell["of"]:
                ax.plot(cell["share"], y, "o", color=shade)
            ax.annotate(
                f"{cell['right']}/{cell['of']}" if cell["of"] else "none to find", (1.06, y), va="center", fontsize=7.5,
                xycoords=("axes fraction", "data"), annotation_clip=False, color=style.color("ink"),
            )  # fmt: skip
        ax.set(xlim=(-0.03, 1.03), ylim=(len(rows) - 0.5, -0.5), xticks=(0, 0.5, 1))
        ax.set_title(column, fontsize=9, wrap=True)
        ax.grid(axis="x")
    axes[0, 0].set_yticks(range(len(rows)), [name for name, _ in rows], fontsize=8)
    fig.suptitle(title, fontsize=10, x=0.01, ha="left")
    return fig
