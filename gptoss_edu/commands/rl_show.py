"""Show the record of a reinforcement learning run: samples in the terminal, curves as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gptoss_edu.errors import GptOssError


def records_of(found, path: Path) -> dict[str, Mapping]:
    """Return the records in a file by name: one, or one for each variant.

    Errors: `GptOssError` if the file holds something else.
    """
    records = {found["experiment"]: found} if isinstance(found, dict) and "experiment" in found else found
    try:
        for record in records.values():
            if not all(run["log"]["terms"] and run["log"]["step"] for run in record["runs"]):
                raise ValueError
            _ = record["about"]["device"], record["pays"], [run["probed"] for run in record["runs"]]
    except (AttributeError, KeyError, TypeError, ValueError):
        raise GptOssError(
            f"{path}: expected the record of `gptoss-edu rl NAME`, such as runs/rl/think/think.json, found something "
            "else; name another file."
        ) from None
    return records


def shares(record: Mapping) -> list[str]:
    """Return the terms, over all kinds of problem, that are shares of the answers."""
    terms = [name for name in record["runs"][0]["log"]["terms"] if "," not in name]  # one kind may lack a seed
    numbers = {name: [value for run in record["runs"] for value in run["log"]["terms"][name]] for name in terms}
    return [name for name, values in numbers.items() if 0 <= min(values) <= max(values) <= 1]


def show(records: Mapping[str, Mapping], number: int = 6) -> None:
    """Print of each record what was paid, how every seed began and ended, and the last answers to held-out problems."""
    for name, record in records.items():
        about = record["about"]
        print(
            f"{name}: pays for {', '.join(record['pays'])}; {about['device']}, torch {about['torch']}, {about['date']}"
        )
        for run in record["runs"]:
            log = run["log"]
            changes = [f"{term} {log['terms'][term][0]:.2f} → {log['terms'][term][-1]:.2f}" for term in shares(record)]
            print(f"  seed {run['seed']}, {len(log['step'])} steps: {' · '.join(changes)}")
        show_samples(record["runs"][0]["probed"], number)


def show_samples(probed: list[dict], number: int = 6) -> None:
    """Print answers from the last measurement, as many of each kind as of the others."""
    samples = probed[-1].get("samples", []) if probed else []
    if len(probed) > 1 and samples:
        print(f"answers to held-out problems after {probed[-1]['step']} steps:")
    for sample in samples[:: max(1, len(samples) // number)][:number] if len(probed) > 1 else ():
        thought = f"[{sample['thought']}] " if sample["thought"] else ""
        said = f"{sample['question']} → {thought}{sample['answer']}".replace("\n", "; ")
        print(f"  {sample['reward']:5.2f}  {said}  (right: {sample['right answer']})")


def draw(records: Mapping[str, Mapping], path: Path) -> None:
    """Write the curves as a picture, in the format that the file's name ends in."""
    import matplotlib

    matplotlib.use("Agg")
    from gptoss_edu.viz import reward_figures, style

    style.use()
    if len(records) > 1:
        figure = reward_figures.small_multiples(records, {"right": "right", "thinks": "thinks"})
    else:
        ((name, record),) = records.items()
        below = {"tokens": "per answer"} if "tokens" in record["runs"][0]["log"] else None
        figure = reward_figures.learning(record, {term: term for term in shares(record)}, name, below)
    try:
        figure.savefig(path, dpi=150, bbox_inches="tight")
    except ValueError as error:  # an ending that names no format
        raise GptOssError(f"--figure {path}: {str(error).rstrip('.')}.") from None
    print(f"figure: {path}")
