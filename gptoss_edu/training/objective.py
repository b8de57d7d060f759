"""The training loss on the reference model: weighted cross-entropy and router balance.

The document mask is applied through the model's hook points, so chapter 10's Transformer trains unchanged.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from gptoss_edu.transformer import Transformer

from .data_parallel import Replicas
from .packing import LOSS_WEIGHTS
from .quantize import quantized_experts

BALANCE = 0.01


def targets_and_weights(tokens: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
    """Return each position's target, the next token (the last predicts nothing), and weight. (b, t) int64, float32."""
    targets, codes = torch.roll(tokens, -1, 1), torch.roll(codes, -1, 1)  # (b, t)
    weights = sum((codes == code) * weight for code, weight in LOSS_WEIGHTS.items())
    return targets, weights.masked_fill(torch.arange(tokens.shape[1], device=tokens.device) == tokens.shape[1] - 1, 0.0)


def weighted_cross_entropy(logits: Tensor, targets: Tensor, weights: Tensor, total: Tensor | None = None) -> Tensor:
    """Compute the mean over the weights, or over a `total` that includes other ranks. logits (…, v); the others (…)."""
    each = F.cross_entropy(logits.flatten(0, -2).float(), targets.flatten(), reduction="none")
    total = weights.sum() if total is None else total
    return (each * weights.flatten()).sum() / total.clamp(min=1e-6)


def balance_loss(router_logits: Tensor, k: int, replicas: Replicas | None = None) -> Tensor:
    """Compute e · Σ share of tokens · mean probability: 1 for equal shares, up to e if one expert gets all tokens.

    router_logits : (n, e). With `replicas`, this rank's part of the sum over all ranks' tokens.

    Source: Fedus et al. 2021, arXiv:2101.03961, equations 4 to 6.
    """
    e = router_logits.shape[-1]
    chosen = router_logits.detach().topk(k, dim=-1).indices  # (n, k)
    share = F.one_hot(chosen, e).float().mean(dim=(0, 1))  # (e,)
    if replicas is not None:  # the mean of all ranks' shares, and this rank's part of the mean probability
        share = replicas.sum(share) / replicas.size**2
    return e * (share * router_logits.float().softmax(-1).mean(0)).sum()


def reference_loss(
    model: Transformer,
    tokens: Tensor,
    codes: Tensor,
    documents: Tensor,
    balance: float = BALANCE,
    rounding: str | None = None,
    replicas: Replicas | None = None,
) -> tuple[Tensor, Tensor]:
    """Compute (loss to minimise, cross-entropy alone) of one packed batch with the reference model.

    rounding : None, or how to round the experts to MXFP4 for this loss (quantisation-aware training)
    replicas : None, or the ranks with the other rows; both numbers are then this rank's parts of a sum
    """
    targets, weights = targets_and_weights(tokens, codes)
    same = documents[:, :, None] == documents[:, None, :]  # (b, t, s)
    logits_of_routers: list[Tensor] = []
    hidden = ~same[:, None]  # (b, 1, t, s)
    points = {
        f"block.{i}.attn.scores": lambda scores, name: scores.masked_fill(hidden, -torch.inf)
        for i in range(len(model.block))
    }
    points |= {
        f"block.{i}.mlp.router_logits": lambda value, name: logits_of_routers.append(value)
        for i in range(len(model.block))
    }
    experts = {} if rounding is None else quantized_experts(model, rounding)
    with model.hooks(points):
        logits = torch.func.functional_call(model, experts, (tokens,))  # (b, t, v)
    total = None if replicas is None else replicas.sum(weights.sum())
    cross_entropy = weighted_cross_entropy(logits, targets, weights, total)
    k = model.config.experts_per_token
    balanced = torch.stack([balance_loss(value, k, replicas) for value in logits_of_routers]).mean()
    return cross_entropy + balance * balanced, cross_entropy.detach()
