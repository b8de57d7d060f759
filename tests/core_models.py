"""Provide the configurations and independent implementations that the tests of the core compare with."""

import math
from dataclasses import replace

import numpy as np
import torch

from gptoss_edu import ModelConfig, random_model
from gptoss_edu.fast.ahead import Ahead

BASE = ModelConfig(
    num_hidden_layers=4, num_experts=8, experts_per_token=4, vocab_size=211, hidden_size=64, intermediate_size=64,
    head_dim=32, num_attention_heads=4, num_key_value_heads=2, sliding_window=128, initial_context_length=4096,
    rope_theta=150_000.0, rope_scaling_factor=32.0,
)  # fmt: skip
TRAINABLE = ModelConfig(  # small enough for optimiser steps in a test; the vocabulary has the bundled one's size
    num_hidden_layers=2, num_experts=4, experts_per_token=2, vocab_size=2048, hidden_size=32, intermediate_size=32,
    head_dim=16, num_attention_heads=2, num_key_value_heads=1, sliding_window=16, initial_context_length=256,
    rope_theta=1e4, rope_scaling_factor=8.0,
)  # fmt: skip
CONFIGS = {  # groups of 1, 2, 4, 6 and 8 query heads; 1 to 4 experts per token; heads of 64, 32 and 16
    "one expert, no grouping": replace(BASE, experts_per_token=1, intermediate_size=96, num_key_value_heads=4),
    "two experts, heads of 64": replace(BASE, experts_per_token=2, intermediate_size=32, head_dim=64),
    "three experts, groups of 6": replace(BASE, experts_per_token=3, num_attention_heads=6, num_key_value_heads=1),
    "four experts, groups of 8": replace(
        BASE, num_experts=16, head_dim=64, num_attention_heads=8, num_key_value_heads=1, intermediate_size=160
    ),
    "wide hidden, groups of 4, low clamp": replace(
        BASE, hidden_size=160, num_attention_heads=8, intermediate_size=32, swiglu_limit=1.5
    ),
    "small heads, low bound clamped": replace(
        BASE, head_dim=16, initial_context_length=64, rope_theta=1e4, rope_scaling_factor=8.0
    ),
    "small heads, high bound clamped": replace(
        BASE, head_dim=16, initial_context_length=726, rope_theta=10.0, rope_scaling_factor=4.0
    ),
}


def strong_model(config: ModelConfig, seed: int = 0, dtype=torch.float32):
    """Return a random model whose sinks, biases and activations are so large that leaving one out shows."""
    model = random_model(config, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for block in model.block:
            block.attn.sinks.copy_(2 + 2 * torch.randn(config.num_attention_heads, generator=generator))
            block.attn.qkv.weight *= 1.5
            block.mlp.mlp1_weight *= 2.5  # so that the clamp of the gate is reached
            for bias in (block.attn.qkv.bias, block.attn.out.bias, block.mlp.gate.bias, block.mlp.mlp1_bias):
                bias.copy_(0.5 * torch.randn(bias.shape, generator=generator))
    return model.to(dtype).requires_grad_(False)


class RunsAhead:
    """A model whose decoding steps run ahead of the host, as on a GPU, wherever it computes.

    calls : (rows, columns) of every pass so far
    """

    stand_in = None

    def __init__(self, model):
        self.model, self.calls = model, []

    def __getattr__(self, name):
        return getattr(self.model, name)

    def __call__(self, tokens, **rest):
        self.calls.append(tuple(tokens.shape))
        return (self.stand_in or self.model)(tokens, **rest)

    def ahead(self, cache) -> Ahead:
        return Ahead(self, cache)


def random_tokens(config: ModelConfig, *shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, config.vocab_size, shape, generator=torch.Generator().manual_seed(seed))


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    """Return the largest difference as a share of the reference's largest magnitude."""
    return ((a.double() - b.double()).abs().max() / b.double().abs().max()).item()


def as_transformers(model):
    """Build transformers' GptOssForCausalLM with this model's weights, copied here by hand."""
    from transformers import GptOssConfig, GptOssForCausalLM

    config = model.config
    theirs = GptOssForCausalLM._from_config(
        GptOssConfig(**config.to_hf_dict(packed=False)), attn_implementation="eager", dtype=torch.float32
    )
    ours, q = model.state_dict(), config.num_attention_heads * config.head_dim
    k = q + config.num_key_value_heads * config.head_dim
    state = {
        "model.embed_tokens.weight": ours["embedding.weight"], "model.norm.weight": ours["norm.scale"],
        "lm_head.weight": ours["unembedding.weight"],
    }  # fmt: skip
    for i in range(config.num_hidden_layers):
        a, m, to = f"block.{i}.attn.", f"block.{i}.mlp.", f"model.layers.{i}."
        for end in ("weight", "bias"):
            qkv = ours[a + "qkv." + end]
            state[to + "self_attn.q_proj." + end] = qkv[:q]
            state[to + "self_attn.k_proj." + end] = qkv[q:k]
            state[to + "self_attn.v_proj." + end] = qkv[k:]
            state[to + "self_attn.o_proj." + end] = ours[a + "out." + end]
            state[to + "mlp.router." + end] = ours[m + "gate." + end]
        state[to + "self_attn.sinks"] = ours[a + "sinks"]
        state[to + "input_layernorm.weight"] = ours[a + "norm.scale"]
        state[to + "post_attention_layernorm.weight"] = ours[m + "norm.scale"]
        state[to + "mlp.experts.gate_up_proj"] = ours[m + "mlp1_weight"].transpose(1, 2)
        state[to + "mlp.experts.gate_up_proj_bias"] = ours[m + "mlp1_bias"]
        state[to + "mlp.experts.down_proj"] = ours[m + "mlp2_weight"].transpose(1, 2)
        state[to + "mlp.experts.down_proj_bias"] = ours[m + "mlp2_bias"]
    theirs.load_state_dict(state, strict=True)
    return theirs.eval()


def router_margin(model, tokens: torch.Tensor) -> float:
    """Return the smallest gap, over all tokens and layers, between the last expert chosen and the first left out."""
    margins, k = [], model.config.experts_per_token

    def look(logits, name):
        if k < model.config.num_experts:
            falling = logits.float().sort(dim=-1, descending=True).values
            margins.append((falling[:, k - 1] - falling[:, k]).min().item())

    with torch.no_grad(), model.hooks({n: look for n in model.hook_points() if n.endswith("router_logits")}):
        model(tokens)
    return min(margins, default=math.inf)


def literal_logits(model, tokens: list[int]) -> np.ndarray:
    """Compute gpt-oss in float64, token by token, head by head, expert by expert: (t, v). Slow, and easy to check."""
    c = model.config
    w = {name: value.double().numpy() for name, value in model.state_dict().items()}
    half, group = c.head_dim // 2, c.num_attention_heads // c.num_key_value_heads
    angles, concentration = _literal_yarn(c)

    def norm(x, scale):
        return x / math.sqrt((x * x).mean() + c.rms_norm_eps) * scale

    def rotate(head, position):
        out = np.empty_like(head)
        for i in range(half):
            cos, sin = (f(position * angles[i]) * concentration for f in (math.cos, math.sin))
            out[i] = head[i] * cos - head[i + half] * sin
            out[i + half] = head[i + half] * cos + head[i] * sin
        return out

    stream = [w["embedding.weight"][token].copy() for token in tokens]
    for layer in range(c.num_hidden_layers):
        a, m = f"block.{layer}.attn.", f"block.{layer}.mlp."
        queries, keys, values = [], [], []
        for position, x in enumerate(stream):
            rows = w[a + "qkv.weight"] @ norm(x, w[a + "norm.scale"]) + w[a + "qkv.bias"]
            heads = rows.reshape(-1, c.head_dim)
            q, k, v = np.split(heads, [c.num_attention_heads, c.num_attention_heads + c.num_key_value_heads])
            queries.append([rotate(head, position) for head in q])
            keys.append([rotate(head, position) for head in k])
            values.append(v)
        for position in range(len(stream)):
            oldest = max(0, position - c.sliding_window + 1) if layer % 2 == 0 else 0
            seen = range(oldest, position + 1)
            mixed = []
            for head in range(c.num_attention_heads):
                scores = [queries[position][head] @ keys[s][head // group] / math.sqrt(c.head_dim) for s in seen]
                shares = np.exp(scores)
                shares /= shares.sum() + math.exp(w[a + "sinks"][head])
                mixed.append(sum(share * values[s][head // group] for share, s in zip(shares, seen)))
            stream[position] = stream[position] + w[a + "out.weight"] @ np.concatenate(mixed) + w[a + "out.bias"]
        for position, x in enumerate(stream):
            x = norm(x, w[m + "norm.scale"])
            router = w[m + "gate.weight"] @ x + w[m + "gate.bias"]
            chosen = np.argsort(-router)[: c.experts_per_token]
            total = sum(math.exp(router[e]) for e in chosen)
            for e in chosen:
                hidden = w[m + "mlp1_weight"][e] @ x + w[m + "mlp1_bias"][e]
                gate, up = (
                    np.minimum(hidden[::2], c.swiglu_limit),
                    np.clip(hidden[1::2], -c.swiglu_limit, c.swiglu_limit),
                )
                hidden = gate / (1 + np.exp(-1.702 * gate)) * (up + 1)
                out = w[m + "mlp2_weight"][e] @ hidden + w[m + "mlp2_bias"][e]
                stream[position] = stream[position] + math.exp(router[e]) / total * out
    return np.stack([w["unembedding.weight"] @ norm(x, w["norm.scale"]) for x in stream])


def _literal_yarn(c: ModelConfig) -> tuple[list[float], float]:
    """Compute angular speeds and concentration as the YaRN paper defines them, with the ramp's bounds clamped."""
    bounds = []
    for turns in (c.rope_ntk_beta, c.rope_ntk_alpha):
        wavelength = c.initial_context_length / turns
        bounds.append(c.head_dim / 2 * math.log(wavelength / (2 * math.pi)) / math.log(c.rope_theta))
    low, high = max(bounds[0], 0.0), min(bounds[1], c.head_dim - 1.0)
    speeds = []
    for i in range(c.head_dim // 2):
        speed = c.rope_theta ** (-2 * i / c.head_dim)
        slowed = min(max((i - low) / (high - low), 0.0), 1.0)
        speeds.append(speed * (1 - slowed) + speed / c.rope_scaling_factor * slowed)
    return speeds, 0.1 * math.log(c.rope_scaling_factor) + 1
