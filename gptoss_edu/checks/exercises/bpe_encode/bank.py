"""Solutions of `bpe_encode`."""

import itertools
import math

from gptoss_edu.checks.bank import Bank

BANK = Bank("bpe_encode")


@BANK.right("scan, join the best pair, repeat")
def scan(text_bytes, ranks):
    parts = [bytes([b]) for b in text_bytes]
    while len(parts) > 1:
        best = min(range(len(parts) - 1), key=lambda i: ranks.get(parts[i] + parts[i + 1], float("inf")))
        if parts[best] + parts[best + 1] not in ranks:
            break
        parts = [*parts[:best], parts[best] + parts[best + 1], *parts[best + 2 :]]
    return [ranks[part] for part in parts]


@BANK.right("join all occurrences of the best pair in one sweep")
def sweep(text_bytes, ranks):
    parts = [text_bytes[i : i + 1] for i in range(len(text_bytes))]
    while True:
        pairs = {(a, b) for a, b in itertools.pairwise(parts) if a + b in ranks}
        if not pairs:
            return [ranks[part] for part in parts]
        pair = min(pairs, key=lambda pair: ranks[pair[0] + pair[1]])
        joined, i = [], 0
        while i < len(parts):
            if i + 1 < len(parts) and (parts[i], parts[i + 1]) == pair:
                joined.append(parts[i] + parts[i + 1])
                i += 2
            else:
                joined.append(parts[i])
                i += 1
        parts = joined


@BANK.right("cut positions that disappear, as tiktoken does for short pieces")
def boundaries(text_bytes, ranks):
    cuts = list(range(len(text_bytes) + 1))
    while len(cuts) > 2:
        joined = (text_bytes[a:b] for a, b in zip(cuts, cuts[2:], strict=False))
        rank, at = min((ranks.get(piece, math.inf), i) for i, piece in enumerate(joined))
        if rank == math.inf:
            break
        del cuts[at + 1]
    return [ranks[text_bytes[a:b]] for a, b in itertools.pairwise(cuts)]


@BANK.right("recursion")
def recursive(text_bytes, ranks):
    def join(parts):
        found = [(ranks[a + b], i) for i, (a, b) in enumerate(itertools.pairwise(parts)) if a + b in ranks]
        if not found:
            return parts
        _, i = min(found)
        return join((*parts[:i], parts[i] + parts[i + 1], *parts[i + 2 :]))

    return [ranks[part] for part in join(tuple(bytes([b]) for b in text_bytes))]


@BANK.wrong("left_to_right", "the first pair that can be joined")
def greedy_pairs(text_bytes, ranks):
    parts = [bytes([b]) for b in text_bytes]
    i = 0
    while i < len(parts) - 1:
        if parts[i] + parts[i + 1] in ranks:
            parts[i : i + 2] = [parts[i] + parts[i + 1]]
            i = 0
        else:
            i += 1
    return [ranks[part] for part in parts]


@BANK.wrong("longest_match", "the longest entry from the left, as WordPiece does")
def longest(text_bytes, ranks):
    ids, start = [], 0
    while start < len(text_bytes):
        end = len(text_bytes)
        while text_bytes[start:end] not in ranks:
            end -= 1
        ids.append(ranks[text_bytes[start:end]])
        start = end
    return ids


@BANK.wrong("highest_rank", "the pair of highest rank first")
def highest(text_bytes, ranks):
    parts = [bytes([b]) for b in text_bytes]
    while True:
        pairs = [i for i in range(len(parts) - 1) if parts[i] + parts[i + 1] in ranks]
        if not pairs:
            return [ranks[part] for part in parts]
        i = max(pairs, key=lambda i: ranks[parts[i] + parts[i + 1]])
        parts[i : i + 2] = [parts[i] + parts[i + 1]]


@BANK.wrong("one_merge", "only one merge")
def once(text_bytes, ranks):
    parts = [bytes([b]) for b in text_bytes]
    pairs = [i for i in range(len(parts) - 1) if parts[i] + parts[i + 1] in ranks]
    if pairs:
        i = min(pairs, key=lambda i: ranks[parts[i] + parts[i + 1]])
        parts[i : i + 2] = [parts[i] + parts[i + 1]]
    return [ranks[part] for part in parts]


@BANK.wrong("one_pass", "one pass over the text")
def single_pass(text_bytes, ranks):
    ids, i = [], 0
    while i < len(text_bytes):
        if text_bytes[i : i + 2] in ranks and i + 1 < len(text_bytes):
            ids.append(ranks[text_bytes[i : i + 2]])
            i += 2
        else:
            ids.append(ranks[text_bytes[i : i + 1]])
            i += 1
    return ids


@BANK.wrong("byte_values", "the bytes themselves as ids")
def raw_bytes(text_bytes, ranks):
    return list(text_bytes)


@BANK.wrong("characters", "the parts instead of their ids")
def parts_only(text_bytes, ranks):
    parts = [bytes([b]) for b in text_bytes]
    while True:
        pairs = [i for i in range(len(parts) - 1) if parts[i] + parts[i + 1] in ranks]
        if not pairs:
            return parts
        i = min(pairs, key=lambda i: ranks[parts[i] + parts[i + 1]])
        parts[i : i + 2] = [parts[i] + parts[i + 1]]


@BANK.wrong("no_merge", "bytes looked up one by one")
def unmerged(text_bytes, ranks):
    return [ranks[bytes([b])] for b in text_bytes]


@BANK.wrong("rightmost", "<= where < is needed: the last of equal pairs")
def last_of_equals(text_bytes, ranks):
    parts = [bytes([b]) for b in text_bytes]
    while True:
        best, at = None, None
        for i in range(len(parts) - 1):
            rank = ranks.get(parts[i] + parts[i + 1])
            if rank is not None and (best is None or rank <= best):
                best, at = rank, i
        if at is None:
            return [ranks[part] for part in parts]
        parts[at : at + 2] = [parts[at] + parts[at + 1]]


@BANK.wrong("rank_of_part", "the sum of the parts' ranks decides")
def rank_sum(text_bytes, ranks):
    parts = [bytes([b]) for b in text_bytes]
    while True:
        pairs = [i for i in range(len(parts) - 1) if parts[i] + parts[i + 1] in ranks]
        if not pairs:
            return [ranks[part] for part in parts]
        i = min(pairs, key=lambda i: ranks[parts[i]] + ranks[parts[i + 1]])
        parts[i : i + 2] = [parts[i] + parts[i + 1]]


@BANK.wrong("empty", "an empty text raises no error but gives one token")
def empty_text(text_bytes, ranks):
    if not text_bytes:
        return [0]
    return scan(text_bytes, ranks)


@BANK.wrong("drops_tail", "the last part lost")
def drops_last(text_bytes, ranks):
    ids = scan(text_bytes, ranks)
    return ids[:-1] if len(ids) > 1 else ids


@BANK.wrong("whole_only", "only pairs of single bytes")
def single_bytes_only(text_bytes, ranks):
    parts = [bytes([b]) for b in text_bytes]
    while True:
        pairs = [
            i
            for i in range(len(parts) - 1)
            if len(parts[i]) == len(parts[i + 1]) == 1 and parts[i] + parts[i + 1] in ranks
        ]
        if not pairs:
            return [ranks[part] for part in parts]
        i = min(pairs, key=lambda i: ranks[parts[i] + parts[i + 1]])
        parts[i : i + 2] = [parts[i] + parts[i + 1]]
