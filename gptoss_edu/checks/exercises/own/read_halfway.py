"""`read_halfway` (chapter 03): the probabilities that a layer would give if it were the last."""

import torch

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck("read_halfway", "(stream (t, c), scale (c,), unembedding (v, c)) -> (t, v)")
BANK = Bank("read_halfway")


@CHECK.cases
def cases():
    x, eye, even = torch.tensor([[3.0, 4.0], [30.0, 40.0]]), torch.eye(2), torch.tensor([[0.5, 0.5]])
    two = (x[:1] / 12.5**0.5).softmax(-1).expand(2, 2)
    three = (torch.tensor([[27.0, 0, 0]]) / 12.5**0.5).softmax(-1)
    return [
        Case(
            "an unembedding of zeros",
            (x, torch.ones(2), torch.zeros(3, 2)),
            torch.full((2, 3), 1 / 3),
            "All logits are 0, so the three tokens are equally probable in every row: softmax over the vocabulary, the "
            "last axis.",
        ),
        Case(
            "two tokens",
            (x, torch.ones(2), eye),
            two,
            "Both rows have one direction, so the norm of each row makes them equal: normalise row by row, before "
            "the unembedding.",
        ),
        Case(
            "a scale",
            (x[:1], torch.tensor([4.0, 3.0]), eye),
            even,
            "The scale of the final norm weights the channels: rms_norm(stream, scale).",
        ),
        Case(
            "a vocabulary of three",
            (x[:1], torch.ones(2), torch.tensor([[9.0, 0], [0, 0], [0, 0]])),
            three,
            "unembedding (v, c) has one row per token: @ unembedding.T.",
        ),
    ]


def rms_norm(x, scale, eps=1e-5):
    """Return the finished norm, in float32."""
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * scale


@BANK.right("norm, unembedding, softmax")
def read_halfway(stream, scale, unembedding):
    logits = rms_norm(stream, scale) @ unembedding.T
    return logits.softmax(dim=-1)


BANK.wrong(
    "an unembedding of zeros",
    "a softmax over everything",
    ("logits.softmax(dim=-1)", "logits.flatten().softmax(0).view_as(logits)"),
)
BANK.wrong("an unembedding of zeros", "logits, not probabilities", ("logits.softmax(dim=-1)", "logits"))
BANK.wrong("an unembedding of zeros", "log-probabilities", ("logits.softmax(dim=-1)", "logits.log_softmax(dim=-1)"))
BANK.wrong("an unembedding of zeros", "a softmax over the rows", ("softmax(dim=-1)", "softmax(dim=0)"))
BANK.wrong("an unembedding of zeros", "a sigmoid", ("logits.softmax(dim=-1)", "logits.sigmoid()"))
BANK.wrong(
    "two tokens",
    "one norm for all rows",
    ("rms_norm(stream, scale)", "(stream / stream.square().mean().sqrt() * scale)"),
)
BANK.wrong("two tokens", "no norm", ("rms_norm(stream, scale)", "(stream * scale)"))
BANK.wrong(
    "two tokens",
    "the norm after the unembedding",
    ("rms_norm(stream, scale) @ unembedding.T", "rms_norm(stream @ unembedding.T, 1.0)"),
)
BANK.wrong("a scale", "the scale left out", ("rms_norm(stream, scale)", "rms_norm(stream, 1.0)"))
BANK.wrong(
    "a vocabulary of three",
    "the first rows of the unembedding, not transposed",
    ("unembedding.T", "unembedding[: len(scale)]"),
)
BANK.wrong("a vocabulary of three", "the unembedding not transposed", ("unembedding.T", "unembedding"))
