"""Compare the importer for transformers' model with this package's own trace of the same weights."""

import numpy as np
import pytest
import torch

from gptoss_edu import checkpoint, trace
from gptoss_edu.config import ModelConfig
from gptoss_edu.errors import TraceError
from gptoss_edu.transformer import random_model

transformers = pytest.importorskip("transformers", reason="transformers is missing: pip install 'gptoss-edu[test]'")
pytestmark = pytest.mark.slow
CONFIG = ModelConfig(
    num_hidden_layers=3, num_experts=8, experts_per_token=2, vocab_size=128, hidden_size=64, intermediate_size=64,
    head_dim=32, num_attention_heads=4, num_key_value_heads=2, sliding_window=9, initial_context_length=64,
    rope_theta=1e4, rope_scaling_factor=4.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hf")
    model = random_model(CONFIG, seed=1)
    checkpoint.save(model, folder, layout="hf-bf16")
    ours = checkpoint.load_model(folder, dtype=torch.float32)

    def theirs(attention: str):
        kind = transformers.GptOssForCausalLM
        return kind.from_pretrained(folder, dtype=torch.float32, attn_implementation=attention)

    return ours, theirs


def test_same_trace_from_transformers(pair):
    ours, theirs = pair
    tokens = np.random.default_rng(0).integers(0, 128, 30)
    a = trace.record(ours, tokens, heads=[(0, 1), (1, 3)], lens=False)
    b = trace.from_transformers(theirs("eager"), tokens, heads=[(0, 1), (1, 3)])
    for name in (
        "sink_mass",
        "head_entropy",
        "head_distance",
        "expert_weights",
        "router_logits",
        "pooled",
        "next_probs",
        "exact.1.3",
    ):
        difference = np.abs(a[name].astype(np.float32) - b[name].astype(np.float32))
        assert difference.max() < 0.02, name
    assert np.array_equal(a["expert_indices"], b["expert_indices"])
    assert a.meta["pool_bin"] == b.meta["pool_bin"]
    assert trace.difference(a, b).summary()


def test_transformers_without_attention_or_sinks_is_refused(pair, monkeypatch):
    _, theirs = pair
    tokens = np.arange(12)
    model = theirs("eager")
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.sinks.fill_(-1e9)
    with pytest.raises(TraceError, match="sinks are not applied"):
        trace.from_transformers(model, tokens)
    dead = theirs("eager")
    with torch.no_grad():
        dead.model.layers[1].mlp.router.weight.zero_()
        dead.model.layers[1].mlp.router.bias.zero_()
    with pytest.raises(TraceError, match=r"layers \[1\]"):
        trace.from_transformers(dead, tokens)
