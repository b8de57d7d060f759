"""HealthBench: conversations with a rubric of weighted criteria each."""

from __future__ import annotations

from pathlib import Path

from gptoss_edu.tasks.example import final, message

from ..benchmark import Question
from ..grading.rubrics import Criterion
from .read_published import field, rows_of


def read_healthbench(path: Path | None) -> list[Question]:
    """Read JSON lines with "prompt" (messages with role and content), "prompt_id", "rubrics" and "example_tags"."""
    return healthbench_questions(rows_of(path))


def healthbench_questions(rows: list[dict]) -> list[Question]:
    found = []
    for i, row in enumerate(rows):
        rubric = [
            Criterion(str(field(item, "criterion")), float(field(item, "points")), tuple(item.get("tags") or ()))
            for item in field(row, "rubrics")
        ]
        turns = [(str(m["role"]), str(m["content"])) for m in field(row, "prompt")]
        messages = [final(text) if role == "assistant" else message(role, text) for role, text in turns]
        plain = "\n\n".join(f"{role}: {text}" for role, text in turns)
        themes = [tag.removeprefix("theme:") for tag in row.get("example_tags") or () if tag.startswith("theme:")]
        subject = themes[0] if themes else ""
        found.append(Question(str(row.get("prompt_id", i + 1)), messages, rubric, subject=subject, plain=plain))
    return found
