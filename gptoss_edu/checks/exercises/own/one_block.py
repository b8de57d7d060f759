"""`one_block` (chapter 03): a block reads a normalised copy and adds to the raw stream, twice."""

import torch

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck("one_block", "(x (b, t, c), norm_1, attention, norm_2, experts) -> (b, t, c)")
BANK = Bank("one_block")


@CHECK.cases
def cases():
    x, same = torch.tensor([[[3.0, -1.0]]]), lambda x: x
    nothing, one, twice, half = (lambda x: 0 * x), torch.ones_like, (lambda x: 2 * x), (lambda x: x / 2)
    return [
        Case(
            "parts that write nothing",
            (x, half, nothing, half, nothing),
            x,
            "A silent block must return x unchanged: add to the raw x, not to the norm's result.",
        ),
        Case(
            "attention alone writes 1",
            (x, half, one, half, nothing),
            x + 1,
            "Keep what attention writes: x + attention(...); the second line adds to that sum, not to the old x.",
        ),
        Case("attention reads the norm", (x, half, same, half, nothing), 1.5 * x, "Attention must read norm_1(x)."),
        Case(
            "experts read what attention wrote",
            (x, same, same, same, same),
            4 * x,
            "The experts read the stream after attention has written to it.",
        ),
        Case("two norms", (x, same, nothing, twice, same), 3 * x, "The second part has a norm of its own, norm_2."),
    ]


@BANK.right("two sums")
def one_block(x, norm_1, attention, norm_2, experts):
    x = x + attention(norm_1(x))
    return x + experts(norm_2(x))


BANK.wrong(
    "attention alone writes 1",
    "added to the old x",
    ("x = x + attention(norm_1(x))", "y = x + attention(norm_1(x))"),
    ("norm_2(x)", "norm_2(y)"),
)
BANK.wrong("attention alone writes 1", "attention's result forgotten", ("x = x + attention", "x + attention"))
BANK.wrong(
    "experts read what attention wrote",
    "both parts read the same stream",
    ("x = x + attention(norm_1(x))\n    return x", "return x + attention(norm_1(x))"),
)
BANK.wrong(
    "parts that write nothing",
    "norms after the sums",
    ("x + attention(norm_1(x))", "norm_1(x + attention(x))"),
    ("x + experts(norm_2(x))", "norm_2(x + experts(x))"),
)
BANK.wrong("parts that write nothing", "the first residual left out", ("x = x + attention", "x = attention"))
BANK.wrong("parts that write nothing", "the second residual left out", ("return x + ", "return "))
BANK.wrong(
    "parts that write nothing",
    "the normalised stream goes on",
    ("x = x + attention(norm_1(x))", "x = norm_1(x)\n    x = x + attention(x)"),
)
BANK.wrong("attention reads the norm", "no norms", ("norm_1(x)", "x"), ("norm_2(x)", "x"))
BANK.wrong("attention reads the norm", "attention reads the raw stream", ("norm_1(x)", "x"))
BANK.wrong("two norms", "one norm for both", ("norm_2(x)", "norm_1(x)"))
BANK.wrong("two norms", "the experts read the raw stream", ("norm_2(x)", "x"))
