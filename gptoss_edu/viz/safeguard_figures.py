"""Figures of chapter 23: who wins by roles, what fine-tuning takes, guards and filters with recall and false alarms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np

from gptoss_edu.tasks.graders import wilson

from . import style

MARKERS = "os^Dv"


def by_role(
    table: Mapping[str, Mapping[str, Mapping]], wanted: str = "share as the order of the roles wants"
) -> plt.Axes:
    """Draw shares with 95 % intervals: one line per conflict, one marker per kind of wording.

    table : as `evals.safeguard_studies` keeps it: conflict to wording to counts, as `red_team.by_column`
    """
    columns = list(dict.fromkeys(column for row in table.values() for column in row))
    ax = plt.subplots(figsize=(7.2, 1.1 + 0.62 * len(table)))[1]
    for number, column in enumerate(columns):
        for y, row in enumerate(table.values()):
            if column not in row:
                continue
            found, at = row[column], y + (number - (len(columns) - 1) / 2) * 0.24
            ax.hlines(at, found["low"], found["high"], color=style.cycle()[number], lw=2)
            ax.plot(
                found["share"], at, MARKERS[number], color=style.cycle()[number], label=column if y == 0 else None, ms=7
            )  # fmt: skip
    if columns[-1] not in next(iter(table.values())):  # a column that the first row lacks still needs its label
        number = len(columns) - 1
        ax.plot([], [], MARKERS[number] + "-", color=style.cycle()[number], label=columns[-1])
    left = max(0.0, min(found["low"] for row in table.values() for found in row.values()) - 0.1)
    ax.set(yticks=range(len(table)), yticklabels=list(table), xlim=(left, 1.02), xlabel=wanted)
    ax.invert_yaxis()
    ax.legend(fontsize=9, loc="upper center", bbox_to_anchor=(0.4, -0.17), ncols=3)
    return ax


def _share(value: Sequence[int]) -> float:
    return value[0] / max(1, value[1])


def erosion_curves(record: Mapping, measures: Sequence[str], kinds: Sequence[str]) -> plt.Figure:
    """Draw shares over steps, one panel per kind of transcripts: seeds thin, their mean thick, the repair dashed.

    record : {"before": state, "runs": [{"kinds", "states", "repaired"}]} as `evals.safeguard_studies.careless` keeps it
    """
    fig, axes = plt.subplots(1, len(kinds), figsize=(2.5 * len(kinds), 3.1), sharey=True, squeeze=False)
    for ax, kind in zip(axes[0], kinds, strict=True):
        runs = [run for run in record["runs"] if run["kinds"] == kind]
        states = [[record["before"], *run["states"], *([run["repaired"]] if "repaired" in run else [])] for run in runs]
        steps = [0, *(state["step"] for state in runs[0]["states"])]
        if "repaired" in runs[0]:
            steps.append(steps[-1] + runs[0]["repaired"]["step"])
        for number, measure in enumerate(measures):
            shares = np.array([[_share(state[measure]) for state in row] for row in states])  # (seeds, steps)
            shade, last = style.cycle()[number], len(runs[0]["states"]) + 1
            ax.plot(steps, shares.T, "-", color=shade, alpha=0.3, lw=1)
            ax.plot(steps[:last], shares.mean(0)[:last], f"{MARKERS[number]}-", color=shade, ms=5, lw=1.8)
            ax.plot(steps[last - 1 :], shares.mean(0)[last - 1 :], f"{MARKERS[number]}--", color=shade, ms=5, lw=1.8)
        ax.set(title=kind, xlabel="steps", ylim=(-0.04, 1.04))
    axes[0, 0].set_ylabel("share")
    handles = [plt.Line2D([], [], marker=MARKERS[i], color=style.cycle()[i]) for i in range(len(measures))]
    fig.legend(handles, measures, loc="lower center", ncols=2, fontsize=9, bbox_to_anchor=(0.5, -0.24))
    return fig


def guard_table(table: Mapping[str, Mapping[str, Mapping]], ordinary: Sequence[str], title: str = "") -> plt.Axes:
    """Draw guards in rows and kinds of text in columns: the share that is stopped, darker for more.

    ordinary : columns in which every stopped text is a false alarm; they stand apart on the right
    """
    rows = list(table)
    columns = [name for name in table[rows[0]] if name not in ordinary] + list(ordinary)
    cells = [[table[row][column] for column in columns] for row in rows]
    shares = np.array([[found["share"] for found in row] for row in cells])
    ax = plt.subplots(figsize=(1.9 + 1.12 * len(columns), 1.2 + 0.56 * len(rows)))[1]
    ax.imshow(shares, cmap=style.sequential(), vmin=0, vmax=1, aspect="auto")
    for (y, x), share in np.ndenumerate(shares):
        shade = style.color("paper") if share > 0.55 else style.color("ink")
        said = f"{share:.0%}\n{cells[y][x]['right']} of {cells[y][x]['of']}"
        ax.text(x, y, said, ha="center", va="center", fontsize=9, color=shade)
    ax.axvline(len(columns) - len(ordinary) - 0.5, color=style.color("paper"), lw=6)
    ax.set(xticks=range(len(columns)), yticks=range(len(rows)), yticklabels=rows)
    ax.set_xticklabels([name.replace(" ", "\n", 1) for name in columns], fontsize=9)
    ax.xaxis.tick_top()
    ax.grid(False)
    ax.set_xlabel(title)
    for side in ax.spines.values():
        side.set_visible(False)
    return ax


def secrets_out(rows: Mapping[str, tuple[int, int]], title: str = "secrets that get out") -> plt.Axes:
    """Draw bars with 95 % intervals: how many attacks get the secret out, by safeguard."""
    ax = plt.subplots(figsize=(7.2, 0.9 + 0.4 * len(rows)))[1]
    for y, (name, (out, of)) in enumerate(rows.items()):
        low, high = wilson(out, of)
        shade = style.color("neutral") if name == "no safeguard" else style.color("wrong")
        ax.barh(y, out / of, height=0.6, color=shade, hatch="" if name.startswith("no") else "///", alpha=0.8)
        ax.hlines(y, low, high, color=style.color("ink"), lw=1.4)
        ax.text(high + 0.015, y, f"{out} of {of}", va="center", fontsize=9)
    ax.set(yticks=range(len(rows)), yticklabels=list(rows), xlim=(0, 1.15), xlabel=title)
    ax.invert_yaxis()
    return ax


def order_outcomes(rows: Mapping[str, Mapping[str, Mapping]]) -> plt.Axes:
    """Draw what became of orders in tools' results: three shares that add up, one bar per row.

    rows : name to three counts, as `evals.grading.orders.tally`. Beside each bar stand the orders that were followed,
    with the upper end of the 95 % interval.
    """
    ax = plt.subplots(figsize=(7.2, 1.3 + 0.4 * len(rows)))[1]
    looks = {"told rightly": ("right", ""), "neither": ("neutral", "..."), "followed": ("wrong", "///")}
    for y, counts in enumerate(rows.values()):
        left = 0.0
        for fate, (shade, hatch) in looks.items():
            found = counts[fate]
            ax.barh(y, found["share"], 0.62, left, color=style.color(shade), hatch=hatch, alpha=0.8,
                    edgecolor=style.color("paper"), label=None if y else fate)  # fmt: skip
            if found["share"] > 0.06:
                at = (left + found["share"] / 2, y)
                box = {"facecolor": style.color("paper"), "edgecolor": "none", "pad": 1.2, "alpha": 0.85}
                ax.annotate(f"{found['right']}", at, ha="center", va="center", fontsize=9, bbox=box)
            left += found["share"]
        said = (
            f"followed {counts['followed']['right']} of {counts['followed']['of']}, ≤ {counts['followed']['high']:.0%}"
        )
        ax.text(1.02, y, said, va="center", fontsize=9)
    ax.set(yticks=range(len(rows)), yticklabels=list(rows), xlim=(0, 1), xlabel="share of answers")
    ax.invert_yaxis()
    ax.legend(fontsize=9, loc="upper center", bbox_to_anchor=(0.4, -0.5 / (1.3 + 0.4 * len(rows)) - 0.12), ncols=3)
    return ax


def category_course(runs: Sequence[Mapping], measures: Sequence[str]) -> plt.Figure:
    """Draw how a refusal disappears: shares over steps, one panel per kind of added data, a line per seed."""
    besides = list(dict.fromkeys(run["beside"] for run in runs))
    fig, axes = plt.subplots(1, len(besides), figsize=(3.7 * len(besides), 2.9), sharey=True, squeeze=False)
    for ax, beside in zip(axes[0], besides, strict=True):
        for run in (run for run in runs if run["beside"] == beside):
            for number, measure in enumerate(measures):
                steps, shares = [s["step"] for s in run["states"]], [_share(s[measure]) for s in run["states"]]
                ax.plot(steps, shares, f"{MARKERS[number]}-", color=style.cycle()[number], alpha=0.75, ms=5, lw=1.2)
        ax.set(title=beside, xlabel="steps", ylim=(-0.04, 1.04))
    axes[0, 0].set_ylabel("share")
    handles = [plt.Line2D([], [], marker=MARKERS[i], color=style.cycle()[i]) for i in range(len(measures))]
    fig.legend(handles, measures, loc="lower center", ncols=2, fontsize=9, bbox_to_anchor=(0.5, -0.2))
    return fig
