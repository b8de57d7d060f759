"""Figures of chapter 25: a matrix cut two ways, a layer on two ranks, a ring, what several cards should give."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

from . import style

HATCHES = ("", "//")


def _box(axis, x: float, y: float, w: float, h: float, text: str, color: str, hatch: str = "") -> None:
    paper = style.color("paper")
    axis.add_patch(Rectangle((x, y), w, h, facecolor=color, edgecolor=paper, linewidth=2, hatch=hatch))
    label = {"facecolor": color, "edgecolor": "none", "pad": 1.5}
    axis.text(x + w / 2, y + h / 2, text, ha="center", va="center", color=paper, fontsize=8.5, bbox=label)


def figure_cuts():
    """Draw x W cut by outputs, where results are side by side, and by inputs, where they are added."""
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 2.5))
    colors = style.cycle()
    for axis, title in zip(axes, ("by outputs: columns side by side", "by inputs: parts to be added"), strict=True):
        axis.set(xlim=(0, 10.4), ylim=(-0.4, 4.6), xticks=[], yticks=[], aspect="equal")
        axis.set_title(title, fontsize=10)
        axis.spines[:].set_visible(False)
        axis.text(2.5, 2, "×", ha="center", va="center")
        axis.text(7.3, 2, "=", ha="center", va="center")
    by_outputs, by_inputs = axes
    _box(by_outputs, 0.2, 1.6, 2, 0.8, "x", style.color("neutral"))
    for rank in range(2):
        _box(by_outputs, 3 + 2 * rank, 0, 2, 4, f"rank {rank}", colors[rank], HATCHES[rank])
        _box(by_outputs, 7.7 + 1.25 * rank, 1.6, 1.25, 0.8, f"y{rank}", colors[rank], HATCHES[rank])
        _box(by_inputs, 0.2 + rank, 1.6, 1, 0.8, f"x{rank}", colors[rank], HATCHES[rank])
        _box(by_inputs, 3, 2 - 2 * rank, 4, 2, f"rank {rank}", colors[rank], HATCHES[rank])
        _box(by_inputs, 7.7, 2.5 - 1.8 * rank, 2.5, 0.8, f"part {rank}", colors[rank], HATCHES[rank])
    by_inputs.text(8.95, 2.05, "+", ha="center", va="center")
    return figure


def figure_layer():
    """Draw one layer on two ranks: what each computes, and the two places where both must wait and add."""
    figure, axis = plt.subplots(figsize=(7.2, 3.1))
    colors, sink, ink = style.cycle(), style.color("sink"), style.color("ink")
    steps = [
        ("norm", 0.9, None),
        ("q, k, v", 1.2, "columns"),
        ("heads", 1.2, None),
        ("out", 1.0, "rows"),
        (None, 0.9, None),
        ("norm\nrouter", 1.1, None),
        ("up", 1.0, "columns"),
        ("SwiGLU", 1.1, None),
        ("down", 1.0, "rows"),
        (None, 0.9, None),
    ]
    x = 0.9
    for name, width, cut in steps:
        if name is None:
            axis.add_patch(
                Rectangle((x + 0.12, 0.15), width - 0.24, 2.7, facecolor="none", edgecolor=sink, linewidth=2)
            )
            axis.text(x + width / 2, 1.5, "Σ", ha="center", va="center", color=sink, fontsize=20)
            axis.text(x + width / 2, -0.18, "all-reduce", ha="center", va="top", color=sink, fontsize=8.5)
        else:
            for rank in range(2):
                whole = name.startswith("norm")
                color = style.color("neutral") if whole else colors[rank]
                hatch = "" if whole else HATCHES[rank]
                _box(axis, x + 0.05, 1.7 - 1.4 * rank, width - 0.1, 1.0, name, color, hatch)
            if cut:
                axis.text(x + width / 2, 2.85, cut, ha="center", va="bottom", color=ink, fontsize=8.5)
        x += width
    for rank in range(2):
        axis.text(0.8, 2.2 - 1.4 * rank, f"rank {rank}", ha="right", va="center", color=ink)
    axis.text((0.9 + 6.1) / 2, 3.35, "attention", ha="center", va="bottom", color=ink, weight="bold")
    axis.text((6.1 + x) / 2, 3.35, "experts", ha="center", va="bottom", color=ink, weight="bold")
    axis.text(0.8, -0.18, "grey: the same\non both", ha="right", va="top", color=style.color("muted"), fontsize=8.5)
    axis.set(xlim=(-0.8, x + 0.1), ylim=(-0.8, 3.9), xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    return figure


def ring_history(size: int) -> list[np.ndarray]:
    """Return how many ranks' numbers each part of each rank holds, before the first step of a ring and after each."""
    held, at, history = np.ones((size, size)), np.arange(size), [np.ones((size, size))]
    for step in range(2 * (size - 1)):
        sent = [held[rank, at[rank]] for rank in range(size)]
        at = (at - 1) % size
        for rank in range(size):
            came = sent[rank - 1]
            held[rank, at[rank]] = held[rank, at[rank]] + came if step < size - 1 else came
        history.append(held.copy())
    return history


def figure_ring(history: list[np.ndarray]):
    """Draw after each step how many ranks' numbers each part holds: (ranks, parts) per step, darker as it grows."""
    figure, axes = plt.subplots(1, len(history), figsize=(7.2, 1.9), squeeze=False)
    size = history[0].shape[0]
    for step, (axis, held) in enumerate(zip(axes[0], history, strict=True)):
        axis.pcolormesh(
            held, cmap=style.sequential(), vmin=0, vmax=size * 1.3, edgecolors=style.color("paper"), linewidth=2
        )
        for rank in range(size):
            for part in range(size):
                dark = held[rank, part] > 0.7 * size
                color = style.color("paper") if dark else style.color("ink")
                axis.text(part + 0.5, rank + 0.5, int(held[rank, part]), ha="center", va="center", color=color)
        title = "start" if not step else "after" if len(history) == 2 else f"step {step}"
        axis.set(title=title, xticks=[], yticks=np.arange(size) + 0.5 if not step else [], aspect="equal")
        axis.set_xlabel("parts")
        if not step:
            axis.set_yticklabels([f"rank {rank}" for rank in range(size)])
        axis.tick_params(length=0)
        axis.invert_yaxis()
    return figure


def figure_scaling(prediction: dict, shape: str, guess: float, measured: dict[int, float] | None = None):
    """Draw the speed-up by cards: the floor, the prediction for two ways, a reader's guess, and measurements."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.1), width_ratios=(1.1, 1))
    rows, colors, ink = prediction["decode"], style.cycle(), style.color("ink")
    sizes = [2, 4, 8]
    for mode, color, line, marker in (("tensor", colors[0], "-", "o"), ("experts", colors[1], "--", "s")):
        picked = [rows[f"{shape}, {n} cards, {mode}, symmetric"] for n in sizes]
        left.plot(
            [1, *sizes],
            [1, *[row["times_one_card"] for row in picked]],
            line,
            marker=marker,
            color=color,
            label=f"{mode}, predicted",
        )
    floor = [rows[f"{shape}, {n} cards, tensor, symmetric"]["times_one_card_at_the_floor"] for n in sizes]
    left.plot([1, *sizes], [1, *floor], ":", color=style.color("muted"), label="bytes alone, nearly N")
    left.plot([2], [guess], "*", color=style.color("sink"), markersize=13, label="your guess", zorder=5)
    if measured:
        left.plot(
            list(measured),
            list(measured.values()),
            "D",
            color=ink,
            mfc="none",
            mew=2,
            ms=10,
            label="measured",
            zorder=6,
        )
    top = max(2.7, 1.1 * guess)
    left.set(xlabel="cards", ylabel="times one card", xscale="log", ylim=(0.9, top))
    left.set_xticks([1, *sizes], [str(n) for n in (1, *sizes)])
    left.minorticks_off()
    left.legend(fontsize=8, loc="upper right")
    two = rows[f"{shape}, 2 cards, tensor, symmetric"]
    bytes_of_two = two["floor_milliseconds"] / prediction["of_the_floor_per_byte"]
    own = two["milliseconds"] - bytes_of_two - two["collectives_milliseconds"]  # nobody divides it
    one = 1e3 * prediction["measured"]["step_seconds"][shape]
    bars = [{"bytes": one - own, "collectives": 0.0, "layers' own time": own}]
    for n in sizes:
        row = rows[f"{shape}, {n} cards, tensor, symmetric"]
        bytes_ = row["floor_milliseconds"] / prediction["of_the_floor_per_byte"]
        bars.append({"bytes": bytes_, "collectives": row["collectives_milliseconds"], "layers' own time": own})
    for y, parts in enumerate(bars):
        start = 0.0
        for (name, part), color, hatch in zip(
            parts.items(), (colors[0], style.color("sink"), style.color("neutral")), ("", "//", ".."), strict=True
        ):
            right.barh(
                y,
                part,
                left=start,
                color=color,
                hatch=hatch,
                edgecolor=style.color("paper"),
                label=name if not y else None,
            )
            start += part
    names = ["1 card", *(f"{n} cards" for n in sizes)]
    right.set(yticks=range(4), yticklabels=names, xlabel="milliseconds per token, predicted")
    right.invert_yaxis()
    right.legend(fontsize=8, ncols=3, loc="lower center", bbox_to_anchor=(0.42, 1), columnspacing=0.8, handlelength=1.2)
    return figure


def figure_ladder(rungs, tolerance: float):
    """Draw the relative difference at each rung, on a logarithmic scale, marking the first above the tolerance."""
    figure, axis = plt.subplots(figsize=(7.2, 2.6))
    values = np.array([max(rung.relative, 1e-9) for rung in rungs])
    above = values > tolerance
    colors = [style.color("wrong") if bad else style.color("right") for bad in above]
    axis.bar(range(len(values)), values, color=colors)
    axis.axhline(tolerance, color=style.color("muted"), linestyle=":")
    if above.any():
        first = int(np.argmax(above))
        axis.annotate(
            rungs[first].name,
            (first, values[first]),
            xytext=(first - 1, values.max() * 2),
            ha="right",
            arrowprops={"arrowstyle": "->", "color": style.color("ink")},
            color=style.color("ink"),
        )
    axis.set(yscale="log", xlabel="rungs, in the order of the computation", ylabel="relative difference")
    axis.set_ylim(1e-9, values.max() * 20)
    return figure


def figure_block(block: np.ndarray):
    """Draw the 32 values of a block: its bytes in the order of safetensors and of GGUF, each with its two values."""
    figure, axes = plt.subplots(2, 1, figsize=(7.2, 2.4))
    places = {
        "safetensors: 16 bytes (the scale lies in a tensor of its own)": [(2 * i, 2 * i + 1) for i in range(16)],
        "GGUF: the scale, then 16 bytes": [(i, i + 16) for i in range(16)],
    }
    for axis, (title, pairs) in zip(axes, places.items(), strict=True):
        axis.set(xlim=(-1.6, 16), ylim=(0, 1), xticks=[], yticks=[])
        axis.set_title(title, fontsize=9.5, loc="left")
        axis.spines[:].set_visible(False)
        if title.startswith("GGUF"):
            axis.add_patch(Rectangle((-1.4, 0.1), 0.9, 0.8, facecolor=style.color("sink")))
            axis.text(-0.95, 0.5, "s", ha="center", va="center", color=style.color("paper"))
        for byte, pair in enumerate(pairs):
            for half, value in enumerate(pair):
                late = value >= 16
                color = style.cycle()[1] if late else style.cycle()[0]
                _box(axis, byte + 0.04 + 0.46 * half, 0.1, 0.46, 0.8, str(value), color, HATCHES[late])
                axis.texts[-1].set_fontsize(7)
    return figure
