"""The check of `pack_mxfp4`: the codes, the floor rule of the shared exponent, ties, saturation, order."""

import numpy as np
import torch

from gptoss_edu.checks import reference
from gptoss_edu.checks.compare import close, expect_pair, number, place, to_numpy, worst
from gptoss_edu.checks.guard import Forbidden
from gptoss_edu.checks.harness import Check, Refused

CAUSES = {
    "order": "The function returns (blocks, scales): (..., G, 16) and (..., G), both uint8.",
    "dtype": "Blocks and scales must be uint8.",
    "shape": "(..., 32 G) weights give blocks (..., G, 16) and scales (..., G): one byte holds two weights.",
    "nibbles_swapped": "The nibbles are exchanged: the earlier weight goes into the LOW nibble.",
    "nibbles_blocked": (
        "Weight j is paired with weight j + 16. Neighbours share a byte: 2j in the low nibble, 2j + 1 in the high one."
    ),
    "sign_lost": "The sign is lost: bit 3 of the code.",
    "no_emax": (
        "The shared exponent is floor(log2 max): the 2 is not subtracted. The largest e2m1 value, 6, has exponent 2, "
        "so 2 is subtracted."
    ),
    "round_up": (
        "The shared exponent is rounded up so that nothing saturates. The specification's rule is the floor: "
        "floor(log2 max) - 2; what is above 6 then saturates."
    ),
    "max_over_6": (
        "The scale is chosen from max / 6, rounded up: nothing saturates. That is a common choice, but not the "
        "specification's floor rule."
    ),
    "max_over_6_down": (
        "The scale is chosen from max / 6, rounded down: more saturates. A largest weight of 4 becomes 8 at its scale, "
        "beyond 6. The rule is floor(log2 max) - 2."
    ),
    "round_nearest": "log2 of the maximum is rounded to the nearest. The rule is the floor.",
    "one_large": (
        "Every scale is one too large: the bias is 128 instead of 127, or the exponent of torch.frexp is taken for "
        "floor(log2 max) and is 1 above it, because its fraction lies between 0.5 and 1."
    ),
    "one_small": (
        "Every scale is one too small: the bias is 126 instead of 127, or 3 is subtracted from floor(log2 max) instead "
        "of 2."
    ),
    "bias": "The bias is missing: the scale byte is exponent + 127.",
    "global_scale": "All blocks share one scale. Each block of 32 has its own.",
    "sign_in_max": (
        "The maximum is taken without the absolute value: a block whose largest magnitude is negative gets too small "
        "a scale."
    ),
    "ties_up": (
        "Halves are rounded away from zero. A tie goes to the even code: 0.25 to 0, 0.75 to 1, 1.25 to 1, 2.5 to 2, 5 "
        "to 4."
    ),
    "ties_down": (
        "Halves are rounded towards zero (argmin takes the first). A tie goes to the even code: 0.25 to 0, 0.75 to 1, "
        "1.75 to 2, 3.5 to 4."
    ),
    "truncated": "Values are truncated instead of rounded to the nearest.",
    "integers": "Values are rounded to whole numbers. Round to the nearest of 0, 0.5, 1, 1.5, 2, 3, 4, 6.",
    "wraps": "A value above 6 wraps round to another code. It saturates: code 7.",
    "zeros": "A block of zeros must give zeros: log2(0) is -inf, handle it.",
    "range": (
        "The scale byte leaves its range: it must stay within 0 to 254, since 255 means NaN. Very small weights have a "
        "shared exponent below -127: clamp it."
    ),
    "clamped_late": (
        "The scale byte is clamped, but the weights were divided by the scale before that. Divide by 2^(byte - 127) of "
        "the byte that is stored."
    ),
    "general": (
        "scale = floor(log2 max|block|) - 2 + 127; each weight / 2^(scale - 127) to the nearest e2m1 value, ties to "
        "the even code."
    ),
}


def _seen(function, weight: torch.Tensor):
    """Return a result without what is left open: the sign of a zero, and which finite scale a block of zeros has."""
    found = function(weight)
    try:
        blocks, scales = found
        low, high = blocks & 15, blocks >> 4
        blocks = torch.where(low == 8, 0, low) + 16 * torch.where(high == 8, 0, high)
        zeros = (weight.reshape(*scales.shape, 32) == 0).all(-1)
        return blocks, torch.where(zeros & (scales != 255), 0, scales)
    except Exception:  # no pair of tensors of these shapes: compared as it is
        return found


CHECK = Check(
    "pack_mxfp4",
    (
        Forbidden("mxfp4.py", ("pack", "_choose_scales", "_nearest_code", "_pack_nibbles", "_squared_error")),
        Forbidden("fast"),
    ),
    CAUSES,
    "(weight (..., 32 G)) -> (blocks, scales), the specification's floor rule",
    _seen,
)


def _compare_values(call, weight, general: str = "general", prefix: str = "", scale: str = "general") -> None:
    """Compare the scales (of blocks that are not all zero) and the values of the bytes.

    `scale` is the guess where a scale differs, `general` where a value does.
    """
    blocks, scales = _pair(call(weight), weight)
    right_blocks, right_scales = reference.pack(weight)
    largest = abs(weight.double().numpy().reshape(*right_scales.shape, 32)).max(-1)
    different = (scales != right_scales) & (largest > 0)
    if different.any():
        at = tuple(int(i) for i in np.argwhere(different)[0])
        block = f"{prefix}block {', '.join(map(str, at))} with largest magnitude {number(largest[at])}"
        raise Refused(f"{block}: your scale is {int(scales[at])}, right is {int(right_scales[at])}", scale)
    scales = np.where(largest > 0, right_scales, 127)
    found, right = reference.unpack(blocks, scales), reference.unpack(right_blocks, scales)
    if not close(found, right, rtol=1e-6, atol=0):
        at, wrong = worst(found, right), int((found != right).sum())
        where = place(at, (*["row"] * (right.ndim - 1), "weight"))
        what = f"{prefix}{where} is {number(float(weight[at]))}"
        given = f"yours is {number(found[at])}, right is {number(right[at])}"
        raise Refused(f"{what}: {given}; {wrong} of {right.size} values differ", general)


def _pair(value, weight):
    blocks, scales = expect_pair(value, "(blocks, scales)", "order")
    groups = (*weight.shape[:-1], weight.shape[-1] // 32)
    if tuple(getattr(blocks, "shape", ())) == groups and tuple(getattr(scales, "shape", ())) == (*groups, 16):
        raise Refused("the first value has the shape of the scales", "order", certain=True)
    for name, part, shape in (("blocks", blocks, (*groups, 16)), ("scales", scales, groups)):
        found = tuple(getattr(part, "shape", ()))
        if found != shape:
            raise Refused(f"the {name} have shape {found}, expected {shape}", "shape", certain=True)
        if isinstance(part, torch.Tensor) and part.dtype != torch.uint8:
            symptom = f"the {name} are {str(part.dtype).removeprefix('torch.')}, expected uint8"
            raise Refused(symptom, "dtype", certain=True)
    return to_numpy(blocks).astype(int), to_numpy(scales).astype(int)


def _block(*values) -> torch.Tensor:
    return torch.tensor([*values, *[0.0] * (32 - len(values))]).view(1, 32)


@CHECK.stage("values that need no rounding")
def exact(call):
    _compare_values(call, _block(0, 0.5, 1, 1.5, 2, 3, 4, -0.5, -1, -1.5, -2, -3, -4, 1, 0.5))
    _compare_values(call, _block(6, -6, 0.5, -4, 3), prefix="largest magnitude 6: ")


@CHECK.stage("the shared exponent, floor(log2 max) - 2")
def exponent(call):
    maxima = (4.0, 5.2, 5.8, 7.5, 12.0, 0.4, 1e-3, 100.0)
    _compare_values(call, torch.cat([_block(m, m / 3, -m / 4, m / 7) for m in maxima]))  # (8, 32)
    _compare_values(call, _block(1.0, -5.0, 0.5), prefix="largest magnitude -5: ", scale="sign_in_max")


@CHECK.stage("to the nearest, ties to the even code")
def ties(call):
    halves = (0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0)
    beside = (0.3, 0.7, 0.8, 1.3, 1.2, 2.4, 2.6, 3.4, 3.6, 4.9, 5.1, 0.2)
    weight = _block(4.0, *halves, *(-half for half in halves), *beside)
    _compare_values(call, weight, prefix="scale 127: ")
    _compare_values(call, weight / 8, prefix="scale 124: ")


@CHECK.stage("what is too large saturates")
def saturate(call):
    _compare_values(call, _block(7.9, 7.0, 6.5, -7.5, -6.1, 1.0), "wraps", "magnitudes up to 7.9 at scale 127: ")


@CHECK.stage("each block its own scale; any leading axes")
def blocks(call):
    generator = torch.Generator().manual_seed(0)
    for shape in ((64,), (3, 64), (2, 3, 96), (1024,)):
        sizes = torch.exp2(torch.randint(-6, 6, (*shape[:-1], 1), generator=generator).float())
        weight = torch.randn(shape, generator=generator) * sizes
        weight[..., 32:] *= 9
        _compare_values(call, weight, prefix=f"weight {shape}: ")


@CHECK.stage("zeros, very small and bfloat16 weights")
def zeros(call):
    weight = torch.zeros(2, 64)
    weight[0, 32:] = torch.linspace(-1, 1, 32)
    blocks, scales = _pair(call(weight), weight)
    if (scales == 255).any():
        raise Refused("a block of zeros has scale 255, which means NaN", "zeros", certain=True)
    if (blocks[1] & 0x77).any() or (blocks[0, 0] & 0x77).any():
        raise Refused("a block of zeros: its bytes are not all zero", "zeros", certain=True)
    _compare_values(call, weight, "zeros", "a block of zeros beside others: ")
    tiny = torch.linspace(-1, 1, 32).view(1, 32) * 2.0**-120
    _compare_values(call, tiny, prefix="largest magnitude 2^-120: ")
    _compare_values(call, tiny * 2.0**-6, "clamped_late", "largest magnitude 2^-126: ", "range")
    _compare_values(call, torch.linspace(-3, 3, 64).view(1, 64).bfloat16().float(), prefix="bfloat16 weights: ")
