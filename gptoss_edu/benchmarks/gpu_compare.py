"""Compare a run of `bench gpu` with a recorded one, row by row; no GPU is needed for that."""

from __future__ import annotations

from pathlib import Path

from gptoss_edu.errors import GptOssError
from gptoss_edu.options import read_json, read_text

SHARES = ("of_floor", "of_matrix_ceiling", "of_replay")  # comparable between runs, unlike absolute times
MOST = 0.05  # how far a share may fall


def recorded(path: Path) -> dict:
    """Return a run that `bench gpu` wrote."""
    try:
        run = read_json(read_text(path, "--compare"))
    except ValueError as error:
        raise GptOssError(f"--compare: expected JSON in {path}, found {error}.") from None
    results = run.get("results") if isinstance(run, dict) else None
    if not isinstance(results, dict) or not all(isinstance(row, dict) for row in results.values()):
        raise GptOssError(f"--compare: expected a run of `gptoss-edu bench gpu` in {path}, found no results in it.")
    return run


def compare(run: dict, before: dict) -> tuple[list[str], list[str]]:
    """Return a line per row that both runs have, and those rows in which a share fell by more than MOST."""
    lines, fallen = [], []
    if run.get("device") != before.get("device"):
        lines.append(f"this run: {run.get('device')}; recorded: {before.get('device')}. Compare the shares only.")
    new, old = run.get("results", {}), before.get("results", {})
    for name in [name for name in new if name in old]:
        parts = []
        for key in [key for key in new[name] if key in old[name]]:
            a, b = old[name][key], new[name][key]
            if any(isinstance(value, bool) or not isinstance(value, int | float) for value in (a, b)):
                continue
            if key in SHARES:
                parts.append(f"{key} {a:.1%} to {b:.1%}".replace("%", " %"))
                if a - b > MOST:
                    fallen.append(name)
            elif a and key.removeprefix("floor_") == key:
                parts.append(f"{key} x {b / a:.3f}")
        if parts:
            lines.append(f"{name:52s} " + "  ".join(parts))
    for said, mine, theirs in (("not in the recorded run", new, old), ("only in the recorded run", old, new)):
        alone = [name for name in mine if name not in theirs]
        if alone:
            lines.append(f"{said}: " + "; ".join(alone))
    return lines, fallen


def report(run: dict, before: dict) -> int:
    """Print the comparison. Return 1 if a share fell by more than MOST or a part of this run failed, else 0."""
    lines, fallen = compare(run, before)
    for line in lines:
        print(line)
    if fallen:
        print(f"a share fell by more than {MOST * 100:.0f} points: " + "; ".join(dict.fromkeys(fallen)))
    if run.get("failed"):
        print("failed in this run: " + "; ".join(run["failed"]))
    return 1 if fallen or run.get("failed") else 0
