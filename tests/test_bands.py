"""Test that the recorded experiments lie within their bands, that others would not, and that the commands say so."""

import copy
import json

import pytest

from gptoss_edu.cli import main
from gptoss_edu.errors import GptOssError
from gptoss_edu.evals.fine_tuning import EXPERIMENTS as TUNED
from gptoss_edu.resources import data_path
from gptoss_edu.training.bands import ALONE, bands, bands_for, judged, limits, outside, records, values, violations
from gptoss_edu.training.rl_experiments import EXPERIMENTS, VARIANTS

FILES = [
    *(path for path in sorted(data_path("measurements", "rl").glob("*.json")) if "prediction" not in path.name),
    data_path("measurements", "post_training.json"),
]


def recorded(path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def test_every_experiment_and_every_recipe_has_bands():
    table = bands()
    assert set(EXPERIMENTS) == (set(table) - {"variants", *TUNED}) | set(ALONE)
    assert set(table["variants"]) == set(VARIANTS)
    assert all(set(table[name]) == set(recipes) for name, (_, recipes) in TUNED.items())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_record_is_within_its_bands(path):
    assert violations(recorded(path)) == []


def test_every_band_is_recorded_with_at_least_two_seeds():
    seen = {}
    for path in FILES:
        for name, table, settings, runs in records(recorded(path)):
            for run in runs:
                found = values(run, settings)
                for what, (low, high) in limits(table) if not any(outside(table, found)) else ():
                    assert low < high, (name, what)
                    seen.setdefault((name, what), []).append((found[what], low, high))
    assert len(seen) > 300 and all(len(rows) >= 2 for rows in seen.values())
    for place, rows in seen.items():
        found, (_, low, high) = [value for value, _, _ in rows], rows[0]
        room = high - low - (max(found) - min(found))
        assert 0 < room < 0.75 * max(1.0, high), (place, found, low, high)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_record_of_something_else_is_outside(path):
    """What was measured before the run stands where its end should be, and the curve runs backwards."""
    record = recorded(path)
    others = [
        line.partition(": ")[0] + ":" for line in judged(record)[1]
    ]  # a seed that never moved looks so backwards, too
    runs = [run for _, _, _, runs in records(record) for run in runs if "log" in run]
    for run in runs:
        last = run["probed"][-1]["step"]
        run["probed"] = [run["probed"][-1] | {"step": 0}, run["probed"][0] | {"step": last}]
        for column in run["log"]["terms"].values():
            column.reverse()
    for part in record.values() if path.stem == "post_training" else ():
        order = list(part["runs"].values())  # each recipe's runs stand under the next one's name
        part["runs"] = dict(zip(part["runs"], order[1:] + order[:1], strict=True))
    # these are there to show that nothing happens
    same = {"variants, paid for the format", "variants, rate ÷ 10", "keyless"}
    found = "\n".join(["", *violations(record), *others])
    for name, _, _, part in records(record):
        missed = [run["seed"] for run in part if f"\n{name}, seed {run['seed']}:" not in found]
        few = len(part) - 1 if path.stem == "post_training" else 0  # recipes differ, and their seeds overlap
        assert name in same or len(missed) <= few, (name, missed)


def test_each_line_names_seed_value_and_band():
    record = recorded(data_path("measurements", "rl", "key.json"))
    record["runs"][1]["probed"][-1]["kinds"]["wrong key"]["copies"] = 0.1
    (line,) = violations(record)
    low, high = bands()["key"]["after"]["wrong key: copies"]
    assert line == f"key, seed 1: wrong key: copies, after: expected {low:g} to {high:g}, found 0.1."
    record["runs"][1]["log"]["terms"]["works"] = record["runs"][1]["log"]["terms"]["works"][:4]
    lines = violations(record)
    assert sum("found no value; was the run cut short?" in line for line in lines) == 2 and len(lines) == 3


def test_the_other_known_outcome_is_allowed_for_some_seeds():
    record = recorded(data_path("measurements", "rl", "key.json"))

    def lost(run):  # like a seed in which copying was not found
        after = run["probed"][-1]["kinds"]
        after["right key"] |= {"admits": 0.0, "works": 0.5}
        after["wrong key"] |= {"copies": 0.0, "key share": 0.0}
        run["log"]["terms"] |= {"admits": [0.06, 0, 0, 0, 0, 0], "works": [0.6] * 6}

    lost(record["runs"][0])
    wrong, other = judged(record)
    assert not wrong and len(other) == 1 and other[0].startswith("key, seed 0: the other outcome, copying is not")
    lost(record["runs"][1])
    wrong, other = judged(record)
    assert len(wrong) == 1 and "in at most 30% of the seeds, found 2 of 3" in wrong[0] and len(other) == 2
    record["runs"][0]["probed"][-1]["kinds"]["right key"]["works"] = 0.0  # neither one nor the other
    assert any(line.startswith("key, seed 0: right key: admits") for line in judged(record)[0])


def test_another_size_or_no_record_is_refused():
    record = recorded(data_path("measurements", "rl", "think.json"))
    other = copy.deepcopy(record)
    other["settings"]["steps"] = 8
    for found, said in (
        (other, "steps 8, not 16"),
        ({"a": 1}, "record"),
        ({}, "record"),
        ({"runs": []}, "'experiment'"),
    ):
        with pytest.raises(GptOssError, match=said):
            violations(found)
    with pytest.raises(GptOssError, match="expected one of think"):
        bands_for({}, "thinking")


@pytest.mark.parametrize("command", ["rl", "finetune"])
def test_the_commands_check_a_file(tmp_path, capsys, command):
    name = "rl/key.json" if command == "rl" else "post_training.json"
    record = recorded(data_path("measurements", name))
    path = tmp_path / "record.json"
    path.write_text(json.dumps(record))
    assert main([command, "--check", str(path)]) == 0
    assert "runs are within the bands" in capsys.readouterr().out
    if command == "rl":
        record["runs"][0]["probed"][-1]["kinds"]["wrong key"] |= {"copies": 0.0, "admits": 0.0}
    else:
        record["rounding"]["runs"]["straight-through, 1e-3"][0] |= {"right_stored": 3, "codes_changed": 0.9}
    path.write_text(json.dumps(record))
    assert main([command, "--check", str(path)]) == 1
    out = capsys.readouterr().out
    assert out.count("\n") == 2 and out.count("expected") == 2 and "within" not in out


@pytest.mark.parametrize(
    "options",
    [
        ["rl", "key", "--steps", "2", "--check"],
        ["rl", "outcome", "--check"],
        ["rl", "variants", "--rate", "1", "--check"],
        ["finetune", "forgetting", "--check"],
        ["finetune", "plan", "--check"],
        ["finetune"],
    ],
)
def test_what_has_no_bands_is_refused_before_anything_runs(monkeypatch, capsys, options):
    monkeypatch.setattr("gptoss_edu.checkpoint.load.load_model", None)
    monkeypatch.setattr("gptoss_edu.evals.fine_tuning.start", None)
    assert main(options) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.slow
def test_a_live_run_is_within_the_bands(tmp_path, capsys):
    assert main(["rl", "key", "--device", "cpu", "--forget", "--out", str(tmp_path), "--check"]) == 0
    assert "1 of 1 runs are within" in capsys.readouterr().out
    assert main(["rl", "--check", str(tmp_path / "key.json")]) == 0
