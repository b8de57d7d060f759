"""`agent` (chapter 13): the loop of model and tool."""

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck
from gptoss_edu.harmony import Message

CAUSES = {
    "nested": (
        "model(messages) gives a list of messages: add its messages with `+=` or extend. append puts the list itself "
        "into the list."
    ),
}


def through(agent, says: list[str], max_steps: int, watch_given: bool = False) -> str:
    """Run the learner's loop on a model that says one word per turn; a word in capitals is a call."""
    waiting, given = list(says), [Message("user", "hi")]

    def model(messages):
        word = waiting.pop(0) if waiting else "silence"
        recipient = "functions.f" if word.isupper() else None
        return [Message("assistant", word, "commentary", recipient)]

    def call_tool(call):
        return Message("tool", f"did {call.text}", "commentary", "assistant", name="functions.f")

    made = agent(model, call_tool, given, max_steps)
    changed = " (and it changed the given list)" if watch_given and len(given) > 1 else ""
    return " | ".join(message.text for message in made) + changed


CHECK = CaseCheck("agent", "(model, call_tool, messages, max_steps) -> messages", through, causes=CAUSES)
BANK = Bank("agent")


@CHECK.cases
def cases():
    return [
        Case(
            "an answer at once",
            (["yes"], 3),
            "hi | yes",
            "Return the given messages, then those of the model; a message without a recipient ends the loop.",
        ),
        Case(
            "one call",
            (["A", "done"], 3),
            "hi | A | did A | done",
            "A result comes right after its call; then the model is asked again.",
        ),
        Case(
            "two calls",
            (["A", "B", "done"], 3),
            "hi | A | did A | B | did B | done",
            "Repeat: the second turn may be a call too.",
        ),
        Case(
            "bounded",
            (["A"] * 9, 2),
            "hi | A | did A | A | did A | A",
            "After max_steps results the model is asked once more; then the loop ends.",
        ),
        Case(
            "the given list",
            (["A", "done"], 3, True),
            "hi | A | did A | done",
            "Work on a copy: messages = list(messages).",
        ),
        Case(
            "as many as allowed",
            (["A", "done"], 1),
            "hi | A | did A | done",
            "max_steps counts calls, not turns: the answer after the last result is allowed.",
        ),
    ]


@BANK.right("ask, call, ask again")
def agent(model, call_tool, messages, max_steps):
    messages = list(messages)
    for step in range(max_steps + 1):
        messages += model(messages)
        if messages[-1].recipient is None or step == max_steps:
            break
        messages.append(call_tool(messages[-1]))
    return messages


COPY, ASK, CALL = "messages = list(messages)", "messages += model(messages)", "messages.append(call_tool(messages[-1]))"
END = "if messages[-1].recipient is None or step == max_steps:\n            break"
BANK.wrong(
    "an answer at once",
    "a question of its own after the answer",
    ("    return messages", "    return [*messages, Message('user', 'more')]"),
)
BANK.wrong(
    "an answer at once",
    "no end at an answer",
    ("messages[-1].recipient is None or ", ""),
    (CALL, f"{CALL} if messages[-1].recipient else None"),
)
BANK.wrong("an answer at once", "the new messages only", ("return messages", "return messages[1:]"))
BANK.wrong("one call", "not asked again", (CALL, f"{CALL}\n        break"))
BANK.wrong("one call", "the call's result before the call", (CALL, "messages.insert(-1, call_tool(messages[-1]))"))
BANK.wrong("two calls", "asked again once", (CALL, f"{CALL}\n        {ASK}\n        break"))
BANK.wrong(
    "bounded",
    "eight calls, whatever is allowed",
    ("range(max_steps + 1)", "range(9)"),
    (" or step == max_steps", " or step == 8"),
)
BANK.wrong(
    "bounded",
    "one call too many",
    (" or step == max_steps", " or step == max_steps + 1"),
    ("range(max_steps + 1)", "range(max_steps + 2)"),
)
BANK.wrong(
    "bounded",
    "no last question after the last result",
    ("range(max_steps + 1)", "range(max_steps)"),
    (" or step == max_steps", ""),
)
BANK.wrong(
    "as many as allowed",
    "one call less where only one is allowed",
    (COPY, f"{COPY}\n    max_steps = max_steps if max_steps > 1 else 0"),
)
BANK.wrong("the given list", "the given list extended", (COPY, "messages = messages"))
BANK.wrong("nested", "a list in the list", (ASK, "messages.append(model(messages))"))
