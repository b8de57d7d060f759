"""Byte-pair encoding from scratch: train, encode, decode, and a trace of every merge.

A vocabulary is a plain ``dict[bytes, int]``, called ``ranks``, from a token's bytes to its id. The id is also its
rank, the order in which training made it. Encoding needs nothing else: *of all adjacent pairs whose joined bytes
are a token, join the one with the lowest rank; repeat until no pair is left.* This is tiktoken's rule, and the
results match tiktoken's token for token (tests/test_bpe.py).

First, a regular expression called ``pat_str`` cuts the text into pieces (`split`). No token crosses a piece's edge.
This module knows nothing of control tokens: ``<|start|>`` is nine ordinary characters here.

Source: Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units", section 3.2, on bytes
instead of characters; the pattern is that of the public o200k_base encoding.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import inf

import regex

from .errors import TokenizerError

_UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"  # what the upper-case part of a word may hold
_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"  # what its lower-case part may hold; scripts without case are in both
_SUFFIX = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_ALTERNATIVES = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_SUFFIX}",  # a word after one space or sign: " Hello", "don't"
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_SUFFIX}",  # the same for a word all in capitals: " NASA"
    r"\p{N}{1,3}",  # one to three digits
    r" ?[^\s\p{L}\p{N}]+[\r\n/]*",  # punctuation, with the line end after it
    r"\s*[\r\n]+",  # line ends, with the white space before them
    r"\s+(?!\S)",  # white space except its last character, which goes with the next word
    r"\s+",  # any other white space
)
O200K_PATTERN = "|".join(_ALTERNATIVES)
"""How o200k cuts text into pieces: tiktoken's own ``pat_str``, character for character."""
SINGLE_DIGIT_PATTERN = O200K_PATTERN.replace(r"\p{N}{1,3}", r"\p{N}")
"""The same, but every digit is a piece of its own, so that no token ever holds two digits."""

_LONG_PIECE = 64  # bytes; from here on the quadratic loop is slower than a heap


@dataclass(frozen=True)
class MergeStep:
    """One merge of encoding: in ``parts``, the pair at ``position`` had the lowest rank and becomes ``token``."""

    parts: tuple[bytes, ...]
    pair_ranks: tuple[int | None, ...]  # one per adjacent pair; None: the joined bytes are not a token
    position: int
    token: bytes
    rank: int

    @property
    def after(self) -> tuple[bytes, ...]:
        """The parts once this merge is done."""
        return (*self.parts[: self.position], self.token, *self.parts[self.position + 2 :])


@dataclass(frozen=True)
class TrainingStep:
    """One merge of training: ``pair`` occurred ``count`` times and became ``token`` with id ``rank``."""

    rank: int
    pair: tuple[bytes, bytes]
    token: bytes
    count: int


# ---------------------------------------------------------------------------------------------------- text to pieces


def split(text: str, pat_str: str = O200K_PATTERN) -> list[str]:
    """Cut text into the pieces inside which merging happens; joined again, they give the text.

    Half a surrogate pair, which UTF-8 cannot hold, becomes U+FFFD first, as in tiktoken.

    Raises
    ------
    TokenizerError
        If ``pat_str`` does not cover the text. (tiktoken would silently drop the uncovered characters.)
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    pieces, end = [], 0
    for match in regex.finditer(pat_str, text):
        if match.start() != end:
            break
        if match.group():
            pieces.append(match.group())
        end = match.end()
    if end != len(text):
        raise TokenizerError(
            f"pat_str must cover every character, but {text[end : end + 20]!r} at character {end} matches no "
            f"alternative and would be lost; end the pattern with an alternative that takes anything, such as |."
        )
    return pieces


# --------------------------------------------------------------------------------------------------- pieces to tokens


def merge_trace(piece: bytes, ranks: dict[bytes, int]) -> Iterator[MergeStep]:
    """Encode one piece and yield every merge, the lowest rank first, the leftmost among equals."""
    parts = [piece[i : i + 1] for i in range(len(piece))]
    while len(parts) > 1:
        pair_ranks = [ranks.get(left + right) for left, right in itertools.pairwise(parts)]
        known = [(rank, position) for position, rank in enumerate(pair_ranks) if rank is not None]
        if not known:
            return
        rank, position = min(known)
        token = parts[position] + parts[position + 1]
        yield MergeStep(tuple(parts), tuple(pair_ranks), position, token, rank)
        parts[position : position + 2] = [token]


def _merge(parts: list[bytes], ranks: dict[bytes, int]) -> list[bytes]:
    """Join the adjacent pair of lowest rank until none is left: the whole of BPE encoding in one loop."""
    parts = list(parts)
    while len(parts) > 1:
        rank, position = min((ranks.get(parts[i] + parts[i + 1], inf), i) for i in range(len(parts) - 1))
        if rank == inf:
            break
        parts[position : position + 2] = [parts[position] + parts[position + 1]]
    return parts


def _merge_long(piece: bytes, ranks: dict[bytes, int]) -> list[bytes]:
    """Merge as `_merge` does, but in n log n steps: a heap of pairs over a linked list of parts.

    A part is identified by where it starts: ``end[i]`` is where the part that starts at i ends (0: no part starts
    there any more), and ``previous[i]`` is where the part before it starts.
    """
    n = len(piece)
    end = [*range(1, n + 1), 0]
    previous = list(range(-1, n))
    heap = [(rank, i, i + 2) for i in range(n - 1) if (rank := ranks.get(piece[i : i + 2])) is not None]
    heapq.heapify(heap)
    while heap:
        _, start, stop = heapq.heappop(heap)
        middle = end[start]
        if not middle or end[middle] != stop:
            continue  # one of the two parts has been merged since
        end[start], end[middle], previous[stop] = stop, 0, start
        around = [(previous[start], stop)] if start else []
        if stop < n:
            around.append((start, end[stop]))
        for left, right in around:
            rank = ranks.get(piece[left:right])
            if rank is not None:
                heapq.heappush(heap, (rank, left, right))
    return [piece[i : end[i]] for i in range(n) if end[i]]


def encode_bytes(piece: bytes, ranks: dict[bytes, int]) -> list[int]:
    """Encode one piece by merging alone.

    Parameters
    ----------
    piece : bytes
        Any bytes, not necessarily valid UTF-8.
    ranks : dict[bytes, int]
        The vocabulary; holds at least every single byte that occurs.

    Returns
    -------
    list[int]
        Token ids; their bytes joined are the piece.
    """
    try:
        if len(piece) >= _LONG_PIECE:
            return [ranks[part] for part in _merge_long(piece, ranks)]
        return [ranks[part] for part in _merge([piece[i : i + 1] for i in range(len(piece))], ranks)]
    except KeyError as error:
        raise TokenizerError(
            f"the vocabulary must hold every single byte, but {error.args[0]!r} is missing; start from "
            f"{{bytes([b]): b for b in range(256)}} or from bpe.train."
        ) from None


def encode(text: str, ranks: dict[bytes, int], pat_str: str = O200K_PATTERN) -> list[int]:
    """Encode text: split it, then merge in each piece; equal to tiktoken's ``encode_ordinary``.

    As in tiktoken, a piece that is a token as a whole is taken at once. In o200k this only saves time, since merging
    reaches every token there. In another vocabulary it may be the only way to reach a token.
    """
    ids: list[int] = []
    seen: dict[str, list[int]] = {}
    for piece in split(text, pat_str):
        if piece not in seen:
            raw = piece.encode("utf-8")
            seen[piece] = [ranks[raw]] if raw in ranks else encode_bytes(raw, ranks)
        ids.extend(seen[piece])
    return ids


def decode_bytes(ids: Iterable[int], ranks: dict[bytes, int]) -> bytes:
    """Return the bytes of the tokens, joined. Raises `TokenizerError` for an id outside the vocabulary."""
    token_of = {rank: token for token, rank in ranks.items()}
    try:
        return b"".join(token_of[i] for i in ids)
    except KeyError as error:
        raise TokenizerError(
            f"token id {error.args[0]} is not one of the {len(ranks):,} ids of this vocabulary; were the ids made with "
            f"another one, or are they control tokens?"
        ) from None


def decode(ids: Iterable[int], ranks: dict[bytes, int], errors: str = "replace") -> str:
    """Return the text of the tokens; bytes that are not valid UTF-8, such as half a character, become U+FFFD."""
    return decode_bytes(ids, ranks).decode("utf-8", errors)


# ------------------------------------------------------------------------------------------------- text to vocabulary


def _join(parts: list[bytes], pair: tuple[bytes, bytes]) -> list[bytes]:
    """Join every occurrence of the pair in the parts, from left to right."""
    joined: list[bytes] = []
    for part in parts:
        if joined and (joined[-1], part) == pair:
            joined[-1] += part
        else:
            joined.append(part)
    return joined


class _PairCounts:
    """How often each pair of neighbours occurs over all distinct pieces, kept up to date piece by piece."""

    def __init__(self, pieces: Counter[bytes]):
        self.times = list(pieces.values())
        self.parts = [[piece[i : i + 1] for i in range(len(piece))] for piece in pieces]
        self.counts: Counter[tuple[bytes, bytes]] = Counter()
        self.pieces_with: dict[tuple[bytes, bytes], set[int]] = defaultdict(set)
        for index, parts in enumerate(self.parts):
            for pair in itertools.pairwise(parts):
                self.counts[pair] += self.times[index]
                self.pieces_with[pair].add(index)
        self.heap = [(-count, pair) for pair, count in self.counts.items()]
        heapq.heapify(self.heap)

    def most_frequent(self) -> tuple[int, tuple[bytes, bytes] | None]:
        """Return the highest count and its pair; ties go to the pair that is smaller as (left bytes, right bytes)."""
        while self.heap:
            count, pair = self.heap[0]
            if self.counts.get(pair) == -count:
                return -count, pair
            heapq.heappop(self.heap)  # an outdated entry
        return 0, None

    def join(self, chosen: tuple[bytes, bytes]) -> None:
        """Merge the pair in the pieces that hold it, and update the counts of only those pieces."""
        changed: set[tuple[bytes, bytes]] = set()
        for index in list(self.pieces_with[chosen]):
            before, times = self.parts[index], self.times[index]
            after = self.parts[index] = _join(before, chosen)
            for pair in itertools.pairwise(before):
                self.counts[pair] -= times
                self.pieces_with[pair].discard(index)
                changed.add(pair)
            for pair in itertools.pairwise(after):
                self.counts[pair] += times
                self.pieces_with[pair].add(index)
                changed.add(pair)
        for pair in changed:
            if self.counts[pair]:
                heapq.heappush(self.heap, (-self.counts[pair], pair))
            else:
                del self.counts[pair], self.pieces_with[pair]


def training_steps(
    text: str | Iterable[str], pat_str: str = O200K_PATTERN, min_count: int = 2
) -> Iterator[TrainingStep]:
    """Yield merge after merge, the most frequent pair first, until no pair occurs ``min_count`` times.

    After every step each piece is cut exactly as `encode_bytes` would cut it with the tokens made so far, so no two
    pairs ever join to the same token: bytes between two edges are cut as they would be alone, and alone the bytes of a
    token are that token. Neighbouring positions are counted: "aaa" holds the pair (a, a) twice.
    """
    pieces: Counter[str] = Counter()
    for chunk in [text] if isinstance(text, str) else text:
        pieces.update(split(chunk, pat_str))
    pairs = _PairCounts(Counter({piece.encode("utf-8"): times for piece, times in pieces.items()}))
    for rank in itertools.count(256):
        count, pair = pairs.most_frequent()
        if pair is None or count < min_count:
            return
        yield TrainingStep(rank, pair, pair[0] + pair[1], count)
        pairs.join(pair)


def train(
    text: str | Iterable[str], vocab_size: int, pat_str: str = O200K_PATTERN, min_count: int = 2
) -> dict[bytes, int]:
    """Learn a vocabulary: the 256 bytes, then one merge of the most frequent pair after another.

    The result depends only on the pieces and how often they occur, not on the order of the texts or on a seed.
    Ties go to the pair that is smaller as (left bytes, right bytes).

    Parameters
    ----------
    text : str or iterable of str
        The corpus; no merge crosses from one text into another. Time grows with the number and length of *distinct*
        pieces, so a ``pat_str`` that makes long pieces is slow.
    vocab_size : int
        Number of tokens, including the 256 bytes; control tokens come on top (`tokenizer.make_encoding`).
    pat_str : str
        The pattern that cuts text into pieces; `SINGLE_DIGIT_PATTERN` keeps digits apart.
    min_count : int
        Pairs that occur less often are never merged, so a small corpus gives fewer tokens than asked for.

    Returns
    -------
    dict[bytes, int]
        Token bytes to rank, in the order of the ranks 0, 1, 2, …; byte b has rank b.
    """
    if vocab_size < 256:
        raise TokenizerError(f"vocab_size must be at least 256, one token per byte, but is {vocab_size}.")
    ranks = {bytes([byte]): byte for byte in range(256)}
    if vocab_size > 256:
        for step in training_steps(text, pat_str, min_count):
            ranks[step.token] = step.rank
            if len(ranks) == vocab_size:
                break
    return ranks
