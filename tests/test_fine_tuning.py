"""Test chapter 21's measurements: half a rounding step, facts that are new, the record of an experiment."""

import json
from dataclasses import replace

import pytest
import torch
from matplotlib import pyplot as plt

from gptoss_edu import load_tokenizer, mxfp4, random_model
from gptoss_edu.cli import main
from gptoss_edu.evals import fine_tuning
from gptoss_edu.evals.fine_tuning import (
    EXPERIMENTS,
    changed_codes,
    half_steps,
    histogram,
    invented_facts,
    known_facts,
    old_rows,
)
from gptoss_edu.resources import data_path
from gptoss_edu.training.finetune import Recipe
from gptoss_edu.training.fresh import SMOKE
from gptoss_edu.viz import style, tuning_figures


def test_more_than_half_a_step_is_another_code_and_less_is_the_old_one():
    """Compare with mxfp4.pack: as long as a block's largest weight stays the same, so does its scale."""
    generator = torch.Generator().manual_seed(1)
    before = mxfp4.unpack(*mxfp4.pack(torch.randn(64, 128, generator=generator), "best"))
    update = torch.randn(before.shape, generator=generator) * before.abs().max() / 12
    largest = before.abs().unflatten(-1, (-1, 32)).argmax(-1, keepdim=True)
    update = update.unflatten(-1, (-1, 32)).scatter(-1, largest, 0.0).flatten(-2)
    after = before + update
    scales = mxfp4.pack(before, "best")[1]
    stored = mxfp4.unpack(*mxfp4.pack(after, "floor", scales=scales))  # at the old scales
    units, moved = half_steps(before, after), stored != before
    largest_value = before.abs() == 6 * torch.exp2(scales.float() - mxfp4.BIAS).repeat_interleave(32, -1)
    clear = ((units - 1).abs() > 1e-3) & ~(largest_value & (after.abs() > before.abs()))  # beyond 6 there is no code
    assert torch.equal(units[clear] > 1, moved[clear])
    assert 0.1 < moved.float().mean() < 0.9


def test_half_steps_of_a_toy():
    before = torch.zeros(1, 32)
    before[0, :4] = torch.tensor([6.0, 4.0, 4.0, -0.5])
    update = torch.zeros(1, 32)
    update[0, :4] = torch.tensor([-1.0, 1.0, -0.5, -0.25])  # half a step each, in the direction of the change
    assert torch.equal(half_steps(before, before + update)[0, :4], torch.ones(4))
    assert torch.equal(half_steps(before, before), torch.zeros(1, 32))


def test_the_histogram_counts_every_update_once():
    counts = histogram(torch.tensor([0.0, 1e-9, 0.999, 1.001, 1e9]))
    assert sum(counts) == 5 and counts[0] == 1 and counts[1] == 1 and counts[16:18] == [1, 1] and counts[-1] == 1


def test_invented_facts_are_new_and_repeatable():
    facts = invented_facts(40, seed=2)
    assert [f.messages for f in facts] == [f.messages for f in invented_facts(40, seed=2)]
    assert len({f.question for f in facts}) == 40
    assert not {f.question for f in facts} & {f.question for f in known_facts()}


def test_old_rows_are_the_same_each_time_and_short():
    model = fine_tuning.start()
    rows = old_rows(model, 6)
    assert rows == old_rows(model, 6) and all(len(row.tokens) <= fine_tuning.SHORT for row in rows)
    assert changed_codes(model, model, ["block.0.mlp.mlp1_weight"]) == 0


def small_start(device=None):
    """Return a model with gpt-oss-tiny's tokenizer and a tenth of its weights, the same at each call."""
    config = replace(SMOKE, num_hidden_layers=2, hidden_size=64, intermediate_size=64)
    model = random_model(config, seed=1).float()
    model.tokenizer = load_tokenizer(data_path("gpt-oss-tiny"))
    return model


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_leaves_a_record_and_an_interrupted_one_goes_on(tmp_path, monkeypatch, capsys, name):
    monkeypatch.setattr(fine_tuning, "start", small_start)
    runs, _ = EXPERIMENTS[name]
    short = {"one": Recipe(steps=1, rows=2, train=("experts",)), "two": Recipe(steps=1, rows=2, replay=0.5)}
    monkeypatch.setitem(EXPERIMENTS, name, (runs, short))
    monkeypatch.setattr(fine_tuning, "abilities", lambda model, count=12: {"known facts": [1, 2]})
    few = fine_tuning.old_rows
    monkeypatch.setattr(fine_tuning, "old_rows", lambda model: few(model, 2))
    assert main(["finetune", name, "--facts", "2", "--steps", "1", "--seeds", "2", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
    assert found["experiment"] == name and set(found["about"]) >= {"device", "torch", "date"}
    assert {key: [run["seed"] for run in runs] for key, runs in found["runs"].items()} == {"one": [0, 1], "two": [0, 1]}
    told = capsys.readouterr().out
    assert "run 3 of 4: one, seed 1\none: seed 1, facts 2" in told  # the run that has just ended, not the last recipe

    def interrupted(recipe, *args, **kwargs):
        if recipe.rows == 2 and recipe.replay == 0.5 and recipe.seed == 1:
            raise KeyboardInterrupt
        return runs(recipe, *args, **kwargs)

    for function, code in ((interrupted, 130), (runs, 0)):
        monkeypatch.setitem(EXPERIMENTS, name, (function, short))
        again = ["--seeds", "2", "--out", str(tmp_path / "again")]
        assert main(["finetune", name, "--facts", "2", "--steps", "1", *again]) == code
    told = capsys.readouterr()
    assert "the same command keeps the runs that are in " in told.err
    assert told.out.count("run 3 of 4") == 1 and told.out.count("run 4 of 4") == 2
    repeated = json.loads((tmp_path / "again" / f"{name}.json").read_text(encoding="utf-8"))
    for result in (found, repeated):
        for run in (run for runs in result["runs"].values() for run in runs):
            run.pop("seconds", None)
    assert repeated == found
    assert main(["finetune", name, "--facts", "1", "--steps", "1", *again]) == 0  # another size begins anew
    assert "run 1 of 4" in capsys.readouterr().out


@pytest.mark.slow
def test_old_capitals_are_replayed_where_the_recipe_says_so(monkeypatch):
    monkeypatch.setattr(fine_tuning, "start", small_start)
    monkeypatch.setattr(fine_tuning, "abilities", lambda model, count=12: {})
    monkeypatch.setattr(fine_tuning, "old_rows", lambda model: [])
    monkeypatch.setattr(fine_tuning, "old_loss", lambda model, rows: 0.0)
    replays = []

    def watched(model, conversations, recipe, replay):
        replays.append(replay)
        return [{"loss": 1.0}]

    monkeypatch.setattr(fine_tuning, "finetune", watched)
    fine_tuning.record("forgetting", [0], 1, lambda *run: None, steps=1)
    alone, tasks, capitals = replays
    assert callable(alone) and callable(tasks)
    assert capitals == [example.conversation for example in known_facts()]


def rounding_record() -> dict:
    """Three seeds of two recipes, in the form of `fine_tuning.record`."""
    runs = [
        {"right_bf16": 40 + i, "right_stored": i, "codes_changed": 0.02 + 0.01 * i, "old_loss": [0.02, 0.03, 0.02]}
        for i in range(3)
    ]
    return {"facts": 64, "start": {"right": 0, "old_loss": 0.02}, "runs": {"afterwards": runs, "through": runs[::-1]}}


def widths(ax) -> list[list[float]]:
    return [[round(bar.get_width(), 6) for bar in bars] for bars in ax.containers]


def test_the_figure_of_rounding_shows_the_mean_and_every_seed():
    axes = tuning_figures.learnt_and_stored(rounding_record()).axes
    assert [widths(ax) for ax in axes] == [[[41, 41], [1, 1]], [[3, 3]], [[0.03, 0.03], [0.02, 0.02]]]
    dots = [sorted(line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o") for ax in axes[:2]]
    assert dots[0] == [0, 1, 2, 40, 41, 42] and dots[1] == pytest.approx([2, 3, 4])
    plt.close("all")


def test_kept_abilities_show_the_mean_and_every_seed():
    seeds = [{"known facts": [right, 45], "thought, low": 0.0} for right in (0, 6, 0)]
    ax = tuning_figures.kept_abilities({"before": {"known facts": [45, 45]}, "after": seeds}).axes[0]
    assert widths(ax) == [[1.0], [round(2 / 45, 6)]]
    assert sorted(line.get_xdata()[0] for line in ax.lines) == [0, 0, 6 / 45]
    assert {text.get_text() for text in ax.texts} == {"45/45", "2/45"}
    plt.close("all")


@pytest.mark.slow
def test_every_figure_is_drawn_in_both_themes():
    abilities = {"known facts": [3, 4], "thought, low": 2.0}
    for theme in ("light", "dark"):
        style.use(theme)
        tuning_figures.grid_of_codes([(1, 1.1), (2, 2.8)])
        tuning_figures.update_histogram({"a": list(range(25)), "b": [1] * 25})
        tuning_figures.memory_bars({"a": {"weights": 2**30}, "b": {"weights": 1, "adapters": 2}}, 80, "a card")
        tuning_figures.kept_abilities({"before": abilities, "after": [abilities, abilities]})
        tuning_figures.learnt_and_stored(rounding_record())
        row = {"planned_gib": {"all": 3.0}, "measured_gib": {"all": 2.5}, "seconds_per_step": 0.5}
        tuning_figures.planned_and_measured({"a": row, "b": row, "c": {"refused": "no"}}, {"16 GiB": 16})
        assert len(plt.get_fignums()) == 6
        plt.close("all")
    style.use()
