"""`walk` (chapter 14): the state of an automaton after a text."""

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck


def through(walk, table: dict, state: int, text: str) -> str:
    """Return the state, or None, as a word."""
    return f"{walk(table, state, text)}"


CHECK = CaseCheck("walk", "(table, state, text) -> state or None", through)
BANK = Bank("walk")


@CHECK.cases
def cases():
    table = {
        0: {"-": 1, "digit": 2},
        1: {"digit": 2},
        2: {"digit": 3},
        3: {},
    }  # state -> kind of character -> next state
    return [
        Case(
            "one character",
            (table, 0, "-"),
            "1",
            "Look up table[state][kind(character)]; whether the answer may end there is not asked.",
        ),
        Case("several", (table, 0, "-17"), "3", "Each character starts from the state before it."),
        Case("no arrow", (table, 0, "x"), "None", "If there is no arrow, return None instead of raising an error."),
        Case("no arrow later on", (table, 2, "73"), "None", "The first digit is fine, the second has no arrow."),
        Case("nothing", (table, 2, ""), "2", "An empty text stays in the same state."),
    ]


def kind(character):
    return "digit" if character in "0123456789" else character


@BANK.right("character by character")
def walk(table, state, text):
    for character in text:
        if kind(character) not in table[state]:
            return None
        state = table[state][kind(character)]
    return state


LOOK = "        if kind(character) not in table[state]:\n            return None\n"
BANK.wrong("several", "the first character only", ("in text:", "in text[:1]:"))
BANK.wrong(
    "several",
    "every character from the first state",
    ("    for character", "    first = state\n    for character"),
    ("table[state][kind(character)]", "table[first][kind(character)]"),
)
BANK.wrong(
    "no arrow",
    "stays where there is no arrow",
    (LOOK, ""),
    ("table[state][kind(character)]", "table[state].get(kind(character), state)"),
)
BANK.wrong("no arrow", "an error where there is no arrow", (LOOK, ""))
BANK.wrong(
    "several",
    "the character itself instead of its kind",
    ("table[state][kind(character)]", "table[state][character]"),
    ("kind(character) not in", "character not in"),
)
BANK.wrong("one character", "True where the walk is possible", ("return state", "return True"))
BANK.wrong("no arrow", "False for None", ("return None", "return False"))
