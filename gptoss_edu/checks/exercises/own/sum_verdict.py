"""`sum_verdict` (chapter 27): does the total of a written product follow from its rows?"""

import re

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck("sum_verdict", "(thought) -> 'follows', 'differs' or 'other form'")
BANK = Bank("sum_verdict")


@CHECK.cases
def cases():
    return [
        Case("it follows", ("35*36:210+1050=1260",), "follows", "210 + 1050 is 1260."),
        Case("it does not", ("35*36:210+1050=1280",), "differs", "210 + 1050 is 1260, not 1280."),
        Case(
            "the key's total",
            ("1228*5263:3684+73680+245600+6140000=6428964",),
            "differs",
            "Add up all rows: 3684 + 73680 + 245600 + 6140000 is 6462964.",
        ),
        Case("one digit", ("912*3:2736=2736",), "follows", "A product with one row has a sum too."),
        Case("a row of zero", ("912*290:0+82080+182400=264480",), "follows", "0 is a row like any other."),
        Case(
            "a wrong row",
            ("35*36:220+1050=1270",),
            "follows",
            "Only the sum is checked: 220 + 1050 is 1270, even though 220 is wrong.",
        ),
        Case("words", ("The key says 1260. I take the key.",), "other form", "Another form cannot be judged."),
        Case("no thought", (None,), "other form", "Without a thought nothing can be judged."),
        Case("no total", ("35*36:210+1050",), "other form", "The thought ends before its total."),
        Case(
            "more behind it",
            ("35*36:210+1050=1260, I take the key",),
            "other form",
            "The whole thought must have this form.",
        ),
        Case("no rows", ("35*36=1260",), "other form", "Without rows there is nothing to add up."),
        Case("a blank at the end", ("35*36:210+1050=1260 ",), "follows", "First strip blanks from both ends."),
    ]


@BANK.right("one pattern")
def sum_verdict(thought):
    found = re.fullmatch(r"\d+\*\d+:(\d+(?:\+\d+)*)=(\d+)", (thought or "").strip())
    if found is None:
        return "other form"
    return "follows" if sum(map(int, found[1].split("+"))) == int(found[2]) else "differs"


@BANK.right("cut at the signs")
def by_cutting(thought):
    text = (thought or "").strip()
    head, colon, tail = text.partition(":")
    rows, equals, total = tail.partition("=")
    numbers = [*head.split("*"), *rows.split("+"), total]
    if not (colon and equals and head.count("*") == 1 and all(number.isdecimal() for number in numbers)):
        return "other form"
    return "follows" if sum(int(row) for row in rows.split("+")) == int(total) else "differs"


BANK.change(sum_verdict)
SUM = 'sum(map(int, found[1].split("+"))) == int(found[2])'
BANK.wrong("it follows", "a number and a text", (SUM, 'sum(map(int, found[1].split("+"))) == found[2]'))
BANK.wrong("it does not", "the form alone", (SUM, "True"))
BANK.wrong("it does not", "as long as the sum", (SUM, 'len(str(sum(map(int, found[1].split("+"))))) == len(found[2])'))
BANK.wrong("the key's total", "the first two rows", (SUM, 'sum(map(int, found[1].split("+")[:2])) == int(found[2])'))
BANK.wrong("it follows", "the other way round", (SUM, 'sum(map(int, found[1].split("+"))) != int(found[2])'))
BANK.wrong("one digit", "at least two rows", (r"(?:\+\d+)*)", r"(?:\+\d+)+)"))
BANK.wrong("a row of zero", "rows begin with 1 to 9", (r"(\d+(?:\+\d+)*)", r"([1-9]\d*(?:\+[1-9]\d*)*)"))
BANK.wrong("words", "words are suspicious", ('return "other form"', 'return "differs"'))
BANK.wrong("words", "words are fine", ('return "other form"', 'return "follows"'))
BANK.wrong("no thought", "None has no strip", ('(thought or "").strip()', "thought.strip()"))
BANK.wrong("more behind it", "the beginning is enough", ("re.fullmatch", "re.match"))
BANK.wrong("a blank at the end", "blanks stay", (".strip()", ""))
BANK.wrong("no rows", "the product is a row", (r"\d+\*\d+:(\d", r"\d+\*(?:\d+:)?(\d"))
BANK.wrong("it follows", "True and False", ('"follows" if', "True if"), ('else "differs"', "else False"))


@BANK.wrong("a wrong row", "the product itself")
def by_product(thought):
    found = re.fullmatch(r"(\d+)\*(\d+):(\d+(?:\+\d+)*)=(\d+)", (thought or "").strip())
    if found is None:
        return "other form"
    return "follows" if int(found[1]) * int(found[2]) == int(found[4]) else "differs"


@BANK.wrong("a wrong row", "rows and total")
def rows_too(thought):
    found = re.fullmatch(r"(\d+)\*(\d+):(\d+(?:\+\d+)*)=(\d+)", (thought or "").strip())
    if found is None:
        return "other form"
    rows = [int(row) for row in found[3].split("+")]
    right = [int(found[1]) * int(d) * 10**i for i, d in enumerate(reversed(found[2]))]
    return "follows" if rows == right and sum(rows) == int(found[4]) else "differs"


@BANK.wrong("words", "all numbers of the text")
def all_numbers(thought):
    numbers = [int(n) for n in re.findall(r"\d+", thought or "")]
    if not numbers:
        return "other form"
    return "follows" if sum(numbers[2:-1]) == numbers[-1] else "differs"
