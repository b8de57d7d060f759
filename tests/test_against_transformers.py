"""The model equals transformers' GptOssForCausalLM, and a float64 computation written out by hand."""

import functools
from dataclasses import replace

import pytest
import torch
from core_models import (
    BASE,
    CONFIGS,
    as_transformers,
    literal_logits,
    random_tokens,
    relative,
    router_margin,
    strong_model,
)

from gptoss_edu import checkpoint, load_model
from gptoss_edu.errors import GptOssError
from gptoss_edu.ladder import ladder, record, record_transformers, rung_names

TOLERANCE = 1e-4  # of the logits' scale
TIE = 1e-5  # router logits closer than this may choose other experts when summed in another order: not compared
LENGTHS = (1, 127, 128, 129, 400)


@functools.cache
def pair(name: str):
    model = strong_model(CONFIGS[name], seed=len(name))
    return model, as_transformers(model)


@torch.no_grad()
def their_logits(model, tokens, **kwargs):
    return model(tokens, **kwargs).logits


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("name", CONFIGS)
def test_logits_equal_transformers(name, length):
    """Try lengths below, at and far beyond the window: short prompts show neither a missing window nor a missing YaRN.

    Report: NVIDIA/TensorRT-Model-Connect 399. Report: NVIDIA/TensorRT-Model-Connect 400.
    """
    model, theirs = pair(name)
    tokens = random_tokens(model.config, 1, length, seed=length)
    assert router_margin(model, tokens) > TIE, "the random model has a tie here: choose another seed"
    assert relative(model(tokens), their_logits(theirs, tokens)) < TOLERANCE


@pytest.mark.parametrize("name", CONFIGS)
def test_batches_of_unequal_lengths_equal_transformers(name):
    model, theirs = pair(name)
    lengths = [1, 129, 160, 127]
    tokens = random_tokens(model.config, 4, 160)
    counted = torch.arange(160) < torch.tensor(lengths)[:, None]  # (b, t)
    ours = model(tokens, lengths=torch.tensor(lengths))
    expected = their_logits(theirs, tokens, attention_mask=counted.long())
    assert relative(ours[counted], expected[counted]) < TOLERANCE


@pytest.mark.parametrize("name", CONFIGS)
def test_every_rung_of_the_ladder_equals_transformers(name):
    model, theirs = pair(name)
    tokens = random_tokens(model.config, 2, 140)
    result = ladder(record(model, tokens), record_transformers(theirs, tokens))
    assert [rung.name for rung in result.rungs] == rung_names(model.config.num_hidden_layers)
    assert result.first_above(TOLERANCE) is None, str(result)


def test_the_ladder_names_the_rung_where_two_models_part():
    model, theirs = pair("two experts, heads of 64")
    tokens = random_tokens(model.config, 1, 140)
    reference = record_transformers(theirs, tokens)
    sinks = model.block[2].attn.sinks
    kept = sinks.clone()
    try:
        sinks.fill_(-torch.inf)
        result = ladder(record(model, tokens), reference)
    finally:
        sinks.copy_(kept)
    assert result.first_above(TOLERANCE).name == "block.2.attn.out"
    lines = str(result).splitlines()
    assert len(lines) == 1 + len(result.rungs) and lines[0].split() == [
        "rung",
        "shape",
        "scale",
        "difference",
        "relative",
    ]
    assert ladder(reference, reference).worst.relative == 0


def test_the_ladder_refuses_what_cannot_be_compared():
    one, other = {"logits": torch.zeros(2)}, {"logits": torch.zeros(3)}
    with pytest.raises(GptOssError, match=r"logits is \(2,\) in one record and \(3,\)"):
        ladder(one, other)
    with pytest.raises(GptOssError, match="share no rung"):
        ladder(one, {"embedding": torch.zeros(2)})
    broken = ladder({"logits": torch.tensor([torch.nan, 1.0])}, {"logits": torch.ones(2)})
    assert broken.first_above(1.0) is not None, "NaN must not pass for small"


def test_large_sinks_matter_in_these_models():
    """Without large sinks, a model that drops them would pass the comparison (a sink of 0 is nearly invisible)."""
    model, theirs = pair("four experts, groups of 8")
    tokens = random_tokens(model.config, 1, 129)
    without = strong_model(model.config, seed=len("four experts, groups of 8"))
    for block in without.block:
        block.attn.sinks.fill_(-torch.inf)
    assert relative(without(tokens), their_logits(theirs, tokens)) > 100 * TOLERANCE


# ------------------------------------------------------------------------------------------------------- from files


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Write one random model in the three layouts; its expert width differs from its hidden size."""
    config = replace(BASE, num_hidden_layers=2, intermediate_size=96)
    folder = tmp_path_factory.mktemp("written")
    for layout in ("original", "hf", "hf-bf16"):
        checkpoint.save_random(config, folder / layout, layout=layout, seed=3)
    return folder


@pytest.fixture(scope="module")
def from_their_files(written):
    """Load the folders that this package wrote with transformers' own from_pretrained."""
    from transformers import GptOssForCausalLM

    return {
        layout: GptOssForCausalLM.from_pretrained(
            written / layout, dtype=torch.float32, attn_implementation="eager"
        ).eval()
        for layout in ("hf", "hf-bf16")
    }


@pytest.mark.slow
@pytest.mark.parametrize("experts", ["dense", "packed"])
@pytest.mark.parametrize("layout", ["original", "hf", "hf-bf16"])
def test_logits_from_files_equal_transformers_from_pretrained(written, from_their_files, layout, experts):
    if layout == "hf-bf16" and experts == "packed":
        with pytest.raises(GptOssError, match="holds dequantised experts"):
            load_model(written / layout, experts=experts)
        return
    model = load_model(written / layout, dtype=torch.float32, experts=experts)
    tokens = random_tokens(model.config, 1, 140)
    assert router_margin(model, tokens) > TIE
    for reader, theirs in from_their_files.items():
        assert relative(model(tokens), their_logits(theirs, tokens)) < TOLERANCE, (
            f"{layout} against theirs from {reader}"
        )


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["hf", "hf-bf16"])
def test_transformers_reads_a_saved_model_and_computes_the_same(tmp_path, layout):
    """Compare with the model as it was saved: the weights are rounded, and the experts packed."""
    from transformers import GptOssForCausalLM

    model = strong_model(CONFIGS["two experts, heads of 64"])
    checkpoint.save(model, tmp_path / "saved", layout=layout, rounding="best" if layout == "hf" else None)
    theirs = GptOssForCausalLM.from_pretrained(tmp_path / "saved", dtype=torch.float32, attn_implementation="eager")
    again = load_model(tmp_path / "saved", dtype=torch.float32)
    tokens = random_tokens(model.config, 1, 129)
    assert relative(again(tokens), their_logits(theirs.eval(), tokens)) < TOLERANCE
    assert relative(again(tokens), model(tokens)) > TOLERANCE, "bfloat16 and MXFP4 must have cost something"


# ------------------------------------------------------------------------------------------ literal, in float64


@pytest.mark.parametrize("name", CONFIGS)
def test_logits_equal_a_literal_float64_computation(name):
    config = replace(CONFIGS[name], sliding_window=4, num_hidden_layers=2)
    model = strong_model(config, seed=7)
    tokens = random_tokens(config, 11, seed=7)
    assert router_margin(model, tokens[None]) > TIE
    expected = torch.from_numpy(literal_logits(model, tokens.tolist()))
    assert relative(model(tokens[None])[0], expected) < 1e-5


def test_the_literal_computation_sees_clamps_and_windows():
    """A reference only vouches for what it runs: both clamps must be reached, and more keys than the window."""
    model = strong_model(replace(BASE, num_hidden_layers=2, sliding_window=4), seed=7)
    seen = {}
    names = [f"block.{i}.mlp.normed" for i in range(2)]
    values = record(model, random_tokens(model.config, 1, 11, seed=7), names)
    for i, name in enumerate(names):
        hidden = torch.einsum("btc,erc->bter", values[name], model.block[i].mlp.mlp1_weight)
        seen[i] = hidden.max().item(), hidden.min().item()
    assert any(high > 7 for high, _ in seen.values()) and any(low < -7 for _, low in seen.values())


def test_bfloat16_differs_from_float32_by_rounding_only_where_no_router_tie_is_near():
    """In another dtype a near tie may send a token to another expert; tokens with a clear margin must agree."""
    model = strong_model(replace(BASE, num_hidden_layers=2), seed=5)
    low = strong_model(replace(BASE, num_hidden_layers=2), seed=5, dtype=torch.bfloat16)
    tokens = random_tokens(model.config, 1, 60)
    margins = torch.full((60,), torch.inf)

    def look(logits, name):
        falling = logits.sort(dim=-1, descending=True).values
        margins.copy_(torch.minimum(margins, falling[:, 3] - falling[:, 4]))

    with model.hooks({f"block.{i}.mlp.router_logits": look for i in range(2)}):
        exact = model(tokens)[0]
    clear = margins > 0.1  # bfloat16 moves these router logits by less than 0.1
    assert 20 < clear.sum() < 60
    rounded = low(tokens)[0].float()
    error = (rounded - exact).norm(dim=-1) / exact.norm(dim=-1)  # (t,)
    assert error[clear].max() < 0.1
    assert error[clear].mean() > 1e-4, "these models should differ in dtype"
