"""What every tool has in common: a namespace, a description for the prompt, and calls that never raise at the model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gptoss_edu.errors import GptOssError


class ToolError(GptOssError):
    """A mistake that the model made in a call; its text goes back to the model, which can then do better."""


@dataclass
class ToolResult:
    """What a call gives back: `text` for the model, the rest for whoever shows it."""

    text: str
    error: bool = False
    author: str = ""  # the name in the tool message's header, such as functions.get_weather
    pictures: list[Path] = field(default_factory=list)
    seconds: float = 0.0


class Tool(Protocol):
    """A namespace of functions that the model can call."""

    name: str

    def config(self) -> dict:
        """Name, description and functions as in openai-harmony's JSON for a tool namespace."""

    def call(self, recipient: str, arguments: str) -> ToolResult:
        """Do what the model asked of `recipient` (with the namespace, such as browser.search). Never raises ToolError."""

    def close(self) -> None:
        """Give back everything that the tool holds: processes, connections, folders."""


class Toolbox:
    """Several tools under one roof; finds the one that a recipient names. Use it in a `with` block, or call close()."""

    def __init__(self, tools: Iterable[Tool] = ()):
        self.tools: dict[str, Tool] = {}
        for tool in tools:
            if tool.name in self.tools:
                raise GptOssError(
                    f"expected one tool for each name, found two called {tool.name!r}: merge or rename one"
                )
            self.tools[tool.name] = tool

    def __enter__(self) -> Toolbox:
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def close(self) -> None:
        for tool in self.tools.values():
            tool.close()

    def recipients(self) -> list[str]:
        """Everything that can be called, as it stands in a header."""
        names = []
        for tool in self.tools.values():
            functions = [function["name"] for function in tool.config()["tools"]]
            names += [f"{tool.name}.{function}" for function in functions] or [tool.name]
        return names

    def find(self, recipient: str) -> tuple[Tool, str]:
        """The tool for a recipient, and the recipient with its namespace.

        Models sometimes leave the namespace out; where exactly one function has the bare name, that one is meant.
        """
        namespace = recipient.split(".", 1)[0]
        if namespace in self.tools:
            return self.tools[namespace], recipient
        matches = [name for name in self.recipients() if name.split(".", 1)[-1] == recipient]
        if len(matches) == 1:
            return self.tools[matches[0].split(".", 1)[0]], matches[0]
        there = ", ".join(self.recipients()) or "none"
        raise ToolError(f"There is no tool called {recipient!r}. Available: {there}.")

    def call(self, recipient: str, arguments: str) -> ToolResult:
        """Call a tool; a mistake comes back as a result with `error` set."""
        try:
            tool, full_name = self.find(recipient)
        except ToolError as error:
            return ToolResult(str(error), error=True, author=recipient)
        return tool.call(full_name, arguments)


def shorten(text: str, limit: int) -> str:
    """The beginning and the end of a text that is longer than `limit` characters, with the gap counted."""
    if len(text) <= limit:
        return text
    head, tail = limit * 3 // 4, limit // 4
    return f"{text[:head]}\n[… {len(text) - head - tail:,} characters left out …]\n{text[-tail:]}"
