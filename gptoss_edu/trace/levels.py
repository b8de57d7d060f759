"""The levels of a trace: what each keeps, and its cost in bytes per token."""

from __future__ import annotations

import math

from gptoss_edu.errors import TraceError

LEVELS = {
    "routing": "token labels, router logits, chosen experts and weights",
    "default": "routing, sinks, per-head statistics, pooled attention, residual norms, next tokens, logit lens",
    "exact": "default, and the exact attention rows of up to eight chosen heads",
    "full": "default, and the exact attention rows of every head, appended to files and memory-mapped",
}
NEXT_TOKENS, LENS_TOKENS, MAX_EXACT_HEADS, MAX_BINS = 8, 5, 8, 48
POOLED_BUDGET = 4096  # bytes per token for the pooled maps of all heads together


def pooled_bins(tokens: int, layers: int, heads: int) -> int:
    """Return the bins per side that keep the pooled attention maps within `POOLED_BUDGET` bytes per token."""
    affordable = math.isqrt(max(1, POOLED_BUDGET * tokens // (2 * layers * heads)))
    return max(1, min(MAX_BINS, tokens, affordable))


def bytes_per_token(config, level: str = "default", heads=(), length: int = 1024, lens: bool = True) -> dict[str, int]:
    """Return the cost of a level, array by array, in bytes per token.

    Parameters
    ----------
    config : ModelConfig.
    level : one of `LEVELS`.
    heads : (layer, head) pairs kept exactly at level "exact".
    length : tokens of the run; the rows of full layers grow with it.
    lens : whether the logit lens is kept.

    Returns
    -------
    dict name → bytes, with "total".

    Raises
    ------
    TraceError : the level is unknown.
    """
    if level not in LEVELS:
        raise TraceError(f"unknown level {level!r}; expected one of {', '.join(LEVELS)}.")
    layers, h = config.num_hidden_layers, config.num_attention_heads
    cost = {"labels": 4 + 4 + 4 + 4 + 2 + 4}  # id, offset, about four bytes of text, labels, message, bits
    cost["router"] = layers * (2 * config.num_experts + 3 * config.experts_per_token + 4)
    if level != "routing":
        cost["heads"] = layers * h * 3 * 2
        bins = pooled_bins(length, layers, h)
        cost["pooled"] = math.ceil(2 * layers * h * bins * (bins + 1) / length)
        cost["residual and next tokens"] = 2 * (layers + 1) + 6 * NEXT_TOKENS
        cost["logit lens"] = layers * LENS_TOKENS * 6 if lens else 0
    if level == "exact":
        cost["exact rows"] = sum(2 * (_row(config, layer, length) + 1) for layer, _ in heads)
    if level == "full":
        cost["exact rows"] = h * sum(2 * (_row(config, layer, length) + 1) for layer in range(layers))
    cost["total"] = sum(cost.values())
    return cost


def describe(config, level: str = "default", heads=(), length: int = 1024) -> str:
    """Describe the cost of a level in one sentence."""
    cost = bytes_per_token(config, level, heads, length)
    parts = ", ".join(f"{name} {value:,}" for name, value in cost.items() if name != "total" and value)
    return f"level {level!r} keeps {LEVELS[level]}: {cost['total']:,} bytes per token at {length} tokens ({parts})"


def checked_level(model, level: str, heads, path) -> tuple[str, list[tuple[int, int]]]:
    """Return the level and the exact heads that `capture` will use.

    Raises
    ------
    TraceError : a model without hook points, an unknown level or head, too many heads, no folder for level "full".
    """
    if not hasattr(model, "hooks") or not hasattr(model, "block"):
        raise TraceError(
            "capture needs a model with hook points, as gptoss_edu.load_model(path) gives it; found"
            f" {type(model).__name__}."
        )
    if level not in LEVELS:
        raise TraceError(f"unknown level {level!r}; expected one of {', '.join(LEVELS)}.")
    c = model.config
    heads = [(int(layer), int(head)) for layer, head in heads]
    for layer, head in heads:
        if not (0 <= layer < c.num_hidden_layers and 0 <= head < c.num_attention_heads):
            raise TraceError(
                f"there is no layer {layer} head {head}: the model has {c.num_hidden_layers} layers of "
                f"{c.num_attention_heads} heads, counted from 0."
            )
    if len(heads) > MAX_EXACT_HEADS:
        raise TraceError(
            f'{len(heads)} exact heads were requested, at most {MAX_EXACT_HEADS} are kept; level="full" keeps all.'
        )
    if level == "full":
        if path is None:
            raise TraceError('level "full" appends to files; give a folder with path=FOLDER.')
        return level, [(i, j) for i in range(c.num_hidden_layers) for j in range(c.num_attention_heads)]
    return ("exact" if heads else level), heads


def _row(config, layer: int, length: int) -> int:
    window = config.layer_window(layer)
    return length if window is None else min(window, length)
