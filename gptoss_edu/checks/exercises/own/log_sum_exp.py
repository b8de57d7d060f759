"""`log_sum_exp` (chapter 01): the logarithm of a sum of powers."""

import math

import torch

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CAUSES = {
    "no_maximum": (
        "exp is taken of a number of about 1000 or more: that is infinite, in double precision too. Only the "
        "differences from the maximum go through exp; the maximum is added after the logarithm."
    ),
    "clamped": "The numbers are clamped. That avoids infinity and gives another result: subtract the maximum instead.",
    "for_infinite": (
        "Where the result is infinite, the maximum is put in its place. That is only near: the sum of two equal powers "
        "is twice one of them, and its logarithm log 2 more. Subtract the maximum before exp."
    ),
    "not_added": "The maximum is subtracted, and not added again after the logarithm.",
    "not_the_maximum": (
        "What is subtracted is not the largest number of its row. That can still be far above it, and its exp "
        "overflows."
    ),
    "magnitude": (
        "The largest magnitude is subtracted. Where it is that of a negative number, it is far above the maximum, "
        "and every exp is 0."
    ),
    "from_zero": (
        "Where all numbers are very negative, what is subtracted is not below 0 (a magnitude, or a maximum in whose "
        "search 0 took part: clamp, relu, a running maximum that begins at 0). It is far above them, and every exp "
        "is 0."
    ),
    "first_two": "Only the first two numbers of a row count. A row can have any number of them.",
    "two_axes_only": (
        "The code is right for one row and for a table of rows only. Count the axes from the right: `-1` is the last, "
        "however many stand before it; `x.T` reverses all of them."
    ),
    "one_maximum": "All rows share one maximum. Each row has its own: amax(-1, keepdim=True).",
    "rows_summed": "The sum runs over all rows. Each row has a sum of its own, over the last axis.",
    "kept_axis": "The last axis is kept, with length 1. The result is one number per row, (...).",
    "squeezed": (
        "`squeeze()` without an axis drops every axis of length 1, and the maxima meet the sums of other rows. "
        "Name the axis that was kept: squeeze(-1)."
    ),
    "mean_of_powers": "The mean of the powers is taken, not their sum.",
    "base": "The logarithm is to base 2. To exp belongs the natural one, log.",
}
CHECK = CaseCheck("log_sum_exp", "(x (..., v)) -> (...)", causes=CAUSES)
BANK = Bank("log_sum_exp")
NEAR = {"rtol": 1e-6, "atol": 1e-4}  # 1e-3 of 1000 is more than log 2; float32 numbers there are 6e-5 apart


@CHECK.cases
def cases():
    large, low = torch.tensor([1000.0, 1000.0]), torch.tensor([-1000.0, -1001.0])
    return [
        Case(
            "equal numbers",
            (torch.zeros(3),),
            math.log(3),
            "log(e⁰ + e⁰ + e⁰) = log 3, one number for the whole row.",
        ),
        Case(
            "large numbers",
            (large,),
            1000 + math.log(2),
            "exp(1000) is infinite in float32: subtract the maximum before exp and add it after the logarithm.",
            **NEAR,
        ),
        Case(
            "one large number",
            (torch.tensor([-2000.0, 1000.0, 5.0]),),
            1000.0,
            "Subtract the largest number of the row itself: then no exponent is above 0.",
        ),
        Case(
            "very negative numbers",
            (low,),
            -1000 + math.log1p(math.exp(-1)),
            "exp(-1000) is 0 and log(0) is -inf: subtract the maximum, and add it again.",
            **NEAR,
        ),
        Case(
            "rows",
            (torch.tensor([[0.0, 0.0, 0.0], [500.0, 1.0, 0.0]]),),
            torch.tensor([math.log(3), 500.0]),
            "Each row by itself: maximum and sum over the last axis only.",
        ),
        Case(
            "two tables of rows",
            (torch.tensor([[[0.0, 0.0, 1.0, -1.0]], [[-1.0, 3.0, 0.5, 2.0]]]),),  # of one row each: (2, 1, 4)
            lambda x: x.logsumexp(-1),
            "Any number of axes may stand before the last one: dim=-1.",
        ),
    ]


@BANK.right("the maximum subtracted and added")
def log_sum_exp(x):
    largest = x.amax(-1, keepdim=True)  # (..., 1)
    return (x - largest).exp().sum(-1).log() + largest[..., 0]


WHOLE = "(x - largest).exp().sum(-1).log() + largest[..., 0]"
BANK.wrong("no_maximum", "without the maximum", (WHOLE, "x.exp().sum(-1).log()"))
BANK.wrong("clamped", "without the maximum, clamped", (WHOLE, "x.clamp(-80, 80).exp().sum(-1).log()"))
BANK.wrong(
    "for_infinite",
    "the maximum where the result is infinite",
    (WHOLE, "torch.where((total := x.exp().sum(-1).log()).isinf(), largest[..., 0], total)"),
)
BANK.wrong("not_added", "the maximum not added again", (" + largest[..., 0]", ""))
BANK.wrong("no_maximum", "in double precision, without the maximum", (WHOLE, "x.double().exp().sum(-1).log()"))
BANK.wrong(
    "no_maximum",
    "the maximum brought back before the logarithm",
    (WHOLE, "((x - largest).exp().sum(-1) * largest[..., 0].exp()).log()"),
)
BANK.wrong("not_the_maximum", "the mean subtracted", ("x.amax", "x.mean"))
BANK.wrong("not_the_maximum", "the minimum subtracted", ("x.amax", "x.amin"))
BANK.wrong("not_the_maximum", "the median subtracted", ("x.amax(-1, keepdim=True)", "x.median(-1, keepdim=True)[0]"))
BANK.wrong("not_the_maximum", "the first number subtracted", ("x.amax(-1, keepdim=True)", "x[..., :1]"))
BANK.wrong("not_the_maximum", "the last number subtracted", ("x.amax(-1, keepdim=True)", "x[..., -1:]"))
BANK.wrong("from_zero", "a maximum of at least 0", ("keepdim=True)", "keepdim=True).clamp(min=0)"))
BANK.wrong("first_two", "logaddexp of two", (WHOLE, "torch.logaddexp(x[..., 0], x[..., 1])"))
BANK.wrong("magnitude", "the magnitude subtracted", ("x.amax", "x.abs().amax"))
BANK.wrong("one_maximum", "one maximum for all rows", ("x.amax(-1, keepdim=True)", "x.amax().expand(*x.shape[:-1], 1)"))
BANK.wrong("rows_summed", "the sum over all rows", ("exp().sum(-1)", "exp().sum()"))
BANK.wrong("kept_axis", "the last axis kept", ("sum(-1)", "sum(-1, keepdim=True)"), ("largest[..., 0]", "largest"))
BANK.wrong("squeezed", "every axis of length 1 dropped", ("largest[..., 0]", "largest.squeeze()"))
BANK.wrong("mean_of_powers", "the mean of the powers", ("sum(-1)", "mean(-1)"))
BANK.wrong("base", "base 2", (".log()", ".log2()"))
BANK.wrong(
    "two_axes_only",
    "the rows as columns of x.T",
    ("x.amax(-1, keepdim=True)", "x.amax(-1)"),
    (WHOLE, "(x.T - largest).exp().sum(0).log() + largest"),
)
BANK.wrong(
    "two_axes_only",
    "the last axis by its number in a table",
    ("x.amax(-1, keepdim=True)", "x.amax(min(1, x.ndim - 1), keepdim=True)"),
    (WHOLE, "((x - largest).exp().sum(min(1, x.ndim - 1), keepdim=True).log() + largest).squeeze(min(1, x.ndim - 1))"),
)
