"""Exports to inspect-ai have the same prompts and, where it is installed, give the same numbers."""

import json
import subprocess
import sys

import pytest

from gptoss_edu.errors import GptOssError
from gptoss_edu.evals.backends import ScriptBackend
from gptoss_edu.evals.inspect_export import export_task, grade_completion
from gptoss_edu.evals.inspect_logs import from_inspect, read_samples
from gptoss_edu.evals.named import named, read_questions
from gptoss_edu.evals.run_benchmark import run_benchmark
from gptoss_edu.evals.sample_log import SampleLog, new_header
from gptoss_edu.evals.summarise import summarise

THREE = ("aime-toy", "mmlu-toy", "simpleqa-toy")


def said(question) -> str:
    """Answer two thirds of the questions correctly, and the rest with nonsense."""
    target = question.target["letter"] if isinstance(question.target, dict) else question.target
    return f"Answer: {target or 'I do not know.'}" if sum(map(ord, question.id)) % 3 else "Answer: nonsense 17"


def ours(name: str) -> list[dict]:
    questions = read_questions(named(name), None)
    by_id = {q.id: q for q in questions}
    log = SampleLog(new_header(named(name), questions, "script", temperature=0.0))
    return run_benchmark(named(name), questions, ScriptBackend(lambda turn: said(by_id[turn.key[0]])), log)


@pytest.mark.slow
@pytest.mark.parametrize("name", THREE)
def test_the_exported_files_hold_the_same_prompts_and_the_same_grader(name, tmp_path):
    questions = read_questions(named(name), None)
    task = export_task(named(name), questions, tmp_path)
    compile(task.read_text(), str(task), "exec")
    lines = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == [q.id for q in questions]
    assert [line["input"][-1]["content"] for line in lines] == [q.prompt[-1]["content"][0]["text"] for q in questions]
    for sample, q in zip(ours(name), questions, strict=True):
        assert grade_completion(name, "", q.id, said(q)).right is sample["right"]


def test_dialogues_and_tools_are_not_exported(tmp_path):
    for name in ("tau-bench-toy", "codeforces-toy"):
        with pytest.raises(GptOssError, match="one turn"):
            export_task(named(name), read_questions(named(name), None), tmp_path)


def test_a_log_is_read_in_the_form_of_samples():
    content = [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "42"}]
    sample = {
        "id": "q",
        "epoch": 2,
        "target": "42",
        "scores": {"g": {"value": 1, "answer": "42", "explanation": "right"}},
        "output": {
            "choices": [{"message": {"content": content}, "stop_reason": "stop"}],
            "usage": {"output_tokens": 5, "reasoning_tokens": 3},
        },
        "metadata": {"cluster": "q", "asked": "?"},
        "total_time": 1.5,
    }
    log = {
        "eval": {"model": "m", "created": "2026-11-30T00:00", "metadata": {"benchmark": "aime-toy", "questions": "d"}},
        "plan": {"config": {"reasoning_effort": "high"}}, "samples": [sample],
    }  # fmt: skip
    header, (found,) = from_inspect(log)
    assert header["benchmark"] == "aime-toy" and header["engine"] == "inspect-ai m"
    assert (found["text"], found["thought"], found["effort"], found["attempt"]) == ("42", "hm", "high", 1)
    assert summarise([found])["efforts"]["high"]["accuracy"]["mean"] == 1


RUN = """
import json, sys
from inspect_ai import eval as run
from inspect_ai.model import ModelOutput, ModelUsage, get_model

outputs = [ModelOutput.from_content("mockllm/model", text) for text in json.load(open(sys.argv[2]))]
for output in outputs:  # without a usage, tokens are counted with a vocabulary from the network
    output.usage = ModelUsage(input_tokens=1, output_tokens=2, total_tokens=3)
model = get_model("mockllm/model", custom_outputs=outputs)
run(sys.argv[1], model=model, log_dir=sys.argv[3], log_format=sys.argv[4],
    display="none", max_connections=1, max_samples=1)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "form"), [("aime-toy", "json"), ("mmlu-toy", "eval"), ("simpleqa-toy", "json")])
def test_inspect_ai_gives_the_same_numbers(name, form, tmp_path):
    pytest.importorskip(
        "inspect_ai", reason="inspect-ai is needed for this comparison: pip install 'gptoss-edu[inspect]'"
    )
    questions = read_questions(named(name), None)
    task = export_task(named(name), questions, tmp_path / "task")
    (tmp_path / "answers.json").write_text(json.dumps([said(q) for q in questions]))
    command = [sys.executable, "-c", RUN, task.name, str(tmp_path / "answers.json"), str(tmp_path / "logs"), form]
    done = subprocess.run(command, capture_output=True, text=True, cwd=task.parent)
    assert done.returncode == 0, done.stderr[-2000:]
    (path,) = (tmp_path / "logs").glob(f"*.{form}")
    header, theirs = read_samples(path)
    assert header["benchmark"] == name
    assert {s["question"]: s["right"] for s in theirs} == {s["question"]: s["right"] for s in ours(name)}
    mine, other = summarise(ours(name))["efforts"]["medium"], summarise(theirs)["efforts"]["medium"]
    assert mine["accuracy"] == other["accuracy"] and mine["failures"] == other["failures"]
