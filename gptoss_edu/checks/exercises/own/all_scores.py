"""`all_scores` (chapter 01): all dot products of queries and keys."""

import torch

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck("all_scores", "(q (t, h, d), k (s, h, d)) -> (h, t, s)")
BANK = Bank("all_scores")


@CHECK.cases
def cases():
    q, k = torch.arange(12.0).view(3, 2, 2), torch.arange(16.0).view(4, 2, 2) - 5
    by_head = torch.stack([q[:, h] @ k[:, h].T for h in range(2)])  # (h, t, s)
    one = q[:, 0, :1][None] * k[:, 0, 0][None, None]
    return [
        Case(
            "one head, one number each",
            (q[:, :1, :1], k[:, :1, :1]),
            one,
            "Heads come first in the result, then queries t, then keys s.",
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


BANK.wrong("one head, one number each", "keys before queries", ("->hts", "->hst"))
BANK.wrong("one head, one number each", "heads last", ("->hts", "->tsh"))
BANK.wrong("one head, one number each", "the head's axis in the middle", ("->hts", "->ths"))
BANK.wrong("two heads", "divided by the root of d", ('hts", q, k)', 'hts", q, k) / q.shape[-1] ** 0.5'))
BANK.wrong("two heads", "heads summed in the keys", ("shd->hts", "sgd->hts"))
BANK.wrong("two heads", "d summed by itself in each", ('"thd,shd->hts"', '"thd,she->hts"'))


@BANK.right("a product of transposed matrices")
def by_matmul(q, k):
    return q.transpose(0, 1) @ k.permute(1, 2, 0)
