"""Save conversations to files: the messages, the tokens that the model sampled, and its open pages."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import tiktoken

from gptoss_edu.engines.sampler import Sampler
from gptoss_edu.errors import GptOssError
from gptoss_edu.harmony import Conversation, HarmonyError, Message, parse
from gptoss_edu.options import write_text
from gptoss_edu.tools.base import Tool, Toolbox

from .chat import Chat, Settings

FORMAT, VERSION = "gptoss-edu chat", 1


def save(chat: Chat, path: str | Path) -> None:
    """Write a conversation as JSON, atomically."""
    browser = chat.tools.tools.get("browser")
    record = {
        "format": FORMAT,
        "version": VERSION,
        "settings": asdict(chat.settings),
        "conversation": Conversation(chat.history).to_dict(),
        "tokens": [None if m.source is None else {"encoding": m.source[0], "ids": m.source[1]} for m in chat.history],
        "browser": browser.state() if browser is not None and hasattr(browser, "state") else [],
    }
    write_text(Path(path), json.dumps(record, ensure_ascii=False, indent=1))


def load(
    path: str | Path,
    sample: Sampler,
    tools: Toolbox | Iterable[Tool] = (),
    encoding: tiktoken.Encoding | None = None,
    settings: Settings | None = None,
) -> Chat:
    """Resume a saved conversation.

    The tools are those given here. A browser gets its pages back, and a Python tool tells the model that its variables
    are gone. `settings` replaces the saved ones. Token ids that do not spell their message are ignored.
    """
    record = read_record(Path(path))
    try:
        messages = list(Conversation.from_dict(record["conversation"]))
        tokens = record.get("tokens") or [None] * len(messages)
        saved = Settings(**record["settings"])
        if len(tokens) != len(messages):
            raise HarmonyError(f"{len(messages)} messages and tokens of {len(tokens)}.")
    except (KeyError, TypeError, AttributeError, GptOssError) as error:
        why = str(error).rstrip(".")
        raise GptOssError(f"{path}: expected a saved conversation, found a damaged one ({why}).") from None
    history = [restore_tokens(m, ids, encoding) for m, ids in zip(messages, tokens, strict=True)]
    chat = Chat(sample, tools, encoding, settings or saved, history)
    if (browser := chat.tools.tools.get("browser")) is not None and record.get("browser"):
        browser.restore(record["browser"])
    if (python := chat.tools.tools.get("python")) is not None and any(m.name == "python" for m in history):
        python.forget()
    return chat


def read_record(path: Path) -> dict:
    """Read the JSON of a file that save() wrote."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise GptOssError(f"{path}: expected a saved conversation, found no such file.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise GptOssError(f"{path}: expected a saved conversation (JSON), found something else: {error}.") from None
    if not isinstance(record, dict) or record.get("format") != FORMAT or record.get("version") != VERSION:
        raise GptOssError(f"{path}: expected a {FORMAT!r} file of version {VERSION}, found something else.")
    return record


def restore_tokens(message: Message, saved: dict | None, encoding: tiktoken.Encoding | None) -> Message:
    """Return `message` with its sampled ids, if they belong to this encoding and spell the message."""
    if not isinstance(saved, dict):
        return message
    try:
        found = parse(list(saved["ids"]), strict=True, encoding=encoding)
    except (TypeError, ValueError, KeyError, OverflowError):  # HarmonyError is a ValueError
        return message
    same = len(found) == 1 and found[0] == message and found[0].source[0] == saved.get("encoding")
    return found[0] if same else message
