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
    return f"<|start|>{role}{to}{where}{kind}<|message|>{content}{'<|call|>' if recipient and role == 'assistant' else '<|end|>'}"


@BANK.right("a list of parts, joined")
def joined(role, content, channel=None, recipient=None, content_type=None):
    parts = ["<|start|>", role]
    for prefix, value in ((" to=", recipient), ("<|channel|>", channel), (" ", content_type)):
        parts += [prefix, value] if value is not None else []
    parts += ["<|message|>", content, ("<|end|>", "<|call|>")[role == "assistant" and recipient is not None]]
    return "".join(parts)


@BANK.wrong("recipient_in_channel", "the recipient in the channel section", "harmony 81, 114")
def in_channel(role, content, channel=None, recipient=None, content_type=None):
    to = f" to={recipient}" if recipient else ""
    where = f"<|channel|>{channel}" if channel else ""
    kind = f" {content_type}" if content_type else ""
    end = "<|call|>" if recipient and role == "assistant" else "<|end|>"
    return f"<|start|>{role}{where}{to}{kind}<|message|>{content}{end}"


@BANK.wrong("call_missing", "calls end with <|end|>")
def always_end(role, content, channel=None, recipient=None, content_type=None):
    return formatted(role, content, channel, recipient, content_type).replace("<|call|>", "<|end|>")


@BANK.wrong("call_for_tools", "tools' answers end with <|call|>")
def call_by_recipient(role, content, channel=None, recipient=None, content_type=None):
    text = formatted(role, content, channel, recipient, content_type)
    return text.removesuffix("<|end|>") + "<|call|>" if recipient and text.endswith("<|end|>") else text


@BANK.wrong("newline", "a line break after each message, as in ChatML")
def line_break(role, content, channel=None, recipient=None, content_type=None):
    return formatted(role, content, channel, recipient, content_type) + "\n"


@BANK.wrong("newline", "a line break after <|message|>")
def content_on_its_own_line(role, content, channel=None, recipient=None, content_type=None):
    return formatted(role, content, channel, recipient, content_type).replace("<|message|>", "<|message|>\n", 1)


@BANK.wrong("chatml", "ChatML")
def chatml(role, content, channel=None, recipient=None, content_type=None):
    return f"<|im_start|>{role}\n{content}<|im_end|>\n"


@BANK.wrong("return", "the final message ends with <|return|>")
def with_return(role, content, channel=None, recipient=None, content_type=None):
    text = formatted(role, content, channel, recipient, content_type)
    return text.removesuffix("<|end|>") + "<|return|>" if channel == "final" else text


@BANK.wrong("type_constrain", "<|constrain|> doubled", "harmony 91")
def doubles_constrain(role, content, channel=None, recipient=None, content_type=None):
    kind = f"<|constrain|>{content_type}" if content_type else None
    return formatted(role, content, channel, recipient, kind)


@BANK.wrong("channel_missing", "the channel left out", "vllm 28262, 33089")
def no_channel(role, content, channel=None, recipient=None, content_type=None):
    return formatted(role, content, None, recipient, content_type)


@BANK.wrong("channel_always", "a channel marker where there is none")
def marker_always(role, content, channel=None, recipient=None, content_type=None):
    to = f" to={recipient}" if recipient else ""
    kind = f" {content_type}" if content_type else ""
    end = "<|call|>" if recipient and role == "assistant" else "<|end|>"
    return f"<|start|>{role}{to}<|channel|>{channel or ''}{kind}<|message|>{content}{end}"


@BANK.wrong("channel_none", "None written out")
def writes_none(role, content, channel=None, recipient=None, content_type=None):
    to = f" to={recipient}" if recipient else ""
    kind = f" {content_type}" if content_type else ""
    end = "<|call|>" if recipient and role == "assistant" else "<|end|>"
    return f"<|start|>{role}{to}<|channel|>{channel}{kind}<|message|>{content}{end}"


@BANK.wrong("recipient_missing", "the recipient left out")
def no_recipient(role, content, channel=None, recipient=None, content_type=None):
    return formatted(role, content, channel, None, content_type)


@BANK.wrong("recipient_no_space", "no blank before to=")
def no_blank(role, content, channel=None, recipient=None, content_type=None):
    return formatted(role, content, channel, recipient, content_type).replace(" to=", "to=")


@BANK.wrong("type_missing", "the content type left out")
def no_type(role, content, channel=None, recipient=None, content_type=None):
    return formatted(role, content, channel, recipient)


@BANK.wrong("type_before_channel", "the content type before the channel")
def type_first(role, content, channel=None, recipient=None, content_type=None):
    if not content_type or not channel:
        return formatted(role, content, channel, recipient, content_type)
    text = formatted(role, content, channel, recipient)
    return text.replace("<|channel|>", f" {content_type}<|channel|>", 1)


@BANK.wrong("content_changed", "the content stripped")
def stripped(role, content, channel=None, recipient=None, content_type=None):
    return formatted(role, content.strip(), channel, recipient, content_type)


@BANK.wrong("content_changed", "the arguments escaped a second time", "llama.cpp 19553")
def escaped_twice(role, content, channel=None, recipient=None, content_type=None):
    body = '"' + content.replace('"', '\\"') + '"' if content_type else content
    return formatted(role, body, channel, recipient, content_type)


@BANK.wrong("no_start", "<|start|> left to the tokenizer")
def no_start(role, content, channel=None, recipient=None, content_type=None):
    return formatted(role, content, channel, recipient, content_type).removeprefix("<|start|>")


@BANK.wrong("no_end", "no end")
def no_end(role, content, channel=None, recipient=None, content_type=None):
    return formatted(role, content, channel, recipient, content_type).removesuffix("<|end|>").removesuffix("<|call|>")


@BANK.wrong("no_message", "no <|message|>")
def no_separator(role, content, channel=None, recipient=None, content_type=None):
    return formatted(role, content, channel, recipient, content_type).replace("<|message|>", "", 1)


@BANK.wrong("channel_before_role", "the channel before the role")
def channel_first(role, content, channel=None, recipient=None, content_type=None):
    if not channel:
        return formatted(role, content, channel, recipient, content_type)
    return formatted(f"<|channel|>{channel}{role}", content, None, recipient, content_type)


@BANK.wrong("channel_is_text", "the channel as a word")
def channel_word(role, content, channel=None, recipient=None, content_type=None):
    return formatted(role, content, channel, recipient, content_type).replace("<|channel|>", " ", 1)


@BANK.wrong("recipient_marker", "recipient= for to=")
def other_marker(role, content, channel=None, recipient=None, content_type=None):
    return formatted(role, content, channel, recipient, content_type).replace(" to=", " recipient=", 1)


@BANK.wrong("type_no_space", "no blank before the content type")
def type_attached(role, content, channel=None, recipient=None, content_type=None):
    text = formatted(role, content, channel, recipient, content_type)
    return text.replace(f" {content_type}<|message|>", f"{content_type}<|message|>", 1)


@BANK.wrong("role_changed", "the word tool for a tool's name")
def role_tool(role, content, channel=None, recipient=None, content_type=None):
    known = role in ("system", "developer", "user", "assistant")
    return formatted(role if known else "tool", content, channel, recipient, content_type)
