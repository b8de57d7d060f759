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


def planned_and_measured(
    recipes: Mapping[str, Mapping], cards: Mapping[str, float], anew: Mapping[str, float] | None = None
) -> plt.Figure:
    """Draw each measured recipe's planned memory as a bar and its measured peak as a dot, with its time.

    recipes : of `bench finetune`'s record, by name; refused ones are left out. cards : GiB by name, a dashed line each.
    anew : GiB by name as the plan counts today; the bars show these, and a cross what was planned before the run
    """
    rows = {name: row for name, row in recipes.items() if "measured_gib" in row}
    fig, ax = plt.subplots(figsize=(8.0, 1.2 + 0.34 * len(rows)))
    before = [row["planned_gib"]["all"] for row in rows.values()]
    planned = before if anew is None else [anew[name] for name in rows]
    measured = [row["measured_gib"]["all"] for row in rows.values()]
    label = "planned" if anew is None else "planned, as counted today"
    ax.barh(list(rows), planned, height=0.62, color=style.cycle()[0], alpha=0.45, label=label)
    if anew is not None:
        ax.scatter(
            before, list(rows), s=150, marker="|", lw=2.5, color=style.color("wrong"), label="planned before the run"
        )
    ax.scatter(measured, list(rows), s=30, color=style.color("ink"), zorder=3, label="measured")
    for y, row in enumerate(rows.values()):
        ax.text(
            1.01, y, f"{row['seconds_per_step']:.2f} s", transform=ax.get_yaxis_transform(), va="center", fontsize=8
        )
    for name, gib in cards.items():
        ax.axvline(gib, color=style.color("ink"), ls="--", lw=1)
        ax.text(gib, -0.6, f" {name}", fontsize=8, va="bottom")
    ax.set(xlabel="GiB at most; right: time of an update", xlim=(0, 1.05 * max(planned)))
    ax.tick_params(axis="y", labelsize=8)
    ax.invert_yaxis()
    fig.legend(fontsize=8, loc="outside lower center", ncols=3)
    return fig


def kept_abilities(columns: Mapping[str, Mapping | Sequence[Mapping]]) -> plt.Figure:
    """Draw shares of right answers, one group per measurement, one bar per model: means of seeds, a dot per seed.

    columns : model's name to {measurement: [right, of]}, as `evals.fine_tuning.abilities` gives them, or one per seed
    """
    models = {name: [found] if isinstance(found, Mapping) else list(found) for name, found in columns.items()}
    rows = [name for name, value in next(iter(models.values()))[0].items() if isinstance(value, list)]
    fig, ax = plt.subplots(figsize=(7.2, 0.9 + 0.21 * len(models) * len(rows)))
    height = 0.8 / len(models)
    for number, (model, seeds) in enumerate(models.items()):
        y = np.arange(len(rows)) + (number - (len(models) - 1) / 2) * height
        counts = np.array([[found[row] for row in rows] for found in seeds], dtype=float)  # (seeds, rows, 2)
        shares, of = counts[..., 0] / counts[..., 1], counts[0, :, 1]
        ax.barh(
            y, shares.mean(0), height * 0.92, label=model, color=style.cycle()[number],
            hatch=("", "///", "...", "xxx")[number % 4],
        )  # fmt: skip
        _seeds(ax, shares, y, height * 0.22)
        for at, mean, n, end in zip(y, counts[..., 0].mean(0), of, shares.max(0), strict=True):
            ax.text(end + 0.015, at, f"{round(mean, 1):g}/{n:g}", va="center", fontsize=8)
    said = "share that is right" + (" (mean; a dot per seed)" if max(map(len, models.values())) > 1 else "")
    ax.set(yticks=range(len(rows)), yticklabels=rows, xlim=(0, 1.12), xlabel=said)
    ax.invert_yaxis()
    ax.legend(fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=4, columnspacing=1.2)
    return fig


def _seeds(ax, values: np.ndarray, y: np.ndarray, apart: float) -> None:
    """Draw a dot for each seed, slightly above one another; values : (seeds, rows)."""
    if len(values) < 2:
        return
    for number, found in enumerate(values):
        at = y + (number - (len(values) - 1) / 2) * apart
        ax.plot(found, at, "o", ms=3.6, mfc=style.color("paper"), mec=style.color("ink"), mew=0.9, zorder=4)


def learnt_and_stored(record: Mapping) -> plt.Figure:
    """Draw what each recipe leaves: facts right in bfloat16 and as stored in MXFP4, codes changed, loss on old tasks.

    record : "rounding" as `evals.fine_tuning.record` keeps it. Bars are means of the seeds, each dot is a seed.
    """
    names = list(record["runs"])
    columns = {
        f"facts right, of {record['facts']}": {"in bfloat16": "right_bf16", "stored in MXFP4": "right_stored"},
        "codes changed, %": {"": "codes_changed"},
        "loss on old tasks": {"in bfloat16": 1, "stored in MXFP4": 2},
    }
    fig, axes = plt.subplots(1, 3, figsize=(9.4, 1.1 + 0.55 * len(names)), sharey=True, width_ratios=(3, 2, 2))
    for ax, (title, bars) in zip(axes, columns.items(), strict=True):
        for number, (label, key) in enumerate(bars.items()):
            seeds = np.array([_of_seeds(record["runs"][name], key) for name in names]).T  # (seeds, recipes)
            seeds = 100 * seeds if key == "codes_changed" else seeds
            height = 0.8 / len(bars)
            y = np.arange(len(names)) + (number - (len(bars) - 1) / 2) * height
            shade = style.cycle()[number] if len(bars) > 1 else style.color("neutral")
            hatch = ("", "///")[number]
            ax.barh(y, seeds.mean(0), height * 0.92, label=label, color=shade, hatch=hatch)
            _seeds(ax, seeds, y, height * 0.22)
            for at, mean, end in zip(y, seeds.mean(0), seeds.max(0), strict=True):
                ax.annotate(
                    f"{mean:.2g}" if mean < 10 else f"{mean:.0f}", (end, at), xytext=(5, 0),
                    textcoords="offset points", va="center", fontsize=8,
                )  # fmt: skip
        ax.set_title(title, fontsize=10)
        ax.margins(x=0.18)
        ax.set_xlim(0, None)
    axes[2].axvline(record["start"]["old_loss"], color=style.color("ink"), ls="--", lw=1)
    axes[0].set(yticks=range(len(names)), yticklabels=names)
    axes[0].invert_yaxis()
    handles, labels = axes[0].get_legend_handles_labels()
    handles.append(plt.Line2D([], [], color=style.color("ink"), ls="--", lw=1))
    fig.legend(handles, [*labels, "before"], loc="outside lower center", ncols=3, fontsize=9)
    return fig


def _of_seeds(runs: Sequence[Mapping], key: str | int) -> list[float]:
    """Return a value of each seed; an integer counts within "old_loss": before, in bfloat16, stored."""
    return [run["old_loss"][key] if isinstance(key, int) else run[key] for run in runs]
