"""`rotate` (chapter 01): points turned around the origin."""

import math

import torch

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck("rotate", "(points (n, 2), angle) -> (n, 2)")
BANK = Bank("rotate")


@CHECK.cases
def cases():
    quarter, points = torch.tensor(math.pi / 2), torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    scattered = torch.tensor([[1.0, 2.0], [-3.0, 0.5], [0.0, 4.0]])
    turned = torch.tensor([[0.0, 1.0], [-2.0, 0.0]])
    return [
        Case(
            "by nothing",
            (scattered, torch.tensor(0.0)),
            scattered,
            "At angle 0, cos is 1 and sin is 0, so the points stay the same, one per row. Stack along the last axis.",
        ),
        Case(
            "a quarter turn",
            (points, quarter),
            turned,
            "Counter-clockwise, in radians: (1, 0) goes to (0, 1). A minus in the wrong place turns clockwise; "
            "overwriting a before b is computed gives wrong points.",
        ),
        Case(
            "60 degrees",
            (points[:1], torch.tensor(math.pi / 3)),
            torch.tensor([[0.5, 0.75**0.5]]),
            "(1, 0) turned by 60 degrees is (cos, sin) = (0.5, 0.866); torch's cos takes radians.",
        ),
    ]


@BANK.right("two columns, stacked")
def rotate(points, angle):
    a, b = points[:, 0], points[:, 1]  # (n,) each
    cos, sin = torch.cos(angle), torch.sin(angle)
    return torch.stack((a * cos - b * sin, b * cos + a * sin), dim=-1)


BANK.wrong("by nothing", "stacked along the first axis", (", dim=-1", ""))
BANK.wrong(
    "by nothing", "cos and sin exchanged", ("torch.cos(angle), torch.sin(angle)", "torch.sin(angle), torch.cos(angle)")
)
BANK.wrong(
    "a quarter turn", "clockwise", ("a * cos - b * sin, b * cos + a * sin", "a * cos + b * sin, b * cos - a * sin")
)
BANK.wrong("a quarter turn", "both signs plus", ("a * cos - b", "a * cos + b"))
BANK.wrong(
    "a quarter turn",
    "a overwritten before b is computed",
    ("    return torch.stack((a * cos - b * sin, ", "    a = a * cos - b * sin\n    return torch.stack((a, "),
)
BANK.wrong(
    "a quarter turn",
    "the angle in degrees",
    ("torch.cos(angle), torch.sin(angle)", "torch.cos(angle * math.pi / 180), torch.sin(angle * math.pi / 180)"),
)


@BANK.right("complex numbers")
def by_complex(points, angle):
    return torch.view_as_real(torch.view_as_complex(points) * torch.polar(torch.ones(()), angle))
