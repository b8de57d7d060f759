"""`rotate` (chapter 01): points turned around the origin."""

import math

import torch

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CAUSES = {
    "stacked_first": (
        "The axes of the result are exchanged: a row holds one coordinate of all points. A row is one point, (n, 2)."
    ),
    "exchanged": "cos and sin are exchanged.",
    "clockwise": (
        "The points are turned clockwise: the minus stands in the other coordinate, or the matrix is transposed "
        "(rows are points, so it is points @ R.T)."
    ),
    "no_minus": "Both coordinates are sums. One of the four products is subtracted.",
    "overwritten": "a is overwritten before b is computed from it. Compute both coordinates from the old ones.",
    "direction": (
        "The direction of a point is found without both signs: acos(a / r) does not see the sign of b, and atan(b / a) "
        "cannot tell (a, b) from (-a, -b). atan2(b, a) sees both."
    ),
    "root": (
        "One of cos and sin is computed from the other by a root, which is never negative: beyond a quarter turn cos "
        "is, beyond half a turn sin is."
    ),
    "degrees": "The angle is taken for degrees. It comes in radians, as torch.cos takes it.",
}
CHECK = CaseCheck("rotate", "(points (n, 2), angle) -> (n, 2)", causes=CAUSES)
BANK = Bank("rotate")


@CHECK.cases
def cases():
    quarter, points = torch.tensor(math.pi / 2), torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    scattered = torch.tensor([[1.0, 2.0], [-3.0, -0.5], [0.0, 4.0]])
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
        Case(
            "240 degrees",
            (points[:1], torch.tensor(math.pi * 4 / 3)),
            torch.tensor([[-0.5, -(0.75**0.5)]]),
            "(1, 0) turned by 240 degrees is (cos, sin) = (-0.5, -0.866): beyond half a turn both are negative.",
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
BANK.wrong(
    "root",
    "sin as a root of 1 - cos²",
    ("torch.cos(angle), torch.sin(angle)", "torch.cos(angle), (1 - torch.cos(angle) ** 2).sqrt()"),
)
BANK.wrong(
    "root",
    "cos as a root of 1 - sin²",
    ("torch.cos(angle), torch.sin(angle)", "(1 - torch.sin(angle) ** 2).sqrt(), torch.sin(angle)"),
)
TURNED = "torch.stack((a * cos - b * sin, b * cos + a * sin), dim=-1)"
FOUND = "torch.stack((points.norm(dim=-1) * torch.cos(old + angle), points.norm(dim=-1) * torch.sin(old + angle)), -1)"
BANK.wrong(
    "direction",
    "the direction by acos",
    ("cos, sin = torch.cos(angle), torch.sin(angle)", "old = torch.acos(a / points.norm(dim=-1))"),
    (TURNED, FOUND),
)
BANK.wrong(
    "direction",
    "the direction by atan",
    ("cos, sin = torch.cos(angle), torch.sin(angle)", "old = torch.atan(b / a)"),
    (TURNED, FOUND),
)


@BANK.right("lengths and directions")
def by_directions(points, angle):
    length, direction = points.norm(dim=-1), torch.atan2(points[:, 1], points[:, 0]) + angle
    return torch.stack((length * direction.cos(), length * direction.sin()), -1)


@BANK.right("complex numbers")
def by_complex(points, angle):
    return torch.view_as_real(torch.view_as_complex(points) * torch.polar(torch.ones(()), angle))
