"""`column_parallel` (chapter 25): a rank's outputs of a linear map."""

import torch
import torch.nn.functional as F

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck
from gptoss_edu.fast import by_hand

CHECK = CaseCheck("column_parallel", "(x (n, c), weight (r, c), bias (r,), rank, size) -> (n, r / size)")
BANK = Bank("column_parallel")


def made(n: int, r: int, c: int, rank: int, size: int) -> tuple:
    generator = torch.Generator().manual_seed(r + 7 * size)
    return *(torch.randn(shape, generator=generator) for shape in ((n, c), (r, c), (r,))), rank, size


@CHECK.cases
def cases():
    right = by_hand.column_parallel
    return [
        Case("one rank", made(2, 4, 3, 0, 1), right, "A single rank holds everything: x @ weight.T + bias."),
        Case(
            "the first of two",
            made(2, 4, 3, 0, 2),
            right,
            "Rank 0 holds the first half of the outputs: rows 0 to r/size - 1 of the weight, in their order.",
        ),
        Case(
            "the second of two", made(2, 4, 3, 1, 2), right, "Rank 1 continues where rank 0 ends, including the bias."
        ),
        Case("one of three", made(3, 6, 6, 2, 3), right, "Each rank holds r // size rows of the weight."),
    ]


@BANK.right("a slice of rows")
def column_parallel(x, weight, bias, rank, size):
    part = weight.shape[0] // size
    mine = slice(rank * part, (rank + 1) * part)
    return F.linear(x, weight[mine], bias[mine])


@BANK.right("chunks")
def in_chunks(x, weight, bias, rank, size):
    return x @ weight.chunk(size)[rank].T + bias.chunk(size)[rank]


BANK.wrong("the first of two", "every size-th row", ("weight.chunk(size)[rank]", "weight[rank::size]"))
BANK.wrong(
    "the first of two",
    "all outputs on every rank",
    ("x @ weight.chunk(size)[rank].T + bias.chunk(size)[rank]", "x @ weight.T + bias"),
)
BANK.wrong("the second of two", "rank 0's bias everywhere", ("bias.chunk(size)[rank]", "bias.chunk(size)[0]"))
BANK.wrong(
    "the second of two",
    "the bias on rank 0 alone",
    ("+ bias.chunk(size)[rank]", "+ bias.chunk(size)[rank] * (rank == 0)"),
)
BANK.wrong("one rank", "no bias", (" + bias.chunk(size)[rank]", ""))
BANK.wrong(
    "the first of two",
    "ranks from the end",
    ("[rank].T + bias.chunk(size)[rank]", "[size - 1 - rank].T + bias.chunk(size)[size - 1 - rank]"),
)
