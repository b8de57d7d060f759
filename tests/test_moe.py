"""The router and the experts agree with their definitions, written out literally."""

import numpy as np
import pytest
import torch

from gptoss_edu.checks import reference
from gptoss_edu.moe import every_expert_outputs, expert_linear, expert_outputs, moe, route, swiglu


def drawn(*shapes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for shape in shapes]


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("shape", [(7,), (3, 7), (2, 3, 7)])
def test_route_is_the_literal_definition(shape, k):
    x, weight, bias = drawn(shape, (5, 7), (5,))
    weights, indices = route(x, weight, bias, k)
    right_weights, right_indices = reference.route(x, weight, bias, k)
    np.testing.assert_allclose(weights.double().numpy(), right_weights, rtol=1e-5)
    assert (indices.numpy() == right_indices).all()


@pytest.mark.parametrize("n", [1, 4])
def test_the_mixture_is_the_literal_definition(n):
    """Gate and up are alternating rows of the first matrix, not its two halves.

    Report: vllm-project/vllm 27024. Report: vllm-project/vllm 29273. Report: ROCm/ATOM 885.
    """
    e, c, f, k = 6, 5, 4, 3
    x, gate, w1, b1, w2, b2 = drawn((n, c), (e, c), (e, 2 * f, c), (e, 2 * f), (e, c, f), (e, c), seed=n)
    weights, indices = route(x, gate, torch.zeros(e), k)
    found = moe(x * 4, weights, indices, w1, b1, w2, b2)
    right = reference.moe(x * 4, weights, indices, w1, b1, w2, b2)
    np.testing.assert_allclose(found.double().numpy(), right, rtol=1e-4, atol=1e-4)


def test_the_gate_is_clamped_from_above_only():
    """Below -7 the gated value is tiny, so that a wrong clamp there stays within any tolerance on the logits.

    Report: PrimeIntellect-ai/prime-rl 2365.
    """
    gate, up = (
        x.flatten() for x in torch.meshgrid(torch.linspace(-20, 20, 81), torch.linspace(-20, 20, 81), indexing="ij")
    )
    found = swiglu(torch.stack((gate, up), dim=-1).flatten())
    gate, up = gate.double().numpy(), up.double().numpy()
    expected = np.minimum(gate, 7) / (1 + np.exp(-1.702 * np.minimum(gate, 7))) * (np.clip(up, -7, 7) + 1)
    np.testing.assert_allclose(found.double().numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("m, r, c", [(1, 6, 5), (1, 7, 5), (3, 6, 5), (1, 512, 256)])
def test_an_experts_single_row_is_the_same_product(m, r, c, dtype):
    torch.manual_seed(0)
    x, weight, bias = torch.randn(m, c).to(dtype), torch.randn(r, c).to(dtype), torch.randn(r).to(dtype)
    for rows in (x, x[:1].expand(m, c), torch.randn(c, m).to(dtype).T):  # whatever its strides
        expected = (rows.double() @ weight.double().T + bias.double()).to(dtype)
        torch.testing.assert_close(
            expert_linear(rows, weight, bias), expected, rtol=2e-2 if dtype == torch.bfloat16 else 1e-4, atol=1e-4
        )


def test_one_tokens_experts_are_those_of_the_token_in_a_batch():
    e, c, f = 5, 16, 8
    torch.manual_seed(0)
    weights = torch.randn(e, 2 * f, c), torch.randn(e, 2 * f), torch.randn(e, c, f), torch.randn(e, c)
    x, indices = torch.randn(4, c), torch.tensor([[0, 3, 1], [4, 4, 0], [2, 1, 0], [3, 0, 4]])
    whole = expert_outputs(x, indices, *weights)
    for row in range(4):
        torch.testing.assert_close(
            expert_outputs(x[row : row + 1], indices[row : row + 1], *weights)[0], whole[row], rtol=1e-4, atol=1e-4
        )


def test_computing_every_expert_gives_the_same_outputs_and_gradients():
    """A GPU does so for batches; chosen outputs and all gradients are those of the sorted copies."""
    e, c, f, n, k = 6, 16, 8, 12, 3
    weights = drawn((e, 2 * f, c), (e, 2 * f), (e, c, f), (e, c), seed=1)
    (x,), indices = drawn((n, c), seed=2), torch.rand(n, e).argsort(-1)[:, :k]
    parts, found = [x, *weights], []
    for function in (expert_outputs, lambda *args: every_expert_outputs(*args, limit=7.0)):
        leaves = [part.clone().requires_grad_() for part in parts]
        out = function(leaves[0], indices, *leaves[1:])
        out.square().sum().backward()
        found.append([out.detach(), *(leaf.grad for leaf in leaves)])
    for sorted_copies, every in zip(*found, strict=True):
        torch.testing.assert_close(every, sorted_copies, rtol=1e-4, atol=1e-4)
