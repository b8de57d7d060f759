"""Attention and its mask agree with their definitions, written out literally."""

import numpy as np
import pytest
import torch

from gptoss_edu.attention import attention, sliding_window_mask
from gptoss_edu.checks import reference
from gptoss_edu.transformer import Transformer


def drawn(b, t, s, h, g, d, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for shape in ((b, t, h, d), (b, s, g, d), (b, s, g, d), (h,))]


@pytest.mark.parametrize("window", [None, 1, 3, 100])
@pytest.mark.parametrize("sizes", [(1, 1, 1, 1, 1, 4), (2, 5, 5, 4, 2, 8), (2, 3, 9, 6, 3, 4), (1, 1, 7, 4, 1, 2)])
def test_attention_is_the_literal_definition(sizes, window):
    q, k, v, sinks = drawn(*sizes)
    found = attention(q, k, v, sinks, window).double().numpy()
    np.testing.assert_allclose(found, reference.attention(q, k, v, sinks, window), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sink", [-torch.inf, -300.0, 300.0])
def test_a_sink_takes_nothing_or_everything(sink):
    """A sink near 0 is lost in rounding: only a large one and -inf show whether it is applied.

    Report: NVIDIA/TransformerEngine 2541.
    """
    q, k, v, _ = drawn(1, 4, 4, 2, 1, 4)
    found = attention(q, k, v, torch.full((2,), sink))
    if sink > 0:
        assert found.abs().max() < 1e-6
    else:
        right = torch.nn.functional.scaled_dot_product_attention(
            q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), is_causal=True, enable_gqa=True
        )
        torch.testing.assert_close(found, right.transpose(1, 2))


def test_scores_of_any_size_are_safe():
    q, k, v, sinks = drawn(1, 3, 3, 2, 1, 4)
    found = attention(q * 1e3, k * 1e3, v, sinks)
    assert found.isfinite().all()
    np.testing.assert_allclose(
        found.double().numpy(), reference.attention(q * 1e3, k * 1e3, v, sinks), rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("window", [None, 1, 4, 128])
def test_the_mask_goes_by_positions(window):
    """A window of n keys includes the query's own: never n + 1 keys.

    Report: NVIDIA-NeMo/Megatron-Bridge 2656. Report: NVIDIA/Megatron-LM 2771. Report: ml-explore/mlx-lm 390.
    """
    queries, keys = torch.tensor([9, 10, 200]), torch.tensor([8, 9, 10, 7, 100, 200, 73, 72])
    mask = sliding_window_mask(queries, keys, window)
    assert mask.dtype == torch.bool
    assert (mask.numpy() == reference.mask(queries, keys, window).astype(bool)).all()
    assert window is None or (mask.sum(-1) <= window).all()


def test_a_new_model_holds_no_uninitialised_memory(monkeypatch, small_config):
    """Sinks from `torch.empty` hold whatever was in memory: NaN on some runs, harmless numbers on others.

    Report: tenstorrent/tt-xla 5912.
    """
    empty = torch.empty

    def never_zero_by_luck(*args, **kwargs):
        made = empty(*args, **kwargs)
        return made.fill_(torch.nan) if made.is_floating_point() else made

    monkeypatch.setattr(torch, "empty", never_zero_by_luck)
    for name, parameter in Transformer(small_config).named_parameters():
        assert parameter.isfinite().all(), name
