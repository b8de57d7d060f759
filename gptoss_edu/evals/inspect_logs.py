"""Read the samples of a file, this project's JSON lines or a log of inspect-ai (.eval or .json), in one form."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from gptoss_edu.errors import GptOssError

from .sample_log import read_log


def read_samples(path: Path) -> tuple[dict, list[dict]]:
    """Return (header, samples) of a file.

    Raises
    ------
    GptOssError : it cannot be read, or is neither form.
    """
    if path.suffix not in (".json", ".eval"):
        return read_log(path)[:2]
    try:
        log = _zipped(path) if path.suffix == ".eval" else json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, NotImplementedError, zipfile.BadZipFile) as error:
        raise GptOssError(
            f"{path}: expected a log of inspect-ai, found what cannot be read ({error}); write it with --log-format"
            " json."
        ) from None
    return from_inspect(log, path)


def _zipped(path: Path) -> dict:
    """Read an .eval file: header.json, and one file per sample."""
    with zipfile.ZipFile(path) as archive:
        log = json.loads(archive.read("header.json"))
        names = sorted(name for name in archive.namelist() if name.startswith("samples/") and name.endswith(".json"))
        log["samples"] = [json.loads(archive.read(name)) for name in names]
    return log


def from_inspect(log: dict, path: Path | str = "the log") -> tuple[dict, list[dict]]:
    """Read a log of a task that `export_task` wrote."""
    try:
        run = log["eval"]
        metadata = run.get("metadata") or {}
        generation = {**(run.get("model_generate_config") or {}), **((log.get("plan") or {}).get("config") or {})}
        header = {
            "benchmark": metadata["benchmark"], "questions": metadata["questions"],
            "engine": f"inspect-ai {run['model']}", "temperature": float(generation.get("temperature") or 0.0),
            "date": str(run.get("created", ""))[:10],
        }  # fmt: skip
        effort = str(generation.get("reasoning_effort") or "medium")
        return header, [_sample(sample, effort) for sample in log.get("samples") or []]
    except (KeyError, TypeError, ValueError) as error:
        raise GptOssError(f"{path}: expected a log of an exported task, found none ({error!r}).") from None


def _sample(sample: dict, effort: str) -> dict:
    (score,) = sample["scores"].values()
    value = score["value"]
    value = {"C": 1.0, "I": 0.0}.get(value, value) if isinstance(value, str) else value
    output, metadata = sample.get("output") or {}, sample.get("metadata") or {}
    choice = (output.get("choices") or [{}])[0]
    text, thought = _content(choice.get("message", {}).get("content", ""))
    usage = output.get("usage") or {}
    right = float(value) >= 1.0
    stop = choice.get("stop_reason", "stop")
    return {
        "question": str(sample["id"]), "effort": effort, "attempt": int(sample.get("epoch", 1)) - 1, "right": right,
        "score": float(value), "kind": "right" if right else str(score.get("explanation") or "wrong"),
        "found": str(score.get("answer") or ""), "parts": {}, "cluster": metadata.get("cluster") or str(sample["id"]),
        "subject": metadata.get("subject", ""), "language": metadata.get("language", "en"),
        "asked": metadata.get("asked", ""), "target": str(sample.get("target", "")), "text": text, "thought": thought,
        "calls": [], "tokens": int(usage.get("output_tokens") or 0),
        "thought_tokens": int(usage.get("reasoning_tokens") or 0), "seconds": float(sample.get("total_time") or 0.0),
        "ended": "error" if sample.get("error") else {"max_tokens": "length"}.get(stop, "stop"), "note": "",
    }  # fmt: skip


def _content(content) -> tuple[str, str]:
    """Return (text, thought) of a message's content, which is a text or a list of parts."""
    if isinstance(content, str):
        return content, ""
    parts = {"text": "", "reasoning": ""}
    for part in content:
        if part.get("type") in parts:
            parts[part["type"]] += str(part.get(part["type"]) or "")
    return parts["text"], parts["reasoning"]
