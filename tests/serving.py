"""Run cases against a server and its mutants; the server's model answers what the test has written for it."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import httpx
import pytest
import torch
from core_models import BASE
from harmony_cases import small_encoding
from openai import OpenAI

from gptoss_edu.engines.pool import Pool
from gptoss_edu.serve.guard import Guard
from gptoss_edu.serve.running import in_background
from gptoss_edu.serve.web import Server
from gptoss_edu.tools.base import ToolResult
from gptoss_edu.tools.browser import BrowserTool

MODEL = "scripted"
ENCODING = small_encoding()
START = ENCODING.encode("<|start|>assistant", allowed_special="all")


def final(text: str) -> str:
    return f"<|channel|>final<|message|>{text}<|return|>"


def thought(text: str) -> str:
    return f"<|channel|>analysis<|message|>{text}<|end|><|start|>assistant"


def call(name: str, arguments: str, kind: str = "<|constrain|>json", channel: str = "commentary") -> str:
    return f"<|channel|>{channel} to={name} {kind}<|message|>{arguments}<|call|>"


def preamble(text: str) -> str:
    return f"<|channel|>commentary<|message|>{text}<|end|><|start|>assistant"


class TokenCache:
    """Keep rows of token ids; has the methods of KVCache that a pool uses."""

    def __init__(self, held: list[list[int]], first: int, last: int):
        self.held, self.first, self.batch_size = held, first, last - first

    def rows(self, first, last):
        return TokenCache(self.held, self.first + first, self.first + last)

    def clear_row(self, row):
        self.held[self.first + row] = []

    def copy_row(self, source, target):
        self.held[self.first + target] = list(self.held[self.first + source])

    def snapshot(self, row):
        tokens = list(self.held[self.first + row])
        return SimpleNamespace(tokens=tokens, length=len(tokens), nbytes=8 * len(tokens))

    def restore(self, row, snapshot):
        self.held[self.first + row] = list(snapshot.tokens)


class ScriptedModel:
    """Continue each prompt with the script: `answers` one after the other, or `answer(prompt's text)`.

    All other tokens have a small, fixed probability, so that a grammar can force them. The model waits until `hold` is
    set; `delay` slows each pass.
    """

    def __init__(self):
        self.config = replace(BASE, vocab_size=ENCODING.n_vocab, initial_context_length=128)  # a context of 4,096
        self.tokenizer, self.device, self.dtype = ENCODING, torch.device("cpu"), torch.float32
        self.answers: list[str] = []
        self.answer = None
        self.replies: dict[tuple[int, ...], list[int]] = {}
        self.hold, self.delay, self.fail = threading.Event(), 0.0, None
        self.hold.set()
        self.is_held = False

    def new_cache(self, rows, room):
        return TokenCache([[] for _ in range(rows)], 0, rows)

    def prefill_limit(self, rows, context):
        return 512

    def expect(self, prompt: list[int]) -> None:
        """Choose the reply to a prompt when it is submitted."""
        text = (
            self.answer(ENCODING.decode(prompt)) if self.answer else self.answers.pop(0) if self.answers else final("?")
        )
        self.replies[tuple(prompt)] = ENCODING.encode(text, allowed_special="all")

    def __call__(self, tokens, cache, lengths, last_only):
        assert last_only
        self.is_held = not self.hold.is_set()
        self.hold.wait(120)
        time.sleep(self.delay)
        if self.fail is not None:
            raise self.fail
        logits = -0.01 * torch.arange(ENCODING.n_vocab).remainder(97).float().repeat(len(tokens), 1)
        for row, (line, count) in enumerate(zip(tokens.tolist(), lengths.tolist(), strict=True)):
            history = cache.held[cache.first + row]
            history += line[:count]
            prompts = [p for p in self.replies if len(p) <= len(history) and tuple(history[: len(p)]) == p]
            if count and prompts:
                prompt = max(prompts, key=len)
                reply, at = self.replies[prompt], len(history) - len(prompt)
                if at < len(reply):
                    logits[row, reply[at]] = 50.0
        return logits[:, None]


class FakePython:
    """Stand in for the python tool: record each request; return the code and the number of uses so far."""

    name = "python"
    alive: list[FakePython] = []

    def __init__(self):
        self.ran, self.is_closed, self.forgot = [], False, False
        FakePython.alive.append(self)

    def config(self):
        return {"name": "python", "description": "Runs Python code.", "tools": []}

    def call(self, recipient, arguments):
        self.ran.append(arguments)
        return ToolResult(f"ran {len(self.ran)}: {arguments}", author="python")

    def forget(self):
        self.forgot = True

    def close(self):
        self.is_closed = True


@dataclass
class World:
    """Everything a case can use: the server, its model, the official client, and plain HTTP."""

    server: Server
    model: ScriptedModel
    url: str
    client: OpenAI
    http: httpx.Client
    prompts: list[list[int]] = field(default_factory=list)

    def says(self, *answers: str) -> None:
        self.model.answers[:] = answers

    def respond(self, input="Hello", **options):
        return self.client.responses.create(model=MODEL, input=input, **options)

    def chat(self, text="Hello", **options):
        messages = text if isinstance(text, list) else [{"role": "user", "content": text}]
        return self.client.chat.completions.create(model=MODEL, messages=messages, **options)

    def post(self, path="/v1/responses", body=None, headers=None, content=None):
        body = {"model": MODEL, "input": "Hello"} if body is None else body
        content = json.dumps(body).encode() if content is None else content
        return self.http.post(path, content=content, headers={"Content-Type": "application/json", **(headers or {})})

    def events(self, **body):
        """Return the events of a streamed response exactly as they were sent."""
        answer = self.post(body={"model": MODEL, "input": "Hello", "stream": True, **body})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = []
        for block in answer.text.strip().split("\n\n"):
            name, data = block.split("\n")
            events.append(json.loads(data.removeprefix("data: ")))
            assert name == f"event: {events[-1]['type']}"
        return events

    def prompt(self, number=-1) -> str:
        """Return a prompt that the model was given, as text."""
        return ENCODING.decode(self.prompts[number])

    def wait(self, condition) -> None:
        for _ in range(2000):
            if condition():
                return
            time.sleep(0.005)
        raise AssertionError("what was waited for did not come")


@contextlib.contextmanager
def make_world(guard: Guard | None = None, rows=4, waiting=8, tools=("browser", "python"), **server_options):
    model = ScriptedModel()
    pool = Pool(model, rows=rows, waiting=waiting, prefix_bytes=1 << 20)
    FakePython.alive.clear()

    def make_tool(name):
        return BrowserTool(brief=True) if name == "browser" else FakePython()

    server = Server(pool, MODEL, guard or Guard(), tools, make_tool, **server_options)
    with in_background(server) as url:
        key = (guard and guard.key) or "unused"
        with (
            httpx.Client(base_url=url, timeout=120) as http,
            OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=120) as client,
        ):
            world = World(server, model, url, client, http)
            submit = pool.submit

            def noted(request, first=False):
                model.expect(request.prompt)
                world.prompts.append(request.prompt)
                return submit(request, first)

            pool.submit = noted
            yield world


CASES = []


def case(**mutants):
    """Mark a case: it runs once as it is and once per mutant of the server, which it has to catch.

    mutants : name → function(monkeypatch) that breaks something
    """

    def register(function):
        CASES.append((function, mutants))
        return function

    return register


def collect(module):
    """Make two tests from a module's cases: each case passes on the server, and fails on each of its mutants."""
    cases = [(f, m) for f, m in CASES if f.__module__ == module.__name__]
    assert cases and len({f.__name__ for f, _ in cases}) == len(cases)

    @pytest.mark.parametrize("function", [f for f, _ in cases], ids=lambda f: f.__name__)
    def test_case(function, world):
        function(world)

    spoiled = [(f, name, mutant) for f, m in cases for name, mutant in m.items()]

    @pytest.mark.slow
    @pytest.mark.parametrize("function, name, mutant", spoiled, ids=[f"{f.__name__}-{name}" for f, name, _ in spoiled])
    def test_mutant(function, name, mutant, world, monkeypatch):
        mutant(monkeypatch)
        with pytest.raises((Exception, pytest.fail.Exception)) as caught:
            function(world)
        assert not isinstance(caught.value, NameError | AttributeError) or "NoneType" in str(caught.value), caught.value

    return test_case, test_mutant


def swap(target: str, value):
    """Return a mutant that replaces an attribute, given by its path below gptoss_edu.serve, by `value`."""
    return lambda monkeypatch: monkeypatch.setattr(f"gptoss_edu.serve.{target}", value)


def wrap(target: str, change):
    """Return a mutant that replaces a function by change(original, *arguments)."""
    import importlib

    module, *rest = target.split(".")
    owner = importlib.import_module(f"gptoss_edu.serve.{module}")
    for name in rest[:-1]:
        owner = getattr(owner, name)
    original = getattr(owner, rest[-1])

    def spoiled(*args, **kwargs):
        return change(original, *args, **kwargs)

    return lambda monkeypatch: monkeypatch.setattr(owner, rest[-1], spoiled)
