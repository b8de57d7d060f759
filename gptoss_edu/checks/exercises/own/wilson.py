"""`wilson` (chapter 15): an interval for a share."""

from math import sqrt

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck("wilson", "(right, of, z=1.96) -> (lower, upper)")
BANK = Bank("wilson")


@CHECK.cases
def cases():
    return [
        Case(
            "the middle",
            (10, 20),
            (0.29930, 0.70070),
            "The middle is 1/2 here, so the half-width is wrong: it is z times the root, divided by 1 + z²/n, with "
            "z²/(4n²) under the root. Return the two ends, as shares.",
        ),
        Case(
            "all right",
            (20, 20),
            (0.83887, 1.0),
            "20 of 20 does not prove 100 %: because of the terms with z², the interval has a positive width.",
        ),
        Case("none right", (0, 50), (0.0, 0.07135), "The lower end is 0, but the upper end is not.", atol=1e-4),
        Case("many", (850, 1000), (0.82654, 0.87082), "With n = 1,000 it is nearly the textbook's interval."),
    ]


@BANK.right("middle and half-width")
def wilson(right, of, z=1.96):
    p = right / of
    middle = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z * sqrt(p * (1 - p) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return middle - half, middle + half


BANK.wrong(
    "the middle",
    "the textbook's interval",
    (" + z * z / (4 * of * of)) / (1 + z * z / of)", ")"),
    ("(p + z * z / (2 * of)) / (1 + z * z / of)", "p"),
)
BANK.wrong("the middle", "the half-width not divided", ("4 * of * of)) / (1 + z * z / of)", "4 * of * of))"))
BANK.wrong("the middle", "without the term under the root", (" + z * z / (4 * of * of)", ""))
BANK.wrong("the middle", "n for n² under the root", ("(4 * of * of)", "(4 * of)"))
BANK.wrong("the middle", "in percent", ("middle - half, middle + half", "100 * (middle - half), 100 * (middle + half)"))
BANK.wrong("the middle", "middle and half-width returned", ("middle - half, middle + half", "middle, half"))
BANK.wrong(
    "all right",
    "the share itself where all or none are right",
    ("return middle", "if p in (0, 1):\n        return p, p\n    return middle"),
)
BANK.wrong("all right", "the share as the middle", ("(p + z * z / (2 * of)) / (1 + z * z / of)", "p"))
