"""Statistics that `capture` computes from one layer's attention weights and from the logits."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gptoss_edu.errors import TraceError

from .levels import MAX_BINS, pooled_bins

BITS = 1 / math.log(2)


def head_statistics(weights: Tensor, queries: np.ndarray, keys: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
    """Compute sink mass, entropy and mean distance of every row.

    Parameters
    ----------
    weights : (h, t, s+1) float32, the sink in the last column. It is the softmax over scores and sink in float32, so
        that its last column is exp(sink − logsumexp(scores and sink)).
    queries, keys : (t,) and (s,) positions.

    Returns
    -------
    sink : (h, t); entropy : (h, t) bits, sink included; distance : (h, t) tokens, over what did not go to the sink.
    """
    sink = weights[..., -1]
    entropy = torch.special.entr(weights).sum(-1) * BITS
    gap = torch.as_tensor(queries[:, None] - keys[None, :], device=weights.device, dtype=weights.dtype)  # (t, s)
    spread = torch.einsum("hts,ts->ht", weights[..., :-1], gap)
    return sink, entropy, spread / (1 - sink).clamp(min=1e-6)


def next_token_statistics(log_probs: Tensor, before: Tensor | None, tokens: list[int], count: int):
    """Compute the tokens' surprisal, the likeliest next tokens, and the entropy of the next token.

    Parameters
    ----------
    log_probs : (r, v) natural logarithms of the next token's probability, row by row.
    before : (v,) the row before the first, None at the start of the text.
    tokens : the r tokens of these rows.
    count : how many next tokens to list.

    Returns
    -------
    surprisal (r,) bits, NaN for the text's first token; topk result with values and indices (r, count);
    entropy (r,) bits.
    """
    ids = torch.tensor(tokens, device=log_probs.device)
    surprisal = torch.full((len(tokens),), torch.nan, device=log_probs.device)
    if before is not None:
        surprisal[0] = -before[ids[0]] * BITS
    surprisal[1:] = -log_probs[:-1].gather(1, ids[1:, None])[:, 0] * BITS
    entropy = -(log_probs.exp() * log_probs).nan_to_num(0.0).sum(-1) * BITS
    return surprisal, log_probs.topk(min(count, log_probs.shape[-1]), -1), entropy


def routing_statistics(arrays: dict, k: int) -> dict[str, np.ndarray]:
    """Compute the margin to the first expert left out, and the router's bits, from `router_logits` (l, t, e)."""
    if "router_logits" not in arrays:
        return {}
    logits = arrays["router_logits"].astype(np.float32)
    ranked = -np.sort(-logits, -1)
    finite = np.where(np.isfinite(logits), logits, -1e4)
    p = np.exp(finite - finite.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    entropy = -(p * np.log2(np.maximum(p, 1e-30))).sum(-1)
    left_out = ranked[..., k] if k < ranked.shape[-1] else -np.inf
    margin = ranked[..., k - 1] - left_out
    return {
        "router_margin": np.minimum(np.nan_to_num(margin, posinf=60000.0), 60000.0).astype(np.float16),
        "router_entropy": entropy.astype(np.float16),
    }


class PooledAttention:
    """Every head's attention in bins of positions. Bins grow with the text, so memory stays constant.

    After `add`, `sums[l, h, i, j]` is the mass that the queries in bin i gave to the keys in bin j, and `sink[l, h, i]`
    what they gave to the sink.
    """

    def __init__(self, layers: int, heads: int):
        self.shape = (layers, heads)
        self.bin = 0
        self.sums = torch.zeros(layers, heads, MAX_BINS, MAX_BINS)
        self.sink = torch.zeros(layers, heads, MAX_BINS)

    def add(self, layer: int, weights: Tensor, queries: np.ndarray, keys: np.ndarray) -> None:
        """Add the rows (h, t, s+1) of one layer."""
        if not len(queries):
            return
        end = int(queries[-1]) + 1
        if not self.bin:
            self.bin = math.ceil(end / pooled_bins(end, *self.shape))
        while math.ceil(end / self.bin) > MAX_BINS:
            self._double()
        first = int(queries[0]) // self.bin
        lead = int(queries[0]) - first * self.bin
        count = math.ceil((lead + len(queries)) / self.bin)
        padded = F.pad(weights, (0, 0, lead, count * self.bin - lead - len(queries)))
        rows = padded.unflatten(1, (count, self.bin)).sum(2).cpu()  # (h, count, s+1)
        self.sink[layer, :, first : first + count] += rows[..., -1]
        rows = rows[..., :-1]
        valid = keys >= 0
        if not valid.all():
            rows, keys = rows[..., torch.as_tensor(valid)], keys[valid]
        self.sums[layer, :, first : first + count].index_add_(2, torch.as_tensor(keys // self.bin), rows)

    def result(self, tokens: int) -> tuple[np.ndarray, np.ndarray]:
        """Average over each bin's queries: (l, h, p, p) and (l, h, p) float16, in as many bins as allowed."""
        while math.ceil(tokens / self.bin) > max(2, pooled_bins(tokens, *self.shape)):
            self._double()
        bins = math.ceil(tokens / self.bin)
        count = np.full(bins, self.bin, np.float32)
        count[-1] = tokens - self.bin * (bins - 1)
        sums, sink = self.sums[:, :, :bins, :bins].numpy(), self.sink[:, :, :bins].numpy()
        return (sums / count[:, None]).astype(np.float16), (sink / count).astype(np.float16)

    def _double(self) -> None:
        self.bin *= 2
        half = MAX_BINS // 2
        for name in ("sums", "sink"):
            old = getattr(self, name)
            new = torch.zeros_like(old)
            if name == "sums":
                new[:, :, :half, :half] = old.unflatten(3, (half, 2)).sum(4).unflatten(2, (half, 2)).sum(3)
            else:
                new[:, :, :half] = old.unflatten(2, (half, 2)).sum(3)
            setattr(self, name, new)


class AttentionRows:
    """Exact rows of chosen heads, in memory, or of all heads in one memory-mapped file per layer."""

    def __init__(self, config, heads: list[tuple[int, int]], folder, max_tokens: int):
        self.windows = [config.layer_window(layer) for layer in range(config.num_hidden_layers)]
        self.max_tokens = max_tokens
        self.by_layer: dict[int, list[int]] = {}
        for layer, head in heads:
            self.by_layer.setdefault(layer, []).append(head)
        self.pieces: dict[int, list] = {}
        self.files: dict[int, np.memmap] = {}
        if folder is not None:
            self._open(Path(folder))

    def _open(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for layer, heads in self.by_layer.items():
            shape = (len(heads), self.max_tokens, self._width(layer, self.max_tokens) + 1)
            self.files[layer] = np.memmap(folder / f"attention.{layer}.f2", "<f2", "w+", shape=shape)

    def _width(self, layer: int, tokens: int) -> int:
        """Return how many keys a row of this layer can have in a text of `tokens` tokens."""
        window = self.windows[layer]
        return tokens if window is None else min(window, tokens)

    def add(self, layer: int, weights: Tensor, queries: np.ndarray, keys: np.ndarray) -> None:
        """Keep the rows (h, t, s+1) of the chosen heads of a layer."""
        heads = self.by_layer.get(layer)
        if not heads or not len(queries):
            return
        rows = weights[heads].half().cpu().numpy()  # (n, t, s+1)
        if layer not in self.files:
            self.pieces.setdefault(layer, []).append((rows, queries, keys))
            return
        if self._width(layer, self.max_tokens) >= self.files[layer].shape[-1]:
            raise TraceError(
                f"layer {layer} sees more keys than its file has room for; keep its heads with heads= instead."
            )
        if queries[-1] >= self.max_tokens:
            raise TraceError(
                f"the run is longer than the {self.max_tokens} tokens that the files have room for; raise max_tokens."
            )
        scatter_rows(self.files[layer], rows, queries, keys)

    def result(self, tokens: int) -> dict[str, np.ndarray]:
        """Return the arrays `exact.L.H` (t, w+1)."""
        out = {}
        for layer, heads in self.by_layer.items():
            if layer in self.files:
                self.files[layer].flush()
                rows = self.files[layer][:, :tokens]
            else:
                rows = np.zeros((len(heads), tokens, self._width(layer, tokens) + 1), np.float16)
                for piece in self.pieces.get(layer, ()):
                    scatter_rows(rows, *piece)
            out |= {f"exact.{layer}.{head}": rows[i] for i, head in enumerate(heads)}
        return out


def scatter_rows(target: np.ndarray, rows: np.ndarray, queries: np.ndarray, keys: np.ndarray) -> None:
    """Write attention rows (n, t, s+1) to `target` (n, t_max, w+1), whose column j is key q − w + 1 + j.

    The sink's column comes last.
    """
    width = target.shape[-1] - 1
    columns = keys[None, :] - queries[:, None] + width - 1  # (t, s)
    q, s = np.nonzero((columns >= 0) & (columns < width) & (keys >= 0)[None, :])
    target[:, queries[q], columns[q, s]] = rows[:, q, s]
    target[:, queries, width] = rows[:, :, -1]
