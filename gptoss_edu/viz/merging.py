"""Training a vocabulary, round by round: the words as they are cut, and the counts of pairs (chapter 02)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from gptoss_edu import bpe

from . import style
from .tokens import token_text

Pair = tuple[bytes, bytes]
SHOWN = 6  # pairs


@dataclass(frozen=True)
class Round:
    """The state before a merge.

    Attributes: `number`, merges done so far; `words`, word -> how often it occurs; `parts`, word -> its tokens;
    `counts`, (pair, count), the next merge first and then the most frequent; `chosen`, the pair that is merged next,
    None at the end.
    """

    number: int
    words: dict[bytes, int]
    parts: dict[bytes, list[bytes]]
    counts: list[tuple[Pair, int]]
    chosen: Pair | None

    def __str__(self) -> str:
        done = f"{self.number} merge{'' if self.number == 1 else 's'} done."
        if self.chosen is None:
            return f"{done} No pair stands together twice: stop."
        left, right = map(_shown, self.chosen)
        return f"{done} {left} + {right} stand together {self.counts[0][1]} times and become id {256 + self.number}."


def rounds(text: str) -> list[Round]:
    """Train on a short text until no pair occurs twice; return the state before every merge, and the last one."""
    steps = list(bpe.training_steps(text))
    words = Counter(piece.encode() for piece in bpe.split(text))
    tokens = [*(bytes([byte]) for byte in range(256)), *(step.token for step in steps)]
    return [_round(number, words, tokens[: 256 + number], steps) for number in range(len(steps) + 1)]


def _round(number: int, words: Counter, tokens: list[bytes], steps: list[bpe.TrainingStep]) -> Round:
    ranks = {token: rank for rank, token in enumerate(tokens)}
    parts = {word: [tokens[i] for i in bpe.encode_bytes(word, ranks)] for word in words}
    counts: Counter[Pair] = Counter()
    for word, row in parts.items():
        for pair in pairwise(row):
            counts[pair] += words[word]
    chosen = steps[number].pair if number < len(steps) else None
    ordered = sorted(counts.items(), key=lambda item: (item[0] != chosen, -item[1], item[0]))
    return Round(number, dict(words), parts, ordered, chosen)


def figure_round(state: Round) -> Figure:
    """Draw the words, cut into their tokens, and the most frequent pairs; the pair that is merged next is filled."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 2.7), width_ratios=[1.5, 1], layout="none")
    figure.subplots_adjust(left=0.02, right=0.98, top=0.86, bottom=0.2, wspace=0.3)
    for line, (word, row) in enumerate(state.parts.items()):
        left.text(-0.4, line, f"{state.words[word]} ×", ha="right", va="center", fontsize=9)
        _draw_word(left, line, row, state.chosen)
    longest = max(map(len, state.words))
    left.set(xlim=(-1.6, longest + 1), ylim=(len(state.parts) - 0.4, -0.6), title=f"{state.number} merges done")
    left.axis("off")
    names = ["+".join(map(_shown, pair)) for pair, _ in state.counts[:SHOWN]]
    times = [count for _, count in state.counts[:SHOWN]]
    bars = right.barh(range(len(names)), times, color=style.color("grid"), edgecolor=style.color("ink"))
    if state.chosen:
        bars[0].set_facecolor(style.cycle()[0])
    right.set_yticks(range(len(names)), names, family="monospace")
    title = f"the next id, {256 + state.number}" if state.chosen else "no pair twice: stop"
    right.set(xlim=(0, 6.5), ylim=(SHOWN - 0.4, -0.6), xlabel="times", title=title)
    return figure


def _draw_word(axes: plt.Axes, line: int, row: list[bytes], chosen: Pair | None) -> None:
    x = 0
    for i, part in enumerate(row):
        filled = chosen in (tuple(row[i : i + 2]), tuple(row[max(i - 1, 0) : i + 1]))
        face = style.cycle()[0] + "55" if filled else style.color("raised")
        corner = (x + 0.05, line - 0.36)
        axes.add_patch(plt.Rectangle(corner, len(part) - 0.1, 0.72, edgecolor=style.color("ink"), facecolor=face))
        axes.text(x + len(part) / 2, line, _shown(part), ha="center", va="center", family="monospace", fontsize=10)
        x += len(part)


def _shown(part: bytes) -> str:
    return token_text(part)[0]
