"""Rotary position embeddings, stretched to long contexts by YaRN (chapter 05)."""

import math

import torch
from torch import Tensor

from .config import ModelConfig


def yarn_inv_freq(
    head_dim: int, theta: float, factor: float, original_context: int, beta_fast: float = 32.0, beta_slow: float = 1.0
) -> tuple[Tensor, float]:
    """Return the angular speed of each pair of a head, slowed as YaRN prescribes, and the concentration.

    Pairs that turn more than `beta_fast` times within the original context keep their speed, pairs that turn less
    than `beta_slow` times are slowed by `factor`, and a linear ramp lies between. The ramp's bounds are not rounded
    (the released config says `truncate: false`), only clamped to [0, head_dim - 1] so that small heads work.

    Returns
    -------
    inv_freq : (head_dim / 2,) float32, radians per position
    concentration : float, multiplies cos and sin, so attention logits grow by its square; 1 if the context is not
    stretched

    Source: Peng et al. 2023, arXiv:2309.00071 ("NTK by parts", eq. 17 to 23).
    """
    pairs = head_dim // 2
    inv_freq = 1.0 / theta ** (torch.arange(pairs, dtype=torch.float64) / pairs)  # (d/2,)
    if factor <= 1.0:
        return inv_freq.float(), 1.0
    low, high = (yarn_bound(b, head_dim, theta, original_context) for b in (beta_fast, beta_slow))
    low, high = max(low, 0.0), min(high, head_dim - 1.0)
    ramp = (torch.arange(pairs, dtype=torch.float64) - low) / max(high - low, 1e-3)
    slowed = ramp.clamp(0, 1)  # (d/2,) 0: keep, 1: divide by factor
    inv_freq = inv_freq * (1 - slowed) + inv_freq / factor * slowed
    return inv_freq.float(), 0.1 * math.log(factor) + 1.0


def yarn_bound(turns: float, head_dim: int, theta: float, original_context: int) -> float:
    """Return the (fractional) index of the pair that turns this often in the original context."""
    return head_dim / 2 * math.log(original_context / (turns * 2 * math.pi)) / math.log(theta)


def rope_cos_sin(positions: Tensor, config: ModelConfig, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Return cos and sin, times the concentration, of the angles at these positions.

    positions : (..., t) integers. Returns two (..., t, head_dim / 2), computed in float32, then cast to `dtype`.
    """
    inv_freq, concentration = yarn_inv_freq(
        config.head_dim, config.rope_theta, config.rope_scaling_factor,
        config.initial_context_length, config.rope_ntk_beta, config.rope_ntk_alpha,
    )  # fmt: skip
    angles = positions[..., None].float() * inv_freq.to(positions.device)  # (..., t, d/2)
    return (angles.cos() * concentration).to(dtype), (angles.sin() * concentration).to(dtype)


def apply_rope(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate pair i of each head, made of entries i and i + d/2, by the angle of its position.

    x : (b, t, h, d); cos, sin : (t, d/2) or (b, t, d/2). Returns (b, t, h, d).

    Source: Su et al. 2021, arXiv:2104.09864; entries of the two halves are paired, not neighbours, as in the released
    model.
    """
    cos, sin = cos[..., None, :], sin[..., None, :]  # (..., t, 1, d/2)
    first, second = x.chunk(2, dim=-1)  # (b, t, h, d/2) each
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)  # (b, t, h, d)
