"""Pictures of a gpt-oss and its parts: a map, where the parameters are, what fits where.

Every number comes from a `ModelConfig`; no weights are needed.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from math import prod

import matplotlib.pyplot as plt
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from gptoss_edu.checkpoint.layouts import original_shapes, split_name
from gptoss_edu.checkpoint.sizes import GIB, parameter_counts
from gptoss_edu.config import ModelConfig

from . import style

PARTS = ("experts", "attention", "embedding", "unembedding", "routers and norms")
KIND_COLORS = {
    "experts": "assistant", "attention": "analysis", "embedding": "commentary", "unembedding": "user", "rest": "muted",
}  # fmt: skip


def parameter_parts(config: ModelConfig) -> dict[str, int]:
    """Count parameters by what they do; unlike in the model card's table, routers and norms are separate.

    Returns
    -------
    dict[str, int]
        Keys are `PARTS`; the values add up to all parameters.
    """
    counts = dict.fromkeys(PARTS, 0)
    for name, shape in original_shapes(config).items():
        counts[_part(name)] += prod(shape)
    return counts


def _part(name: str) -> str:
    if name in ("embedding.weight", "unembedding.weight"):
        return name.split(".")[0]
    rest = split_name(name)[1]
    if rest.startswith("mlp.mlp"):
        return "experts"
    return "attention" if rest.startswith("attn.") and "norm" not in rest else "routers and norms"


# ---------------------------------------------------------------------------------------------- where parameters sit


def figure_parameters(config: ModelConfig, name: str = "this model", seed: int = 0) -> Figure:
    """Draw a treemap: an area is a number of parameters, and dark is what one token uses.

    Each expert is a cell; columns are layers, rows are the experts of a layer. The dark ones are random, by `seed`; a
    real router chooses them by token.
    """
    counts = parameter_parts(config)
    total = sum(counts.values())
    active = parameter_counts(original_shapes(config), config)["active"]
    figure, axes = plt.subplots(figsize=(9.4, 4.4))
    width = counts["experts"] / total
    _draw_experts(axes, config, width, random.Random(seed))
    _draw_column(axes, counts, total, width)
    title = f"{name}: {_billions(total)} parameters; dark: the {_billions(active)} that one token uses"
    axes.set(xlim=(-0.045, 1.4), ylim=(1.0, -0.09), title=title)
    axes.axis("off")
    return figure


def _draw_experts(axes: plt.Axes, config: ModelConfig, width: float, chance: random.Random) -> None:
    layers, experts = config.num_hidden_layers, config.num_experts
    w, h = width / layers, 1 / experts
    cells, faces = [], []
    for layer in range(layers):
        chosen = chance.sample(range(experts), config.experts_per_token)
        for expert in range(experts):
            cells.append(Rectangle((layer * w, expert * h), w, h))
            faces.append(_face(expert in chosen))
    paper = style.color("paper")
    axes.add_collection(PatchCollection(cells, facecolors=faces, edgecolors=paper, linewidths=0.3))
    small = {"fontsize": 8, "color": style.color("muted"), "va": "bottom"}
    axes.text(0, -0.015, f"layer 0 … {layers - 1} →", **small)
    axes.text(width, -0.015, f"all experts: {_share(config, 'experts')}", ha="right", **small | {"fontsize": 10})
    axes.text(-0.012, 0.5, f"{experts} experts per layer", rotation=90, **small | {"va": "center", "ha": "right"})


def _draw_column(axes: plt.Axes, counts: dict[str, int], total: int, left: float) -> None:
    """Stack everything except experts at the right edge; labels are apart, since the column can be very thin."""
    labels = {
        "attention": "attention: all of it, every token",
        "embedding": "embedding: one row per token",
        "unembedding": "unembedding: all of it, every token",
        "routers and norms": "routers and norms",
    }
    middles, top = [], 0.0
    for part in labels:
        height = counts[part] / total / (1 - left)
        look = {"facecolor": _face(part != "embedding"), "edgecolor": style.color("paper"), "linewidth": 0.8}
        axes.add_patch(Rectangle((left, top), 1 - left, height, **look))
        middles.append(min(top + height / 2, 0.999))
        top += height
    gap, below = 0.115, 1.07
    for (part, label), middle in reversed(list(zip(labels.items(), middles, strict=True))):
        below = min(middle, below - gap)  # never closer than a label's height to the one below it
        line = {"arrowstyle": "-", "color": style.color("muted"), "linewidth": 0.7}
        text = f"{label}\n{100 * counts[part] / total:.2f} %"
        axes.annotate(text, xy=(1.0, middle), xytext=(1.035, below), va="center", fontsize=9, arrowprops=line)


def _face(used: bool) -> str:
    return style.cycle()[0] if used else style.color("grid")


def _share(config: ModelConfig, part: str) -> str:
    counts = parameter_parts(config)
    return f"{100 * counts[part] / sum(counts.values()):.1f} %"


def _billions(count: int) -> str:
    return f"{count / 1e9:.1f} billion" if count >= 1e9 else f"{count / 1e6:.1f} million"


def figure_guess(guess: Mapping[str, float], config: ModelConfig) -> Figure:
    """Draw a learner's guess of the shares in per cent beside the real ones, part by part."""
    counts = parameter_parts(config)
    total = sum(counts.values())
    figure, axes = plt.subplots(figsize=(7.2, 2.8))
    for offset, label, values in (
        (0.0, "your guess", [guess.get(part, 0.0) for part in PARTS]),
        (0.4, "counted", [100 * counts[part] / total for part in PARTS]),
    ):
        number = int(offset > 0)
        bars = axes.barh(
            [i + offset for i in range(len(PARTS))], values, height=0.38, label=label, color=style.cycle()[1 - number],
            hatch=["//", ""][number], edgecolor="white",
        )  # fmt: skip
        axes.bar_label(bars, fmt="%.3g", padding=3, fontsize=9)
    axes.set_yticks([i + 0.2 for i in range(len(PARTS))], PARTS)
    axes.set(xlabel="per cent of all parameters", xlim=(0, 108))
    axes.invert_yaxis()
    axes.legend(loc="lower right")
    return figure


# ----------------------------------------------------------------------------------------------------- what fits where


def figure_memory(needs: Mapping[str, float], have: Mapping[str, float]) -> Figure:
    """Draw required bytes as bars and machines' memory as vertical lines, on a logarithmic axis in GiB."""
    figure, axes = plt.subplots(figsize=(8.2, 0.42 * len(needs) + 1.3))
    values = [value / GIB for value in needs.values()]
    bars = axes.barh(list(needs), values, color=style.cycle()[0])
    labels = axes.bar_label(bars, [f"{value:,.3g} GiB" for value in values], padding=3, fontsize=9)
    for label in labels:  # readable where a line crosses them
        label.set_bbox({"facecolor": style.color("paper"), "edgecolor": "none", "pad": 0.8})
        label.set_zorder(5)
    for number, (name, value) in enumerate(have.items()):
        line = ["-", "--", ":"][number % 3]
        axes.axvline(value / GIB, color=style.cycle()[1], linestyle=line, label=f"{name}: {value / GIB:,.0f} GiB")
    axes.set(xscale="log", xlim=(min(values) / 2, 6 * max(values)), xlabel="GiB of memory")
    axes.invert_yaxis()
    figure.legend(loc="outside lower left", ncols=len(have))
    return figure


def figure_bars(values: Mapping[str, float], label: str, title: str = "", fmt: str = "{:,.1f}") -> Figure:
    """Draw plain labelled bars, the first one filled, the others hatched: the real thing against its variants."""
    figure, axes = plt.subplots(figsize=(7.6, 0.42 * len(values) + 0.8))
    looks = [(style.cycle()[0], "")] + [(style.cycle()[1], "//")] * (len(values) - 1)
    bars = axes.barh(list(values), list(values.values()), color=[look[0] for look in looks], edgecolor="white")
    for bar, (_, hatch) in zip(bars, looks, strict=True):
        bar.set_hatch(hatch)
    axes.bar_label(bars, [fmt.format(value) for value in values.values()], padding=3)
    axes.set(xlabel=label, title=title, xlim=(0, 1.2 * max(values.values())))
    axes.invert_yaxis()
    return figure


# -------------------------------------------------------------------------------------------------- the map of a model


def figure_map(config: ModelConfig) -> Figure:
    """Draw the way from text to text, and one block enlarged; the number on a part is the chapter that builds it."""
    figure, axes = plt.subplots(figsize=(9.6, 4.9))
    axes.set(xlim=(0, 12), ylim=(0, 6.1))
    axes.axis("off")
    _draw_pipeline(axes, config)
    _draw_block(axes, config)
    return figure


def _draw_pipeline(axes: plt.Axes, config: ModelConfig) -> None:
    boxes = [
        (0.0, 0.9, "text", ""),
        (1.25, 1.6, f"tokenizer\n{config.vocab_size:,} ids", "02"),
        (3.2, 1.6, f"embedding\n{config.hidden_size:,} numbers\nper token", "03"),
        (5.15, 1.5, f"{config.num_hidden_layers} blocks", "10"),
        (7.0, 1.75, f"norm and\nunembedding\n{config.vocab_size:,} logits", "10"),
        (9.1, 1.2, "sampling", "11"),
        (10.65, 1.35, "harmony\nand tools", "12, 13"),
    ]
    for (x, width, text, chapter), after in zip(boxes, [*boxes[1:], None], strict=True):
        _box(axes, x, 4.5, width, 1.1, text, chapter, strong="blocks" in text)
        if after:
            _arrow(axes, (x + width, 5.05), (after[0], 5.05))
    for corner, end in ((5.15, 0.15), (6.65, 11.85)):
        axes.plot([corner, end], [4.5, 3.75], color=style.color("muted"), linewidth=0.8, linestyle=":")


def _draw_block(axes: plt.Axes, config: ModelConfig) -> None:
    ink = style.color("ink")
    axes.add_patch(Rectangle((0.15, 0.1), 11.7, 3.65, facecolor="none", edgecolor=style.color("muted"), linewidth=0.8))
    axes.text(0.3, 3.5, "one block", va="top", weight="bold")
    axes.annotate(
        "", xy=(11.75, 0.75), xytext=(0.25, 0.75), arrowprops={"arrowstyle": "-|>", "color": ink, "linewidth": 2.4}
    )
    axes.text(
        0.3, 0.3, f"residual stream: {config.hidden_size:,} numbers per token, passed on and added to", fontsize=9
    )
    attention = (
        f"attention\n{config.num_attention_heads} query, {config.num_key_value_heads} key/value heads\n"
        f"every other layer sees {config.sliding_window} tokens"
    )
    router = f"router\n{config.experts_per_token} of {config.num_experts}"
    experts = f"{config.experts_per_token} experts\nSwiGLU, in MXFP4"
    _branch(axes, 0.6, [(0.95, "norm", "03"), (3.2, attention, "04, 05, 06")])
    _branch(axes, 6.15, [(0.95, "norm", "03"), (1.15, router, "08"), (1.95, experts, "07, 09")])


def _branch(axes: plt.Axes, x: float, boxes: list[tuple[float, str, str]]) -> None:
    """Draw a line up from the residual stream, through the boxes, and back down to a plus."""
    middle, stream = 2.15, 0.75
    axes.plot([x, x], [stream, middle], color=style.color("ink"), linewidth=1.2)
    for width, text, chapter in boxes:
        _arrow(axes, (x, middle), (x + 0.3, middle))
        _box(axes, x + 0.3, 1.6, width, 1.1, text, chapter)
        x += width + 0.3
    axes.plot([x, x + 0.3], [middle, middle], color=style.color("ink"), linewidth=1.2)
    _arrow(axes, (x + 0.3, middle), (x + 0.3, stream + 0.12))
    axes.text(
        x + 0.3, stream, "+", ha="center", va="center", fontsize=12, weight="bold",
        bbox={"boxstyle": "circle,pad=0.12", "facecolor": style.color("paper"), "edgecolor": style.color("ink")},
    )  # fmt: skip


def _box(
    axes: plt.Axes, x: float, y: float, width: float, height: float, text: str, chapter: str, strong=False
) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (x + 0.04, y), width - 0.08, height, boxstyle="round,pad=0,rounding_size=0.1",
            facecolor=style.color("raised"), edgecolor=style.color("ink"), linewidth=1.6 if strong else 0.8,
        )
    )  # fmt: skip
    axes.text(x + width / 2, y + height / 2, text, ha="center", va="center", fontsize=9, linespacing=1.25)
    if chapter:
        axes.text(
            x + width / 2, y + height, chapter, ha="center", va="center", fontsize=8, color=style.color("paper"),
            bbox={"boxstyle": "round,pad=0.2", "facecolor": style.cycle()[0], "edgecolor": "none"},
        )  # fmt: skip


def _arrow(axes: plt.Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate(
        "",
        xy=end,
        xytext=start,
        arrowprops={"arrowstyle": "-|>", "color": style.color("ink"), "shrinkA": 0, "shrinkB": 0},
    )


def figure_bytes(spans: Sequence[tuple[int, int, str]], sizes: Mapping[str, Mapping[str, float]], title: str) -> Figure:
    """Draw a file as its tensors lie in it, and below it the bytes of whole models, both by kind of tensor.

    spans : (first byte, byte after the last, kind) of each tensor; sizes : model to {kind: GB}
    """
    figure, (file, models) = plt.subplots(2, 1, figsize=(8.6, 4.4), height_ratios=[1, 2.6])
    edge = style.color("paper")
    for start, stop, kind in spans:
        shade = style.color(KIND_COLORS[kind])
        file.barh(0, (stop - start) / 1e6, left=start / 1e6, color=shade, edgecolor=edge, linewidth=0.4)
    file.set(yticks=[], xlabel="MB from the start of the data", title=title)
    for place, parts in enumerate(sizes.values()):
        at = 0.0
        for kind, size in parts.items():
            shade, label = style.color(KIND_COLORS[kind]), kind if place == 0 else None
            models.barh(place, size, left=at, color=shade, edgecolor=edge, label=label)
            at += size
        box = {"facecolor": edge, "edgecolor": "none", "pad": 1}
        models.text(at + 0.5, place, f"{at:.1f} GB", va="center", bbox=box)
    models.axvline(16, color=style.color("ink"), linestyle=":", linewidth=1, zorder=0)
    models.text(16.4, -0.5, "16 GB", fontsize=9, color=style.color("muted"))
    models.set(yticks=range(len(sizes)), yticklabels=sizes, xlabel="GB", xlim=(0, 76))
    models.set_ylim(len(sizes) - 0.5, -0.75)
    models.legend(loc="upper right")
    return figure
