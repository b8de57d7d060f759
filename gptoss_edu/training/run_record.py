"""The record of a training run for lessons: a thinned log and the snapshots, as one small JSON file.

python -m gptoss_edu.training.run_record runs/tiny data/tiny_training/run.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from gptoss_edu.errors import GptOssError
from gptoss_edu.options import write_text

POINTS = 400  # of the log
DROPPED = ("workers", "log_every", "save_every", "give_up")  # settings that do not change the result


def thinned(log: list[dict], points: int = POINTS) -> dict[str, list]:
    """Return columns step, tokens, loss, norm, scale: the first 100 lines, then means over equal stretches."""
    head, tail = log[:100], log[100:]
    size = max(1, -(-len(tail) // max(1, points - len(head))))
    stretches = [[line] for line in head] + [tail[i : i + size] for i in range(0, len(tail), size)]
    columns: dict[str, list] = {name: [] for name in ("step", "tokens", "loss", "norm", "scale")}
    for stretch in stretches:
        for name, column in columns.items():
            if name in ("step", "tokens"):
                column.append(stretch[-1][name])
            else:
                column.append(round(sum(line[name] for line in stretch) / len(stretch), 5))
    return columns


def rounded(value, digits: int = 4):
    """Return the value with every number in it rounded."""
    if isinstance(value, dict):
        return {key: rounded(part, digits) for key, part in value.items()}
    if isinstance(value, list):
        return [rounded(part, digits) for part in value]
    return round(value, digits) if isinstance(value, float) else value


def recorded(folder: Path) -> dict:
    """Return information on the run, its log, and its snapshots by share of the training time."""
    missing = [name for name in ("report.json", "log.jsonl", "snapshots.json") if not (folder / name).is_file()]
    if missing:
        raise GptOssError(
            f"{folder}: expected the files of a run of `gptoss-edu train tiny`, found no {', '.join(missing)}."
        )
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    about = {
        name: report[name] for name in ("device", "torch", "date", "seed", "steps", "seconds", "tokens", "wall_seconds")
    }
    about["settings"] = {name: value for name, value in report["settings"].items() if name not in DROPPED}
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    snapshots = json.loads((folder / "snapshots.json").read_text(encoding="utf-8"))
    return {
        "about": about,
        "roundings": report.get("roundings"),
        "log": thinned(log),
        "snapshots": rounded(snapshots),
    }


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    write_text(Path(sys.argv[2]), json.dumps(recorded(Path(sys.argv[1])), ensure_ascii=False, separators=(",", ":")))
