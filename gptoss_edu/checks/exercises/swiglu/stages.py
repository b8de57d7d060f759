"""The check of `swiglu`: which rows are which, the gate, the + 1, the asymmetric clamp."""

import torch

from gptoss_edu.checks import reference
from gptoss_edu.checks.compare import expect_close, expect_shape, to_numpy
from gptoss_edu.checks.guard import Forbidden
from gptoss_edu.checks.harness import Check

CAUSES = {
    "halves": (
        "Gate and up are taken as the two halves of the row. They alternate: even entries are the gate, odd ones up "
        "(x[..., 0::2] and x[..., 1::2])."
    ),
    "exchanged": "Gate and up are exchanged: the even entries are the gate.",
    "no_plus_one": "The + 1 is missing: gpt-oss multiplies by (up + 1), so that an up of 0 lets the gate pass.",
    "plus_one_gate": "The 1 is added to the gate. It belongs to up.",
    "alpha_one": "The sigmoid has no alpha: this is SiLU, x sigmoid(x). gpt-oss uses sigmoid(1.702 x), close to GELU.",
    "alpha_outside": "alpha multiplies the result instead of being inside the sigmoid.",
    "alpha_hard_coded": "The alpha of the call is not used: 1.702 is written into the function.",
    "gelu": "This is GELU. sigmoid(1.702 x) x is an approximation of it, with other values.",
    "no_gate_factor": (
        "The factor gate is missing: gate * sigmoid(alpha * gate), not the sigmoid alone (which is plain GLU)."
    ),
    "sigmoid_of_up": "The sigmoid is taken of up. It is taken of the gate.",
    "tanh": (
        "The gate goes through tanh. Use the sigmoid, which is between 0 and 1: a very negative gate closes instead "
        "of changing the sign."
    ),
    "relu": "The gate goes through a ReLU.",
    "plus_one_outside": (
        "The 1 is added to the product. It is added to up, before the product: `* (up + 1)`, with the brackets."
    ),
    "clamp_is_minimum": (
        "The gate is raised to at least `limit`: the first argument of clamp is the minimum. The gate should be at "
        "most `limit`: `clamp(max=limit)`."
    ),
    "gate_not_clamped": "The gate is not clamped from above. It is at most `limit`.",
    "up_not_clamped": "up is not clamped. It is between -limit and +limit.",
    "gate_clamped_below": (
        "The gate is clamped from below too. The clamp is asymmetric: gate has a maximum only, up has both. (A very "
        "negative gate gives about 0 all the same, but not the same 0.)"
    ),
    "up_one_sided": (
        "up is clamped from above only. It is clamped on both sides; the gate is the one with a maximum only."
    ),
    "clamp_outside_sigmoid": (
        "The gate is clamped only as a factor; inside the sigmoid it is still unclamped. Clamp it once, first, "
        "and use the clamped gate in both places."
    ),
    "clamp_exchanged": "The two clamps are exchanged: gate has a maximum only, up is clamped on both sides.",
    "clamp_after": "The clamp comes too late: first clamp gate and up, then add 1 and activate the gate.",
    "clamp_result": "The result is clamped instead of gate and up.",
    "limit_hard_coded": "The limit of the call is not used: 7 is written into the function.",
    "shape": "The last axis has half the width: (..., 2f) to (..., f).",
    "general": (
        "gate = x[..., 0::2] up to limit; up = x[..., 1::2] within ±limit; gate * sigmoid(alpha * gate) * (up + 1)."
    ),
}
CHECK = Check(
    "swiglu",
    (Forbidden("moe.py", ("swiglu",)), Forbidden("fast")),
    CAUSES,
    "(x (..., 2f), alpha=1.702, limit=7.0) -> (..., f)",
)


def _compare(call, x, general="general", prefix="", rtol=1e-3, atol=1e-6, **keywords):
    found, right = call(x, **keywords), reference.swiglu(x, **keywords)
    expect_shape(to_numpy(found), right.shape, "(..., f)", "shape")
    axes = ("token", "unit") if x.dim() == 2 else ("unit",) if x.dim() == 1 else ("batch", "token", "unit")
    expect_close(found, right, axes, general, rtol=rtol, atol=atol, prefix=prefix)


@CHECK.stage("even entries are the gate, odd ones up")
def split(call):
    _compare(call, torch.tensor([[0.5, 1.0, -1.0, 2.0, 2.0, -0.5]]))


@CHECK.stage("an up of 0 lets the gate pass")
def plus_one(call):
    _compare(call, torch.tensor([[1.5, 0.0], [-0.7, 0.0], [3.0, -1.0]]), "no_plus_one", "up = 0: ")


@CHECK.stage("alpha")
def alpha(call):
    _compare(call, torch.tensor([[1.5, 0.5], [-0.7, 1.0]]), prefix="alpha 3: ", alpha=3.0)


@CHECK.stage("the gate's maximum")
def gate_above(call):
    _compare(call, torch.tensor([[7.0, 0.5], [9.0, 0.5], [30.0, 0.0]]), "gate_not_clamped", "gate 7, 9, 30: ")


@CHECK.stage("from below: the gate has no minimum, up has one")
def from_below(call):
    """Use a relative tolerance, since gates of -8 give tiny values; the last rows distinguish the clamps."""
    x = torch.tensor([[-8.0, 3.0], [-7.5, 7.0], [1.0, -9.0], [1.0, 9.0]])
    _compare(call, x, prefix="gate -8, -7.5; up -9, 9: ", rtol=5e-3, atol=1e-9)


@CHECK.stage("up is clamped on both sides")
def up_both(call):
    x = torch.tensor([[1.0, 9.0], [1.0, 6.5], [1.0, -9.0], [2.0, -6.5]])
    _compare(call, x, "up_not_clamped", "up 9, 6.5, -9, -6.5: ")


@CHECK.stage("another limit")
def limit(call):
    x = torch.tensor([[-3.0, 0.5], [3.0, 0.5], [0.5, 3.0], [0.5, -3.0]])
    _compare(call, x, prefix="limit 1: ", limit=1.0)


@CHECK.stage("any leading axes")
def shapes(call):
    generator = torch.Generator().manual_seed(0)
    for shape in ((6,), (4, 6), (2, 3, 8)):
        _compare(call, torch.randn(shape, generator=generator) * 4, "halves", f"shape {shape}: ")
