"""The check of `apply_rope`: which entries form a pair, which way they turn, where the angle comes from."""

import math

import torch

from gptoss_edu.checks import reference
from gptoss_edu.checks.compare import expect_close, expect_dtype
from gptoss_edu.checks.guard import Forbidden
from gptoss_edu.checks.harness import Check

CAUSES = {
    "not_rotated": "Nothing is rotated.",
    "interleaved": (
        "Neighbours (2i, 2i + 1) are paired, as in the original RoPE paper. gpt-oss pairs entry i with entry i + d/2: "
        "the first half of the head with the second."
    ),
    "interleaved_out": (
        "The pairs are the right ones, but the result is interleaved. Concatenate the two halves: torch.cat, not "
        "torch.stack(...).flatten."
    ),
    "backwards": (
        "It turns the wrong way: the signs of the sines are exchanged. (a, b) becomes (a cos - b sin, b cos + a sin)."
    ),
    "same_sign": "Both sines have the same sign: that is not a rotation, because lengths change.",
    "swapped": "cos and sin are exchanged.",
    "overwritten": (
        "The first half is overwritten before the second half uses it: the second half must be computed from the OLD "
        "first half."
    ),
    "halves_exchanged": "The two halves of the result are exchanged.",
    "half_only": "Only part of the head is rotated. Rotate all d entries, in d/2 pairs.",
    "no_sine": "The sine terms are missing: entries are scaled by the cosine only.",
    "first_position": "Every token is turned by the angle of position 0: each position has its own row of cos and sin.",
    "positions_reversed": "The positions run backwards.",
    "axis": (
        "The rows of cos and sin are aligned with the heads instead of the tokens. Add the head axis: cos[:, "
        "None, :] is (t, 1, d/2)."
    ),
    "renormalised": "The vectors are scaled back to their old lengths. cos and sin carry the YaRN concentration, "
    "which must stay in the result.",
    "twice": "It rotates twice.",
    "angles": "cos and sin are treated as angles. They are already the cosine and the sine.",
    "dtype": "The result does not have the dtype of x.",
    "general": (
        "With halves a and b of the head: (a cos - b sin, b cos + a sin), cos and sin by position, the same for all "
        "heads."
    ),
}
CHECK = Check(
    "apply_rope",
    (Forbidden("rope.py"), Forbidden("fast")),
    CAUSES,
    "(x (b, t, h, d), cos (t, d/2), sin (t, d/2)) -> like x, half-split",
)
AXES = ("batch", "position", "head", "channel")


def _compare(call, x, cos, sin, general: str = "general", prefix: str = "") -> None:
    found, right = call(x, cos, sin), reference.rope(x, cos, sin)
    expect_close(found, right, AXES, general, rtol=1e-3, atol=1e-5, prefix=prefix)


def _turn(positions, speeds, concentration=1.0):
    angles = torch.outer(torch.tensor(positions, dtype=torch.float32), torch.tensor(speeds))
    return angles.cos() * concentration, angles.sin() * concentration


@CHECK.stage("position 0 turns nothing")
def zero(call):
    x = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 1, 1, 4)
    _compare(call, x, torch.ones(1, 2), torch.zeros(1, 2), prefix="cos 1, sin 0: ")


@CHECK.stage("a quarter turn, one pair at a time")
def quarter(call):
    x = torch.arange(1.0, 9.0).view(1, 1, 1, 8)
    for pair in (0, 2):
        turned = torch.nn.functional.one_hot(torch.tensor([pair]), 4).float()  # (1, d/2)
        _compare(call, x, 1 - turned, turned, prefix=f"pair {pair} by 90 degrees, the others not at all: ")


@CHECK.stage("any angle")
def angle(call):
    x = torch.randn(1, 1, 1, 8, generator=torch.Generator().manual_seed(0))
    _compare(call, x, *_turn([1.0], [1.0, 0.5, 0.2, 0.1]))


@CHECK.stage("each position its own angle, all heads the same")
def positions(call):
    x = torch.randn(2, 3, 3, 8, generator=torch.Generator().manual_seed(1))
    _compare(call, x, *_turn([2, 3, 7], [1.0, 0.5, 0.2, 0.1]), "axis")
    x = torch.randn(2, 5, 3, 8, generator=torch.Generator().manual_seed(2))
    _compare(call, x, *_turn(range(4, 9), [1.0, 0.5, 0.2, 0.1]))


@CHECK.stage("the concentration stays")
def concentration(call):
    x = torch.randn(1, 2, 2, 8, generator=torch.Generator().manual_seed(3))
    _compare(call, x, *_turn([1, 2], [1.0, 0.5, 0.2, 0.1], 0.1 * math.log(32) + 1), "renormalised")


@CHECK.stage("bfloat16")
def dtype(call):
    x = torch.randn(1, 2, 2, 8, generator=torch.Generator().manual_seed(4)).bfloat16()
    cos, sin = (value.bfloat16() for value in _turn([1, 2], [1.0, 0.5, 0.2, 0.1]))
    found = call(x, cos, sin)
    expect_dtype(found, torch.bfloat16, "dtype")
    expect_close(found, reference.rope(x, cos, sin), AXES, "general", rtol=0.03, atol=0.03)
