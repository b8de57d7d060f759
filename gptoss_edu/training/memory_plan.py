"""Compute the memory that fine-tuning will take, part by part, before anything is loaded.

    recipe = Recipe(lora=16, train=("attention",), recompute=True)
    print(TrainingPlan.of(ModelConfig.gpt_oss_20b(), recipe, packed=True))

Weights, gradients and Adam's two averages are counted exactly. What the forward pass keeps for the backward pass is
counted tensor by tensor for the reference path; tests/test_memory_plan.py compares it with what autograd really keeps,
and the peak with that of a whole step. What a GPU's allocator reserves beyond its tensors is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import psutil
import torch

from gptoss_edu.checkpoint.layouts import EXPERTS, original_shapes, qkv_sizes
from gptoss_edu.checkpoint.sizes import MemoryPlan, size_text
from gptoss_edu.config import ModelConfig
from gptoss_edu.errors import GptOssError

from .conversations import PIECE
from .finetune import Recipe
from .selection import selected

WORKSPACES = 2 * 32 << 20  # bytes that cuBLAS takes on a card of compute capability 9.0, for each direction once
ROUNDED = 1 << 20  # bytes that a GPU's allocator may add to a tensor at least as large


def trained_sizes(config: ModelConfig, recipe: Recipe, packed: bool) -> list[int]:
    """Count the numbers in each tensor that the recipe trains; the patterns are checked as for a real model."""
    shapes = original_shapes(config)
    if recipe.lora is None:
        names = [name for name in shapes if not (packed and name.endswith(EXPERTS))]
        return [torch.Size(shapes[name]).numel() for name in selected(names, recipe.train)]
    ends = ("attn.qkv.weight", "attn.out.weight", "mlp.gate.weight", *EXPERTS)
    sizes = []
    for name in selected([name for name in shapes if name.endswith(ends)], recipe.train):
        *experts, rows, columns = shapes[name]
        for piece in qkv_sizes(config).values() if "qkv" in name else [rows]:  # q, k and v have a pair each
            sizes += [recipe.lora * side * (experts[0] if experts else 1) for side in (columns, piece)]
    return sizes


def trained_parameters(config: ModelConfig, recipe: Recipe, packed: bool) -> int:
    """Count the numbers that the recipe trains."""
    return sum(trained_sizes(config, recipe, packed))


def weights_bytes(config: ModelConfig, b: int, t: int, itemsize: int) -> tuple[int, int]:
    """Return the bytes of a layer's attention weights in float32, and of their copy in the dtype of the values."""
    pairs = config.num_attention_heads * b * t
    return 4 * pairs * (t + 1), itemsize * pairs * t if itemsize < 4 else 0


def layer_bytes(config: ModelConfig, b: int, t: int, itemsize: int) -> tuple[int, int]:
    """Return the bytes that one layer's attention and experts keep for the backward pass.

    b rows of t tokens, numbers of ``itemsize``. Packed experts keep no weights: they are unpacked again.
    """
    c, f, k = config.hidden_size, config.intermediate_size, config.experts_per_token
    h, g, d, n = config.num_attention_heads, config.num_key_value_heads, config.head_dim, b * t
    norm = n * c * (4 + itemsize)
    mask = t * t  # what is hidden, for all rows and heads
    attention = sum(weights_bytes(config, b, t, itemsize)) + mask + n * (2 * h + 2 * g) * d * itemsize
    return norm + attention, norm + n * k * (2 * c + 7 * f) * itemsize


def activation_bytes(config: ModelConfig, b: int, t: int, itemsize: int, recompute: bool) -> int:
    """Return the bytes kept for the backward pass, without logits.

    With ``recompute`` these are one tensor per layer, and the masks of both kinds of layers.
    """
    n, c = b * t, config.hidden_size
    layer = n * c * itemsize if recompute else sum(layer_bytes(config, b, t, itemsize))
    masks = 2 * t * t if recompute else 0
    return config.num_hidden_layers * layer + masks + n * c * (4 + itemsize)  # and the last norm


def working_bytes(config: ModelConfig, b: int, t: int, itemsize: int, packed: bool, recompute: bool) -> int:
    """Return the bytes in use for a moment beside the activations: by the logits, or by one layer's backward pass.

    Logits exist in two dtypes, normalised in float32, and have a gradient. In the backward pass of the softmax there
    are, beside the weights, three more tensors of their size: the gradients on both sides and, on a GPU, their
    product (`softmax_backward_cuda_out` in PyTorch's SoftMax.cu); the copy for the values is gone by then. A layer's
    experts have gradients of their outputs beside one expanded expert. With ``recompute``, what the layer keeps is
    there as well.
    """
    c, f, n = config.hidden_size, config.intermediate_size, b * t
    logits = n * config.vocab_size * (2 * itemsize + 3 * 4)
    weights, copy = weights_bytes(config, b, t, itemsize)
    scores = 3 * weights - copy
    outputs = 2 * n * config.experts_per_token * c * itemsize + (f * c * itemsize if packed else 0)
    attention, experts = layer_bytes(config, b, t, itemsize) if recompute else (0, 0)
    return max(logits, attention + max(scores, experts + outputs))


@dataclass(frozen=True)
class TrainingPlan:
    """Bytes by part. `str(plan)` is what the user sees; `refuse_if_too_big` raises if it does not fit."""

    parts: dict[str, int]
    trained: int
    available: int
    place: str

    @classmethod
    def of(
        cls,
        config: ModelConfig,
        recipe: Recipe,
        packed: bool,
        dtype: torch.dtype | None = None,
        available: int | None = None,
        device: torch.device | str = "cpu",
    ) -> TrainingPlan:
        """Make the plan. dtype : of frozen weights; None: bfloat16 with adapters, else float32. available : bytes.

        Where ``available`` is given, the device need not be there.
        """
        device = torch.device(device)
        dtype = dtype or (torch.float32 if recipe.lora is None else torch.bfloat16)
        sizes = trained_sizes(config, recipe, packed)
        trained = sum(sizes)
        if available is None and device.type == "cuda":
            available = torch.cuda.mem_get_info(device)[0]
        available = psutil.virtual_memory().available if available is None else available
        t = min(recipe.longest, config.max_context)
        b = max(1, min(recipe.rows, PIECE // t))
        kept = activation_bytes(config, b, t, dtype.itemsize, recipe.recompute)
        if recipe.lora and dtype.itemsize < 4:  # adapters are float32, and cast where they are used
            kept += dtype.itemsize * trained // (config.num_hidden_layers if recipe.recompute else 1)
        # when Adam steps, it needs two numbers per parameter
        working = max(working_bytes(config, b, t, dtype.itemsize, packed, recipe.recompute), 8 * trained - kept)
        if device.type == "cuda":  # a large gradient may be rounded up, and so may Adam's two numbers
            working += WORKSPACES + 3 * ROUNDED * sum(4 * size >= ROUNDED for size in sizes)
        parts = {
            "weights": (MemoryPlan.packed_bytes if packed else MemoryPlan.dense_bytes)(config, dtype),
            "adapters": 4 * trained if recipe.lora else 0,
            "gradients": 4 * trained,
            "Adam's averages": 8 * trained,
            "activations": kept,
            "working space": working,
        }
        place = "memory" if device.type == "cpu" else "a GPU"
        if device.type == "cuda" and torch.cuda.is_available():
            place = torch.cuda.get_device_name(device)
        return cls(parts, trained, available, place)

    @property
    def needed(self) -> int:
        return sum(self.parts.values())

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {size_text(size)}" for name, size in self.parts.items() if size)
        return (
            f"plan: {self.trained:,} numbers are trained; {parts}: {size_text(self.needed)} of "
            f"{size_text(self.available)} free in {self.place}"
        )

    def refuse_if_too_big(self, what) -> None:
        """Raise `GptOssError` if the plan does not fit, saying what would make it smaller."""
        if self.needed > self.available:
            raise GptOssError(
                f"{what}: does not fit. {self}. To make it fit, train adapters (--lora 8), train fewer parts (--train "
                "attention), keep less (--recompute), read shorter or fewer conversations at once (--longest, --rows), "
                "or use a device with more memory."
            )
