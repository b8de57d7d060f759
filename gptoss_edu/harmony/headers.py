"""Message headers: the tokens between `<|start|>` and `<|message|>`.

    {author}[ to={recipient}][<|channel|>{channel}[ to={recipient}]][ {content type}]

A recipient may come before or after the channel; the models write both. Headers are read by id, so a name that spells a
control token stays a name.

Source: OpenAI, "OpenAI harmony response format", sections Receiving tool calls and Handling tool calls.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gptoss_edu.errors import HarmonyError

from .control import CONSTRAIN, ControlTokens
from .messages import CHANNELS, ROLES

CONTENT_TYPES = ("json", "code", "text", "markdown", "python")  # single words that are never a recipient


@dataclass
class Header:
    """The parts of a header. `words` are left over from a lenient reading; `problems` says what was wrong."""

    role: str
    name: str | None = None
    channel: str | None = None
    recipient: str | None = None
    content_type: str | None = None
    words: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def split_header(tokens: Sequence[int], control: ControlTokens, text_of: Callable[[Sequence[int]], str]):
    """Cut a header at its control tokens: [(control id or None, text that follows), …]."""
    parts: list[tuple[int | None, str]] = []
    key, run = None, []
    for token in tokens:
        if token in control.specials:
            parts.append((key, text_of(run)))
            key, run = token, []
        else:
            run.append(token)
    parts.append((key, text_of(run)))
    return parts


def parse_header_strict(
    tokens: Sequence[int], control: ControlTokens, text_of: Callable[[Sequence[int]], str], role: str | None, where: int
) -> Header:
    """Read a well-formed header.

    Parameters
    ----------
    tokens : ids between `<|start|>` (or the prompt's end) and `<|message|>`.
    text_of : decodes ordinary ids; raises HarmonyError if they are not UTF-8.
    role : the role that the prompt already gave, or None if the header names it.
    where : position of the header's first token in the stream, for errors.

    Raises
    ------
    HarmonyError : says where the header is, what was expected and what was found.
    """
    parts = split_header(tokens, control, text_of)
    shown = repr("".join(control.specials.get(key, "") + text for key, text in parts))

    def refuse(why: str) -> HarmonyError:
        return HarmonyError(f"header at token {where}, {shown}: {why}.")

    order = [key for key, _ in parts[1:]]
    if order not in ([], [control.channel], [control.constrain], [control.channel, control.constrain]):
        names = " ".join(control.specials[key] for key in order)
        raise refuse(f"expected at most <|channel|> and then <|constrain|>, found {names}")
    words = []  # (section, word)
    for key, text in parts:
        section = {None: "author", control.channel: "channel"}.get(key, "constrain")
        if key is not None and (not text or text[0].isspace()) and not (section == "constrain" and not text):
            raise refuse(f"expected a word right after {control.specials[key]}, found {text[:10]!r}")
        for word in text.split():
            if "<|" in word:
                raise refuse(f"{word!r} spells a control token in ordinary text: a name cannot hold '<|'")
            words.append((section, word))
        if section == "constrain" and not text:
            words.append((section, ""))
        if any(space.isspace() and space not in " \t\n\r\x0c" for space in text):
            raise refuse("expected plain spaces between words, found another kind of white space")
    header = Header(role or "")
    if role is None:
        if not words or words[0][0] != "author":
            raise refuse("expected a role or a tool's name after <|start|>")
        header.name = words.pop(0)[1]
    elif words and words[0] == ("author", role):
        words.pop(0)
    if order[:1] == [control.channel]:
        index = next(i for i, (section, _) in enumerate(words) if section == "channel")
        header.channel = words.pop(index)[1]
        if "<" in header.channel:
            raise refuse(f"channel {header.channel!r}: a channel cannot hold '<'")
    _take_recipient_and_type(header, words, refuse)
    if role is None:
        _settle_author(header, refuse)
    return header


def _take_recipient_and_type(header: Header, words: list[tuple[str, str]], refuse) -> None:
    if words and words[0][1].startswith("to=") and words[0][0] != "constrain":
        header.recipient = words.pop(0)[1][3:]
        if not header.recipient:
            raise refuse("expected a name after 'to='")
    if not words:
        return
    section, word = words.pop(0)
    if words:
        raise refuse(f"expected the header to end after {word!r}, found {words[0][1]!r}")
    if section == "constrain":
        header.content_type = CONSTRAIN + word
    elif word.startswith("to="):
        raise refuse(f"expected one recipient, found a second: {word!r}")
    elif word in ROLES:
        raise refuse(f"{word!r} is a role, but the author is already known")
    elif header.recipient is not None or header.channel == "final" or word in CONTENT_TYPES:
        header.content_type = word
    else:
        raise refuse(f"{word!r} is neither a recipient ('to={word}') nor a content type ({', '.join(CONTENT_TYPES)})")


def _settle_author(header: Header, refuse) -> None:
    """Read the first word as a role, or else as a tool's name; a tool always answers somebody."""
    if header.name in ROLES:
        header.role, header.name = header.name, "tool" if header.name == "tool" else None
    elif header.name.partition(":")[0] in ROLES:
        raise refuse(f"{header.name!r} names its author beside the role, which only lenient parsing accepts")
    elif header.recipient is None:
        raise refuse(
            f"{header.name!r} is not a role ({', '.join(ROLES)}); a tool's result names its recipient, 'to=assistant'"
        )
    else:
        header.role = "tool"


def parse_header_lenient(
    tokens: Sequence[int], control: ControlTokens, text_of: Callable[[Sequence[int]], str], role: str | None
) -> Header:
    """Read any header; what does not fit goes to `words`, and each repair to `problems`."""
    header = Header(role or "")
    parts = split_header(tokens, control, text_of)
    section_of = {None: "author", control.channel: "channel", control.constrain: "constrain"}
    for key, text in parts:
        section = section_of.get(key, "junk")
        if section == "junk":
            header.problems.append(f"{control.specials[key]} in a header")
        _read_section(header, section, text.split(), first=key is None, role_given=role is not None)
    if not header.role:
        header.role = "assistant"
        header.problems.append("no author: taken for the assistant's")
    return header


def _read_section(header: Header, section: str, words: list[str], first: bool, role_given: bool) -> None:
    if first:
        if role_given and words[:1] == [header.role]:
            words = words[1:]
        elif not role_given:
            words = _read_author(header, words)
    elif section == "channel":
        words = _read_channel(header, words)
    elif section == "constrain":
        word, words = (words[0], words[1:]) if words else ("", [])
        if header.content_type is not None:
            header.problems.append(f"second content type {CONSTRAIN}{word}")
            header.words += [word] if word else []
        else:
            header.content_type = CONSTRAIN + word
    for word in words:
        _read_word(header, word)


def _read_author(header: Header, words: list[str]) -> list[str]:
    if not words or words[0].startswith("to="):
        return words
    author, _, name = words[0].partition(":")
    if words[0] in ROLES or (author in ROLES and name):
        header.role, header.name = author, name or ("tool" if author == "tool" else None)
    else:
        known = [role for role in ROLES if role != "tool" and words[0].startswith(role + "<|")]
        header.role, header.name = ("tool", words[0]) if not known else (known[0], None)
        if known:
            header.problems.append(f"author {words[0]!r}: taken for {known[0]}")
            header.words.append(words[0][len(known[0]) :])
    return words[1:]


def _read_channel(header: Header, words: list[str]) -> list[str]:
    if not words or words[0].startswith("to="):
        header.problems.append("<|channel|> without a channel")
        return words
    if header.channel is not None:
        header.problems.append(f"second channel {words[0]!r}")
        header.words.append(header.channel)
    header.channel = words[0]
    for channel in CHANNELS:  # "analysisto=…", "final<|constrain|>" spelled as text, and the like
        if words[0] != channel and words[0].startswith((channel + "to=", channel + "<|")):
            header.channel = channel
            header.problems.append(f"channel {words[0]!r}: taken for {channel!r}")
            return [words[0][len(channel) :], *words[1:]]
    return words[1:]


def _read_word(header: Header, word: str) -> None:
    if word.startswith("to=") and len(word) > 3:
        if header.recipient is None:
            header.recipient = word[3:]
            return
        if header.recipient != word[3:]:
            header.problems.append(f"second recipient {word!r}")
        header.words.append(word)
    elif header.content_type is None and (header.channel == "final" or word in CONTENT_TYPES or header.recipient):
        header.content_type = word
    elif header.recipient is None and header.channel in ("analysis", "commentary") and "." in word and "<" not in word:
        header.recipient = word
        header.problems.append(f"recipient {word!r} without 'to='")
    else:
        header.problems.append(f"left-over word {word!r}")
        header.words.append(word)


_UNFINISHED = {
    "author": re.compile(r"\s*(?P<word>[^\s<{]*)(?:\s+to=(?P<to>[^\s{<]+))?(?P<rest>.*)", re.DOTALL),
    "channel": re.compile(r"(?P<word>[^\s<{]*)(?:\s+to=(?P<to>[^\s{<]+))?(?P<rest>.*)", re.DOTALL),
    "constrain": re.compile(rf"\s*(?P<word>(?:{'|'.join(CONTENT_TYPES)})?)(?P<rest>.*)", re.DOTALL),
}


def parse_header_unfinished(
    tokens: Sequence[int], control: ControlTokens, text_of: Callable[[Sequence[int]], str], role: str | None
) -> tuple[Header, str]:
    """Read a header without its `<|message|>`: (header, the text that was meant as content)."""
    header, content = Header(role or ""), []
    for key, text in split_header(tokens, control, text_of):
        section = {None: "author", control.channel: "channel"}.get(key, "constrain")
        found = _UNFINISHED[section].fullmatch(text)
        word, recipient = found["word"], found.groupdict().get("to")
        if section == "author" and role is not None and word not in ("", role):
            content.append(text)
            continue
        if section == "author":
            if role is None:
                content += _read_author(header, [word] if word else [])
        elif section == "channel" and header.channel is None and word:
            header.channel = word
        elif section == "constrain" and key == control.constrain and header.content_type is None:
            header.content_type = CONSTRAIN + word
        else:
            content.append(word)
        if recipient is not None and header.recipient is not None:
            content.append(f" to={recipient}")
        header.recipient = header.recipient or recipient
        content.append(found["rest"])
    header.role = header.role or "assistant"
    return header, "".join(content).removeprefix(" ")
