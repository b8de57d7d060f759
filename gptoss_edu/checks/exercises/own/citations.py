"""`citations` (chapter 13): the citations in an answer."""

import re

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck("citations", "(answer) -> {mark: (cursor, first line, last line)}")
BANK = Bank("citations")


@CHECK.cases
def cases():
    two = {"【0†L1】": (0, 1, 1), "【12†L10-L200】": (12, 10, 200)}
    return [
        Case(
            "one line",
            ("So【8†L3】.",),
            {"【8†L3】": (8, 3, 3)},
            "Three ints: a mark without a second number ends at its first line.",
        ),
        Case("a range", ("【6†L2-L4】",), {"【6†L2-L4】": (6, 2, 4)}, "The second number follows -L."),
        Case("two marks", ("a【0†L1】b【12†L10-L200】",), two, "Take every match, and numbers of any length."),
        Case(
            "a link is none",
            ("see 【0†Laundry】 and 【1†L】 and 【L3】",),
            {},
            "Only L and digits may come between † and 】.",
        ),
    ]


@BANK.right("one expression, its second number optional")
def citations(answer):
    found = {}
    for match in re.finditer(r"【(\d+)†L(\d+)(?:-L(\d+))?】", answer):
        found[match[0]] = (int(match[1]), int(match[2]), int(match[3] or match[2]))
    return found


BANK.wrong("one line", "ranges only", ("(?:-L(\\d+))?", "-L(\\d+)"), ("match[3] or match[2]", "match[3]"))
BANK.wrong("a range", "the L of the second number forgotten", ("(?:-L(", "(?:-("))
BANK.wrong(
    "one line",
    "words instead of numbers",
    ("(int(match[1]), int(match[2]), int(match[3] or match[2]))", "(match[1], match[2], match[3] or match[2])"),
)
BANK.wrong(
    "one line",
    "two numbers where there is no range",
    ("int(match[3] or match[2]))", "*([int(match[3])] if match[3] else []))"),
)
BANK.wrong("two marks", "the first mark only", ("    return found", "    return dict(list(found.items())[:1])"))
BANK.wrong("two marks", "one digit each", ("(\\d+)†L(\\d+)(?:-L(\\d+))?", "(\\d)†L(\\d)(?:-L(\\d))?"))
BANK.wrong(
    "a link is none",
    "anything between the brackets",
    ("†L(\\d+)(?:-L(\\d+))?】", "†L?(\\d*)(?:-L(\\d+))?[^】]*】"),
    ("int(match[2]), int(match[3] or match[2])", "int(match[2] or 0), int(match[3] or match[2] or 0)"),
)
BANK.wrong("one line", "the marks without their numbers", ("return found", "return list(found)"))
