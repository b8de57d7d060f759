"""From rewards to a loss: advantages of a group, weights of tokens, and the policy gradient with clipping and KL.

Source: Williams 1992 (REINFORCE); Shao et al. 2024, arXiv:2402.03300 (GRPO); Ahmadian et al. 2024, arXiv:2402.14740
(leave-one-out); Liu et al. 2025, arXiv:2503.20783 (no division by the deviation, no length bias); Yu et al. 2025,
arXiv:2503.14476 (mean over tokens); Schulman et al. 2017, arXiv:1707.06347 (clipping); Schulman 2020, "Approximating KL
divergence" (the estimator used here).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

EPSILON = 1e-4  # beside a deviation that may be zero


def _less_mean(r: Tensor) -> Tensor:
    return r - r.mean(-1, keepdim=True)


ADVANTAGES: dict[str, Callable[[Tensor], Tensor]] = {  # rewards (groups, answers) to advantages
    "grpo": lambda r: _less_mean(r) / (r.std(-1, keepdim=True, correction=0) + EPSILON),
    "centred": _less_mean,
    "rloo": lambda r: _less_mean(r) * r.shape[-1] / (r.shape[-1] - 1),  # less the mean of the others
    "reinforce": lambda r: r,  # no baseline
}
WEIGHTS: dict[str, Callable[[Tensor, int], Tensor]] = {  # tokens of each answer (n,), limit -> weight of a token (n,)
    "token": lambda n, limit: torch.ones_like(n) / n.sum(),  # every token alike
    "answer": lambda n, limit: 1 / (n * len(n)),  # every answer alike: a token of a long one counts less
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
    """Return what a step minimises; every argument holds a number for each token, (n,).

    Parameters
    ----------
    logprobs : by the model that learns; old : by the model that drew the tokens; reference : by the one to stay near
    clip : the ratio of new to old counts no further than 1 ± clip where that would be an advantage
    kl : price of the distance from ``reference``, by the estimator e^x - x - 1 of x = reference - logprobs
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
