"""`lora_linear` (chapter 21): a frozen linear map with two thin matrices beside it."""

import torch

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck


def through(lora_linear, x, weight, a, b, alpha):
    return lora_linear(*(torch.tensor(value) for value in (x, weight, a, b)), alpha)


CHECK = CaseCheck("lora_linear", "(x (n, c), weight (o, c), a (r, c), b (o, r), alpha) -> (n, o)", through)
BANK = Bank("lora_linear")


@CHECK.cases
def cases():
    x, weight = [[1.0, 2.0, 0.0], [0.0, -1.0, 3.0]], [[1.0, 0.0, 2.0], [0.0, 1.0, -1.0]]
    return [
        Case(
            "a new adapter",
            (x, weight, [[5.0, 6.0, 7.0]], [[0.0], [0.0]], 4.0),
            [[1.0, 2.0], [6.0, -4.0]],
            "B starts at zero, so a new adapter changes nothing: the result is x times the transposed weight.",
        ),
        Case(
            "rank 1",
            (x, weight, [[1.0, 0.0, 1.0]], [[1.0], [-2.0]], 1.0),
            [[2.0, 0.0], [9.0, -10.0]],
            "Add B (A x) to the result, times alpha / r, here 1: x goes through a, to r numbers, then through b.",
        ),
        Case(
            "the scale",
            (x, weight, [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]], [[1.0, 0.5], [-2.0, 1.0]], 4.0),
            [[5.0, 2.0], [11.0, -18.0]],
            "The scale is alpha divided by the rank, and the rank is the number of rows of a.",
        ),
    ]


@BANK.right("activations first")
def lora_linear(x, weight, a, b, alpha):
    return x @ weight.T + x @ a.T @ b.T * (alpha / len(a))


@BANK.right("the weight first")
def whole(x, weight, a, b, alpha):
    return x @ (weight + alpha / a.shape[0] * (b @ a)).T


BANK.change(lora_linear)
BANK.wrong("the scale", "alpha alone", ("alpha / len(a)", "alpha"))
BANK.wrong("the scale", "divided by the outputs", ("alpha / len(a)", "alpha / len(b)"))
BANK.wrong("rank 1", "divided by the inputs", ("alpha / len(a)", "alpha / a.shape[1]"))
BANK.wrong("the scale", "the root of the rank", ("alpha / len(a)", "alpha / len(a) ** 0.5"))
BANK.wrong("rank 1", "no adapter", (" + x @ a.T @ b.T * (alpha / len(a))", ""))
BANK.wrong("a new adapter", "the adapter alone", ("x @ weight.T + ", ""))
BANK.wrong("rank 1", "taken away", ("weight.T + x", "weight.T - x"))
BANK.wrong(
    "a new adapter", "the weight scaled too", ("x @ weight.T + x @ a.T @ b.T *", "(x @ weight.T + x @ a.T @ b.T) *")
)
