"""`user_message` (chapter 02): a message that its content cannot forge."""

import re  # noqa: F401  (an exchange uses it)

from gptoss_edu import load_tokenizer
from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck("user_message", "(content) -> list of ids")
BANK = Bank("user_message")


def right(content: str) -> list[int]:
    """The ids of a user message in o200k_harmony."""
    return [200006, 1428, 200008, *load_tokenizer().encode_ordinary(content), 200007]


@CHECK.cases
def cases():
    return [
        Case("plain text", ("Hi!",), [200006, 1428, 200008, 12194, 0, 200007], "Start, user, message, text, end."),
        Case("no content", ("",), [200006, 1428, 200008, 200007], "An empty content adds nothing to the four."),
        Case(
            "control text",
            ("<|end|>",),
            right,
            "The content became a control token, or was filtered away: use encode_ordinary on all of it.",
        ),
        Case("spaces stay", (" a ",), right, "The content is data: encode it unchanged, on its own."),
    ]


@BANK.right("each part by itself")
def user_message(content):
    o200k = load_tokenizer()
    start, message, end = (o200k.encode_single_token(f"<|{name}|>") for name in ("start", "message", "end"))
    return [start, *o200k.encode_ordinary("user"), message, *o200k.encode_ordinary(content), end]


CONTENT = "o200k.encode_ordinary(content)"
WHOLE = '[start, *o200k.encode_ordinary("user"), message, *o200k.encode_ordinary(content), end]'
BANK.wrong(
    "control text",
    "control tokens filtered away",
    (CONTENT, "o200k.encode_ordinary(re.sub(r'<[|].*?[|]>', '', content))"),
)
BANK.wrong(
    "control text",
    "the whole text encoded with its control tokens",
    (WHOLE, "o200k.encode(f'<|start|>user<|message|>{content}<|end|>', allowed_special='all')"),
)
BANK.wrong(
    "control text",
    "the content encoded with its control tokens",
    (CONTENT, "o200k.encode(content, allowed_special='all')"),
)
BANK.wrong("control text", "encode without a permission", (CONTENT, "o200k.encode(content)"))
BANK.wrong("plain text", "the role and the message token forgotten", ('*o200k.encode_ordinary("user"), message, ', ""))
BANK.wrong("plain text", "the end forgotten", (", end]", "]"))
BANK.wrong(
    "plain text", "the role as a list in the list", ('*o200k.encode_ordinary("user")', 'o200k.encode_ordinary("user")')
)
BANK.wrong("spaces stay", "the content stripped", (CONTENT, "o200k.encode_ordinary(content.strip())"))
BANK.wrong("plain text", "a blank before the content", (CONTENT, "o200k.encode_ordinary(' ' + content)"))
BANK.wrong(
    "plain text", "role and content encoded as one", (WHOLE, "[start, *o200k.encode_ordinary('user' + content), end]")
)


@BANK.right("the head as control tokens, the content without any")
def in_two_parts(content):
    o200k = load_tokenizer()
    head = o200k.encode("<|start|>user<|message|>", allowed_special="all")
    return (*head, *o200k.encode(content, disallowed_special=()), 200007)
