"""The check of `rms_norm`: one mechanism at a time."""

import math

import torch

from gptoss_edu.checks import reference
from gptoss_edu.checks.compare import expect_close, expect_dtype
from gptoss_edu.checks.guard import Forbidden
from gptoss_edu.checks.harness import Check, Refused

CAUSES = {
    "sum": "The sum of the squares is taken instead of their mean: the result then depends on the width. RMS is the root of the MEAN square.",
    "no_root": "The row is divided by its mean square; the root is missing (rsqrt, or ** 0.5).",
    "abs_mean": "The mean of |x| is taken. The norm divides by the root of the mean of x²; large entries count for more.",
    "centred": "The mean is subtracted, as LayerNorm does. RMSNorm leaves the mean alone: that is what makes it cheaper, and it has no bias.",
    "layer_norm": "This is LayerNorm: it centres the row and divides by the standard deviation. RMSNorm divides by the root mean square, uncentred.",
    "unbiased": "The squares are divided by n - 1, as torch.std and torch.var do by default. The mean square divides by n.",
    "standard_deviation": "The row is divided by its standard deviation, which measures from the mean of the row (and in torch.std and torch.var divides by n - 1). RMSNorm divides by sqrt(mean(x²) + eps): from zero, by n.",
    "multiplied_by_root": "The row is multiplied by its root mean square. It is divided by it: multiply by rsqrt, or divide by sqrt.",
    "keepdim": "keepdim=True is missing: the mean then has no last axis, and its values are spread along the channels instead of the rows. It goes unnoticed when there are as many rows as channels.",
    "wrong_axis": "The mean runs over the tokens or over everything. Each row (the last axis) is normalised by itself: a token must not see the others.",
    "eps_outside": "eps is added to the root instead of to the mean square. Inside the root, 1e-5 is already sqrt(1e-5) = 0.003 for a row of zeros.",
    "eps_missing": "eps is left out: a row of zeros is divided by zero.",
    "eps_max": "eps is used as a floor (max) instead of being added to the mean square.",
    "eps_twice": "eps is squared, or added twice; it is added once to the mean square.",
    "eps_ignored": "The eps of the call is not used: a number is written into the function instead. The model passes its own, rms_norm_eps.",
    "no_scale": "The learned scale is not applied.",
    "scale_plus_one": "The result is multiplied by (1 + scale), as Gemma does. gpt-oss multiplies by scale itself.",
    "scale_added": "The scale is added. It is multiplied: each channel has its own factor.",
    "scale_before": "The scale is applied before the mean square is taken, so it partly cancels. Normalise first, then scale.",
    "scale_inverse": "The row is divided by the scale. It is multiplied.",
    "cast_before_scale": "The normalised row is cast to bfloat16 before the scale multiplies it, as Llama does. gpt-oss multiplies in float32 and casts once, at the end: other bits.",
    "low_precision": "The mean square is computed in bfloat16, with 8 bits of mantissa. Convert x to float32 first.",
    "dtype": "The result keeps another dtype than x. Compute in float32, then convert back: `.to(x.dtype)`.",
    "general": "Divide each row by sqrt(mean(x²) + eps), in float32, multiply by the scale, convert back.",
}
CHECK = Check(
    "rms_norm",
    (Forbidden("norm.py"), Forbidden("kernels"), Forbidden("fast.py")),
    CAUSES,
    "(x, scale, eps) -> dtype of x; mean square and scale in float32",
)

AXES = ("row", "channel")


def _rows(x, eps=0.0):
    """Mean squares of the rows, (n, 1), for the suspects."""
    return (x.double() ** 2).mean(-1, keepdim=True).numpy() + eps


@CHECK.stage("the root mean square of one row")
def one_row(call):
    x = torch.tensor([[3.0, -4.0, 12.0, 0.0]])
    scale = torch.ones(4)
    n, square, d = 4, _rows(x), x.double().numpy()
    centred, root = d - d.mean(), square**0.5
    deviation = math.sqrt((centred**2).mean())
    suspects = {
        "sum": d / math.sqrt((d**2).sum()),
        "no_root": d / square,
        "abs_mean": d / abs(d).mean(),
        "centred": centred / root,
        "layer_norm": centred / (centred**2).mean() ** 0.5,
        "unbiased": d / math.sqrt((d**2).sum() / (n - 1)),
        "standard_deviation": d / deviation,
        "standard_deviation ": d / deviation * math.sqrt((n - 1) / n),
        "multiplied_by_root": d * root,
        "scale_plus_one": 2 * d / root,
        "scale_added": d / root + 1,
    }
    unbiased_norm = centred / math.sqrt((centred**2).sum() / (n - 1))
    expect_close(
        call(x, scale, 1e-9),
        reference.rms_norm(x, scale, 1e-9),
        AXES,
        "general",
        suspects | {"layer_norm ": unbiased_norm},
        rtol=1e-4,
    )


@CHECK.stage("every row by itself")
def rows(call):
    x = torch.tensor([[1.0, 2.0, -2.0], [10.0, 0.0, 5.0], [0.1, 0.2, 0.4]])
    d = x.double().numpy()
    suspects = {
        "keepdim": d / (d**2).mean(-1) ** 0.5,
        "wrong_axis": d / (d**2).mean(0, keepdims=True) ** 0.5,
        "wrong_axis ": d / (d**2).mean() ** 0.5,
    }
    expect_close(
        call(x, torch.ones(3), 1e-9),
        reference.rms_norm(x, torch.ones(3), 1e-9),
        AXES,
        "wrong_axis",
        suspects,
        rtol=1e-4,
    )
    x = torch.randn(2, 3, 2, 5, generator=torch.Generator().manual_seed(3))
    axes = ("batch", "token", "head", "channel")
    expect_close(
        call(x, torch.ones(5), 1e-9), reference.rms_norm(x, torch.ones(5), 1e-9), axes, "wrong_axis", rtol=1e-4
    )


@CHECK.stage("eps")
def eps(call):
    zeros = torch.zeros(1, 4)
    expect_close(
        call(zeros, torch.ones(4), 1e-5),
        reference.rms_norm(zeros, torch.ones(4), 1e-5),
        AXES,
        "eps_missing",
        prefix="a row of zeros, ",
    )
    x = torch.tensor([[0.01, -0.02, 0.0, 0.02], [1.0, 0.5, 0.0, -1.0], [1e-5, -2e-5, 0.0, 2e-5]])
    d, square = x.double().numpy(), _rows(x)
    written = [*(10.0**-power for power in range(4, 13)), torch.finfo(torch.float32).eps]
    for value in (0.02, 0.5):  # neither their squares nor their doubles are numbers that one would write in
        suspects = {
            "eps_outside": d / (square**0.5 + value),
            "eps_missing": d / square**0.5,
            "eps_max": d / (square.clip(min=value)) ** 0.5,
            "eps_max ": d / (square**0.5).clip(min=value),
            "eps_twice": d / (square + value**2) ** 0.5,
            "eps_twice ": d / (square + 2 * value) ** 0.5,
            **{"eps_ignored" + " " * i: d / (square + number) ** 0.5 for i, number in enumerate(written)},
        }
        expect_close(
            call(x, torch.ones(4), value),
            reference.rms_norm(x, torch.ones(4), value),
            AXES,
            "general",
            suspects,
            rtol=1e-4,
            prefix=f"eps = {value}, ",
        )


@CHECK.stage("the scale")
def scale(call):
    x = torch.tensor([[1.0, 2.0, -2.0, 0.5], [4.0, 0.0, 1.0, -1.0]])
    weight = torch.tensor([0.5, 2.0, -1.0, 3.0])
    d, w, root = x.double().numpy(), weight.double().numpy(), _rows(x, 1e-5) ** 0.5
    scaled = d * w
    suspects = {
        "no_scale": d / root,
        "scale_plus_one": d / root * (1 + w),
        "scale_added": d / root + w,
        "scale_before": scaled / ((scaled**2).mean(-1, keepdims=True) + 1e-5) ** 0.5,
        "scale_inverse": d / root / w,
    }
    expect_close(call(x, weight, 1e-5), reference.rms_norm(x, weight, 1e-5), AXES, "general", suspects, rtol=1e-4)


@CHECK.stage("bfloat16 in, bfloat16 out")
def dtype(call):
    x = torch.randn(4, 64, generator=torch.Generator().manual_seed(0)).bfloat16()
    out = call(x, torch.linspace(0.5, 2, 64), 1e-5)
    if not isinstance(out, torch.Tensor) or out.dtype != torch.bfloat16:
        expect_dtype(out, torch.bfloat16, "dtype")
    expect_close(out, reference.rms_norm(x, torch.linspace(0.5, 2, 64), 1e-5), AXES, "general", rtol=0.02, atol=0.02)


@CHECK.stage("to the last bit: the order of the casts")
def bits(call):
    """A float32 computation, cast once, hits the correctly rounded bfloat16 all but never less than 99.9 % of the time."""
    generator = torch.Generator().manual_seed(1)
    x = (torch.randn(64, 256, generator=generator) * 3).bfloat16()
    for name, weight in (
        ("float32", torch.rand(256, generator=generator) * 3 + 0.1),
        ("bfloat16", (torch.rand(256, generator=generator) * 3 + 0.1).bfloat16()),
    ):
        wide, root = x.double(), ((x.double() ** 2).mean(-1, keepdim=True) + 1e-5) ** 0.5
        right = (wide / root * weight.double()).bfloat16()
        found = call(x, weight, 1e-5)
        expect_dtype(found, torch.bfloat16, "dtype")
        different = (found != right).float().mean().item()
        if different < 0.002:
            continue
        early = (wide / root).bfloat16().double()
        llama = [(early * factor.double()).bfloat16() for factor in (weight, weight.bfloat16())]  # either may be cast
        like_llama = any((found != other).float().mean().item() < 0.01 for other in llama)
        named = "cast_before_scale" if like_llama else "low_precision"
        at = tuple((found != right).nonzero()[0].tolist())
        raise Refused(
            f"x in bfloat16, scale in {name}: {different:.1%} of the values have other bits; row {at[0]}, channel {at[1]}: "
            f"yours is {found[at].item()}, right is {right[at].item()}",
            named,
        )
