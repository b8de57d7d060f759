"""Figures of the router: one function a figure, each returning its Matplotlib figure."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from gptoss_edu.trace.analysis import Corpus, bootstrap_interval, entropy_bits
from gptoss_edu.trace.record import Trace

from . import style
from .attention_figures import short

ORDER = ("low", "medium", "high", "system", "developer", "user", "analysis", "commentary", "tool", "final")


def router_map(trace: Trace, layer: int, first: int = 0, last: int | None = None):
    """Draw weights of the chosen experts, token by expert, over the bar of roles and channels."""
    last = min(len(trace), first + 80) if last is None else last
    picture = np.zeros((trace.n_experts, last - first), np.float32)
    for i, t in enumerate(range(first, last)):
        picture[trace["expert_indices"][layer, t], i] = trace["expert_weights"][layer, t]
    fig, ax = plt.subplots(figsize=(9.4, 0.22 * trace.n_experts + 1.5))
    ax.imshow(
        picture,
        cmap=style.sequential(),
        vmin=0,
        vmax=1,
        aspect="auto",
        extent=(first - 0.5, last - 0.5, trace.n_experts - 0.5, -0.5),
    )
    ax.set(yticks=range(0, trace.n_experts, max(1, trace.n_experts // 16)), ylabel="expert", xlabel="token")
    if last - first <= 90:
        ax.set_xticks(
            range(first, last),
            [short(trace.text(t)) for t in range(first, last)],
            rotation=90,
            fontsize=7.5,
            family="monospace",
        )
    ax.set_title(f"Router of layer {layer}: each column sums to one")
    return fig


def load(corpus: Corpus, layer: int, by: str = "voice", repeats: int = 300, seed: int = 0):
    """Draw the experts' load by a label, with bootstrap intervals over conversations, and a shuffled null.

    A bar is the share of the choices that tokens with this label made; the grey band is where the middle 95 % of the
    bars would lie if the label said nothing.
    """
    labels = corpus.labels[by]
    names = [str(name) for name in np.unique(labels) if str(name) != "none"]
    names.sort(key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))
    chosen = corpus.chosen(layer) / corpus.k
    groups = corpus.labels["conversation"]
    fig, axes = plt.subplots(
        len(names), 1, figsize=(7.6, 1.25 * len(names) + 0.8), sharex=True, sharey=True, squeeze=False
    )
    rng = np.random.default_rng(seed)
    for name, ax in zip(names, axes[:, 0], strict=True):
        here = labels == name
        shares = chosen[here].mean(0)
        low, high = bootstrap_interval(chosen[here], groups[here], repeats=repeats, seed=seed)
        null = [chosen[corpus.shuffled(by, rng) == name].mean(0) for _ in range(repeats)]
        a, b = np.quantile(null, (0.025, 0.975), axis=0)
        ax.bar(range(corpus.n_experts), b - a, bottom=a, color=style.color("grid"), width=0.95)
        shade = style.COLORS.get(name, style.COLORS["full"])[style.THEMES.index(style.theme())]
        ax.errorbar(
            range(corpus.n_experts),
            shares,
            [np.maximum(0, shares - low), np.maximum(0, high - shares)],
            fmt="o",
            color=shade,
            ms=4,
            lw=1.2,
        )
        ax.set_ylabel(f"{name}\n{here.sum()} tokens", fontsize=8, rotation=0, ha="right", va="center")
    axes[0, 0].set_ylim(0, None)
    axes[0, 0].set_title(f"Layer {layer}: share of the choices, by {by} (grey: shuffled)")
    axes[-1, 0].set(xlabel="expert", xticks=range(0, corpus.n_experts, max(1, corpus.n_experts // 16)))
    return fig


def information(results: dict, title: str = "What the first expert tells about the token"):
    """Draw mutual information by label and layer, with the shuffled null's 95 % line.

    results : label → list over layers of (bits, null).
    """
    fig, ax = plt.subplots(figsize=(7.4, 3.4))
    for i, (name, by_layer) in enumerate(results.items()):
        bits = [b for b, _ in by_layer]
        limit = [np.quantile(null, 0.95) for _, null in by_layer]
        ax.plot(range(len(bits)), bits, "-", marker="osD^vPX*"[i % 8], color=style.cycle()[i % 8], label=name)
        ax.plot(range(len(bits)), limit, ":", color=style.cycle()[i % 8], lw=1.2)
    ax.set(xlabel="layer", ylabel="mutual information, bits", xticks=range(len(bits)), ylim=(0, None))
    ax.set_title(title)
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1), title="dotted: 95 % of the null")
    return fig


def null_histogram(observed: float, null: np.ndarray, label: str, unit: str = "bits"):
    """Draw an observation beside what chance alone would give."""
    fig, ax = plt.subplots(figsize=(6.0, 2.6))
    ax.hist(null, bins=24, color=style.color("neutral"), alpha=0.7, label="shuffled")
    ax.axvline(observed, color=style.color("sink"), lw=2.2)
    ax.annotate(
        f"observed {observed:.3f}",
        (observed, ax.get_ylim()[1] * 0.9),
        xytext=(-6, 0),
        textcoords="offset points",
        ha="right",
        color=style.color("sink"),
    )
    ax.set(xlabel=f"{label}, {unit}", ylabel="shuffles", xlim=(0, max(observed, null.max()) * 1.15))
    ax.legend()
    return fig


def load_balance(corpus: Corpus):
    """Draw every layer's load, sorted, against even shares; the legend gives the entropies."""
    fig, ax = plt.subplots(figsize=(6.4, 3.2))
    for layer in range(corpus.experts.shape[0]):
        shares = np.sort(corpus.load(layer))[::-1]
        ax.plot(
            range(1, len(shares) + 1),
            100 * shares,
            marker="osD^vPX*"[layer % 8],
            ms=4,
            color=style.cycle()[layer % 8],
            label=f"layer {layer}: {entropy_bits(shares):.2f} bits",
        )
    ax.axhline(
        100 / corpus.n_experts,
        color=style.color("ink"),
        ls="--",
        lw=1,
        label=f"even: {np.log2(corpus.n_experts):.2f} bits",
    )
    ax.set(xlabel="experts, busiest first", ylabel="share of the choices, %", ylim=(0, None))
    ax.set_title("How evenly the experts are used")
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return fig
