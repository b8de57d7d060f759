"""`tile` (chapter 18): the places that one program of a kernel reads."""

import numpy as np

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck
from gptoss_edu.fast import in_numpy


def through(tile, *arguments) -> np.ndarray:
    """Return the offsets, -1 where they are masked."""
    offsets, mask = tile(*arguments)
    return np.where(mask, offsets, -1)


CHECK = CaseCheck("tile", "(pid, step, block_n, block_c, rows, c) -> (offsets, mask)", through)
BANK = Bank("tile")


def right(*arguments):
    offsets, mask = in_numpy.tile(*arguments)
    return np.where(mask, offsets, -1)


@CHECK.cases
def cases():
    return [
        Case("the first tile", (0, 0, 2, 4, 8, 12), right, "Row n begins at n * c, not at n * block_c."),
        Case("the next step", (0, 2, 2, 4, 8, 12), right, "Step s begins at column s * block_c of the same rows."),
        Case(
            "another program",
            (3, 0, 2, 4, 8, 12),
            right,
            "Program p begins at row p * block_n: p * block_n * c places on.",
        ),
        Case(
            "rows that do not exist",
            (2, 0, 4, 4, 9, 12),
            right,
            "The last program reaches below the matrix: mask n < rows.",
        ),
        Case(
            "columns that do not exist",
            (0, 3, 2, 4, 8, 14),
            right,
            "The last step reaches beyond the right edge. Its offsets exist, but they belong to the NEXT row: "
            "compare the column with c, not the offset with the size.",
        ),
    ]


@BANK.right("rows and columns")
def tile(pid, step, block_n, block_c, rows, c):
    n = pid * block_n + np.arange(block_n)
    columns = step * block_c + np.arange(block_c)
    offsets = n[:, None] * c + columns[None, :]
    mask = (n < rows)[:, None] & (columns < c)[None, :]
    return offsets, mask


MASK = "(n < rows)[:, None] & (columns < c)[None, :]"
BANK.wrong("the first tile", "rows as long as the tile", ("n[:, None] * c +", "n[:, None] * block_c +"))
BANK.wrong(
    "the first tile",
    "rows and columns exchanged",
    ("n[:, None] * c + columns[None, :]", "n[:, None] + columns[None, :] * c"),
)
BANK.wrong("the next step", "the step forgotten", ("step * block_c + np.arange(block_c)", "np.arange(block_c)"))
BANK.wrong("the next step", "steps of one column", ("step * block_c", "step"))
BANK.wrong("another program", "the program forgotten", ("pid * block_n + np.arange(block_n)", "np.arange(block_n)"))
BANK.wrong("another program", "programs of one row", ("pid * block_n", "pid"))
BANK.wrong(
    "rows that do not exist", "the rows not masked", (MASK, "np.ones((block_n, 1), bool) & (columns < c)[None, :]")
)
BANK.wrong(
    "columns that do not exist", "the columns not masked", (MASK, "(n < rows)[:, None] & np.ones((1, block_c), bool)")
)
BANK.wrong("columns that do not exist", "the offset compared with the size", (MASK, "offsets < rows * c"))
BANK.wrong("columns that do not exist", "one column too many", ("columns < c", "columns <= c"))
BANK.wrong("rows that do not exist", "one row too many", ("n < rows", "n <= rows"))
BANK.wrong("the first tile", "a mask that is True outside", (MASK, f"~({MASK})"))
