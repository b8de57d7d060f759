"""`group_advantages` (chapter 20): what each answer earned beyond its group, in deviations of the group."""

import torch

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck


def through(group_advantages, rewards: list[list[float]]):
    return group_advantages(torch.tensor(rewards))


CHECK = CaseCheck("group_advantages", "(rewards (problems, answers)) -> (problems, answers)", through)
BANK = Bank("group_advantages")


@CHECK.cases
def cases():
    one = [1.7317, -0.5772, -0.5772, -0.5772]
    return [
        Case(
            "one right of four",
            ([[1.0, 0.0, 0.0, 0.0]],),
            [one],
            "Subtract the mean (0.25), then divide by the standard deviation plus 0.0001. The deviation divides by "
            "n: 0.433.",
        ),
        Case(
            "two problems",
            ([[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 1.0]],),
            [one, [0.5772, 0.5772, -1.7317, 0.5772]],
            "Treat every problem separately: an answer is compared with the others to the same question.",
        ),
        Case(
            "all the same",
            ([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]],),
            [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
            "A group with equal rewards teaches nothing: the result is 0, not 0/0. That is what the 0.0001 is for.",
        ),
        Case(
            "rewards below zero",
            ([[-2.0, -1.0, 0.0, -1.0]],),
            [[-1.4140, 0.0, 1.4140, 0.0]],
            "Only differences count: the best of several bad answers becomes likelier.",
        ),
        Case(
            "hardly apart",
            ([[0.001, 0.0, 0.0, 0.0]],),
            [[1.4070, -0.4690, -0.4690, -0.4690]],
            "Add 0.0001 to the deviation itself, here 0.000433: where rewards hardly differ, it counts.",
        ),
    ]


@BANK.right("less the mean, over the deviation")
def group_advantages(rewards):
    mean = rewards.mean(-1, keepdim=True)
    deviation = rewards.std(-1, keepdim=True, correction=0)
    return (rewards - mean) / (deviation + 1e-4)


@BANK.right("problem by problem")
def by_problem(rewards):
    rows = []
    for group in rewards:
        apart = group - group.mean()
        rows.append(apart / (apart.square().mean().sqrt() + 1e-4))
    return torch.stack(rows)


BANK.change(group_advantages)
BANK.wrong("one right of four", "the sample's deviation", (", correction=0", ""))
BANK.wrong("one right of four", "no baseline", ("(rewards - mean)", "rewards"))
BANK.wrong("one right of four", "no division", (" / (deviation + 1e-4)", ""))
BANK.wrong("one right of four", "divided by the variance", (" / (deviation + 1e-4)", " / (deviation**2 + 1e-4)"))
BANK.wrong("one right of four", "the wrong way round", ("(rewards - mean)", "(mean - rewards)"))
BANK.wrong("one right of four", "multiplied by the deviation", (" / (deviation", " * (deviation"))
BANK.wrong("two problems", "the mean of the whole batch", ("rewards.mean(-1, keepdim=True)", "rewards.mean()"))
BANK.wrong(
    "two problems",
    "mean and deviation of the whole batch",
    ("rewards.mean(-1, keepdim=True)", "rewards.mean()"),
    ("rewards.std(-1, keepdim=True, correction=0)", "rewards.std(correction=0)"),
)
BANK.wrong("two problems", "along the problems", ("mean(-1", "mean(0"), ("std(-1", "std(0"))
BANK.wrong("all the same", "0/0", (" + 1e-4", ""))
BANK.wrong("hardly apart", "added to the variance", ("(deviation + 1e-4)", "(deviation**2 + 1e-4) ** 0.5"))
BANK.wrong("hardly apart", "a smaller number added", ("deviation + 1e-4", "deviation + 1e-8"))
BANK.wrong("hardly apart", "no division below 0.0001", ("(deviation + 1e-4)", "deviation.clamp(min=1e-4)"))
BANK.wrong("rewards below zero", "negative rewards cut off", ("(rewards - mean)", "(rewards.clamp(min=0) - mean)"))
BANK.wrong("rewards below zero", "punishes only", ("return (rewards", "return -(rewards"), ("- mean)", "- mean).abs()"))
