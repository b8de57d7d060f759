"""One answer: render, let the pool sample, read pieces, run built-in tools, and repeat until the turn is over."""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace

import tiktoken

from gptoss_edu.engines.pool import Pool
from gptoss_edu.engines.request import PoolFull, Request
from gptoss_edu.errors import GptOssError
from gptoss_edu.harmony import (
    Begins,
    Ends,
    Message,
    Piece,
    PieceReader,
    Repaired,
    render,
)
from gptoss_edu.harmony.pieces import Happening
from gptoss_edu.tools import Toolbox
from gptoss_edu.tools.base import ToolResult

from .ask import Ask
from .errors import ApiError
from .heads import constraint_of, head_of
from .stops import StopText
from .wakes import wakes

MAX_CALLS = 16  # of built-in tools per turn, unless the request sets a limit
MAX_UNKNOWN = 3  # calls of unknown tools; the model is told after each one
CLIENT, BUILTIN, UNKNOWN = "client", "builtin", "unknown"


@dataclass(frozen=True)
class ToolDone:
    """A built-in tool has run; `number` is that of its call."""

    number: int
    call: Message
    message: Message
    result: ToolResult


@dataclass
class Usage:
    """Tokens read, and how many of them were cached; tokens sampled, and how many of them were thoughts."""

    read: int = 0
    cached: int = 0
    sampled: int = 0
    thought: int = 0


@dataclass(eq=False)
class Turn:
    """An answer in progress.

    Parameters
    ----------
    pool, encoding : of the model. ask : the request. toolbox : built-in tools. date : for the system message.

    Attributes
    ----------
    status : in_progress; then completed, incomplete, cancelled or failed. why : what failed.
    written : complete messages of this turn in order, including results of built-in tools.
    call : the call of a client's function that ended the turn. stopped_at : the stop text that ended it.
    """

    pool: Pool
    encoding: tiktoken.Encoding
    ask: Ask
    toolbox: Toolbox
    date: str | None = None
    status: str = "in_progress"
    why: str = ""
    written: list[Message] = field(default_factory=list)
    call: Message | None = None
    stopped_at: str | None = None
    usage: Usage = field(default_factory=Usage)

    def __post_init__(self):
        self.seed = random.getrandbits(63) if self.ask.seed is None else self.ask.seed & (2**63 - 1)
        self._request: Request | None = None
        self._tokens: asyncio.Event = asyncio.Event()
        self._wakes = wakes()
        self._cancelled = False
        self._draws, self._calls, self._unknown, self._number = 0, 0, 0, 0

    # --------------------------------------------------------------------------------------------------- the prompt

    def head(self) -> list[Message]:
        """Return the system message and the developer message."""
        return head_of(self.ask, self.toolbox, self.date)

    def prompt(self) -> list[int]:
        messages = [*self.head(), *self.ask.messages, *self.written]
        return render(messages, encoding=self.encoding, drop_analysis="finished_turns")

    def _head_length(self, prompt: list[int]) -> int:
        """Return the length of the system and developer messages, which all conversations with these tools share."""
        head = render(self.head(), next_role=None, encoding=self.encoding)
        return len(head) if prompt[: len(head)] == head else 0

    def begin(self) -> None:
        """Ask the pool for the first sampling run.

        Raises
        ------
        ApiError : the prompt is too long, or too many requests wait.
        """
        prompt = self.prompt()
        while len(prompt) >= self.pool.room and self.ask.cut_front and self._drop_oldest():
            prompt = self.prompt()
        if len(prompt) >= self.pool.room:
            raise ApiError(
                f"The input has {len(prompt)} tokens; with room for an answer, the context of {self.pool.room} holds"
                " fewer.",
                "input",
                "context_length_exceeded",
            )
        self._submit(prompt)

    def _drop_oldest(self) -> bool:
        """Drop the oldest turn; the newest one stays."""
        starts = [i for i, message in enumerate(self.ask.messages) if message.role == "user"]
        if len(starts) < 2:
            return False
        self.ask.messages = self.ask.messages[starts[1] :]
        return True

    def _submit(self, prompt: list[int]) -> None:
        room = self.pool.room - len(prompt) + 1
        if self.ask.limit is not None:
            room = min(room, self.ask.limit - self.usage.sampled)
        ask, tokens = self.ask, asyncio.Event()
        self._tokens = tokens
        request = Request(
            prompt,
            room,
            ask.temperature,
            ask.top_p,
            seed=(self.seed + self._draws) & (2**63 - 1),
            logits_processor=constraint_of(ask, demanded=not self._calls),
            marks=[self._head_length(prompt)],
            listener=functools.partial(self._wakes.wake, tokens),
        )
        try:
            self._request = self.pool.submit(request)
        except PoolFull as error:
            raise ApiError(str(error), code="overloaded", status=429, headers={"Retry-After": "1"}) from None
        self.usage.read = len(prompt) - self.usage.sampled
        self._draws += 1

    def tokens(self) -> list[int]:
        """Return the last prompt and the tokens sampled after it."""
        return [] if self._request is None else [*self._request.prompt, *self._request.sampled]

    # -------------------------------------------------------------------------------------------------- the answer

    def cancel(self) -> None:
        """Cancel because the client has left: free the row at the next step."""
        self._cancelled = True
        if self._request is not None:
            self._request.cancel()

    async def happenings(self) -> AsyncGenerator[list[Begins | Piece | Ends | ToolDone]]:
        """Yield events, all that are there at a time, until `status` says how the answer ended.

        Exactly the text that is sent is kept.
        """
        while self.status == "in_progress":
            call = None
            async for events in self._draw():
                shown: list[Begins | Piece | Ends | ToolDone] = []
                for event in events:
                    if isinstance(event, Ends) and not event.partial and self.kind_of(event.message) is not None:
                        call = event
                    kind = self._kind_by_recipient(event)
                    if kind is CLIENT and not isinstance(event, Ends):  # models sometimes leave out the namespace
                        event = replace(event, recipient=f"functions.{self._client_function(event.recipient)}")
                    if kind is not UNKNOWN:
                        shown.append(event)
                yield shown
            if self.status != "in_progress":
                return
            if call is None:
                self.status = "completed"
            elif self.kind_of(call.message) is CLIENT:
                self.call, self.status = call.message, "completed"
            else:
                done = await self._run(call)
                if self.status == "in_progress" and done is not None:
                    yield [done]
                await self._go_on()

    async def _draw(self) -> AsyncGenerator[list[Begins | Piece | Ends]]:
        """Yield the events of one sampling run; complete messages go to `written`."""
        request, reader, stop = self._request, PieceReader(self.encoding), StopText(self.ask.stop)
        first, over, thinks = self._number, False, False
        async for tokens in self._sampled(request):
            events: list[Begins | Piece | Ends] = []
            for token in tokens:
                if not over:
                    thinks, over = self._take(stop.filter(reader.take(token)), thinks, events)
                self.usage.thought += thinks
            if over and request.reason is None:
                request.cancel()
            if events:
                yield _numbered(events, first)
        self.usage.cached += request.reused if self._draws == 1 else 0
        if not over and request.reason != "error":
            events = []
            for event in stop.filter(reader.flush()):
                if isinstance(event, Repaired) or (isinstance(event, Begins) and event.role != "assistant"):
                    break
                self._settle(event)
                events.append(event)
            yield _numbered(events, first)
        self._number = first + len(reader.parser.messages)
        self.stopped_at = stop.found
        if request.reason == "error":
            self.status, self.why = "failed", type(request.error).__name__
        elif (request.reason == "cancelled" and not over) or self._cancelled or request.reason == "closed":
            self.status = "cancelled"
        elif request.reason == "length" and not over:
            self.status = "incomplete"

    def _take(self, happened: list[Happening], thinks: bool, events: list[Begins | Piece | Ends]) -> tuple[bool, bool]:
        """Add what one token caused to `events`; return whether the model thinks, and whether the run is over."""
        for event in happened:
            if isinstance(event, Repaired):
                continue
            if isinstance(event, Begins) and event.role != "assistant":  # the model speaks in another role: stop
                return thinks, True
            thinks = not isinstance(event, Ends) and event.channel == "analysis" and event.recipient is None
            events.append(event)
            if self._settle(event):
                return thinks, True
        return thinks, False

    def _settle(self, event) -> bool:
        """Keep a complete message; return whether it ends the sampling run."""
        if not isinstance(event, Ends):
            return False
        is_call = self.kind_of(event.message) is not None
        if not (event.partial and (is_call or not event.message.text.strip())):
            self.written.append(event.message)
        return not event.partial and (is_call or event.message.channel == "final")

    async def _sampled(self, request: Request) -> AsyncGenerator[list[int]]:
        """Yield the tokens as they come, several where this task has not run for more than a step."""
        given = 0
        while True:
            await self._tokens.wait()
            self._tokens.clear()
            reason = request.reason  # read before the tokens: once a request has ended, all its tokens are there
            new = request.sampled[given:]
            given += len(new)
            self.usage.sampled += len(new)
            yield new
            if reason is not None:
                return

    # --------------------------------------------------------------------------------------------------- the calls

    def kind_of(self, message: Message) -> str | None:
        """Return who runs a call: the client, this server, or nobody; None if the message is not a call."""
        return self._kind_by_recipient(message) if message.role == "assistant" else None

    def _kind_by_recipient(self, of) -> str | None:
        recipient = of.message.recipient if isinstance(of, Ends) else getattr(of, "recipient", None)
        if recipient in (None, "assistant", "user", "all"):
            return None
        if self._client_function(recipient) is not None:
            return CLIENT
        return BUILTIN if recipient.split(".", 1)[0] in self.ask.builtin else UNKNOWN

    def _client_function(self, recipient: str) -> str | None:
        """Return the client's function that a recipient names; built-in tools take precedence for bare names."""
        names, bare = {function.name for function in self.ask.functions}, recipient.removeprefix("functions.")
        if bare != recipient and bare in names:
            return bare
        is_builtin = recipient.split(".", 1)[0] in self.ask.builtin
        return recipient if recipient in names and not is_builtin else None

    async def _run(self, call: Ends) -> ToolDone | None:
        """Run a built-in tool in its own thread, and put its result after the call."""
        message = call.message
        known = self.kind_of(message) is BUILTIN
        most = self.ask.max_tool_calls or MAX_CALLS
        if not known:
            self._unknown += 1
            there = ", ".join(self.ask.recipients()) or "none"
            result = ToolResult(f"There is no such tool. Available: {there}.", error=True)
        elif self._calls >= most:
            self._unknown += 1
            result = ToolResult(f"The limit of {most} tool calls is reached. Answer with what you have.", error=True)
        else:
            self._calls += 1
            result = await asyncio.to_thread(self._call, message)
        name = "".join(message.recipient.split())[:100] if known else "functions"
        answer = Message("tool", result.text, channel=message.channel or "commentary", recipient="assistant", name=name)
        self.written.append(answer)
        return ToolDone(call.number, message, answer, result) if known else None

    def _call(self, message: Message) -> ToolResult:
        try:
            return self.toolbox.call(message.recipient, message.text)
        except Exception as error:  # the tool's fault: tell the model and go on
            return ToolResult(f"The tool failed: {type(error).__name__}.", error=True)

    async def _go_on(self) -> None:
        """Start the next sampling run of this turn, with the result in the prompt."""
        if self._cancelled:
            self.status = "cancelled"
            return
        prompt = self.prompt()
        spent = self.ask.limit is not None and self.usage.sampled >= self.ask.limit
        if spent or len(prompt) >= self.pool.room or self._unknown > MAX_UNKNOWN:
            self.status = "incomplete"
            return
        try:
            self._submit(prompt)
        except (ApiError, GptOssError) as error:
            self.status, self.why = "failed", type(error).__name__


def _numbered(events: list[Begins | Piece | Ends], first: int) -> list[Begins | Piece | Ends]:
    """Return the events of a sampling run whose first message is number `first` of the turn."""
    return [replace(event, number=first + event.number) for event in events] if first else events
