"""Figures of chapter 18: bytes of a token, tiles and masks, a roofline, steps and kernels by their floors, cards."""

import matplotlib.pyplot as plt
import numpy as np

from gptoss_edu.checkpoint.layouts import layout_entries
from gptoss_edu.checkpoint.sizes import GIB, bytes_read, cache_bytes, prefill_operations, step_bytes
from gptoss_edu.config import ModelConfig

from . import style

HATCHES = ("", "//", "", "..", "\\\\")


def figure_bytes(rows: dict[str, dict[str, float]]):
    """Draw stacked bars: per row, the bytes of each part."""
    figure, axis = plt.subplots(figsize=(7.2, 0.7 + 0.55 * len(rows)))
    for y, parts in enumerate(rows.values()):
        left = 0.0
        for (part, size), color, hatch in zip(parts.items(), style.cycle(), HATCHES, strict=False):
            label = part if y == 0 else None
            axis.barh(y, size / 1e9, left=left, color=color, hatch=hatch, edgecolor=style.color("paper"), label=label)
            if size > 0.5e9:
                box = {"facecolor": color, "edgecolor": "none", "pad": 1.5}
                text = f"{size / 1e9:.2f}"
                axis.text(left + size / 2e9, y, text, ha="center", va="center", color="white", weight="bold", bbox=box)
            left += size / 1e9
        axis.text(left + 0.1, y, f"{left:.2f} GB", va="center")
    most = max(sum(parts.values()) for parts in rows.values()) / 1e9
    axis.set(yticks=range(len(rows)), yticklabels=rows, xlabel="gigabytes read for one token", xlim=(0, 1.12 * most))
    axis.invert_yaxis()
    axis.legend(ncols=5, loc="lower center", bbox_to_anchor=(0.4, 1), columnspacing=1, handlelength=1.4)
    return figure


def figure_tiles(tiles: dict, rows: int, c: int):
    """Draw a (rows, c) matrix with its offsets once per title: (offsets, mask); what a program reads is filled."""
    figure, axes = plt.subplots(1, len(tiles), figsize=(7.2, 2.5), squeeze=False)
    for axis, (title, (offsets, mask)) in zip(axes[0], tiles.items(), strict=True):
        inside = np.asarray(offsets)[np.asarray(mask)]
        owner = np.zeros(rows * c)
        owner[inside[(inside >= 0) & (inside < rows * c)]] = 1
        colors = {"cmap": style.sequential(), "vmin": 0, "vmax": 2, "edgecolors": style.color("grid"), "linewidth": 1}
        axis.pcolormesh(owner.reshape(rows, c), **colors)
        for place in range(rows * c):
            axis.text(place % c + 0.5, place // c + 0.5, place, ha="center", va="center", fontsize=8)
        outside = int((~np.asarray(mask)).sum())
        axis.set(title=title, xticks=[], yticks=[], aspect="equal", xlabel=f"{outside} of {np.size(mask)} masked")
        axis.invert_yaxis()
    return figure


def figure_masks(errors: dict[str, dict[str, np.ndarray]]):
    """Draw for each panel and kind the rows of a result: right, wrong or NaN."""
    figure, axes = plt.subplots(1, len(errors), figsize=(7.2, 3.0), sharey=True)
    for axis, (title, kinds) in zip(axes, errors.items(), strict=True):
        for y, row_errors in enumerate(kinds.values()):
            for x, error in enumerate(row_errors):
                sign, color = ("N", "wrong") if np.isnan(error) else ("✗", "wrong") if error > 1e-9 else ("✓", "right")
                axis.text(x, y, sign, ha="center", va="center", weight="bold", color=style.color(color))
        count, n = len(kinds), len(row_errors)
        axis.set(title=title, xlim=(-0.7, n - 0.3), ylim=(count - 0.4, -0.6), xlabel="row of y", xticks=[0, n - 1])
        axis.set_yticks(range(count), kinds)
        axis.tick_params(length=0)
    return figure


def roofline_points(results: dict, config: ModelConfig, leave_out=()) -> dict[str, tuple[float, float]]:
    """Return label to (operations per byte, operations per second) from the rows of `gptoss-edu bench gpu` for 20b.

    Bytes count the experts that n independent tokens hit: e (1 - (1 - k/e)^n) per layer.
    """
    found, e, k = {}, config.num_experts, config.experts_per_token
    for name, row in results.items():
        words = name.replace(",", "").split()
        if name.startswith("20b decode"):  # 20b decode, 1 x context 1,024, room 1,152
            n, context = int(words[2]), int(words[5])
            queries_a_key = config.num_attention_heads // config.num_key_value_heads
            work = n * (prefill_operations(config, 1) + queries_a_key * cache_bytes(config, context))
            size = step_bytes(config, context, n, e * (1 - (1 - k / e) ** n))
            label = f"{n} sequences" if n > 1 else f"1 sequence, {context:,}"
        elif name.startswith("20b prefill"):  # 20b prefill, 128 tokens
            n = int(words[2])
            work, size = prefill_operations(config, n), step_bytes(config, n, 1, e * (1 - (1 - k / e) ** n))
            label = f"prompt of {n:,}"
        else:
            continue
        if label not in leave_out:
            found[label] = (work / size, work / (row["milliseconds"] / 1e3))
    return found


def roof_shares(points: dict[str, tuple[float, float]], roof: dict) -> dict[str, float]:
    """Return label to the share of the roof above each of `roofline_points`: 1 is the limit."""
    memory, arithmetic = roof["read_bytes_per_s"], roof["bf16_flop_per_s"]
    return {label: y / min(x * memory, arithmetic) for label, (x, y) in points.items()}


def figure_roofline(points: dict[str, tuple[float, float]], roof: dict, title: str):
    """Draw measurements below the two limits, each with its share of the roof."""
    figure, axis = plt.subplots(figsize=(7.2, 4.3))
    memory, arithmetic = roof["read_bytes_per_s"], roof["bf16_flop_per_s"]
    intensity = np.geomspace(0.6, 6000, 200)
    axis.loglog(intensity, np.minimum(intensity * memory, arithmetic) / 1e12, color=style.color("ink"))
    axis.text(9, 16 * memory / 1e12, "waiting for memory", rotation=38, rotation_mode="anchor")
    axis.text(3 * arithmetic / memory, 1.12 * arithmetic / 1e12, "waiting for arithmetic")
    shares = roof_shares(points, roof)
    for label, (x, y) in points.items():
        kind = 1 if label.startswith("prompt") else 0
        axis.plot([x, x], [y / 1e12, y / shares[label] / 1e12], color=style.color("grid"), zorder=0)
        axis.plot(x, y / 1e12, "os"[kind], color=style.cycle()[kind], markersize=6)
        text = f"{label}: {shares[label]:.0%}"
        axis.annotate(text, (x, y / 1e12), xytext=(8, -3), textcoords="offset points", fontsize=8)
    axis.set(
        xlabel="operations a byte", ylabel="10¹² operations a second", xlim=(0.6, 2e4), ylim=(1, 1300), title=title
    )
    return figure


def figure_steps(steps: dict[int, tuple[float | None, float, float]], title: str):
    """Draw the time of a step by its sequences, and on the left what a matrix unit takes at once.

    Parameters
    ----------
    steps : sequences to milliseconds (before or None, now, floor); the bar of now is filled up to the floor.
    """
    figure = plt.figure(figsize=(7.2, 4.2))
    grid = figure.add_gridspec(2, 2, width_ratios=(1, 2.7), hspace=0.35, wspace=0.32)
    tiles = {"a token as 1 of 16 rows": (16, 1, 0), "2 tokens as 2 of 8 columns": (8, 2, 1)}
    for place, (name, (size, used, across)) in enumerate(tiles.items()):
        axis = figure.add_subplot(grid[place, 0])
        filled = np.zeros((size, 16))
        filled[:used] = 1
        look = {"cmap": style.sequential(), "vmin": 0, "vmax": 2, "edgecolors": style.color("grid"), "linewidth": 1}
        axis.pcolormesh(filled.T if across else filled, **look)
        axis.set(xticks=[], yticks=[], aspect="equal", anchor="W")
        axis.set_title(name, fontsize=9)
        axis.invert_yaxis()
    axis = figure.add_subplot(grid[:, 1])
    ground = {"color": style.color("grid"), "edgecolor": style.color("muted")}
    for y, (before, now, floor) in enumerate(steps.values()):
        if before is not None:
            axis.barh(y - 0.2, before, 0.36, **ground)
        text = "not measured" if before is None else f"{before:.2f}"
        axis.text((before or 0) + 0.1, y - 0.2, text, va="center", fontsize=8)
        axis.barh(y + 0.2, now, 0.36, color=style.color("paper"), edgecolor=style.cycle()[0])
        axis.barh(y + 0.2, floor, 0.36, color=style.cycle()[0])
        axis.text(now + 0.1, y + 0.2, f"{now:.2f}, at least {floor:.2f}", va="center", fontsize=8)
    most = max(before or now for before, now, _ in steps.values())
    axis.set(yticks=range(len(steps)), yticklabels=steps, ylabel="sequences in a step", xlim=(0, 1.25 * most))
    axis.set(xlabel="milliseconds (above: before; below: now,\nfilled: its bytes at the memory's speed)", title=title)
    axis.invert_yaxis()
    return figure


def figure_kernels(kernels: dict, sizes: dict[str, float], bandwidth: float, title: str = ""):
    """Draw the time of each kernel in a step, filled up to the time of its bytes alone."""
    figure, axis = plt.subplots(figsize=(7.2, 0.7 + 0.36 * len(sizes)))
    for y, (name, size) in enumerate(sizes.items()):
        took, count = kernels[name]
        least = size / bandwidth * 1e6
        axis.barh(y, took, color=style.color("grid"), edgecolor=style.color("muted"))
        axis.barh(y, least, color=style.cycle()[0])
        axis.text(took + 12, y, f"{took:.0f} µs in {count:.0f} launches, at least {least:.0f}", va="center", fontsize=9)
    axis.set(yticks=range(len(sizes)), yticklabels=sizes, xlim=(0, 1.5 * max(kernels[name][0] for name in sizes)))
    axis.set(title=title, xlabel="microseconds per token (filled: its bytes at the memory's speed)")
    axis.invert_yaxis()
    return figure


LANES = {"attend": "attention", "combine": "combine splits", "out": "output product", "router": "router",
         "experts_up": "experts, first", "experts_down": "experts, second", "qkv": "query, key, value"}  # fmt: skip


def working(rows: list) -> list[tuple[str, float, float, float]]:
    """Return (key of `LANES`, start, when the previous kernel has ended, end) of recorded [name, start, length]."""
    found, before, kind = [], 0.0, "qkv"
    for name, start, length in rows:
        if "matvec" in name:
            kind = "qkv" if kind == "experts_down" else "out"
        else:
            kind = next(key for key in LANES if name.startswith(key))
        found.append((kind, start, max(start, before), start + length))
        before = start + length
    return found


def figure_timeline(timelines: dict[str, list]):
    """Draw the kernels of two layers over time, in sequence and overlapping: title to rows [name, start, length] in µs.

    A bar is filled from the end of the previous kernel, when it can work, and pale before, while it waits on the card.
    """
    figure, axes = plt.subplots(len(timelines), 1, figsize=(7.2, 2.5 * len(timelines)), sharex=True)
    lanes = list(LANES.values())
    for axis, (title, rows) in zip(np.atleast_1d(axes), timelines.items(), strict=True):
        for kind, start, begin, end in working(rows):
            y = lanes.index(LANES[kind])
            axis.barh(y, begin - start, left=start, color=style.color("grid"), edgecolor=style.color("muted"))
            axis.barh(y, end - begin, left=begin, color=style.cycle()[0], edgecolor=style.color("muted"))
        axis.axvline(end, color=style.color("ink"), linestyle=":")
        axis.text(end + 1, 0, f"{end:.0f} µs", va="center")
        axis.set(title=title, yticks=range(len(lanes)), yticklabels=lanes)
        axis.invert_yaxis()
    longest = max(start + length for rows in timelines.values() for _, start, length in rows)
    np.atleast_1d(axes)[-1].set(
        xlabel="microseconds (pale: on the card already, waiting for the previous kernel)", xlim=(0, 1.1 * longest)
    )
    return figure


def least_times(config: ModelConfig, context: int, bandwidth: float) -> dict[str, float]:
    """Return key of `LANES` to the microseconds of one layer's bytes for one token, at `bandwidth` bytes per second."""
    marks = {"qkv": ".attn.qkv", "out": ".attn.out", "router": ".mlp.gate",
             "experts_up": ".mlp.mlp1", "experts_down": ".mlp.mlp2"}  # fmt: skip
    sizes = {"attend": cache_bytes(config, context) / config.num_hidden_layers, "combine": 0.0}
    share = config.experts_per_token / config.num_experts
    for name, entry in layout_entries(config, "original").items():
        for kernel, mark in marks.items():
            if name.startswith("block.0.") and mark in name:
                size = bytes_read(name, entry.shape, 1 if entry.dtypes == ("U8",) else 2, share)
                sizes[kernel] = sizes.get(kernel, 0.0) + size
    return {kernel: size / bandwidth * 1e6 for kernel, size in sizes.items()}


def figure_between(timelines: dict[str, list], least: dict[str, float], wait: float, title: str):
    """Draw each timeline as one strip, filled for the time of its bytes, and a last one with only bytes and waits.

    Parameters
    ----------
    timelines : name to rows [kernel, start, length] in microseconds.
    least : key of `LANES` to the microseconds of a kernel's bytes at the memory's speed.
    wait : microseconds for which all programs wait for each other between two products of one kernel.
    """
    strips = {}
    for name, rows in timelines.items():
        strips[f"{name},\nrecorded"] = [(begin, end, least[kind]) for kind, _, begin, end in working(rows)]
    now, alone = 0.0, []
    for kind, *_ in working(rows):
        alone.append((now, now + least[kind] + wait, least[kind]))
        now = alone[-1][1]
    strips["one kernel for all,\ncomputed"] = alone
    figure, axis = plt.subplots(figsize=(7.2, 2.7))
    for y, pieces in enumerate(strips.values()):
        for number, (begin, end, bytes_alone) in enumerate(pieces):
            edge = {"edgecolor": style.color("muted"), "linewidth": 0.8}
            axis.barh(y, end - begin, left=begin, color=style.color("grid"), **edge)
            axis.barh(y, min(bytes_alone, end - begin), left=begin, color=style.cycle()[number % 2], **edge)
        axis.text(end + 1, y, f"{end:.0f} µs", va="center")
    axis.set(yticks=range(len(strips)), yticklabels=strips, xlim=(0, 1.12 * max(p[-1][1] for p in strips.values())))
    axis.set(title=title, xlabel="microseconds (filled: the bytes of one kernel; pale: all else)")
    axis.invert_yaxis()
    return figure


def figure_cards(rows: dict[str, tuple[int, int, dict[str, float]]]):
    """Draw what a model takes of a card: label to (GiB of the card, tokens that fit or 0, bytes by part)."""
    figure, axis = plt.subplots(figsize=(7.2, 0.8 + 0.3 * len(rows)))
    for y, (card, tokens, parts) in enumerate(rows.values()):
        left, last = 0.0, y == len(rows) - 1
        colors = (style.cycle()[0], style.color("muted"), style.cycle()[1])
        for (part, size), color in zip(parts.items(), colors, strict=True):
            label = part if last else None
            axis.barh(y, size / GIB, left=left, color=color, alpha=1 if tokens else 0.25, label=label)
            left += size / GIB
        end = {"color": style.color("ink"), "linewidth": 3, "label": "end of the card" if last else None}
        axis.plot([card, card], [y - 0.45, y + 0.45], **end)
        text = f"{tokens:,} tokens" if tokens else "does not fit"
        axis.text(max(left, card) + 1, y, text, va="center", fontsize=9)
    axis.set(yticks=range(len(rows)), yticklabels=rows, xlim=(0, 105), xlabel="GiB")
    axis.invert_yaxis()
    axis.legend(ncols=4, loc="lower center", bbox_to_anchor=(0.45, 1))
    return figure
