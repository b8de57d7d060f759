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
    """Draw the speed-up by cards: the floor, the prediction for two ways, a reader's guess, and measurements.

    measured : milliseconds per token by number of cards, one card included; beyond the largest, all is predicted
    """
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
    look = {
        "marker": "D",
        "ls": "none",
        "color": ink,
        "mfc": "none",
        "mew": 2,
        "ms": 10,
        "label": "measured",
        "zorder": 6,
    }
    if measured:
        left.plot(list(measured), [measured[1] / milliseconds for milliseconds in measured.values()], **look)
        begins = (max(measured) * min(n for n in sizes if n > max(measured))) ** 0.5
        left.axvspan(begins, 9.5, color=style.color("neutral"), alpha=0.18, lw=0)
        left.text((begins * 9.5) ** 0.5, 0.93, "predicted only", ha="center", fontsize=8)
    top = max(2.7, 1.1 * guess)
    left.set(xlabel="cards", ylabel="times one card", xscale="log", xlim=(0.9, 9.5), ylim=(0.9, top))
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
    for y, n in enumerate((1, *sizes)):
        if n in (measured or {}):
            right.plot([measured[n]], [y], **look | {"label": None, "ms": 8, "mfc": style.color("paper")})
    names = ["1 card", *(f"{n} cards" for n in sizes)]
    right.set(yticks=range(4), yticklabels=names, xlabel="milliseconds per token, predicted")
    right.invert_yaxis()
    right.legend(fontsize=8, ncols=3, loc="lower center", bbox_to_anchor=(0.42, 1), columnspacing=0.8, handlelength=1.2)
    return figure


def figure_ladder(rungs, tolerance: float):
    """Draw the relative difference at each rung, the first above the tolerance named; exact zeros are hollow dots."""
    figure, axis = plt.subplots(figsize=(7.6, 3.2))
    values, floor = np.array([rung.relative for rung in rungs]), tolerance * 1e-6
    above = ~(values <= tolerance)  # NaN is above
    heights = np.clip(np.nan_to_num(values, nan=1.0, posinf=1.0), floor, None)
    places = np.arange(len(values))
    for bad, name, hatch in ((False, "right", ""), (True, "wrong", "//")):
        chosen = (above == bad) & (heights > floor)
        axis.bar(places[chosen], heights[chosen], color=style.color(name), edgecolor=style.color("paper"), hatch=hatch)
    top, zeros = max(heights.max(), tolerance) * 300, places[heights <= floor]
    if len(zeros):
        look = {"mfc": "none", "mec": style.color("right"), "markersize": 4, "label": "exactly equal"}
        axis.plot(zeros, np.full(len(zeros), floor * 2), "o", **look)
        axis.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False, fontsize=9, borderpad=0, handletextpad=0)
    axis.axhline(tolerance, color=style.color("muted"), linestyle=":")
    axis.text(-0.8, tolerance * 1.7, "tolerance", color=style.color("muted"), fontsize=9)
    _mark_layers(axis, [rung.name for rung in rungs], top)
    if above.any():
        first = int(np.argmax(above))
        axis.annotate(
            f"first red rung: {rungs[first].name}",
            (first, heights[first]),
            xytext=(max(first - 1, len(values) * 0.42), heights.max() * 8),
            ha="right",
            arrowprops={"arrowstyle": "->", "color": style.color("ink")},
        )
    axis.set(yscale="log", ylim=(floor, top), xlim=(-1, len(values)), xticks=[], ylabel="relative difference")
    axis.set_xlabel("rungs, in the order of the computation")
    return figure


def _mark_layers(axis, names: list[str], top: float) -> None:
    """Name the layers above their rungs, and draw a line before each."""
    layers = [int(name.split(".")[1]) if name.startswith("block.") else -1 for name in names]
    for layer in sorted(set(layers) - {-1}):
        own = [place for place, one in enumerate(layers) if one == layer]
        axis.axvline(own[0] - 0.5, color=style.color("grid"), linewidth=0.8, zorder=0)
        axis.text(
            (own[0] + own[-1]) / 2, top / 4, f"layer {layer}", ha="center", fontsize=9, color=style.color("muted")
        )


def figure_block(block: np.ndarray):
    """Draw the 32 values of a block in the order of safetensors and of GGUF: each byte's two values, and its digits."""
    figure, axes = plt.subplots(2, 1, figsize=(7.6, 3.0))
    values = np.stack([block & 15, block >> 4], axis=-1).reshape(-1)  # (32,)
    places = {
        "safetensors: neighbours share a byte; the scale lies in a tensor of its own": [
            (2 * i, 2 * i + 1) for i in range(16)
        ],
        "GGUF: the scale, then bytes that hold value i and value i + 16": [(i, i + 16) for i in range(16)],
    }
    for axis, (title, pairs) in zip(axes, places.items(), strict=True):
        axis.set(xlim=(-1.6, 16), ylim=(-0.42, 1), xticks=[], yticks=[])
        axis.set_title(title, fontsize=9.5, loc="left")
        axis.spines[:].set_visible(False)
        axis.text(-0.3, -0.2, "byte", ha="right", va="center", fontsize=8, color=style.color("muted"))
        if title.startswith("GGUF"):
            _box(axis, -1.5, 0.1, 1.2, 0.8, "scale", style.color("neutral"))
        for byte, (low, high) in enumerate(pairs):
            for half, value in enumerate((low, high)):
                late = value >= 16
                color = style.cycle()[1] if late else style.cycle()[0]
                _box(axis, byte + 0.04 + 0.46 * half, 0.1, 0.46, 0.8, str(value), color, HATCHES[late])
                axis.texts[-1].set_fontsize(7)
            digits = f"{int(values[high]) << 4 | int(values[low]):02x}"  # the high nibble is written first
            axis.text(byte + 0.5, -0.2, digits, ha="center", va="center", fontsize=8.5, family="monospace")
    note = "bytes in hexadecimal: the right digit, the low nibble, is the value in the left box"
    axes[1].set_xlabel(note, fontsize=8.5, color=style.color("muted"), loc="right")
    return figure
