"""`thoughts_room` (chapter 26): the rule that forgets why a tool was called, fixed, and a test of it."""

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.catching import Mutant, catching

THOUGHT, ANSWER = ("assistant", "analysis"), ("assistant", "final")
CALL, RESULT, USER = ("assistant", "commentary"), ("tool", "commentary"), ("user", None)


def before(messages, place: int) -> list[bool]:
    """Keep all but the thoughts before this place."""
    return [not (message == THOUGHT and i < place) for i, message in enumerate(messages)]


def right(messages):
    """Return which messages (role, channel) are rendered again: all but thoughts that are followed by an answer."""
    return before(messages, max((i for i, message in enumerate(messages) if message == ANSWER), default=-1))


def every_thought(messages):
    return before(messages, len(messages))


def only_at_an_answer(messages):
    return right(messages) if messages and messages[-1] == ANSWER else [True] * len(messages)


def before_the_first(messages):
    return before(messages, messages.index(ANSWER) if ANSWER in messages else -1)


def beside_the_answer(messages):
    return [not (message == THOUGHT and messages[i + 1 : i + 2] == [ANSWER]) for i, message in enumerate(messages)]


def calls_too(messages):
    kept = right(messages)
    last = max((i for i, message in enumerate(messages) if message == ANSWER), default=-1)
    return [
        keep and not (message == CALL and i < last)
        for i, (keep, message) in enumerate(zip(kept, messages, strict=True))
    ]


MUTANTS = (
    Mutant(
        "every thought dropped",
        every_thought,
        "Let a tool loop be running: a thought, a call and a result, and no answer yet.",
    ),
    Mutant(
        "nothing dropped while a loop runs",
        only_at_an_answer,
        "Put a finished turn before the running loop: its thought must still be dropped.",
    ),
    Mutant("before the first answer only", before_the_first, "Use two finished turns, not one."),
    Mutant(
        "only beside the answer",
        beside_the_answer,
        "Let a finished turn contain a call, so that its first thought is far from the answer.",
    ),
    Mutant("calls dropped too", calls_too, "Let a finished turn contain a call, and require that the call stays."),
)
PROBES = (
    ([USER, THOUGHT, CALL, RESULT],),
    ([USER, THOUGHT, ANSWER, USER, THOUGHT, CALL, RESULT, THOUGHT, ANSWER, USER, THOUGHT, CALL, RESULT],),
    ([],),
)
CHECK = catching("thoughts_room", right, MUTANTS, PROBES, 16, "messages", len)
BANK = Bank("thoughts_room")


@BANK.right("two finished turns and a running one")
def thoughts_room():
    def fixed(messages):
        last = max((i for i, message in enumerate(messages) if message == ANSWER), default=-1)
        return [message != THOUGHT or i > last for i, message in enumerate(messages)]

    def test(kept):
        finished = [THOUGHT, CALL, RESULT, ANSWER]
        assert kept([*finished, THOUGHT, ANSWER, THOUGHT, CALL]) == [0, 1, 1, 1, 0, 1, 1, 1]

    return fixed, test


ASKED = "assert kept([*finished, THOUGHT, ANSWER, THOUGHT, CALL]) == [0, 1, 1, 1, 0, 1, 1, 1]"
BANK.wrong("two functions", "the test alone", ("return fixed, test", "return test"))
BANK.wrong("fixed", "every thought goes", ("message != THOUGHT or i > last", "message != THOUGHT"))
BANK.wrong("fixed", "the first answer counts", ("max((i", "min((i"))
BANK.wrong("the right code passes", "the loop's thoughts go too", (ASKED, ASKED.replace("0, 1, 1, 1]", "0, 1, 0, 1]")))
BANK.wrong(
    "every thought dropped",
    "no loop is running",
    (ASKED, "assert kept([*finished, THOUGHT, ANSWER]) == [0, 1, 1, 1, 0, 1]"),
)
BANK.wrong(
    "nothing dropped while a loop runs",
    "a loop alone, and a turn alone",
    (
        ASKED,
        (
            "assert kept([THOUGHT, CALL, RESULT]) == [1, 1, 1]\n        assert kept([*finished, "
            "THOUGHT, ANSWER]) == [0, 1, 1, 1, 0, 1]"
        ),
    ),
)
BANK.wrong(
    "before the first answer only",
    "one finished turn",
    (ASKED, "assert kept([*finished, THOUGHT, CALL]) == [0, 1, 1, 1, 1, 1]"),
)
BANK.wrong(
    "only beside the answer",
    "turns without calls",
    (ASKED, "assert kept([THOUGHT, ANSWER, THOUGHT, ANSWER, THOUGHT, CALL]) == [0, 1, 0, 1, 1, 1]"),
)
BANK.wrong(
    "calls dropped too",
    "thoughts alone are asked about",
    (
        ASKED,
        (
            "found = kept([*finished, THOUGHT, ANSWER, THOUGHT, CALL])\n        assert [found[0], "
            "found[4], found[6]] == [0, 0, 1]"
        ),
    ),
)
BANK.wrong(
    "small", "everything twice", (ASKED, ASKED + "\n        assert len(kept([*finished, *finished, *finished])) == 12")
)
