"""Find test questions in a training text, by common runs of thirteen words, and canaries.

A question counts as touched if one of its runs of thirteen words (all its words, if it is shorter) occurs in the
corpus, ignoring case, punctuation and blanks. This finds copies, but not paraphrases or translations: a question that
is not found may still be there.

Source: Brown et al. 2020, arXiv:2005.14165, appendix C (13-grams).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path

from gptoss_edu.errors import GptOssError

from .benchmark import Question

LENGTH = 13
SHORTEST = 5  # words; a shorter question ("What is 2 + 2?") occurs in many texts by chance
CANARY = re.compile(r"canary GUID [0-9A-Za-z-]+|[a-z_]{2,20}:[0-9a-f]{4}:[0-9a-f-]{36}", re.I)


def words(text: str) -> list[str]:
    """Return words and numbers in normal form; every sign of a script without blanks is a word."""
    text = unicodedata.normalize("NFKC", text).casefold()
    return re.findall(r"[぀-ヿ㐀-鿿]|[^\W_぀-ヿ㐀-鿿]+", text)


def runs(text: str, length: int = LENGTH) -> set[bytes]:
    """Return hashes of all runs of ``length`` words; of the whole text if it is shorter, but at least SHORTEST."""
    parts = words(text)
    if len(parts) < length:
        return {_hash(parts)} if len(parts) >= SHORTEST else set()
    return {_hash(parts[i : i + length]) for i in range(len(parts) - length + 1)}


def _hash(parts: Sequence[str]) -> bytes:
    return blake2b(" ".join(parts).encode(), digest_size=8).digest()


def corpus_texts(path: Path) -> Iterable[str]:
    """Yield the documents of a file, or of all .txt, .md and .jsonl files of a folder; a JSON line is one document."""
    paths = sorted(p for p in path.rglob("*") if p.suffix in (".txt", ".md", ".jsonl")) if path.is_dir() else [path]
    if not paths or not all(p.is_file() for p in paths):
        raise GptOssError(f"--corpus {path}: expected a text file or a folder of them, found none; check the path.")
    for p in paths:
        text = p.read_text(encoding="utf-8", errors="replace")
        yield from text.splitlines() if p.suffix == ".jsonl" else [text]


def contamination(questions: Sequence[Question], corpus: Iterable[str], length: int = LENGTH) -> dict:
    """Find which questions and canaries the corpus contains.

    Returns
    -------
    'touched' : ids of questions with a common run; 'checked' : how many questions were long enough to be looked for;
    'too_short' : ids of the others; 'canaries' : marks of a test set found in the corpus.
    """
    wanted: dict[int, dict[bytes, list[str]]] = {}  # runs of questions by length
    too_short = []
    for question in questions:
        size = min(length, len(words(question.plain)))
        found = runs(question.plain, length)
        if not found:
            too_short.append(question.id)
        for run in found:
            wanted.setdefault(size, {}).setdefault(run, []).append(question.id)
    touched: dict[str, None] = {}
    canaries: dict[str, None] = {}
    for text in corpus:
        canaries |= dict.fromkeys(CANARY.findall(text))
        parts = words(text)
        for size, table in wanted.items():
            for i in range(len(parts) - size + 1):
                touched |= dict.fromkeys(table.get(_hash(parts[i : i + size]), ()))
    return {
        "length": length, "touched": [q.id for q in questions if q.id in touched],
        "checked": len(questions) - len(too_short), "too_short": too_short, "canaries": list(canaries),
    }  # fmt: skip
