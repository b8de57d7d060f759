"""`paired_error` (chapter 22): the difference of two models on the same questions, and its standard error."""

import math

import numpy as np

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck("paired_error", "(first, second) -> (difference, standard error)")
BANK = Bank("paired_error")


@CHECK.cases
def cases():
    first, second = [1, 1, 1, 0, 0, 1, 1, 0], [1, 1, 1, 0, 1, 1, 1, 0]
    return [
        Case("the difference", ([0, 0, 1, 0], [1, 0, 1, 1]), (0.5, 0.28868), "The second's share less the first's."),
        Case(
            "in pairs",
            (first, second),
            (0.125, 0.125),
            "First take the differences question by question: their spread counts, not that of each list.",
        ),
        Case(
            "the same answers",
            (first, first),
            (0.0, 0.0),
            "The models are equal on every question: no difference, and no error.",
        ),
        Case(
            "both ways",
            ([1, 0, 1, 0, 1, 0], [0, 1, 0, 1, 1, 0]),
            (0.0, 0.36515),
            "Differences of +1 and -1 both count: a spread is made of squares, not of the mean alone.",
        ),
    ]


@BANK.right("with NumPy")
def paired_error(first, second):
    gaps = np.asarray(second, float) - np.asarray(first, float)
    return gaps.mean(), gaps.std(ddof=1) / math.sqrt(len(gaps))


@BANK.right("with sums")
def paired_error_by_sums(first, second):
    gaps = [b - a for a, b in zip(first, second, strict=True)]
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / (len(gaps) - 1)
    return mean, (variance / len(gaps)) ** 0.5


BANK.change(paired_error)
SPREAD = "gaps.std(ddof=1) / math.sqrt(len(gaps))"
BANK.wrong(
    "the difference",
    "the first's less the second's",
    ("np.asarray(second, float) - np.asarray(first, float)", "np.asarray(first, float) - np.asarray(second, float)"),
)
BANK.wrong("the difference", "the spread not divided", (SPREAD, "gaps.std(ddof=1)"))
BANK.wrong("the difference", "divided by the number, not its root", (SPREAD, "gaps.std(ddof=1) / len(gaps)"))
BANK.wrong("the difference", "n in the variance", ("ddof=1", "ddof=0"))
BANK.wrong("the difference", "the variance", ("gaps.std(ddof=1) /", "gaps.var(ddof=1) /"))
BANK.wrong("the difference", "half an interval", (SPREAD, f"1.96 * {SPREAD}"))
BANK.wrong(
    "the difference",
    "as two separate samples",
    (SPREAD, "math.sqrt((np.var(first, ddof=1) + np.var(second, ddof=1)) / len(gaps))"),
)
BANK.wrong(
    "both ways",
    "the error guessed from the mean",
    (SPREAD, "abs(gaps.mean()) and gaps.std(ddof=1) / math.sqrt(len(gaps))"),
)
