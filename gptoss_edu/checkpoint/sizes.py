"""Compute how big a gpt-oss is: parameters as the model card counts them, bytes on disk and in memory, cache."""

from bisect import bisect_right
from dataclasses import dataclass

import psutil
import torch

from gptoss_edu.config import ModelConfig
from gptoss_edu.errors import CheckpointError
from gptoss_edu.transformer import prefill_limit

from .layouts import original_shapes

GIB = 1 << 30


def size_text(nbytes: int) -> str:
    """Format a size: '12.82 GiB', or '6.4 MiB' below 1 GiB."""
    return f"{nbytes / GIB:.2f} GiB" if nbytes >= GIB else f"{1024 * nbytes / GIB:.1f} MiB"


def parameter_counts(shapes: dict[str, tuple[int, ...]], config: ModelConfig) -> dict[str, int]:
    """Compute Table 1 of the model card from tensor shapes by original name (experts dense).

    Returns mlp, attention, embeddings, active (per token: k experts per layer, with the unembedding but not the
    embedding) and total. The last norm counts only in the total.

    Source: gpt-oss model card, Table 1.
    """
    counts = {"mlp": 0, "attention": 0, "embeddings": 0, "other": 0}
    active = 0
    for name, shape in shapes.items():
        size = torch.Size(shape).numel()
        part = "mlp" if ".mlp." in name else "attention" if ".attn." in name else "other"
        part = "embeddings" if "embedding" in name else part
        counts[part] += size
        if ".mlp.mlp" in name:
            active += size * config.experts_per_token // config.num_experts
        elif name != "embedding.weight":
            active += size
    total = sum(counts.values())
    return {
        "mlp": counts["mlp"],
        "attention": counts["attention"],
        "embeddings": counts["embeddings"],
        "active": active,
        "total": total,
    }


def tensor_bytes(config: ModelConfig) -> float:
    """Return the bytes of all tensors as released.

    The experts' matrices are in MXFP4, 17 bytes per 32 numbers, the rest in bfloat16.
    """
    sizes = {name: torch.Size(shape).numel() for name, shape in original_shapes(config).items()}
    return sum(size * (17 / 32 if name.endswith(("mlp1_weight", "mlp2_weight")) else 2) for name, size in sizes.items())


def cache_bytes(config: ModelConfig, tokens: int, dtype: torch.dtype = torch.bfloat16) -> int:
    """Return the size of one sequence's cache: every token in full layers, at most the window in sliding ones."""
    slot = 2 * config.num_key_value_heads * config.head_dim * dtype.itemsize
    windows = [config.layer_window(i) for i in range(config.num_hidden_layers)]
    return slot * sum(tokens if w is None else min(tokens, w) for w in windows)


def bytes_read(name: str, shape: tuple[int, ...], itemsize: int, share: float) -> float:
    """Return how many bytes of one `original/` tensor one decoded token reads.

    share : the part of a layer's experts in use, k/e for one token
    """
    size = torch.Size(shape).numel() * itemsize
    if name == "embedding.weight":
        return size / shape[0]  # one row
    return size * share if ".mlp.mlp" in name else size


def step_bytes(config: ModelConfig, context: int, rows: int = 1, hit: float | None = None) -> float:
    """Return the bytes that decoding one token per row must read: each weight in use once, each live key once.

    Weights are as released, in the `original/` layout. hit : experts used per layer; by default `experts_per_token`
    """
    from .layouts import layout_entries

    share = (config.experts_per_token if hit is None else hit) / config.num_experts
    total: float = rows * cache_bytes(config, context)
    for name, entry in layout_entries(config, "original").items():
        total += bytes_read(name, entry.shape, 1 if entry.dtypes == ("U8",) else 2, share)
    return total


def prefill_operations(config: ModelConfig, t: int) -> float:
    """Count the multiplications and additions for a prompt of t tokens.

    This counts the weights that a token uses and the keys that a query sees.
    """
    c, f, h, d = config.hidden_size, config.intermediate_size, config.num_attention_heads, config.head_dim
    a_token = config.qkv_rows * c + h * d * c + config.num_experts * c + config.experts_per_token * 3 * f * c
    total = 2.0 * t * a_token * config.num_hidden_layers + 2.0 * config.vocab_size * c
    for i in range(config.num_hidden_layers):
        window = min(config.layer_window(i) or t, t)
        total += 4.0 * h * d * (window * (window + 1) / 2 + (t - window) * window)
    return total


def working_bytes(config: ModelConfig, context: int, dtype: torch.dtype = torch.bfloat16) -> int:
    """Count the bytes that the largest step of one sequence's prefill allocates beside weights and cache.

    Attention holds four float32 score tensors (h, t, s) at once, the experts four of (t, k, 2f). A packed expert is
    unpacked to (2f, c), and the logits of one position are float32.
    """
    t, gate_up = prefill_limit(config, 1, context), 2 * config.intermediate_size
    scores = 4 * 4 * config.num_attention_heads * t * context
    experts = (4 * t * config.experts_per_token + config.hidden_size) * gate_up * dtype.itemsize
    return max(scores, experts) + 4 * config.vocab_size


def longest_context(config: ModelConfig, room: int) -> int:
    """Return the longest context, at most `config.max_context`, whose key/value cache fits in `room` bytes.

    0 if none fits.
    """
    return bisect_right(range(1, config.max_context + 1), room, key=lambda n: cache_bytes(config, n))


@dataclass(frozen=True)
class MemoryPlan:
    """The memory that loading will take, computed before a byte is read. `str(plan)` is what the user sees.

    packed_weights, least : for advice: the weights with experts in MXFP4; cache and working space for a context of one
        token
    """

    on_disk: int
    weights: int
    cache: int
    context: int
    working: int
    available: int
    place: str
    packed: bool
    packed_weights: int
    least: int

    @classmethod
    def for_model(
        cls, config: ModelConfig, on_disk: int, dtype: torch.dtype, packed: bool, context: int, device: torch.device
    ):
        if context < 1:
            raise CheckpointError(f"context: expected at least one token to plan the cache for, found {context}.")
        packed_weights = cls.packed_bytes(config, dtype)
        weights = packed_weights if packed else cls.dense_bytes(config, dtype)
        if device.type == "cuda":
            available, place = torch.cuda.mem_get_info(device)[0], torch.cuda.get_device_name(device)
        else:
            available, place = psutil.virtual_memory().available, "memory"
        cache, working = cache_bytes(config, context, dtype), working_bytes(config, context, dtype)
        least = cache_bytes(config, 1, dtype) + working_bytes(config, 1, dtype)
        return cls(on_disk, weights, cache, context, working, available, place, packed, packed_weights, least)

    @staticmethod
    def dense_bytes(config: ModelConfig, dtype: torch.dtype) -> int:
        """Return the bytes of all weights in `dtype`, experts expanded."""
        from .layouts import original_shapes

        return sum(torch.Size(shape).numel() for shape in original_shapes(config).values()) * dtype.itemsize

    @staticmethod
    def packed_bytes(config: ModelConfig, dtype: torch.dtype) -> int:
        """Return the bytes of all weights, experts in MXFP4 (17 bytes per 32) and the rest in `dtype`."""
        from .layouts import EXPERTS, original_shapes, split_name

        total = 0
        for name, shape in original_shapes(config).items():
            size = torch.Size(shape).numel()
            total += size * 17 // 32 if split_name(name)[1] in EXPERTS else size * dtype.itemsize
        return total

    @property
    def needed(self) -> int:
        return self.weights + self.cache + self.working

    def __str__(self) -> str:
        return (
            f"plan: {size_text(self.on_disk)} on disk; weights {size_text(self.weights)}"
            f" ({'experts in MXFP4' if self.packed else 'experts expanded'}), cache {size_text(self.cache)} at"
            f" {self.context:,} tokens, working space {size_text(self.working)}: {size_text(self.needed)} of"
            f" {size_text(self.available)} free in {self.place}"
        )

    def refuse_if_too_big(self, folder, stored_packed: bool = True) -> None:
        """Raise if the plan does not fit, and suggest only what would help.

        stored_packed : the files hold packed experts, so keeping them packed is an option
        """
        if self.needed <= self.available:
            return
        shorter = "ask for a shorter context"
        ways = [shorter] if self.weights + self.least <= self.available else []
        if not self.packed and self.packed_weights + self.least <= self.available:
            way = (
                "keep the experts packed (experts='packed')"
                if stored_packed
                else (
                    f"pack the experts first (`gptoss-edu convert {folder} NEW_FOLDER --layout original --rounding"
                    " best`) and load that folder"
                )
            )
            enough = self.packed_weights + self.cache + self.working <= self.available
            ways.append(way if enough else f"{way} and {shorter}")
        advice = ", or ".join([*ways, "use a device with more memory"])
        raise CheckpointError(f"{folder}: does not fit. {self}. To make it fit, {advice}.")
