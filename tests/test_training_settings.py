"""Settings of a training run take effect: rates, when experts are rounded, starting weights, resuming."""

from dataclasses import replace

import pytest
import tiktoken
from core_models import TRAINABLE

from gptoss_edu.checkpoint import save
from gptoss_edu.cli import main
from gptoss_edu.errors import GptOssError
from gptoss_edu.resources import data_path
from gptoss_edu.tokenizer import load_tokenizer
from gptoss_edu.training import pretrain
from gptoss_edu.training.pretrain import Settings, Trainer
from gptoss_edu.transformer import random_model

SMALL = replace(TRAINABLE, num_hidden_layers=1, num_experts=2, experts_per_token=1)
ONE = Settings(steps=2, rows=1, length=256, log_every=1, warmup=1)


def trainer(folder, settings: Settings) -> Trainer:
    return Trainer(SMALL, settings, folder, data_path("gpt-oss-tiny"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": -1},
        {"steps": 0},
        {"steps": None, "seconds": -1.0},
        {"steps": None, "seconds": 0},
        {"rows": -1},
        {"length": 0},
    ],
)
def test_a_run_without_end_or_without_data_is_refused(tmp_path, wrong):
    with pytest.raises(GptOssError, match=f"expected .*{list(wrong)[-1]}.* above 0, found"):
        trainer(tmp_path, replace(ONE, **wrong))
    with pytest.raises(GptOssError, match="a seed of at most 64 bits"):
        trainer(tmp_path, replace(ONE, seed=2**64))


def test_the_scale_of_the_rates_reaches_every_parameter(tmp_path):
    """After one step each sink has moved by its rate: AdamW's first step is the gradient's sign times the rate."""
    once, thrice = trainer(tmp_path / "1", ONE), trainer(tmp_path / "3", replace(ONE, rate=3.0))
    assert set(once.optimizer.rates) == {"muon", "adam", "sinks"}
    assert thrice.optimizer.rates == pytest.approx({name: 3 * rate for name, rate in once.optimizer.rates.items()})
    for one in (once, thrice):
        one.run(until=1)
    moved = [one.model.block[0].attn.sinks.detach().abs().max().item() for one in (once, thrice)]
    assert moved == pytest.approx([9e-3, 27e-3], rel=1e-3)


def test_the_command_hands_its_options_on(tmp_path, monkeypatch):
    made = []

    class Noted(Exception):
        pass

    def noted(config, settings, *rest):
        made.append(settings)
        raise Noted

    monkeypatch.setattr(pretrain, "Trainer", noted)
    options = ["--rate", "0.25", "--decay", "0.5", "--qat", "0.125", "--init", "somewhere", "--seed", "7"]
    with pytest.raises(Noted):
        main(["train", "smoke", "--steps", "3", "--out", str(tmp_path), *options])
    (found,) = made
    assert (found.rate, found.decay, found.qat, found.init, found.seed) == (0.25, 0.5, 0.125, "somewhere", 7)


def test_rounding_from_the_whole_run_on_begins_at_step_0(tmp_path):
    assert trainer(tmp_path / "all", replace(ONE, qat=1.0)).rounding == "best"
    half = trainer(tmp_path / "half", replace(ONE, qat=0.5))
    assert half.rounding is None
    half.run(until=1)
    half._begin_phase()
    assert half.rounding == "best"


def test_weights_of_another_vocabulary_are_refused(tmp_path):
    """Two tokens of the vocabulary changed places: every shape fits, but texts would be read wrongly."""
    ours = load_tokenizer(data_path("gpt-oss-tiny"))
    ranks = dict(ours._mergeable_ranks)
    first, second = (token for token, rank in ranks.items() if rank in (400, 401))
    ranks[first], ranks[second] = ranks[second], ranks[first]
    model = random_model(SMALL, seed=4)
    model.tokenizer = tiktoken.Encoding(
        ours.name, pat_str=ours._pat_str, mergeable_ranks=ranks, special_tokens=ours._special_tokens
    )
    save(model, tmp_path / "other", "original", rounding="best")
    with pytest.raises(GptOssError, match="another vocabulary"):
        trainer(tmp_path / "run", replace(ONE, init=str(tmp_path / "other")))


@pytest.fixture(scope="module")
def broken_off(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    trainer(folder, ONE).run(until=1)
    return folder


@pytest.mark.parametrize(
    "change",
    [{"rate": 0.5}, {"decay": 0.5}, {"qat": 0.5}, {"init": "elsewhere"}, {"seed": 1},
     {"rows": 2}, {"length": 512}, {"plain": True}],
    ids=str,
)  # fmt: skip
def test_a_run_resumed_with_other_settings_is_refused(broken_off, change):
    ((name, value),) = change.items()
    with pytest.raises(GptOssError, match=f"the same {name}, found .*, not {value}; choose another folder"):
        trainer(broken_off, replace(ONE, **change))
    assert trainer(broken_off, ONE).step == 1
