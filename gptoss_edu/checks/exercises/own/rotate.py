"""`rotate` (chapter 01): points turned around the origin."""

import math

import torch

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CAUSES = {
    "stacked_first": "The coordinates are stacked along the first axis. One point per row: dim=-1.",
    "exchanged": "cos and sin are exchanged.",
    "clockwise": "The points are turned clockwise: the minus stands in the other coordinate.",
    "no_minus": "Both coordinates are sums. One of the four products is subtracted.",
    "overwritten": "a is overwritten before b is computed from it. Compute both coordinates from the old ones.",
    "degrees": "The angle is taken for degrees. It comes in radians, as torch.cos takes it.",
}
CHECK = CaseCheck("rotate", "(points (n, 2), angle) -> (n, 2)", causes=CAUSES)
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


BANK.wrong("stacked_first", "stacked along the first axis", (", dim=-1", ""))
BANK.wrong(
    "exchanged", "cos and sin exchanged", ("torch.cos(angle), torch.sin(angle)", "torch.sin(angle), torch.cos(angle)")
)
BANK.wrong("clockwise", "clockwise", ("a * cos - b * sin, b * cos + a * sin", "a * cos + b * sin, b * cos - a * sin"))
BANK.wrong("no_minus", "both signs plus", ("a * cos - b", "a * cos + b"))
BANK.wrong(
    "overwritten",
    "a overwritten before b is computed",
    ("    return torch.stack((a * cos - b * sin, ", "    a = a * cos - b * sin\n    return torch.stack((a, "),
)
BANK.wrong(
    "degrees",
    "the angle in degrees",
    ("torch.cos(angle), torch.sin(angle)", "torch.cos(angle * math.pi / 180), torch.sin(angle * math.pi / 180)"),
)


@BANK.right("complex numbers")
def by_complex(points, angle):
    return torch.view_as_real(torch.view_as_complex(points) * torch.polar(torch.ones(()), angle))
