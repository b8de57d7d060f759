"""`log_sum_exp` (chapter 01): the logarithm of a sum of powers."""

import math

import torch

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CAUSES = {
    "no_maximum": "The maximum is not subtracted before exp: exp(1000) is infinite, in double precision too.",
    "clamped": "The numbers are clamped. That avoids infinity and gives another result: subtract the maximum instead.",
    "not_added": "The maximum is subtracted, and not added again after the logarithm.",
    "mean_subtracted": (
        "The mean is subtracted, not the maximum: the largest number can still be far above it, and its exp overflows."
    ),
    "magnitude": (
        "The largest magnitude is subtracted. Where all numbers are negative, that is not the maximum, and "
        "every exp is 0."
    ),
    "one_maximum": "All rows share one maximum. Each row has its own: amax(-1, keepdim=True).",
    "rows_summed": "The sum runs over all rows. Each row has a sum of its own, over the last axis.",
    "kept_axis": "The last axis is kept, with length 1. The result is one number per row, (...).",
    "mean_of_powers": "The mean of the powers is taken, not their sum.",
    "base": "The logarithm is to base 2. To exp belongs the natural one, log.",
}
CHECK = CaseCheck("log_sum_exp", "(x (..., v)) -> (...)", causes=CAUSES)
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
            "one large number",
            (torch.tensor([1000.0, 0.0]),),
            1000.0,
            "Subtract the largest number of the row itself: then no exponent is above 0.",
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
BANK.wrong("no_maximum", "without the maximum", (WHOLE, "x.exp().sum(-1).log()"))
BANK.wrong("clamped", "without the maximum, clamped", (WHOLE, "x.clamp(-80, 80).exp().sum(-1).log()"))
BANK.wrong("not_added", "the maximum not added again", (" + largest[..., 0]", ""))
BANK.wrong("no_maximum", "in double precision, without the maximum", (WHOLE, "x.double().exp().sum(-1).log()"))
BANK.wrong("mean_subtracted", "the mean subtracted", ("x.amax", "x.mean"))
BANK.wrong("magnitude", "the magnitude subtracted", ("x.amax", "x.abs().amax"))
BANK.wrong("one_maximum", "one maximum for all rows", ("x.amax(-1, keepdim=True)", "x.amax().expand(*x.shape[:-1], 1)"))
BANK.wrong("rows_summed", "the sum over all rows", ("exp().sum(-1)", "exp().sum()"))
BANK.wrong("kept_axis", "the last axis kept", ("sum(-1)", "sum(-1, keepdim=True)"), ("largest[..., 0]", "largest"))
BANK.wrong("mean_of_powers", "the mean of the powers", ("sum(-1)", "mean(-1)"))
BANK.wrong("base", "base 2", (".log()", ".log2()"))
