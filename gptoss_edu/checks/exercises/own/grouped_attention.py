"""`grouped_attention` (chapter 04): attention of many heads that share keys and values."""

import torch

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck(
    "grouped_attention",
    "(q (b, t, h, d), k and v (b, s, g, d), mask (t, s)) -> (b, t, h, d)",
    causes={
        "groups_first": "All query heads read the same key/value head. Each group of neighbours has its own.",
        "unmasked": (
            "The mask changes nothing: hidden keys get the same weights as without it. `masked_fill` does not change "
            "its tensor but returns a new one: is its result assigned, and is it what the softmax gets?"
        ),
    },
)
BANK = Bank("grouped_attention")


def right(q, k, v, mask):
    n = q.shape[2] // k.shape[2]
    k, v = k.repeat_interleave(n, 2), v.repeat_interleave(n, 2)
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2)


@CHECK.cases
def cases():
    generator = torch.Generator().manual_seed(1)

    def some(*shape):
        return torch.randn(*shape, generator=generator)

    def causal(n):
        return torch.ones(n, n).tril().bool()

    band = torch.ones(4, 6).tril(2).bool() & torch.ones(4, 6).triu(0).bool()
    return [
        Case(
            "one head",
            (some(1, 3, 1, 4), some(1, 3, 1, 4), some(1, 3, 1, 4), causal(3)),
            right,
            "One head gives what one_head gives, laid out like q: scores over the root of d, softmax over the "
            "last axis, s.",
        ),
        Case(
            "two heads, each its own keys",
            (some(1, 2, 2, 4), some(1, 2, 2, 4), some(1, 2, 2, 4), causal(2)),
            right,
            "Each head reads its own keys, and the result is laid out like q. From (b, h, t, d), transpose back: a "
            "reshape alone would mix heads and tokens.",
        ),
        Case(
            "six heads share two",
            (some(1, 3, 6, 4), some(1, 3, 2, 4), some(1, 3, 2, 4), causal(3)),
            right,
            "Neighbours share: query head h reads h // 3, so 0 0 0 1 1 1. repeat and tile give 0 1 0 1 0 1.",
        ),
        Case(
            "one key/value head for all",
            (some(1, 3, 4, 4), some(1, 3, 1, 4), some(1, 3, 1, 4), causal(3)),
            right,
            "g may be 1.",
        ),
        Case(
            "a band, two rows, more keys than queries",
            (some(2, 4, 4, 16), some(2, 6, 2, 16), some(2, 6, 2, 16), band),
            right,
            "Scale by the root of d, the last axis; the mask (t, s), used as it is given, is the same for all "
            "rows and heads.",
        ),
    ]


@BANK.right("keys and values repeated, einsum")
def grouped_attention(q, k, v, mask):
    n = q.shape[2] // k.shape[2]
    k, v = k.repeat_interleave(n, 2), v.repeat_interleave(n, 2)  # (b, s, h, d)
    scores = torch.einsum("bthd,bshd->bhts", q, k) / q.shape[-1] ** 0.5
    weights = scores.masked_fill(~mask, -torch.inf).softmax(-1)
    return torch.einsum("bhts,bshd->bthd", weights, v)


SHARED = "k.repeat_interleave(n, 2), v.repeat_interleave(n, 2)"
BANK.wrong("one head", "not scaled", (" / q.shape[-1] ** 0.5", ""))
BANK.wrong("one head", "(b, h, t, d) returned", ("->bthd", "->bhtd"))
BANK.wrong("one head", "a softmax over the queries", ("softmax(-1)", "softmax(-2)"))
BANK.wrong(
    "one head",
    "weights zeroed after the softmax",
    ("scores.masked_fill(~mask, -torch.inf).softmax(-1)", "scores.softmax(-1) * mask"),
)
BANK.wrong(
    "unmasked",
    "the result of masked_fill is not assigned",
    (
        "weights = scores.masked_fill(~mask, -torch.inf).softmax(-1)",
        "scores.masked_fill(~mask, -torch.inf)\n    weights = scores.softmax(-1)",
    ),
)
BANK.wrong("six heads share two", "heads dealt out", (SHARED, "k.repeat(1, 1, n, 1), v.repeat(1, 1, n, 1)"))
BANK.wrong("six heads share two", "values dealt out", (SHARED, "k.repeat_interleave(n, 2), v.repeat(1, 1, n, 1)"))
BANK.wrong(
    "groups_first",
    "the first key/value head for all",
    (
        SHARED,
        "k[:, :, :1].expand_as(q[:, :1].expand(-1, k.shape[1], -1, -1)), v[:, :, :1].expand_as(q[:, "
        ":1].expand(-1, v.shape[1], -1, -1))",
    ),
)
BANK.wrong("a band, two rows, more keys than queries", "an own causal mask", ("~mask", "~torch.ones_like(mask).tril()"))
BANK.wrong("a band, two rows, more keys than queries", "a root of 4 written in", ("q.shape[-1] ** 0.5", "2"))
BANK.wrong(
    "two heads, each its own keys",
    "(b, h, t, d) reshaped instead of transposed",
    ('->bthd", weights, v)', '->bhtd", weights, v).reshape(q.shape)'),
)


@BANK.wrong("two heads, each its own keys", "heads made by a reshape")
def reshaped(q, k, v, mask):
    b, _, h, d = q.shape
    n = h // k.shape[2]
    k, v = k.repeat_interleave(n, 2), v.repeat_interleave(n, 2)
    q, k, v = (x.reshape(b, h, -1, d) for x in (q, k, v))
    out = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return out.reshape(b, -1, h, d)


@BANK.right("groups as an axis, in double precision")
def by_groups(q, k, v, mask):
    (b, t, h, d), g = q.shape, k.shape[2]
    q = q.double().reshape(b, t, g, h // g, d)
    scores = torch.einsum("btgnd,bsgd->bgnts", q, k.double()) / d**0.5
    scores[..., ~mask] = -torch.inf
    return torch.einsum("bgnts,bsgd->btgnd", scores.softmax(-1), v.double()).reshape(b, t, h, d)
