"""`packed_mask` (chapter 19): who may see whom where documents share a row."""

import torch

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck


def through(packed_mask, row: list[int]):
    """Return ones and zeros for one row of document numbers."""
    return packed_mask(torch.tensor([row])).int()


CHECK = CaseCheck("packed_mask", "(documents (b, t)) -> (b, t, s)", through)
BANK = Bank("packed_mask")


@CHECK.cases
def cases():
    causal, two = [[1, 0, 0], [1, 1, 0], [1, 1, 1]], [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    return [
        Case(
            "one document",
            ([0, 0, 0],),
            [causal],
            "Within a document it is the causal mask, the token itself included.",
        ),
        Case("two documents", ([0, 0, 1],), [two], "The third token belongs to another document: it sees only itself."),
        Case(
            "three documents",
            ([0, 1, 2],),
            [[[1, 0, 0], [0, 1, 0], [0, 0, 1]]],
            "Equal numbers, not smaller or equal ones.",
        ),
    ]


@BANK.right("the same document, not later")
def packed_mask(documents):
    t = documents.shape[1]
    same = documents[:, :, None] == documents[:, None, :]
    return same & torch.ones(t, t, dtype=torch.bool).tril()


CAUSAL = "torch.ones(t, t, dtype=torch.bool).tril()"
BANK.wrong("one document", "not causal", (f" & {CAUSAL}", ""))
BANK.wrong("one document", "without the token itself", (".tril()", ".tril(-1)"))
BANK.wrong("one document", "the future instead of the past", (".tril()", ".triu()"))
BANK.wrong("two documents", "causal only", ("same & torch", "(same | True) & torch"))
BANK.wrong("two documents", "earlier documents too", ("[:, :, None] == ", "[:, :, None] >= "))
