"""Solutions of `render_message`."""

from gptoss_edu.checks.bank import Bank

BANK = Bank("render_message")


@BANK.right("concatenation")
def concatenation(role, content, channel=None, recipient=None, content_type=None):
    text = "<|start|>" + role
    if recipient is not None:
        text += " to=" + recipient
    if channel is not None:
        text += "<|channel|>" + channel
    if content_type is not None:
        text += " " + content_type
    end = "<|call|>" if role == "assistant" and recipient is not None else "<|end|>"
    return text + "<|message|>" + content + end


@BANK.right("f-string with optional parts")
def formatted(role, content, channel=None, recipient=None, content_type=None):
    to = f" to={recipient}" if recipient else ""
    where = f"<|channel|>{channel}" if channel else ""
    kind = f" {content_type}" if content_type else ""
    end = "<|call|>" if recipient and role == "assistant" else "<|end|>"
    return f"<|start|>{role}{to}{where}{kind}<|message|>{content}{end}"


@BANK.right("a list of parts, joined")
def joined(role, content, channel=None, recipient=None, content_type=None):
    parts = ["<|start|>", role]
    for prefix, value in ((" to=", recipient), ("<|channel|>", channel), (" ", content_type)):
        parts += [prefix, value] if value is not None else []
    parts += ["<|message|>", content, ("<|end|>", "<|call|>")[role == "assistant" and recipient is not None]]
    return "".join(parts)


BANK.change(concatenation)
START, MESSAGE, RETURN = '"<|start|>" + role', 'text + "<|message|>" + content + end', "return text + "
TO = '    if recipient is not None:\n        text += " to=" + recipient\n'
WHERE = '    if channel is not None:\n        text += "<|channel|>" + channel\n'
KIND = '    if content_type is not None:\n        text += " " + content_type\n'

BANK.wrong(
    "recipient_in_channel", "the recipient in the channel section", (TO + WHERE, WHERE + TO), seen="harmony 81, 114"
)
BANK.wrong("recipient_in_channel", "the recipient after the content type", (TO + WHERE + KIND, WHERE + KIND + TO))
BANK.wrong("call_missing", "calls end with <|end|>", ('"<|call|>" if', '"<|end|>" if'))
ASSISTANTS = 'role == "assistant" and recipient is not None'
BANK.wrong("call_missing", "calls on commentary only", (ASSISTANTS, 'role == "assistant" and channel == "commentary"'))
BANK.wrong("call_missing", "all of commentary is a call", (ASSISTANTS, 'channel == "commentary"'))
BANK.wrong("call_missing", "calls of functions only", (ASSISTANTS, 'recipient and recipient.startswith("functions.")'))
BANK.wrong("call_for_tools", "tools' answers end with <|call|>", ('role == "assistant" and recipient', "recipient"))
BANK.wrong("newline", "a line break after each message, as in ChatML", (MESSAGE, MESSAGE + ' + "\\n"'))
BANK.wrong("newline", "a line break after <|message|>", ('"<|message|>"', '"<|message|>\\n"'))
BANK.wrong("newline", "line breaks around <|message|>", ('"<|message|>"', '"\\n<|message|>\\n"'))
BANK.wrong("newline", "a blank after <|message|>", ('"<|message|>"', '"<|message|> "'))
BANK.wrong("newline", "a blank before <|channel|>", ('"<|channel|>"', '" <|channel|>"'))
BANK.wrong("newline", "a blank after <|channel|>", ('"<|channel|>"', '"<|channel|> "'))
BANK.wrong("newline", "a blank after <|start|>", ('"<|start|>"', '"<|start|> "'))
BANK.wrong("chatml", "ChatML", (f"return {MESSAGE}", 'return f"<|im_start|>{role}\\n{content}<|im_end|>\\n"'))
BANK.wrong(
    "chatml",
    "ChatML without the last line break",
    (f"return {MESSAGE}", 'return f"<|im_start|>{role}\\n{content}<|im_end|>"'),
)
BANK.wrong(
    "return",
    "the final message ends with <|return|>",
    ('else "<|end|>"', 'else "<|return|>" if channel == "final" else "<|end|>"'),
)
BANK.wrong("return", "every message ends with <|return|>", ('else "<|end|>"', 'else "<|return|>"'))
BANK.wrong(
    "type_constrain",
    "<|constrain|> after a blank, doubled",
    ('" " + content_type', '" <|constrain|>" + content_type'),
    seen="harmony 91",
)
BANK.wrong("type_constrain", "<|constrain|> for the blank", ('" " + content_type', '"<|constrain|>" + content_type'))
BANK.wrong("channel_missing", "the channel left out", (WHERE, ""), seen="vllm 28262, 33089")
BANK.wrong(
    "channel_always", "a channel marker where there is none", (WHERE, '    text += "<|channel|>" + (channel or "")\n')
)
BANK.wrong(
    "channel_always", "final as the default channel", (WHERE, '    text += "<|channel|>" + (channel or "final")\n')
)
BANK.wrong("channel_none", "no channel written out as None", (WHERE, '    text += f"<|channel|>{channel}"\n'))
BANK.wrong("channel_none", "no content type written out as None", (KIND, '    text += f" {content_type}"\n'))
BANK.wrong("channel_none", "no recipient written out as None", (TO, '    text += f" to={recipient}"\n'))
BANK.wrong("recipient_missing", "the recipient left out", (TO, ""))
BANK.wrong(
    "recipient_missing", "the recipient and the call's end left out", (TO, ""), ('"<|call|>" if', '"<|end|>" if')
)
BANK.wrong("recipient_no_space", "no blank before to=", ('" to="', '"to="'))
BANK.wrong("recipient_marker", "recipient= for to=", ('" to="', '" recipient="'))
BANK.wrong("recipient_marker", "the recipient without a marker", ('" to="', '" "'))
BANK.wrong("recipient_marker", "a control token for to=", ('" to="', '"<|to|>"'))
BANK.wrong("type_missing", "the content type left out", (KIND, ""))
BANK.wrong("type_before_channel", "the content type before the channel", (WHERE + KIND, KIND + WHERE))
BANK.wrong("type_no_space", "no blank before the content type", ('" " + content_type', "content_type"))
BANK.wrong("content_changed", "the content stripped", ("+ content +", "+ content.strip() +"))
BANK.wrong("content_changed", "the content's repr", ("+ content +", "+ repr(content) +"))
BANK.wrong(
    "content_changed",
    "the arguments escaped a second time",
    (
        "    return text",
        "    content = '\"' + content.replace('\"', '\\\\\"') + '\"' if content_type else content\n    return text",
    ),
    seen="llama.cpp 19553",
)
BANK.wrong("no_start", "<|start|> left to the tokenizer", (START, "role"))
BANK.wrong("no_end", "no end", (" + content + end", " + content"))
BANK.wrong("no_message", "no <|message|>", ('"<|message|>" + ', ""))
BANK.wrong(
    "channel_before_role",
    "the channel before the role",
    (START, '"<|start|>" + (f"<|channel|>{channel}" if channel else "") + role'),
    (WHERE, ""),
)
BANK.wrong(
    "channel_before_role",
    "the channel before <|start|>",
    (START, '(f"<|channel|>{channel}" if channel else "") + "<|start|>" + role'),
    (WHERE, ""),
)
BANK.wrong("channel_is_text", "the channel as a word", ('"<|channel|>"', '" "'))
BANK.wrong(
    "role_changed",
    "the word tool for a tool's name",
    (START, '"<|start|>" + (role if role in ("system", "developer", "user", "assistant") else "tool")'),
)
