"""Commands report what is missing, damaged or out of range in one line, without a traceback."""

import importlib.util
import io
import os
import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch

from gptoss_edu import ModelConfig, Transformer, cli, generate, load_model, options, trace
from gptoss_edu.cli import main
from gptoss_edu.commands import doctor, download, inspect, tour, train
from gptoss_edu.commands.eval import earlier
from gptoss_edu.errors import CheckpointError, GptOssError
from gptoss_edu.fast import fused_step
from gptoss_edu.harmony import EFFORTS
from gptoss_edu.options import read_text
from gptoss_edu.tokenizer import load_tokenizer
from gptoss_edu.trace import ask as answer
from gptoss_edu.trace import interventions
from gptoss_edu.trace.synthetic import synthetic_trace
from gptoss_edu.training.quantize import rounded
from gptoss_edu.web import page


def refused(capsys, *arguments: str) -> str:
    """Return the line on standard error of a call that must exit with status 2."""
    assert main(list(arguments)) == 2
    line = capsys.readouterr().err
    assert line.startswith(f"gptoss-edu {arguments[0]}: ") and line.count("\n") == 1
    return line


@pytest.mark.parametrize(("typed", "meant"), [("chta", "chat"), ("dcotor", "doctor"), ("xyzzy", None)])
def test_a_mistyped_command_is_told_the_one_that_was_meant(capsys, typed, meant):
    assert main([typed]) == 2
    line = capsys.readouterr().err
    assert line.endswith(f"did you mean {meant!r}?\n") if meant else "did you mean" not in line
    assert f"no command {typed!r}" in line and line.count("\n") == 1


def test_the_doctor_warns_of_little_memory_and_faults_what_cannot_run(capsys, monkeypatch):
    def levels(free: int) -> dict[str, str]:
        monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=8 << 30, available=free))
        return {check.__name__: level for check in (doctor.memory, doctor.model) for level, _ in check()}

    assert levels(3 << 30) == {"memory": doctor.OK, "model": doctor.OK}
    assert levels(1 << 30) == {"memory": doctor.NOTE, "model": doctor.OK}
    assert levels(1 << 20) == {"memory": doctor.NOTE, "model": doctor.FAULT}


def test_a_character_that_the_terminal_lacks_is_a_question_mark(monkeypatch):
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(cli, "overview", lambda: "final │ 東 größe")
    assert main([]) == 0
    assert terminal.buffer.getvalue().decode("cp1252").strip() == "final ? ? größe"


@pytest.mark.parametrize("call", [("bench", "tiny", "--repeat", "0"), ("bench", "harmony", "--rounds", "-1")])
def test_a_count_is_above_0(capsys, call):
    with pytest.raises(SystemExit, match="2"):
        main(list(call))
    assert f"expected a whole number above 0, found {call[-1]}" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes among its files")
def test_a_result_takes_no_devices_place(capsys, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "(a device or a pipe)" in refused(capsys, "eval", "tiny", "--json", str(tmp_path / "pipe"))
    assert (tmp_path / "pipe").is_fifo()


def test_a_closed_output_ends_no_command_in_a_traceback(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["--version"]) == 0 and sys.stdin.read() == ""
    sys.stdin.close(), sys.stdout.close()


def test_a_program_that_has_read_its_input_can_still_call_a_command(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(b"a line\nanother\n"), encoding="utf-8")
    stream.readline()
    monkeypatch.setattr(sys, "stdin", stream)
    assert main(["--version"]) == 0


def test_a_training_of_no_time_is_told_so():
    with pytest.raises(GptOssError, match="2 updates are too few to see a loss fall"):
        train._smoke(SimpleNamespace(run=lambda: [], step=2, is_first=True))


@pytest.mark.parametrize("context", ["0", "-5"])
def test_a_plan_needs_a_context(capsys, context):
    assert f"at least one token to plan the cache for, found {context}" in refused(
        capsys, "inspect", "--context", context
    )


def test_a_plan_counts_no_more_context_than_the_model_has_and_says_that_it_does_not_fit(capsys, monkeypatch):
    longest = load_model().config.max_context
    assert longest < 4096 and f"at most this model's context of {longest:,}" in refused(
        capsys, "inspect", "--context", f"{longest + 1}"
    )
    assert main(["inspect"]) == 0
    said = capsys.readouterr().out
    assert f"at {longest:,} tokens" in said and "does not fit" not in said
    assert inspect.planned_context(None, ModelConfig.gpt_oss_20b()) == 4096
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=8 << 20, available=1 << 20))
    assert main(["inspect"]) == 0 and "does not fit: " in capsys.readouterr().out
    assert "leave one of them out" in refused(capsys, "inspect", "--released", "20b", "somewhere")


@pytest.mark.slow
def test_an_answer_that_is_cut_off_says_so(capsys):
    assert main(["generate", "What is 2 + 2?", "--max-new-tokens", "5"]) == 0
    assert capsys.readouterr().err == "[cut off: 5 tokens were written, the maximum of --max-new-tokens]\n"
    assert main(["generate", "What is 2 + 2?", "--effort", "low"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (("generate", "What", "is", "2"), 'put it in quotes, "What is 2"'),
        (("generate", " "), "found an empty one"),
        (("tour", "--question", ""), "found an empty one"),
        (("trace", " "), "ask something"),
        (("generate", "2 + 2", "--device", "gpu"), "device 'gpu': no such device; expected 'cpu' or 'cuda'"),
        (("generate", "2 + 2", "--device", "meta"), "torch cannot use it"),
        (("eval", "tiny", "--scale", "nan"), "expected a share above 0, found nan"),
        (("eval", "tiny", "--scale", "inf"), "expected a share above 0, found inf"),
        (("train", "smoke", "--seconds", "0"), "expected seconds or steps above 0, found 0"),
        (("train", "smoke", "--steps", "0"), "expected seconds or steps above 0, found 0"),
        (("chat", "--date", "banana"), "expected a date such as 2025-08-05, found 'banana'"),
        (("chat", "--message", ""), "found an empty one"),
    ],
)
def test_what_cannot_be_meant_is_refused(capsys, call, words):
    assert words in refused(capsys, *call)


@pytest.mark.parametrize(
    ("call", "option"),
    [
        (("trace", "--router", "{}"), "--router"),
        (("progress", "--lines", "{}"), "--lines"),
        (("chat", "--message", "Hi.", "--developer", "@{}"), "--developer"),
    ],
)
def test_a_text_that_is_not_utf_8_is_named(capsys, tmp_path, call, option):
    saved = tmp_path / "größe.txt"
    saved.write_text("What is 2 + 2?", encoding="utf-16")
    assert f"{option} {saved}: expected a text in UTF-8" in refused(capsys, *(part.format(saved) for part in call))
    saved.write_text("What is 2 + 2?", encoding="utf-8-sig")
    assert read_text(saved, option) == "What is 2 + 2?"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--mask", "9.1", "--mask 9.1: there are layers 0 to 5; found 9"),
        ("--mask", "3.16", "--mask 3.16: there are experts 0 to 15; found 16"),
        ("--mask", ",".join(f"3.{e}" for e in range(13)), "layer 3 keeps 3 experts, and a token needs 4"),
        ("--heads", "1.9", "there is no layer 1 head 9"),
    ],
)
def test_what_a_trace_changes_is_checked_before_the_model_runs(capsys, monkeypatch, tmp_path, option, value, words):
    def answered(*_, **__):
        raise AssertionError("the model ran")

    monkeypatch.setattr(answer, "trace_answer", answered)
    assert words in refused(capsys, "trace", "What is 1 + 1?", option, value, "--out", str(tmp_path / "run.html"))


@pytest.mark.slow
def test_a_trace_with_a_mask_says_in_words_what_it_did(capsys, tmp_path):
    call = ["trace", "What is 2 + 3?", "--effort", "low", "--mask", "3.5", "--out", str(tmp_path / "run.html")]
    assert main(call) == 0
    said = capsys.readouterr().out
    assert "answer with expert 5 of layer 3 masked, the next best takes its place: " in said
    assert re.search(r"bytes per token \(the limit of this level is [\d,]+\)", said)
    assert main([*call, "--max-new-tokens", "2"]) == 0
    assert capsys.readouterr().out.count("(no final message in 2 tokens; it begins: ") == 2


def test_every_intervention_has_plain_words():
    changes = {
        interventions.MaskExpert(3, 5, "drop"): "expert 5 of layer 3 masked, nothing takes its place",
        interventions.ForceExpert(1, 2): "every token sent to expert 2 of layer 1",
        interventions.ExpertsPerToken(2): "2 experts per token",
        interventions.ShiftSink(): "sinks of all heads removed",
        interventions.ShiftSink(2.0, 1, (0, 3)): "sinks of heads 0, 3 in layer 1 shifted by +2",
        interventions.SetWindow(0, None): "layer 0 sees all keys",
        interventions.ZeroHeads(1, group=0): "the heads of group 0 in layer 1 erased",
    }
    assert {page.in_words(interventions.to_dict(change)): words for change, words in changes.items()} == {
        words: words for words in changes.values()
    }
    patch = interventions.Patch("block.0.attn.out", torch.zeros(1))
    assert page.in_words(interventions.to_dict(patch)) == "block.0.attn.out taken from another run, everywhere"
    assert {type(change).__name__ for change in changes} | {"Patch"} == set(interventions.KINDS)


def test_help_is_a_command_too(capsys):
    assert main(["help"]) == 0
    assert "usage: gptoss-edu COMMAND" in capsys.readouterr().out


def test_the_tour_says_which_answers_are_right():
    said = tour.judgement({"low": "46 × 73 = 3398", "medium": "46 × 73 = 3,358", "high": ""})
    assert "46 * 73 is 3358" in said and "right: medium; wrong: low, high" in said and "guesses" in said
    assert "wrong:" not in tour.judgement(dict.fromkeys(EFFORTS, "It is 3358"))


def test_the_tour_draws_the_head_of_layer_1_that_leaves_least_on_its_sink(monkeypatch, tmp_path):
    run = synthetic_trace(50, layers=6, heads=8)
    run["sink_mass"][:] = 0.5
    run["sink_mass"][1, :, 5] = 0.2
    run["sink_mass"][1, :, 6] = 0.9
    run["sink_mass"][1, 3, 2] = 0.0  # for one token only
    run["sink_mass"][2, :, 1] = 0.0  # in another layer

    class Chosen(Exception):
        pass

    def record(model, ids, heads):
        raise Chosen(heads)

    monkeypatch.setattr(trace, "trace_answer", lambda *given, **options: (run, [0], None))
    monkeypatch.setattr(trace, "record", record)
    with pytest.raises(Chosen) as chosen:
        tour.pictures(SimpleNamespace(config=ModelConfig.gpt_oss_20b()), tour.QUESTION, tmp_path)
    assert chosen.value.args[0] == [(0, 0), (1, 5), (23, 0)]


def test_the_tour_names_commands_that_work_where_it_was_run(monkeypatch, tmp_path):
    program = tmp_path / ".venv" / "bin" / "python"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tour, "PACKAGE", tmp_path / "gptoss_edu")
    monkeypatch.setattr(tour.sys, "executable", str(program))
    monkeypatch.setattr(tour.sys, "prefix", str(tmp_path / ".venv"))
    found = {"make": "/usr/bin/make"}
    monkeypatch.setattr(tour.shutil, "which", found.get)
    assert tour.next_steps() == ("make lab", str(Path(".venv/bin/gptoss-edu chat")))
    monkeypatch.setattr(tour, "PACKAGE", tmp_path / "lib" / "gptoss_edu")
    assert tour.next_steps()[0] == str(Path(".venv/bin/gptoss-edu lab"))
    found["gptoss-edu"] = "/usr/bin/gptoss-edu"
    assert tour.next_steps() == ("gptoss-edu lab", "gptoss-edu chat")


def test_lab_says_that_jupyterlab_is_missing(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install jupyterlab" in refused(capsys, "lab", "--folder", str(tmp_path / "course"))
    assert not (tmp_path / "course").exists()


def test_download_measures_the_disk_of_a_folder_that_is_yet_to_be_made(tmp_path, monkeypatch):
    target = tmp_path / "not" / "there" / "yet"
    download.check_room(target, 1)
    free = shutil.disk_usage(tmp_path).free
    with pytest.raises(CheckpointError, match="are needed"):
        download.check_room(target, 2 * free)
    (tmp_path / "partial").write_bytes(b"0" * 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(5000, 4500, 500))
    download.check_room(tmp_path, 1400)  # bytes that have already arrived need no more space


@pytest.mark.parametrize("layout", download.PATTERNS)
def test_the_download_by_hand_fetches_all_that_this_one_does(layout):
    code = download.by_python("openai/gpt-oss-20b", layout, Path("a folder/here"))
    compile(code, "by hand", "exec")
    assert all(repr(pattern) in code for pattern in download.PATTERNS[layout]) and '"' not in code


@pytest.mark.parametrize("text", ["{", "[]", "7"])
def test_eval_refuses_to_write_over_what_are_no_results(tmp_path, text):
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(GptOssError, match="results of an earlier call"):
        earlier(tmp_path / "results.json", {"model": "m", "scale": 1.0})


def test_a_vocabulary_is_learnt_and_never_written_over_another(capsys, tmp_path):
    folder = tmp_path / "learnt"
    assert main(["train", "tokenizer", "--out", str(folder), "--examples", "3"]) == 0
    said, learnt = capsys.readouterr().out, load_tokenizer(folder)
    assert f"{learnt.n_vocab:,} tokens" in said and "use more --examples" in said
    assert learnt.decode(learnt.encode("12 * 34")) == "12 * 34" and len(learnt.encode("1234")) == 4
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert "without a vocabulary" in refused(capsys, "train", "tokenizer", "--out", str(folder))
    assert before == {path: path.read_bytes() for path in folder.iterdir()}
    assert "at least one" in refused(capsys, "train", "tokenizer", "--out", str(tmp_path), "--examples", "0")


@pytest.mark.slow
def test_roundings_of_experts_that_are_rounded_already_are_refused(small_config: ModelConfig):
    with torch.device("meta"):
        model = Transformer(small_config, packed=True)
    with pytest.raises(GptOssError, match="expected dense experts"):
        rounded(model, "best")


@pytest.mark.slow
def test_commands_give_a_small_model_one_thread_unless_told_otherwise(monkeypatch):
    """Only commands set the number of threads; loading and generating leave it alone."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        model = load_model()
        list(generate(model, [1, 2, 3], max_new_tokens=1))
        monkeypatch.setenv("OMP_NUM_THREADS", "2")
        options.one_thread_if_small(model)
        assert torch.get_num_threads() == 2
        monkeypatch.delenv("OMP_NUM_THREADS")
        monkeypatch.setattr(options, "SMALL", 1 << 20)
        options.one_thread_if_small(model)
        assert torch.get_num_threads() == 2, "the model is larger than that"
        monkeypatch.undo()
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        monkeypatch.setattr(options, "spare_threads", 1)
        options.one_thread_if_small(model)
        assert torch.get_num_threads() == 1 and fused_step.thread_count() == 2, "rows of a batch are still divided"
    finally:
        torch.set_num_threads(before)


def test_bench_gpu_without_triton_says_so_in_one_line(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "triton", None)  # as if it were not installed
    for name in [name for name in sys.modules if name.startswith("gptoss_edu.benchmarks.gpu")]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.startswith(("gptoss_edu.fast", "gptoss_edu.fast"))]:
        monkeypatch.delitem(sys.modules, name)
    assert "found no Triton; run `pip install" in refused(capsys, "bench", "gpu")
