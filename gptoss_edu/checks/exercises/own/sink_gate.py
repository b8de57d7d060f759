"""`sink_gate` (chapter 06): the factor by which a sink shrinks a row."""

import torch

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck("sink_gate", "(lse (b, h, t), sinks (h,)) -> (b, h, t)")
BANK = Bank("sink_gate")


@CHECK.cases
def cases():
    row, inf = torch.zeros(1, 1, 1), torch.inf
    two = torch.tensor([[[1.0] * 3, [0.5] * 3]])
    return [
        Case(
            "keys and sink equally strong",
            (row, torch.zeros(1)),
            row + 0.5,
            "At lse = sink both get the same share: one half.",
        ),
        Case(
            "a strong sink",
            (row, torch.tensor([20.0])),
            row,
            "A large sink closes the gate. With its own sign it would open it.",
        ),
        Case("no sink", (row, torch.tensor([-inf])), row + 1, "A sink of -inf leaves the ordinary softmax: factor 1."),
        Case(
            "a weak sink",
            (row + 1.0, torch.zeros(1)),
            row + 0.731059,
            "The factor is sigmoid(lse - sink), e^L / (e^s + e^L).",
        ),
        Case(
            "one sink a head",
            (torch.zeros(1, 2, 3), torch.tensor([-inf, 0.0])),
            two,
            "sinks (h,) belongs to the HEAD axis of (b, h, t): sinks[:, None].",
        ),
        Case(
            "large scores",
            (row + 200.0, torch.tensor([200.0])),
            row + 0.5,
            "Only the difference counts: e^200 is inf in float32, and inf over inf is nan. The sigmoid of the "
            "difference needs no large power.",
        ),
    ]


@BANK.right("sigmoid of the difference")
def sink_gate(lse, sinks):
    return torch.sigmoid(lse - sinks[:, None])


WHOLE = "torch.sigmoid(lse - sinks[:, None])"
BANK.wrong("a strong sink", "the sign of the difference", ("lse - sinks[:, None]", "sinks[:, None] - lse"))
BANK.wrong("a strong sink", "without logsumexp", ("lse - sinks[:, None]", "sinks[:, None] + 0 * lse"))
BANK.wrong("a weak sink", "minus the sink alone", ("lse - sinks[:, None]", "-sinks[:, None] + 0 * lse"))
BANK.wrong("one sink a head", "the sinks along the batch", ("sinks[:, None]", "sinks[:, None, None]"))
BANK.wrong("one sink a head", "the sinks along the tokens", ("sinks[:, None]", "sinks"))
BANK.wrong("keys and sink equally strong", "exp for sigmoid", (WHOLE, "(lse - sinks[:, None]).exp()"))
BANK.wrong("keys and sink equally strong", "the difference itself", (WHOLE, "lse - sinks[:, None]"))
BANK.wrong("a weak sink", "a straight line for the sigmoid", (WHOLE, "0.5 + (lse - sinks[:, None]).clamp(-2, 2) / 4"))
BANK.wrong("a weak sink", "tanh for sigmoid", (WHOLE, "0.5 + torch.tanh(lse - sinks[:, None]) / 2"))
BANK.wrong(
    "keys and sink equally strong", "the logsumexp itself over the sum", (WHOLE, "lse / (lse + sinks[:, None].exp())")
)


BANK.wrong("large scores", "the ratio of exponentials", (WHOLE, "lse.exp() / (lse.exp() + sinks[:, None].exp())"))


@BANK.right("a softmax of two numbers")
def by_softmax(lse, sinks):
    return torch.stack((lse, sinks[None, :, None].expand_as(lse)), -1).softmax(-1)[..., 0]
