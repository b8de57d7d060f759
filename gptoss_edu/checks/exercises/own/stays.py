"""`stays` (chapter 12): which messages are rendered again."""

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck("stays", "(messages: list of (role, channel)) -> list of bool")
BANK = Bank("stays")


@CHECK.cases
def cases():
    user, thought, answer = ("user", None), ("assistant", "analysis"), ("assistant", "final")
    call, result = ("assistant", "commentary"), ("tool", "commentary")
    return [
        Case("no answer yet", ([user, thought],), [True, True], "Without an answer everything stays."),
        Case(
            "a running tool loop",
            ([user, thought, call, result],),
            [True] * 4,
            "The loop is still running, so its thoughts stay.",
        ),
        Case(
            "just answered",
            ([user, thought, answer],),
            [True, False, True],
            "Only the answer matters: a next question does not have to follow.",
        ),
        Case(
            "an answered turn",
            ([user, thought, answer, user],),
            [True, False, True, True],
            "An answer follows, so the thought is dropped.",
        ),
        Case(
            "the second turn",
            ([user, thought, answer, user, thought, answer, user],),
            [True, False, True, True, False, True, True],
            "Every answered turn loses its thoughts, not only the first.",
        ),
        Case(
            "a finished loop",
            ([user, thought, call, result, thought, answer, user],),
            [True, False, True, True, False, True, True],
            "ALL thoughts before the answer are dropped, not only the one next to it; the call and its result stay.",
        ),
        Case(
            "a new loop after an answer",
            ([user, thought, answer, user, thought, call, result],),
            [True, False, True, True, True, True, True],
            "Old thoughts are dropped; those of the running loop stay.",
        ),
        Case(
            "an analysis that is not the assistant's",
            ([user, ("tool", "analysis"), answer],),
            [True] * 3,
            "Only the assistant's thoughts are dropped, not a tool's result.",
        ),
    ]


@BANK.right("all thoughts before the last answer")
def stays(messages):
    answers = [i for i, message in enumerate(messages) if message == ("assistant", "final")]
    last = answers[-1] if answers else -1
    return [not (message == ("assistant", "analysis") and i < last) for i, message in enumerate(messages)]


DROPPED = 'message == ("assistant", "analysis") and i < last'
BANK.wrong("no answer yet", "every thought goes", (" and i < last", ""))
BANK.wrong("the second turn", "only thoughts before the first answer", ("answers[-1]", "answers[0]"))
BANK.wrong(
    "a new loop after an answer",
    "every thought, once the loop has an answer",
    (DROPPED, 'message == ("assistant", "analysis") and answers and messages[-1] != ("tool", "commentary")'),
)
BANK.wrong(
    "an analysis that is not the assistant's",
    "any analysis",
    ('message == ("assistant", "analysis")', 'message[1] == "analysis"'),
)
BANK.wrong(
    "a finished loop",
    "only the thought beside the answer",
    ("and i < last", 'and messages[i + 1 : i + 2] == [("assistant", "final")]'),
)
BANK.wrong(
    "a finished loop",
    "the calls too",
    (DROPPED, 'message in (("assistant", "analysis"), ("assistant", "commentary")) and i < last'),
)
BANK.wrong("just answered", "only where a question follows", ("and i < last", 'and ("user", None) in messages[i:]'))
BANK.wrong("no answer yet", "True for what goes", ("[not (", "[("))
