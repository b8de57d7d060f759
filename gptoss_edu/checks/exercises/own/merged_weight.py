"""`merged_weight` (chapter 21): an adapter becomes part of its weight."""

import torch

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck


def through(merged_weight, weight, a, b, alpha):
    return merged_weight(*(torch.tensor(value) for value in (weight, a, b)), alpha)


CHECK = CaseCheck("merged_weight", "(weight (o, c), a (r, c), b (o, r), alpha) -> (o, c)", through)
BANK = Bank("merged_weight")


@CHECK.cases
def cases():
    weight = [[1.0, 0.0, 2.0], [0.0, 1.0, -1.0]]
    return [
        Case(
            "a new adapter",
            (weight, [[5.0, 6.0, 7.0]], [[0.0], [0.0]], 4.0),
            weight,
            "B is zero: the weight stays.",
        ),
        Case(
            "rank 1",
            (weight, [[1.0, 0.0, 3.0]], [[1.0], [-2.0]], 1.0),
            [[2.0, 0.0, 5.0], [-2.0, 1.0, -7.0]],
            "What is added is B A, (o, c): row i is b[i] times the row of a.",
        ),
        Case(
            "the scale",
            (weight, [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]], [[1.0, 0.5], [-2.0, 1.0]], 4.0),
            [[3.0, 1.0, 4.0], [-4.0, 3.0, -5.0]],
            "The scale of the forward pass belongs to the merge too: alpha divided by the rank.",
        ),
    ]


@BANK.right("one product")
def merged_weight(weight, a, b, alpha):
    return weight + alpha / len(a) * (b @ a)


@BANK.right("the sum over ranks")
def ranks(weight, a, b, alpha):
    return weight + sum(alpha / a.shape[0] * torch.outer(b[:, i], a[i]) for i in range(a.shape[0]))


BANK.change(merged_weight)
BANK.wrong("the scale", "alpha alone", ("alpha / len(a)", "alpha"))
BANK.wrong("the scale", "divided by the outputs", ("alpha / len(a)", "alpha / len(b)"))
BANK.wrong("the scale", "no scale", ("alpha / len(a) * ", ""))
BANK.wrong("a new adapter", "the update alone", ("weight + ", ""))
BANK.wrong("rank 1", "taken away", ("weight + ", "weight - "))
