"""Train the vocabulary of gpt-oss-tiny on the tasks' text with the package's own byte-pair encoding.

It has 2,048 tokens: ten control tokens, 256 bytes, and merges. Fifteen languages in nine scripts share them. English
would take nearly all merges of the training mix, so the corpus is different: two fifths are English, the rest is in the
other languages. Digits, including those of other scripts, are separate pieces.
"""

from __future__ import annotations

import random
import re
from pathlib import Path

import tiktoken

from gptoss_edu import bpe
from gptoss_edu.harmony import Conversation, render
from gptoss_edu.tasks.example import RIGHT, WRONG
from gptoss_edu.tasks.language_packs import ASCII_DIGITS, CODES, pack
from gptoss_edu.tasks.mix import make_example
from gptoss_edu.tokenizer import load_tokenizer, make_encoding, save_tokenizer

CONTROL = tuple(
    f"<|{name}|>"
    for name in "startoftext endoftext return constrain channel start end message call endofprompt".split()
)
VOCABULARY = 2048
ENGLISH = 0.4  # share of the corpus
MORE = {"zh": 2.0, "ko": 2.0, "ja": 1.5}  # multiples of another language's share, for their many characters


def corpus(examples: int = 40_000, seed: int = 0) -> list[str]:
    """Return all text between control tokens in that many generated conversations."""
    encoding, texts, shares = load_tokenizer(), [], [MORE.get(code, 1.0) for code in CODES]
    control = re.compile("|".join(map(re.escape, CONTROL)))
    for index in range(examples):
        rng = random.Random(f"corpus:{seed}:{index}")
        example = make_example(rng, language="en" if rng.random() < ENGLISH else rng.choices(CODES, shares)[0])
        tokens = render(
            Conversation.from_dict(example.conversation), None, encoding, drop_analysis="finished_turns", training=True
        )
        texts += control.split(encoding.decode(tokens).replace(WRONG, "").replace(RIGHT, ""))
    own_digits = "".join(sorted({pack(code).digits for code in CODES} - {ASCII_DIGITS}))
    return [text for text in texts if text] + [own_digits] * (examples // 4)  # enough to make each a token, like 0 to 9


def train_tokenizer(folder: Path, examples: int = 40_000, seed: int = 0) -> tiktoken.Encoding:
    """Learn the vocabulary and store it in ``folder`` as two files."""
    ranks = bpe.train(corpus(examples, seed), VOCABULARY - len(CONTROL), bpe.SINGLE_DIGIT_PATTERN)
    encoding = make_encoding("gpt-oss-tiny", ranks, CONTROL, bpe.SINGLE_DIGIT_PATTERN)
    folder.mkdir(parents=True, exist_ok=True)
    save_tokenizer(encoding, folder)
    return encoding
