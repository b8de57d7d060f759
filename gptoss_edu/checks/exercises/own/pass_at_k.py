"""`pass_at_k` (chapter 15): the chance that k tries hold a right one."""

from math import comb

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck("pass_at_k", "(n, c, k) -> share")
BANK = Bank("pass_at_k")


@CHECK.cases
def cases():
    return [
        Case("one try", (8, 2, 1), 0.25, "With k = 1 it is the share of right ones."),
        Case(
            "two tries",
            (4, 2, 2),
            1 - 1 / 6,
            "One of the 6 pairs holds no right try: draw without replacement, not 1 - (1 - c/n)^k.",
        ),
        Case("none right", (8, 0, 8), 0.0, "No try is right, so none can be found."),
        Case(
            "more tries than wrong ones",
            (8, 3, 6),
            1.0,
            "Only 5 are wrong: six tries must hold a right one; comb(5, 6) is 0.",
        ),
    ]


@BANK.right("less the chance of wrong ones only")
def pass_at_k(n, c, k):
    return 1 - comb(n - c, k) / comb(n, k)


BANK.wrong("one try", "the chance of wrong ones only", ("1 - comb(n - c", "comb(n - c"))
BANK.wrong("one try", "right and wrong exchanged", ("comb(n - c, k)", "comb(c, k)"))
BANK.wrong("two tries", "drawn with replacement", ("comb(n - c, k) / comb(n, k)", "(1 - c / n) ** k"))
BANK.wrong("two tries", "k times the share", ("1 - comb(n - c, k) / comb(n, k)", "min(1, k * c / n)"))
BANK.wrong("one try", "all k tries right", ("1 - comb(n - c, k) / comb(n, k)", "comb(n - c, n - k) / comb(n, k)"))
BANK.wrong("two tries", "the share, whatever k is", ("1 - comb(n - c, k) / comb(n, k)", "c / n"))
