"""`copy_score` (chapter 16): the weight on earlier copies of the next token."""

import numpy as np

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck("copy_score", "(weights (t, t), tokens (t,)) -> mean mass")
BANK = Bank("copy_score")


@CHECK.cases
def cases():
    exact, both = np.zeros((4, 4)), np.tril(np.ones((4, 4))) / 4
    exact[2, 0] = 0.8
    exact[0, 0] = exact[1, 0] = exact[3, 3] = 1.0
    return [
        Case(
            "one copy",
            (exact, np.array([7, 8, 9, 7])),
            0.8,
            "At query 2 the next token, tokens[q + 1], is 7, and key 0 holds it. Other queries have nothing to "
            "copy and do not count.",
        ),
        Case(
            "no copies",
            (np.eye(3), np.array([1, 2, 3])),
            0.0,
            "No next token occurred before: there is nothing to average, and the score is 0.",
        ),
        Case(
            "several copies",
            (both, np.array([5, 5, 5, 5])),
            float(np.mean([1, 2, 3]) / 4),
            "All keys that hold the token count, including the query's own.",
        ),
        Case(
            "not the query's own token",
            (exact, np.array([7, 9, 9, 7])),
            float(np.mean([0.0, 0.8])),
            "Compare the keys with the NEXT token, tokens[q + 1].",
        ),
    ]


@BANK.right("query by query")
def copy_score(weights, tokens):
    masses = []
    for q in range(len(tokens) - 1):
        same = tokens[: q + 1] == tokens[q + 1]
        if same.any():
            masses.append(weights[q, : q + 1][same].sum())
    return float(np.mean(masses)) if masses else 0.0


BANK.wrong("one copy", "queries without a copy counted as 0", ("if same.any():", "if True:"))
BANK.wrong("one copy", "the query's own token", ("== tokens[q + 1]", "== tokens[q]"))
BANK.wrong(
    "several copies",
    "the query's own place left out",
    ("tokens[: q + 1] ==", "tokens[:q] =="),
    ("weights[q, : q + 1]", "weights[q, :q]"),
)
BANK.wrong(
    "one copy",
    "the sum of the masses over all queries",
    ("float(np.mean(masses))", "float(np.sum(masses) / len(tokens))"),
)
BANK.wrong("several copies", "the largest weight on a copy", ("[same].sum()", "[same].max()"))
BANK.wrong("several copies", "the mean weight on the copies", ("[same].sum()", "[same].mean()"))
BANK.wrong(
    "no copies",
    "nan where there is nothing to average",
    ("float(np.mean(masses)) if masses else 0.0", "float(np.mean(masses or [np.nan]))"),
)
BANK.wrong(
    "one copy",
    "the last query too, with no next token",
    ("range(len(tokens) - 1)", "range(len(tokens))"),
    ("tokens[q + 1]", "tokens[(q + 1) % len(tokens)]"),
)
