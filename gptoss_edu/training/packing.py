"""Turn conversations into rows of tokens: labels, packing, and worker processes that stay ahead of the training loop.

A row holds whole documents one after another. Each token carries its document's number, so attention never crosses from
one to the next. Weights say how much the prediction *of* a token counts: 1 for the assistant, a little for the prompt,
and nothing for a document's first token, padding, injected errors, and earlier answers whose thoughts were dropped (a
model trained on those would learn to answer without thinking).
"""

from __future__ import annotations

import multiprocessing
import random
from typing import NamedTuple

import numpy as np
import tiktoken

from gptoss_edu.harmony import Conversation, render_labelled
from gptoss_edu.tasks.example import RIGHT, WRONG, Example
from gptoss_edu.tasks.mix import make_example

IGNORED, PROMPT, TRAINED = 0, 1, 2  # codes stored in a batch
LOSS_WEIGHTS = {PROMPT: 0.1, TRAINED: 1.0}  # what the codes mean
_MARKS = (list(WRONG.encode()), list(RIGHT.encode()))  # three single-byte tokens each: no merge holds these bytes


class Batch(NamedTuple):
    """Packed rows. tokens (b, t) int16, codes (b, t) uint8, documents (b, t) int16: 0, 1, 2 … along each row."""

    tokens: np.ndarray
    codes: np.ndarray
    documents: np.ndarray


def encode(example: Example, encoding: tiktoken.Encoding) -> tuple[list[int], list[int]]:
    """Return token ids of the whole conversation, and the code of each."""
    labelled = render_labelled(
        Conversation.from_dict(example.conversation), None, encoding, drop_analysis="finished_turns", training=True
    )
    last_user = max(i for i, m in enumerate(example.messages) if m["role"] == "user")
    ids, numbers, roles, _, _, trained = zip(*labelled, strict=True)
    tokens = list(ids)
    codes = [
        PROMPT if role != "assistant" else IGNORED if number < last_user else TRAINED if own else PROMPT
        for number, role, own in zip(numbers, roles, trained, strict=True)
    ]
    codes[0] = IGNORED
    if any(WRONG in m["content"][0].get("text", "") for m in example.messages[example.prompt :]):
        tokens, codes = _without_marks(tokens, codes)
    return tokens, codes


def _without_marks(tokens: list[int], codes: list[int]) -> tuple[list[int], list[int]]:
    """Drop the two marks; the text between them is shown but not learned."""
    kept_tokens, kept_codes, wrong, i = [], [], False, 0
    while i < len(tokens):
        mark = tokens[i : i + 3]
        if mark in _MARKS:
            wrong, i = mark == _MARKS[0], i + 3
            continue
        kept_tokens.append(tokens[i])
        kept_codes.append(IGNORED if wrong else codes[i])
        i += 1
    return kept_tokens, kept_codes


def make_batch(encoding: tiktoken.Encoding, rows: int, length: int, seed: str) -> Batch:
    """Fill rows greedily from a stream of fresh examples; the same seed gives the same batch."""
    rng = random.Random(seed)
    tokens = np.full((rows, length), encoding.encode_single_token("<|endoftext|>"), np.int16)
    codes, documents = np.zeros((rows, length), np.uint8), np.zeros((rows, length), np.int16)
    used, count, misses = [0] * rows, [0] * rows, 0
    while misses < 12:
        ids, labels = encode(make_example(rng), encoding)
        row = next((r for r in range(rows) if used[r] + len(ids) <= length), None)
        if row is None:
            misses += 1
            continue
        at = slice(used[row], used[row] + len(ids))
        tokens[row, at], codes[row, at], documents[row, at] = ids, labels, count[row]
        used[row], count[row] = at.stop, count[row] + 1
    for row in range(rows):
        documents[row, used[row] :] = count[row]  # padding is a separate document without weight
    return Batch(tokens, codes, documents)


class Batches:
    """Batches start, start + 1, …, made in the background, always in the same order.

    Worker w of W makes the batches whose number is w modulo W, and stays at most ``ahead`` batches in front. With
    ``workers=0``, batches are made on demand in this process.
    """

    def __init__(
        self, folder, rows: int, length: int, seed: int = 0, start: int = 0, workers: int = 0, ahead: int = 48
    ):
        from gptoss_edu.tokenizer import load_tokenizer

        self.encoding, self.rows, self.length, self.seed = load_tokenizer(folder), rows, length, seed
        self.number, self.processes = start, []
        context = multiprocessing.get_context("spawn")
        self.queues = [context.Queue(ahead) for _ in range(workers)]
        for w, queue in enumerate(self.queues):
            first = start + (w - start) % workers
            arguments = (str(folder), rows, length, seed, first, workers, queue)
            self.processes.append(context.Process(target=_work, args=arguments, daemon=True))
            self.processes[-1].start()

    def __next__(self) -> Batch:
        number, self.number = self.number, self.number + 1
        if not self.queues:
            return make_batch(self.encoding, self.rows, self.length, f"{self.seed}:{number}")
        return Batch(*self.queues[number % len(self.queues)].get(timeout=120))

    def close(self) -> None:
        for process in self.processes:
            process.terminate()


def _work(folder: str, rows: int, length: int, seed: int, first: int, stride: int, queue) -> None:
    from gptoss_edu.tokenizer import load_tokenizer

    encoding, number = load_tokenizer(folder), first
    while True:
        queue.put(tuple(make_batch(encoding, rows, length, f"{seed}:{number}")))
        number += stride
