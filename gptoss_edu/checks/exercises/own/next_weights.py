"""`next_weights` (chapter 21): which predictions count, from the renderer's labels."""

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck
from gptoss_edu.harmony import Conversation, render_labelled
from gptoss_edu.harmony.render import LabelledToken
from gptoss_edu.resources import data_path
from gptoss_edu.tasks.example import call, final, message, result, system, thought
from gptoss_edu.tokenizer import load_tokenizer

CHECK = CaseCheck("next_weights", "(labelled: list of LabelledToken) -> list of 0 and 1")
BANK = Bank("next_weights")


def labels(*messages: dict) -> list:
    return render_labelled(
        Conversation.from_dict({"messages": list(messages)}), None, load_tokenizer(data_path("gpt-oss-tiny")),
        drop_analysis="finished_turns", training=True,
    )  # fmt: skip


def expected(labelled) -> list[int]:
    return [*(int(token.trained) for token in labelled[1:]), 0]


@CHECK.cases
def cases():
    speakers = ("user", "user", "assistant", "assistant", "tool")
    asked = (system("low"), message("user", "Hi?"))
    return [
        Case(
            "the shift",
            ([LabelledToken(i, 0, who, None, "content", who == "assistant") for i, who in enumerate(speakers)],),
            [0, 1, 1, 0, 0],
            "Position i predicts token i + 1: its weight says whether THAT token is trained.",
        ),
        Case(
            "the end",
            ([LabelledToken(i, 0, "assistant", "final", "content", True) for i in range(3)],),
            [1, 1, 0],
            "One weight per token; the last position predicts nothing.",
        ),
        Case(
            "one answer",
            (labels(*asked, final("Yes.")),),
            expected,
            "The channel, the marks and <|return|> are learnt as well as the text; <|start|>assistant, which the "
            "prompt ends in, is not.",
        ),
        Case(
            "a thought",
            (labels(*asked, thought("Greeting."), final("Yes.")),),
            expected,
            "Between thought and answer the model writes <|start|>assistant itself: `trained` marks it, the role "
            "does not.",
        ),
        Case(
            "a tool",
            (labels(*asked, call("functions.f", "{}"), result("functions.f", "7"), final("7.")),),
            expected,
            "A tool's result and the <|start|>assistant after it come from the program.",
        ),
        Case(
            "two turns",
            (labels(*asked, thought("Old."), final("One."), message("user", "And?"), thought("New."), final("Two.")),),
            expected,
            "A finished turn whose thought was dropped is shown but not learnt, although the assistant wrote it.",
        ),
    ]


@BANK.right("shifted by one")
def next_weights(labelled):
    return [int(token.trained) for token in labelled[1:]] + [0]


@BANK.right("written into zeros")
def zeros(labelled):
    weights = [0] * len(labelled)
    for i, token in enumerate(labelled):
        if token.trained and i:
            weights[i - 1] = 1
    return weights


BANK.change(next_weights)
BANK.wrong("the shift", "not shifted", ("labelled[1:]] + [0]", "labelled]"))
BANK.wrong(
    "the shift",
    "shifted the other way",
    ("[int(token.trained) for token in labelled[1:]] + [0]", "[0] + [int(token.trained) for token in labelled[:-1]]"),
)
BANK.wrong("the shift", "the last position forgotten", (" + [0]", ""))
BANK.wrong("the shift", "the last position counts", (" + [0]", " + [1]"))
BANK.wrong(
    "one answer", "all that the assistant's messages hold", ("int(token.trained)", "int(token.role == 'assistant')")
)
BANK.wrong(
    "one answer", "the content alone", ("int(token.trained)", "int(token.trained and token.section == 'content')")
)
BANK.wrong(
    "a thought",
    "no <|start|>assistant",
    ("int(token.trained)", "int(token.trained and token.section not in ('start', 'author'))"),
)
BANK.wrong(
    "the shift", "the final channel alone", ("int(token.trained)", "int(token.trained and token.channel == 'final')")
)
BANK.wrong(
    "two turns",
    "every answer",
    (
        "int(token.trained)",
        "int(token.trained or (token.role == 'assistant' and token.section not in ('start', 'author')))",
    ),
)
