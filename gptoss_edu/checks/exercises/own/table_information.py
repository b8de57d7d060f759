"""`table_information` (chapter 17): mutual information of a table of counts."""

import numpy as np

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck("table_information", "(joint (a, b)) -> bits")
BANK = Bank("table_information")


@CHECK.cases
def cases():
    return [
        Case(
            "independent",
            (np.array([[10.0, 30.0], [20.0, 60.0]]),),
            0.0,
            "Where p(a, b) = p(a) p(b) in every cell, nothing is told.",
        ),
        Case(
            "a noisy channel",
            (np.array([[45.0, 5.0], [5.0, 45.0]]),),
            0.531004,
            "Compare p(a, b) with p(a) · p(b), and weigh with p(a, b).",
        ),
        Case(
            "empty cells",
            (np.array([[5.0, 0.0], [0.0, 15.0]]),),
            0.811278,
            "A pair that never occurs adds nothing: leave it out of the sum.",
        ),
        Case("given away", (np.eye(4) * 25,), 2.0, "Four equal labels, each with its own expert: two bits."),
        Case(
            "more experts than labels",
            (np.array([[1.0, 0], [1, 0], [0, 2]]),),
            1.0,
            "The sums over rows and over columns keep their axes (keepdims).",
        ),
    ]


@BANK.right("the cells that occur")
def table_information(joint):
    p = joint / joint.sum()
    independent = p.sum(1, keepdims=True) * p.sum(0, keepdims=True)
    seen = p > 0
    return float((p[seen] * np.log2(p[seen] / independent[seen])).sum())


BITS = "(p[seen] * np.log2(p[seen] / independent[seen])).sum()"
BANK.wrong("independent", "the entropy of the table", (BITS, "(p[seen] * np.log2(1 / p[seen])).sum()"))
BANK.wrong("empty cells", "empty cells kept", (BITS, "(p * np.log2(p / independent)).sum()"))
BANK.wrong("a noisy channel", "weighed with the product of the shares", ("(p[seen] * np", "(independent[seen] * np"))
BANK.wrong("a noisy channel", "in nats", ("np.log2", "np.log"))
BANK.wrong("a noisy channel", "not weighed", (BITS, "np.log2(p[seen] / independent[seen]).mean()"))
BANK.wrong("independent", "counts instead of shares", ("joint / joint.sum()", "joint"))
BANK.wrong(
    "a noisy channel", "the ratio the wrong way round", ("p[seen] / independent[seen]", "independent[seen] / p[seen]")
)
BANK.wrong(
    "independent",
    "the shares of the rows alone",
    ("p.sum(1, keepdims=True) * p.sum(0, keepdims=True)", "p.sum(1, keepdims=True) + 0 * p"),
)
BANK.wrong(
    "more experts than labels",
    "sums that lose their axes",
    ("p.sum(1, keepdims=True) * p.sum(0, keepdims=True)", "p.sum(1) * p.sum(0)"),
)
