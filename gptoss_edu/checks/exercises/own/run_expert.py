"""`run_expert` (chapter 07): one expert for a few tokens."""

import torch

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck("run_expert", "(x (n, c), w1 (2f, c), b1 (2f,), w2 (c, f), b2 (c,)) -> (n, c)")
BANK = Bank("run_expert")


def swiglu(x, alpha=1.702, limit=7.0):
    gate, up = x[..., ::2].clamp(max=limit), x[..., 1::2].clamp(-limit, limit)
    return gate * torch.sigmoid(alpha * gate) * (up + 1)


@CHECK.cases
def cases():
    eye, none = torch.eye(2), torch.zeros(2)
    x, w1 = torch.tensor([[1.0, 2.0], [-1.0, 0.5]]), torch.tensor([[1.0, 0], [0, 1], [0, 2], [1, 0]])
    act, shift, square = swiglu(x @ w1.T), torch.tensor([5.0, -5.0]), torch.tensor([[1.0, 2.0], [0.0, 1.0]])
    mixed = torch.stack((act[:, 0] + 2 * act[:, 1], act[:, 1]), -1)
    return [
        Case(
            "the first matrix",
            (x, w1, torch.zeros(4), eye, none),
            act,
            "Here w2 is the identity and there are no biases: the result is swiglu(x @ w1.T) and nothing else.",
        ),
        Case(
            "the first bias",
            (x, w1, torch.ones(4), eye, none),
            swiglu(x @ w1.T + 1),
            "b1 is added before the activation.",
        ),
        Case(
            "the second bias", (x, w1, torch.zeros(4), eye, shift), act + shift, "b2 is added after the second matrix."
        ),
        Case(
            "a square second matrix",
            (x, w1, torch.zeros(4), square, none),
            mixed,
            "w2 is (c, f): out, in. For rows of tokens that is act @ w2.T; square matrices hide the mistake.",
        ),
    ]


@BANK.right("two products")
def run_expert(x, w1, b1, w2, b2):
    act = swiglu(x @ w1.T + b1)
    return act @ w2.T + b2


BANK.wrong("a square second matrix", "w2 not transposed", ("w2.T", "w2"))
BANK.wrong("the first matrix", "the residual added", ("return act", "return x + act"))
BANK.wrong("the first matrix", "the activation left out", ("swiglu(x @ w1.T + b1)", "(x @ w1.T + b1)[:, ::2]"))
BANK.wrong(
    "the first matrix",
    "the activation after the second matrix",
    ("swiglu(x @ w1.T + b1)", "(x @ w1.T + b1)"),
    ("act @ w2.T + b2", "swiglu(act) @ w2.T + b2 + 1"),
)
BANK.wrong("the first bias", "every second number of b1 after the activation", (" + b1)", ") + b1[::2]"))
BANK.wrong("the first bias", "b1 left out", (" + b1", ""))
BANK.wrong("the second bias", "b2 left out", (" + b2", ""))
BANK.wrong("the second bias", "b2 added before the second matrix, and again", ("act @ w2.T", "(act + b2) @ w2.T"))


@BANK.right("einsum")
def by_einsum(x, w1, b1, w2, b2):
    act = swiglu(torch.einsum("nc,fc->nf", x, w1) + b1)
    return torch.einsum("nf,cf->nc", act, w2) + b2
