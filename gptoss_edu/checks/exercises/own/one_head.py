"""`one_head` (chapter 04): one head of attention under a given mask."""

import torch

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck(
    "one_head",
    "(q (t, d), k and v (s, d), allowed (t, s)) -> (t, d)",
    causes={
        "unmasked": (
            "The mask changes nothing: forbidden keys get the same weights as without it. `masked_fill` does not "
            "change its tensor but returns a new one: is its result assigned, and is it what the softmax gets?"
        )
    },
)
BANK = Bank("one_head")


def right(q, k, v, allowed):
    return torch.nn.functional.scaled_dot_product_attention(q[None], k[None], v[None], attn_mask=allowed[None])[0]


@CHECK.cases
def cases():
    generator = torch.Generator().manual_seed(0)

    def some(*shape):
        return torch.randn(*shape, generator=generator)

    causal, everything = torch.ones(5, 5).tril().bool(), torch.ones(2, 3).bool()
    band = torch.ones(4, 6).tril(2).bool() & torch.ones(4, 6).triu(0).bool()
    return [
        Case(
            "one key: its value comes out",
            (some(1, 4), some(1, 4), some(1, 4), causal[:1, :1]),
            right,
            "With one allowed key the weight is 1, whatever the score: its value comes out, not its key. nan: the "
            "allowed key was masked; masked_fill needs ~allowed.",
        ),
        Case(
            "a query of zero: the mean",
            (torch.zeros(2, 4), some(3, 4), some(3, 4), everything),
            right,
            "Equal scores give equal weights. Does the softmax run over the last axis, s, and is `allowed` the "
            "only mask?",
        ),
        Case(
            "scaled by the root of d",
            (some(2, 16), some(3, 16), some(3, 16), everything),
            right,
            "Scores are divided by the root of d. d is 16 here, and √4 fitted only the example: take it from the "
            "shape.",
        ),
        Case(
            "the forbidden keys",
            (some(5, 4), some(5, 4), some(5, 4), causal),
            right,
            "Forbidden scores become -inf BEFORE the softmax; nan: the mask is inverted. Zeroed weights would leave "
            "rows that sum to less than one; a score of 0 still gets a weight.",
        ),
        Case(
            "more keys than queries",
            (some(4, 8), some(6, 8), some(6, 8), band),
            right,
            "Use `allowed` as it is given, (t, s).",
        ),
    ]


@BANK.right("scores, mask, softmax, values")
def one_head(q, k, v, allowed):
    scores = q @ k.T / q.shape[-1] ** 0.5
    weights = scores.masked_fill(~allowed, -torch.inf).softmax(-1)
    return weights @ v


SCALE, MASK = "/ q.shape[-1] ** 0.5", "scores.masked_fill(~allowed, -torch.inf).softmax(-1)"
BANK.wrong("one key: its value comes out", "the keys weighed", ("weights @ v", "weights @ k"))
BANK.wrong("one key: its value comes out", "what is allowed masked", ("~allowed", "allowed"))
BANK.wrong("a query of zero: the mean", "an own causal mask", ("~allowed", "~torch.ones_like(scores).tril().bool()"))
BANK.wrong("a query of zero: the mean", "a softmax over the queries", ("softmax(-1)", "softmax(0)"))
BANK.wrong("scaled by the root of d", "scaled by the number of queries", (SCALE, "/ len(q) ** 0.5"))
BANK.wrong("scaled by the root of d", "not scaled", (SCALE, ""))
BANK.wrong("scaled by the root of d", "scaled by d", (SCALE, "/ q.shape[-1]"))
BANK.wrong("scaled by the root of d", "a root of 4 written in", (SCALE, "/ 2"))
BANK.wrong("the forbidden keys", "weights zeroed after the softmax", (MASK, "scores.softmax(-1) * allowed"))
BANK.wrong("the forbidden keys", "forbidden scores of 0", (MASK, "(scores * allowed).softmax(-1)"))
BANK.wrong("unmasked", "no mask", (MASK, "scores.softmax(-1)"))
BANK.wrong(
    "unmasked",
    "the result of masked_fill is not assigned",
    (
        "weights = scores.masked_fill(~allowed, -torch.inf).softmax(-1)",
        "scores.masked_fill(~allowed, -torch.inf)\n    weights = scores.softmax(-1)",
    ),
)
BANK.wrong(
    "more keys than queries",
    "a causal mask of its own, where there are keys to hide",
    ("    weights", "    allowed = allowed if allowed.all() else torch.ones_like(allowed).tril()\n    weights"),
)
