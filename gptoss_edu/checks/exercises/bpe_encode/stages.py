"""The check of `bpe_encode`: bytes, one merge, the order of merges, ties."""

import random

from gptoss_edu.checks import reference
from gptoss_edu.checks.guard import Forbidden
from gptoss_edu.checks.harness import Check, Refused

CAUSES = {
    "characters": (
        "The result holds bytes or text. The vocabulary maps bytes to ids: return `ranks[part]` for each part."
    ),
    "byte_values": (
        "A byte's own value is returned as its id. Ids come from `ranks`; in o200k the byte 0x41 is id 32, not 65."
    ),
    "no_merge": "Nothing is merged: the bytes come out one by one.",
    "one_merge": "Only one merge is made. Repeat until no neighbouring pair is in the vocabulary.",
    "one_pass": "Only one pass over the text is made; parts joined in it are not joined again.",
    "no_way_back": (
        "One pass from left to right is made: a joined part is tried with what follows, never with what stands before "
        "it. Look at all pairs again after every join."
    ),
    "left_to_right": (
        "The first pair from the left that can be joined is joined (or the longest, the first of equals, which always "
        "gives the same). BPE joins the pair of LOWEST RANK first, wherever it is: the rank is the order in which the "
        "merges were learnt."
    ),
    "right_to_left": (
        "The last pair that can be joined is joined (or the longest, the last of equals, which always gives the same). "
        "BPE joins the pair of LOWEST RANK first, wherever it is."
    ),
    "by_length": (
        "The length of a join decides, and its rank only between equals. BPE joins the pair of LOWEST RANK first, "
        "however long it is."
    ),
    "longest_match": (
        "The longest vocabulary entry is taken from the left, as WordPiece does. BPE replays the learnt merges in "
        "their order; the two often agree, but not always."
    ),
    "highest_rank": (
        "The pair of highest rank is joined first. A low rank means that the merge was learnt early, from a frequent "
        "pair."
    ),
    "rank_of_part": (
        "The pair is chosen by the rank of one part, or by the sum of both, instead of by the rank of the joined bytes."
    ),
    "rightmost": (
        "Of several pairs with the same rank the rightmost is joined first; it must be the leftmost (`<`, not `<=`, "
        "when scanning from the left)."
    ),
    "drops_tail": "The last part is lost.",
    "whole_only": (
        "Only pairs of single bytes are tried: parts that were joined must be tried with their neighbours again."
    ),
    "empty": "An empty text has no tokens: return an empty list.",
    "general": (
        "Start from single bytes; as long as some neighbouring pair is in `ranks`, join the one with the lowest rank, "
        "the leftmost of equals; then look up the ids."
    ),
}
CHECK = Check(
    "bpe_encode",
    (Forbidden("bpe.py"), Forbidden("tokenizer.py")),
    CAUSES,
    "(text_bytes: bytes, ranks: dict[bytes, int]) -> list of ids",
)

LETTERS = {bytes([b]): i for i, b in enumerate(b"xyzabcdefgh ")}  # ids that are not the bytes' own values


def _ranks(*merges: bytes) -> dict[bytes, int]:
    return LETTERS | {merge: len(LETTERS) + i for i, merge in enumerate(merges)}


def _ids(call, text: bytes, ranks: dict[bytes, int]) -> list[int]:
    found = call(text, ranks)
    try:
        found = list(found)
    except TypeError:
        raise Refused(f"the function returned a {type(found).__name__}, expected a list of ids", "general") from None
    odd = next((item for item in found if isinstance(item, (bytes, str))), None)
    if odd is not None:
        raise Refused(f"{text!r}: the list holds {odd!r}, expected ids", "characters", certain=True)
    return [int(item) for item in found]


def _compare(call, cases: list[tuple[bytes, dict]], general: str = "general") -> None:
    """Compare all cases of a stage, and show the first that differs."""
    found = [_ids(call, text, ranks) for text, ranks in cases]
    right = [reference.bpe_encode(text, ranks) for text, ranks in cases]
    at = next((i for i in range(len(cases)) if found[i] != right[i]), None)
    if at is None:
        return
    (text, ranks), mine, expected = cases[at], found[at], right[at]
    names = {i: part for part, i in ranks.items()}
    shown, wanted = (" | ".join(names.get(i, b"?%d" % i).decode("latin-1") for i in ids) for ids in (mine, expected))
    first = next(
        (i for i, (a, b) in enumerate(zip(mine, expected, strict=False)) if a != b), min(len(mine), len(expected))
    )
    both = f"yours is {shown} = {mine}, right is {wanted} = {expected}"
    raise Refused(f"{text.decode('latin-1')!r}: {both}; first difference at token {first}", general)


@CHECK.stage("single bytes")
def single(call):
    _compare(call, [(b"a", LETTERS), (b"cab", LETTERS)])


@CHECK.stage("one merge")
def one(call):
    _compare(call, [(b"cab", _ranks(b"ab")), (b"abcab", _ranks(b"ab"))])


@CHECK.stage("parts that were joined are joined again")
def again(call):
    cases = [(b"abcd", _ranks(b"ab", b"cd", b"abcd")), (b"abc", _ranks(b"ab", b"abc"))]
    _compare(call, cases)


@CHECK.stage("the lowest rank first, wherever it stands")
def order(call):
    cases = [
        (b"abc", _ranks(b"bc", b"ab")),
        (b"abcd", _ranks(b"bc", b"ab", b"abc")),
        (b"xbcay", _ranks(b"ca", b"xb", b"bc", b"ay")),
        (b"abcde", _ranks(b"de", b"bc", b"cd", b"ab", b"abc")),
        (b"abcde", _ranks(b"de", b"bc", b"bcd", b"abcd", b"ab")),
        (b"cbdbdb", _ranks(b"db", b"dbd", b"bd", b"bdb", b"cb")),
    ]
    _compare(call, cases)


@CHECK.stage("a tie: the leftmost of equal pairs")
def tie(call):
    _compare(call, [(b"aaa", _ranks(b"aa")), (b"aaaaa", _ranks(b"aa", b"aaaa"))], "rightmost")


@CHECK.stage("longer text, and bytes that are no text")
def longer(call):
    ranks = _ranks(b"ab", b" a", b"abc", b"de", b" ab", b"def", b"cd", b"gh", b"abab")
    _compare(call, [(text, ranks) for text in (b"abcdef abab gh", b" abcde fabc cdcdgh ababab", b"aabbccddee")])
    generator, merges = random.Random(0), [b"ab", b"ca", b"bb", b"abb", b"caab", b"bba", b"aa", b"cc", b"aab", b"cab"]
    texts = [bytes(generator.choice(b"abc") for _ in range(90)) for _ in range(3)]
    _compare(call, [(text, _ranks(*generator.sample(merges, len(merges)))) for text in texts])
    binary = {bytes([i]): 255 - i for i in range(256)} | {b"\xff\xfe": 256, b"\xf0\x9f": 257, b"\xf0\x9f\x99": 258}
    _compare(call, [(b"\xff\xfe\x00\xf0\x9f\x99\x82", binary)])


@CHECK.stage("an empty text")
def empty(call):
    _compare(call, [(b"", LETTERS), (b"", _ranks(b"ab"))], "empty")
