"""Questions with options: GPQA, MMLU, its translations MMMLU, and Humanity's Last Exam."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

from gptoss_edu.errors import GptOssError
from gptoss_edu.tasks.example import message

from ..benchmark import Question
from .read_published import field, rows_of, unique

LETTERS = "ABCDEFGHIJ"
# The instruction of openai/gpt-oss, gpt_oss/evals/gpqa_eval.py (Apache License 2.0), so that figures can be compared.
INSTRUCTION = "Express your final answer as the corresponding option 'A', 'B', 'C', or 'D'."
HLE_INSTRUCTION = "Give a short explanation, then your answer in a line of its own that begins with 'Answer:'."
MMLU_COLUMNS = ["question", "A", "B", "C", "D", "answer"]
_LOCALES = {
    "AR": "ar", "BN": "bn", "DE": "de", "ES": "es", "FR": "fr", "HI": "hi", "ID": "id", "IT": "it", "JA": "ja",
    "KO": "ko", "PT": "pt", "SW": "sw", "YO": "yo", "ZH": "zh",
}  # fmt: skip


Recipe = Callable[[str, list[str]], str]  # from a question and its options to the prompt


def lettered(text: str, options: list[str]) -> str:
    """Return the question, its lettered options, one per line, and the request for a letter."""
    lines = [f"({letter}) {option}" for letter, option in zip(LETTERS, options, strict=False)]
    return "\n".join([text.strip(), "", *lines, "", INSTRUCTION])


def options_first(text: str, options: list[str]) -> str:
    """Put the options on one line before the question, without letters, a form that gpt-oss-tiny can read."""
    return f"{', '.join(options)}: {text[0].lower()}{text[1:]}"


def choice(
    name: str, text: str, options: list[str], right: int, recipe: Recipe = lettered, subject: str = "",
    language: str = "en", cluster: str = "",
) -> Question:  # fmt: skip
    """Make one question; right: the index of the right option."""
    if not 0 <= right < len(options):
        raise GptOssError(f"{name}: expected a right option from 0 to {len(options) - 1}, found {right}.")
    stripped = [str(option).strip() for option in options]
    target = {"letter": LETTERS[right], "options": stripped}
    prompt = [message("user", recipe(text, stripped))]
    return Question(name, prompt, target, cluster, subject, language, plain=" ".join([text, *stripped]))


def read_gpqa(path: Path | None) -> list[Question]:
    """Read GPQA's CSV: "Question", "Correct Answer", "Incorrect Answer 1" to "3", "Record ID", "High-level domain".

    The order of the options depends only on the record, so it is the same in every run.
    """
    return gpqa_questions(rows_of(path))


def gpqa_questions(rows: list[dict], recipe: Recipe = lettered) -> list[Question]:
    found = []
    names = unique(str(row.get("Record ID") or i + 1) for i, row in enumerate(rows))
    for name, row in zip(names, rows, strict=True):
        options = [field(row, "Correct Answer"), *(field(row, f"Incorrect Answer {i}") for i in (1, 2, 3))]
        order = random.Random(f"gpqa:{name}").sample(range(4), 4)
        found.append(
            choice(
                name, field(row, "Question"), [options[i] for i in order], order.index(0), recipe,
                row.get("High-level domain") or "",
            )
        )  # fmt: skip
    return found


def read_mmlu(path: Path | None) -> list[Question]:
    """Read MMLU: CSV files without header, one per subject; or JSON lines with choices, answer and subject."""
    folder_or_csv = path is not None and (path.is_dir() or path.suffix == ".csv")
    first = next(iter(sorted(path.glob("*.csv"))), path) if folder_or_csv and path.is_dir() else path
    bare = folder_or_csv and not _has_header(first)
    rows = rows_of(path, MMLU_COLUMNS if bare else None)
    return mmlu_questions(rows, path.stem if path is not None else "")


def _has_header(path: Path) -> bool:
    with open(path, encoding="utf-8-sig") as file:
        return "question" in file.readline().lower().split(",")


def mmlu_questions(rows: list[dict], name: str = "", recipe: Recipe = lettered) -> list[Question]:
    """Return rows with "question", "choices" (or "A" to "D"), "answer" (a letter or an index) and "subject"."""
    found = []
    for i, row in enumerate(rows):
        options = row.get("choices") or [field(row, letter) for letter in "ABCD"]
        subject = str(row.get("subject") or row.get("Subject") or row.get("_file") or name)
        subject = re.sub(r"_(?:test|dev|val)$", "", subject)
        right = index_of(field(row, "answer", "Answer"))
        text = field(row, "question", "Question")
        found.append(choice(f"{subject}/{i + 1}", text, options, right, recipe, subject))
    return found


def index_of(answer) -> int:
    """Return the index of an answer that is given as a letter or as an index."""
    text = str(answer).strip()
    return LETTERS.index(text) if len(text) == 1 and text in LETTERS else int(text)


def read_mmmlu(path: Path | None) -> list[Question]:
    """Read MMMLU: CSV files named by locale (mmlu_SW-KE.csv) with "Question", "A" to "D", "Answer", "Subject".

    The same question in several languages is one cluster.
    """
    rows = rows_of(path)
    return mmmlu_questions([row | {"_file": row.get("_file", path.stem)} for row in rows])


def mmmlu_questions(rows: list[dict], recipe: Recipe = lettered) -> list[Question]:
    found, counts = [], {}
    for row in rows:
        locale = re.search(r"([A-Z]{2})-[A-Z]{2,3}", str(row["_file"]))
        language = _LOCALES.get(locale[1], locale[1].lower()) if locale else "en"
        counts[language] = counts.get(language, 0) + 1
        number = row.get("") or row.get("Unnamed: 0") or counts[language]
        text, subject = field(row, "Question", "question"), row.get("Subject") or ""
        options = [field(row, letter) for letter in "ABCD"]
        right = index_of(field(row, "Answer", "answer"))
        found.append(
            choice(f"{language}/{number}", text, options, right, recipe, subject, language, cluster=str(number))
        )
    return found


def read_hle(path: Path | None) -> list[Question]:
    """Read Humanity's Last Exam: JSON lines with "id", "question", "image", "answer", "answer_type", "category".

    Questions with a picture are left out, because gpt-oss reads only text. The options of its multiple-choice questions
    are part of the question.
    """
    return hle_questions(rows_of(path))


def hle_questions(rows: list[dict], instruction: str = HLE_INSTRUCTION) -> list[Question]:
    found = []
    for i, row in enumerate(rows):
        if row.get("image"):
            continue
        text, answer = str(field(row, "question")), str(field(row, "answer")).strip()
        name, subject = str(row.get("id", i + 1)), str(row.get("category") or row.get("raw_subject") or "")
        prompt = [message("user", f"{text}\n\n{instruction}" if instruction else text)]
        target: object = answer
        if str(row.get("answer_type", "")).lower().startswith("multiple"):
            target = {"letter": answer, "options": [""] * 10}
        found.append(Question(name, prompt, target, subject=subject, plain=text))
    return found
