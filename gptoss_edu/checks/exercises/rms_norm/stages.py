"""The check of `rms_norm`: one mechanism at a time."""

import torch

from gptoss_edu.checks import reference
from gptoss_edu.checks.compare import expect_close, expect_dtype
from gptoss_edu.checks.guard import Forbidden
from gptoss_edu.checks.harness import Check, Refused

CAUSES = {
    "sum": (
        "The sum of the squares is taken instead of their mean: the result then depends on the width. RMS is the root "
        "of the MEAN square."
    ),
    "no_root": "The row is divided by its mean square; the root is missing (rsqrt, or ** 0.5).",
    "abs_mean": (
        "The mean of |x| is taken. The norm divides by the root of the mean of x²; large entries count for more."
    ),
    "centred": (
        "The mean is subtracted, as LayerNorm does. RMSNorm leaves the mean alone, which makes it cheaper, and it "
        "has no bias."
    ),
    "layer_norm": (
        "This is LayerNorm: it centres the row and divides by the standard deviation. RMSNorm divides by the root "
        "mean square, uncentred."
    ),
    "unbiased": (
        "The squares are divided by n - 1, as torch.std and torch.var do by default. The mean square divides by n."
    ),
    "standard_deviation": (
        "The row is divided by its standard deviation, which measures from the mean of the row (and in torch.std and "
        "torch.var divides by n - 1). RMSNorm divides by sqrt(mean(x²) + eps): from zero, by n."
    ),
    "multiplied_by_root": (
        "The row is multiplied by its root mean square. It is divided by it: multiply by rsqrt, or divide by sqrt."
    ),
    "keepdim": (
        "keepdim=True is missing: the mean then has no last axis, and its values are broadcast along the channels "
        "instead of the rows. With as many rows as channels, nobody notices."
    ),
    "wrong_axis": (
        "The mean runs over the tokens or over everything. Each row (the last axis) is normalised separately: a "
        "token must not see the others."
    ),
    "eps_outside": (
        "eps is added to the root instead of to the mean square. Inside the root, 1e-5 is already sqrt(1e-5) = 0.003 "
        "for a row of zeros."
    ),
    "eps_missing": "eps is left out: a row of zeros is divided by zero.",
    "eps_max": "eps is used as a floor (max) instead of being added to the mean square.",
    "eps_twice": "eps is squared, or added twice; it is added once to the mean square.",
    "eps_ignored": (
        "The eps of the call is not used: a number is written into the function instead. The model passes its own, "
        "rms_norm_eps."
    ),
    "no_scale": "The learned scale is not applied.",
    "scale_plus_one": "The result is multiplied by (1 + scale), as Gemma does. gpt-oss multiplies by scale itself.",
    "scale_added": "The scale is added. It is multiplied: each channel has its own factor.",
    "scale_before": (
        "The scale is applied before the mean square is taken, so it partly cancels. Normalise first, then scale."
    ),
    "scale_inverse": "The row is divided by the scale. It is multiplied.",
    "cast_before_scale": (
        "The normalised row is cast to bfloat16 before the scale multiplies it, as Llama does. gpt-oss multiplies in "
        "float32 and casts once, at the end, which gives other bits."
    ),
    "scale_rounded": "The scale is rounded to the dtype of x before it is multiplied. Only the result is cast.",
    "root_rounded": "The root is rounded to the dtype of x before it divides. Only the result is cast.",
    "low_precision": "The mean square is computed in bfloat16, with 8 bits of mantissa. Convert x to float32 first.",
    "dtype": "The result does not have the dtype of x. Compute in float32, then convert back: `.to(x.dtype)`.",
    "general": "Divide each row by sqrt(mean(x²) + eps), in float32, multiply by the scale, convert back.",
}
CHECK = Check(
    "rms_norm",
    (Forbidden("norm.py"), Forbidden("fast")),
    CAUSES,
    "(x, scale, eps) -> dtype of x; mean square and scale in float32",
)

AXES = ("row", "channel")


def _compare(call, x, scale, eps, general="general", prefix="", axes=AXES) -> None:
    expect_close(call(x, scale, eps), reference.rms_norm(x, scale, eps), axes, general, rtol=1e-4, prefix=prefix)


@CHECK.stage("the root mean square of one row")
def one_row(call):
    _compare(call, torch.tensor([[3.0, -4.0, 12.0, 0.0]]), torch.ones(4), 1e-9)


@CHECK.stage("every row by itself")
def rows(call):
    x = torch.tensor([[1.0, 2.0, -2.0], [10.0, 0.0, 5.0], [0.1, 0.2, 0.4]])
    _compare(call, x, torch.ones(3), 1e-9, "wrong_axis")
    x = torch.randn(2, 3, 2, 5, generator=torch.Generator().manual_seed(3))
    _compare(call, x, torch.ones(5), 1e-9, "wrong_axis", axes=("batch", "token", "head", "channel"))


@CHECK.stage("eps")
def eps(call):
    _compare(call, torch.zeros(1, 4), torch.ones(4), 1e-5, "eps_missing", "a row of zeros, ")
    x = torch.tensor([[0.01, -0.02, 0.0, 0.02], [1.0, 0.5, 0.0, -1.0], [1e-5, -2e-5, 0.0, 2e-5]])
    for value in (0.02, 0.5):  # neither their squares nor their doubles are numbers that one would write in
        _compare(call, x, torch.ones(4), value, prefix=f"eps = {value}, ")


@CHECK.stage("the scale")
def scale(call):
    x = torch.tensor([[1.0, 2.0, -2.0, 0.5], [4.0, 0.0, 1.0, -1.0]])
    _compare(call, x, torch.tensor([0.5, 2.0, -1.0, 3.0]), 1e-5)


@CHECK.stage("bfloat16 in, bfloat16 out")
def dtype(call):
    x, weight = torch.randn(4, 64, generator=torch.Generator().manual_seed(0)).bfloat16(), torch.linspace(0.5, 2, 64)
    found = call(x, weight, 1e-5)
    expect_dtype(found, torch.bfloat16, "dtype")
    expect_close(found, reference.rms_norm(x, weight, 1e-5), AXES, "general", rtol=0.02, atol=0.02)


@CHECK.stage("to the last bit: the order of the casts")
def bits(call):
    """Require 99.8 percent of correctly rounded values, as computing in float32 and casting once gives."""
    generator = torch.Generator().manual_seed(1)
    x = (torch.randn(64, 256, generator=generator) * 3).bfloat16()
    for name, weight in (
        ("float32", torch.rand(256, generator=generator) * 3 + 0.1),
        ("bfloat16", (torch.rand(256, generator=generator) * 3 + 0.1).bfloat16()),
    ):
        wide, root = x.double(), ((x.double() ** 2).mean(-1, keepdim=True) + 1e-5) ** 0.5
        right = (wide / root * weight.double()).bfloat16()
        found = torch.as_tensor(call(x, weight, 1e-5))
        expect_dtype(found, torch.bfloat16, "dtype")
        different = found != right
        if different.float().mean().item() < 0.002:
            continue
        at = tuple(different.nonzero()[0].tolist())
        raise Refused(
            f"x in bfloat16, scale in {name}: {different.float().mean():.1%} of the values have other bits; row "
            f"{at[0]}, "
            f"channel {at[1]}: yours is {found[at].item()}, right is {right[at].item()}",
            "low_precision",
        )
