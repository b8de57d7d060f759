"""The check of `render_message`: the control tokens, the header's order, the end."""

from gptoss_edu.checks import reference
from gptoss_edu.checks.guard import Forbidden
from gptoss_edu.checks.harness import Check, Refused

CAUSES = {
    "no_start": "A message begins with <|start|>.",
    "no_message": "<|message|> separates the header from the content.",
    "no_end": "A message ends: with <|end|>, or with <|call|> when the assistant calls a tool.",
    "newline": (
        "There is a line break or a blank that harmony does not have: control tokens come directly before and after "
        "the text."
    ),
    "role_changed": ("Write the role exactly as given: a tool's message has the tool's name there, not the word tool."),
    "channel_missing": "The channel is left out: <|channel|> and its name come after the role.",
    "channel_always": "Without a channel there is no <|channel|> either: user and system messages have none.",
    "channel_none": "None is written out as text. A missing part must leave nothing behind.",
    "channel_before_role": "The role comes first, then the channel.",
    "channel_is_text": "The channel's marker is the control token <|channel|>, not the word.",
    "recipient_missing": "The recipient is left out: ` to=functions.f`.",
    "recipient_no_space": "A blank separates the recipient from the text before it: `assistant to=functions.f`.",
    "recipient_in_channel": (
        "The recipient is in the channel section. That is legal and must be parsed, but the renderer of "
        "openai-harmony writes it after the role: `<|start|>assistant to=functions.f<|channel|>commentary`."
    ),
    "recipient_marker": "The recipient is written as ` to=` and its name.",
    "type_missing": "The content type is left out.",
    "type_no_space": "A blank separates the content type from the channel: `commentary <|constrain|>json`.",
    "type_constrain": (
        "Write the content type exactly as given. If `<|constrain|>` is wanted, the argument contains it; adding it "
        "here doubles it."
    ),
    "type_before_channel": "The content type comes last in the header, after the channel.",
    "call_missing": (
        "A call by the assistant (role assistant, with a recipient) ends with <|call|>: that is where generation "
        "stops and the tool runs."
    ),
    "call_for_tools": (
        "Only the assistant's calls end with <|call|>. A tool's answer has a recipient too, the assistant, and ends "
        "with <|end|>."
    ),
    "return": (
        "<|return|> is what the model emits at the end of its turn. In a stored conversation a final message ends "
        "with <|end|>."
    ),
    "chatml": "This is ChatML. Harmony has <|start|>, <|message|>, <|end|>.",
    "content_changed": "The content must stay unchanged: no stripping, no escaping, no added quotes.",
    "general": (
        "<|start|>role[ to=recipient][<|channel|>channel][ content_type]<|message|>content<|end|>, or <|call|> for "
        "the assistant's calls."
    ),
}
CHECK = Check(
    "render_message",
    (Forbidden("harmony"), Forbidden("agent")),
    CAUSES,
    "(role, content, channel=None, recipient=None, content_type=None) -> str",
)


def _compare(call, role, content, channel=None, recipient=None, content_type=None, general="general"):
    keywords = {
        name: value
        for name, value in (("channel", channel), ("recipient", recipient), ("content_type", content_type))
        if value is not None
    }
    found, right = (
        call(role, content, **keywords),
        reference.render_message(role, content, channel, recipient, content_type),
    )
    if not isinstance(found, str):
        raise Refused(f"the result is a {type(found).__name__}, expected a string", "general", certain=True)
    if found == right:
        return
    at = next((i for i, (a, b) in enumerate(zip(found, right, strict=False)) if a != b), min(len(found), len(right)))
    raise Refused(f"character {at}: yours is {found!r}, right is {right!r}", general)


@CHECK.stage("a user message")
def user(call):
    _compare(call, "user", "What is 2 + 2?")
    _compare(call, "system", "Reasoning: high")


@CHECK.stage("a channel")
def channel(call):
    _compare(call, "assistant", "User asks a sum.", "analysis")
    _compare(call, "assistant", "4", "final")


@CHECK.stage("a call: recipient, content type, its own end")
def calls(call):
    _compare(call, "assistant", "{}", "commentary", "functions.f")
    _compare(call, "assistant", '{"city":"Oslo"}', "commentary", "functions.get_weather", "<|constrain|>json")
    _compare(call, "assistant", '{"a":1}', "commentary", "browser.open", "json")
    _compare(call, "assistant", "print(1)", "analysis", "python", "code")


@CHECK.stage("a tool's answer")
def tool(call):
    _compare(call, "functions.get_weather", '{"sunny": true}', "commentary", "assistant")
    _compare(call, "python", "4", recipient="assistant")


@CHECK.stage("a content type without a recipient, content untouched")
def rest(call):
    _compare(call, "assistant", '{"answer": 4}', "final", None, "json")
    _compare(call, "user", "  two lines\nwith `quotes \"'` and blanks  ", general="content_changed")
    _compare(call, "user", " indented ", general="content_changed")
    _compare(call, "user", "")
    _compare(call, "developer", "# Instructions\n\nAnswer briefly.")
