"""SimpleQA: short questions with one answer, which a model may decline."""

from __future__ import annotations

import ast
from pathlib import Path

from gptoss_edu.tasks.example import message

from ..benchmark import Question
from .read_published import field, rows_of


def read_simpleqa(path: Path | None) -> list[Question]:
    """Read a CSV file with "metadata" (a dictionary as text, with a topic), "problem" and "answer"."""
    return simpleqa_questions(rows_of(path))


def simpleqa_questions(rows: list[dict]) -> list[Question]:
    found = []
    for i, row in enumerate(rows):
        text, answer = str(field(row, "problem", "question")).strip(), field(row, "answer")
        subject = str(_metadata(row.get("metadata")).get("topic", ""))
        target = [str(a) for a in answer] if isinstance(answer, list) else str(answer).strip()
        found.append(Question(str(row.get("id", i + 1)), [message("user", text)], target, subject=subject, plain=text))
    return found


def _metadata(value) -> dict:
    if isinstance(value, dict):
        return value
    try:
        found = ast.literal_eval(value or "{}")
    except (ValueError, SyntaxError):
        return {}
    return found if isinstance(found, dict) else {}
