"""AIME: fifteen problems per paper, each with a whole number from 0 to 999 as its answer."""

from __future__ import annotations

from pathlib import Path

from gptoss_edu.tasks.example import message

from ..benchmark import Question
from .read_published import field, rows_of

# The instruction of openai/gpt-oss, gpt_oss/evals/aime_eval.py (Apache License 2.0), so that figures can be compared.
INSTRUCTION = "Please reason step by step, and put your final answer within \\boxed{}."


def read_aime(path: Path | None) -> list[Question]:
    """Read the questions of a file with a problem and an answer per row.

    Fields: "question" or "problem", "answer"; optionally "id" or "problem_idx".
    """
    return aime_questions(rows_of(path), INSTRUCTION)


def aime_questions(rows: list[dict], instruction: str = "") -> list[Question]:
    """Return as many questions as rows; ``instruction`` follows each problem on its own line."""
    found = []
    for i, row in enumerate(rows):
        text = str(field(row, "question", "problem", "Question", "Problem")).strip()
        answer = str(field(row, "answer", "Answer")).strip()
        name = row.get("id", row.get("problem_idx", row.get("ID", i + 1)))
        prompt = f"{text}\n{instruction}" if instruction else text
        where = row.get("_file", "")
        found.append(Question(f"{where}/{name}" if where else str(name), [message("user", prompt)], answer, plain=text))
    return found
