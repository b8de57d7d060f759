"""Grouped-query attention with one sink per head and, in every other layer, a sliding window (chapters 04 to 06)."""

import math

import torch
from torch import Tensor, nn

from .cache import KVCache
from .config import ModelConfig
from .hooks import Hooked
from .norm import RMSNorm
from .rope import apply_rope


def sliding_window_mask(query_positions: Tensor, key_positions: Tensor, window: int | None) -> Tensor:
    """Return which keys each query may attend to: its own position and the window - 1 before it, or all before it.

    query_positions : (..., t), key_positions : (..., s); a negative key position marks an empty slot.
    Returns (..., t, s) bool, True = may attend.
    """
    q, k = query_positions[..., :, None], key_positions[..., None, :]
    mask = (k <= q) & (k >= 0)  # (..., t, s)
    return mask if window is None else mask & (k > q - window)


def attention_scores(q: Tensor, k: Tensor, mask: Tensor | None = None) -> Tensor:
    """Compute q · k / √d for every head.

    Query head h reads key head h // (h/g). Returns (b, h, t, s) float32, -inf where masked.
    """
    b, t, h, d = q.shape
    g = k.shape[2]
    q = q.transpose(1, 2).reshape(b, g, h // g * t, d)  # (b, g, h/g·t, d)
    scores = (q @ k.permute(0, 2, 3, 1)).view(b, h, t, -1).float() / math.sqrt(d)  # (b, h, t, s)
    return scores if mask is None else scores.masked_fill(~mask[:, None], -torch.inf)


def attention_weights(scores: Tensor, sinks: Tensor) -> Tensor:
    """Compute the softmax over the keys and one sink per head.

    Returns (b, h, t, s + 1) float32, the sink's share in the last column.
    """
    b, h, t, _ = scores.shape
    sink = sinks.float().view(1, h, 1, 1).expand(b, h, t, 1)
    return torch.cat((scores, sink), dim=-1).softmax(dim=-1)  # (b, h, t, s+1)


def weighted_values(weights: Tensor, v: Tensor) -> Tensor:
    """Sum the values by their weights, dropping the sink's column, which has no value. Returns (b, t, h, d)."""
    b, h, t, _ = weights.shape
    g, d = v.shape[2:]
    weights = weights[..., :-1].to(v.dtype).reshape(b, g, h // g * t, -1)  # (b, g, h/g·t, s)
    return (weights @ v.transpose(1, 2)).view(b, h, t, d).transpose(1, 2)  # (b, t, h, d)


def attention(
    q: Tensor, k: Tensor, v: Tensor, sinks: Tensor, window: int | None = None, mask: Tensor | None = None
) -> Tensor:
    """Compute causal grouped-query attention with sinks; the queries are the last t of the s positions.

    Parameters
    ----------
    q : (b, t, h, d); k, v : (b, s, g, d), already rotated; sinks : (h,) logits, one per query head
    window : keys that a query may see, itself included; None for all before it
    mask : (b or 1, t, s) bool, True = may attend, instead of the causal one

    Returns
    -------
    (b, t, h, d) in the dtype of v. A head may leave its mass on the sink, which adds nothing:
    softmax over keys and sink = softmax over keys * sigmoid(logsumexp(scores) - sink).

    Source: gpt-oss model card, section 2.2; Xiao et al. 2023, arXiv:2309.17453 (sinks).
    """
    if mask is None:
        t, s = q.shape[1], k.shape[1]
        positions = torch.arange(s, device=q.device)
        mask = sliding_window_mask(positions[s - t :], positions, window)[None]
    return weighted_values(attention_weights(attention_scores(q, k, mask), sinks), v)


class AttentionBlock(Hooked):
    """Norm, the three projections in one, rotation, cache, attention, output projection."""

    POINTS = {
        "normed": "(b, t, c)", "q": "(b, t, h, d)", "k": "(b, t, g, d)", "v": "(b, t, g, d)",
        "q_rotated": "(b, t, h, d)", "k_rotated": "(b, t, g, d)", "sinks": "(h,)", "mask": "(b or 1, t, s)",
        "scores": "(b, h, t, s)", "weights": "(b, h, t, s+1)", "heads": "(b, t, h, d)", "out": "(b, t, c)",
    }  # fmt: skip

    def __init__(self, config: ModelConfig, layer_index: int):
        super().__init__()
        self.layer_index, self.window = layer_index, config.layer_window(layer_index)
        self.h, self.g, self.d = config.num_attention_heads, config.num_key_value_heads, config.head_dim
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.qkv = nn.Linear(config.hidden_size, config.qkv_rows)
        self.sinks = nn.Parameter(torch.zeros(self.h))
        self.out = nn.Linear(self.h * self.d, config.hidden_size)

    def forward(self, x: Tensor, rope: tuple[Tensor, Tensor], mask: Tensor | None, cache: KVCache | None) -> Tensor:
        """Map x (b, t, c) to (b, t, c); rope two (b or 1, t, d/2), mask (b or 1, t, s), None if every key is visible.

        Returns (b, t, c).
        """
        b, t, _ = x.shape
        qkv = self.qkv(self.at("normed", self.norm(x))).view(b, t, self.h + 2 * self.g, self.d)
        q, k, v = qkv.split((self.h, self.g, self.g), dim=2)  # (b, t, h, d), (b, t, g, d) twice
        q, k, v = self.at("q", q), self.at("k", k), self.at("v", v)
        q, k = self.at("q_rotated", apply_rope(q, *rope)), self.at("k_rotated", apply_rope(k, *rope))
        if cache is not None:
            k, v = cache.update(self.layer_index, k, v)  # (b, s, g, d)
        if self.watched("mask"):
            mask = self.at(
                "mask", torch.ones(1, t, k.shape[1], dtype=torch.bool, device=x.device) if mask is None else mask
            )
        scores = self.at("scores", attention_scores(q, k, mask))
        weights = self.at("weights", attention_weights(scores, self.at("sinks", self.sinks)))
        heads = self.at("heads", weighted_values(weights, v))  # (b, t, h, d)
        return self.at("out", self.out(heads.reshape(b, t, self.h * self.d)))
