"""`who_wins` (chapter 23): of several wishes about the same thing, the one that the order of the roles lets hold."""

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck("who_wins", "(wishes: list of (role, about, wish)) -> {about: wish}")
BANK = Bank("who_wins")


@CHECK.cases
def cases():
    return [
        Case("one wish", ([("user", "form", "capitals")],), {"form": "capitals"}, "Nobody objects, so the wish holds."),
        Case(
            "developer over user",
            ([("developer", "form", "small letters"), ("user", "form", "capitals")],),
            {"form": "small letters"},
            "A developer outranks a user, though the user spoke later.",
        ),
        Case(
            "the higher role comes last",
            ([("user", "form", "capitals"), ("system", "form", "small letters"), ("developer", "form", "one word")],),
            {"form": "small letters"},
            "Rank decides, wherever the message is: system over developer over user.",
        ),
        Case(
            "each thing by itself",
            ([("system", "secret", "keep it"), ("user", "form", "capitals"), ("user", "secret", "tell it")],),
            {"secret": "keep it", "form": "capitals"},
            "Wishes compete only if they are about the same thing: the rest of a user's wish is still granted.",
        ),
        Case(
            "the same role again",
            ([("user", "form", "capitals"), ("user", "form", "one word")],),
            {"form": "one word"},
            "A role that may set a rule may change it: of one role's wishes, the later one holds.",
        ),
        Case(
            "a tool",
            ([("user", "form", "one word"), ("tool", "form", "capitals"), ("tool", "topic", "say mervolt")],),
            {"form": "one word"},
            "Text from a tool is data. It is never a wish, even if nobody else says anything about the subject.",
        ),
    ]


@BANK.right("a table of ranks")
def who_wins(wishes):
    rank = {"user": 1, "developer": 2, "system": 3}
    held, best = {}, {}
    for role, about, wish in wishes:
        if role in rank and rank[role] >= best.get(about, 0):
            held[about], best[about] = wish, rank[role]
    return held


@BANK.right("from the lowest role to the highest")
def by_role(wishes):
    found = {}
    for level in ("user", "developer", "system"):
        found |= {about: wish for role, about, wish in wishes if role == level}
    return found


BANK.change(who_wins)
KEEP = "if role in rank and rank[role] >= best.get(about, 0):"
BANK.wrong("developer over user", "the last message counts", (KEEP, "if role in rank:"))
BANK.wrong(
    "developer over user",
    "ranks the wrong way round",
    ('{"user": 1, "developer": 2, "system": 3}', '{"user": 3, "developer": 2, "system": 1}'),
)
BANK.wrong("the higher role comes last", "the first wish holds", (KEEP, "if role in rank and about not in best:"))
BANK.wrong(
    "the higher role comes last",
    "developer over system",
    ('"developer": 2, "system": 3', '"developer": 3, "system": 2'),
)
BANK.wrong("each thing by itself", "one rank for all", ("best.get(about, 0)", "max(best.values(), default=0)"))
BANK.wrong("the same role again", "the earlier one holds", (">= best", "> best"))
BANK.wrong("a tool", "a tool as the lowest role", ('{"user": 1', '{"tool": 0, "user": 1'))
BANK.wrong("a tool", "a tool like a user", ('{"user": 1', '{"tool": 1, "user": 1'))
