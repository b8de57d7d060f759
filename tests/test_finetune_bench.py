"""Test `bench finetune`: the batch, the check of frozen tensors, and the whole of it on a small shape."""

import json
from dataclasses import replace

import matplotlib.pyplot as plt
import pytest
import torch

from gptoss_edu.benchmarks.finetune import CASES, PARTS, SMALL, cast, checksum, named, talks
from gptoss_edu.benchmarks.random_weights import random_weights
from gptoss_edu.checkpoint.load import with_weights
from gptoss_edu.cli import main
from gptoss_edu.config import ModelConfig
from gptoss_edu.resources import data_path
from gptoss_edu.tokenizer import load_tokenizer
from gptoss_edu.training.conversations import as_row
from gptoss_edu.training.finetune import Finetuner, Recipe
from gptoss_edu.training.memory_plan import TrainingPlan
from gptoss_edu.training.peak_memory import PeakMemory
from gptoss_edu.training.start import how_loaded, planned
from gptoss_edu.viz import tuning_figures

GIB = 1 << 30


@pytest.mark.parametrize("name", ["tiny", "o200k"])
def test_every_conversation_has_exactly_so_many_tokens(name):
    encoding = load_tokenizer(data_path("gpt-oss-tiny") if name == "tiny" else "o200k_harmony")
    made = list(talks(encoding, 300, 3))
    rows = [as_row(one, encoding, 300) for one in made]
    assert [len(row.tokens) for row in rows] == [300] * 3
    assert sum(rows[0].trained) > 220 and len({tuple(row.tokens) for row in rows}) == 3
    assert made == list(talks(encoding, 300, 3)), "the batch is fixed"


@pytest.mark.parametrize("tensor", [torch.arange(64, dtype=torch.uint8), torch.randn(40), torch.randn(3).bfloat16()])
def test_a_checksum_sees_any_bit_and_any_exchange(tensor):
    before = checksum(tensor)
    assert before == checksum(tensor.clone()) == checksum(tensor, numbers=2)
    for i in range(tensor.numel()):
        changed = tensor.clone()
        changed.view(torch.uint8)[i * tensor.itemsize] ^= 1
        assert checksum(changed) != before
    swapped = tensor.clone()
    swapped[[0, 1]] = tensor[[1, 0]]
    assert checksum(swapped) != before


def test_a_model_of_given_weights_copies_nothing():
    small = replace(ModelConfig.gpt_oss_20b(), **SMALL | {"num_hidden_layers": 1})
    weights = random_weights(small, "cpu")
    model = with_weights(small, dict(weights), True, torch.bfloat16)
    state = model.state_dict()
    assert state.keys() == weights.keys()
    assert all(state[name].data_ptr() == weights[name].data_ptr() for name in weights)
    logits = model(torch.arange(8)[None])
    assert logits.isfinite().all() and 0.3 < logits.float().std() < 3
    cast(weights, torch.float32)
    assert {weights[name].dtype for name in weights} == {torch.uint8, torch.float32}


def test_the_plan_refuses_the_whole_of_20b_on_one_card_and_lets_adapters_on_24_gib():
    plans = {}
    for name, recipe in named(4, trial=False):
        packed, dtype = how_loaded(ModelConfig.gpt_oss_20b(), True, recipe)
        plans[name] = TrainingPlan.of(ModelConfig.gpt_oss_20b(), recipe, packed, dtype, available=0).needed / GIB
    assert len(plans) == len(CASES) and next(iter(plans.values())) > 139
    assert plans["LoRA 16: attention, 1 x 4096 tokens"] > 139
    assert plans["LoRA 16: attention, 1 x 2048 tokens, recomputed"] < 22
    assert plans["LoRA 16: attention router experts, 1 x 2048 tokens, recomputed"] < 23
    assert plans["LoRA 16: attention, 1 x 512 tokens, recomputed"] < 15


def check(found: dict, least: float = 1.0) -> None:
    """Check what every run must show; least : of the plan's share of what was measured."""
    for name, row in found["recipes"].items():
        assert "failed" not in row, (name, row["failed"])
        assert ("refused" in row) == (row["planned_gib"]["all"] > found["room_gib"]), name
        if "measured_gib" in row:
            assert row["as_it_should"] and row["frozen_same"] and row["losses"][-1] < row["losses"][0], name
            assert least < row["plan_over_measured"] < 1.5, (name, row["plan_over_measured"])
            assert row["measured_gib"]["weights"] == pytest.approx(row["planned_gib"]["weights"], rel=1e-3)
            assert row["measured_gib"]["Adam's averages"] == row["planned_gib"]["Adam's averages"]
            assert row["measured_gib"]["adapters"] == row["planned_gib"]["adapters"]


@pytest.mark.slow
def test_a_trial_measures_what_was_planned_and_refuses_the_rest(tmp_path, capsys):
    assert main(["bench", "finetune", "--trial", "--json", str(tmp_path / "f.json"), "--steps", "3"]) == 0
    found = json.loads((tmp_path / "f.json").read_text())
    check(found["results"]["whole card"], 0.99)  # of a small shape, tables of a few kB count too
    rows = found["results"]["whole card"]["recipes"]
    refused = {name for name, row in rows.items() if "refused" in row}
    whole = "own weights: all, 1 x 128 tokens, recomputed"
    assert refused == {whole, "LoRA 16: attention, 1 x 512 tokens"}
    assert "does not fit" in rows[whole]["refused"] and rows[whole]["loaded"] is False
    assert "refused, planned" in capsys.readouterr().out
    ax = tuning_figures.planned_and_measured(rows, {"a card": 1.0}).axes[0]
    assert len(ax.containers[0]) == len(rows) - len(refused) == len(ax.collections[0].get_offsets())
    ax = tuning_figures.planned_and_measured(rows, {}, dict.fromkeys(rows, 2.0)).axes[0]
    assert {bar.get_width() for bar in ax.containers[0]} == {2.0} and len(ax.collections) == 2
    plt.close("all")


def test_recorded_runs_hold_what_the_text_says():
    for path in data_path("benchmarks").glob("finetune-*.json"):
        found = json.loads(path.read_text())
        assert found["about"]["device"] and found["about"]["date"]
        assert list(found["results"]["whole card"]["recipes"]) == [name for name, _ in named(4, trial=False)]
        for part in found["results"].values():  # later ones may have been cut
            check(part, 0.93)  # as was planned then


def test_todays_plan_covers_what_a_gpu_was_seen_to_need():
    runs = [json.loads(path.read_text()) for path in data_path("benchmarks").glob("finetune-*.json")]
    rows = [row for run in runs for part in run["results"].values() for row in part["recipes"].values()]
    measured = [row for row in rows if "measured_gib" in row]
    assert len(measured) >= 15
    for row in measured:
        plan = planned(ModelConfig.gpt_oss_20b(), True, Recipe(**row["recipe"]), card=1 << 50)
        assert plan.trained == row["trained"]
        assert 1.0 < plan.needed / GIB / row["measured_gib"]["all"] < 1.16, row["recipe"]


@pytest.mark.gpu
@pytest.mark.parametrize("recompute", [False, True])
def test_on_a_gpu_frozen_packed_experts_are_trained_around_as_on_a_processor(recompute):
    small = replace(ModelConfig.gpt_oss_20b(), **SMALL)
    encoding, losses = load_tokenizer(data_path("gpt-oss-tiny")), []
    for device in ("cpu", "cuda"):
        weights = {name: tensor.to(device) for name, tensor in random_weights(small, "cpu").items()}
        cast(weights, torch.float32)
        before = {name: checksum(tensor) for name, tensor in weights.items()}
        model = with_weights(small, dict(weights), True, torch.float32)
        model.tokenizer = encoding
        recipe = Recipe(steps=3, rows=2, lora=4, train=PARTS, longest=80, recompute=recompute, rate=1e-3, warmup=1)
        finetuner = Finetuner(model, list(talks(encoding, 80, 2)), recipe)
        with PeakMemory(model.device, [*weights.values(), *finetuner.trained.values()]) as memory:
            losses.append([line["loss"] for line in finetuner.run()])
        assert memory.peak > 2 * 80 * small.vocab_size * 4
        assert before == {name: checksum(tensor) for name, tensor in weights.items()}
    assert losses[0] == pytest.approx(losses[1], rel=1e-3) and losses[0][-1] < losses[0][0]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU: the command would run in full")
def test_without_a_gpu_the_command_says_so(capsys):
    assert main(["bench", "finetune"]) == 2
    assert "needs an NVIDIA GPU" in capsys.readouterr().err
