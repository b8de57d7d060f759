"""Test what `bench gpu` counts and compares, as far as that needs no GPU, and its end-to-end part on a GPU."""

import json
from types import SimpleNamespace

import pytest
import torch
from core_models import BASE, RunsAhead, strong_model

pytest.importorskip("triton", reason="the Triton package is not installed (no wheel on this platform)")

from gptoss_edu.benchmarks import gpu_end_to_end as end
from gptoss_edu.benchmarks.gpu_compare import compare, recorded, report
from gptoss_edu.cli import main
from gptoss_edu.engines.pool import Pool
from gptoss_edu.engines.request import Request
from gptoss_edu.errors import GptOssError
from gptoss_edu.resources import data_path

CUDA = torch.cuda.is_available()
MODEL = strong_model(BASE, seed=2)
BEFORE = {
    "device": "card A",
    "results": {
        "decode": {"milliseconds": 2.0, "tokens_per_s": 500.0, "floor_milliseconds": 1.2, "of_floor": 0.60},
        "prefill": {"milliseconds": 70.0, "tokens_per_s": 58000.0, "of_matrix_ceiling": 0.57},
        "generate": {"tokens_per_s": 480.0, "of_replay": 0.96},
        "loading": {"seconds": 0.6, "same_bytes": True, "place": "/dev/shm"},
    },
}


def changed(**rows) -> dict:
    """Return a later run in which some numbers differ."""
    results = {name: row | rows.get(name, {}) for name, row in BEFORE["results"].items()}
    return {"device": "card A", "results": results}


def test_a_run_is_compared_row_by_row_and_nothing_fell(capsys):
    faster = changed(decode={"milliseconds": 1.6, "tokens_per_s": 625.0, "of_floor": 0.75})
    assert report(faster, BEFORE) == 0
    said = capsys.readouterr().out
    assert "milliseconds x 0.800" in said and "tokens_per_s x 1.250" in said and "of_floor 60.0 % to 75.0 %" in said
    assert "loading" in said and "seconds x 1.000" in said and "same_bytes" not in said
    assert "floor_milliseconds x" not in said, "the floor is not a result"


@pytest.mark.parametrize(
    "row, share", [("decode", "of_floor"), ("prefill", "of_matrix_ceiling"), ("generate", "of_replay")]
)
def test_a_share_that_falls_by_more_than_five_points_is_an_error(row, share, capsys):
    value = BEFORE["results"][row][share]
    assert report(changed(**{row: {share: value - 0.049}}), BEFORE) == 0
    assert report(changed(**{row: {share: value + 0.2}}), BEFORE) == 0
    capsys.readouterr()
    assert report(changed(**{row: {share: value - 0.051}}), BEFORE) == 1
    assert capsys.readouterr().out.splitlines()[-1] == f"a share fell by more than 5 points: {row}"


def test_slower_with_the_same_share_is_another_card_and_no_error(capsys):
    other = changed(decode={"milliseconds": 4.0, "tokens_per_s": 250.0})
    assert report(other | {"device": "card B"}, BEFORE) == 0
    assert capsys.readouterr().out.startswith("this run: card B; recorded: card A. Compare the shares only.")


def test_rows_of_one_run_only_are_named():
    run = changed()
    run["results"]["new"] = run["results"].pop("prefill")
    lines, fallen = compare(run, BEFORE)
    assert lines[-2:] == ["not in the recorded run: new", "only in the recorded run: prefill"] and not fallen


def test_a_run_with_a_failed_part_is_no_good_comparison(capsys):
    assert report(changed() | {"failed": {"prompts": "RuntimeError: …"}}, BEFORE) == 1
    assert "failed in this run: prompts" in capsys.readouterr().out


def test_the_recorded_runs_compare_with_themselves(capsys):
    for path in data_path("benchmarks").glob("gpu-nvidia-*.json"):
        run = recorded(path)
        assert report(run, json.loads(json.dumps(run))) == bool(run.get("failed"))
        assert "20b decode, 1 x context 1,024" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text, words", [("{", "expected JSON"), ("[]", "no results"), ('{"results": [1]}', "no results")]
)
def test_a_file_that_is_no_run_is_refused(tmp_path, text, words):
    path = tmp_path / "run.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(GptOssError, match=words):
        recorded(path)


def test_a_missing_file_is_named_before_anything_is_measured(tmp_path, capsys):
    assert main(["bench", "gpu", "--compare", str(tmp_path / "absent.json")]) == 2
    assert "absent.json" in capsys.readouterr().err


# --------------------------------------------------------------------------------------------------------- end to end


def test_each_end_to_end_row_has_its_own_name():
    cases = [("generate", 1, 0.0), ("generate", 1, 1.0), *(("generate_batch", n, 0.0) for n in end.ROWS)]
    cases += [("pool", n, 0.0) for n in end.POOLS]
    names = [end.row_name(*case) for case in cases]
    assert len(set(names)) == len(names) == 9
    assert names[1] == "20b end to end, generate, 1 x context 1,024, temperature 1"
    assert names[-1] == "20b end to end, pool, 64 x context 1,024, greedy"


def test_a_rate_counts_the_tokens_after_the_first_ones():
    times = iter([10.0, 14.0])
    assert end.rate(iter([0, 0, 5, 5, 0, 5, 3, 0, 1]), warm=2, clock=lambda: next(times)) == (5 + 3 + 1) / 4


@pytest.mark.parametrize("ahead", [True, False])
def test_what_is_counted_is_what_arrives(monkeypatch, ahead):
    monkeypatch.setattr(end, "PROMPT", 5)
    monkeypatch.setattr(end, "NEW", 20)
    lengths = []
    monkeypatch.setattr(end, "replay_time", lambda model, cache, said: lengths.append(len(said)) or 2.0)
    counted = []
    monkeypatch.setattr(end, "rate", lambda counts: counted.append(sum(counts)) or 7.0)
    model = RunsAhead(MODEL) if ahead else MODEL
    prompts = [[3, 4, 5, 6, i] for i in range(3)]
    assert end.single(model, prompts[0], 1.0) == (7.0, 0.5) and end.batch(model, prompts, 0.0) == (7.0, 1.5)
    assert counted == [20, 60] and lengths == [20, 20]
    pool = Pool(model, rows=3, room=25, streaming=False)
    given = list(end.of_pool(pool, [Request(prompt, 20, stop_tokens=[]) for prompt in prompts]))
    assert sum(given) == 60 and set(given) == {3}


def test_a_replay_may_write_to_what_a_generator_made(monkeypatch):
    """`generate` makes the step's tensors in inference mode, where alone they can be changed."""
    with torch.inference_mode():
        step = SimpleNamespace(positions=torch.zeros(1, dtype=torch.int64), tokens=torch.zeros(1, dtype=torch.int64))
    read = []
    step.graph = SimpleNamespace(replay=lambda: read.append((int(step.tokens), int(step.positions))))
    monkeypatch.setattr(end, "timed", lambda once, repeats, warmup: [once() for _ in range(repeats + warmup)])
    model = SimpleNamespace(step=lambda cache: step, device=torch.device("cpu"))
    end.replay_time(model, None, [[token] for token in range(20)])
    assert read == [(token, end.PROMPT) for token in range(19)] and step.held is None


@pytest.mark.gpu
@pytest.mark.skipif(not CUDA, reason="needs an NVIDIA GPU (torch.cuda.is_available() is False)")
def test_the_end_to_end_part_replays_what_was_generated(monkeypatch):
    kernels = pytest.importorskip("test_kernels")
    config = kernels.small_config(hidden_size=512, intermediate_size=512, head_dim=64, vocab_size=512)
    model = kernels.FastTransformer.from_reference(kernels.random_packed(config, 8, "cuda").bfloat16())
    for name, value in (("PROMPT", 40), ("NEW", 60), ("ROWS", (2, 5)), ("POOLS", (1, 5))):
        monkeypatch.setattr(end, name, value)
    out = {}
    end.part_end_to_end(model, out)
    assert len(out["results"]) == 6
    assert all(row["tokens_per_s"] > 0 and row["of_replay"] > 0 for row in out["results"].values())
    cache, said = model.new_cache(1, 100), []
    for step in end.generate_batch(model, [[3] * 40], 60, stop_tokens=[], cache=cache):
        said.append(step.tokens)
    end.replay_time(model, cache, said)
    again = model.step(cache).whole.argmax(-1).tolist()
    assert again == said[-1], "the last replayed step gives the last token again"
