"""`difference_of_means` (chapter 23): the direction of a linear probe, and the middle between two kinds of text."""

import torch

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck


def through(difference_of_means, attacks, ordinary):
    direction, middle = difference_of_means(torch.tensor(attacks), torch.tensor(ordinary))
    return [*(float(part) for part in direction), float(middle)]


CHECK = CaseCheck("difference_of_means", "(attacks (n, c), ordinary (m, c)) -> (unit vector (c,), middle)", through)
BANK = Bank("difference_of_means")


@CHECK.cases
def cases():
    return [
        Case(
            "along one axis",
            ([[3.0, 1.0]], [[1.0, 1.0]]),
            [1.0, 0.0, 2.0],
            "The direction points from the ordinary text to the attack and has length 1; the middle is at 2.",
        ),
        Case(
            "to the attacks",
            ([[1.0, 0.0]], [[4.0, 0.0]]),
            [-1.0, 0.0, -2.5],
            "The attacks are on the positive side: take their mean minus the ordinary mean, not the reverse.",
        ),
        Case(
            "several texts",
            ([[2.0, 0.0], [4.0, 8.0]], [[0.0, 0.0], [0.0, 0.0]]),
            [0.6, 0.8, 2.5],
            "The mean over the texts of each kind: (3, 4), of length 5. The middle is 2.5 along the direction.",
        ),
        Case(
            "more of one kind",
            ([[3.0, 0.0]], [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]),
            [1.0, 0.0, 1.5],
            "The middle is half-way between the two means, however many texts each kind has.",
        ),
        Case(
            "far from zero",
            ([[10.0, 13.0]], [[10.0, 11.0]]),
            [0.0, 1.0, 12.0],
            "Half the sum of the means, along the direction. Half their difference would be 1.",
        ),
    ]


@BANK.right("means, their difference, their middle")
def difference_of_means(attacks, ordinary):
    bad, good = attacks.mean(0), ordinary.mean(0)
    direction = (bad - good) / (bad - good).norm()
    return direction, (bad + good) @ direction / 2


@BANK.right("the middle of projected means")
def by_projection(attacks, ordinary):
    apart = torch.nn.functional.normalize(attacks.mean(0) - ordinary.mean(0), dim=0)
    return apart, 0.5 * ((attacks @ apart).mean() + (ordinary @ apart).mean())


BANK.change(difference_of_means)
BANK.wrong("along one axis", "not of length 1", (" / (bad - good).norm()", ""))
BANK.wrong("along one axis", "the middle is doubled", ("direction / 2", "direction"))
BANK.wrong("to the attacks", "the wrong way round", ("direction = (bad - good)", "direction = (good - bad)"))
BANK.wrong(
    "several texts", "the first text of each kind", ("attacks.mean(0), ordinary.mean(0)", "attacks[0], ordinary[0]")
)
BANK.wrong("several texts", "divided by the squared length", (".norm()", ".square().sum()"))
BANK.wrong(
    "more of one kind",
    "the mean of all texts",
    ("(bad + good) @ direction / 2", "(torch.cat([attacks, ordinary]) @ direction).mean()"),
)
BANK.wrong("far from zero", "half the difference", ("(bad + good) @", "(bad - good) @"))
