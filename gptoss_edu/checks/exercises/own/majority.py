"""`majority` (chapter 22): the answer that most attempts gave."""

from collections import Counter

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck("majority", "(answers) -> the answer, or an empty text")
BANK = Bank("majority")


@CHECK.cases
def cases():
    return [
        Case("a clear vote", (["12", "15", "12", "12"],), "12", "Return the most frequent answer."),
        Case("not the first", (["15", "12", "12"],), "12", "Count all answers before you decide."),
        Case(
            "not half of all", (["1", "2", "3", "4", "2"],), "2", "The most frequent one wins, with less than half too."
        ),
        Case(
            "a tie",
            (["12", "15", "15", "12", "7"],),
            "",
            "Two answers are equally frequent: the vote decides nothing, and the result is an empty text.",
        ),
        Case("no answer", (["", "", "", "12", "12"],), "12", "An attempt without an answer has no vote."),
        Case(
            "nothing at all", (["", ""],), "", "If no attempt has an answer there is no majority: return an empty text."
        ),
        Case("one vote", (["7"],), "7", "A single answer is a majority of one."),
    ]


@BANK.right("with a Counter")
def majority(answers):
    ranked = Counter(a for a in answers if a).most_common(2)
    if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return ""
    return ranked[0][0]


@BANK.right("with a dictionary")
def majority_by_hand(answers):
    counts = {}
    for answer in answers:
        if answer:
            counts[answer] = counts.get(answer, 0) + 1
    best = [answer for answer, count in counts.items() if count == max(counts.values())]
    return best[0] if len(best) == 1 else ""


BANK.change(majority)
TIE = "if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):"
BANK.wrong("a clear vote", "the count is returned", ("return ranked[0][0]", "return ranked[0][1]"))
BANK.wrong("a clear vote", "the rarest", ("return ranked[0][0]", "return ranked[-1][0]"))
BANK.wrong("not the first", "the first answer", ("return ranked[0][0]", "return answers[0]"))
BANK.wrong(
    "not half of all", "more than half is asked for", (TIE, "if not ranked or 2 * ranked[0][1] <= len(answers):")
)
BANK.wrong("a tie", "the first of equals", (TIE, "if not ranked:"))
BANK.wrong("no answer", "empty answers vote", ("Counter(a for a in answers if a)", "Counter(answers)"))
BANK.wrong(
    "nothing at all", "fails where nobody answers", (TIE, "if len(ranked) == 2 and ranked[0][1] == ranked[1][1]:")
)
BANK.wrong("one vote", "two votes are asked for", (TIE, TIE.replace("not ranked", "not ranked or ranked[0][1] < 2")))
