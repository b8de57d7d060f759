"""`straight_through` (chapter 21): rounded on the way forward, untouched on the way back."""

import torch

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck
from gptoss_edu.checks.harness import Refused


def through(straight_through, weight, factor):
    """Return the function's result for rounding to whole numbers, and the gradient of sum(factor · result)."""
    learnt = torch.tensor(weight, requires_grad=True)
    result = straight_through(learnt, torch.round)
    if not isinstance(result, torch.Tensor):
        return result
    if not result.requires_grad:
        raise Refused("the result has no gradient", "Nothing of the weight itself is left in the result.")
    (result * torch.tensor(factor)).sum().backward()
    gradient = torch.zeros_like(learnt) if learnt.grad is None else learnt.grad
    return torch.stack([result.detach(), gradient])


CHECK = CaseCheck("straight_through", "(weight, rounding: a function of a tensor) -> like weight", through)
BANK = Bank("straight_through")


@CHECK.cases
def cases():
    return [
        Case(
            "the value",
            ([0.4, 1.6, -2.7], [0.0, 0.0, 0.0]),
            [[0.0, 2.0, -3.0], [0.0, 0.0, 0.0]],
            "The forward pass must use the rounded weight and nothing else: w + (rounding(w) - w).",
        ),
        Case(
            "the gradient",
            ([0.4, 1.6, -2.7], [1.0, 1.0, 1.0]),
            [[0.0, 2.0, -3.0], [1.0, 1.0, 1.0]],
            "The gradient must reach the weight unchanged: the difference to the rounded value must be a constant.",
        ),
        Case(
            "another gradient",
            ([0.4, 1.6, 3.0], [2.0, -1.0, 0.5]),
            [[0.0, 2.0, 3.0], [2.0, -1.0, 0.5]],
            "The gradient is passed on unchanged, whatever its size, even if the weight was already whole.",
        ),
    ]


@BANK.right("a constant difference")
def straight_through(weight, rounding):
    return weight + (rounding(weight) - weight).detach()


@BANK.right("a function of its own")
def own_function(weight, rounding):
    class Through(torch.autograd.Function):
        @staticmethod
        def forward(ctx, w):
            return rounding(w)

        @staticmethod
        def backward(ctx, gradient):
            return gradient

    return Through.apply(weight)


BANK.change(straight_through)
DIFFERENCE = "weight + (rounding(weight) - weight).detach()"
BANK.wrong("the gradient", "rounded and nothing else", (DIFFERENCE, "rounding(weight)"))
BANK.wrong("the gradient", "nothing detached", (DIFFERENCE, "weight + (rounding(weight) - weight)"))
BANK.wrong("the value", "the other way round", (DIFFERENCE, "rounding(weight) + (weight - rounding(weight)).detach()"))
BANK.wrong("the value", "without the rounded value", (DIFFERENCE, "weight - (rounding(weight) - weight).detach()"))
BANK.wrong("the value", "rounded, and the weight on top", (DIFFERENCE, "weight + rounding(weight).detach()"))
BANK.wrong("the gradient", "the gradient twice", (DIFFERENCE, "2 * weight + (rounding(weight) - 2 * weight).detach()"))
