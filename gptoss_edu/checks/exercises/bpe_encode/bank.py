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


@BANK.wrong("no_way_back", "one sweep from the left that stays where it joined")
def one_sweep(text_bytes, ranks):
    parts, i = [bytes([b]) for b in text_bytes], 0
    while i + 1 < len(parts):
        if parts[i] + parts[i + 1] in ranks:
            parts[i : i + 2] = [parts[i] + parts[i + 1]]
        else:
            i += 1
    return [ranks[part] for part in parts]


@BANK.change
def spelled_out(text_bytes, ranks):
    parts = [bytes([b]) for b in text_bytes]
    while True:
        pairs = [i for i in range(len(parts) - 1) if parts[i] + parts[i + 1] in ranks]
        if not pairs:
            return [ranks[part] for part in parts]
        i = min(pairs, key=lambda i: ranks[parts[i] + parts[i + 1]])
        parts[i : i + 2] = [parts[i] + parts[i + 1]]


FIND, JOIN, IDS = (
    "min(pairs, key=lambda i: ranks[parts[i] + parts[i + 1]])",
    "        parts[i : i + 2] = [parts[i] + parts[i + 1]]",
    "[ranks[part] for part in parts]",
)

RANK, LENGTH = "ranks[parts[i] + parts[i + 1]]", "len(parts[i] + parts[i + 1])"

BANK.wrong("left_to_right", "the first pair that can be joined", (FIND, "pairs[0]"))
BANK.wrong("left_to_right", "the longest join, the first of equals", (FIND, f"min(pairs, key=lambda i: -{LENGTH})"))
BANK.wrong("right_to_left", "the last pair that can be joined", (FIND, "pairs[-1]"))
BANK.wrong("right_to_left", "the longest join, the last of equals", (FIND, f"max(pairs, key=lambda i: ({LENGTH}, i))"))
BANK.wrong(
    "by_length", "the longest join, the lowest rank of equals", (FIND, f"min(pairs, key=lambda i: (-{LENGTH}, {RANK}))")
)
BANK.wrong(
    "by_length", "the shortest join, the lowest rank of equals", (FIND, f"min(pairs, key=lambda i: ({LENGTH}, {RANK}))")
)
BANK.wrong("highest_rank", "the pair of highest rank first", ("min(pairs", "max(pairs"))
BANK.wrong("one_merge", "only one merge", (JOIN, f"{JOIN}\n        return {IDS}"))
BANK.wrong(
    "byte_values", "the bytes themselves as ids", ("    parts = [", "    return list(text_bytes)\n    parts = [")
)
BANK.wrong("characters", "the parts instead of their ids", (f"return {IDS}", "return parts"))
BANK.wrong("no_merge", "bytes looked up one by one", ("if not pairs", "if True"))
BANK.wrong("rightmost", "the last of equal pairs", ("min(pairs", "min(reversed(pairs)"))
BANK.wrong(
    "rank_of_part",
    "the sum of the parts' ranks decides",
    ("ranks[parts[i] + parts[i + 1]])", "ranks[parts[i]] + ranks[parts[i + 1]])"),
)
BANK.wrong("rank_of_part", "the rank of the left part decides", ("ranks[parts[i] + parts[i + 1]])", "ranks[parts[i]])"))
BANK.wrong(
    "empty",
    "one token for an empty text",
    ("    parts = [", "    if not text_bytes:\n        return [0]\n    parts = ["),
)
BANK.wrong(
    "empty", "None for an empty text", ("    parts = [", "    if not text_bytes:\n        return None\n    parts = [")
)
BANK.wrong("drops_tail", "the last part lost", (IDS, "[ranks[part] for part in parts[:-1]]"))
BANK.wrong(
    "drops_tail", "the last of several parts lost", (IDS, "[ranks[part] for part in parts[: max(1, len(parts) - 1)]]")
)
BANK.wrong(
    "whole_only",
    "only pairs of single bytes",
    (
        "if parts[i] + parts[i + 1] in ranks]",
        "if len(parts[i] + parts[i + 1]) == 2 and parts[i] + parts[i + 1] in ranks]",
    ),
)
