"""The base of all tools: a namespace, a description for the prompt, and calls whose errors go back to the model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gptoss_edu.errors import GptOssError

FUNCTIONS = "functions"  # the namespace of the developer's functions; it also answers for missing tools


class ToolError(GptOssError):
    """A mistake that the model made in a call; the text goes back to the model, which can then correct it."""


@dataclass
class ToolResult:
    """The result of a call: `text` for the model, the rest for display."""

    text: str
    error: bool = False
    author: str = ""  # who answered, for display; a header's author is `Toolbox.author_of`
    pictures: list[Path] = field(default_factory=list)
    seconds: float = 0.0


class Tool(Protocol):
    """A namespace of functions that the model can call."""

    name: str

    def config(self) -> dict:
        """Return name, description and functions in openai-harmony's JSON for a tool namespace."""

    def call(self, recipient: str, arguments: str) -> ToolResult:
        """Run the model's call to `recipient` (with its namespace, such as browser.search).

        Never raises ToolError.
        """

    def close(self) -> None:
        """Release everything that the tool holds: processes, connections, folders."""


class Toolbox:
    """Several tools; finds the one that a recipient names. Use it in a `with` block, or call close()."""

    def __init__(self, tools: Iterable[Tool] = ()):
        self.tools: dict[str, Tool] = {}
        for tool in tools:
            if tool.name in self.tools:
                raise GptOssError(
                    f"expected one tool for each name, found two called {tool.name!r}; merge them or rename one."
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
        """Return every recipient that can be called, as written in a header."""
        names = []
        for tool in self.tools.values():
            functions = [function["name"] for function in tool.config()["tools"]]
            names += [f"{tool.name}.{function}" for function in functions] or [tool.name]
        return names

    def find(self, recipient: str) -> tuple[Tool, str]:
        """Return the tool for a recipient, and the recipient as its header would name it.

        Models leave out the namespace ("search") or put a second one before it ("functions.browser.search"). This finds
        the intended call: a known name after removing leading namespaces. A bare name must belong to exactly one
        function.

        Raises
        ------
        ToolError : there is no such tool; names every recipient.
        """
        known = self.recipients()
        parts = recipient.split(".")
        for start in range(len(parts)):
            if start and parts[start - 1] not in self.tools and parts[start - 1] != FUNCTIONS:
                break  # the part before this one is not a namespace
            name = ".".join(parts[start:])
            tool = self.tools.get(parts[start])
            if tool is not None and (name in known or tool.name in known):  # a tool without functions takes any call
                return tool, name
            matches = [full for full in known if full.split(".", 1)[-1] == name]
            if len(matches) == 1:
                return self.tools[matches[0].split(".", 1)[0]], matches[0]
        raise ToolError(
            f"There is no tool called {shorten(recipient, 100)!r}. Available: {', '.join(known) or 'none'}."
        )

    def author_of(self, recipient: str) -> str:
        """Return the author of the message that answers a call: a name of this toolbox, never one that the model wrote.

        An author that spells a role is read as that role, so a call to "system" must not be answered by "system". The
        author for calls that nobody can answer is `functions`.
        """
        try:
            tool, name = self.find(recipient)
        except ToolError:
            return FUNCTIONS
        return name if name in self.recipients() else tool.name

    def call(self, recipient: str, arguments: str) -> ToolResult:
        """Call a tool; a mistake comes back as a result with `error` set."""
        try:
            tool, full_name = self.find(recipient)
        except ToolError as error:
            return ToolResult(str(error), error=True, author=FUNCTIONS)
        return tool.call(full_name, arguments)


def shorten(text: str, limit: int) -> str:
    """Shorten a text of more than `limit` characters to its beginning and end, stating how much was left out."""
    if len(text) <= limit:
        return text
    head, tail = limit * 3 // 4, limit // 4
    return f"{text[:head]}\n[… {len(text) - head - tail:,} characters left out …]\n{text[-tail:]}"
