"""Rows of a published data file: CSV with a header, JSON lines, or a JSON list."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from gptoss_edu.errors import GptOssError
from gptoss_edu.options import read_json, read_text


def rows_of(path: Path, header: list[str] | None = None) -> list[dict]:
    """Return the rows of a file, or of all files of a folder with the same ending, as dictionaries.

    header : column names for a CSV file without any

    Raises
    ------
    GptOssError : no such file, another format, or a damaged line (with its number).
    """
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix in (".csv", ".jsonl", ".json"))
        if not files:
            raise GptOssError(f"--data {path}: expected .csv, .jsonl or .json files in the folder, found none.")
        return [row | {"_file": p.stem} for p in files for row in rows_of(p, header)]
    if not path.is_file():
        raise GptOssError(f"--data {path}: expected a data file, found none; check the path.")
    if path.suffix not in (".csv", ".jsonl", ".json"):
        raise GptOssError(
            f"--data {path}: expected .csv, .jsonl or .json, found {path.suffix or 'no ending'}; convert it first."
        )
    text = read_text(path, "--data")
    if path.suffix == ".csv":
        csv.field_size_limit(1 << 24)
        rows = list(csv.DictReader(io.StringIO(text, newline=""), header))
    elif path.suffix == ".json":
        found = _json(text, path, 1)
        rows = found if not isinstance(found, dict) else found.get("data") or found.get("rows") or [found]
    else:
        rows = [_json(line, path, i) for i, line in enumerate(text.splitlines(), 1) if line.strip()]
    for number, row in enumerate(rows if isinstance(rows, list) else [rows], 1):
        if not isinstance(row, dict):
            raise GptOssError(
                f"--data {path}: expected questions as JSON objects, found {row!r:.40} as number {number}."
            )
        row["_place"] = f"--data {path}, number {number}"
    return rows


def _json(text: str, path: Path, line: int):
    try:
        return read_json(text)
    except ValueError as error:
        raise GptOssError(f"--data {path}: line {line} is no JSON ({error}); load the file again.") from None


def field(row: dict, *names: str):
    """Return the first of these fields that the row has.

    Raises
    ------
    GptOssError : it has none of them; names the row and what it has.
    """
    for name in names:
        if row.get(name) is not None:
            return row[name]
    shown = ", ".join(str(name) for name in row if name not in ("_file", "_place"))
    place = row.get("_place", "the data")
    raise GptOssError(f"{place}: expected a field {' or '.join(names)}, found {shown}; is it the published form?")


def unique(ids: Iterable[str]) -> list[str]:
    """Make ids unique by numbering every repeated occurrence."""
    seen: dict[str, int] = {}
    found = []
    for name in ids:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return found
