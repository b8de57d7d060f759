"""Evaluation: what counts as the same call, and what a file of several calls says about each of its sections."""

import json

import pytest

from gptoss_edu.cli import main
from gptoss_edu.commands import eval as eval_command
from gptoss_edu.evals import suite
from gptoss_edu.evals.card import measured
from gptoss_edu.evals.graders import same_call


@pytest.mark.parametrize(
    ("text", "wanted", "same"),
    [
        ('{"n": 1}', '{"n": 1.0}', True),
        ('{"a": 1, "b": [2]}', '{"b": [2.0], "a": 1}', True),
        ('{"n": true}', '{"n": 1}', False),
        ('{"n": [0]}', '{"n": [false]}', False),
        ('{"n": {"m": 1}}', '{"n": {"m": true}}', False),
        ('{"n": true}', '{"n": true}', True),
        ('{"n": null}', "{}", False),
        ('{"n": [1]}', '{"n": [1, 1]}', False),
        ('{"n": "1"}', '{"n": 1}', False),
        ("print(1) ", "print(1)", True),
    ],
)
def test_calls_are_compared_as_json(text, wanted, same):
    assert same_call("functions.f", text, "functions.f", wanted) is same
    assert same_call("functions.f", wanted, "functions.f", text) is same
    assert not same_call("functions.g", text, "functions.f", wanted)


def test_a_resumed_section_keeps_what_it_was_measured_with(tmp_path, monkeypatch):
    path = tmp_path / "results.json"

    def run_suite(model, sizes, batch, store, seconds, against, done, watch):
        for name in ("mixed", "foreign"):
            if sizes[name] and name not in done:
                store(name, {"right": 1})

    monkeypatch.setattr(suite, "run_suite", run_suite)
    call = ("eval", "tiny", "--device", "cpu", "--scale", "0.01", "--json", str(path), "--only")
    for section, date in (("mixed", "2026-01-01"), ("foreign", "2026-02-02")):
        monkeypatch.setattr(eval_command.time, "strftime", lambda _, date=date: date)
        assert main([*call, section]) == 0
    results = json.loads(path.read_text(encoding="utf-8"))
    assert {name: how["date"] for name, how in results["measured_with"].items()} == {
        "mixed": "2026-01-01",
        "foreign": "2026-02-02",
    }
    assert results["mixed"] == results["foreign"] == {"right": 1} and results["date"] == "2026-02-02"
    text = measured({"device": "x", "torch": "2", "date": "none", "measured_with": results["measured_with"]})
    assert "2026-01-01" in text and "2026-02-02" in text and "none" not in text


def test_a_comparison_with_another_second_model_is_measured_again(tmp_path):
    path = tmp_path / "results.json"
    how = {"mixed": {"date": "d"}, "paired_mixed": {"date": "d", "against": "B"}}
    path.write_text(json.dumps({"model": "A", "scale": 1.0, "mixed": {}, "paired_mixed": {}, "measured_with": how}))
    now = {"model": "A", "scale": 1.0}
    assert eval_command.earlier(path, now)[1] == how
    assert eval_command.earlier(path, now | {"against": "B"})[1] == how
    assert eval_command.earlier(path, now | {"against": "C"}) == ({"mixed": {}}, {"mixed": {"date": "d"}})
    assert eval_command.earlier(path, now | {"scale": 0.5}) == ({}, {})
