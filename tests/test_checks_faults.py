"""Test the planted faults: each first differs at the place it names, and nowhere earlier."""

import pytest
import torch

from gptoss_edu import checks, random_model
from gptoss_edu.course import planted_faults as faults


@pytest.fixture(scope="module")
def model(small_config):
    from dataclasses import replace

    return random_model(replace(small_config, intermediate_size=64))


def rungs(model, tokens):
    """Return the value at every hook point, in the order of the computation."""
    seen = {}
    keep = {name: lambda value, name: seen.__setitem__(name, value.clone()) for name in model.hook_points()}
    with torch.no_grad(), model.hooks(keep):
        model(tokens)
    return seen


@pytest.mark.parametrize("kind", faults.KINDS)
def test_the_first_red_rung_is_the_named_one(kind, model):
    tokens = torch.arange(40)[None] * 7 % 300
    before = rungs(model, tokens)
    faulty = faults.plant(model, kind, 2)
    after = rungs(faulty, tokens)
    assert list(before) == list(after)
    different = [name for name in before if not torch.equal(before[name], after[name])]
    assert different[0] == faulty.planted.point
    assert different[-1] == "logits"
    assert "yes" in repr(faulty.planted.guess(faulty.planted.point))
    assert "in there" in repr(faulty.planted.guess("block.2"))
    assert "layer is right" in repr(faulty.planted.guess("block.2.nothing"))
    assert "no, another place" in repr(faulty.planted.guess("block.0.attn.q"))
    assert "layer 2" in repr(faulty.planted.answer())
    assert all(torch.equal(before[name], value) for name, value in rungs(model, tokens).items()), (
        "the original is untouched"
    )


def test_a_longer_window_hides_in_short_texts(model):
    tokens = torch.arange(8)[None]
    faulty = faults.plant(model, "window one too long", 3)
    assert faulty.planted.point == "block.2.attn.mask"
    with torch.no_grad():
        assert torch.equal(model(tokens), faulty(tokens))
        longer = torch.arange(9)[None]
        assert not torch.equal(model(longer), faulty(longer))


def test_seeds_repeat_and_reach_every_kind(model):
    kinds = [checks.fault(seed, model).planted.kind for seed in range(len(faults.KINDS))]
    assert sorted(kinds) == sorted(faults.KINDS)
    assert checks.fault(3, model).planted == checks.fault(3, model).planted
    assert "kind" not in repr(checks.fault(3, model).planted)


@pytest.mark.slow
def test_a_fault_in_the_bundled_packed_model():
    faulty = checks.fault(1)
    with torch.no_grad():
        assert faulty(torch.arange(50)[None]).isfinite().all()
    assert faulty.tokenizer is not None


@pytest.mark.slow
@pytest.mark.parametrize("kind", faults.KINDS)
def test_every_fault_shows_in_the_bundled_model(kind):
    from gptoss_edu import load_model

    model = load_model()
    tokens = torch.randint(0, model.config.vocab_size, (1, 50), generator=torch.Generator().manual_seed(0))
    if not faults.KINDS[kind].needs(model.config):
        pytest.skip(f"gpt-oss-tiny has no such sizes: {kind}")
    with torch.no_grad():
        assert not torch.equal(model(tokens), faults.plant(model, kind, 2)(tokens))
