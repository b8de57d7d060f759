"""The agent loop: render, generate, parse, call a tool, and again, until there is an answer.

    chat = Chat(ModelSampler(model), [FunctionTool([weather])], encoding=model.tokenizer)
    for event in chat.say("Will it rain in Rome?"):
        ...                                            # Piece, MessageDone, ToolDone, Stopped …

The loop knows nothing of models: it takes any function from a prompt to an iterator of token ids. It is bounded in
steps and tokens, it keeps the very tokens that the model sampled, and wherever it is interrupted it leaves a history
that can go on: no half calls, and no call without a result.

Source: OpenAI, "OpenAI harmony response format", section Receiving tool calls.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import tiktoken

from gptoss_edu.engines.sampler import Sampler
from gptoss_edu.errors import GptOssError
from gptoss_edu.harmony import (
    Conversation,
    DeveloperContent,
    Message,
    Repair,
    StreamParser,
    SystemContent,
    ToolNamespace,
    control_tokens,
    render,
)
from gptoss_edu.tools.base import Tool, Toolbox, ToolResult

BUILT_IN = ("browser", "python")  # described in the system message; everything else stands in the developer message
INTERRUPTED = "[Interrupted by the user.]"
STEPS_USED_UP = "[The limit of {limit} tool calls for one answer is reached. Answer with what you have.]"


# ---- what happens, in order, for whoever shows it


@dataclass(frozen=True)
class Piece:
    """A piece of a message's text, as it becomes complete; `number` tells messages apart."""

    text: str
    channel: str | None
    recipient: str | None
    number: int


@dataclass(frozen=True)
class MessageDone:
    """A message of the assistant is complete and in the history; a call is about to be run."""

    message: Message


@dataclass(frozen=True)
class Repaired:
    """The model's tokens were not quite harmony; this is what was made of them."""

    repair: Repair


@dataclass(frozen=True)
class ToolDone:
    """A call has its result, which is in the history as `message`."""

    call: Message
    message: Message
    result: ToolResult


@dataclass(frozen=True)
class Stopped:
    """The turn is over: `reason` is answered, steps, tokens, context, interrupted or silent."""

    reason: str
    detail: str = ""


Event = Piece | MessageDone | Repaired | ToolDone | Stopped


@dataclass
class Settings:
    """What stands before the conversation, and its bounds.

    identity : the system message's first sentence; None for harmony's own. max_steps : tool calls in one turn.
    max_tokens : sampled in one turn. max_context : prompt and answer together.
    drop_analysis : which old thoughts are left out of the prompt (`gptoss_edu.harmony.thoughts`).
    """

    effort: str | None = "medium"
    developer: str | None = None
    date: str | None = None
    identity: str | None = None
    max_steps: int = 8
    max_tokens: int = 4096
    max_context: int = 131_072
    drop_analysis: str = "finished_turns"


@dataclass
class _Draw:
    """What one run of the sampler came to."""

    call: Message | None = None
    answered: bool = False
    tokens: int = 0
    problem: str = "the model stopped without an answer on the final channel"


@dataclass
class Chat:
    """A conversation with tools.

    Parameters
    ----------
    sample : (prompt, at most so many) → iterator of token ids. It may stop by itself; the loop stops it in any case.
    tools : the tools that the model can call; close them yourself, or use the chat in a `with` block.
    encoding : an encoding with harmony's control tokens; None means o200k_harmony.
    settings : effort, developer message, bounds.
    history : messages to go on from, without system and developer message.
    """

    sample: Sampler
    tools: Toolbox | Iterable[Tool] = ()
    encoding: tiktoken.Encoding | None = None
    settings: Settings = field(default_factory=Settings)
    history: list[Message] = field(default_factory=list)

    def __post_init__(self):
        self.tools = self.tools if isinstance(self.tools, Toolbox) else Toolbox(self.tools)
        self.stop_requested = False
        limit = getattr(self.sample, "max_context", None)  # a sampler that knows its model's context says so
        if limit is not None:
            self.settings = replace(self.settings, max_context=min(limit, self.settings.max_context))
        for message in self.history:
            if message.role in ("system", "developer"):
                raise GptOssError(
                    f"history: expected user, assistant and tool messages, found a {message.role} message"
                )
        self._settle()

    def __enter__(self) -> Chat:
        return self

    def __exit__(self, *exception) -> None:
        self.tools.close()

    def preamble(self) -> list[Message]:
        """The system message and, where there is anything to say, the developer message."""
        namespaces = {name: ToolNamespace.from_dict(tool.config()) for name, tool in self.tools.tools.items()}
        built_in = {name: namespace for name, namespace in namespaces.items() if name in BUILT_IN}
        offered = {name: namespace for name, namespace in namespaces.items() if name not in BUILT_IN}
        settings = self.settings
        system = SystemContent(
            reasoning_effort=settings.effort, conversation_start_date=settings.date, tools=built_in or None
        )
        if settings.identity is not None:
            system = replace(system, model_identity=settings.identity)
        messages = [Message("system", system)]
        if settings.developer or offered:
            messages.append(Message("developer", DeveloperContent(settings.developer or None, offered or None)))
        return messages

    def conversation(self) -> Conversation:
        return Conversation([*self.preamble(), *self.history])

    def prompt(self) -> list[int]:
        """The token ids that the model sees next, up to `<|start|>assistant`."""
        return render(self.conversation(), encoding=self.encoding, drop_analysis=self.settings.drop_analysis)

    def stop(self) -> None:
        """End the running turn at its next token; for buttons and other threads."""
        self.stop_requested = True

    def say(self, text: str) -> Iterator[Event]:
        """Add a user message and answer it."""
        self.history.append(Message("user", text))
        return self.answer()

    def answer(self) -> Iterator[Event]:
        """Let the model go on until it has answered. Ctrl-C and closing the iterator leave a history that can go on."""
        self.stop_requested = False
        try:
            yield from self._turn()
        except KeyboardInterrupt:
            self._settle()
            yield Stopped("interrupted")
        finally:
            self._settle()

    def _turn(self) -> Iterator[Event]:
        spent, calls, settings = 0, 0, self.settings
        while True:
            prompt = self.prompt()
            room = min(settings.max_tokens - spent, settings.max_context - len(prompt))
            if room <= 0:
                yield self._out_of_room(spent, len(prompt))
                return
            draw = yield from self._draw(prompt, room)
            spent += draw.tokens
            if self.stop_requested or draw.call is None:
                yield self._why(draw, spent, len(prompt), room)
                return
            calls += 1
            yield self._run(draw.call, allowed=calls <= settings.max_steps)
            if calls > settings.max_steps + 1:
                yield Stopped("steps", f"more than {settings.max_steps} tool calls")
                return

    def _why(self, draw: _Draw, spent: int, prompt: int, room: int) -> Stopped:
        """Why the turn is over, where no call is to be run."""
        if draw.answered:
            return Stopped("answered")
        if self.stop_requested:
            return Stopped("interrupted")
        if draw.tokens >= room:
            return self._out_of_room(spent, prompt + draw.tokens)
        return Stopped("silent", draw.problem)

    def _out_of_room(self, spent: int, context: int) -> Stopped:
        if spent >= self.settings.max_tokens:
            return Stopped("tokens", f"{spent} tokens in this turn; the limit is {self.settings.max_tokens}")
        return Stopped("context", f"{context} tokens; the model's context holds {self.settings.max_context}")

    def _draw(self, prompt: list[int], room: int) -> Iterator[Event]:
        """Sample until a call, an answer or a bound, moving finished messages into the history. Returns a _Draw."""
        parser = StreamParser(strict=False, encoding=self.encoding, role="assistant")
        stops = set(control_tokens(parser.encoding).stops)
        draw, kept, repairs = _Draw(), 0, 0
        tokens = iter(self.sample(prompt, room))
        try:
            for token in tokens:
                text = parser.process(token)
                draw.tokens += 1
                done = parser.messages[kept:]
                if parser.current_role not in (None, "assistant") or any(m.role != "assistant" for m in done):
                    draw.problem = "the model began to speak in another role than its own"
                    break
                if text:
                    of = done[0] if done else None
                    channel, recipient = (
                        (of.channel, of.recipient) if of else (parser.current_channel, parser.current_recipient)
                    )
                    yield Piece(text, channel, recipient, len(self.history))
                for message in done:
                    self.history.append(message)
                    kept += 1
                    draw.call = draw.call or (message if self.is_call(message) else None)
                    draw.answered = draw.answered or message.channel == "final"
                    yield MessageDone(message)
                for repair in parser.repairs[repairs:]:
                    repairs += 1
                    yield Repaired(repair)
                if token in stops or draw.call or draw.answered or draw.tokens >= room or self.stop_requested:
                    break
        finally:
            if hasattr(tokens, "close"):
                tokens.close()
            self._keep_partial(parser, kept)
        return draw

    def _keep_partial(self, parser: StreamParser, kept: int) -> None:
        """What was begun when the sampling ended: thoughts and answers are kept, half calls and empty messages not."""
        parser.flush()
        for message in parser.messages[kept:]:
            if message.role == "assistant" and message.recipient is None and message.text.strip():
                self.history.append(message)

    @staticmethod
    def is_call(message: Message) -> bool:
        return message.role == "assistant" and message.recipient not in (None, "assistant", "user", "all")

    def _run(self, call: Message, allowed: bool) -> ToolDone:
        """Run a call and put its result into the history."""
        if allowed:
            try:
                result = self.tools.call(call.recipient, call.text)
            except Exception as error:  # a fault of the tool's, not of the model's: the loop goes on
                result = ToolResult(f"The tool failed: {type(error).__name__}: {error}", error=True)
        else:
            result = ToolResult(STEPS_USED_UP.format(limit=self.settings.max_steps), error=True)
        message = self._result_message(call, result)
        self.history.append(message)
        return ToolDone(call, message, result)

    def _result_message(self, call: Message, result: ToolResult) -> Message:
        author = re.sub(r"\s+", "_", result.author or call.recipient)[:100]
        return Message("tool", result.text, channel=call.channel or "commentary", recipient="assistant", name=author)

    def _settle(self) -> None:
        """Give a call that has no result one, so that the history can go on."""
        if self.history and self.is_call(self.history[-1]):
            self.history.append(self._result_message(self.history[-1], ToolResult(INTERRUPTED)))
