"""The vocabulary of gpt-oss-tiny: 1,024 tokens, learnt by the package's own byte-pair encoding from the tasks' text."""

from __future__ import annotations

import random
import re
from pathlib import Path

import tiktoken

from gptoss_edu import bpe
from gptoss_edu.harmony import Conversation, render
from gptoss_edu.tasks.example import RIGHT, WRONG
from gptoss_edu.tasks.mix import make_example
from gptoss_edu.tokenizer import load_tokenizer, make_encoding, save_tokenizer

CONTROL = (
    "<|startoftext|>", "<|endoftext|>", "<|return|>", "<|constrain|>", "<|channel|>", "<|start|>", "<|end|>", "<|message|>", "<|call|>", "<|endofprompt|>",
)  # fmt: skip
VOCABULARY = 1024


def corpus(examples: int = 40_000, seed: int = 0) -> list[str]:
    """Everything that stands between control tokens in that many generated conversations."""
    encoding, texts = load_tokenizer(), []
    control = re.compile("|".join(map(re.escape, CONTROL)))
    for index in range(examples):
        example = make_example(random.Random(f"corpus:{seed}:{index}"))
        tokens = render(
            Conversation.from_dict(example.conversation), None, encoding, drop_analysis="finished_turns", training=True
        )
        texts += control.split(encoding.decode(tokens).replace(WRONG, "").replace(RIGHT, ""))
    return [text for text in texts if text]


def train_tokenizer(folder: Path, examples: int = 40_000, seed: int = 0) -> tiktoken.Encoding:
    """Learn the vocabulary and store it in ``folder`` as two files."""
    ranks = bpe.train(corpus(examples, seed), VOCABULARY - len(CONTROL), bpe.SINGLE_DIGIT_PATTERN)
    encoding = make_encoding("gpt-oss-tiny", ranks, CONTROL, bpe.SINGLE_DIGIT_PATTERN)
    folder.mkdir(parents=True, exist_ok=True)
    save_tokenizer(encoding, folder)
    return encoding
