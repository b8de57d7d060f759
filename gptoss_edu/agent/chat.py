"""The agent loop: render, generate, parse, call a tool, and repeat until there is an answer.

    chat = Chat(ModelSampler(model), [FunctionTool([weather])], encoding=model.tokenizer)
    for event in chat.say("Will it rain in Rome?"):
        ...                                            # Begins, Piece, MessageDone, ToolDone, Stopped …

The loop is independent of the model: it takes any function from a prompt to an iterator of token ids. Steps and tokens
are bounded, and the history keeps exactly the tokens that the model sampled. Wherever it is interrupted, the history
stays usable: no half calls, and no call without a result.

Source: OpenAI, "OpenAI harmony response format", section Receiving tool calls.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace

import tiktoken

from gptoss_edu.engines.sampler import Sampler
from gptoss_edu.errors import GptOssError
from gptoss_edu.harmony import (
    CHANNELS,
    Begins,
    Conversation,
    DeveloperContent,
    Ends,
    Message,
    Piece,
    PieceReader,
    Repaired,
    SystemContent,
    ToolNamespace,
    control_tokens,
    render,
)
from gptoss_edu.tools.base import Tool, Toolbox, ToolError, ToolResult

from .settings import Settings

BUILT_IN = ("browser", "python")  # described in the system message; all other tools are in the developer message
INTERRUPTED = "[Interrupted by the user.]"
STEPS_USED_UP = "[The limit of {limit} tool calls for one answer is reached. Answer with what you have.]"


# ---- events, in order, for the user interface


# (Begins, Piece and Repaired, with numbers counted over the whole conversation, are harmony's own)
@dataclass(frozen=True)
class MessageDone:
    """A message of the assistant is complete and in the history; if it is a call, it runs next."""

    message: Message


@dataclass(frozen=True)
class ToolDone:
    """A call has its result, which is in the history as `message`."""

    call: Message
    message: Message
    result: ToolResult


@dataclass(frozen=True)
class Stopped:
    """The turn has ended: `reason` is answered, call, steps, tokens, context, interrupted or silent.

    "call": the last message of the history is a call for the caller to run; use `Chat.give_result`, then `Chat.answer`.
    """

    reason: str
    detail: str = ""


Event = Begins | Piece | MessageDone | Repaired | ToolDone | Stopped


@dataclass
class _Draw:
    """The result of one run of the sampler."""

    call: Message | None = None
    answered: bool = False
    tokens: int = 0
    cut: bool = False  # the last message was not finished
    foreign: bool = False  # the model spoke in another role
    problem: str = "the model stopped without an answer on the final channel"

    @property
    def over(self) -> bool:
        return self.foreign or self.answered or self.call is not None


@dataclass
class Chat:
    """A conversation with tools.

    Parameters
    ----------
    sample : (prompt, at most so many) → iterator of token ids. It may stop by itself; the loop stops it otherwise.
    tools : the tools that the model can call; close them yourself, or use the chat in a `with` block.
    encoding : an encoding with harmony's control tokens; None means o200k_harmony.
    settings : effort, developer message, bounds.
    history : earlier messages, without a system message. A developer message may be anywhere among them.
    handed_over : names of `tools` whose calls end the turn, so that the caller runs them
    """

    sample: Sampler
    tools: Toolbox | Iterable[Tool] = ()
    encoding: tiktoken.Encoding | None = None
    settings: Settings = field(default_factory=Settings)
    history: list[Message] = field(default_factory=list)
    handed_over: Iterable[str] = ()

    def __post_init__(self):
        self.tools = self.tools if isinstance(self.tools, Toolbox) else Toolbox(self.tools)
        self.stop_requested, self.handed_over = False, frozenset(self.handed_over)
        limit = getattr(self.sample, "max_context", None)  # a sampler that knows its model's context has it
        if limit is not None:
            self.settings = replace(self.settings, max_context=min(limit, self.settings.max_context))
        for message in self.history:
            if message.role == "system":
                raise GptOssError(
                    "history: expected no system message, found one; the settings determine its content: identity,"
                    " effort, date."
                )
        self._settle()

    def __enter__(self) -> Chat:
        return self

    def __exit__(self, *exception) -> None:
        self.tools.close()

    def preamble(self) -> list[Message]:
        """Return the system message and, if it has any content, the developer message."""
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
        """Return the token ids that the model sees next, up to `<|start|>assistant`."""
        return render(self.conversation(), encoding=self.encoding, drop_analysis=self.settings.drop_analysis)

    def stop(self) -> None:
        """End the current turn at its next token; for buttons and other threads."""
        self.stop_requested = True

    def say(self, text: str) -> Generator[Event]:
        """Add a user message and answer it."""
        self._refuse_pending_call()
        self.history.append(Message("user", text))
        return self.answer()

    def answer(self) -> Generator[Event]:
        """Let the model continue until it has answered. Ctrl-C and closing the iterator leave a usable history."""
        self.stop_requested = False
        self._refuse_pending_call()
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
            if self.is_handed_over(draw.call):
                yield Stopped("call", draw.call.recipient)
                return
            calls += 1
            yield self._run(draw.call, allowed=calls <= settings.max_steps)
            if calls > settings.max_steps + 1:
                yield Stopped("steps", f"more than {settings.max_steps} tool calls")
                return

    def _why(self, draw: _Draw, spent: int, prompt: int, room: int) -> Stopped:
        """Return why the turn has ended, if there is no call to run."""
        if draw.answered and not (draw.cut and (self.stop_requested or draw.tokens >= room)):
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

    def _draw(self, prompt: list[int], room: int) -> Generator[Event, None, _Draw]:
        """Sample until a call, an answer or a bound, moving finished messages into the history. Returns a _Draw."""
        reader = PieceReader(self.encoding)
        stops = set(control_tokens(reader.parser.encoding).stops)
        draw, first = _Draw(), len(self.history)
        tokens, is_over = iter(self.sample(prompt, room)), False
        try:
            for token in tokens:
                draw.tokens += 1
                yield from self._take(reader.take(token), draw, first)
                is_over = draw.over or token in stops or draw.tokens >= room or self.stop_requested
                if is_over:
                    break
            is_over = True
            yield from self._take(reader.flush(), draw, first)
        finally:
            if hasattr(tokens, "close"):
                tokens.close()
            if not is_over:  # interrupted: keep what was shown
                self._take(reader.flush(), draw, first)
        return draw

    def _take(self, happenings: list, draw: _Draw, first: int) -> list[Event]:
        """Move messages, except half calls and empty ones, into the history; return the events."""
        events: list[Event] = []
        for event in happenings:
            if isinstance(event, Begins) and event.role != "assistant":
                draw.foreign, draw.problem = True, "the model began to speak in another role than its own"
            if draw.foreign:
                break
            if isinstance(event, Ends):
                message = event.message
                draw.cut = event.partial
                if event.partial and (self.is_call(message) or not message.text.strip()):
                    continue
                self.history.append(message)
                draw.call = draw.call or (message if self.is_call(message) else None)
                draw.answered = draw.answered or message.channel == "final"
                events.append(MessageDone(message))
            else:
                events.append(event if isinstance(event, Repaired) else replace(event, number=first + event.number))
        return events

    @staticmethod
    def is_call(message: Message) -> bool:
        return message.role == "assistant" and message.recipient not in (None, "assistant", "user", "all")

    def is_handed_over(self, call: Message) -> bool:
        """Return whether the caller must run this call."""
        try:
            return self.tools.find(call.recipient)[0].name in self.handed_over
        except ToolError:
            return False

    def give_result(self, text: str) -> None:
        """Put the caller's result of the pending call into the history; continue with `answer`.

        Raises
        ------
        GptOssError : the last message is not a call.
        """
        if not (self.history and self.is_call(self.history[-1])):
            raise GptOssError(
                "Chat.give_result: expected a call at the history's end, found none; let the model answer first."
            )
        self.history.append(self._result_message(self.history[-1], ToolResult(text)))

    def _run(self, call: Message, allowed: bool) -> ToolDone:
        """Run a call and put its result into the history."""
        if allowed:
            try:
                result = self.tools.call(call.recipient, call.text)
            except Exception as error:  # the tool's fault, not the model's: the loop goes on
                result = ToolResult(f"The tool failed: {type(error).__name__}: {error}", error=True)
        else:
            result = ToolResult(STEPS_USED_UP.format(limit=self.settings.max_steps), error=True)
        message = self._result_message(call, result)
        self.history.append(message)
        return ToolDone(call, message, result)

    def _result_message(self, call: Message, result: ToolResult) -> Message:
        author = self.tools.author_of(call.recipient)  # never a word from the model: it could spell a role
        channel = call.channel if call.channel in CHANNELS else "commentary"
        return Message("tool", result.text, channel=channel, recipient="assistant", name=author)

    def _refuse_pending_call(self) -> None:
        if self.history and self.is_call(self.history[-1]):
            raise GptOssError(
                f"Chat: the call of {self.history[-1].recipient} has no result yet; give it one with give_result."
            )

    def _settle(self) -> None:
        """Give a call without a result one, so that the history stays usable."""
        if self.history and self.is_call(self.history[-1]) and not self.is_handed_over(self.history[-1]):
            self.history.append(self._result_message(self.history[-1], ToolResult(INTERRUPTED)))
