"""Turn conversations in harmony JSON into training rows: token ids, and which of them the model learns to produce.

The renderer decides which tokens count (`harmony.render_labelled`, `trained`): those that the assistant samples itself,
including thoughts and `<|return|>`, and none that the prompt provides.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import tiktoken
import torch
from torch import Tensor

from gptoss_edu.errors import GptOssError
from gptoss_edu.harmony import Conversation, render_labelled
from gptoss_edu.harmony.messages import CHANNELS, SystemContent
from gptoss_edu.options import read_json, read_text
from gptoss_edu.tasks.mix import make_example

from .packing import TRAINED, encode

ELSEWHERE = {  # keys of other formats whose text harmony would not render → where it belongs
    **dict.fromkeys(
        ("thinking", "reasoning", "reasoning_content"),
        "a thought is a message of its own, with the channel 'analysis', before the answer",
    ),
    **dict.fromkeys(
        ("tool_calls", "function_call"),
        "a call is a message of its own, with the channel 'commentary', a recipient such as 'functions.NAME' and the "
        "arguments as its content",
    ),
}
PIECE = 4096  # tokens, padding included, that go through the model at once; a longer row goes alone


class Row(NamedTuple):
    """One rendered conversation: ids, and for each whether it counts in the loss."""

    tokens: list[int]
    trained: list[bool]


Source = Callable[[random.Random], dict | Row]  # draws one conversation


def world(encoding: tiktoken.Encoding) -> Callable[[random.Random], Row]:
    """Return a source of gpt-oss-tiny's training mix for replay; as in training, injected errors are not learned."""

    def draw(rng: random.Random) -> Row:
        tokens, codes = encode(make_example(rng), encoding)
        return Row(tokens, [code == TRAINED for code in codes])

    return draw


def read_conversations(path: Path) -> list[dict]:
    """Read the conversations of a file, as Conversation.to_dict() writes them: one JSON object per line, or a JSON
    list.

    Errors: `GptOssError` that names the line.
    """
    text = read_text(Path(path), "conversations")
    numbered = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    try:
        whole = read_json(text)
        found = whole if isinstance(whole, list) else [whole]
    except ValueError:
        found = []
        for number, line in numbered:
            try:
                found.append(read_json(line))
            except ValueError as error:
                raise GptOssError(
                    f"{path}, line {number}: expected a conversation as one JSON object, found no JSON ({error})."
                ) from None
    wrong = next((i for i, value in enumerate(found) if not isinstance(value, dict) or "messages" not in value), None)
    if wrong is not None or not found:
        what = "no conversation" if not found else f"number {wrong + 1} without `messages`"
        raise GptOssError(f'{path}: expected conversations, {{"messages": [...]}}, one per line, found {what}.')
    return found


def as_row(conversation: dict, encoding: tiktoken.Encoding | None, longest: int, name: str = "conversation") -> Row:
    """Render one conversation for training, keeping the thoughts of the last turn and dropping those of finished turns.

    Errors: `GptOssError` if it is longer than ``longest`` tokens, has no text of the assistant, or would teach a form
    that is not harmony's: no channel, an unknown one, or text under a key of another format.
    """
    try:
        _check_keys(conversation)
        read = Conversation.from_dict(conversation)
        _check_channels(read)
        labelled = render_labelled(read, None, encoding, drop_analysis="finished_turns", training=True)
    except GptOssError as error:
        raise GptOssError(f"{name}: {error}") from None
    row = Row([label.token for label in labelled], [label.trained for label in labelled])
    if len(row.tokens) > longest:
        raise GptOssError(
            f"{name}: expected at most {longest} tokens, found {len(row.tokens)}; shorten it, or allow more "
            "(--longest)."
        )
    if not any(row.trained[1:]):
        raise GptOssError(
            f"{name}: expected tokens of the assistant to learn from, found none; the last turn "
            f"needs a message with the role 'assistant'."
        )
    return row


def _check_keys(raw: dict) -> None:
    """Refuse text under a key of another format, which would be left out without a word."""
    messages = raw.get("messages") if isinstance(raw, dict) else None
    for number, given in enumerate(messages if isinstance(messages, list) else (), 1):
        lost = next((key for key in ELSEWHERE if isinstance(given, dict) and given.get(key)), None)
        if lost is not None:
            raise GptOssError(f"message {number}: found {lost!r}, which harmony has not; {ELSEWHERE[lost]}.")


def _check_channels(conversation: Conversation) -> None:
    """Refuse an assistant's message without a channel, or with an unknown one: the model would learn to write so."""
    contents = [content for message in conversation for content in message.content]
    configs = [c.channel_config for c in contents if isinstance(c, SystemContent) and c.channel_config is not None]
    channels = configs[0].valid_channels if configs else CHANNELS
    for number, message in enumerate(conversation, 1):
        if message.role == "assistant" and message.channel not in channels:
            found = "none" if message.channel is None else repr(message.channel)
            raise GptOssError(
                f"message {number}, of the assistant: expected a channel of {', '.join(channels)}, found {found}; an "
                "answer to the user has 'final'."
            )


class Rows:
    """The rows of each update, determined by seed and step alone, so that a resumed run reads the same rows.

    Parameters
    ----------
    conversations : the new data, read in a new order each round
    rows : per update, including replayed ones
    replay, share : the source of old data, and its share of each update's rows
    """

    def __init__(
        self,
        conversations: Sequence[dict],
        encoding: tiktoken.Encoding | None,
        rows: int,
        seed: int = 0,
        replay: Source | Sequence[dict] | None = None,
        share: float = 0.0,
        longest: int = 2048,
    ):
        self.encoding, self.seed, self.longest = encoding, seed, longest
        self.own = [as_row(c, encoding, longest, f"conversation {i + 1}") for i, c in enumerate(conversations)]
        if not self.own:
            raise GptOssError("finetune: expected at least one conversation to learn from, found none.")
        self.replay, self.old = replay, round(rows * share)
        self.new = rows - self.old
        if not 0 <= share < 1 or self.new < 1 or (self.old and not replay):
            raise GptOssError(
                f"finetune: expected a replay share of at least 0 that leaves a new conversation among {rows} rows, "
                f"and a source for it, found a share of {share:g} and {'a' if replay else 'no'} source."
            )

    @property
    def longest_own(self) -> int:
        """The length of the longest new row, in tokens."""
        return max(len(row.tokens) for row in self.own)

    @property
    def digest(self) -> str:
        """A short hash of the new rows, and of the old conversations if they are a list."""
        told = json.dumps([self.own, None if callable(self.replay) else self.replay], ensure_ascii=False)
        return hashlib.sha256(told.encode(errors="backslashreplace")).hexdigest()[:16]

    def __str__(self) -> str:
        lengths = [len(row.tokens) for row in self.own]
        counted = sum(sum(row.trained) for row in self.own)
        return (
            f"data: {len(lengths):,} conversation{'s' * (len(lengths) > 1)}, the shortest of {min(lengths):,} and the "
            f"longest of {max(lengths):,} tokens; {counted:,} of {sum(lengths):,} tokens count in the loss"
        )

    def at(self, step: int) -> list[Row]:
        """Return the rows of one update."""
        places = range(step * self.new, (step + 1) * self.new)
        chosen = [self.own[self._order(place // len(self.own))[place % len(self.own)]] for place in places]
        rng = random.Random(f"replay:{self.seed}:{step}")
        return chosen + [self._replayed(rng) for _ in range(self.old)]

    def _order(self, round_: int) -> list[int]:
        order = list(range(len(self.own)))
        random.Random(f"order:{self.seed}:{round_}").shuffle(order)
        return order

    def _replayed(self, rng: random.Random) -> Row:
        for _ in range(100):  # draw again if it is too long
            found = self.replay(rng) if callable(self.replay) else rng.choice(self.replay)
            row = found if isinstance(found, Row) else as_row(found, self.encoding, sys.maxsize, "replay")
            if len(row.tokens) <= self.longest:
                return row
        raise GptOssError(
            f"replay: expected conversations of at most {self.longest} tokens, found 100 longer ones; allow more."
        )


def pieces(rows: Sequence[Row], most: int = PIECE) -> list[list[Row]]:
    """Group rows of similar length into pieces with at most ``most`` tokens, less than half of them padding."""
    out: list[list[Row]] = []
    for row in sorted(rows, key=lambda row: len(row.tokens)):
        n = len(row.tokens)
        if out and n <= 2 * len(out[-1][0].tokens) and n * (len(out[-1]) + 1) <= most:
            out[-1].append(row)
        else:
            out.append([row])
    return out


def padded(rows: Iterable[Row], device="cpu") -> tuple[Tensor, Tensor, Tensor]:
    """Pad the rows: tokens (b, t) int64, weights (b, t) of the prediction of the NEXT token, lengths (b,)."""
    rows = list(rows)
    t = max(len(row.tokens) for row in rows)
    tokens, weights = torch.zeros(len(rows), t, dtype=torch.int64), torch.zeros(len(rows), t)
    for i, row in enumerate(rows):
        n = len(row.tokens)
        tokens[i, :n] = torch.tensor(row.tokens)
        weights[i, : n - 1] = torch.tensor(row.trained[1:], dtype=torch.float32)
    return tokens.to(device), weights.to(device), torch.tensor([len(row.tokens) for row in rows])
