"""`orthogonalise` (chapter 19): a matrix with all singular values near 1."""

import torch

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck


def through(orthogonalise, scales: list[float], turned: bool = False) -> list[float]:
    """Return the largest and smallest singular value of the result, for a diagonal or a rotated matrix."""
    turn = torch.tensor([[0.8, -0.6], [0.6, 0.8]]) if turned else torch.eye(2)
    result = orthogonalise(turn @ torch.diag(torch.tensor(scales)))
    values = torch.linalg.svdvals(result) if result.isfinite().all() else torch.tensor([torch.inf, torch.inf])
    return [float(values.max()), float(values.min())]


CHECK = CaseCheck("orthogonalise", "(x (m, n), steps=5) -> (m, n)", through)
BANK = Bank("orthogonalise")


@CHECK.cases
def cases():
    return [
        Case(
            "equal directions",
            ([3.0, 3.0],),
            [1.1081, 1.1081],
            "Divided by the Frobenius norm, both start at 0.707; five rounds of the polynomial make 1.108 of that.",
            atol=2e-2,
        ),
        Case(
            "one loud direction",
            ([5.0, 0.5],),
            [0.7087, 0.7020],
            "After five rounds both lie near 1, whatever their ratio was.",
            atol=2e-2,
        ),
        Case(
            "a turned matrix",
            ([5.0, 0.5], True),
            [0.7087, 0.7020],
            "A rotation changes no singular value: multiply matrices with @; powers of single entries are something "
            "else.",
            atol=2e-2,
        ),
        Case(
            "scale does not matter",
            ([5e4, 5e3],),
            [0.7087, 0.7020],
            "Without the division large numbers explode in the fifth power.",
            atol=2e-2,
        ),
    ]


@BANK.right("the quintic of the Gram matrix")
def orthogonalise(x, steps=5):
    a, b, c = 3.4445, -4.7750, 2.0315
    y = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = y @ y.mT
        y = a * y + (b * gram + c * gram @ gram) @ y
    return y


BANK.wrong("equal directions", "not divided by the norm", ("x / (x.norm() + 1e-7)", "x"))
BANK.wrong("equal directions", "divided by the largest entry", ("x.norm()", "x.abs().max()"))
BANK.wrong(
    "equal directions",
    "powers of single entries",
    ("y = a * y + (b * gram + c * gram @ gram) @ y", "y = a * y + b * y**3 + c * y**5"),
)
BANK.wrong("one loud direction", "one round", ("range(steps)", "range(1)"))
BANK.wrong("equal directions", "without the fifth power", (" + c * gram @ gram", ""))
BANK.wrong("equal directions", "the old matrix left out", ("a * y + (b", "(b"))
BANK.wrong(
    "equal directions",
    "the Gram matrix of the columns, not transposed",
    ("y @ y.mT", "y @ y"),
    ("c * gram @ gram", "c * gram"),
)
BANK.wrong(
    "one loud direction",
    "divided by the norm in every round",
    ("        gram = y", "        y = y / y.norm()\n        gram = y"),
)
