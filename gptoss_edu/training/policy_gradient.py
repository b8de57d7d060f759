"""Turn rewards into a loss: group advantages, token weights, and the policy gradient with clipping and KL.

Source: Williams 1992 (REINFORCE); Shao et al. 2024, arXiv:2402.03300 (GRPO); Ahmadian et al. 2024, arXiv:2402.14740
(leave-one-out); Liu et al. 2025, arXiv:2503.20783 (no division by the deviation, no length bias); Yu et al. 2025,
arXiv:2503.14476 (mean over tokens); Schulman et al. 2017, arXiv:1707.06347 (clipping); Schulman 2020, "Approximating KL
divergence" (the estimator used here).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

EPSILON = 1e-4  # added to a deviation that may be zero


def _less_mean(r: Tensor) -> Tensor:
    return r - r.mean(-1, keepdim=True)


ADVANTAGES: dict[str, Callable[[Tensor], Tensor]] = {  # rewards (groups, answers) to advantages
    "grpo": lambda r: _less_mean(r) / (r.std(-1, keepdim=True, correction=0) + EPSILON),
    "centred": _less_mean,
    "rloo": lambda r: _less_mean(r) * r.shape[-1] / (r.shape[-1] - 1),  # minus the mean of the others
    "reinforce": lambda r: r,  # no baseline
}
WEIGHTS: dict[str, Callable[[Tensor, int], Tensor]] = {  # tokens of each answer (n,), limit -> weight of a token (n,)
    "token": lambda n, limit: torch.ones_like(n) / n.sum(),  # all tokens count equally
    "answer": lambda n, limit: 1 / (n * len(n)),  # all answers count equally, so a token of a long answer counts less
    "limit": lambda n, limit: torch.ones_like(n) / (len(n) * limit),  # a constant
}


def policy_loss(
    logprobs: Tensor,
    old: Tensor,
    advantages: Tensor,
    weights: Tensor,
    clip: float | None = None,
    reference: Tensor | None = None,
    kl: float = 0.0,
) -> Tensor:
    """Compute the loss of a step; every argument has one number per token, (n,).

    Parameters
    ----------
    logprobs : of the learning model; old : of the model that drew the tokens; reference : of the model to stay near
    clip : limit the ratio of new to old to 1 ± clip where exceeding it would lower the loss
    kl : penalty for the distance from ``reference``, by the estimator e^x - x - 1 of x = reference - logprobs
    """
    ratio = (logprobs - old).exp()
    gain = ratio * advantages
    if clip is not None:
        gain = torch.minimum(gain, ratio.clamp(1 - clip, 1 + clip) * advantages)
    loss = -gain
    if kl and reference is not None:
        apart = reference - logprobs
        loss = loss + kl * (apart.exp() - apart - 1)
    return (loss * weights).sum()
