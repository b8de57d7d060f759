"""A synthetic trace of any size, to test and time drawing. It imitates shapes, not a trained model."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from .record import CHANNELS, KINDS, ROLES, SECTIONS, Trace

WORDS = ("the", " number", " of", " tokens", " is", " 42", ".", "\n", " therefore", " answer", "7", "+", " we", " see")


def synthetic_trace(
    tokens: int = 200,
    layers: int = 6,
    heads: int = 8,
    kv_heads: int = 2,
    experts: int = 16,
    k: int = 4,
    window: int = 32,
    exact: int = 8,
    pool: int | None = None,
    pieces: list[bytes] | None = None,
    seed: int = 0,
) -> Trace:
    """Make a trace with sinks, bands, routing and labels that look real.

    Parameters
    ----------
    tokens, layers, heads, kv_heads, experts, k, window : the shape; even layers slide.
    exact : number of heads with exact rows.
    pool : bins of the pooled attention; None: as many as `capture` would keep.
    pieces : the tokens' bytes, repeated to the length; None: plain words.
    seed : of the random numbers.
    """
    from .levels import pooled_bins

    rng = np.random.default_rng(seed)
    pool = pooled_bins(tokens, layers, heads) if pool is None else pool
    words = pieces or [w.encode() for w in WORDS]
    chosen = [words[i % len(words)] for i in range(tokens)]
    windows = [window if layer % 2 == 0 else None for layer in range(layers)]
    arrays = _labels(tokens, chosen, rng) | _routing(tokens, layers, experts, k, rng) | _lens(tokens, layers, rng)
    arrays["residual_norm"] = (1 + np.arange(layers + 1)[:, None] + rng.random((layers + 1, tokens))).astype(np.float16)
    arrays |= _attention(tokens, layers, heads, windows, pool, exact, rng)
    meta = {
        "format": "gptoss_edu trace",
        "model": f"synthetic {tokens} x {layers} x {heads}",
        "level": "default",
        "n_layers": layers,
        "n_heads": heads,
        "n_kv_heads": kv_heads,
        "n_experts": experts,
        "experts_per_token": k,
        "windows": windows,
        "roles": list(ROLES),
        "channels": list(CHANNELS),
        "sections": list(SECTIONS),
        "kinds": list(KINDS),
        "vocabulary": {str(i): w.decode("utf-8", "replace") for i, w in enumerate(words)},
        "interventions": [],
        "origin": {"note": "synthetic numbers, no model"},
    }
    return Trace(meta, arrays)


def _labels(tokens: int, chosen: list[bytes], rng) -> dict:
    third = np.minimum(3, (np.arange(tokens) * 4) // max(1, tokens))
    return {
        "tokens": (np.arange(tokens) % 14).astype(np.int32),
        "piece_bytes": np.frombuffer(b"".join(chosen), np.uint8).copy(),
        "piece_offsets": np.cumsum([0] + [len(p) for p in chosen]).astype(np.int32),
        "role": np.array([1, 3, 4, 4], np.uint8)[third],
        "channel": np.array([0, 0, 1, 3], np.uint8)[third],
        "section": np.full(tokens, 3, np.uint8),
        "kind": rng.integers(0, len(KINDS), tokens).astype(np.uint8),
        "message": third.astype(np.int16),
        "surprisal": rng.gamma(1.0, 2.0, tokens).astype(np.float16),
        "next_entropy": rng.gamma(1.0, 1.5, tokens).astype(np.float16),
    }


def _routing(tokens: int, layers: int, experts: int, k: int, rng) -> dict:
    logits = rng.normal(size=(layers, tokens, experts)).astype(np.float32) * 1.5
    order = np.argsort(-logits, -1)
    ranked = np.take_along_axis(logits, order, -1)
    weights = np.exp(ranked[..., :k] - ranked[..., :1])
    p = np.exp(logits - logits.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    return {
        "router_logits": logits.astype(np.float16),
        "expert_indices": order[..., :k].astype(np.uint8),
        "expert_weights": (weights / weights.sum(-1, keepdims=True)).astype(np.float16),
        "router_margin": (ranked[..., k - 1] - ranked[..., min(k, experts - 1)]).astype(np.float16),
        "router_entropy": (-(p * np.log2(p)).sum(-1)).astype(np.float16),
    }


def _lens(tokens: int, layers: int, rng) -> dict:
    probs = np.sort(rng.dirichlet(np.ones(8), (layers, tokens)), -1)[..., ::-1][..., :5]
    names = rng.integers(0, len(WORDS), (layers, tokens, 5)).astype(np.int32)
    return {
        "lens_tokens": names,
        "lens_probs": probs.astype(np.float16),
        "next_tokens": names[-1],
        "next_probs": probs[-1].astype(np.float16),
    }


def _attention(tokens, layers, heads, windows, pool, exact, rng) -> dict:
    out = {"sink_mass": rng.beta(1.2, 2.0, (layers, tokens, heads)).astype(np.float16)}
    out["head_entropy"] = rng.gamma(2.0, 1.0, (layers, tokens, heads)).astype(np.float16)
    reach = np.array([w or tokens for w in windows])[:, None, None]
    out["head_distance"] = (rng.beta(1, 4, (layers, tokens, heads)) * reach).astype(np.float16)
    edges = np.linspace(0, tokens, pool + 1)
    middle = (edges[:-1] + edges[1:]) / 2
    gap = middle[:, None] - middle[None, :]  # (p, p)
    bins = [slice(int(a), max(int(a) + 1, int(b))) for a, b in pairwise(edges)]
    sink = np.stack([out["sink_mass"][:, part].mean(1, dtype=np.float32) for part in bins], -1)  # (l, h, p)
    scale = rng.uniform(0.3, 3.0, (layers, heads, 1, 1)) * tokens / 12
    pooled = np.exp(-np.maximum(gap, 0) / scale) * (gap >= 0)
    band = np.array([w if w is not None else tokens + 1 for w in windows])[:, None, None, None]
    pooled = pooled * (gap < np.maximum(band, tokens / pool))
    pooled = pooled / pooled.sum(-1, keepdims=True) * (1 - sink[..., None])
    out["pooled"], out["pooled_sink"] = pooled.astype(np.float16), sink.astype(np.float16)
    for i in range(min(exact, layers * heads)):
        layer, head = i % layers, (i * 3) % heads
        out[f"exact.{layer}.{head}"] = _rows(tokens, windows[layer], out["sink_mass"][layer, :, head], rng)
    return out


def _rows(tokens: int, window: int | None, sink: np.ndarray, rng) -> np.ndarray:
    width = min(tokens, window) if window else tokens
    rows = rng.gamma(0.15, 1.0, (tokens, width)).astype(np.float32) + 1e-6
    for q in range(min(width, tokens)):
        rows[q, : max(0, width - 1 - q)] = 0
    rows *= ((1 - sink.astype(np.float32)) / rows.sum(1))[:, None]
    return np.concatenate([rows, sink.astype(np.float32)[:, None]], 1).astype(np.float16)
