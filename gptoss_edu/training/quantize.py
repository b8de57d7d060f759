"""Round experts to MXFP4: after training, at a cost in loss, or during training, which adapts to the rounding.

Only the expert matrices are rounded; everything else stays bfloat16. The roundings of mxfp4.py differ in how they
choose the shared exponent of 32 weights; which is best is measured, not assumed.

Source: Bengio et al. 2013, arXiv:1308.3432 (gradients straight through a step); Jacob et al. 2018, arXiv:1712.05877,
section 3 (training with simulated quantisation).
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from gptoss_edu import mxfp4
from gptoss_edu.errors import GptOssError
from gptoss_edu.moe import PackedWeight
from gptoss_edu.transformer import Transformer, without_numbers

EXPERTS = ("mlp.mlp1_weight", "mlp.mlp2_weight")
ROUNDING = "best"  # how experts are stored, and rounded in quantisation-aware training


def fake_quantized(weight: Tensor, rounding: str = ROUNDING) -> Tensor:
    """Return what MXFP4 would store for these weights; gradients pass straight through to the weights.

    weight : (..., r, 32 G), floating and finite: each row of 32 G inputs in G blocks. Returns the same shape and dtype.

    The sum is exactly the rounded value: it is 0 or within a factor of two of its weight, where floating-point
    subtraction is exact.
    """
    return weight + (mxfp4_values(weight, rounding) - weight).detach()


def mxfp4_values(weight: Tensor, rounding: str = ROUNDING) -> Tensor:
    """Compute ``mxfp4.unpack(*mxfp4.pack(weight, rounding))`` without the bytes, in operations that a compiler fuses.

    Nothing here waits for the values, so this can be compiled and recorded in a CUDA graph; therefore NaN is returned
    instead of refused.
    """
    if rounding not in mxfp4.ROUNDINGS or weight.shape[-1] % mxfp4.BLOCK:
        raise GptOssError(
            f"mxfp4_values: expected a rounding of {', '.join(mxfp4.ROUNDINGS)} and a last axis that is a multiple of "
            f"{mxfp4.BLOCK}, found {rounding!r} and {tuple(weight.shape)}."
        )
    block = weight.detach().float().unflatten(-1, (-1, mxfp4.BLOCK))  # (..., G, 32)
    largest = block.abs().amax(-1, keepdim=True).view(torch.int32)  # (..., G, 1): 8 bits exponent, 23 bits mantissa
    if rounding == "floor":
        values = _nearest(block, largest)
    else:
        # a mantissa above 1.5, which would saturate, is carried into the exponent
        values = _nearest(block, largest + 0x3FFFFF)
    if rounding == "best":
        floor = _nearest(block, largest)
        values = torch.where(_error(block, values) < _error(block, floor), values, floor)
    return values.flatten(-2).to(weight.dtype)


def _nearest(block: Tensor, bits: Tensor) -> Tensor:
    """Round block (..., G, 32) at the scale whose exponent is in bits (..., G, 1), minus 2 for the largest value 1.5 ·
    2².
    """
    byte = ((bits >> 23) - 2).clamp(0, mxfp4.LARGEST_SCALE)  # (..., G, 1) e8m0: 2^(byte - 127), subnormal for byte 0
    scale = torch.where(byte == 0, 1 << 22, byte << 23).view(torch.float32)
    scaled = block * ((2 * mxfp4.BIAS - byte) << 23).view(torch.float32)
    magnitude = scaled.abs()
    # steps of 1/2 below 2, of 1 below 4, of 2 up to 6; round() sends ties to the even value, whose mantissa bit is 0
    coarse = torch.where(magnitude < 4, scaled.round(), (scaled * 0.5).round() * 2)
    nearest = torch.where(magnitude < 2, (scaled * 2).round() * 0.5, coarse)
    return nearest.clamp(-mxfp4.VALUES[-1], mxfp4.VALUES[-1]) * scale


def _error(block: Tensor, values: Tensor) -> Tensor:
    return (values.double() - block.double()).square().sum(-1, keepdim=True)  # (..., G, 1)


def quantized_experts(model: Transformer, rounding: str = ROUNDING) -> dict[str, Tensor]:
    """Return every expert matrix by name as MXFP4 would store it, for `torch.func.functional_call`."""
    return {n: fake_quantized(p, rounding) for n, p in model.named_parameters() if n.endswith(EXPERTS)}


@torch.no_grad()
def packed(model: Transformer, rounding: str = ROUNDING) -> Transformer:
    """Return the model with MXFP4 experts and the rest in bfloat16, on the same device."""
    state: dict[str, Tensor] = {}
    for name, value in model.state_dict().items():
        if name.endswith(EXPERTS):
            state[name + ".blocks"], state[name + ".scales"] = mxfp4.pack(value.float(), rounding)
        else:
            state[name] = value.to(torch.bfloat16)
    with without_numbers():
        twin = Transformer(model.config, packed=True)
    twin.load_state_dict(state, strict=True, assign=True)
    for module in twin.modules():
        if isinstance(module, PackedWeight):
            module.dtype = torch.bfloat16
    twin.tokenizer = model.tokenizer
    return twin.eval().requires_grad_(False)


@torch.no_grad()
def rounded(model: Transformer, rounding: str | None) -> Transformer:
    """Return a copy as stored: experts through MXFP4 with that rounding (None: bfloat16 too), the rest in bfloat16."""
    if model.packed:
        raise GptOssError(
            "rounded: expected dense experts, found MXFP4 ones, which are already rounded; load the weights before"
            " packing."
        )
    tokenizer, model.tokenizer = model.tokenizer, None
    twin = copy.deepcopy(model)
    model.tokenizer = twin.tokenizer = tokenizer
    for name, parameter in twin.named_parameters():
        if rounding is not None and name.endswith(EXPERTS):
            for e in range(parameter.shape[0]):
                parameter[e] = mxfp4.unpack(*mxfp4.pack(parameter[e].float(), rounding), dtype=parameter.dtype)
        else:
            parameter.copy_(parameter.to(torch.bfloat16))
    return twin.eval().requires_grad_(False)
