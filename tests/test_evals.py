"""Test evaluation: which calls count as equal, and what a file of several calls says about each section."""

import json
import subprocess
import sys

import pytest

from gptoss_edu.cli import main
from gptoss_edu.commands import eval as eval_command
from gptoss_edu.evals import blind, suite
from gptoss_edu.evals.answering import Outcome
from gptoss_edu.evals.card import measured
from gptoss_edu.resources import data_path
from gptoss_edu.tasks.graders import same_call


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

    def run_suite(model, sizes, batch, store, seconds, against, done, watch, questions):
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


def test_a_comparison_is_stored_with_the_weights_it_was_made_against_and_fixed_questions_are_asked_once(
    tmp_path, monkeypatch
):
    asked = {}

    def run_suite(model, sizes, batch, store, seconds, against, done, watch, questions):
        asked.update(sizes, against=against)
        for name in ("mixed", "paired_mixed"):
            store(name, {"right": 1})

    monkeypatch.setattr(suite, "run_suite", run_suite)
    path, folder = tmp_path / "results.json", str(data_path("gpt-oss-tiny"))
    call = ["eval", "tiny", "--device", "cpu", "--scale", "3", "--json", str(path), "--against", folder]
    assert main(call) == 0 and asked["against"] is not None
    assert asked["strangers"] == 690 and asked["foreign"] == 200 and asked["mixed"] == 6000
    how = json.loads(path.read_text(encoding="utf-8"))["measured_with"]
    assert how["paired_mixed"]["against"] == eval_command.fingerprint(folder) and "against" not in how["mixed"]


def test_the_suite_asks_the_strangers(monkeypatch):
    asked = []

    def answer(model, examples, *rest, **options):
        asked.extend(examples)
        return [Outcome(example, correct=True) for example in examples]

    monkeypatch.setattr(suite, "answer", answer)
    results = suite.run_suite(None, {"strangers": 69})
    assert [e.check for e in asked if e.effort == "medium"] == [blind.questions()[10 * i] for i in range(69)]
    assert list(results) == ["strangers"] and results["strangers"]["all"]["right"] == 69
    assert results["strangers"]["prompts"] == results["strangers"]["answered"] == len(asked) > 69


def test_a_section_that_time_cut_off_is_measured_again(tmp_path):
    path = tmp_path / "results.json"
    part, whole = {"answered": 3, "prompts": 4}, {"answered": 4, "prompts": 4}
    how = {"mixed": {"date": "d"}, "effort": {"date": "d"}}
    stored = {"model": "A", "scale": 1.0, "mixed": part, "effort": whole, "measured_with": how}
    path.write_text(json.dumps(stored))
    assert eval_command.earlier(path, {"model": "A", "scale": 1.0}) == ({"effort": whole}, {"effort": {"date": "d"}})


def test_another_file_of_questions_is_a_section_of_its_own(tmp_path, monkeypatch, capsys):
    path = tmp_path / "more.jsonl"
    path.write_text(
        json.dumps({"task": "product", "language": "en", "question": "2 * 3?", "answer": "6", "grade": "number"})
    )
    monkeypatch.setattr(
        suite, "answer", lambda model, examples, *rest, **how: [Outcome(e, correct=True) for e in examples]
    )
    found = suite.run_suite(None, {}, questions=path)["questions"]
    assert found["file"] == "more.jsonl" and found["answered"] == 3 and found["all"]["right"] == 1
    assert main(["eval", "tiny", "--questions", str(tmp_path / "none.jsonl")]) == 2
    assert "--questions" in capsys.readouterr().err


def test_questions_of_ones_own_are_asked_alone(tmp_path, monkeypatch, capsys):
    path = tmp_path / "own.jsonl"
    path.write_text('{"question": "2 * 3?", "answer": "6", "grade": "contains"}\n\n')
    asked = []

    def answer(model, examples, *rest, **how):
        asked.extend(examples)
        return [Outcome(e, correct=True) for e in examples]

    monkeypatch.setattr(suite, "answer", answer)
    assert main(["eval", "tiny", "--questions", str(path), "--sections", "questions"]) == 0
    assert [(e.task, e.language, e.answer) for e in asked] == [("own", "en", "6")]
    assert main(["eval", "tiny", "--sections", "questions"]) == 2
    assert "expected --questions FILE" in capsys.readouterr().err


def test_models_that_no_prompt_tells_apart_are_not_said_to_be_equal():
    found = suite.paired([True, False] * 50, [True, False] * 50)
    assert (found["difference"], found["half_interval"]) == (0.0, 0.03)
    found = suite.paired([True] * 50 + [False] * 50, [True] * 49 + [False] * 51)
    assert found["difference"] == -0.01 and found["half_interval"] == pytest.approx(0.0195, abs=1e-4)


def test_on_a_gpu_the_greedy_sections_share_one_pool():
    warmth = {"mixed": 0.0, "effort": 0.0, "temperature_1": 1.0, "phrasing": 0.0}
    assert list(suite._groups(warmth, True)) == [["mixed", "effort", "phrasing"], ["temperature_1"]]
    assert list(suite._groups(warmth, False)) == [[name] for name in warmth]


def test_an_unknown_section_is_refused_with_the_names_there_are(capsys):
    assert main(["eval", "tiny", "--sections", "mixed", "moods"]) == 2
    message = capsys.readouterr().err
    assert "moods" in message and "languages" in message and "Traceback" not in message


@pytest.mark.slow
def test_the_evaluation_needs_no_packages_but_the_models(tmp_path):
    """A machine with a GPU may lack the packages for schemas, constrained decoding and notebooks."""
    code = (
        "import sys\nfor name in ('jsonschema', 'llguidance', 'IPython', 'pydantic', 'matplotlib', 'ipywidgets',"
        " 'jupyter_client', 'filelock', 'html2text', 'nbformat', 'anywidget', 'zmq', 'traitlets', 'uvicorn',"
        " 'starlette', 'numba'):\n    sys.modules[name] = None\nfrom gptoss_edu.cli import"
        " main\nsys.exit(main(['eval', 'tiny', '--device', 'cpu', '--scale', '0.001', '--sections', 'foreign',"
        f" '--json', {str(tmp_path / 'r.json')!r}]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["foreign"]["answered"] == 4
