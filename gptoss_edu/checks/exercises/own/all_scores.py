"""`all_scores` (chapter 01): all dot products of queries and keys."""

import torch

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CAUSES = {
    "axes_order": "The axes of the result are in another order. Heads come first, then queries t, then keys s.",
    "scaled": (
        "The scores are divided by d, or by its root. A division belongs to chapter 04; here nothing is divided."
    ),
    "scaled_by_heads": (
        "The scores are divided by h, the number of heads, or by its root: q.shape[1] is h. Here nothing is divided."
    ),
    "softmax": (
        "A softmax is taken. The scores are the products themselves; what becomes of them belongs to chapter 04."
    ),
    "heads_summed": (
        "The heads of q and k have different letters, so every head of one meets all heads of the other. The "
        "same letter h matches them."
    ),
    "d_apart": (
        "d has another letter in each input, so each is summed by itself. One letter for both multiplies "
        "first, then sums."
    ),
}
CHECK = CaseCheck("all_scores", "(q (t, h, d), k (s, h, d)) -> (h, t, s)", causes=CAUSES)
BANK = Bank("all_scores")


@CHECK.cases
def cases():
    # t 3, s 7, h 2, d 5: no two of them, nor of their roots, are equal
    q, k = torch.arange(30.0).view(3, 2, 5), torch.arange(70.0).view(7, 2, 5) - 5
    by_head = torch.stack([q[:, h] @ k[:, h].T for h in range(2)])  # (h, t, s)
    one = q[:, 0, :1][None] * k[:, 0, 0][None, None]
    return [
        Case(
            "one head, one number each",
            (q[:, :1, :1], k[:, :1, :1]),
            one,
            "Heads come first in the result, then queries t, then keys s. With one number each, a score is one "
            "product.",
        ),
        Case(
            "two heads",
            (q, k),
            by_head,
            "h is in both inputs and in the result, so heads are matched. d is not in the result, so it is summed. "
            "Nothing is divided.",
        ),
    ]


@BANK.right("einsum")
def all_scores(q, k):
    return torch.einsum("thd,shd->hts", q, k)


BANK.wrong("axes_order", "keys before queries", ("->hts", "->hst"))
BANK.wrong("axes_order", "heads last", ("->hts", "->tsh"))
BANK.wrong("axes_order", "the head's axis in the middle", ("->hts", "->ths"))
BANK.wrong("scaled", "divided by the root of d", ('hts", q, k)', 'hts", q, k) / q.shape[-1] ** 0.5'))
BANK.wrong("scaled", "divided by d", ('hts", q, k)', 'hts", q, k) / q.shape[-1]'))
BANK.wrong("scaled_by_heads", "divided by h", ('hts", q, k)', 'hts", q, k) / q.shape[1]'))
BANK.wrong("scaled_by_heads", "divided by the root of h", ('hts", q, k)', 'hts", q, k) / q.shape[1] ** 0.5'))
BANK.wrong("softmax", "a softmax over the keys", ('hts", q, k)', 'hts", q, k).softmax(-1)'))
BANK.wrong(
    "softmax",
    "a softmax over the keys, of scores over the root of d",
    ('torch.einsum("thd,shd->hts", q, k)', '(torch.einsum("thd,shd->hts", q, k) / q.shape[-1] ** 0.5).softmax(-1)'),
)
BANK.wrong("heads_summed", "heads summed in the keys", ("shd->hts", "sgd->hts"))
BANK.wrong("d_apart", "d summed by itself in each", ('"thd,shd->hts"', '"thd,she->hts"'))


@BANK.right("a product of transposed matrices")
def by_matmul(q, k):
    return q.transpose(0, 1) @ k.permute(1, 2, 0)
