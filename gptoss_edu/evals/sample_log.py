"""The record of a run: one JSON line for every sample, written at once, so that a run can be gone on with.

The first line says what was run (benchmark, engine, sampling, a digest of the questions). A file whose first line says
something else is not mixed with. A last line that an interruption cut off is dropped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path

from gptoss_edu.errors import GptOssError
from gptoss_edu.options import named_in_errors

from .benchmark import Benchmark, Grade, Question, Reply

SAME = ("benchmark", "engine", "questions", "temperature", "max_new_tokens", "seed")  # what two parts of a run share


def digest(questions: Iterable[Question]) -> str:
    """Return sixteen digits that change with any question, prompt or target."""
    hashed = hashlib.sha256()
    for q in questions:
        line = json.dumps([q.id, q.prompt, repr(q.target)], ensure_ascii=False, sort_keys=True)
        hashed.update(line.encode("utf-8", "surrogatepass"))
    return hashed.hexdigest()[:16]


class SampleLog:
    """Samples of one run, in memory and, where a path is given, in a file.

    header : what `SAME` names, and whatever else describes the run
    """

    def __init__(self, header: dict, path: Path | None = None):
        self.header, self.path = header, path
        self._samples: dict[tuple, dict] = {}
        if path is not None:
            self._open(path)

    def _open(self, path: Path) -> None:
        if path.exists():
            old, samples, kept = read_log(path)
            self._samples = {key_of(s): s for s in samples}
            different = [key for key in SAME if old.get(key) != self.header.get(key)]
            if different:
                key = different[0]
                raise GptOssError(
                    f"{path}: expected samples of the same run, found another {key} ({old.get(key)!r}, now "
                    f"{self.header.get(key)!r}); name another file with --out."
                )
            with open(path, "r+b") as file:
                file.truncate(kept)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._write({"header": self.header})

    def _write(self, line: dict) -> None:
        with named_in_errors(self.path), open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")

    @property
    def samples(self) -> list[dict]:
        return list(self._samples.values())

    @property
    def done(self) -> set[Hashable]:
        """(question, effort, attempt) of the samples there are; those that an engine's error ended are asked again."""
        return {key for key, s in self._samples.items() if s["ended"] != "error"}

    def add(self, sample: dict) -> None:
        self._samples[key_of(sample)] = sample
        if self.path is not None:
            self._write(sample)


def key_of(sample: dict) -> tuple[str, str, int]:
    return sample["question"], sample["effort"], sample["attempt"]


def read_log(path: Path) -> tuple[dict, list[dict], int]:
    """Return (header, samples, bytes up to the last whole line); if a sample occurs twice, the later one counts."""
    kept, header, samples = 0, None, {}
    try:
        data = path.read_bytes()
    except OSError as error:
        raise GptOssError(f"{path}: cannot be read ({error.strerror}); check the path.") from None
    for line in data.splitlines(keepends=True):
        try:
            value = json.loads(line)
        except ValueError:
            break
        if not line.endswith(b"\n") or not isinstance(value, dict):
            break
        kept += len(line)
        if header is None:
            header = value.get("header")
            if not isinstance(header, dict):
                break
        else:
            samples[key_of(value)] = value
    if not isinstance(header, dict):
        raise GptOssError(f"{path}: expected the samples of a run, found something else; name another file.")
    return header, list(samples.values()), kept


def sample_of(question: Question, effort: str, attempt: int, reply: Reply, grade: Grade) -> dict:
    """Return the line that is kept of a graded reply."""
    return {
        "question": question.id, "effort": effort, "attempt": attempt, "right": grade.right, "score": grade.score,
        "kind": grade.kind, "found": grade.found, "parts": grade.parts, "cluster": question.cluster or question.id,
        "subject": question.subject, "language": question.language, "asked": asked(question),
        "target": target_text(question.target), "text": reply.text, "thought": reply.thought, "calls": reply.calls,
        "tokens": reply.tokens, "thought_tokens": reply.thought_tokens, "seconds": round(reply.seconds, 3),
        "ended": reply.ended, "note": reply.note,
    }  # fmt: skip


def asked(question: Question) -> str:
    """Return the last message of a user in the prompt."""
    users = [m for m in question.prompt if m["role"] == "user"]
    return users[-1]["content"][0]["text"] if users else question.plain


def target_text(target) -> str:
    if isinstance(target, dict) and "letter" in target:
        return target["letter"]
    text = target if isinstance(target, str) else json.dumps(target, ensure_ascii=False, default=lambda o: vars(o))
    return text[:500]


def new_header(benchmark: Benchmark, questions: Sequence[Question], engine: str, **settings) -> dict:
    return {"benchmark": benchmark.name, "engine": engine, "questions": digest(questions), **settings}
