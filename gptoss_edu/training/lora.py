"""LoRA: freeze the weight and train two thin matrices beside it; W + scale · B A.

A (r, inputs) starts random and B (outputs, r) at zero, so the model starts unchanged. The fused projection has one pair
each for q, k and v, like Hugging Face's separate ones; each expert has its own pair, over bfloat16 or MXFP4.

Source: Hu et al. 2021, arXiv:2106.09685, section 4.1; the initial A is that of nn.Linear, as in `peft`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gptoss_edu import mxfp4
from gptoss_edu.checkpoint.layouts import EXPERTS, qkv_sizes
from gptoss_edu.moe import PackedWeight, expert_linear
from gptoss_edu.transformer import Transformer


class Pair(nn.Module):
    """A (r, inputs) and B (outputs, r) in float32, both with (e, …) in front for experts; scale is alpha/r."""

    def __init__(self, inputs: int, outputs: int, r: int, scale: float, experts: tuple[int, ...], device):
        super().__init__()
        self.scale = scale
        self.a = nn.Parameter(torch.empty(*experts, r, inputs, device=device).uniform_(-(inputs**-0.5), inputs**-0.5))
        self.b = nn.Parameter(torch.zeros(*experts, outputs, r, device=device))

    def forward(self, x: Tensor, e: int | None = None) -> Tensor:
        """Compute scale · B A x, (..., inputs) to (..., outputs), of expert e if there are several."""
        a, b = (self.a, self.b) if e is None else (self.a[e], self.b[e])
        return F.linear(F.linear(x, a.to(x.dtype)), b.to(x.dtype)) * self.scale

    def delta(self, e: int | None = None) -> Tensor:
        """Return scale · B A, (outputs, inputs), which a merge adds to the weight."""
        return (self.b @ self.a if e is None else self.b[e] @ self.a[e]) * self.scale


class LoraLinear(nn.Module):
    """A linear map with a pair per piece of its rows; pieces without a pair stay unchanged."""

    def __init__(self, base: nn.Linear, sizes: Mapping[str, int], pairs: Mapping[str, Pair]):
        super().__init__()
        self.base, self.sizes, self.pairs = base, dict(sizes), nn.ModuleDict(pairs)

    def forward(self, x: Tensor) -> Tensor:
        nothing = x.new_zeros(1).expand
        added = [self.pairs[p](x) if p in self.pairs else nothing(*x.shape[:-1], n) for p, n in self.sizes.items()]
        return self.base(x) + torch.cat(added, dim=-1)

    def merged(self, rounding: str | None) -> nn.Linear:
        for piece, rows in zip(self.sizes, self.base.weight.split(list(self.sizes.values())), strict=True):
            if piece in self.pairs:
                rows.copy_(rows.float() + self.pairs[piece].delta())
        return self.base


class LoraExperts(nn.Module):
    """All experts' weights (e, rows, columns), dense or packed, with one pair per expert."""

    def __init__(self, base: nn.Parameter | PackedWeight, pair: Pair):
        super().__init__()
        self.base, self.pair, self.packed = base, pair, isinstance(base, PackedWeight)

    def linear(self, x: Tensor, e: int, bias: Tensor) -> Tensor:
        """Apply expert e, its pair and its bias: (m, columns) to (m, rows)."""
        return (self.base.linear(x, e, bias) if self.packed else expert_linear(x, self.base[e], bias)) + self.pair(x, e)

    def merged(self, rounding: str | None) -> nn.Parameter | PackedWeight:
        for e in range(self.base.shape[0]):
            whole = self.base[e].float() + self.pair.delta(e)  # (rows, columns)
            if self.packed:
                self.base.blocks[e], self.base.scales[e] = mxfp4.pack(whole, rounding)
            else:
                self.base[e] = whole.to(self.base.dtype)
        return self.base


def attach(model: Transformer, name: str, shapes: Mapping[str, tuple[int, float]]) -> None:
    """Put an adapter on the weight ``block.0.attn.qkv`` …; shapes : (rank, scale) by piece, q, k, v or all."""
    base = getattr(model.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2])
    if name.endswith(EXPERTS):
        e, rows, columns = base.shape
        replace(model, name, LoraExperts(base, Pair(columns, rows, *shapes["all"], (e,), model.device)))
        return
    sizes = qkv_sizes(model.config) if name.endswith("qkv") else {"all": base.out_features}
    pairs = {piece: Pair(base.in_features, sizes[piece], *shape, (), model.device) for piece, shape in shapes.items()}
    replace(model, name, LoraLinear(base, sizes, pairs))


def replace(model: Transformer, name: str, value: nn.Module | nn.Parameter) -> None:
    """Set ``model.name``, deleting the old value first, since a module cannot take a parameter's place."""
    module, last = model.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2]
    delattr(module, last)
    setattr(module, last, value)


def adapters(model: nn.Module) -> Iterator[tuple[str, LoraLinear | LoraExperts]]:
    """Return every adapter with the name of its weight."""
    return ((name, module) for name, module in model.named_modules() if isinstance(module, LoraLinear | LoraExperts))
