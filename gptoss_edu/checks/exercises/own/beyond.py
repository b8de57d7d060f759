"""`beyond` (chapter 16): the share of weights that a window would hide."""

import numpy as np

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck("beyond", "(weights (t, t), window) -> share")
BANK = Bank("beyond")


@CHECK.cases
def cases():
    even = np.tril(np.ones((6, 6))) / np.arange(1, 7)[:, None]
    share = float(even[np.subtract.outer(np.arange(6), np.arange(6)) >= 3].sum() / 6)
    return [
        Case(
            "everything on itself", (np.eye(5), 1), 0.0, "A window of 1 holds the query itself: distance 0 is inside."
        ),
        Case(
            "the key just outside",
            (np.eye(5, k=-2), 2),
            1.0,
            "Distance w is the first that is hidden: the condition is q - k >= w. (Two rows are empty here: "
            "divide once, by the sum of all.)",
        ),
        Case("the key just inside", (np.eye(5, k=-2), 3), 0.0, "Distance w - 1 is still seen."),
        Case("even rows", (even, 3), share, "Divide by the sum of all weights, not by the number of cells."),
        Case(
            "rows that gave half to the sink",
            (even / 2, 3),
            share,
            "Rows need not sum to one: the sink's share is not counted.",
        ),
    ]


@BANK.right("by distance")
def beyond(weights, window):
    gap = np.arange(len(weights))[:, None] - np.arange(len(weights))[None, :]
    return float(weights[gap >= window].sum() / weights.sum())


SHARE = "weights[gap >= window].sum() / weights.sum()"
BANK.wrong("everything on itself", "one distance too many", ("gap >= window", "gap >= window - 1"))
BANK.wrong("the key just outside", "one distance too few", ("gap >= window", "gap > window"))
BANK.wrong("the key just outside", "the mean over the cells", (SHARE, "weights[gap >= window].mean()"))
BANK.wrong(
    "rows that gave half to the sink", "rows taken to sum to one", ("/ weights.sum()", "/ (weights.sum(-1) > 0).sum()")
)
BANK.wrong(
    "the key just outside",
    "the mean of the rows' shares, empty ones too",
    (SHARE, "np.mean(np.where(gap >= window, weights, 0).sum(-1) / weights.sum(-1))"),
)
BANK.wrong("the key just outside", "divided by the number of rows", ("/ weights.sum()", "/ len(weights)"))
BANK.wrong("everything on itself", "what the window shows", ("gap >= window", "gap < window"))
BANK.wrong(
    "the key just outside",
    "the distance the wrong way round",
    (
        "np.arange(len(weights))[:, None] - np.arange(len(weights))[None, :]",
        "np.arange(len(weights))[None, :] - np.arange(len(weights))[:, None]",
    ),
)
BANK.wrong("the key just outside", "only the key at the edge", ("gap >= window", "gap == window + 1"))
