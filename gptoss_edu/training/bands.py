"""Check the record of an experiment against the bands in which its results repeat (bands.toml).

    for line in violations(json.loads(Path("runs/rl/think/think.json").read_text())):
        print(line)

A band holds for one size of an experiment, and for every seed of it. It bounds held-out answers before and after the
run, and each term's mean over the first, the middle and the last third of the steps.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from gptoss_edu.errors import GptOssError
from gptoss_edu.options import read_json, read_text

THIRDS = ("first third", "middle third", "last third")
VARIANTS = "variants"  # the file and the command of the recipe with one thing changed

ALONE = {"format": (VARIANTS, "paid for the format"), "length": (VARIANTS, "paid for length")}


@cache
def bands() -> dict[str, dict]:
    """Return the tables of bands.toml by experiment; those of `variants` and of fine-tuning have one per label."""
    return tomllib.loads(Path(__file__).with_name("bands.toml").read_text(encoding="utf-8"))


def records(found: Mapping, experiment: str | None = None) -> Iterator[tuple[str, dict, dict, list[dict]]]:
    """Return name, bands, settings and runs of everything in a record, or in a file of several.

    Errors: `GptOssError` for what is no record, and for an experiment or a size without bands.
    """
    if "runs" not in found:
        if not found or not all(isinstance(part, Mapping) and "runs" in part for part in found.values()):
            raise GptOssError("check: expected the record of an experiment, found something else; check the file.")
        for label, part in found.items():
            yield from records(part, label)
        return
    try:
        name, runs = found["experiment"], found["runs"]
        if isinstance(runs, Mapping):
            for label, part in runs.items():
                settings = {"facts": found["facts"], "steps": found["recipes"][label]["steps"]}
                yield f"{name}, {label}", bands_for(settings, name, label), settings, part
            return
        path = (VARIANTS, experiment) if experiment is not None and experiment != name else (name,)
        yield ", ".join(path), bands_for(found["settings"], *path), found["settings"], runs
    except (KeyError, TypeError) as error:
        raise GptOssError(f"check: expected the record of an experiment, found one without {error}.") from None


def bands_for(settings: Mapping, *path: str) -> dict:
    """Return the bands of an experiment, or refuse a size for which there are none, before anything runs.

    path : the experiment, or variants or a fine-tuning experiment and the recipe in it
    """
    table: dict = bands()
    for key in ALONE.get(path[-1], path):
        if key not in table:
            raise GptOssError(f"check: expected one of {', '.join(table)}, found {key!r}; only these have bands.")
        table = table[key]
    size = table["size"].items()
    differing = [f"{key} {settings.get(key)}, not {value}" for key, value in size if settings.get(key) != value]
    if differing:
        raise GptOssError(
            f"check: the bands of {path[-1]!r} hold for one size, found {', '.join(differing)}; run that size, or "
            "leave --check out."
        )
    return table


def judged(found: Mapping) -> tuple[list[str], list[str]]:
    """Return one line per value that is outside its band, and one per run that shows the other known outcome.

    An experiment may have two outcomes, of which the rarer one (``instead``) is allowed for a share of the seeds, and
    for one run in any case.
    """
    wrong, other = [], []
    for name, table, settings, runs in records(found):
        instead, strange = table.get("instead"), []
        for run in runs:
            measured = values(run, settings)
            lines = [f"{name}, seed {run['seed']}: {line}" for line in outside(table, measured)]
            if lines and instead and not any(outside(instead, measured)):
                strange.append(f"{name}, seed {run['seed']}: the other outcome, {instead['says']}.")
            else:
                wrong += lines
        if strange and len(strange) > max(1, int(instead["at_most"] * len(runs))):
            wrong.append(
                f"{name}: expected the other outcome, {instead['says']}, in at most {instead['at_most']:.0%} of the "
                f"seeds, found {len(strange)} of {len(runs)}."
            )
        other += strange
    return wrong, other


def violations(found: Mapping) -> list[str]:
    """Return one line per value that is outside its band; an empty list if every seed repeats the recording."""
    return judged(found)[0]


def count(found: Mapping) -> int:
    """Return how many runs a record holds."""
    return sum(len(runs) for _, _, _, runs in records(found))


def outside(table: Mapping, found: Mapping[str, float]) -> Iterator[str]:
    """Say what is outside its band, or is missing."""
    for what, (low, high) in limits(table):
        value = found.get(what)
        if value is None:
            yield f"{what}: expected {low:g} to {high:g}, found no value; was the run cut short?"
        elif not low <= value <= high:
            yield f"{what}: expected {low:g} to {high:g}, found {value:.4g}."


def limits(table: Mapping) -> Iterator[tuple[str, tuple[float, float]]]:
    """Return every band of a table with the name of its value, as `values` names them."""
    for group, entries in table.items():
        if group == "curve":
            for term, thirds in entries.items():
                yield from ((f"{term}, {third}", band) for third, band in zip(THIRDS, thirds, strict=True))
        elif group not in ("size", "instead", "says", "at_most"):
            yield from ((f"{what}, {group}", band) for what, band in entries.items())


def values(run: Mapping, settings: Mapping) -> dict[str, float]:
    """Return every value of one run that a band may bound, by name."""
    return learned(run, settings) if "log" in run else tuned(run)


def learned(run: Mapping, settings: Mapping) -> dict[str, float]:
    """Return the values of a run of reinforcement learning; of one cut short, only those of its beginning."""
    found: dict[str, float] = {}
    probed = {"before": run["probed"][0]} if run["probed"] else {}
    steps, log = settings["steps"], run["log"]
    if len(run["probed"]) > 1 and run["probed"][-1]["step"] == steps:
        probed["after"] = run["probed"][-1]
    for when, probe in probed.items():
        found |= {
            f"{kind}: {term}, {when}": value
            for kind, terms in probe["kinds"].items()
            for term, value in terms.items()
            if term != "of"
        }
    columns = log["terms"] | {"gradient norm": log["norm"], "surprise": log["surprise"]} if log else {}
    third = max(1, steps // 3)
    for term, column in columns.items():
        parts = (column[:third], column[third : steps - third], column[steps - third : steps])
        whole = len(column) >= steps
        for name, part in zip(THIRDS, parts, strict=True):
            there = [value for value in part if value is not None]  # a step may lack a kind of problem
            if there and (whole or name == THIRDS[0]):
                found[f"{term}, {name}"] = sum(there) / len(there)
    return found


def tuned(run: Mapping) -> dict[str, float]:
    """Return the values of a run of fine-tuning: shares of right answers, losses, and what changed in the weights."""
    found: dict[str, float] = {"last loss, after": run["losses"][-1]}
    for name in ("right", "right_bf16", "right_stored"):
        if name in run:
            found[f"{name}, after"] = run[name] / run["facts"]
    for name in ("codes_changed", "beyond_half"):
        if name in run:
            found[f"{name}, after"] = run[name]
    old = run["old_loss"]
    if isinstance(old, list):
        found |= {f"old_loss, {when}": loss for when, loss in zip(("before", "after", "stored"), old, strict=True)}
    else:
        found["old_loss, after"] = old
    for name, value in run.get("abilities", {}).items():
        found[f"{name}, after"] = value[0] / value[1] if isinstance(value, list) else value
    return found


def read_record(path: Path) -> dict:
    """Read a record from a file."""
    try:
        found = read_json(read_text(Path(path), "a record"))
    except ValueError as error:
        raise GptOssError(f"{path}: expected the record of an experiment as JSON, found none ({error}).") from None
    if not isinstance(found, dict):
        raise GptOssError(f"{path}: expected the record of an experiment, found {type(found).__name__}.")
    return found


def report(found: Mapping, what: str) -> int:
    """Print one line per violated band, or one that says that there is none; return the exit code."""
    wrong, other = judged(found)
    runs = count(found)
    print("\n".join([*wrong, *other] if wrong else [*other, f"{what}: {runs} of {runs} runs are within the bands."]))
    return int(bool(wrong))
