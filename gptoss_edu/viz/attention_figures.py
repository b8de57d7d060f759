"""Figures of attention, the logit lens and differences: one function a figure, each returning its Matplotlib figure."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Patch as Swatch

from gptoss_edu.trace.record import Difference, Trace

from . import style


def attention(trace: Trace, layer: int, head: int, first: int = 0, last: int | None = None, title: str | None = None):
    """Draw one head's attention: the sink in its own column, then queries by keys, with the band's edge.

    trace : keeps this head exactly; first, last : the stretch of tokens to show. Shades show the square root of the
        weights.
    """
    weights, sink = trace.attention(layer, head)
    last = len(trace) if last is None else last
    fig, (left, ax) = plt.subplots(1, 2, figsize=(6.4, 5.6), width_ratios=(1, 22), sharey=True)
    part = np.sqrt(weights[first:last, first:last])
    grid = np.arange(first, last)
    hidden = grid[:, None] < grid[None, :]
    window = trace.windows[layer]
    if window is not None:
        hidden |= grid[None, :] <= grid[:, None] - window
    cmap = style.sequential().with_extremes(bad=style.color("raised"))
    box = (first - 0.5, last - 0.5, last - 0.5, first - 0.5)
    ax.imshow(np.ma.array(part, mask=hidden), cmap=cmap, vmin=0, vmax=1, extent=box, aspect="auto")
    left.imshow(
        sink[first:last, None], cmap=style.heat(), vmin=0, vmax=1, extent=(0, 1, last - 0.5, first - 0.5), aspect="auto"
    )
    left.set(xticks=[], ylabel="query")
    left.set_xlabel("sink", color=style.color("sink"), fontweight="bold")
    if window is not None and window < last - first:
        ax.plot([first, last], [first + window, last + window], "--", color=style.color("sliding"), lw=1.5)
        ax.text(
            first + 1, last - 2, f"beyond the window of {window}", color=style.color("sliding"), va="bottom", fontsize=9
        )
    ax.set(xlim=(first - 0.5, last - 0.5), ylim=(last - 0.5, first - 0.5), xlabel="key")
    kind = "full" if window is None else "sliding"
    ax.set_title(title or f"Layer {layer} ({kind}), head {head}: {sink[first:last].mean():.0%} to the sink")
    if last - first <= 48:
        _name_tokens(ax, trace, range(first, last))
    return fig


def row(trace: Trace, layer: int, head: int, query: int, keys: int = 14):
    """Draw one query's attention as a bar that sums to one: the sink, then the largest keys in text order."""
    weights, sink = trace.attention(layer, head)
    shares = weights[query, : query + 1]
    largest = np.sort(np.argsort(-shares)[:keys])
    rest = 1 - sink[query] - shares[largest].sum()
    fig, ax = plt.subplots(figsize=(7.2, 1.6))
    at = 0.0
    parts = [("sink", float(sink[query]), style.color("sink"))]
    parts += [
        (
            short(trace.text(k), 16),
            float(shares[k]),
            style.sequential()(0.35 + 0.4 * float(shares[k] / shares.max())),
        )
        for k in largest
    ]
    parts += [("others", float(max(rest, 0)), style.color("grid"))]
    for name, share, shade in parts:
        ax.barh(0, share, left=at, color=shade, edgecolor=style.color("paper"), height=0.7)
        if share > 0.035:
            dark = style.contrast(plt.matplotlib.colors.to_hex(shade), "#FFFFFF") > 3.5
            ax.text(
                at + share / 2,
                0,
                f"{name}\n{share:.0%}",
                ha="center",
                va="center",
                fontsize=8,
                color="#FFFFFF" if dark else "#10141A",
            )
        at += share
    ax.set(
        xlim=(0, 1),
        ylim=(-0.5, 0.5),
        yticks=[],
        xlabel=f"share of query {query} (“{short(trace.text(query), 16)}”), together {at:.2f}",
    )
    ax.set_title(f"Layer {layer} head {head}: where query {query} looks")
    ax.spines["left"].set_visible(False)
    return fig


def head_grid(trace: Trace, statistic: str = "sink_mass", select=None):
    """Draw the mean of a head statistic, layer by head, with gaps between groups that share keys and values.

    statistic : "sink_mass", "head_entropy" or "head_distance"; select : (t,) bool, the tokens to average.
    """
    values = trace[statistic].astype(np.float32)
    values = values.mean(1) if select is None else values[:, select].mean(1)  # (l, h)
    names = {
        "sink_mass": "mean sink mass",
        "head_entropy": "mean entropy of a row, bits",
        "head_distance": "mean distance, tokens",
    }
    per = trace.n_heads // trace.n_kv_heads
    padded = np.insert(values, np.arange(per, trace.n_heads, per), np.nan, axis=1)
    cmap = (style.heat() if statistic == "sink_mass" else style.sequential()).with_extremes(bad=style.color("paper"))
    fig, ax = plt.subplots(figsize=(0.55 * padded.shape[1] + 2.4, 0.5 * trace.n_layers + 1.2))
    image = ax.imshow(padded, cmap=cmap, vmin=0, vmax=1 if statistic == "sink_mass" else None, aspect="auto")
    columns = [h + h // per for h in range(trace.n_heads)]
    for layer in range(trace.n_layers):
        for h, x in enumerate(columns):
            shade = plt.matplotlib.colors.to_hex(image.to_rgba(values[layer, h]))
            ink = "#FFFFFF" if style.contrast(shade, "#FFFFFF") > 4 else "#10141A"
            ax.text(
                x,
                layer,
                f"{values[layer, h]:.2f}" if statistic == "sink_mass" else f"{values[layer, h]:.1f}",
                ha="center",
                va="center",
                fontsize=8,
                color=ink,
            )
    _name_layers(ax, trace)
    ax.set(xticks=columns, xticklabels=range(trace.n_heads), xlabel="query head, in groups that share keys and values")
    ax.set_title(names[statistic].capitalize())
    ax.tick_params(length=0)
    return fig


def sink_over_text(trace: Trace, heads, first: int = 0, last: int | None = None):
    """Draw the sink's mass of chosen heads along the text, over the shares of the roles and channels."""
    last = len(trace) if last is None else last
    fig, ax = plt.subplots(figsize=(8.6, 3.2))
    at = np.arange(first, last)
    for i, (layer, head) in enumerate(heads):
        ax.step(
            at,
            trace["sink_mass"][layer, first:last, head],
            where="mid",
            color=style.cycle()[i % 8],
            lw=1.3,
            label=f"layer {layer} head {head}",
        )
    _voice_band(ax, trace, first, last)
    ax.set(xlim=(first - 0.5, last - 0.5), ylim=(-0.09, 1.02), xlabel="token", ylabel="sink mass")
    ax.set_title("When the heads park")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    if last - first <= 70:
        ax.set_xticks(at, [short(trace.text(t)) for t in at], rotation=90, fontsize=8, family="monospace")
    return fig


def distances(trace: Trace):
    """Draw the mean attended distance of every head, sliding layers beside full ones."""
    fig, ax = plt.subplots(figsize=(6.4, 3.2))
    for layer, window in enumerate(trace.windows):
        kind = "full" if window is None else "sliding"
        values = trace["head_distance"][layer].astype(np.float32).mean(0)
        ax.plot(
            np.full(len(values), layer) + np.linspace(-0.18, 0.18, len(values)),
            values,
            style.LAYER_MARKER[kind],
            color=style.color(kind),
            ms=6,
        )
        if window is not None:
            ax.plot([layer - 0.35, layer + 0.35], [window, window], color=style.color("sliding"), lw=1, ls="--")
    ax.set(xticks=range(trace.n_layers), xlabel="layer", ylabel="mean distance, tokens", ylim=(0, None))
    marks = [
        plt.Line2D([], [], ls="", marker=style.LAYER_MARKER[k], color=style.color(k), label=f"{k} layer")
        for k in ("sliding", "full")
    ]
    ax.legend(
        handles=[*marks, plt.Line2D([], [], ls="--", color=style.color("sliding"), label="window")],
        loc="upper left",
        bbox_to_anchor=(1, 1),
    )
    ax.set_title("How far each head looks")
    return fig


def logit_lens(trace: Trace, first: int, last: int):
    """Draw the likeliest next token if the model stopped after each layer; framed where it is the token that came."""
    positions = range(first, min(last, len(trace)))
    fig, ax = plt.subplots(figsize=(0.62 * len(positions) + 1.6, 0.42 * trace.n_layers + 1.4))
    probs = trace["lens_probs"][:, first : positions.stop, 0].astype(np.float32)
    image = ax.imshow(probs, cmap=style.sequential(), vmin=0, vmax=1, aspect="auto", origin="lower")
    for layer in range(trace.n_layers):
        for i, t in enumerate(positions):
            token = int(trace["lens_tokens"][layer, t, 0])
            word = short(trace.meta["vocabulary"].get(str(token), f"#{token}"))
            shade = plt.matplotlib.colors.to_hex(image.to_rgba(probs[layer, i]))
            ink = "#FFFFFF" if style.contrast(shade, "#FFFFFF") > 4 else "#10141A"
            ax.text(i, layer, word, ha="center", va="center", fontsize=8, family="monospace", color=ink)
            if t + 1 < len(trace) and token == int(trace["tokens"][t + 1]):
                ax.add_patch(
                    plt.Rectangle((i - 0.47, layer - 0.45), 0.94, 0.9, fill=False, ec=style.color("sink"), lw=1.6)
                )
    ax.set_xticks(
        range(len(positions)),
        [short(trace.text(t)) for t in positions],
        rotation=60,
        ha="right",
        fontsize=8,
        family="monospace",
    )
    ax.set(yticks=range(trace.n_layers), ylabel="after layer", xlabel="token that was just read")
    ax.set_title("Logit lens: what the model would say after each layer (framed: what came)")
    return fig


def difference(change: Difference, title: str = "What the intervention changes"):
    """Draw surprisal and routing of two runs of the same text, token by token."""
    base = change.base
    fig, axes = plt.subplots(2, 1, figsize=(8.6, 3.8), sharex=True, height_ratios=(2, 1))
    bits = np.nan_to_num(change.surprisal)
    up, down = style.color("sink"), style.color("final")
    axes[0].bar(range(len(base)), bits, color=np.where(bits > 0, up, down), width=1.0)
    axes[0].axhline(0, color=style.color("muted"), lw=0.8)
    axes[0].set(ylabel="change of\nsurprisal, bits", title=title)
    axes[0].legend(
        handles=[Swatch(color=up, label="more surprised"), Swatch(color=down, label="less")],
        loc="upper left",
        bbox_to_anchor=(1, 1),
    )
    axes[1].fill_between(
        range(len(base)), 100 * change.experts_changed.mean(0), step="mid", color=style.color("full"), alpha=0.8
    )
    axes[1].set(ylabel="experts\nreplaced, %", xlabel="token", ylim=(0, None), xlim=(-0.5, len(base) - 0.5))
    return fig


def _name_layers(ax, trace: Trace) -> None:
    kinds = ["full" if w is None else "sliding" for w in trace.windows]
    ax.set_yticks(range(trace.n_layers), [f"{i} {kind}" for i, kind in enumerate(kinds)])
    for label, kind in zip(ax.get_yticklabels(), kinds, strict=True):
        label.set_color(style.color(kind))


def _name_tokens(ax, trace: Trace, positions) -> None:
    names = [short(trace.text(t)) for t in positions]
    ax.set_xticks(list(positions), names, rotation=90, fontsize=7.5, family="monospace")
    ax.set_yticks(list(positions), names, fontsize=7.5, family="monospace")


def _voice_band(ax, trace: Trace, first: int, last: int) -> None:
    """Draw who speaks under the axis, in the fixed colours and hatches."""
    voices = np.where(trace.names("channel") != "none", trace.names("channel"), trace.names("role"))
    start = first
    for t in range(first + 1, last + 1):
        if t < last and voices[t] == voices[start]:
            continue
        name = str(voices[start])
        if name != "none":
            ax.axvspan(
                start - 0.5,
                t - 0.5,
                ymin=0,
                ymax=0.05,
                facecolor=style.color(name),
                hatch=style.CHANNEL_HATCH.get(name, ""),
                edgecolor=style.color("paper"),
                lw=0,
            )
            if t - start > (last - first) * 0.07:
                ax.text(
                    (start + t) / 2,
                    0.0,
                    name,
                    ha="center",
                    fontsize=8,
                    color=style.color(name),
                    bbox={"fc": style.color("paper"), "lw": 0, "pad": 0.6, "alpha": 0.85},
                )
        start = t


def short(text: str, room: int = 9) -> str:
    """Return a token as an axis label: visible spaces, no markup, at most `room` characters."""
    text = "".join(c if c.isprintable() else "□" for c in text.replace("\n", "↵").replace(" ", "·"))
    return (text if len(text) <= room else text[: room - 1] + "…").replace("$", r"\$")
