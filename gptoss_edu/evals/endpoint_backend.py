"""Use a server instead of a local model: Chat Completions, many requests at a time, with bounded retries."""

from __future__ import annotations

import http.client
import json
import queue
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from gptoss_edu.errors import GptOssError
from gptoss_edu.options import check_url, read_json
from gptoss_edu.tasks.example import call, final, thought

from .backends import Turn


class EndpointBackend:
    """A server that speaks Chat Completions: this project's own, vLLM, llama.cpp and others.

    Parameters
    ----------
    url : up to and including "/v1"; model : its name there, None for the first that the server names
    workers : requests at a time; timeout : seconds per request; tries : per request that the server did not answer
    """

    def __init__(self, url: str, model: str | None = None, workers: int = 8, timeout: float = 3600.0, tries: int = 3):
        self.url, self.timeout, self.tries = check_url(url, "a server"), timeout, tries
        self.model = model or self._first_model()
        self.name = f"{self.url} {self.model}"
        self._threads = ThreadPoolExecutor(workers)
        self._done: queue.SimpleQueue = queue.SimpleQueue()
        self._futures: dict = {}

    def submit(self, turn: Turn, first: bool = False) -> None:
        turn.began = time.monotonic()
        future = self._threads.submit(self._answer, turn)
        self._futures[future] = turn
        future.add_done_callback(self._done.put)

    def finished(self) -> Iterator[Turn]:
        while self._futures:
            future = self._done.get()
            turn = self._futures.pop(future)
            if future.cancelled():
                continue
            if future.exception() is not None:
                turn.ended, turn.note = "error", str(future.exception())[:300]
            turn.seconds = time.monotonic() - turn.began
            yield turn

    def cancel(self) -> None:
        for future in list(self._futures):
            future.cancel()

    def _answer(self, turn: Turn) -> None:
        body = {
            "model": self.model, "messages": chat_messages(turn.messages), "temperature": turn.temperature,
            "max_tokens": turn.max_new_tokens, "seed": turn.seed & 0x7FFFFFFF, "reasoning_effort": turn.effort,
        }  # fmt: skip
        tools = chat_tools(turn.messages)
        read_choice(self._ask("/chat/completions", body | ({"tools": tools} if tools else {})), turn)

    def _first_model(self) -> str:
        found = self._ask("/models", None).get("data")
        names = [one.get("id") for one in found if isinstance(one, dict)] if isinstance(found, list) else []
        if not names or not isinstance(names[0], str):
            raise GptOssError(f"{self.url}: expected a server that names its models, found none; name one.")
        return names[0]

    def _ask(self, path: str, body: dict | None) -> dict:
        """Send a request with a body (POST) or without (GET).

        Retry if a busy or absent server does not answer.
        """
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        for left in reversed(range(self.tries)):
            try:
                with urllib.request.urlopen(request, timeout=self.timeout) as response:
                    found = read_json(response.read())
                if not isinstance(found, dict):
                    raise ValueError("it is no JSON object")
                return found
            except urllib.error.HTTPError as error:
                said = error.read().decode("utf-8", "replace")[:200]
                if error.code < 500 and error.code != 429:
                    raise GptOssError(f"{self.url}: expected an answer, found status {error.code}: {said}.") from None
                if not left:
                    raise GptOssError(f"{self.url}: status {error.code} in {self.tries} tries: {said}.") from None
            except (OSError, http.client.HTTPException, ValueError) as error:  # URLError is an OSError
                if not left:
                    raise GptOssError(f"{self.url}: no answer in {self.tries} tries ({error}); is it there?") from None
            time.sleep(min(8.0, 0.5 * 2 ** (self.tries - left)))
        raise AssertionError("unreachable")


def chat_messages(messages: list[dict]) -> list[dict]:
    """Convert harmony's messages to Chat Completions: calls beside the assistant's text, results by call id."""
    out: list[dict] = []
    calls = 0
    for m in messages:
        content, role = m["content"][0], m["role"]
        if role == "developer":
            if content.get("instructions"):
                out.append({"role": "developer", "content": content["instructions"]})
        elif role == "tool":
            out.append({"role": "tool", "tool_call_id": f"call_{calls}", "content": content["text"]})
        elif role == "assistant" and m.get("recipient"):
            calls += 1
            function = {"name": m["recipient"].removeprefix("functions."), "arguments": content["text"]}
            called = {"id": f"call_{calls}", "type": "function", "function": function}
            thought_before = out.pop()["reasoning"] if out and out[-1].get("reasoning") else None
            out.append({"role": "assistant", "content": None, "tool_calls": [called]})
            if thought_before:
                out[-1]["reasoning_content"] = thought_before
        elif role == "assistant" and m.get("channel") == "analysis":
            out.append({"role": "assistant", "reasoning": content["text"]})
        else:
            out.append({"role": role, "content": content["text"]})
    return [m for m in out if "reasoning" not in m]  # thoughts of finished turns are not sent


def chat_tools(messages: list[dict]) -> list[dict]:
    """Return the developer's functions in the form of Chat Completions."""
    found = []
    for m in messages:
        held = m["content"][0].get("tools", {}).get("functions", {}) if m["role"] == "developer" else {}
        for tool in held.get("tools", ()):
            found.append({"type": "function", "function": {"parameters": {"type": "object"}, **tool}})
    return found


def read_choice(answer: dict, turn: Turn) -> None:
    """Copy the message of a Chat Completions answer into the turn."""
    try:
        choice = answer["choices"][0]
        said = choice["message"]
    except (KeyError, IndexError, TypeError):
        raise GptOssError(f"The server's answer should have a choice with a message, found {answer!r:.200}.") from None
    usage = answer.get("usage") or {}
    turn.tokens = usage.get("completion_tokens", 0)
    turn.thought_tokens = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens", 0)
    reasoning = said.get("reasoning_content") or said.get("reasoning")
    if reasoning:
        turn.written.append(thought(reasoning))
    for made in said.get("tool_calls") or ():
        turn.written.append(call(f"functions.{made['function']['name']}", made["function"]["arguments"]))
        break  # one call per turn, as in harmony
    else:
        if said.get("content"):
            turn.written.append(final(said["content"]))
    if choice.get("finish_reason") == "length":
        turn.ended = "length"
