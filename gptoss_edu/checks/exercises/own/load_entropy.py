"""`load_entropy` (chapter 17): how evenly the experts are used, in bits."""

import numpy as np

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck("load_entropy", "(indices (n, k), n_experts) -> bits")
BANK = Bank("load_entropy")


@CHECK.cases
def cases():
    return [
        Case(
            "one expert has all",
            (np.array([[0], [0], [0]]), 1),
            0.0,
            "One outcome is certain, so there is no surprise: 0 bits.",
        ),
        Case(
            "four equal experts",
            (np.array([[0, 1, 2, 3]]), 4),
            2.0,
            "The shares of all n·k choices sum to 1. The result is in bits, so the logarithm has base 2.",
        ),
        Case(
            "three to one",
            (np.array([[0], [0], [0], [1]]), 2),
            0.811278,
            "Weight each expert's surprise log2(1/p) by its share p.",
        ),
        Case(
            "unused experts",
            (np.array([[0, 1], [0, 1]]), 16),
            1.0,
            "0 · log 0 is nan in NumPy and 0 in mathematics: leave unused experts out.",
        ),
    ]


@BANK.right("shares of the experts that are used")
def load_entropy(indices, n_experts):
    counts = np.bincount(np.asarray(indices).reshape(-1), minlength=n_experts)
    shares = counts[counts > 0] / counts.sum()
    return float((shares * np.log2(1 / shares)).sum())


BITS = "(shares * np.log2(1 / shares)).sum()"
BANK.wrong("four equal experts", "in nats", ("np.log2", "np.log"))
BANK.wrong("three to one", "the surprises not weighed", (BITS, "np.log2(1 / shares).mean()"))
BANK.wrong(
    "one expert has all",
    "a small number added to every share",
    ("counts[counts > 0] / counts.sum()", "counts / counts.sum() + 1e-2"),
)
BANK.wrong("four equal experts", "shares of the tokens", ("/ counts.sum()", "/ len(indices)"))
BANK.wrong(
    "unused experts",
    "unused experts kept",
    ("counts[counts > 0] / counts.sum()", "counts / counts.sum()"),
    (BITS, "-(shares * np.log2(shares)).sum()"),
)
BANK.wrong(
    "four equal experts", "the first choice only", ("np.asarray(indices).reshape(-1)", "np.asarray(indices)[:, 0]")
)
BANK.wrong("four equal experts", "the sign of the logarithm", ("1 / shares", "shares"))
BANK.wrong(
    "four equal experts", "as a share of the most that is possible", (BITS, f"{BITS} / np.log2(max(n_experts, 2))")
)
