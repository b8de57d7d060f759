"""`sinks_room` (chapter 26): the softmax that lost its sink, fixed, and a test that would have caught it."""

import torch

from gptoss_edu import attention
from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.catching import Mutant, catching


def right(scores, sinks):
    """Call the package's own function: (b, h, t, s) scores and (h,) sinks to (b, h, t, s + 1) shares."""
    return attention.attention_weights(scores, sinks)


def dropped(scores, sinks):
    return right(scores, torch.full_like(sinks, -torch.inf))


def scaled(scores, sinks):
    return right(scores, sinks / 8)


def of_another_head(scores, sinks):
    return right(scores, sinks.flip(0))


def never_negative(scores, sinks):
    return right(scores, sinks.clamp(min=0))


def on_every_score(scores, sinks):
    return dropped(scores + sinks.view(1, -1, 1, 1), sinks)


MUTANTS = (
    Mutant(
        "dropped",
        dropped,
        "A sink that takes nothing cannot be noticed. Use one that is large compared with the scores.",
    ),
    Mutant("scaled like a score", scaled, "Sinks of 0 stay 0 when they are scaled."),
    Mutant("another head's", of_another_head, "Use two heads whose sinks differ."),
    Mutant("never negative", never_negative, "Sinks may be negative, and the trained ones are: try one below 0."),
    Mutant(
        "added to the scores",
        on_every_score,
        "The row must contain the sink's share, and the other shares must shrink accordingly.",
    ),
)
GENERATOR = torch.Generator().manual_seed(26)
PROBES = (
    (torch.zeros(1, 2, 1, 1), torch.tensor([3.0, -3.0])),
    (torch.randn(2, 3, 2, 4, generator=GENERATOR), torch.randn(3, generator=GENERATOR)),
)
CHECK = catching(
    "sinks_room", right, MUTANTS, PROBES, 24, "numbers", lambda scores, sinks: scores.numel() + sinks.numel()
)
BANK = Bank("sinks_room")


@BANK.right("one score of 0 against two sinks")
def sinks_room():
    def fixed(scores, sinks):
        b, h, t, _ = scores.shape
        column = sinks.view(1, h, 1, 1).expand(b, h, t, 1)
        return torch.cat((scores, column), dim=-1).softmax(dim=-1)

    def test(weights):
        found = weights(torch.zeros(1, 2, 1, 1), torch.tensor([3.0, -3.0]))
        wanted = torch.tensor([[-3.0], [3.0]]).sigmoid()  # (h, s) shares left to the key
        assert torch.allclose(found[0, :, 0, :1], wanted)

    return fixed, test


GIVEN, ASKED = "torch.tensor([3.0, -3.0])", "assert torch.allclose(found[0, :, 0, :1], wanted)"
BANK.wrong("two functions", "what the test found", ("return fixed, test", "return fixed, test(fixed)"))
BANK.wrong(
    "fixed",
    "still without its sink",
    ("torch.cat((scores, column), dim=-1).softmax(dim=-1)", "torch.cat((scores.softmax(dim=-1), 0 * column), dim=-1)"),
)
BANK.wrong("fixed", "the sink's column cut off", ("softmax(dim=-1)\n\n", "softmax(dim=-1)[..., :-1]\n\n"))
BANK.wrong(
    "the right code passes",
    "the keys' shares sum to one",
    (ASKED, "assert torch.allclose(found[0, :, 0, :1].sum(), torch.tensor(2.0))"),
)
BANK.wrong(
    "dropped",
    "rows that sum to one, the sink's column included",
    (ASKED, "assert torch.allclose(found.sum(-1), torch.ones(1, 2, 1))"),
)
BANK.wrong(
    "dropped",
    "in bfloat16 beside a large score, with sinks of 0",
    (GIVEN, "torch.zeros(2)"),
    ("weights(torch.zeros(1, 2, 1, 1)", "weights(torch.full((1, 2, 1, 1), 12.0)"),
    (ASKED, "assert (found[..., 0].bfloat16() == 1).all()"),
)
BANK.wrong(
    "scaled like a score",
    "sinks of 0",
    (GIVEN, "torch.zeros(2)"),
    ("torch.tensor([[-3.0], [3.0]])", "torch.zeros(2, 1)"),
)
BANK.wrong(
    "another head's",
    "one head",
    ("torch.zeros(1, 2, 1, 1), torch.tensor([3.0, -3.0])", "torch.zeros(1, 1, 1, 1), torch.tensor([-3.0])"),
    ("torch.tensor([[-3.0], [3.0]])", "torch.tensor([[3.0]])"),
)
BANK.wrong(
    "never negative",
    "positive sinks only",
    (GIVEN, "torch.tensor([3.0, 1.0])"),
    ("torch.tensor([[-3.0], [3.0]])", "torch.tensor([[-3.0], [-1.0]])"),
)
BANK.wrong(
    "small",
    "sixteen keys",
    (ASKED, ASKED + "\n        assert weights(torch.zeros(1, 2, 1, 16), torch.zeros(2)).shape[-1] == 17"),
)
