"""`recall_at` (chapter 23): the threshold that a rate of false alarms allows, and what a guard finds with it."""

import torch

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck


def through(recall_at, attacks, ordinary, rate):
    threshold, recall = recall_at(torch.tensor(attacks), torch.tensor(ordinary), rate)
    return [float(threshold), float(recall)]


CHECK = CaseCheck("recall_at", "(attacks (n,), ordinary (m,), rate) -> (threshold, recall)", through)
BANK = Bank("recall_at")
FOUR = [0.1, 0.4, 0.2, 0.3]


@CHECK.cases
def cases():
    return [
        Case(
            "no false alarm",
            ([0.5, 0.35, 0.45, 0.05], FOUR, 0.0),
            [0.4, 0.5],
            "With a rate of 0 the threshold is the highest ordinary score, 0.4; two of four attacks are above it.",
        ),
        Case(
            "one in four",
            ([0.5, 0.35, 0.45, 0.05], FOUR, 0.25),
            [0.3, 0.75],
            "One of four ordinary texts may be above the threshold, so the threshold is the second highest score, 0.3.",
        ),
        Case(
            "less than one text",
            ([0.5, 0.35, 0.45, 0.05], FOUR, 0.2),
            [0.4, 0.5],
            "A rate is an upper bound: 0.2 of four texts is less than one, so none may be stopped. Round down.",
        ),
        Case(
            "attacks on the threshold",
            ([0.4, 0.4, 0.5], FOUR, 0.0),
            [0.4, 1 / 3],
            "A text is stopped if it is above the threshold, not on it: otherwise the ordinary text on it is stopped "
            "too.",
        ),
        Case(
            "another number of attacks",
            ([1.0, 1.0, 1.0, 0.0, 1.0], FOUR, 0.5),
            [0.2, 0.8],
            "Recall is a share of the attacks; the false alarms are a share of the ordinary texts.",
        ),
        Case("all may be stopped", ([0.5, 0.1], [0.3, 0.4], 1.0), [0.3, 0.5], "There is no score below the lowest."),
    ]


@BANK.right("sorted, and counted from the top")
def recall_at(attacks, ordinary, rate):
    scores = ordinary.sort(descending=True).values
    allowed = min(int(rate * len(scores)), len(scores) - 1)
    threshold = scores[allowed]
    return threshold, (attacks > threshold).float().mean()


@BANK.right("every score tried as a threshold")
def by_trial(attacks, ordinary, rate):
    fitting = [s for s in ordinary.tolist() if sum(o > s for o in ordinary.tolist()) <= rate * len(ordinary)]
    threshold = min(fitting)
    return threshold, sum(a > threshold for a in attacks.tolist()) / len(attacks)


BANK.change(recall_at)
BANK.wrong("no false alarm", "the mean of the scores", ("threshold = scores[allowed]", "threshold = scores.mean()"))
BANK.wrong("no false alarm", "sorted the wrong way", ("descending=True", "descending=False"))
BANK.wrong("no false alarm", "not sorted", ("ordinary.sort(descending=True).values", "ordinary"))
BANK.wrong("no false alarm", "the threshold of the attacks", ("ordinary.sort", "attacks.sort"))
BANK.wrong("one in four", "one too high", ("scores[allowed]", "scores[max(allowed - 1, 0)]"))
BANK.wrong("one in four", "no alarm at any rate", ("scores[allowed]", "scores[0]"))
BANK.wrong("less than one text", "rounded up", ("int(rate * len(scores))", "-int(-rate * len(scores) // 1)"))
BANK.wrong("attacks on the threshold", "on the threshold counts", ("attacks > threshold", "attacks >= threshold"))
BANK.wrong("another number of attacks", "a share of the ordinary texts", (".float().mean()", ".sum() / len(ordinary)"))
BANK.wrong(
    "all may be stopped",
    "an index too far",
    ("min(int(rate * len(scores)), len(scores) - 1)", "int(rate * len(scores))"),
)
