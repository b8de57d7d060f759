"""`touched` (chapter 22): does a run of words of a question stand in a text for training?"""

import re

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck("touched", "(question, corpus, n) -> True or False")
BANK = Bank("touched")
LONG = "A baker sells nine rolls and then bakes fourteen more"


@CHECK.cases
def cases():
    return [
        Case("a copy", (LONG, f"Task one. {LONG}. How many?", 5), True, "All of its runs occur."),
        Case(
            "another text",
            (LONG, "A sailor sells fish and then buys a boat", 5),
            False,
            "No run of five words is shared.",
        ),
        Case(
            "a run in the middle",
            (LONG, "nine rolls and then bakes nothing", 5),
            True,
            "One common run is enough, wherever it begins in the question.",
        ),
        Case("the last run", (LONG, "he then bakes fourteen more", 4), True, "The last run begins at len - n."),
        Case(
            "case and marks",
            ("What is 12, times 7?", "what is 12 times 7", 5),
            True,
            "Compare words in lower case, without punctuation: a comma must not hide a copy.",
        ),
        Case(
            "whole words",
            ("he ate one or two", "she ate one or two", 5),
            False,
            "Compare words, not letters: 'he ate one or two' is a part of the other text as letters.",
        ),
        Case("in order", ("one two three", "three two one", 3), False, "The words must follow each other in order."),
        Case(
            "with nothing between",
            ("one two three", "one and two and three", 3),
            False,
            "A run has nothing between its words.",
        ),
        Case(
            "a short question",
            ("What is 12 times 7?", "and what is 12 times 7", 13),
            True,
            "If the question is shorter than n, look for all of it.",
        ),
    ]


@BANK.right("runs as tuples")
def touched(question, corpus, n):
    asked, held = re.findall(r"\w+", question.lower()), re.findall(r"\w+", corpus.lower())
    n = min(n, len(asked))
    runs = {tuple(asked[i : i + n]) for i in range(len(asked) - n + 1)}
    return any(tuple(held[i : i + n]) in runs for i in range(len(held) - n + 1))


@BANK.right("runs as texts with a blank at both ends")
def touched_by_text(question, corpus, n):
    asked, held = re.findall(r"\w+", question.lower()), re.findall(r"\w+", corpus.lower())
    n = min(n, len(asked))
    line = " " + " ".join(held) + " "
    return any(" " + " ".join(asked[i : i + n]) + " " in line for i in range(len(asked) - n + 1))


BANK.change(touched)
RUNS = "range(len(asked) - n + 1)"
FOUND = "any(tuple(held[i : i + n]) in runs for i in range(len(held) - n + 1))"
BANK.wrong("another text", "common words count", (FOUND, "len(set(asked) & set(held)) >= 3"))
BANK.wrong("a run in the middle", "the first run only", (RUNS, "range(1)"))
BANK.wrong("a run in the middle", "the whole question", ("n = min(n, len(asked))", "n = len(asked)"))
BANK.wrong("the last run", "one run too few", (RUNS, "range(max(1, len(asked) - n))"))
BANK.wrong(
    "case and marks",
    "as it is written",
    (r're.findall(r"\w+", question.lower()), re.findall(r"\w+", corpus.lower())', "question.split(), corpus.split()"),
)
BANK.wrong("whole words", "looked for as letters", (FOUND, 'any(" ".join(run) in " ".join(held) for run in runs)'))
BANK.wrong("in order", "words in any order", (FOUND, "any(set(run) <= set(held) for run in runs)"))
BANK.wrong(
    "in order",
    "runs as sets",
    ("{tuple(asked[i : i + n])", "{frozenset(asked[i : i + n])"),
    ("tuple(held[i : i + n]) in", "frozenset(held[i : i + n]) in"),
)
BANK.wrong(
    "with nothing between",
    "in order, with gaps",
    (FOUND, "any(all(w in rest for w in run) for run in runs for rest in [iter(held)])"),
)
BANK.wrong("a short question", "short ones are never found", ("n = min(n, len(asked))", "n = n"))
