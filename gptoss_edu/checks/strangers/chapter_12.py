"""Wrong solutions of chapter 12, written from its text alone."""

from gptoss_edu.checks.exercises.own.stays import BANK as STAYS
from gptoss_edu.checks.exercises.render_message.bank import BANK as RENDER_MESSAGE


@RENDER_MESSAGE.wrong(
    "type_before_channel", "the channel stands before the recipient's role, content type before channel", unseen=True
)
def render_message_1(role, content, channel=None, recipient=None, content_type=None):
    header = role
    if content_type:
        header += f" <|constrain|>{content_type}"
    if channel:
        header += f"<|channel|>{channel}"
    if recipient:
        header += f" to={recipient}"
    return f"<|start|>{header}<|message|>{content}" + ("<|call|>" if recipient else "<|end|>")


@RENDER_MESSAGE.wrong("call_missing", "a call ends like any other message", unseen=True)
def render_message_2(role, content, channel=None, recipient=None, content_type=None):
    header = role
    if recipient:
        header += f" to={recipient}"
    if channel:
        header += f"<|channel|>{channel}"
    if content_type:
        header += f" <|constrain|>{content_type}"
    return f"<|start|>{header}<|message|>{content}<|end|>"


@STAYS.wrong("no answer yet", "every thought goes, also those after the last answer", unseen=True)
def stays_1(messages):
    return [not (role == "assistant" and channel == "analysis") for role, channel in messages]


@STAYS.wrong("just answered", "a user's message counts as the end of the turn, not an answer", unseen=True)
def stays_2(messages):
    last = max((i for i, (role, _) in enumerate(messages) if role == "user"), default=-1)
    return [not (r == "assistant" and c == "analysis" and i < last) for i, (r, c) in enumerate(messages)]
