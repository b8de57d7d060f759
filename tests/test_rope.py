"""Rotation and YaRN agree with their definitions, written out literally, and with transformers."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from core_models import BASE

from gptoss_edu.checks import reference
from gptoss_edu.config import ModelConfig
from gptoss_edu.rope import apply_rope, yarn_bound, yarn_inv_freq


@pytest.mark.parametrize("shape", [(1, 1, 1, 2), (2, 5, 3, 8)])
def test_rotation_is_the_literal_definition(shape):
    """The two halves are paired, once, with cos and sin of half the width.

    Report: NVIDIA/TensorRT-LLM 16378. Report: TransformerLensOrg/TransformerLens 1618.
    """
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=generator)
    angles = torch.randn(shape[1], shape[3] // 2, generator=generator)
    found = apply_rope(x, angles.cos(), angles.sin())
    np.testing.assert_allclose(
        found.double().numpy(), reference.rope(x, angles.cos(), angles.sin()), rtol=1e-4, atol=1e-5
    )


def test_rotation_keeps_lengths_and_depends_on_the_distance_alone():
    q, k = torch.randn(2, 1, 1, 1, 8, generator=torch.Generator().manual_seed(1))
    speeds = torch.tensor([1.0, 0.5, 0.1, 0.01])

    def turned(x, position):
        return apply_rope(x, (position * speeds).cos()[None], (position * speeds).sin()[None])

    assert turned(q, 37.0).norm() == pytest.approx(q.norm().item(), rel=1e-5)
    near, far = ((turned(q, p) * turned(k, p - 5)).sum().item() for p in (7.0, 300.0))
    assert near == pytest.approx(far, abs=1e-3)


def test_yarn_has_the_released_bounds():
    """The ramp's bounds are 8.09 and 17.40, not rounded to whole pairs.

    Report: vllm-project/vllm 27722. Report: sgl-project/sglang 14270.
    """
    c = ModelConfig.gpt_oss_20b()
    assert yarn_bound(32, c.head_dim, c.rope_theta, 4096) == pytest.approx(8.092779, abs=1e-6)
    assert yarn_bound(1, c.head_dim, c.rope_theta, 4096) == pytest.approx(17.398024, abs=1e-6)
    inv_freq, concentration = yarn_inv_freq(64, 150_000.0, 32.0, 4096)
    plain = 150_000.0 ** -(np.arange(32) / 32)
    assert concentration == pytest.approx(1.3465735903, abs=1e-9)
    np.testing.assert_allclose(inv_freq[:9], plain[:9], rtol=1e-6)
    np.testing.assert_allclose(inv_freq[18:], plain[18:] / 32, rtol=1e-6)
    assert (inv_freq[9:18].numpy() < plain[9:18]).all() and (inv_freq[9:18].numpy() > plain[9:18] / 32).all()


@pytest.mark.parametrize("head_dim", [4, 8, 16, 32, 64, 128])
def test_yarn_equals_transformers_at_any_head_size(head_dim):
    from transformers import GptOssConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    for context, theta, factor in product((16, 64, 726, 4096, 65536), (10.0, 1e4, 150_000.0), (1.0, 4.0, 32.0)):
        if theta == 10.0 and context == 65536:  # the lower bound exceeds the last pair, so transformers' ramp reverses
            continue
        config = replace(
            BASE, head_dim=head_dim, initial_context_length=context, rope_theta=theta, rope_scaling_factor=factor
        )
        expected, scaling = ROPE_INIT_FUNCTIONS["yarn"](GptOssConfig(**config.to_hf_dict(packed=False)))
        inv_freq, concentration = yarn_inv_freq(head_dim, theta, factor, context)
        torch.testing.assert_close(inv_freq, expected, rtol=2e-5, atol=0, msg=f"context {context}, theta {theta}")
        assert concentration == pytest.approx(scaling)
