"""Models to train from random weights: the sizes of gpt-oss-tiny and of a smaller one, and the initial weights.

Source: the sizes and scales are those of reference runs of this project.
"""

from __future__ import annotations

from dataclasses import asdict

import torch

from gptoss_edu.config import ModelConfig
from gptoss_edu.transformer import Transformer

TINY = ModelConfig(
    num_hidden_layers=6,
    num_experts=16,
    experts_per_token=4,
    vocab_size=2048,
    hidden_size=256,
    intermediate_size=256,
    head_dim=32,
    num_attention_heads=8,
    num_key_value_heads=2,
    sliding_window=32,
    initial_context_length=256,
    rope_theta=10_000.0,
    rope_scaling_factor=8.0,
)
SMOKE = ModelConfig(
    **{
        **asdict(TINY),
        "num_hidden_layers": 4,
        "hidden_size": 128,
        "intermediate_size": 128,
        "num_experts": 8,
        "experts_per_token": 2,
    }
)


def initialise(config: ModelConfig, seed: int, device="cpu") -> Transformer:
    """Create a model ready for training.

    Matrices have scale 1/√fan-in, those that write to the residual stream a smaller one; sinks and biases are 0.
    """
    model = Transformer(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("scale"):
                parameter.fill_(1.0)
            elif parameter.ndim < 2 or name.endswith("bias"):
                parameter.zero_()
            else:
                spread = parameter.shape[-1] ** -0.5
                if name.endswith(("attn.out.weight", "mlp.mlp2_weight")):
                    spread /= (2 * config.num_hidden_layers) ** 0.5
                if name == "embedding.weight":
                    spread = 0.5
                if name == "unembedding.weight":
                    spread *= 0.5
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * spread)
    return model.to(device)
