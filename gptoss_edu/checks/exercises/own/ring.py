"""`ring` (chapter 11): which position stands in each slot of a ring."""

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CAUSES = {
    "in_order": (
        "The positions stand in order, as if all of them moved along for each token. Only ONE slot is overwritten, "
        "p % slots: moving the others would copy the whole cache for each token."
    ),
    "first_stays": (
        "Every slot shows its own number, which is the first position that was written there. A newer position p "
        "replaces it: from then on, slot p % slots holds p."
    ),
}
CHECK = CaseCheck("ring", "(n, slots) -> list of positions", causes=CAUSES)
BANK = Bank("ring")


@CHECK.cases
def cases():
    return [
        Case(
            "nothing yet",
            (0, 3),
            [-1, -1, -1],
            "Before the first token every slot is empty: -1, and there are `slots` of them.",
        ),
        Case("half full", (2, 3), [0, 1, -1], "Position p goes to slot p; slots that were not written stay -1."),
        Case("just full", (3, 3), [0, 1, 2], "With as many tokens as slots everything is still there."),
        Case(
            "once around",
            (4, 3),
            [3, 1, 2],
            "Only ONE slot is overwritten for each token, p % slots, and it then holds p.",
        ),
        Case("far along", (11, 4), [8, 9, 10, 7], "Slot s holds the newest position with p % slots == s."),
    ]


@BANK.right("written one by one")
def ring(n, slots):
    held = [-1] * slots
    for position in range(n):
        held[position % slots] = position
    return held


BANK.wrong(
    "in_order",
    "shifted along",
    (
        "held[position % slots] = position",
        "held[min(position, slots - 1)] = position\n        held = held if position < slots - 1 else "
        "list(range(position - slots + 1, position + 1))",
    ),
)
BANK.wrong("nothing yet", "zeros for empty slots", ("[-1]", "[0]"))
BANK.wrong("nothing yet", "None for empty slots", ("[-1]", "[None]"))
BANK.wrong("nothing yet", "the tokens that came only", ("return held", "return held[:n]"))
BANK.wrong("half full", "positions counted from 1", ("= position\n", "= position + 1\n"))
BANK.wrong("half full", "one token too many", ("range(n)", "range(n + 1 if n else 0)"))
BANK.wrong("first_stays", "what does not fit is dropped", ("range(n)", "range(min(n, slots))"))
BANK.wrong(
    "first_stays",
    "only an empty slot is written",
    (
        "held[position % slots] = position",
        "if held[position % slots] < 0:\n            held[position % slots] = position",
    ),
)
BANK.wrong("first_stays", "the slot's own number", ("= position\n", "= position % slots\n"))
BANK.wrong("once around", "the last slot overwritten", ("position % slots", "min(position, slots - 1)"))


@BANK.wrong("nothing yet", "the newest of each slot, also where nothing was written")
def without_empty(n, slots):
    return [n - 1 - (n - 1 - slot) % slots if slot <= n else -1 for slot in range(slots)]


@BANK.right("the newest position of each slot")
def newest(n, slots):
    return [n - 1 - (n - 1 - slot) % slots if slot < n else -1 for slot in range(slots)]
