"""`first_red` (chapter 10): the first rung of a ladder that differs."""

import torch

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck("first_red", "(values, reference, tolerance) -> name or ")
BANK = Bank("first_red")


@CHECK.cases
def cases():
    ones, large, many = torch.ones(3), torch.tensor([0.0, 4000.0, 4000.0]), torch.ones(1000)
    one_off = torch.cat((many[1:], torch.tensor([1.5])))  # one of 1,000 values is wrong
    worst = ({"a": ones, "b": ones + 0.1, "c": ones + 9}, {"a": ones, "b": ones, "c": ones}, 1e-3)
    beside = ({"a": large + 0.01, "b": ones + 0.01}, {"a": large, "b": ones}, 1e-3)
    nan = ({"a": ones, "b": ones * torch.nan}, {"a": ones, "b": ones}, 1e-3)
    return [
        Case(
            "all equal",
            ({"a": ones, "b": large}, {"a": ones, "b": large}, 1e-5),
            "",
            "Equal records have no red rung: return the empty string.",
        ),
        Case(
            "first, not worst",
            worst,
            "b",
            "The worst rung is usually the last one, but the fault is at the FIRST one above the tolerance.",
        ),
        Case(
            "large values",
            beside,
            "b",
            "0.01 is rounding beside 4,000 and a fault beside 1: compare with the largest value of the whole "
            "tensor, not with a fixed number and not value by value.",
        ),
        Case(
            "a negative difference",
            ({"a": ones - 0.5}, {"a": ones}, 1e-3),
            "a",
            "Take the absolute value of the difference.",
        ),
        Case(
            "one value of many",
            ({"a": one_off}, {"a": many}, 1e-2),
            "a",
            "The LARGEST difference counts: in a mean, one wrong value is lost among many right ones.",
        ),
        Case(
            "the reference's size",
            ({"a": 1.8 * ones}, {"a": ones}, 0.5),
            "a",
            "The tolerance is relative to the largest value of the REFERENCE: a fault may have inflated the other "
            "record.",
        ),
        Case("not a number", nan, "b", "NaN > tolerance is False: ask `not difference <= …` instead."),
    ]


@BANK.right("the largest difference beside the reference's largest value")
def first_red(values, reference, tolerance):
    for name, value in values.items():
        right = reference[name]
        if not (value - right).abs().max() <= tolerance * right.abs().max():
            return name
    return ""


WITHIN = "(value - right).abs().max() <= tolerance * right.abs().max()"
BANK.wrong("one value of many", "the mean difference", ("abs().max() <=", "abs().mean() <="))
BANK.wrong("the reference's size", "the other record's size", ("* right.abs()", "* value.abs()"))
BANK.wrong("large values", "value by value", (WITHIN, "torch.allclose(value, right, tolerance, 0)"))
BANK.wrong("large values", "a fixed number", (WITHIN, "(value - right).abs().max() <= tolerance"))
BANK.wrong(
    "first, not worst",
    "the last one",
    ("    for name", "    found = ''\n    for name"),
    ("return name", "found = name"),
    ('return ""', "return found"),
)
BANK.wrong(
    "a negative difference", "without the absolute value", ("(value - right).abs().max()", "(value - right).max()")
)
BANK.wrong(
    "not a number",
    "a difference above the tolerance",
    (f"not {WITHIN}", "(value - right).abs().max() > tolerance * right.abs().max()"),
)
BANK.wrong("all equal", "None where all is well", ('return ""', "return 'none'"))
BANK.wrong("all equal", "exact equality or less", ("not (value", "(value"))
