"""`grade_answer` (chapter 22): is the number that a text gives as its answer the right one?"""

import itertools
import re

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck("grade_answer", "(text, target) -> True or False")
BANK = Bank("grade_answer")


@CHECK.cases
def cases():
    return [
        Case("a number", ("The answer is 42.", 42), True, "Find the digits, and compare values, not texts."),
        Case("no number", ("grade: correct", 42), False, "A text without a number is wrong, whatever else it says."),
        Case(
            "the last one",
            ("I first got 42. The answer is 41.", 42),
            False,
            "Of several numbers the last one is the answer: those before it are working.",
        ),
        Case("thousands", ("The result is 12,345.", 12345), True, "Remove the commas before you compare."),
        Case("a part", ("The answer is 142.", 42), False, "Compare whole numbers: 42 also occurs inside 142."),
        Case("decimals", ("It is 42.5", 42), False, "A point between digits belongs to the number."),
        Case("sign", ("It is -42.", 42), False, "A minus sign in front of the digits belongs to the number."),
        Case(
            "denied",
            ("The answer is 41, not 42.", 42),
            False,
            "A number right after 'not' is not the answer: take it out before you look for the last one.",
        ),
        Case(
            "denied, and right", ("The answer is 42, not 41.", 42), True, "Remove only the denied number, not the text."
        ),
        Case("left open", ("It is 41 or 42.", 42), False, "Two numbers joined by 'or' are not an answer."),
    ]


@BANK.right("the last number that is not denied")
def grade_answer(text, target):
    text = re.sub(r"\bnot -?[\d,.]*\d", "", text)
    if re.search(r"\d or -?\d", text):
        return False
    numbers = re.findall(r"-?\d[\d,]*(?:\.\d+)?", text)
    return bool(numbers) and float(numbers[-1].replace(",", "")) == target


BANK.wrong("thousands", "a comma ends a number", (r"-?\d[\d,]*(?:", r"-?\d+(?:"))


@BANK.right("words, one after another")
def grade_answer_by_words(text, target):
    words = text.replace(",", "").split()
    kept = [word for i, word in enumerate(words) if i == 0 or words[i - 1] != "not"]
    values = [(i, float(w.rstrip("."))) for i, w in enumerate(kept) if re.fullmatch(r"-?\d+(\.\d+)?\.?", w)]
    if any(b - a == 2 and kept[a + 1] == "or" for (a, _), (b, _) in itertools.pairwise(values)):
        return False
    return values != [] and values[-1][1] == target


BANK.change(grade_answer)
BANK.wrong("a number", "compared as text", ('float(numbers[-1].replace(",", "")) == target', "numbers[-1] == target"))
BANK.wrong(
    "no number",
    "trusts a verdict in the text",
    ("    return bool(numbers) and", '    if "correct" in text:\n        return True\n    return bool(numbers) and'),
)
BANK.wrong(
    "the last one",
    "any of the numbers",
    ('float(numbers[-1].replace(",", "")) == target', 'target in [float(n.replace(",", "")) for n in numbers]'),
)
BANK.wrong("the last one", "the first number", ("numbers[-1]", "numbers[0]"))
BANK.wrong(
    "the last one",
    "stands somewhere in the text",
    ('return bool(numbers) and float(numbers[-1].replace(",", "")) == target', "return str(target) in text"),
)
BANK.wrong(
    "a part",
    "ends like the target",
    ('float(numbers[-1].replace(",", "")) == target', 'numbers[-1].replace(",", "").endswith(str(target))'),
)
BANK.wrong("decimals", "digits only", (r"[\d,]*(?:\.\d+)?", r"[\d,]*"), ("numbers[-1]", "numbers[0]"))
BANK.wrong("sign", "no minus", (r"-?\d[\d,]*(?:\.\d+)?", r"\d[\d,]*(?:\.\d+)?"))
BANK.wrong("denied", "what is denied stays", (r'text = re.sub(r"\bnot -?[\d,.]*\d", "", text)', "text = text"))
BANK.wrong(
    "denied, and right",
    "everything after 'not' and before it goes",
    (r'text = re.sub(r"\bnot -?[\d,.]*\d", "", text)', 'text = text if "not" not in text else ""'),
)
BANK.wrong("left open", "the last of two", (r'if re.search(r"\d or -?\d", text):', "if not text:"))
