"""`answer_loss` (chapter 20): the policy gradient's loss on the tokens of the answers alone."""

import torch

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck


def through(answer_loss, logprobs, advantages, trained):
    return answer_loss(torch.tensor(logprobs), torch.tensor(advantages), torch.tensor(trained).bool())


CHECK = CaseCheck("answer_loss", "(logprobs (b, t), advantages (b,), trained (b, t)) -> scalar", through)
BANK = Bank("answer_loss")


@CHECK.cases
def cases():
    return [
        Case(
            "one token",
            ([[-0.5]], [2.0], [[1]]),
            1.0,
            "Minus advantage times log-probability: gradient descent on it makes a good token likelier.",
        ),
        Case(
            "the prompt in front",
            ([[-9.0, -1.0, -2.0]], [1.0], [[0, 1, 1]]),
            1.5,
            "The user's tokens are not the model's to choose: they count neither above nor below the fraction line.",
        ),
        Case(
            "answers of unequal length",
            ([[-1.0, -1.0, -1.0, -1.0], [-2.0, -5.0, -5.0, -5.0]], [1.0, -1.0], [[1, 1, 1, 1], [1, 0, 0, 0]]),
            0.4,
            "One mean over all tokens of all answers: sum of 5 terms over 5, not a mean of two means.",
        ),
        Case(
            "padding that is impossible",
            ([[-1.0, -3.0], [-2.0, float("-inf")]], [1.0, 0.5], [[1, 1], [1, 0]]),
            5 / 3,
            "Zero times minus infinity is not a number: select the tokens that count, or use torch.where.",
        ),
        Case(
            "an advantage of zero",
            ([[-1.0, -1.0], [-4.0, -4.0]], [0.0, 1.0], [[1, 1], [1, 1]]),
            2.0,
            "An answer without advantage adds nothing above the line, and its tokens still count below it.",
        ),
    ]


@BANK.right("torch.where")
def answer_loss(logprobs, advantages, trained):
    each = -advantages[:, None] * torch.where(trained, logprobs, 0.0)
    return each.sum() / trained.sum()


@BANK.right("chosen tokens")
def chosen(logprobs, advantages, trained):
    weight = advantages[:, None].expand_as(logprobs)
    return -(weight[trained] * logprobs[trained]).mean()


BANK.change(answer_loss)
WHERE, MEAN = "torch.where(trained, logprobs, 0.0)", "each.sum() / trained.sum()"
BANK.wrong("one token", "without the minus", ("-advantages", "advantages"))
BANK.wrong("one token", "probability instead of its logarithm", ("logprobs, 0.0)", "logprobs.exp(), 0.0)"))
BANK.wrong("the prompt in front", "every token learns", (WHERE, "logprobs"), (MEAN, "each.mean()"))
BANK.wrong("the prompt in front", "divided by all tokens", (MEAN, "each.mean()"))
BANK.wrong("the prompt in front", "the sum", (MEAN, "each.sum()"))
BANK.wrong("the prompt in front", "divided by the number of answers", (MEAN, "each.sum() / len(each)"))
BANK.wrong(
    "the prompt in front", "the mask shifted by one", ("torch.where(trained,", "torch.where(trained.roll(1, -1),")
)
BANK.wrong("answers of unequal length", "the mean of the means", (MEAN, "(each.sum(-1) / trained.sum(-1)).mean()"))
BANK.wrong(
    "answers of unequal length", "all advantages positive", ("-advantages[:, None]", "-advantages.abs()[:, None]")
)
BANK.wrong("padding that is impossible", "multiplied by the mask", (WHERE, "(logprobs * trained)"))
BANK.wrong(
    "an advantage of zero",
    "answers without advantage left out of the count",
    (MEAN, "each.sum() / (trained & (advantages[:, None] != 0)).sum()"),
)
BANK.wrong(
    "an advantage of zero",
    "divided by the advantages",
    (MEAN, "each.sum() / (trained * advantages[:, None].abs()).sum()"),
)
