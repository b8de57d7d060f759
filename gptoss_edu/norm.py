"""RMSNorm, the only normalisation in gpt-oss (chapter 03)."""

import torch
from torch import Tensor, nn


def rms_norm(x: Tensor, scale: Tensor, eps: float = 1e-5) -> Tensor:
    """Divide each vector by its root mean square, then multiply by a learned scale.

    Parameters
    ----------
    x : (..., c), any floating dtype
    scale : (c,)
    eps : added to the mean square, inside the root

    Returns
    -------
    (..., c) in the dtype of x. Everything is computed in float32 and cast once, at the end: casting
    before multiplying by the scale gives different bits.

    Source: Zhang and Sennrich 2019, arXiv:1910.07467; order of the casts as in the released model.
    """
    t = x.float()  # (..., c)
    t = t * torch.rsqrt(t.square().mean(-1, keepdim=True) + eps)
    return (t * scale.float()).to(x.dtype)


class RMSNorm(nn.Module):
    """`rms_norm` with its learned scale (c,), kept in float32 or the model's dtype."""

    def __init__(self, size: int, eps: float = 1e-5):
        super().__init__()
        self.eps = eps
        self.scale = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        return rms_norm(x, self.scale, self.eps)
