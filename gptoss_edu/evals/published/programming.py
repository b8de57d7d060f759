"""Programs and patches: Codeforces problems with hidden tests, and SWE-bench's issues of real repositories."""

from __future__ import annotations

import json
from pathlib import Path

from gptoss_edu.errors import GptOssError
from gptoss_edu.tasks.example import message

from ..benchmark import Question
from .read_published import field, rows_of

PROGRAM = (
    "Write a Python program that reads standard input and prints the answer. Put the whole program into one block "
    "fenced with ```python."
)
PATCH = (
    "Solve this issue in the repository below. Answer with one unified diff against its root, in a block fenced with "
    "```diff, and change nothing that the issue does not need."
)


def read_codeforces(path: Path | None) -> list[Question]:
    """Read problems with "description", "input_format", "output_format", "examples", "official_tests", "time_limit"."""
    return codeforces_questions(rows_of(path), PROGRAM)


def codeforces_questions(rows: list[dict], instruction: str = "") -> list[Question]:
    found = []
    for i, row in enumerate(rows):
        tests = _list(field(row, "official_tests", "tests", "hidden_tests"))
        parts = [str(field(row, "description", "statement")).strip()]
        for name, title in (("input_format", "Input"), ("output_format", "Output")):
            if row.get(name):
                parts.append(f"{title}\n{row[name]}")
        for example in _list(row.get("examples") or []):
            parts.append(f"Example input\n{example['input']}\nExample output\n{example['output']}")
        text = "\n\n".join(parts)
        prompt = [message("user", f"{text}\n\n{instruction}" if instruction else text)]
        target = {
            "tests": [{"input": str(t["input"]), "output": str(t["output"])} for t in tests],
            "seconds": 3 * float(row.get("time_limit") or 2.0) + 2.0,  # the limits are made for C++
        }
        subject = str(row.get("rating") or row.get("difficulty") or "")
        found.append(Question(str(row.get("id", i + 1)), prompt, target, subject=subject, plain=parts[0]))
    return found


def _list(value) -> list:
    """Return a list that some files store as text."""
    return json.loads(value) if isinstance(value, str) else list(value)


def read_swe_bench(path: Path | None) -> list[Question]:
    """Read instances with "instance_id", "problem_statement", "test_patch", "FAIL_TO_PASS" and "PASS_TO_PASS".

    The repositories are not part of the data: next to the file, `repositories/<instance_id>` is a checkout of the
    instance's base commit, with what its tests need in this Python.
    """
    return swe_bench_questions(rows_of(path), path.parent / "repositories")


def swe_bench_questions(rows: list[dict], checkouts: Path | None = None, instruction: str = PATCH) -> list[Question]:
    """Make questions with the files that an instance names in "files" (path: text), or else those of its checkout."""
    found = []
    for row in rows:
        name, text = str(field(row, "instance_id")), str(field(row, "problem_statement"))
        target = {
            "test_patch": row.get("test_patch") or "",
            "fail_to_pass": _list(field(row, "FAIL_TO_PASS")), "pass_to_pass": _list(row.get("PASS_TO_PASS") or []),
        }  # fmt: skip
        if row.get("files"):
            target["files"] = shown = row["files"]
        else:
            folder = (checkouts or Path()) / name
            if not folder.is_dir():
                raise GptOssError(f"{name}: expected a checkout of its base commit in {folder}, found none; make one.")
            target["folder"] = str(folder)
            shown = retrieved(folder, text)
        files = "\n\n".join(f"{path}\n```\n{content}```" for path, content in shown.items())
        prompt = [message("user", f"{instruction}\n\n{text}\n\n{files}" if instruction else text)]
        found.append(Question(name, prompt, target, subject=str(row.get("repo", "")), plain=text))
    return found


def retrieved(folder: Path, text: str, most: int = 60_000) -> dict[str, str]:
    """Return the Python files of a checkout whose names or words the issue mentions most, up to ``most`` characters.

    This is a simple one-step retrieval; the released SWE-bench figures come from agents that explore by themselves.
    """
    words = set(text.replace("/", " ").replace(".", " ").split())
    ranked = []
    for path in sorted(folder.rglob("*.py")):
        content = path.read_text(encoding="utf-8", errors="replace")
        name = path.relative_to(folder).as_posix()
        overlap = len(words & set(content.split())) / (1 + len(set(content.split()))) ** 0.5
        ranked.append((-10 * (name in text or path.stem in words) - overlap, name, content))
    shown, size = {}, 0
    for _, name, content in sorted(ranked):
        if size + len(content) <= most:
            shown[name] = content
            size += len(content)
    return shown


def predictions(samples: list[dict], model: str) -> list[dict]:
    """Return patches in the form of SWE-bench's own harness: instance_id, model_name_or_path, model_patch."""
    from ..benchmark import Reply
    from ..grading.programs import diff_of

    return [
        {"instance_id": s["question"], "model_name_or_path": model, "model_patch": diff_of(Reply(s["text"]))}
        for s in samples
    ]
