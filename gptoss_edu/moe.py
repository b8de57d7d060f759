"""Router, clamped SwiGLU and the mixture of experts, dense or packed in MXFP4 (chapters 07 and 08)."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import mxfp4
from .config import ModelConfig
from .hooks import Hooked
from .norm import RMSNorm

ALL_EXPERTS = 1 << 26  # numbers in the first product of all experts, up to which a GPU computes every one


def swiglu(x: Tensor, alpha: float = 1.702, limit: float = 7.0) -> Tensor:
    """Apply gpt-oss's gated activation: gate · sigmoid(alpha · gate) · (up + 1).

    x : (..., 2f); gate and up alternate, x[..., 0::2] and x[..., 1::2]. The gate is clamped from above only, up from
    both sides. Returns (..., f).

    Source: gpt-oss model card, section 2.3 ("unconventional, including clamping and a residual connection").
    """
    gate, up = x[..., 0::2].clamp(max=limit), x[..., 1::2].clamp(-limit, limit)  # (..., f) each
    return gate * torch.sigmoid(alpha * gate) * (up + 1)


def top_k_softmax(router_logits: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k largest logits, as weights that sum to one.

    The softmax is over the chosen ones only. Returns (..., k) weights and indices.
    """
    values, indices = router_logits.topk(k, dim=-1)
    return values.softmax(dim=-1), indices


def route(x: Tensor, weight: Tensor, bias: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Choose the k experts of each token and their weights.

    x : (..., c); weight : (e, c); bias : (e,). Returns weights (..., k), falling, and indices (..., k).

    Source: gpt-oss model card, section 2.3.
    """
    return top_k_softmax(F.linear(x, weight, bias), k)


def expert_outputs(x: Tensor, indices: Tensor, w1, b1: Tensor, w2, b2: Tensor, limit: float = 7.0) -> Tensor:
    """Return the output of each chosen expert for its token, before weighting.

    x : (n, c); indices : (n, k); w1[e] (2f, c) and w2[e] (c, f), tensors or `PackedWeight`s. Returns (n, k, c).
    Token copies are sorted by expert, so each expert in use is read (and unpacked) once. A GPU with a batch of
    middle size computes every expert for every token instead: two products, and no wait to learn which are in use.
    """
    n, k = indices.shape
    if x.is_cuda and isinstance(w1, Tensor) and len(b1) <= n * k and n * b1.numel() <= ALL_EXPERTS:
        return every_expert_outputs(x, indices, w1, b1, w2, b2, limit)
    if n == 1:  # decoding: one row per expert, nothing to sort
        hit, counts, order, copies = indices[0].tolist(), [1] * k, None, x.repeat(k, 1)
    else:
        order = indices.flatten().argsort(stable=True)  # (n·k,) copies grouped by expert
        counts = indices.flatten().bincount().tolist()
        hit, counts = [e for e, count in enumerate(counts) if count], [count for count in counts if count]
        copies = x[order // k]  # (n·k, c)
    each = _per_expert(copies, hit, counts, w1, b1)  # (n·k, 2f)
    each = _per_expert(swiglu(each, limit=limit), hit, counts, w2, b2)  # (n·k, c)
    if order is None:
        return each[None]
    return torch.empty_like(each).index_copy_(0, order, each).view(n, k, -1)


def every_expert_outputs(
    x: Tensor, indices: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor, limit: float
) -> Tensor:
    """Compute all experts for all tokens, then take the chosen ones; arguments as in `expert_outputs`."""
    each = x.expand(len(w1), *x.shape)  # (e, n, c)
    each = swiglu(torch.baddbmm(b1[:, None], each, w1.mT), limit=limit)  # (e, n, f)
    each = torch.baddbmm(b2[:, None], each, w2.mT).transpose(0, 1)  # (n, e, c)
    return each.gather(1, indices[..., None].expand(-1, -1, each.shape[-1]))  # (n, k, c)


def _per_expert(x: Tensor, hit: list[int], counts: list[int], weight, bias: Tensor) -> Tensor:
    """Apply each expert's linear map to its rows; a module (packed, or with adapters) brings its own map."""
    # unbind: the gradient of weight[e] would be a tensor as large as all experts, once per expert in use
    each = None if isinstance(weight, nn.Module) else weight.unbind(0)
    linear = weight.linear if each is None else (lambda x, e, b: expert_linear(x, each[e], b))
    return torch.cat([linear(rows, e, bias[e]) for e, rows in zip(hit, x.split_with_sizes(counts), strict=True)])


def expert_linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Compute x @ weight.T + bias for an expert's tokens: x (m, c), weight (r, c), bias (r,). Returns (m, r); often m =
    1.

    For one float32 row, PyTorch calls a matrix-vector routine, which on some processors reads the weight at half the
    memory's speed. As a batch of two halves it stays a matrix product, which reads it at full speed.
    """
    one_row = x.shape[0] == 1 and x.dtype == torch.float32 and x.device.type == "cpu"
    if one_row and weight.shape[0] % 2 == 0:
        halves = weight.reshape(2, -1, weight.shape[1])  # (2, r/2, c)
        return torch.baddbmm(bias.reshape(2, -1, 1), halves, x.T.expand(2, -1, 1)).view(1, -1)
    return F.linear(x, weight, bias)


def moe(x: Tensor, weights: Tensor, indices: Tensor, w1, b1: Tensor, w2, b2: Tensor) -> Tensor:
    """Return the weighted sum of the chosen experts' outputs; each expert adds its second bias before the weight.

    x : (n, c); weights, indices : (n, k); w1 (e, 2f, c), b1 (e, 2f), w2 (e, c, f), b2 (e, c). Returns (n, c).
    """
    return weighted_sum(expert_outputs(x, indices, w1, b1, w2, b2), weights)


def weighted_sum(expert_out: Tensor, weights: Tensor) -> Tensor:
    """Sum outputs (n, k, c) by weights (n, k) to (n, c)."""
    return (weights.to(expert_out.dtype)[:, None] @ expert_out)[:, 0]


class _PackedLinear(torch.autograd.Function):
    """x @ weight[e].T + bias of a `PackedWeight`, which has no gradient itself.

    Autograd would keep the expanded matrix for the backward pass, almost four times as large as the packed one. This
    unpacks it again instead.
    """

    @staticmethod
    def forward(ctx, x: Tensor, bias: Tensor, weight, e: int) -> Tensor:
        ctx.weight, ctx.e = weight, e
        return F.linear(x, weight[e], bias)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        of_x, of_bias = ctx.needs_input_grad[:2]
        return gradient @ ctx.weight[ctx.e] if of_x else None, gradient.sum(0) if of_bias else None, None, None


class PackedWeight(nn.Module):
    """Expert weights kept in MXFP4; `weight[e]` unpacks one expert, (rows, columns), in `dtype`.

    blocks : (e, rows, columns / 32, 16) uint8; scales : (e, rows, columns / 32) uint8. Where `kernel` is set, it
    computes x @ weight[e].T from (x, blocks[e], scales[e]) without unpacking, in float32.
    """

    kernel: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None

    def __init__(self, blocks: Tensor, scales: Tensor, dtype: torch.dtype = torch.float32):
        super().__init__()
        self.register_buffer("blocks", blocks)
        self.register_buffer("scales", scales)
        self.dtype = dtype

    def _apply(self, fn, recurse=True):
        """Move or cast the module, but never its bytes; the dtype they unpack to follows the rest of the model."""
        self.dtype = fn(torch.empty(0, dtype=self.dtype)).dtype
        return super()._apply(fn, recurse)

    @property
    def shape(self) -> tuple[int, int, int]:
        e, rows, groups = self.scales.shape
        return e, rows, groups * mxfp4.BLOCK

    def __getitem__(self, e: int) -> Tensor:
        return mxfp4.unpack(self.blocks[e], self.scales[e], dtype=self.dtype)

    def linear(self, x: Tensor, e: int, bias: Tensor) -> Tensor:
        """Apply expert e and its bias: (n, columns) to (n, rows).

        The kernel runs on CPUs and supports neither gradients nor float64.
        """
        fits = x.device.type == "cpu" and x.dtype != torch.float64 and not (torch.is_grad_enabled() and x.requires_grad)
        if self.kernel is not None and fits:
            return self.kernel(x, self.blocks[e], self.scales[e]) + bias
        if torch.is_grad_enabled():
            return _PackedLinear.apply(x, bias, self, e)
        return F.linear(x, self[e], bias)

    def unpacked(self) -> Tensor:
        """Return all experts, (e, rows, columns)."""
        return mxfp4.unpack(self.blocks, self.scales, dtype=self.dtype)  # type: ignore[arg-type]  # buffers


class MLPBlock(Hooked):
    """Norm, router, the chosen experts and their weighted sum."""

    POINTS = {
        "normed": "(b, t, c)", "router_logits": "(n, e)", "expert_indices": "(n, k)", "expert_weights": "(n, k)",
        "expert_out": "(n, k, c)", "out": "(b, t, c)",
    }  # fmt: skip

    def __init__(self, config: ModelConfig, experts: Callable[[int, int], nn.Module | nn.Parameter]):
        """Create the block; `experts(rows, columns)` creates the weight of all experts, dense or a `PackedWeight`."""
        super().__init__()
        e, c, f = config.num_experts, config.hidden_size, config.intermediate_size
        self.k, self.limit = config.experts_per_token, config.swiglu_limit
        self.norm = RMSNorm(c, config.rms_norm_eps)
        self.gate = nn.Linear(c, e)
        self.mlp1_weight, self.mlp1_bias = experts(2 * f, c), nn.Parameter(torch.zeros(e, 2 * f))
        self.mlp2_weight, self.mlp2_bias = experts(c, f), nn.Parameter(torch.zeros(e, c))

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, t, c) to (b, t, c)."""
        normed = self.at("normed", self.norm(x))
        flat = normed.flatten(0, 1)  # (n, c)
        router_logits = self.at("router_logits", self.gate(flat))  # (n, e)
        weights, indices = top_k_softmax(router_logits, self.k)  # (n, k) each
        indices, weights = self.at("expert_indices", indices), self.at("expert_weights", weights)
        out = expert_outputs(
            flat, indices, self.mlp1_weight, self.mlp1_bias, self.mlp2_weight, self.mlp2_bias, self.limit
        )  # (n, k, c)
        out = weighted_sum(self.at("expert_out", out), weights)
        return self.at("out", out.view_as(x))
