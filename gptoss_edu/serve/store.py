"""Keep responses, the messages behind items, and Python kernels between requests, dropping the oldest first."""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gptoss_edu.harmony import Message
from gptoss_edu.tools import Toolbox
from gptoss_edu.tools.base import Tool
from gptoss_edu.tools.browser import BrowserTool

from .errors import ApiError


@dataclass
class Memory:
    """The state of a conversation: messages without system message and instructions, calls by id, open pages.

    name : identifies the conversation across its responses, and whatever runs for it, such as a Python kernel
    """

    name: str
    messages: list[Message] = field(default_factory=list)
    calls: dict[str, Message] = field(default_factory=dict)
    pages: tuple = ()


@dataclass
class Stored:
    """A response: its object, its input items, the state to continue from, and its last prompt with the answer."""

    response: dict
    items: list[Any]
    memory: Memory
    tokens: list[int] = field(default_factory=list)
    size: int = 0


class Store:
    """Responses by id, and the messages of items by the items' ids.

    most : number of responses; max_bytes : of their JSON; most_items : number of items
    """

    def __init__(self, most: int = 1000, max_bytes: int = 64 << 20, most_items: int = 20_000):
        self.most, self.max_bytes, self.most_items = most, max_bytes, most_items
        self.nbytes = 0
        self._responses: OrderedDict[str, Stored] = OrderedDict()
        self._items: OrderedDict[str, tuple[tuple[Message, ...], Memory]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._responses)

    def keep(self, stored: Stored) -> None:
        """Keep a response, dropping the oldest ones if there are too many."""
        stored.size = (
            len(json.dumps([stored.response, stored.items]))
            + 16 * sum(len(m.text) for m in stored.memory.messages)
            + 8 * len(stored.tokens)
        )
        self._responses[stored.response["id"]] = stored
        self.nbytes += stored.size
        while len(self._responses) > self.most or self.nbytes > self.max_bytes:
            self.nbytes -= self._responses.popitem(last=False)[1].size

    def get(self, identity: str, param: str | None = None) -> Stored:
        """Return a stored response.

        Raises
        ------
        ApiError : 404.
        """
        if identity not in self._responses:
            code = "previous_response_not_found" if param else None
            raise ApiError(f"Response with id {identity!r:.100} not found.", param, code, 404)
        self._responses.move_to_end(identity)
        return self._responses[identity]

    def delete(self, identity: str) -> None:
        self.get(identity)
        self.nbytes -= self._responses.pop(identity).size

    def remember(self, identity: str, messages: Sequence[Message], memory: Memory) -> None:
        """Keep the messages behind an item, for clients that send items back."""
        self._items[identity] = (tuple(messages), memory)
        self._items.move_to_end(identity)
        while len(self._items) > self.most_items:
            self._items.popitem(last=False)

    def known(self, identity: str) -> Sequence[Message]:
        """Return the messages behind an item's id or a call's id."""
        return self._items[identity][0] if identity in self._items else ()

    def call_id_of(self, identity: str) -> str | None:
        """Return the call_id of an item, if it is a call."""
        messages, memory = self._items.get(identity, ((), None))
        return next((i for i, call in memory.calls.items() if call is messages[-1]), None) if messages else None

    def memory_of(self, identity: str) -> Memory | None:
        """Return the conversation in which an item was made."""
        return self._items[identity][1] if identity in self._items else None


class Desks:
    """The tools of conversations: each has its own page stack and its own Python kernel.

    make : name of a tool → a new one
    most : kernels at once; idle : seconds after which an unused kernel is ended
    """

    def __init__(self, make: Callable[[str], Any], most: int = 8, idle: float = 600.0):
        self.make, self.most, self.idle = make, most, idle
        self._lock = threading.Lock()
        self._kernels: OrderedDict[str, tuple[Tool, float]] = OrderedDict()
        self._busy: set[str] = set()

    def __len__(self) -> int:
        return len(self._kernels)

    def toolbox(self, memory: Memory, names: Sequence[str]) -> Toolbox:
        """Lend the tools of a conversation until `give_back`."""
        tools = []
        if "browser" in names:
            browser = self.make("browser")
            if isinstance(browser, BrowserTool):
                browser.pages = list(memory.pages)
            tools.append(browser)
        if "python" in names:
            tools.append(self._kernel(memory))
        return Toolbox(tools)

    def _kernel(self, memory: Memory) -> Tool:
        with self._lock:
            if memory.name in self._busy:
                raise ApiError(
                    "Another request of this conversation is using its Python process.",
                    code="conversation_busy",
                    status=409,
                )
            kept = self._kernels.pop(memory.name, None)
            if kept is None and len(self._busy) >= self.most:
                raise ApiError(
                    "All Python processes are busy; try again.",
                    code="overloaded",
                    status=429,
                    headers={"Retry-After": "5"},
                )
            self._busy.add(memory.name)
        if kept is not None:
            return kept[0]
        tool = self.make("python")
        if any(message.recipient == "python" for message in memory.messages):
            tool.forget()
        return tool

    def give_back(self, memory: Memory, toolbox: Toolbox, keep: bool) -> None:
        """End the request's use of its tools: keep its kernel for the conversation, or end it."""
        if (browser := toolbox.tools.get("browser")) is not None:
            memory.pages = tuple(getattr(browser, "pages", ()))
        python = toolbox.tools.get("python")
        if python is None:
            return
        with self._lock:
            self._busy.discard(memory.name)
            if keep:
                self._kernels[memory.name] = (python, time.monotonic())
        if not keep:
            python.close()
        self.tidy()

    def tidy(self, everything: bool = False) -> None:
        """End kernels that are idle or too many."""
        with self._lock:
            now, gone = time.monotonic(), []
            for name, (tool, since) in list(self._kernels.items()):
                if everything or now - since > self.idle or len(self._kernels) + len(self._busy) > self.most:
                    gone.append(tool)
                    del self._kernels[name]
        for tool in gone:
            tool.close()
