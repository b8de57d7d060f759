"""Muon for the matrices, AdamW for everything else.

Muon replaces the momentum of a weight matrix with the nearest matrix whose singular values are all about 1. So every
direction in which the gradient has been pointing gets the same step, not only the strongest. Five Newton-Schulz
iterations do this with matrix products alone. Embeddings, biases, norms, router and sinks use AdamW.

Source: Jordan et al. 2024, "Muon: An optimizer for hidden layers"; Loshchilov and Hutter 2019, arXiv:1711.05101
(AdamW).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

MUON_NAMES = ("attn.qkv.weight", "attn.out.weight", "mlp.mlp1_weight", "mlp.mlp2_weight")


def orthogonalise(x: Tensor, steps: int = 5) -> Tensor:
    """Replace each matrix (..., m, n), with singular value decomposition U S Vᵀ, by roughly U Vᵀ.

    The quintic a·s + b·s³ + c·s⁵ drives every singular value s in (0, 1] into about [0.7, 1.2].
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    dtype = torch.bfloat16 if x.is_cuda else torch.float32
    tall = x.shape[-2] > x.shape[-1]
    y = (x.mT if tall else x).to(dtype)
    y = y / (y.float().norm(dim=(-2, -1), keepdim=True) + 1e-7).to(dtype)
    for _ in range(steps):
        gram = y @ y.mT
        y = a * y + (b * gram + c * (gram @ gram)) @ y
    return (y.mT if tall else y).to(x.dtype)


class Muon:
    """Orthogonalised momentum; matrices of one shape are updated together.

    Parameters
    ----------
    parameters : matrices (m, n), or stacks of them (e, m, n)
    lr : a tensor, so that a captured CUDA graph sees its new values
    """

    def __init__(self, parameters: list[nn.Parameter], lr: Tensor, momentum: float = 0.95, weight_decay: float = 0.02):
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay
        shapes = sorted({tuple(p.shape) for p in parameters})
        self.groups = [[p for p in parameters if tuple(p.shape) == shape] for shape in shapes]
        self.buffers = [torch.zeros(len(group), *group[0].shape, device=group[0].device) for group in self.groups]

    @torch.no_grad()
    def step(self) -> None:
        for group, buffer in zip(self.groups, self.buffers, strict=True):
            gradient = torch.stack([p.grad for p in group])  # (layers, …, m, n)
            buffer.lerp_(gradient, 1 - self.momentum)
            update = orthogonalise(gradient.lerp(buffer, self.momentum))  # Nesterov: look ahead along the momentum
            update = update * (max(1.0, update.shape[-2] / update.shape[-1]) ** 0.5 * self.lr)
            torch._foreach_mul_(group, 1 - self.lr * self.weight_decay)
            torch._foreach_sub_(group, list(update.unbind(0)))

    def state_dict(self) -> dict[str, Tensor]:
        return {str(i): buffer for i, buffer in enumerate(self.buffers)}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        for i, buffer in enumerate(self.buffers):
            buffer.copy_(state[str(i)])


class AdamW:
    """Running mean and variance of each gradient entry, written out so that it can be captured, saved and read."""

    def __init__(
        self,
        parameters: list[nn.Parameter],
        lr: Tensor,
        betas=(0.9, 0.97),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        self.parameters, self.lr, self.betas, self.eps, self.weight_decay = parameters, lr, betas, eps, weight_decay
        self.means = [torch.zeros_like(p) for p in parameters]
        self.squares = [torch.zeros_like(p) for p in parameters]
        self.count = torch.zeros((), device=parameters[0].device)

    @torch.no_grad()
    def step(self) -> None:
        (b1, b2), gradients = self.betas, [p.grad for p in self.parameters]
        self.count += 1
        torch._foreach_lerp_(self.means, gradients, 1 - b1)
        torch._foreach_mul_(self.squares, b2)
        torch._foreach_addcmul_(self.squares, gradients, gradients, 1 - b2)
        rate = self.lr / (1 - b1**self.count)
        root = torch._foreach_sqrt(self.squares)
        torch._foreach_mul_(root, (1 - b2**self.count).rsqrt())
        torch._foreach_add_(root, self.eps)
        update = torch._foreach_div(self.means, root)
        torch._foreach_mul_(update, rate)
        if self.weight_decay:
            torch._foreach_mul_(self.parameters, 1 - self.lr * self.weight_decay)
        torch._foreach_sub_(self.parameters, update)

    def state_dict(self) -> dict[str, Tensor]:
        state = {f"mean.{i}": m for i, m in enumerate(self.means)} | {
            f"square.{i}": s for i, s in enumerate(self.squares)
        }
        return state | {"count": self.count}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        for i, (mean, square) in enumerate(zip(self.means, self.squares, strict=True)):
            mean.copy_(state[f"mean.{i}"])
            square.copy_(state[f"square.{i}"])
        self.count.copy_(state["count"])


class Optimizer:
    """The three learning rates of the recipe, scaled together by the schedule.

    ``muon`` for the matrices of MUON_NAMES ("plain" mode gives them to AdamW as well), ``adam`` for the rest, ``sinks``
    for the sinks, which start at 0 and must move far.
    """

    def __init__(
        self,
        model: nn.Module,
        muon: float = 0.015,
        adam: float = 3e-3,
        sinks: float = 9e-3,
        clip: float = 1.0,
        plain: bool = False,
    ):
        device, self.clip = next(model.parameters()).device, clip
        named = dict(model.named_parameters())
        matrices = [] if plain else [p for n, p in named.items() if n.endswith(MUON_NAMES)]
        sink_list = [p for n, p in named.items() if n.endswith("sinks")]
        taken = {id(p) for p in matrices + sink_list}
        self.parameters = list(named.values())
        self.rates = {"adam": adam, "sinks": sinks} | ({} if plain else {"muon": muon})
        self.lr = {name: torch.zeros((), device=device) for name in self.rates}
        self.parts = {
            "adam": AdamW([p for p in self.parameters if id(p) not in taken], self.lr["adam"]),
            "sinks": AdamW(sink_list, self.lr["sinks"]),
        }
        if not plain:
            self.parts["muon"] = Muon(matrices, self.lr["muon"])

    def set_scale(self, scale: float) -> None:
        """Use ``scale`` times the recipe's rates from now on."""
        for name, lr in self.lr.items():
            lr.fill_(self.rates[name] * scale)

    def step(self) -> Tensor:
        """Update from the gradients; return their norm before clipping."""
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.clip)
        for part in self.parts.values():
            part.step()
        return norm

    def state_dict(self) -> dict[str, Tensor]:
        return {f"{name}.{key}": value for name, part in self.parts.items() for key, value in part.state_dict().items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        for name, part in self.parts.items():
            part.load_state_dict(
                {key[len(name) + 1 :]: value for key, value in state.items() if key.startswith(name + ".")}
            )


def schedule(progress: float, step: int, warmup: int = 150, decay: float = 0.18) -> float:
    """Return the rate's factor: rising at first, then constant, then falling to zero over the last ``decay``."""
    return min(1.0, (step + 1) / warmup) * min(1.0, max(0.0, 1.0 - progress) / decay)
