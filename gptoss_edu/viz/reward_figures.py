"""Figures of reinforcement learning: curves of several seeds, held-out problems before and after, pushes on answers.

A record is what `training.rl_record.record` makes and `gptoss-edu rl` writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator

from . import style

COLORS = {  # terms with a fixed meaning
    "thinks": "analysis", "right": "right", "copies": "wrong", "admits": "analysis", "reward": "final",
    "tokens": "neutral", "works": "tool", "jumps": "sink", "flag": "wrong",
    "thinks, low": "user", "thinks, medium": "final",
}  # fmt: skip


def shade_of(term: str) -> str:
    """Return the colour of a term; "thinks, high" has that of "thinks" unless it has one of its own."""
    return style.color(COLORS.get(term, COLORS.get(term.split(",")[0], "ink")))


def values(run: Mapping, term: str) -> list[float]:
    """Return a column of a run's log: a term that was paid or watched, or "reward", "tokens", "norm"."""
    log = run["log"]
    return log["terms"][term] if term in log["terms"] else log[term]


def curves(
    ax, runs: Sequence[Mapping], terms: Mapping[str, str], lines: Sequence[str] = ("-", "--", ":", "-.")
) -> None:
    """Draw each term's mean over the seeds as a line, the seeds themselves pale behind it, the name at the end.

    terms : term of the log to the label of its line
    """
    ends = []
    for number, (term, words) in enumerate(terms.items()):
        shade = shade_of(term)
        every = [values(run, term) for run in runs]
        n = min(map(len, every))
        table = np.array([line[:n] for line in every], dtype=float)  # (seeds, steps)
        for line in table if len(table) > 1 else ():
            ax.plot(line, color=shade, lw=0.8, alpha=0.35)
        ax.plot(table.mean(0), lines[number % len(lines)], color=shade, lw=2.2)
        ends.append((float(table.mean(0)[-1]), words, shade, n - 1))
    for at, (_, words, shade, step) in zip(
        _apart([end[0] for end in sorted(ends)], ax.get_ylim()), sorted(ends), strict=True
    ):
        ax.annotate(words, (step, at), xytext=(6, 0), textcoords="offset points", va="center", color=shade, fontsize=9)
    ax.set(xlabel="step", xlim=(0, None))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def _apart(places: Sequence[float], limits: tuple[float, float]) -> list[float]:
    """Move labels, in increasing order, so that none covers another or leaves the axes at the top."""
    gap = 0.085 * (limits[1] - limits[0])
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + gap)
    ceiling = limits[1]
    for i in reversed(range(len(places))):
        places[i] = min(places[i], ceiling)
        ceiling = places[i] - gap
    return places


def learning(record: Mapping, terms: Mapping[str, str], title: str, below: Mapping[str, str] | None = None):
    """Draw the curves of one experiment; with ``below`` a second panel, for other units (tokens of an answer)."""
    panels = [terms, *([below] if below else [])]
    fig, axes = plt.subplots(
        len(panels), 1, figsize=(7.2, 3.2 + 1.8 * bool(below)), sharex=True, squeeze=False,
        gridspec_kw={"height_ratios": [2, 1][: len(panels)]},
    )  # fmt: skip
    for ax, wanted in zip(axes[:, 0], panels, strict=True):
        ax.set_ylim(-0.03, 1.03) if wanted is terms else None
        curves(ax, record["runs"], wanted)
        ax.margins(x=0)
    steps = len(record["runs"][0]["log"]["step"])
    axes[0, 0].set_xlim(0, steps * 1.28)  # room for the names; the panels share their steps
    axes[0, 0].set_xticks([tick for tick in axes[0, 0].get_xticks() if 0 <= tick < steps])
    axes[0, 0].set(title=title, ylabel="share of the answers")
    if below:
        axes[0, 0].set_xlabel("")
        axes[1, 0].set(ylabel="tokens", ylim=(0, None))
    return fig


def before_and_after(record: Mapping, terms: Mapping[str, str], title: str):
    """Draw held-out problems by kind: a line from the share before the first step to that after the last step."""
    kinds = list(record["runs"][0]["probed"][0]["kinds"])
    fig, axes = plt.subplots(1, len(terms), figsize=(7.2, 0.42 * len(kinds) + 1.1), sharey=True, squeeze=False)
    for ax, (term, words) in zip(axes[0], terms.items(), strict=True):
        shade = shade_of(term)
        for row, kind in enumerate(kinds):
            at = [np.mean([run["probed"][i]["kinds"][kind][term] for run in record["runs"]]) for i in (0, -1)]
            ax.annotate("", (at[1], row), (at[0], row), arrowprops={"arrowstyle": "-|>", "color": shade, "lw": 1.8})
            ax.plot(at[0], row, "o", mfc=style.color("paper"), mec=shade, ms=6)
            ax.plot(at[1], row, "o", color=shade, ms=6)
        ax.set(xlim=(-0.04, 1.04), ylim=(len(kinds) - 0.5, -0.5), xlabel="share", title=words)
        ax.set_yticks(range(len(kinds)), [kind.replace("_", " ") for kind in kinds])
        ax.grid(axis="x")
    fig.suptitle(f"{title} (hollow: before, filled: after)", fontsize=10, x=0.01, ha="left")
    return fig


def tokens_and_right(record: Mapping, title: str):
    """Draw the kinds of held-out problems (efforts, say) by tokens per answer and share of right answers.

    A grey line joins the kinds before the first step, a coloured one after the last; both are means over the seeds.
    """
    fig, ax = plt.subplots(figsize=(7.2, 3.2))
    for at, when, shade, face in ((0, "before", "neutral", "paper"), (-1, "after", "right", "right")):
        probed = [run["probed"][at]["kinds"] for run in record["runs"]]
        kinds = {
            kind: [np.mean([found[kind][term] for found in probed]) for term in ("tokens", "right")]
            for kind in probed[0]
        }
        ax.plot(*zip(*sorted(kinds.values()), strict=True), "-", color=style.color(shade), lw=1.2)
        for kind, (x, y) in kinds.items():
            ax.plot(x, y, "o", ms=8, mfc=style.color(face), mec=style.color(shade), mew=1.6)
            ax.annotate(
                f"{kind}, {when}", (x, y), xytext=(8, -4 if at else 6), textcoords="offset points", fontsize=9,
                va="top" if at else "bottom", color=style.color("right" if at else "ink"),
                bbox={"fc": style.color("paper"), "ec": "none", "pad": 1},
            )  # fmt: skip
    ax.set(xlabel="tokens per answer", ylabel="right", ylim=(-0.1, 1.2), yticks=(0, 0.5, 1), title=title)
    ax.set_xlim(0, 1.25 * ax.get_xlim()[1])
    return fig


def small_multiples(records: Mapping[str, Mapping], terms: Mapping[str, str], across: int = 4):
    """Draw one little panel for each record, all with the same axes: what a change of the recipe does."""
    rows = -(-len(records) // across)
    fig, axes = plt.subplots(rows, across, figsize=(9.4, 2.1 * rows), sharey=True, squeeze=False)
    for ax in axes.flat[len(records) :]:
        ax.axis("off")
    for ax, (name, record) in zip(axes.flat, records.items(), strict=False):
        for number, term in enumerate(terms):
            shade = shade_of(term)
            for run in record["runs"]:
                ax.plot(values(run, term), ("-", "--", ":")[number], color=shade, lw=1.5)
        ax.set(ylim=(-0.03, 1.03))
        ax.set_title(name, fontsize=9)
    handles = [
        plt.Line2D([], [], ls=("-", "--", ":")[i], color=shade_of(term), label=words)
        for i, (term, words) in enumerate(terms.items())
    ]
    fig.legend(handles=handles, loc="outside lower center", ncols=len(terms))
    fig.supylabel("share of the answers", fontsize=9)
    return fig


def pushes(labels: Sequence[str], before: Sequence[float], after: Sequence[float], rewards: Sequence[float]):
    """Draw the probabilities of a few answers before and after one step, with each one's reward."""
    fig, ax = plt.subplots(figsize=(7.2, 0.5 * len(labels) + 1.2))
    for row, (was, now, reward) in enumerate(zip(before, after, rewards, strict=True)):
        shade = style.color("right" if reward > 0 else "wrong")
        ax.barh(row - 0.18, was, 0.32, color=style.color("neutral"), alpha=0.55)
        ax.barh(row + 0.18, now, 0.32, color=shade)
        ax.annotate(
            f"{was:.2f} → {now:.2f}", (max(was, now), row), xytext=(6, 0), textcoords="offset points", va="center"
        )
    ax.set_yticks(range(len(labels)), [f"{name}   reward {r:g}" for name, r in zip(labels, rewards, strict=True)])
    ax.set(xlim=(0, 1.15 * max(*before, *after)), ylim=(len(labels) - 0.5, -0.5), xlabel="probability")
    ax.set_title("Grey: before the step. Coloured: after it")
    return fig
