"""Shared by all tests: quiet, offline, and small models to compare with."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest
import torch

from gptoss_edu import ModelConfig


def pytest_collection_modifyitems(items):
    """GPU tests are skipped where there is no GPU, with that reason."""
    if torch.cuda.is_available():
        return
    for item in items:
        if "gpu" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="no CUDA device on this machine"))


@pytest.fixture(scope="session")
def small_config() -> ModelConfig:
    """Four layers, window 8, expert width unlike the hidden size."""
    return ModelConfig(
        num_hidden_layers=4, num_experts=8, experts_per_token=3, vocab_size=300, hidden_size=64, intermediate_size=96,
        head_dim=32, num_attention_heads=4, num_key_value_heads=2, sliding_window=8, initial_context_length=64,
        rope_theta=1e4, rope_scaling_factor=8.0,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def gradients_stay_on():
    """Chapters that tests run in this process may switch gradients off for all that follows."""
    yield
    torch.set_grad_enabled(True)
