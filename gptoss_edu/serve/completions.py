"""Chat Completions, as chunks or whole answers, and completions by token ids with log-probabilities.

Source: OpenAI's API reference, Chat Completions and Completions. Thoughts are sent under both usual names,
`reasoning` and `reasoning_content`; `token_ids` holds a completion's tokens beside its text.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import tiktoken

from gptoss_edu.engines.request import Request
from gptoss_edu.harmony import Begins, Ends, Message, Piece
from gptoss_edu.harmony.control import control_tokens
from gptoss_edu.tokenizer import encode_text

from .ask import Ask
from .bodies import HINTS, read_sampling
from .errors import ApiError
from .fields import Fields
from .responses import new_id
from .turn import ToolDone, Turn, Usage

MAX_PROMPTS, MAX_LOGPROBS = 16, 20


class ChatAnswer:
    """Turns events into chunks and into the whole message. Built-in tools do not run in this API."""

    def __init__(self, ask: Ask, model: str):
        self.ask = ask
        self.head = {"id": new_id("chatcmpl"), "created": int(time.time()), "model": model}
        self.thought, self.text = "", ""
        self.call: dict | None = None
        self.call_message: Message | None = None
        self.thoughts: list[Message] = []

    def _chunk(self, delta: dict, reason: str | None = None) -> dict:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        extra = {"usage": None} if "usage" in self.ask.include else {}
        return {**self.head, "object": "chat.completion.chunk", "choices": [choice], **extra}

    def begin(self) -> list[dict]:
        return [self._chunk({"role": "assistant", "content": ""})]

    def take(self, event: Begins | Piece | Ends | ToolDone) -> list[dict]:
        """Return the chunks of one event."""
        to = event.recipient if isinstance(event, Begins | Piece) else None
        if isinstance(event, Begins) and to not in (None, "assistant", "user", "all"):
            name = to.removeprefix("functions.")
            self.call = {"id": new_id("call"), "type": "function", "function": {"name": name, "arguments": ""}}
            return [self._chunk({"tool_calls": [{"index": 0, **self.call, "function": dict(self.call["function"])}]})]
        if isinstance(event, Begins) and event.channel != "analysis" and self.text:
            self.text += "\n\n"  # an answer after a preamble
            return [self._chunk({"content": "\n\n"})]
        if isinstance(event, Piece) and self.call is not None:
            self.call["function"]["arguments"] += event.text
            return [self._chunk({"tool_calls": [{"index": 0, "function": {"arguments": event.text}}]})]
        if isinstance(event, Piece) and event.channel == "analysis":
            self.thought += event.text
            return [self._chunk({"reasoning": event.text, "reasoning_content": event.text})]
        if isinstance(event, Piece):
            self.text += event.text
            return [self._chunk({"content": event.text})]
        if isinstance(event, Ends) and event.message.channel == "analysis" and event.message.recipient is None:
            self.thoughts.append(event.message)
        elif isinstance(event, Ends) and self.call is not None and not event.partial:
            self.call_message = event.message
        return []

    def finish(self, turn: Turn) -> list[dict]:
        """Return the last chunks: why the answer ended, and the usage if requested."""
        if turn.status == "failed":
            return [failure(turn).body()]
        chunks = [self._chunk({}, self.reason(turn))]
        if "usage" in self.ask.include:
            chunks.append(
                {**self.head, "object": "chat.completion.chunk", "choices": [], "usage": usage_object(turn.usage)}
            )
        return chunks

    def reason(self, turn: Turn) -> str:
        if turn.status != "completed":
            return "length"
        return "tool_calls" if self.call_message is not None else "stop"

    def whole(self, turn: Turn) -> dict:
        """Return the answer in one piece, without a call that was cut off, which must not be run."""
        message: dict[str, Any] = {
            "role": "assistant",
            "content": self.text or None,
            "refusal": None,
            "annotations": [],
        }
        if self.thought:
            message |= {"reasoning": self.thought, "reasoning_content": self.thought}
        if self.call_message is not None:
            message["tool_calls"] = [self.call]
        elif message["content"] is None:
            message["content"] = ""
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self.reason(turn)}
        return {**self.head, "object": "chat.completion", "choices": [choice], "usage": usage_object(turn.usage),
                "service_tier": "default", "system_fingerprint": None}  # fmt: skip


def failure(turn: Turn) -> ApiError:
    """Return the error for a failure of the pool, without any text of the conversation."""
    return ApiError(f"The answer could not be finished ({turn.why}).", code="generation_failed", status=500)


def usage_object(usage: Usage) -> dict:
    return {
        "prompt_tokens": usage.read,
        "completion_tokens": usage.sampled,
        "total_tokens": usage.read + usage.sampled,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.thought,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


# ------------------------------------------------------------------------------------------ completions by token ids


def requests_of(body: Fields, encoding: tiktoken.Encoding, vocabulary: int, room: int) -> tuple[list[Request], bool]:
    """Return the pool's requests for a body of POST /v1/completions, and whether to stream."""
    prompts = _prompts(body.raw.get("prompt"), encoding, vocabulary)
    body.skip("prompt")
    ask = Ask(encoding)
    read_sampling(ask, body)
    limit = body.get("max_tokens", "integer", 16, low=1)
    logprobs = body.get("logprobs", "integer", low=0, high=MAX_LOGPROBS)
    stops = body.get("stop_token_ids", "array")  # the name that other servers of open models use
    if stops is not None and not all(isinstance(t, int) and 0 <= t < vocabulary for t in stops):
        raise ApiError(f"'stop_token_ids': expected token ids below {vocabulary}.", "stop_token_ids", "invalid_value")
    body.refuse(("n", "best_of"), (1,))
    body.refuse(("echo",), (False,))
    body.refuse(("frequency_penalty", "presence_penalty"), (0, 0.0))
    body.refuse(("logit_bias",), ({},))
    body.refuse(("suffix", "stop"), ([],))
    Fields(body.get("stream_options", "object", {}), "stream_options").get("include_usage", "boolean")
    body.skip(*HINTS)
    requests = []
    for i, prompt in enumerate(prompts):
        if len(prompt) + limit - 1 > room:
            raise ApiError(
                f"The prompt has {len(prompt)} tokens and {limit} are requested; the context holds {room}.",
                "prompt",
                "context_length_exceeded",
            )
        seed = None if ask.seed is None else (ask.seed + i) & (2**63 - 1)
        requests.append(
            Request(prompt, limit, ask.temperature, ask.top_p, seed=seed or 0, stop_tokens=stops, logprobs=logprobs)
        )
    return requests, body.get("stream", "boolean", False)


def _prompts(raw: Any, encoding: tiktoken.Encoding, vocabulary: int) -> list[list[int]]:
    """Read one text or several, one list of token ids or several; text stays text, even if it spells control tokens."""
    if isinstance(raw, str) or (isinstance(raw, list) and raw and all(type(t) is int for t in raw)):
        raw = [raw]
    if not isinstance(raw, list) or not 1 <= len(raw) <= MAX_PROMPTS:
        raise ApiError(
            f"'prompt': expected text or token ids, or up to {MAX_PROMPTS} of them.", "prompt", "invalid_type"
        )
    prompts = [encode_text(encoding, one) if isinstance(one, str) else one for one in raw]
    for prompt in prompts:
        if (
            not isinstance(prompt, list)
            or not prompt
            or not all(type(t) is int and 0 <= t < vocabulary for t in prompt)
        ):
            raise ApiError(
                f"'prompt': expected at least one token, each an id below {vocabulary}.", "prompt", "invalid_value"
            )
    return prompts


def choice_of(request: Request, index: int, encoding: tiktoken.Encoding, start: int = 0) -> dict:
    """Return what a request has sampled from its token `start` onwards, as one choice."""
    tokens = request.sampled[start:]
    reason = {"stop": "stop", None: None}.get(request.reason, "length")
    choice: dict[str, Any] = {
        "index": index,
        "text": _text(tokens, encoding),
        "token_ids": tokens,
        "finish_reason": reason,
        "logprobs": None,
    }
    if request.logprobs is not None:
        noted = request.noted[start : start + len(tokens)]
        texts = [_text([token], encoding) for token in tokens]
        offsets = [len(_text(request.sampled[: start + i], encoding)) for i in range(len(tokens))]
        choice["logprobs"] = {
            "tokens": texts,
            "token_logprobs": [logprob for logprob, _ in noted],
            "top_logprobs": [{_text([t], encoding): p for t, p in likeliest.items()} for _, likeliest in noted],
            "top_token_ids": [list(likeliest) for _, likeliest in noted],
            "text_offset": offsets,
        }
    return choice


def _text(tokens: Sequence[int], encoding: tiktoken.Encoding) -> str:
    """Return tokens as readable text, control tokens by name; only the ids are exact."""
    names, out, run = control_tokens(encoding).specials, [], []
    for token in [*tokens, None]:
        if token is not None and token not in names:
            run.append(token)
            continue
        out.append(encoding.decode_bytes(run).decode("utf-8", "replace"))
        run = []
        out.append("" if token is None else names[token])
    return "".join(out)


def completion_object(head: dict, requests: Sequence[Request], encoding: tiktoken.Encoding) -> dict:
    """Return the answer in one piece."""
    choices = [choice_of(request, i, encoding) for i, request in enumerate(requests)]
    usage = Usage(
        sum(len(r.prompt) for r in requests), sum(r.reused for r in requests), sum(len(r.sampled) for r in requests)
    )
    return {**head, "choices": choices, "usage": usage_object(usage)}
