"""Test traces and interventions of a fast model.

On a GPU they run as in use, elsewhere with the kernels in Triton's interpreter.
"""

import copy

import numpy as np
import pytest
import torch
from test_kernels import DEVICE, LARGE, gpu, needs_gpu, random_packed, relative, shaped_like_20b, small_config

import gptoss_edu
from gptoss_edu import trace
from gptoss_edu.errors import TraceError
from gptoss_edu.fast import FastTransformer

HEADS = [(0, 1), (1, 2)]
CHANGES = [
    trace.MaskExpert(0, 1), trace.MaskExpert(1, 2, "drop"), trace.ForceExpert(1, 3), trace.ExpertsPerToken(1),
    trace.ShiftSink(), trace.SetWindow(0, 3), trace.ZeroHeads(1, group=0),
]  # fmt: skip


@pytest.fixture(scope="module")
def pair():
    """Return a reference model and the fast model with its weights, in float32, so that their routers agree."""
    reference = random_packed(small_config(num_experts=6, experts_per_token=2), 5)
    return reference, FastTransformer.from_reference(reference, DEVICE, LARGE)


@pytest.fixture(scope="module")
def tokens():
    return torch.randint(0, 97, (1, 14), generator=torch.Generator().manual_seed(9))


def error(name: str, found, right) -> float:
    """Return the mean absolute difference of an array between two traces."""
    a, b = (np.nan_to_num(run[name].astype(np.float32), posinf=0, neginf=0) for run in (found, right))
    return float(np.abs(a - b).mean())


@pytest.mark.slow
def test_a_fast_model_is_captured_unfused_says_so_and_is_fast_again(pair, tokens):
    reference, fast = pair
    plain = fast(tokens)
    with trace.capture(fast, heads=HEADS) as run:
        assert relative(fast(tokens).cpu(), plain.cpu()) < 1e-4
    right = trace.record(reference, tokens[0], heads=HEADS)
    assert "unfused" in run.meta["origin"]["path"] and "path" not in right.meta["origin"]
    assert np.array_equal(run["expert_indices"], right["expert_indices"])
    for name in ("sink_mass", "exact.0.1", "exact.1.2", "router_logits", "surprisal"):
        assert error(name, run, right) < 1e-3, name
    with pytest.raises(ZeroDivisionError), trace.capture(fast):
        raise ZeroDivisionError
    with pytest.raises(TraceError, match="unknown level"), trace.capture(fast, level="all"):
        pass
    assert fast.stand_in is None and torch.equal(fast(tokens), plain)
    twin = trace.reference_twin(fast)
    assert twin.embedding.weight.data_ptr() == fast.weights["embedding.weight"].data_ptr()


@pytest.mark.slow
def test_a_generation_may_begin_captured_and_go_on_fast(pair, tokens):
    reference, fast = pair
    right = reference(tokens)[0]
    cache = fast.new_cache(1, 20)
    with trace.capture(fast) as run:
        fast(tokens[:, :10], cache)
        fast(tokens[:, 10:11], cache)
    assert len(run) == 11
    for i in (11, 12):  # past the window of 8
        assert relative(fast(tokens[:, i : i + 1], cache)[0, 0].cpu(), right[i]) < 1e-4


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: type(change).__name__)
def test_every_intervention_works_on_a_fast_model(pair, tokens, change):
    reference, fast = pair
    with trace.intervene(reference, change), torch.no_grad():
        right = reference(tokens)
    with trace.intervene(fast, change), trace.capture(fast) as run:
        assert relative(fast(tokens).cpu(), right) < 1e-4
    assert relative(right, reference(tokens)) > 1e-3 and fast.stand_in is None
    assert [said["kind"] for said in run.meta["interventions"]] == [type(change).__name__]


def test_a_finished_capture_leaves_an_outer_intervention_in_force(pair, tokens):
    reference, fast = pair
    change = trace.ZeroHeads(1, group=0)
    with trace.intervene(reference, change), torch.no_grad():
        right = reference(tokens)
    with trace.intervene(fast, change):
        with trace.capture(fast):
            fast(tokens)
        assert relative(fast(tokens).cpu(), right) < 1e-4
    assert fast.stand_in is None and relative(right, reference(tokens)) > 1e-3


@pytest.mark.slow
def test_comparison_and_patch_of_a_fast_model(pair, tokens):
    _, fast = pair
    change = trace.compare(fast, tokens[0], trace.MaskExpert(1, 2))
    assert (change.base["expert_indices"][1] == 2).any() and not (change.other["expert_indices"][1] == 2).any()
    other, point = tokens.flip(1), "block.0.resid_post"
    patch = trace.Patch(point, trace.values_at(fast, other[0], point)[point])
    with trace.intervene(fast, patch):
        patched = fast(tokens)
    assert relative(patched, fast(other)) < 1e-4


@pytest.mark.slow
def test_removed_sinks_in_a_batch_of_unequal_lengths(pair):
    """Without sinks, a row that sees no key would be NaN; try prompt and steps, one of them with a row resting."""
    reference, fast = pair
    bare = copy.deepcopy(reference)
    for block in bare.block:
        block.attn.sinks.fill_(-torch.inf)
    bare_fast = FastTransformer.from_reference(bare, DEVICE, LARGE)
    text = torch.randint(0, 97, (2, 9), generator=torch.Generator().manual_seed(4))
    caches = [model.new_cache(2, 12) for model in (bare, bare_fast, fast)]
    for part, counts in ((text, [9, 3]), (text[:, :1], [1, 0]), (text[:, 1:2], [1, 1])):
        right = bare(part, caches[0], counts, last_only=True)
        kernels = bare_fast(part, caches[1], counts, last_only=True).cpu()
        with trace.intervene(fast, trace.ShiftSink()):
            changed = fast(part, caches[2], counts, last_only=True).cpu()
        rows = [i for i in range(2) if counts[i]]
        for found in (kernels, changed):
            assert found.isfinite().all() and relative(found[rows], right[rows]) < 1e-4


@gpu
@needs_gpu
def test_gpt_oss_tiny_on_a_gpu_is_traced_as_closely_as_bfloat16_allows():
    """Compare with float32 on the CPU; the error may be as large as the reference path's in bfloat16."""
    model = gptoss_edu.load_model(device="cuda", experts="packed")
    assert isinstance(model, FastTransformer)
    reference = gptoss_edu.load_model(device="cpu", dtype=torch.float32)
    exact, ids, _ = trace.trace_answer(reference, "What is 47 times 36?", max_new_tokens=120, heads=HEADS, lens=True)
    halves = gptoss_edu.load_model(device="cpu", dtype=torch.bfloat16, experts="dense")
    theirs = trace.record(halves, ids, heads=HEADS, lens=True)
    plain = model(torch.tensor([ids]))
    with trace.capture(model, heads=HEADS, lens=True) as ours:
        model(torch.tensor([ids]))
    assert "unfused" in ours.meta["origin"]["path"] and ours.meta["origin"]["device"].startswith("cuda")
    for name in ("sink_mass", "router_logits", "residual_norm", "head_entropy", "pooled", "exact.0.1", "exact.1.2"):
        assert error(name, ours, exact) < 2 * error(name, theirs, exact) + 1e-4, name
    for layer, head in HEADS:
        weights, sink = ours.attention(layer, head)
        assert np.abs(weights.sum(1) + sink - 1).max() < 0.01
    clear = exact["router_margin"] > 0.2
    chosen, right = (np.sort(run["expert_indices"], -1)[clear] for run in (ours, exact))
    assert clear.mean() > 0.2 and (chosen == right).all(-1).mean() > 0.97
    assert (ours["next_tokens"][:, 0] == plain[0].argmax(-1).cpu().numpy()).mean() > 0.9

    busiest = int(np.bincount(exact["expert_indices"][2].ravel()).argmax())
    masked = trace.trace_answer(
        model, "What is 47 times 36?", max_new_tokens=40, interventions=[trace.MaskExpert(2, busiest)]
    )[0]
    assert not (masked["expert_indices"][2] == busiest).any() and (ours["expert_indices"][2] == busiest).any()
    with trace.intervene(model, trace.ShiftSink()):
        removed = trace.record(model, ids)
    assert (removed["sink_mass"] == 0).all()
    assert torch.equal(model(torch.tensor([ids])), plain) and model.stand_in is None


@gpu
@needs_gpu
def test_a_20b_shaped_fast_model_is_traced_like_its_reference():
    exact, halves = shaped_like_20b(7)
    model = FastTransformer.from_reference(halves)
    tokens = torch.randint(0, 97, (1, 300), device="cuda", generator=torch.Generator("cuda").manual_seed(3))
    plain = model(tokens)
    with trace.capture(model, heads=[(0, 5), (1, 60)]) as ours:
        inside = model(tokens)
    theirs, right = (trace.record(m, tokens[0].cpu(), heads=[(0, 5), (1, 60)]) for m in (halves, exact))
    assert (ours["expert_indices"] == theirs["expert_indices"]).mean() > 0.99
    for name in ("sink_mass", "router_logits", "exact.0.5", "exact.1.60"):
        assert error(name, ours, theirs) < 1e-3, name
        assert error(name, ours, right) < 1.5 * error(name, theirs, right) + 1e-4, name
    exact_logits = exact(tokens)
    bound = relative(halves(tokens), exact_logits)
    assert relative(inside, exact_logits) < 1.5 * bound and relative(plain, exact_logits) < 1.5 * bound
    with trace.intervene(model, trace.MaskExpert(0, 3), trace.ShiftSink(layer=1)), trace.capture(model) as changed:
        model(tokens)
    assert not (changed["expert_indices"][0] == 3).any() and (changed["sink_mass"][1] == 0).all()
    assert torch.equal(model(tokens), plain)
