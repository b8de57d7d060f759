"""Backends that answer: the local pool, a script, or a server (endpoint_backend.py), behind one small protocol.

A backend takes turns (`submit`) and returns them when answered (`finished`), in any order, many at a time; more may be
submitted while it works. A turn is one completion: a final message or a tool call. `run_benchmark.py` makes dialogues
of turns.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from gptoss_edu.errors import GptOssError, HarmonyError
from gptoss_edu.generation import stop_tokens_of
from gptoss_edu.harmony import Conversation, parse, render
from gptoss_edu.tasks.example import final, message, system
from gptoss_edu.tokenizer import encode_text


@dataclass
class Turn:
    """One requested completion and its result.

    Parameters
    ----------
    key : any identifier of the caller's
    messages : the earlier messages, without the system message, in harmony's JSON
    effort, builtin : of the system message

    Attributes
    ----------
    written : the messages that the model wrote; tokens, thought_tokens : sampled
    ended : "stop", "length", "invalid" or "error"; note : what was wrong
    """

    key: Any
    messages: list[dict]
    effort: str = "medium"
    builtin: dict | None = None
    temperature: float = 0.0
    seed: int = 0
    max_new_tokens: int = 1024
    written: list[dict] = field(default_factory=list)
    tokens: int = 0
    thought_tokens: int = 0
    ended: str = "stop"
    note: str = ""
    began: float = 0.0
    seconds: float = 0.0


class Backend(Protocol):
    """A source of answers. name: its name in the record of a run."""

    name: str

    def submit(self, turn: Turn, first: bool = False) -> None: ...

    def finished(self) -> Iterator[Turn]: ...

    def cancel(self) -> None:
        """Drop the turns that have not been started."""


def check_finite(model, name) -> None:
    """Refuse a model whose logits are not finite, which would make every answer wrong and every loss meaningless.

    Raises
    ------
    GptOssError : names the model and the command that finds the weights.
    """
    import torch

    tokens = torch.arange(min(64, model.config.vocab_size), device=model.device)[None]
    with torch.inference_mode():
        finite = model(tokens).isfinite().all()
    if not finite:
        raise GptOssError(
            f"{name}: expected finite logits, found NaN or infinite ones; see which weights are not finite with "
            f"`gptoss-edu inspect {name} --verify`."
        )


class PoolBackend:
    """A model on this machine, many rows at a time.

    model : as from `gptoss_edu.load_model`, with its tokenizer; rows : number of prompts decoded together
    room : tokens per row; None for the pool's own choice
    """

    def __init__(self, model, rows: int = 32, room: int | None = None, name: str = "pool"):
        from gptoss_edu.engines.pool import Pool

        if model.tokenizer is None:
            raise GptOssError(
                "PoolBackend: expected a model with a tokenizer, found none; name the checkpoint's folder."
            )
        self.model, self.name = model, name
        self.pool = Pool(model, rows, room, streaming=False)

    def submit(self, turn: Turn, first: bool = False) -> None:
        from gptoss_edu.engines.request import Request

        prompt = prompt_of(turn, self.model.tokenizer)
        limit = min(turn.max_new_tokens, self.pool.room - len(prompt))
        if limit < 1:
            raise GptOssError(
                f"{turn.key}: expected a prompt that leaves room in a row of {self.pool.room} tokens, found one of "
                f"{len(prompt)}; take a model or a pool with more room."
            )
        turn.began = time.monotonic()
        request = Request(prompt, limit, turn.temperature, seed=turn.seed & 0xFFFFFFFF, key=turn)
        self.pool.submit(request, first)

    def finished(self) -> Iterator[Turn]:
        for request in self.pool.run():
            turn = request.key
            turn.seconds, turn.tokens = time.monotonic() - turn.began, len(request.sampled)
            if request.error is not None:
                turn.ended, turn.note = "error", str(request.error)[:300]
            else:
                read_turn(turn, request.sampled, self.model.tokenizer, self.pool.stops)
            yield turn

    def cancel(self) -> None:
        for request in [*self.pool.waiting]:
            request.cancel()
        self.pool.waiting.clear()


class EngineBackend:
    """Another engine on this machine (`gptoss_edu.engines`), one turn after another."""

    def __init__(self, engine):
        self.engine, self.name = engine, engine.name
        self._waiting: list[Turn] = []

    def submit(self, turn: Turn, first: bool = False) -> None:
        self._waiting.insert(0, turn) if first else self._waiting.append(turn)

    def finished(self) -> Iterator[Turn]:
        while self._waiting:
            turn, engine = self._waiting.pop(0), self.engine
            engine.temperature, engine.seed = turn.temperature, turn.seed & 0xFFFFFFFF
            turn.began = time.monotonic()
            try:
                tokens = list(engine(prompt_of(turn, engine.encoding), turn.max_new_tokens))
                turn.tokens = len(tokens)
                read_turn(turn, tokens, engine.encoding, stop_tokens_of(engine.encoding))
            except GptOssError as error:
                turn.ended, turn.note = "error", str(error)[:300]
            turn.seconds = time.monotonic() - turn.began
            yield turn

    def cancel(self) -> None:
        self._waiting.clear()


def prompt_of(turn: Turn, encoding) -> list[int]:
    """Return the token ids that a model sees before a turn."""
    conversation = Conversation.from_dict({"messages": [system(turn.effort, tools=turn.builtin), *turn.messages]})
    return render(conversation, encoding=encoding, drop_analysis="finished_turns")


def read_turn(turn: Turn, tokens: list[int], encoding, stops) -> None:
    """Record what was sampled: messages, or why there are none."""
    if not tokens or tokens[-1] not in stops:
        turn.ended = "length"
        return
    try:
        messages = parse(tokens, strict=True, encoding=encoding, role="assistant")
    except HarmonyError as error:
        turn.ended, turn.note = "invalid", str(error)[:300]
        return
    turn.written = Conversation(messages).to_dict()["messages"]
    thoughts = [m.content[0].text for m in messages if m.channel == "analysis" and m.recipient is None]
    turn.thought_tokens = sum(len(encode_text(encoding, text)) for text in thoughts)


class ScriptBackend:
    """A function that replaces a model, for tests and lessons: from a turn to the assistant's messages."""

    def __init__(self, answer: Callable[[Turn], list[dict] | str], name: str = "script"):
        self.answer, self.name = answer, name
        self._waiting: list[Turn] = []

    def submit(self, turn: Turn, first: bool = False) -> None:
        self._waiting.insert(0, turn) if first else self._waiting.append(turn)

    def finished(self) -> Iterator[Turn]:
        while self._waiting:
            turn = self._waiting.pop(0)
            said = self.answer(turn)
            turn.written = [final(said)] if isinstance(said, str) else said
            turn.tokens = sum(len(m["content"][0]["text"].split()) for m in turn.written)
            yield turn

    def cancel(self) -> None:
        self._waiting.clear()


def ask_one(backend: Backend, text: str, effort: str = "medium", max_new_tokens: int = 4096, seed: int = 0) -> str:
    """Ask an idle backend one question, as for a judge; return "" if no final message came."""
    backend.submit(Turn("one", [message("user", text)], effort, seed=seed, max_new_tokens=max_new_tokens))
    for turn in backend.finished():
        finals = [m for m in turn.written if m.get("channel") == "final"]
        return finals[-1]["content"][0]["text"] if finals else ""
    return ""
