"""Test the kernels that draw tokens against torch's operators, in Triton's interpreter on a CPU or on a GPU."""

import math

import pytest
import torch

pytest.importorskip("triton", reason="the Triton package is not installed (no wheel on this platform)")

from gptoss_edu.fast import draws
from gptoss_edu.generation import draw

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "block, v", [(16, 97), (16, 512), (4096, 300), pytest.param(4096, 201_088, marks=pytest.mark.slow)]
)
def test_the_kernels_draw_what_torch_draws(monkeypatch, block, v, dtype):
    monkeypatch.setattr(draws, "BLOCK", block)
    generator = torch.Generator().manual_seed(v)
    logits = (3 * torch.randn(7, v, generator=generator)).to(DEVICE, dtype)
    logits[:, 5:40] = -torch.inf  # whole blocks of it
    logits[0, :3], logits[3, :40] = -torch.inf, -torch.inf  # where a draw of 0 would fall
    logits[2, v // 2] = logits[2, 3] = 30.0  # the first of two largest
    numbers = torch.rand(7, generator=generator)
    numbers[0], numbers[1], numbers[3] = 0.0, 1 - 2**-24, 0.0
    for terms in ([0.0] * 7, [1.0] * 7, [0.3, 0.0, 0.0, 2.5, 1e-30, 1e30, 1.0]):
        temperatures = torch.tensor(terms).to(DEVICE)
        tokens, logprobs = draws.draw_rows(logits, numbers.to(DEVICE), temperatures)
        for i, temperature in enumerate(terms):
            token, logprob = draw(logits[i : i + 1], numbers[i : i + 1].to(DEVICE), temperature)
            assert tokens[i] == token[0], (i, temperature)
            assert abs(logprobs[i] - logprob[0]) < 1e-4


def test_the_kernels_take_columns_and_rows_of_larger_tensors():
    generator = torch.Generator().manual_seed(1)
    wide, numbers = torch.randn(6, 70, generator=generator), torch.rand(4, 9, generator=generator)
    for lines in (wide[1:5, :50], wide.T.contiguous().T[1:5, 3:53]):
        found = draws.draw_rows(lines.to(DEVICE), numbers.to(DEVICE)[:, 7], torch.ones(4).to(DEVICE))
        right = draw(lines, numbers[:, 7], 1.0)
        assert found[0].tolist() == right[0].tolist() and found[1].tolist() == pytest.approx(
            right[1].tolist(), abs=1e-4
        )


@pytest.mark.parametrize("value, where", [(math.nan, 7), (math.nan, ...), (math.inf, 7), (-math.inf, ...)])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_kernels_mark_logits_that_are_no_numbers(value, where, temperature):
    logits = torch.randn(2, 300, generator=torch.Generator().manual_seed(1))
    logits[1, where] = value
    tokens, logprobs = draws.draw_rows(
        logits.to(DEVICE), torch.tensor([0.5, 0.5]).to(DEVICE), torch.full((2,), temperature).to(DEVICE)
    )
    assert logprobs.isfinite().tolist() == [True, False]
    assert 0 <= tokens.min() and tokens.max() < 300, "the next step can look it up"


def test_the_kernels_draw_in_proportion():
    probabilities = torch.tensor([0.0, 0.25, 0.0, 0.5, 0.25, 0.0])
    numbers = torch.arange(0.5, 40) / 40
    logits = probabilities.log().expand(40, -1).to(DEVICE)
    found = draws.draw_rows(logits, numbers.to(DEVICE), torch.ones(40).to(DEVICE))[0].bincount(minlength=6)
    assert found.tolist() == [0, 10, 0, 20, 10, 0]
