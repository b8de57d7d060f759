"""`train` (chapter 02): byte-pair merges learned from a text."""

from collections import Counter
from itertools import pairwise

from gptoss_edu import bpe
from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

TOY = "banana bandana band ban"


def in_words(token, text: str) -> str:
    """Return a token as text, or in hex where it holds part of a character; say so if it is not in the text."""
    if not isinstance(token, bytes):
        return repr(token)
    try:
        shown = token.decode()
    except UnicodeDecodeError:
        shown = token.hex(" ")
    return shown if token in text.encode() else f"{shown} (not in the text)"


def through(train, text: str, vocab_size: int) -> str:
    """Return what was learned beyond the bytes, as words."""
    entries = list(train(text, vocab_size).items())
    bytes_kept = entries[:256] == [(bytes([byte]), byte) for byte in range(256)]
    learned = " | ".join(f"{rank} {in_words(token, text)}" for token, rank in entries[256:])
    return learned if bytes_kept else f"the first 256 entries are not the bytes; then {learned}"


CAUSES = {
    "bytes_not_counted": "The 256 bytes are not counted: vocab_size is the number of all entries, theirs included.",
    "one_too_many": "One merge too many is made: stop when there are vocab_size entries.",
    "larger": "Of equally frequent pairs the larger is taken, not the smaller.",
    "last_seen": "Of equally frequent pairs the one that was seen last is taken, not the smaller.",
    "first_seen": (
        "Of equally frequent pairs the one that was seen first is taken, as max and most_common do, not the smaller."
    ),
    "joined_bytes": "Equally frequent pairs are compared by their joined bytes, not as (left bytes, right bytes).",
    "rarest": "The rarest pair is joined, not the most frequent.",
    "ids": "The ids of the new tokens do not begin with 256, the first free one.",
    "no_spaces": "The words have lost their spaces: text.split() drops them, bpe.split keeps each with the next word.",
    "counted_once": "Pairs are counted once, at the beginning. Count again after every merge.",
    "parts_lost": "The two parts are taken out of the row instead of being joined in it.",
    "pairs_once": "Pairs that occur only once are joined too.",
    "no_default": (
        "There is no pair left when every word is one token, and the smallest of nothing is an error. Give min a "
        "`default=None`, and stop where it is returned."
    ),
    "not_cut": "The text is not cut into words: pairs reach across their edges. bpe.split cuts.",
    "words_once": "Every word is counted once, however often it occurs.",
    "characters": "Words are cut into characters. Cut them into bytes: é is two.",
    "another_text": (
        "Your tokens are those of the chapter's `toy`, whatever `text` is: the function reads `words` or `parts` from "
        "the cells above. Make both from its argument, inside the function."
    ),
}
CHECK = CaseCheck("train", "(text, vocab_size) -> token bytes to id", through, CAUSES)
BANK = Bank("train")


@CHECK.cases
def cases():
    return [
        Case("bytes alone", ("banana", 256), "", "vocab_size counts the bytes too: at 256 nothing is merged."),
        Case(
            "one merge",
            ("banana", 257),
            "256 an",
            "an occurs twice, as often as na; the smaller pair wins. Its id is the first free one.",
        ),
        Case(
            "a tie",
            ("zyxzyx", 257),
            "256 yx",
            "Of pairs that occur equally often the smaller wins, not the one that was seen first.",
        ),
        Case("spaces", ("x x x", 257), "256  x", "A word keeps the space before it: bpe.split cuts so."),
        Case(
            "a merge of a merge",
            (TOY, 259),
            "256 an | 257 ban | 258  ban",
            "Count again after every merge: the new token is a neighbour.",
        ),
        Case(
            "a tie of longer parts",
            ("daddadda", 258),
            "256 da | 257 dda",
            "Pairs are compared as (left bytes, right bytes): d + da comes before da + d.",
        ),
        Case("the same tie elsewhere", ("aaabaaab", 258), "256 aa | 257 ab", "a + b comes before aa + a."),
        Case("nothing left", ("abc", 300), "", "Joining a pair that occurs only once saves nothing: stop there."),
        Case(
            "no pair left",
            ("a a a", 300),
            "256  a",
            "When every word is one token there is no pair to choose from: stop there too.",
        ),
        Case(
            "a word's edge",
            ("ba ca da", 300),
            "",
            "`a` and the space meet twice, but across the edge of a word: cut with bpe.split, and count inside "
            "the words.",
        ),
        Case(
            "repeated words", ("xy xy xy xy ab ab ab", 258), "256 xy | 257  a", "A word counts as often as it occurs."
        ),
        Case(
            "bytes, not characters",
            ("café café", 258),
            "256 af | 257 61 66 c3",
            "A word is a row of bytes, two for é; a token may end inside a character.",
        ),
        Case(
            "a character of two bytes",
            ("é é é", 300),
            "256 é | 257  é",
            "Two bytes are joined like any other two; when every word is one token, stop.",
        ),
    ]


def count_pairs(words, parts):
    """Count how often two parts are neighbours, over all words."""
    counts = Counter()
    for word, times in words.items():
        for pair in pairwise(parts[word]):
            counts[pair] += times
    return counts


def join(row, pair):
    """Join every occurrence of the pair in the row, from left to right."""
    joined = []
    for part in row:
        if joined and (joined[-1], part) == pair:
            joined[-1] += part
        else:
            joined.append(part)
    return joined


@BANK.right("count, join, count again")
def train(text, vocab_size):
    ranks = {bytes([byte]): byte for byte in range(256)}
    words = Counter(piece.encode() for piece in bpe.split(text))
    parts = {word: [bytes([byte]) for byte in word] for word in words}
    while len(ranks) < vocab_size:
        counts = count_pairs(words, parts)
        pair = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
        if pair is None or counts[pair] < 2:
            break
        ranks[pair[0] + pair[1]] = len(ranks)
        parts = {word: join(row, pair) for word, row in parts.items()}
    return ranks


BANK.wrong("bytes_not_counted", "the bytes not counted", ("len(ranks) < vocab_size", "len(ranks) - 256 < vocab_size"))
BANK.wrong("one_too_many", "one merge too many", ("len(ranks) < vocab_size", "len(ranks) <= vocab_size"))
BANK.wrong(
    "larger",
    "the larger of two equal pairs",
    ("min(counts, key=lambda pair: (-counts[pair], pair)", "max(counts, key=lambda pair: (counts[pair], pair)"),
)
BANK.wrong(
    "last_seen",
    "the last of two equal pairs",
    ("min(counts, key=lambda pair: (-counts[pair], pair)", "min(reversed(counts), key=lambda pair: -counts[pair]"),
)
BANK.wrong(
    "first_seen",
    "the first of equal pairs",
    ("min(counts, key=lambda pair: (-counts[pair], pair), default=None)", "max(counts, key=counts.get, default=None)"),
)
BANK.wrong(
    "first_seen",
    "the first of equal pairs, by most_common",
    (
        "min(counts, key=lambda pair: (-counts[pair], pair), default=None)",
        "next((pair for pair, _ in counts.most_common(1)), None)",
    ),
)
BANK.wrong(
    "joined_bytes",
    "equal pairs compared by their joined bytes",
    ("(-counts[pair], pair)", "(-counts[pair], pair[0] + pair[1])"),
)
BANK.wrong("no_spaces", "the text cut at the spaces, which are lost", ("bpe.split(text)", "text.split()"))
BANK.wrong("another_text", "words of the cells above", ("bpe.split(text)", "bpe.split(TOY)"))
BANK.wrong("rarest", "the rarest pair first", ("-counts[pair], pair", "counts[pair], pair"))
BANK.wrong("ids", "ids from 0", ("= len(ranks)\n", "= len(ranks) - 256\n"))
BANK.wrong("ids", "ids from 1 beyond the bytes", ("= len(ranks)\n", "= len(ranks) + 1\n"))
BANK.wrong(
    "counted_once",
    "counted once, at the beginning",
    (
        "    while len(ranks) < vocab_size:\n        counts = count_pairs(words, parts)\n",
        "    counts = count_pairs(words, parts)\n    while len(ranks) < vocab_size:\n",
    ),
    ("= len(ranks)\n", "= len(ranks)\n        del counts[pair]\n"),
)
BANK.wrong(
    "parts_lost",
    "the words not joined, the pair left out",
    (
        "        parts = {word: join(row, pair) for word, row in parts.items()}\n",
        "        parts = {word: [p for p in row if p not in pair] for word, row in parts.items()}\n",
    ),
)
BANK.wrong("pairs_once", "pairs that occur once joined too", ("counts[pair] < 2", "counts[pair] < 1"))
BANK.wrong("no_default", "the smallest of no pairs", (", default=None", ""))
BANK.wrong(
    "characters",
    "characters instead of bytes",
    ("[bytes([byte]) for byte in word]", "[character.encode() for character in word.decode()]"),
)
BANK.wrong("not_cut", "the text not cut into words", ("bpe.split(text)", "[text]"))
BANK.wrong("not_cut", "the whole text as one word", ("bpe.split(text)", "bpe.split(text, r'(?s).+')"))
BANK.wrong(
    "words_once",
    "each word counted once",
    ("counts = count_pairs(words, parts)", "counts = count_pairs(dict.fromkeys(words, 1), parts)"),
)
