"""Use a server as an engine: vLLM, llama.cpp's server, Ollama, LM Studio, or `gptoss-edu serve`.

If the server takes token ids (`/v1/completions` with `return_token_ids`, as in vLLM and this package's own server), ids
go in and come out, and nothing is lost. Otherwise the prompt is split into messages for `/v1/chat/completions`, the
server renders them with its own template, and its answer is rendered again here. Then the ids are not those that its
model drew, functions cannot be offered, and log-probabilities are missing.
"""

from __future__ import annotations

import http.client
import json
import re
import urllib.error
import urllib.request
from collections.abc import Generator, Iterator

from gptoss_edu.errors import GptOssError
from gptoss_edu.generation import stop_tokens_of
from gptoss_edu.harmony import Message, parse, render
from gptoss_edu.options import check_url, read_json
from gptoss_edu.resources import data_path
from gptoss_edu.tokenizer import load_tokenizer

from .sampler import Abilities, Drawn, Engine

BY_IDS = Abilities(
    structured="no: only through its own API",
    many="yes, one after another",
    traces="no: a server returns only tokens",
)
BY_CHAT = Abilities(
    ids="no: the server takes text, and its own template renders it",
    logprobs="no: those of a chat answer are not for harmony's tokens",
    tools="no: the prompt holds types, the server wants JSON Schemas",
    structured="no: only through its own API",
    many="yes, one after another",
    traces="no: a server returns only text",
)
EFFORT = re.compile(r"^Reasoning: (low|medium|high)$", re.MULTILINE)


class EndpointEngine(Engine):
    """Asks a server that speaks OpenAI's API.

    Parameters
    ----------
    url : up to and including "/v1"
    model : its name there; None for the server's first model
    encoding : the vocabulary of the server's model; None: o200k_harmony, or gpt-oss-tiny's if it knows only those
        ids
    timeout : seconds to wait without receiving a byte
    temperature, top_p, seed : sent with each request

    Raises
    ------
    GptOssError : the server does not answer, or answers with something else.
    """

    name = "endpoint"

    def __init__(
        self, url: str, model: str | None = None, encoding=None, temperature: float = 1.0, top_p: float = 1.0,
        seed: int = 0, timeout: float = 600.0,
    ):  # fmt: skip
        self.url, self.timeout = check_url(url, "engine endpoint, --url"), timeout
        self.temperature, self.top_p, self.seed = temperature, top_p, seed
        self.model, self.max_context = self._served(model)
        known = (load_tokenizer(), load_tokenizer(data_path("gpt-oss-tiny"))) if encoding is None else (encoding,)
        self.encoding = next((each for each in known if self._takes_ids(each)), None)
        self.by_ids = self.encoding is not None
        self.encoding = self.encoding or known[0]
        self.stops = sorted(stop_tokens_of(self.encoding))
        self.abilities = BY_IDS if self.by_ids else BY_CHAT

    def draw(self, prompt: list[int], max_new_tokens: int) -> Generator[Drawn]:
        self.seed += 1
        if self.max_context is not None:
            max_new_tokens = min(max_new_tokens, self.max_context - len(prompt) + 1)
        return (self._by_ids if self.by_ids else self._by_chat)(prompt, max_new_tokens)

    # ---- by ids

    @property
    def sampling(self) -> dict:
        return {"temperature": self.temperature, "top_p": self.top_p, "seed": self.seed}

    def _ids_body(self, prompt: list[int], limit: int, **more) -> dict:
        return {"model": self.model, "prompt": prompt, "max_tokens": limit, "stop_token_ids": self.stops,
                "return_token_ids": True, **self.sampling, **more}  # fmt: skip

    def _takes_ids(self, encoding) -> bool:
        """Return whether the server answers a prompt of this vocabulary's ids with an id."""
        start = encoding._special_tokens.get("<|start|>", 0)
        body = {"model": self.model, "prompt": [start], "max_tokens": 1, "return_token_ids": True}
        try:
            return isinstance(self._json("/completions", body)["choices"][0].get("token_ids"), list)
        except (GptOssError, ValueError, KeyError, IndexError, TypeError, AttributeError):
            return False

    def _by_ids(self, prompt: list[int], limit: int) -> Generator[Drawn]:
        with self._open("/completions", self._ids_body(prompt, limit, stream=True, logprobs=0)) as answer:
            for event in events(answer, self.url):
                yield from self._tokens(event)

    def _tokens(self, event: dict) -> list[Drawn]:
        """Return the tokens of one event; a server may send anything, so every type is checked."""
        try:
            drawn = []
            for choice in event.get("choices") or ():
                said = (choice.get("logprobs") or {}).get("token_logprobs") or []
                for i, token in enumerate(choice.get("token_ids") or ()):
                    self.encoding.decode_single_token_bytes(token)  # KeyError: it is none of this vocabulary
                    drawn.append(Drawn(token, None if i >= len(said) or said[i] is None else float(said[i])))
            return drawn
        except (AttributeError, TypeError, KeyError, ValueError, OverflowError):
            raise GptOssError(
                f"{self.url}: expected token ids of this vocabulary in the answer, found something else; see what the "
                "server sends."
            ) from None

    # ---- by messages

    def _by_chat(self, prompt: list[int], limit: int) -> Generator[Drawn]:
        body = {"model": self.model, "max_tokens": limit, **self.sampling, **self._messages(prompt)}
        try:
            choice = self._json("/chat/completions", body)["choices"][0]
            said = choice["message"]
            thought, text = said.get("reasoning_content") or said.get("reasoning"), said.get("content")
            if not all(part is None or isinstance(part, str) for part in (thought, text)):
                raise TypeError(text)
        except (KeyError, IndexError, TypeError, AttributeError):
            raise GptOssError(
                f"{self.url}: expected an answer with choices and a message, found something else."
            ) from None
        messages = [Message("assistant", thought, "analysis")] if thought else []
        messages += [Message("assistant", text, "final")] if text else []
        cut = choice.get("finish_reason") == "length"
        ids = render(messages, None, self.encoding, drop_analysis="keep", training=bool(text) and not cut)
        opening = len(render([], "assistant", self.encoding))  # the end of the prompt
        yield from map(Drawn, ids[opening:-1] if cut else ids[opening:])

    def _messages(self, prompt: list[int]) -> dict:
        """Return the prompt's messages and effort, in the form of Chat Completions."""
        opening = render([], "assistant", self.encoding)
        if prompt[-len(opening) :] != opening:
            raise GptOssError(
                f"{self.url}: takes no token ids, so expected a prompt that ends in <|start|>assistant, found another; "
                "raw text needs an engine with ids."
            )
        messages, effort = [], None
        for message in parse(prompt[: -len(opening)], strict=False, encoding=self.encoding, role=None):
            if message.role == "system":
                found = EFFORT.search(message.text)
                effort = found[1] if found else None
            elif message.role == "developer":
                if "\n# Tools" in f"\n{message.text}":
                    self.require("tools")
                messages.append({"role": "developer", "content": message.text.removeprefix("# Instructions\n\n")})
            elif message.role == "user" or message.channel == "final":
                messages.append({"role": message.role, "content": message.text})
            elif message.recipient is not None:
                self.require("tools")
        return {"messages": messages} | ({"reasoning_effort": effort} if effort else {})

    # ---- requests

    def _served(self, wanted: str | None) -> tuple[str, int | None]:
        """Return name and context of the named model or the first; servers have two names for the context, or none."""
        found = self._json("/models", None).get("data")
        models = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
        models = [one for one in models if isinstance(one.get("id"), str) and wanted in (None, one["id"])]
        if not models:
            name = "its models" if wanted is None else repr(wanted)
            raise GptOssError(f"{self.url}: expected a server that names {name}, found none.")
        context = models[0].get("max_model_len") or models[0].get("context_window")
        return models[0]["id"], context if type(context) is int and context > 0 else None

    def _json(self, path: str, body: dict | None) -> dict:
        """Return the JSON object that the server answers with."""
        try:
            with self._open(path, body) as answer:
                found = read_json(answer.read())
        except (OSError, http.client.HTTPException) as error:
            raise GptOssError(f"{self.url}{path}: the answer broke off ({error}).") from None
        except GptOssError:
            raise
        except ValueError:  # no JSON
            found = None
        if not isinstance(found, dict):
            raise GptOssError(f"{self.url}{path}: expected a JSON object as the answer, found something else.")
        return found

    def _open(self, path: str, body: dict | None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        try:
            return urllib.request.urlopen(request, timeout=self.timeout)
        except urllib.error.HTTPError as error:
            said = " ".join(error.read().decode("utf-8", "replace")[:200].split())
            raise GptOssError(f"{self.url}{path}: expected an answer, found status {error.code}: {said}.") from None
        except (OSError, http.client.HTTPException, ValueError) as error:  # URLError is an OSError
            raise GptOssError(f"{self.url}: expected a server, found none ({error}); start it or fix --url.") from None


def events(answer, url: str) -> Iterator[dict]:
    """Yield the objects of a stream of server-sent events."""
    try:
        for line in answer:
            text = line.decode("utf-8", "replace").strip()
            if text.startswith("data:") and (data := text[5:].strip()) != "[DONE]":
                event = json.loads(data)
                if "error" in event:
                    raise GptOssError(f"{url}: the answer broke off: {event['error']}.")
                yield event
    except (ValueError, TypeError, OSError, http.client.HTTPException) as error:
        if isinstance(error, GptOssError):
            raise
        raise GptOssError(f"{url}: the answer broke off ({error}).") from None
