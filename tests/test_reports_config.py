"""Try every key of a config present, absent, null and odd; compare with what transformers computes from the file."""

import copy
import json
from dataclasses import fields, replace

import pytest
import torch
from core_models import BASE, as_transformers, relative, strong_model
from examples import examples
from hypothesis import assume, given
from hypothesis import strategies as st

from gptoss_edu import ModelConfig, load_model
from gptoss_edu.errors import ConfigError, GptOssError
from gptoss_edu.transformer import random_model

# Sizes at which the defaults (64 numbers per head, 8 key/value heads, 4 experts per token) fit the same weights.
CONFIG = replace(BASE, num_hidden_layers=2, hidden_size=512, head_dim=64, num_attention_heads=8, num_key_value_heads=8,
                 intermediate_size=32, num_experts=6, vocab_size=97)  # fmt: skip
GONE = object()


class Inside(dict):
    """Hold changes inside the object under a key."""


def rope(**changes):
    return {"rope_scaling": Inside(changes)}


CASES = {  # name: (changes of the config; "same" logits as transformers', or the key that is refused)
    "as written": ({}, "same"),
    # left out
    "no num_key_value_heads": ({"num_key_value_heads": GONE}, "same"),
    "no head_dim": ({"head_dim": GONE}, "same"),
    "no num_experts_per_tok": ({"num_experts_per_tok": GONE}, "same"),
    "no sliding_window": ({"sliding_window": GONE}, "same"),
    "no rms_norm_eps": ({"rms_norm_eps": GONE}, "same"),
    "no swiglu_limit": ({"swiglu_limit": GONE}, "same"),
    "no rope_theta": ({"rope_theta": GONE}, "same"),
    "no rope_scaling": ({"rope_scaling": GONE}, "same"),
    "no RoPE at all": ({"rope_scaling": GONE, "rope_theta": GONE}, "same"),
    "no layer_types": ({"layer_types": GONE}, "same"),
    "no max_position_embeddings": ({"max_position_embeddings": GONE}, "same"),
    "no attention_bias": ({"attention_bias": GONE}, "same"),
    "no tie_word_embeddings": ({"tie_word_embeddings": GONE}, "same"),
    "no hidden_act": ({"hidden_act": GONE}, "same"),
    "no beta_fast": (rope(beta_fast=GONE), "same"),
    "no beta_slow": (rope(beta_slow=GONE), "same"),
    "no truncate": (rope(truncate=GONE), "truncate"),
    "no rope_type": (rope(rope_type=GONE), "rope_type"),
    "no factor": (rope(factor=GONE), "factor"),
    "no original_max_position_embeddings": (rope(original_max_position_embeddings=GONE), "same"),
    "no number of layers": ({"num_hidden_layers": GONE}, "num_hidden_layers"),
    "no number of experts": ({"num_local_experts": GONE}, "num_local_experts"),
    "no vocab_size": ({"vocab_size": GONE}, "vocab_size"),
    "no hidden_size": ({"hidden_size": GONE}, "hidden_size"),
    "no intermediate_size": ({"intermediate_size": GONE}, "intermediate_size"),
    "no num_attention_heads": ({"num_attention_heads": GONE}, "num_attention_heads"),
    # null
    "null head_dim": ({"head_dim": None}, "head_dim"),
    "null num_key_value_heads": ({"num_key_value_heads": None}, "num_key_value_heads"),
    "null layer_types": ({"layer_types": None}, "same"),
    "null rope_scaling": ({"rope_scaling": None}, "same"),
    "null factor": (rope(factor=None), "same"),
    "null beta_fast": (rope(beta_fast=None), "same"),
    "null sliding_window": ({"sliding_window": None}, "sliding_window"),
    "null swiglu_limit": ({"swiglu_limit": None}, "swiglu_limit"),
    "null truncate": (rope(truncate=None), "truncate"),
    # odd, and accepted
    "another eps": ({"rms_norm_eps": 0.05}, "same"),
    "a low clamp": ({"swiglu_limit": 1.5}, "same"),
    "a short window": ({"sliding_window": 9}, "same"),
    "one expert": ({"num_experts_per_tok": 1}, "same"),
    "another theta": ({"rope_theta": 10_000.0}, "same"),
    "another factor": ({**rope(factor=8.0), "max_position_embeddings": 32_768}, "same"),
    "another factor, another context": ({**rope(factor=8.0)}, "max_position_embeddings"),
    "another beta_fast": (rope(beta_fast=8.0), "same"),
    "another beta_slow": (rope(beta_slow=0.25), "same"),
    "factor 1": ({**rope(factor=1.0), "max_position_embeddings": 4096}, "same"),
    "transformers 5's key": (
        {
            "rope_scaling": GONE,
            "rope_theta": GONE,
            "rope_parameters": {
                "rope_type": "yarn",
                "factor": 32.0,
                "truncate": False,
                "rope_theta": 9e4,
                "original_max_position_embeddings": 4096,
            },
        },
        "same",
    ),
    "transformers 5's key without theta": (
        {
            "rope_scaling": GONE,
            "rope_theta": GONE,
            "rope_parameters": {
                "rope_type": "yarn",
                "factor": 32.0,
                "truncate": False,
                "original_max_position_embeddings": 4096,
            },
        },
        "same",
    ),
    "the old name of rope_type": ({**rope(rope_type=GONE, type="yarn")}, "same"),
    "the same under two names": ({"experts_per_token": 4, "initial_context_length": 4096}, "same"),
    # odd, and refused
    "two numbers for one thing": ({"num_experts_per_tok": GONE, "experts_per_token": 2}, "experts_per_token"),
    "an original context of its own": (
        {"original_max_position_embeddings": 1024},
        "original_max_position_embeddings",
    ),
    "rounded bounds": (rope(truncate=True), "truncate"),
    "a concentration": (rope(attention_factor=1.5), "attention_factor"),
    "two scales of it": (rope(mscale=1.0, mscale_all_dim=0.5), "mscale"),
    "half of a head": (rope(partial_rotary_factor=0.5), "partial_rotary_factor"),
    "half of a head, outside": ({"partial_rotary_factor": 0.5}, "partial_rotary_factor"),
    "no stretching": ({"rope_scaling": {"rope_type": "default"}}, "rope_type"),
    "linear": (rope(rope_type="linear"), "rope_type"),
    "a RoPE for each kind of layer": (
        {"rope_scaling": {"rope_type": "yarn", "truncate": False, "factor": 32.0, "sliding_attention": {}}},
        "sliding_attention",
    ),
    "no windows": ({"layer_types": ["full_attention", "full_attention"]}, "layer_types"),
    "another slope": ({"swiglu_alpha": 1.0}, "swiglu_alpha"),
    "no biases": ({"attention_bias": False}, "attention_bias"),
    "tied": ({"tie_word_embeddings": True}, "tie_word_embeddings"),
    "bounds that cross": (rope(beta_fast=1.0, beta_slow=32.0), "rope_ntk_beta"),
    "a context that is too short for YaRN": (
        {**rope(original_max_position_embeddings=6), "max_position_embeddings": 192},
        "rope_ntk_alpha",
    ),
    "theta of 1": ({"rope_theta": 1.0}, "rope_theta"),
    "a factor below 1": ({**rope(factor=0.5), "max_position_embeddings": 2048}, "rope_scaling_factor"),
}


def changed(values: dict, changes: dict) -> dict:
    values = copy.deepcopy(values)
    for key, value in changes.items():
        if value is GONE:
            values.pop(key)
        elif isinstance(value, Inside):
            values[key] = changed(values[key], value)
        else:
            values[key] = value
    return values


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("model") / "m"
    as_transformers(strong_model(CONFIG, seed=5)).save_pretrained(place)
    return place


@torch.no_grad()
def theirs(folder, tokens):
    from transformers import GptOssForCausalLM

    return GptOssForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)(tokens).logits


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_every_key_is_read_as_transformers_reads_it_or_refused_by_name(folder, name):
    """transformers defines what a missing key means; one of them (`truncate`) silently changed the logits.

    Report: NVIDIA/TensorRT-Model-Optimizer 917. Report: vllm-project/vllm 28244.
    """
    changes, outcome = CASES[name]
    values = changed(CONFIG.to_hf_dict(packed=False), changes)
    (folder / "config.json").write_text(json.dumps(values))
    if outcome != "same":
        with pytest.raises(ConfigError, match=outcome):
            load_model(folder)
        return
    tokens = torch.randint(0, 97, (1, 200), generator=torch.Generator().manual_seed(1))
    assert relative(load_model(folder)(tokens), theirs(folder, tokens)) < 1e-4


def test_what_the_absence_of_truncate_would_have_changed(folder):
    """The refusal is needed: transformers computes other logits there, and nothing else would tell."""
    tokens = torch.randint(0, 97, (1, 200), generator=torch.Generator().manual_seed(1))
    (folder / "config.json").write_text(json.dumps(CONFIG.to_hf_dict(packed=False)))
    right = theirs(folder, tokens)
    (folder / "config.json").write_text(json.dumps(changed(CONFIG.to_hf_dict(packed=False), rope(truncate=GONE))))
    assert relative(theirs(folder, tokens), right) > 1e-3


NUMBERS = [field.name for field in fields(ModelConfig) if field.type is float]
SMALL = replace(BASE, num_hidden_layers=2, num_experts=2, experts_per_token=1, vocab_size=50, hidden_size=32,
                intermediate_size=32, head_dim=16, num_attention_heads=2, num_key_value_heads=1)  # fmt: skip


@pytest.mark.slow
@examples(200)
@given(st.sampled_from(NUMBERS), st.one_of(st.floats(), st.floats(1e-3, 1e6), st.integers(-3, 10**400)))
def test_every_number_that_a_config_accepts_can_be_computed_with(name, value):
    """A number that the config accepts causes no OverflowError, no ZeroDivisionError and no NaN."""
    try:
        config = ModelConfig.from_dict({**SMALL.to_dict(), name: value})
    except ConfigError:
        return
    assert random_model(config)(torch.tensor([[1, 2, 3]])).isfinite().all()


@pytest.mark.slow
@examples(200)
@given(st.sampled_from(["sliding_window", "initial_context_length"]), st.integers(-2, 2**70) | st.integers(0, 300))
def test_every_window_and_context_that_a_config_accepts_can_be_computed_with(name, value):
    try:
        config = ModelConfig.from_dict({**SMALL.to_dict(), name: value})
    except ConfigError:
        return
    assert random_model(config)(torch.tensor([[1, 2, 3]])).isfinite().all()


@pytest.mark.slow
@examples(200)
@given(
    st.floats(1.5, 1e6), st.floats(1, 100), st.floats(0.01, 100), st.floats(0.01, 100), st.integers(1, 10_000),
    st.sampled_from([2, 4, 16, 64]),
)  # fmt: skip
def test_yarn_equals_transformers_wherever_a_config_is_accepted(theta, factor, fast, slow, context, head):
    """Bounds that cross are refused, as by OpenAI's own loader; all others give transformers' angular speeds."""
    from transformers import GptOssConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    from gptoss_edu.rope import yarn_inv_freq

    try:
        config = replace(SMALL, head_dim=head, rope_theta=theta, rope_scaling_factor=factor, rope_ntk_beta=fast,
                         rope_ntk_alpha=slow, initial_context_length=context)  # fmt: skip
    except GptOssError:
        return
    assume(fast > 1.01 * slow)  # closer bounds form a step, and float32 decides where it is
    expected, scaling = ROPE_INIT_FUNCTIONS["yarn"](GptOssConfig(**config.to_hf_dict(packed=False)))
    ours, concentration = yarn_inv_freq(head, theta, factor, context, fast, slow)
    assert torch.allclose(ours, expected, rtol=1e-3) and concentration == pytest.approx(scaling)
