"""`sink_share` (chapter 16): what the sink takes of each row."""

import torch

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck("sink_share", "(scores (h, t, s), sinks (h,)) -> (h, t)")
BANK = Bank("sink_share")


def right(scores, sinks):
    column = sinks.double()[:, None, None].expand(*scores.shape[:2], 1)
    return torch.cat([scores.double(), column], -1).softmax(-1)[..., -1]


@CHECK.cases
def cases():
    inf, three = float("inf"), torch.tensor([0.5, -1.0, 2.0])
    rows = torch.randn(3, 5, 7, generator=torch.Generator().manual_seed(0)) * 3
    hidden = torch.arange(7)[None] > torch.arange(5)[:, None] + 2
    return [
        Case(
            "a sink three times as strong as the key",
            (torch.tensor([[[0.0]]]), torch.tensor([3.0]).log()),
            torch.tensor([[0.75]]),
            "The sink gets three quarters, the key one. The sink itself belongs in the sum.",
        ),
        Case(
            "random rows",
            (rows, three),
            right,
            "Each head has its own sink: sinks (h,) must be compared along the head axis.",
        ),
        Case(
            "masked keys",
            (rows.masked_fill(hidden, -inf), three),
            right,
            "A masked key has the score -inf and adds exp(-inf) = 0.",
        ),
        Case(
            "no sink",
            (rows, torch.tensor([-inf, -inf, -inf])),
            torch.zeros(3, 5),
            "exp(-inf - L) is 0: without a sink nothing is left over.",
        ),
        Case(
            "large scores",
            (rows + 500, torch.tensor([500.0, 499.0, 502.0])),
            right,
            "exp(500) overflows: subtract before the exponential.",
        ),
    ]


@BANK.right("by logaddexp")
def sink_share(scores, sinks):
    sink = sinks.float()[:, None]
    total = torch.logaddexp(scores.float().logsumexp(-1), sink)
    return torch.exp(sink - total)


LSE, SHARE = "scores.float().logsumexp(-1)", "torch.exp(sink - total)"
TOTAL = f"torch.logaddexp({LSE}, sink)"
BANK.wrong("a sink three times as strong as the key", "the sink left out of the sum", (TOTAL, LSE))
BANK.wrong("a sink three times as strong as the key", "what is left to the keys", (SHARE, f"1 - {SHARE}"))
BANK.wrong(
    "a sink three times as strong as the key",
    "the sink itself added to the sum",
    (TOTAL, "(scores.float().exp().sum(-1) + sink).log()"),
)
BANK.wrong("random rows", "the mean sink for all heads", ("sinks.float()[:, None]", "sinks.float().mean()"))
BANK.wrong("random rows", "the first sink for all heads", ("sinks.float()[:, None]", "sinks.float()[:1, None]"))
BANK.wrong(
    "masked keys",
    "masked keys counted as scores of 0",
    (LSE, "scores.float().masked_fill(scores.isinf(), 0).logsumexp(-1)"),
)
BANK.wrong(
    "large scores", "exp without the maximum subtracted", (TOTAL, "(scores.float().exp().sum(-1) + sink.exp()).log()")
)
BANK.wrong("random rows", "the largest score for all keys", (LSE, "scores.float().amax(-1)"))
