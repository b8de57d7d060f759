"""`clamp_room` (chapter 26): the activation with one clamp too many, fixed, and a test that would have caught it."""

import torch

from gptoss_edu import moe
from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.catching import Mutant, catching


def right(x):
    """Call the package's own function: (..., 2f), gate and up alternating, to (..., f)."""
    return moe.swiglu(x)


def from_both_sides(x):
    return right(x.clamp(min=-7.0))


def unclamped(x):
    gate, up = x[..., 0::2], x[..., 1::2].clamp(-7.0, 7.0)
    return gate * torch.sigmoid(1.702 * gate) * (up + 1)


def up_from_above(x):
    gate, up = x[..., 0::2].clamp(max=7.0), x[..., 1::2].clamp(max=7.0)
    return gate * torch.sigmoid(1.702 * gate) * (up + 1)


def of_halves(x):
    return right(torch.stack(x.chunk(2, dim=-1), dim=-1).flatten(-2))


def without_one(x):
    gate, up = x[..., 0::2].clamp(max=7.0), x[..., 1::2].clamp(-7.0, 7.0)
    return gate * torch.sigmoid(1.702 * gate) * up


MUTANTS = (
    Mutant(
        "the gate from both sides",
        from_both_sides,
        "Below -7 right and wrong are both nearly 0: compare them relatively (rtol, with atol=0), or by their ratio.",
    ),
    Mutant("the gate not at all", unclamped, "Try a gate above 7."),
    Mutant("up from above only", up_from_above, "Try an up below -7."),
    Mutant(
        "gate and up as halves",
        of_halves,
        "With one pair, halves and neighbours are the same: use two different pairs in a row.",
    ),
    Mutant("without the + 1", without_one, "Where up is 0, only the + 1 is left."),
)
GRID = torch.cartesian_prod(torch.linspace(-20, 20, 9), torch.linspace(-20, 20, 9))
PROBES = ((torch.tensor([-20.0, 3.0, 2.0, 0.0]),), (GRID.flatten(),), (torch.linspace(-9, 9, 24).view(2, 3, 4),))
CHECK = catching("clamp_room", right, MUTANTS, PROBES, 16, "numbers", lambda x: x.numel())
BANK = Bank("clamp_room")


@BANK.right("four pairs, compared relatively")
def clamp_room():
    def fixed(x):
        gate, up = x[..., 0::2].clamp(max=7.0), x[..., 1::2].clamp(-7.0, 7.0)
        return gate * torch.sigmoid(1.702 * gate) * (up + 1)

    def test(swiglu):
        found = swiglu(torch.tensor([-20.0, 3.0, 20.0, 0.0, 1.0, -20.0]))
        gate, factor = torch.tensor([-20.0, 7.0, 1.0]), torch.tensor([4.0, 1.0, -6.0])
        assert torch.allclose(found, gate * torch.sigmoid(1.702 * gate) * factor, rtol=1e-3, atol=0)

    return fixed, test


BANK.wrong("two functions", "the fixed function alone", ("return fixed, test", "return fixed"))
BANK.wrong("fixed", "still clamped from below", ("clamp(max=7.0), x", "clamp(-7.0, 7.0), x"))
BANK.wrong("fixed", "no clamp at all", ("x[..., 0::2].clamp(max=7.0)", "x[..., 0::2]"))
BANK.wrong(
    "the right code passes",
    "the reviewer's rule",
    ("torch.tensor([-20.0, 7.0, 1.0])", "torch.tensor([-7.0, 7.0, 1.0])"),
)
BANK.wrong("the gate from both sides", "an absolute tolerance", ("rtol=1e-3, atol=0", "atol=1e-3"))
BANK.wrong(
    "the gate from both sides",
    "gates within the limit",
    ("torch.tensor([-20.0, 3.0,", "torch.tensor([-2.0, 3.0,"),
    ("torch.tensor([-20.0, 7.0, 1.0])", "torch.tensor([-2.0, 7.0, 1.0])"),
)
BANK.wrong(
    "the gate not at all",
    "no gate above the limit",
    ("20.0, 0.0, 1.0", "2.0, 0.0, 1.0"),
    ("[-20.0, 7.0, 1.0]", "[-20.0, 2.0, 1.0]"),
)
BANK.wrong(
    "up from above only",
    "no up below the limit",
    ("1.0, -20.0]", "1.0, -2.0]"),
    ("[4.0, 1.0, -6.0]", "[4.0, 1.0, -1.0]"),
)
BANK.wrong(
    "gate and up as halves",
    "a call for each pair",
    (
        "found = swiglu(torch.tensor([-20.0, 3.0, 20.0, 0.0, 1.0, -20.0]))",
        "found = torch.cat([swiglu(torch.tensor(p)) for p in ([-20.0, 3.0], [20.0, 0.0], [1.0, -20.0])])",
    ),
)
BANK.wrong(
    "small",
    "a grid",
    (
        "    return fixed, test",
        (
            "    def large(swiglu):\n        assert swiglu(torch.zeros(200)).shape == (100,)\n       "
            " test(swiglu)\n\n    return fixed, large"
        ),
    ),
)
