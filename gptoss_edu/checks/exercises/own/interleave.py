"""`interleave` (chapter 07): gate and up rows of another checkpoint, alternating."""

import torch

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck("interleave", "(gate (f, c), up (f, c)) -> (2f, c)")
BANK = Bank("interleave")


@CHECK.cases
def cases():
    gate, up = torch.arange(6.0).view(3, 2), 10 + torch.arange(6.0).view(3, 2)
    woven = torch.stack((gate[0], up[0], gate[1], up[1], gate[2], up[2]))
    return [
        Case(
            "one unit",
            (gate[:1], up[:1]),
            torch.cat((gate[:1], up[:1])),
            "The result has 2f rows of c numbers, starting with the gate.",
        ),
        Case(
            "three units",
            (gate, up),
            woven,
            "Stack along a NEW axis after f, then flatten the first two: (f, 2, c) to (2f, c).",
        ),
    ]


@BANK.right("stacked and flattened")
def interleave(gate, up):
    return torch.stack((gate, up), dim=1).flatten(0, 1)


BANK.wrong(
    "three units", "one after the other", ("torch.stack((gate, up), dim=1).flatten(0, 1)", "torch.cat((gate, up))")
)
BANK.wrong("three units", "stacked along the first axis", ("dim=1", "dim=0"))
BANK.wrong("one unit", "up first", ("stack((gate, up)", "stack((up, gate)"))
BANK.wrong(
    "one unit", "beside each other", ("torch.stack((gate, up), dim=1).flatten(0, 1)", "torch.cat((gate, up), dim=1)")
)
BANK.wrong("one unit", "stacked along the last axis", ("dim=1).flatten(0, 1)", "dim=-1).flatten(1)"))


@BANK.right("columns side by side, then cut")
def by_view(gate, up):
    return torch.cat((gate, up), dim=1).view(-1, gate.shape[1])
