"""`log_sum_exp` (chapter 01): the logarithm of a sum of powers."""

import math

import torch

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck("log_sum_exp", "(x (..., v)) -> (...)")
BANK = Bank("log_sum_exp")


@CHECK.cases
def cases():
    large, low = torch.tensor([1000.0, 1000.0]), torch.tensor([-1000.0, -1001.0])
    return [
        Case(
            "two equal numbers", (torch.zeros(2),), math.log(2), "log(e⁰ + e⁰) = log 2, one number for the whole row."
        ),
        Case(
            "large numbers",
            (large,),
            1000 + math.log(2),
            "exp(1000) is infinite in float32: subtract the maximum before exp and add it after the logarithm.",
        ),
        Case(
            "very negative numbers",
            (low,),
            -1000 + math.log1p(math.exp(-1)),
            "exp(-1000) is 0 and log(0) is -inf: subtract the maximum, and add it again.",
        ),
        Case(
            "rows",
            (torch.tensor([[0.0, 0.0], [500.0, 0.0]]),),
            torch.tensor([math.log(2), 500.0]),
            "Each row by itself: maximum and sum over the last axis only.",
        ),
    ]


@BANK.right("the maximum subtracted and added")
def log_sum_exp(x):
    largest = x.amax(-1, keepdim=True)  # (..., 1)
    return (x - largest).exp().sum(-1).log() + largest[..., 0]


WHOLE = "(x - largest).exp().sum(-1).log() + largest[..., 0]"
BANK.wrong("large numbers", "without the maximum", (WHOLE, "x.exp().sum(-1).log()"))
BANK.wrong("large numbers", "without the maximum, clamped", (WHOLE, "x.clamp(-80, 80).exp().sum(-1).log()"))
BANK.wrong("large numbers", "the maximum not added again", (" + largest[..., 0]", ""))
BANK.wrong("large numbers", "in double precision, without the maximum", (WHOLE, "x.double().exp().sum(-1).log()"))
BANK.wrong("very negative numbers", "the magnitude subtracted", ("x.amax", "x.abs().amax"))
BANK.wrong("rows", "one maximum for all rows", ("x.amax(-1, keepdim=True)", "x.amax().expand(*x.shape[:-1], 1)"))
BANK.wrong("rows", "the sum over all rows", ("exp().sum(-1)", "exp().sum()"))
BANK.wrong(
    "two equal numbers", "the last axis kept", ("sum(-1)", "sum(-1, keepdim=True)"), ("largest[..., 0]", "largest")
)
BANK.wrong("two equal numbers", "the mean of the powers", ("sum(-1)", "mean(-1)"))
BANK.wrong("two equal numbers", "base 2", (".log()", ".log2()"))
