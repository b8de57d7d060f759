"""`schedule` (chapter 19): the rate: warm-up, plateau, decay."""

import math  # noqa: F401  (an exchange uses it)

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck("schedule", "(progress, step, warmup, decay) -> share of the highest rate")
BANK = Bank("schedule")


@CHECK.cases
def cases():
    return [
        Case("the first step", (0.0, 0, 10, 0.2), 0.1, "The first step already moves: (0 + 1) / 10."),
        Case("the plateau", (0.5, 500, 10, 0.2), 1.0, "In the middle the rate is at its highest."),
        Case("half-way down", (0.9, 900, 10, 0.2), 0.5, "The last fifth: at 0.9 half of it is left."),
        Case("the end", (1.0, 1000, 10, 0.2), 0.0, "At the end the rate is zero."),
        Case(
            "a clock that ran over",
            (1.01, 1010, 10, 0.2),
            0.0,
            "The rate is never negative: that would increase the loss.",
        ),
    ]


@BANK.right("a product of two ramps")
def schedule(progress, step, warmup, decay):
    rising = min(1.0, (step + 1) / warmup)
    falling = min(1.0, max(0.0, 1.0 - progress) / decay)
    return rising * falling


BANK.wrong("the first step", "the first step stands still", ("(step + 1) / warmup", "step / warmup"))
BANK.wrong("the plateau", "the warm-up goes on rising", ("min(1.0, (step + 1) / warmup)", "(step + 1) / warmup"))
BANK.wrong(
    "the plateau", "the fall begins at once", ("min(1.0, max(0.0, 1.0 - progress) / decay)", "max(0.0, 1.0 - progress)")
)
BANK.wrong("half-way down", "no fall", ("return rising * falling", "return rising"))
BANK.wrong(
    "half-way down",
    "a cosine instead of a straight line",
    (
        "return rising * falling",
        "return rising * (1 - math.cos(math.pi * falling)) / 2 if falling > 0.6 or falling < 0.4 else rising * 0.6",
    ),
)
BANK.wrong("a clock that ran over", "negative at the end", ("max(0.0, 1.0 - progress)", "(1.0 - progress)"))
BANK.wrong(
    "half-way down",
    "the fall over the first `decay` of the way",
    ("max(0.0, 1.0 - progress) / decay", "max(0.0, 1.0 - progress) / (1 - decay)"),
)
BANK.wrong("the end", "never quite still", ("max(0.0,", "max(0.05,"))
