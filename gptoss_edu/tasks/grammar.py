"""Wordings by composition: choices inside choices and named parts, drawn one at a time instead of written out.

    "[Please |]<verb> the [code|pass[word|phrase]] {w}."

`[a|b]` is a choice and may hold further choices, `<name>` stands for one of the patterns in ``parts[name]``, and `{w}`
is a slot that the caller fills later. `example.Phrasings` lists every wording of a pattern; a grammar with millions of
them cannot, so the split is decided after the draw: of eight wordings one is held out, by its checksum.
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Mapping, Sequence

from gptoss_edu.errors import GptOssError

Node = str | tuple  # text, or alternatives: a tuple of sequences, each a tuple of nodes
_TOKENS = re.compile(r"[\[\]|]|<\w+>|[^\[\]|<]+|<")
_TRIES = 2000


class Grammar:
    """Patterns of one kind of text.

    Parameters
    ----------
    patterns : wordings with choices, parts and slots; each pattern is equally likely
    parts : what `<name>` may stand for, by name

    Raises
    ------
    GptOssError : a bracket is not closed, or a named part is missing.
    """

    def __init__(self, patterns: Sequence[str], parts: Mapping[str, Sequence[str]] | None = None):
        self.patterns = tuple(patterns)
        self._parts = parts or {}
        self._known: dict[str, tuple] = {}
        self._compiled = [self._sequence(pattern) for pattern in self.patterns]
        if not self._compiled:
            raise GptOssError("A grammar needs at least one pattern, found none; add a wording.")

    def pick(self, rng: random.Random, unseen: bool = False) -> tuple[int, str]:
        """Draw (number of the pattern, wording): a trained wording, or with ``unseen`` a held-out one."""
        for _ in range(_TRIES):
            number = rng.randrange(len(self._compiled))
            wording = draw_text(rng, self._compiled[number])
            if is_unseen(wording) == unseen:
                return number, wording
        side = "held-out" if unseen else "trained"
        raise GptOssError(
            f"A grammar should have {side} wordings, found none in {_TRIES} draws of {self.patterns[0]!r}; add choices."
        )

    def draw(self, rng: random.Random) -> str:
        """Draw a wording of either side, where something else decides what is held out."""
        return draw_text(rng, rng.choice(self._compiled))

    def size(self) -> int:
        """Count the different choices; a slot counts once, and equal wordings of two choices count twice."""
        return sum(map(_size, self._compiled))

    def _sequence(self, pattern: str) -> tuple:
        nodes, rest = self._parse(_TOKENS.findall(pattern), pattern)
        if rest:
            raise GptOssError(f"A pattern should close each bracket once, found {pattern!r}; remove a ']' or '|'.")
        return nodes

    def _parse(self, tokens: list[str], pattern: str) -> tuple[tuple, list[str]]:
        """Return one sequence of nodes up to '|' or ']', and the tokens that are left."""
        nodes: list[Node] = []
        while tokens and tokens[0] not in "|]":
            token, *tokens = tokens
            if token == "[":
                alternatives = []
                while True:
                    sequence, tokens = self._parse(tokens, pattern)
                    alternatives.append(sequence)
                    if not tokens:
                        raise GptOssError(f"A pattern should close each bracket, found {pattern!r}; add a ']'.")
                    token, *tokens = tokens
                    if token == "]":
                        break
                nodes.append(tuple(alternatives))
            elif token[0] == "<" and len(token) > 1:
                nodes.append(self._part(token[1:-1], pattern))
            else:
                nodes.append(token)
        return tuple(nodes), tokens

    def _part(self, name: str, pattern: str) -> tuple:
        if name not in self._known:
            if name not in self._parts:
                raise GptOssError(f"A pattern may name only parts that exist, found <{name}> in {pattern!r}; add it.")
            self._known[name] = tuple(self._sequence(part) for part in self._parts[name])
        return self._known[name]


def is_unseen(wording: str) -> bool:
    """Return whether a wording is held out everywhere, as one in eight is; the same rule as in `example.Phrasings`."""
    return zlib.crc32(wording.encode()) % 8 == 0


def draw_text(rng: random.Random, sequence: tuple) -> str:
    """Draw one text of a compiled sequence; alternatives are equally likely."""
    text = ""
    for node in sequence:
        text += node if isinstance(node, str) else draw_text(rng, node[int(rng.random() * len(node))])
    return text


def _size(sequence: tuple) -> int:
    total = 1
    for node in sequence:
        if not isinstance(node, str):
            total *= sum(map(_size, node))
    return total


def families(tables: Mapping, parts: Mapping[str, Sequence[str]] | None = None) -> dict[str, Grammar]:
    """Return a grammar for each list of patterns in ``tables``, by its name."""
    return {name: Grammar(patterns, parts) for name, patterns in tables.items()}
