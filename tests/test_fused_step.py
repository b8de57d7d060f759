"""Test the compiled step of a small model: it gives the reference path's tokens, and steps aside where it must.

The reference is always a copy of the altered model without the compiled step.
"""

import copy
import gc
import os
import subprocess
import sys
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from unittest import mock

import numpy as np
import pytest
import torch
from torch import nn

from gptoss_edu import KVCache, ModelConfig, generate, generate_batch, load_model, options, random_model
from gptoss_edu.attention import AttentionBlock
from gptoss_edu.course.planted_faults import KINDS
from gptoss_edu.course.planted_faults import plant as planted
from gptoss_edu.course.specimens import plant as specimen
from gptoss_edu.engines.pool import Pool
from gptoss_edu.engines.request import Request
from gptoss_edu.errors import GptOssError
from gptoss_edu.fast import fused_step, originals
from gptoss_edu.fast.step_ready import Ready
from gptoss_edu.moe import MLPBlock
from gptoss_edu.trace.interventions import ExpertsPerToken, ShiftSink, intervene
from gptoss_edu.training.adapters import add_lora

pytest.importorskip("numba", reason="the compiled step needs numba: pip install 'gptoss-edu[cpu]'")
step_products = pytest.importorskip("gptoss_edu.fast.step_products")
pytestmark = pytest.mark.slow  # its kernels are compiled first
PROMPT = torch.arange(300, 340)[None]  # (1, 40): longer than the window


@pytest.fixture(autouse=True)
def compiled_steps(monkeypatch):
    """Use compiled steps in this file; all other tests use plain steps (conftest.py)."""
    monkeypatch.setenv("GPTOSS_EDU_STEP", "compiled")


@pytest.fixture(scope="module")
def model():
    assert fused_step.READY.now() is not None, fused_step.READY.why_not
    yield load_model()
    fused_step.READY.wanted = False


@contextmanager
def counted():
    """Count how often the compiled step runs within the block; READY's own is used."""
    calls, right = [], fused_step.READY.step

    def count(*arguments):
        calls.append(len(arguments[2]))
        return right(*arguments)

    fused_step.READY.step = count
    try:
        yield calls
    finally:
        fused_step.READY.step = right


@contextmanager
def plain(model):
    """Give the model no compiled step within the block."""
    kept, model.quick_step = model.quick_step, None
    try:
        yield
    finally:
        model.quick_step = kept


@torch.no_grad()
def decoded(model, steps: int = 3, cache=None) -> torch.Tensor:
    """Return the logits (steps, v) of given tokens after the prompt, fed one at a time with a cache."""
    cache = model.new_cache(1, 64) if cache is None else cache
    model(PROMPT, cache=cache)
    return torch.cat([model(torch.tensor([[500 + i]]), cache=cache)[0] for i in range(steps)])


def close(a, b, scale: float = 1e-5) -> bool:
    return bool((a - b).abs().max() <= scale * b.abs().max())


def copied(model):
    return copy.deepcopy(model, {id(model.tokenizer): model.tokenizer})


# ------------------------------------------------------------------------------------------------------ the same result


def test_it_can_be_left_out(model, monkeypatch):
    monkeypatch.setattr(fused_step.READY, "wanted", False)
    for how, steps in (("plain", 0), ("compiled", 3)):
        monkeypatch.setenv("GPTOSS_EDU_STEP", how)
        with counted() as calls:
            decoded(model)
        assert len(calls) == steps


@torch.no_grad()
def test_eighty_prompts_give_the_same_tokens(model):
    """Compare a batch of rows of different lengths, past the window: logits within 1e-5 of the scale, tokens equal."""
    generator = torch.Generator().manual_seed(0)
    prompts = torch.randint(256, 2000, (80, 8), generator=generator)
    lengths = torch.randint(1, 9, (80,), generator=generator)
    cache = model.new_cache(80, 64)
    first = model(prompts, cache=cache, lengths=lengths, last_only=True)[:, -1].argmax(-1, keepdim=True)
    twin, ours, theirs = copy.deepcopy(cache), first, first
    for _ in range(26):
        with counted() as calls:
            fused = model(ours, cache=cache, last_only=True)[:, -1]
        assert sum(calls) == 80
        with plain(model):
            reference = model(theirs, cache=twin, last_only=True)[:, -1]
        assert close(fused, reference)
        ours, theirs = fused.argmax(-1, keepdim=True), reference.argmax(-1, keepdim=True)
        assert torch.equal(ours, theirs)
    assert cache.row_lengths == twin.row_lengths and max(cache.row_lengths) > model.config.sliding_window
    for ring, other in zip(cache.keys + cache.values, twin.keys + twin.values, strict=True):
        assert close(ring, other)


def test_generate_batch_and_the_pool_use_it_and_say_the_same(model):
    """Tokens stay the same when finished rows drop out (`select`) and rows of a pool join, wait and move (`rows`)."""
    prompts = [[300 + 7 * i, *range(400, 404 + 9 * i)] for i in range(5)]
    for ask in (
        lambda: list(generate(model, prompts[4], 12, temperature=0.8, seed=3)),
        lambda: [step.tokens for step in generate_batch(model, prompts, 24)],
        lambda: [
            r.sampled for r in sorted(Pool(model, 3).run([Request(p, 14) for p in prompts]), key=lambda r: r.number)
        ],
    ):
        with counted() as calls:
            ours = ask()
        with plain(model):
            assert ours == ask()
        assert len(calls) > 5


@pytest.mark.parametrize("c", [16, 24])
def test_other_shapes_of_random_weights(c):
    config = ModelConfig(3, 8, 2, 64, c, 2 * c, 4, 4, 1, 6, 64, 1000.0, 4.0)
    model = random_model(config, seed=c).requires_grad_(False)
    right = decoded_small(model)
    model.quick_step = fused_step.step
    assert fused_step.suits(model)
    with counted() as calls:
        assert close(decoded_small(model), right)
    assert len(calls) == 20


@torch.no_grad()
def decoded_small(model):
    cache = model.new_cache(2, 32)
    model(torch.arange(6).view(2, 3), cache=cache, lengths=torch.tensor([3, 1]))
    return torch.cat([model(torch.tensor([[i], [i + 9]]), cache=cache)[:, 0] for i in range(20)])


@torch.no_grad()
@pytest.mark.parametrize("threads", [1, 2])
def test_a_prompt_is_read_in_pieces(model, monkeypatch, threads):
    """Prompts of several lengths, some longer than a piece and than the window, behind tokens already held."""
    monkeypatch.setattr(fused_step, "PIECE", 16)
    prompts = torch.randint(256, 2000, (4, 50), generator=torch.Generator().manual_seed(1))
    cache = model.new_cache(4, 64)
    model(prompts[:, :7], cache=cache, lengths=torch.tensor([7, 1, 3, 5]))
    twin, lengths = copy.deepcopy(cache), torch.tensor([50, 33, 0, 16])
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with counted() as calls:
            fused = model(prompts, cache=cache, lengths=lengths, last_only=True)
    finally:
        torch.set_num_threads(before)
    assert sum(calls) == 99 and max(calls) == 16
    with plain(model):
        right = model(prompts, cache=twin, lengths=lengths, last_only=True)
    counting = [0, 1, 3]
    assert fused.shape == right.shape and close(fused[counting], right[counting])
    for ring, other in zip(cache.keys + cache.values, twin.keys + twin.values, strict=True):
        assert close(ring, other)


def test_all_logits_of_a_prompt_come_from_the_reference_path(model):
    with torch.no_grad(), counted() as calls:
        assert model(PROMPT, cache=model.new_cache(1, 64)).shape[1] == PROMPT.shape[1]
    assert not calls


def test_a_row_that_does_not_count_stays_as_it_is(model):
    cache = model.new_cache(2, 16)
    with torch.no_grad(), counted() as calls:
        model(torch.tensor([[5], [6]]), cache=cache)
        kept = cache.keys[1][1].clone()
        model(torch.tensor([[7], [8]]), cache=cache, lengths=torch.tensor([1, 0]))
    assert calls == [2, 1] and cache.row_lengths == [2, 1] and torch.equal(cache.keys[1][1], kept)


def test_a_nan_is_heard_of(model):
    """An expert whose router logit is NaN is chosen, as by torch.topk, so that the logits visibly become NaN."""
    spoilt = copied(model)
    spoilt.block[2].mlp.gate.bias.data[3] = float("nan")
    with counted() as calls:
        assert decoded(spoilt).isnan().all() and calls


# -------------------------------------------------------------------------------------- changed values are read at once


def in_place(weight):
    with torch.no_grad():
        weight.mul_(1.5)


def by_data(weight):
    weight.data = weight.data * 1.5


def within_data(weight):
    weight.data.mul_(1.5)  # does not change the version counter


def by_numpy(weight):
    weight.numpy()[...] *= 1.5


def as_training_does(weight):
    weight.requires_grad_(True)
    weight.grad = -0.5 * weight.detach()
    torch.optim.SGD([weight], lr=1.0).step()
    weight.requires_grad_(False)


@pytest.mark.parametrize("change", [in_place, by_data, within_data, by_numpy, as_training_does])
@pytest.mark.parametrize("name", ["block.3.mlp.norm.scale", "block.1.mlp.mlp1_weight"])
def test_changed_weights_count_at_the_next_step(model, change, name):
    altered, before = copied(model), decoded(model)
    decoded(altered)  # now there is a plan
    change(altered.get_parameter(name))
    with counted() as calls:
        after = decoded(altered)
    with plain(altered):
        assert close(after, decoded(altered))
    assert len(calls) == 3 and not close(after, before, 1e-3)


@torch.no_grad()
@pytest.mark.parametrize("change", [in_place, by_data, within_data, by_numpy])
def test_changed_experts_count_within_a_text(model, change):
    """They count at once and with the same cache, even if only the weights themselves reveal the change."""
    altered, cache = copied(model), model.new_cache(1, 64)
    altered(PROMPT, cache=cache)
    for token in range(300, 304):
        altered(torch.tensor([[token]]), cache=cache)
    for layer in range(model.config.num_hidden_layers):
        change(altered.block[layer].mlp.mlp2_weight)
    twin = copy.deepcopy(cache)
    with counted() as calls:
        ours = altered(torch.tensor([[700]]), cache=cache)
    with plain(altered):
        assert calls and close(ours, altered(torch.tensor([[700]]), cache=twin))


@torch.no_grad()
def test_one_changed_number_counts_soon(model):
    """A change that bypasses torch's version counter is noticed once every slice of the bytes has been compared."""
    altered, cache = copied(model), model.new_cache(1, 128)
    altered(PROMPT, cache=cache)
    altered.block[0].mlp.gate.bias.data[:] = torch.arange(16.0) * 100  # experts 15 to 12 are always chosen
    for _ in range(3):
        altered(torch.tensor([[300]]), cache=cache)
    altered.block[0].mlp.mlp1_weight.data[15, 500, 200] = 1e4
    for _ in range(step_products.SLICES):
        altered(torch.tensor([[300]]), cache=cache)
    twin = copy.deepcopy(cache)
    ours = altered(torch.tensor([[300]]), cache=cache)
    with plain(altered):
        assert close(ours, altered(torch.tensor([[300]]), cache=twin))


@torch.no_grad()
def test_bytes_stand_for_experts_only_where_they_say_the_same(model):
    """Each expert's weights are read as bytes if they came from MXFP4, and as they are otherwise."""
    altered = copied(model)
    altered.block[1].mlp.mlp1_weight.data[3] += 0.001
    cache = altered.new_cache(64, 64)
    altered(torch.arange(64 * 5).view(64, 5) + 300, cache=cache)
    with counted() as calls:
        altered(torch.arange(64)[:, None] + 400, cache=cache)
    uses = fused_step.plan_of(altered).uses
    assert calls and uses[1, 3] == -1 and (uses >= 0).sum() == uses.size - 1 and (uses > 0).sum() > 48


def test_bytes_say_every_number_of_mxfp4_and_no_other():
    numbers = torch.tensor([0.0, 0.5, 1, 1.5, 2, 3, 4, 6])
    weights = torch.cat([sign * numbers * 2.0**e for sign in (1, -1) for e in range(-50, 4)]).numpy()
    codes = np.zeros(len(weights), np.int8)
    assert step_products.encode(weights, codes) and step_products.agree(weights, codes, 0, len(weights))
    for other in (1.25, 1e-20, 200.0, float("nan"), float("inf"), 1.0000001):
        assert not step_products.encode(np.array([1.0, other], np.float32), codes)


def test_another_view_of_the_same_memory_is_noticed(model):
    """A transposed square matrix has the same address and shape."""
    altered = copied(model)
    decoded(altered)
    weight = altered.block[0].mlp.mlp2_weight
    weight.data = weight.data.transpose(1, 2)
    with counted() as calls:
        after = decoded(altered)
    assert not calls
    with plain(altered):
        assert torch.equal(after, decoded(altered))


# ------------------------------------------------------------------------------------------------- where it steps aside


def doubled(x, *_):
    return 2 * x


def doubled_out(module, point, x):
    return 2 * x if point == "out" else x


def doubled_call(module, *arguments, **named):
    out = module._call_impl(*arguments, **named)
    return 2 * out if isinstance(module, nn.Linear) else out


def exchanged_swiglu(x, alpha=1.702, limit=7.0):
    return x[..., 0::2] * x[..., 1::2]


@contextmanager
def set_to(owner, **values):
    """Set attributes of a module within the block."""
    kept = {name: getattr(owner, name) for name in values}
    for name, value in values.items():
        setattr(owner, name, value)
    try:
        yield
    finally:
        for name, value in kept.items():
            if name == "forward":
                delattr(owner, name)
            else:
                setattr(owner, name, value)


@contextmanager
def torch_hook(module):
    handle = module.register_forward_hook(lambda module, inputs, output: 2 * output)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def torch_hook_on_all():
    handle = nn.modules.module.register_module_forward_hook(
        lambda module, inputs, output: 2 * output if isinstance(module, nn.Linear) else None
    )
    try:
        yield
    finally:
        handle.remove()


class Louder(torch.overrides.TorchFunctionMode):
    def __torch_function__(self, function, types, arguments=(), named=None):
        out = function(*arguments, **(named or {}))
        return 2 * out if function is torch.sigmoid else out


ASIDE = {
    "a hook": lambda m: m.hooks({"block.2.attn.out": doubled}),
    "a hook that only looks": lambda m: m.hooks({"final_norm": lambda x, name: None}),
    "an intervention by hooks": lambda m: intervene(m, ShiftSink(2.0)),
    "an intervention without": lambda m: intervene(m, ExpertsPerToken(2, layer=1)),
    "a mocked norm": lambda m: mock.patch("gptoss_edu.norm.rms_norm", lambda x, scale, eps: x),
    "a mocked activation": lambda m: mock.patch("gptoss_edu.moe.swiglu", exchanged_swiglu),
    "a mocked method": lambda m: mock.patch.object(KVCache, "_write", lambda self, keys, values, k, v: None),
    "a mocked function of torch": lambda m: mock.patch("torch.nn.functional.linear", lambda x, w, b=None: x @ w.T),
    "a mocked sigmoid": lambda m: mock.patch("torch.sigmoid", torch.tanh),
    "a mocked method of tensors": lambda m: mock.patch.object(torch.Tensor, "softmax", lambda x, dim: x.sigmoid()),
    "a mocked method of all modules": lambda m: mock.patch.object(nn.Module, "__call__", doubled_call),
    "a mocked method, inherited": lambda m: mock.patch.object(MLPBlock, "at", doubled_out),
    "a mocked call of one kind": lambda m: mock.patch.object(AttentionBlock, "__call__", lambda self, x, *_: 0 * x),
    "a mocked call of one kind of torch's": lambda m: mock.patch.object(nn.Linear, "__call__", doubled_call),
    "a function mode": lambda m: Louder(),
    "a profiler": lambda m: torch.autograd.profiler.profile(),
    "autocast": lambda m: torch.autocast("cpu", torch.bfloat16),
    "gradients": lambda m: torch.enable_grad(),
    "a hook of torch": lambda m: torch_hook(m.block[1].mlp),
    "a hook of torch on all modules": lambda m: torch_hook_on_all(),
    "a forward of its own": lambda m: set_to(m.block[1].mlp, forward=lambda x: 0 * x),
    "another window": lambda m: set_to(m.block[2].attn, window=None),
    "another eps": lambda m: set_to(m.block[1].attn.norm, eps=1.0),
    "another limit": lambda m: set_to(m.block[4].mlp, limit=0.1),
    "a block less": lambda m: set_to(m, block=m.block[:-1]),
    "another module": lambda m: set_to(m.block[1], attn=m.block[3].attn),
    **{f"specimen: {name}": lambda m, name=name: specimen(name) for name in ("long", "unnoticed", "unfailing", "zero")},
    "specimen: review": lambda m: specimen("review"),
    "specimen: surprised": lambda m: specimen("surprised"),
}


@pytest.mark.parametrize("case", ASIDE)
def test_it_steps_aside(model, case):
    """Under each change the altered model computes; afterwards the compiled step is used again."""
    altered = model if case.startswith(("a mocked", "specimen")) else copied(model)
    decode = decoded.__wrapped__ if case == "gradients" else decoded
    decode(altered, 1)
    with ASIDE[case](altered), counted() as calls:
        after = decode(altered).detach()
        assert not calls
    with ASIDE[case](altered), plain(altered):
        assert torch.equal(after, decode(altered).detach())
    with counted() as calls:
        assert close(decoded(altered), decoded(model))
    assert len(calls) == 6


@pytest.mark.parametrize("case", ["a hook", "a mocked norm", "gradients", "a forward of its own", "another limit"])
def test_a_prompt_steps_aside_too(model, case):
    """Reading a prompt for its last logits only is the compiled step's work as well."""
    altered = model if case.startswith("a mocked") else copied(model)

    def last() -> torch.Tensor:
        with torch.set_grad_enabled(torch.is_grad_enabled() and case == "gradients"):
            return altered(PROMPT, cache=altered.new_cache(1, 64), last_only=True).detach()

    with counted() as calls, torch.no_grad():
        before = last()
    assert len(calls) == 1
    with ASIDE[case](altered), counted() as calls:
        after = last()
    with ASIDE[case](altered), plain(altered):
        assert not calls and torch.equal(after, last())
    assert close(after, before) == (case == "gradients")


@pytest.mark.parametrize("kind", KINDS)
def test_planted_faults_show(model, kind):
    """Each fault of chapter 10, in weights or in hooks, has the same effect as on the reference path."""
    faulty = planted(model, kind, 2)
    ours = decoded(faulty)
    with plain(faulty):
        assert close(ours, decoded(faulty))


def test_bytes_are_kept_for_the_matrix_they_were_made_of(model):
    """A parameter that is registered again comes last among the parameters of its module."""
    altered = copied(model)
    mlp = altered.block[2].mlp
    weight = mlp.mlp1_weight
    del mlp.mlp1_weight
    mlp.mlp1_weight = weight
    plan = fused_step.plan_of(altered)
    assert [len(codes) for codes in plan.codes] == [
        getattr(block.mlp, name).numel() for block in altered.block for name in ("mlp1_weight", "mlp2_weight")
    ]


def test_adapters_count(model):
    adapted = copied(model)
    decoded(adapted)
    add_lora(adapted, 2, 4.0, ["attention"])
    for name, weight in adapted.named_parameters():
        if ".pairs." in name:
            weight.data.fill_(0.05)
    with counted() as calls:
        ours = decoded(adapted)
    assert not calls and not close(ours, decoded(model), 1e-2)


def test_a_cache_of_another_kind(model):
    """Try chapter 11's ring that is too short, and a cache that overrides a method."""

    class ShortRing(KVCache):
        def _slots(self, window):
            return super()._slots(None if window is None else window - 1)

    mute = model.new_cache(1, 64)
    mute.update = lambda layer, k, v: (k, v)
    cut = model.new_cache(1, 64)
    cut.keys[1] = cut.keys[1][:, :, :60]
    for cache in (ShortRing(model.config, 1, 64), mute, cut):
        with counted() as calls:
            decoded(model, cache=cache)
        assert not calls


def test_a_cache_with_a_gradient_that_is_too_short_or_elsewhere(model):
    """An address says nothing about a graph, a layer that is missing, or another device."""
    trained, short = copied(model).requires_grad_(True), model.new_cache(1, 64)
    grown = model.new_cache(1, 64)
    trained(PROMPT, cache=grown)
    short.keys.pop(), short.values.pop()
    with torch.no_grad(), counted() as calls:
        trained(torch.tensor([[5]]), cache=grown)
        for cache, error in (
            (short, IndexError),
            (KVCache(model.config, 1, 64, "meta"), (RuntimeError, NotImplementedError)),
        ):
            assert not fused_step.plain_cache(cache, model.config)
            with pytest.raises(error):
                model(torch.tensor([[5]]), cache=cache)
    assert not calls


def test_memory_that_was_given_back(model):
    emptied = copied(model)
    decoded(emptied)
    emptied.block[0].mlp.mlp1_weight.untyped_storage().resize_(0)
    assert not fused_step.suits(emptied)


def test_a_rope_table_of_another_layout(model):
    altered, right = copied(model), decoded(model)
    decoded(altered)
    altered._rope_table = tuple(table.T.contiguous().T for table in altered._rope_table)
    with counted() as calls:
        assert close(decoded(altered), right) and not calls


def test_another_default_dtype(model):
    right = decoded(model)
    torch.set_default_dtype(torch.float64)
    try:
        with counted() as calls:
            assert torch.equal(decoded(model), right) and calls
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("part", ["", "block.1.mlp"])
def test_attributes_that_do_not_compare_to_one_truth(model, part):
    altered, right = copied(model), decoded(model)
    for values in (np.arange(3), np.arange(3) + 1, torch.arange(3)):
        altered.get_submodule(part).notes = values
        with counted() as calls:
            assert torch.equal(decoded(altered), right) and calls


@pytest.mark.parametrize("sink", [1e4, 1e7, 1e30, -1e30, float("inf"), -float("inf")])
def test_sinks_far_from_the_scores(model, sink):
    altered = copied(model)
    altered.block[2].attn.sinks.data[1::2] = sink
    ours = decoded(altered)
    with plain(altered):
        right = decoded(altered)
    assert torch.equal(ours.isnan(), right.isnan()) and (right.isnan().any() or close(ours, right))


# ------------------------------------------------------------------------------------------------- threads, processes

BATCH = """
import os, signal, sys, threading, time, torch
from gptoss_edu import load_model
from gptoss_edu.fast import fused_step
torch.set_num_threads(2)
model, calls, step = load_model(), [], fused_step.READY.now()
def batch(t=20):  # so small that torch needs no threads of its own, which a forked process would wait for in vain
    with torch.no_grad():
        return model(torch.arange(300, 300 + 4 * t).view(4, t), cache=model.new_cache(4, t), last_only=True)
right = batch()
assert model.quick_step is not None and torch.isfinite(right).all()
"""
ENDS_OF_BATCH = {
    "a thread that outlives the main one": """
def later():
    threading.main_thread().join()
    print("right" if torch.allclose(batch(), right, atol=1e-4) else "wrong")
threading.Thread(target=later).start()
""",
    "a process that was forked": """
if not os.fork():
    signal.alarm(60)
    print("right" if torch.allclose(batch(), right, atol=1e-4) else "wrong", flush=True)
    os._exit(0)
os.wait()
""",
    "an interruption": """
def slow(*arguments):
    calls.append(1)
    time.sleep(0.5)
    step(*arguments)
    calls.pop()
fused_step.READY.step = slow
def interrupt(*_):
    raise KeyboardInterrupt
signal.signal(signal.SIGALRM, interrupt)
signal.setitimer(signal.ITIMER_REAL, 0.2)
try:
    batch(250)
except KeyboardInterrupt:
    print("wrong" if len(calls) > 1 else "right")  # the one that was interrupted did not end
""",
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="signals and forks are those of Unix")
@pytest.mark.parametrize("end", ENDS_OF_BATCH)
def test_a_batch_in_threads(end):
    """The threads' work is done by somebody, and nothing is written after the step has been left."""
    done = subprocess.run(
        [sys.executable, "-c", BATCH + ENDS_OF_BATCH[end]], env={**os.environ}, capture_output=True, text=True
    )
    assert done.stdout.strip() == "right", done.stdout + done.stderr


@pytest.mark.parametrize("options", [{"dtype": torch.float64}, {"dtype": torch.bfloat16}, {"experts": "packed"}])
def test_other_numbers_take_the_reference_path(options):
    assert load_model(**options).quick_step is None


def test_a_cast_model_takes_the_reference_path(model):
    wide = copied(model).double()
    with counted() as calls:
        assert decoded(wide).dtype == torch.float64 and not calls


def test_what_a_rope_of_its_own_does(model):
    """`fresh_rope`, which plants faults, gives its table to the compiled step too."""
    other = ModelConfig(**{**model.config.to_dict(), "rope_theta": 100.0})
    with model.fresh_rope(other):
        ours = decoded(model)
    with plain(model), model.fresh_rope(other):
        assert close(ours, decoded(model))
    assert not close(ours, decoded(model), 1e-2)


def test_everything_is_original_here_and_now():
    assert originals.SOUND and originals.all_original()


def test_errors_are_those_of_the_reference_path(model):
    cache = model.new_cache(1, 2)
    with torch.no_grad(), pytest.raises(GptOssError, match="room for 2 tokens"):
        for _ in range(3):
            model(torch.tensor([[5]]), cache=cache)
    with torch.no_grad(), pytest.raises(GptOssError, match="token ids"):
        model(torch.tensor([[2048]]), cache=model.new_cache(1, 2))


def test_a_plan_does_not_keep_its_model(model):
    gone = copied(model)
    decoded(gone)
    gone = weakref.ref(gone)
    gc.collect()
    assert gone() is None


# --------------------------------------------------------------------------------------------------------- being ready


def test_nothing_is_loaded_for_a_few_steps_nor_within_a_text(monkeypatch):
    monkeypatch.delenv("GPTOSS_EDU_STEP")
    ready = Ready()
    assert [ready.ask(begins=True) for _ in range(64)] == [None] * 64
    assert [ready.ask(begins=False) for _ in range(64)] == [None] * 64
    assert ready.ask(begins=True) is fused_step.READY.step is ready.ask(begins=False)


@torch.no_grad()
def test_a_prompt_after_a_kept_prefix_begins_too(model, monkeypatch):
    """A server keeps what its conversations share, so no row of its pool ever begins empty."""
    monkeypatch.delenv("GPTOSS_EDU_STEP")
    ready = Ready()
    monkeypatch.setattr(fused_step, "READY", ready)
    ready._asked = 64
    other = copied(model)
    cache = other.new_cache(1, 128)
    with plain(other):
        other(PROMPT, cache=cache)
    other(torch.tensor([[300]]), cache=cache, last_only=True)
    assert ready.step is None
    other(torch.tensor([[300, 301]]), cache=cache, last_only=True)
    assert ready.step is not None


def test_a_server_does_not_wait_for_its_first_answers(monkeypatch):
    monkeypatch.delenv("GPTOSS_EDU_STEP")
    ready = Ready()
    ready.soon()
    assert ready.step is not None


def test_gptoss_edu_serve_hurries_and_trusts(monkeypatch):
    from gptoss_edu.commands import serve

    monkeypatch.delenv("GPTOSS_EDU_STEP")
    monkeypatch.setattr(fused_step, "READY", Ready())
    served = load_model()
    serve.hurry(served)
    assert fused_step.READY.step is not None and fused_step.plan_of(served).trusted


@torch.no_grad()
def test_a_trusted_model_is_compared_once_and_counted_writes_still_count(model):
    altered = copied(model)
    fused_step.trust(altered)
    cache = altered.new_cache(1, 128)
    altered(PROMPT, cache=cache, last_only=True)
    uses = fused_step.plan_of(altered).uses.copy()
    altered(PROMPT, cache=altered.new_cache(1, 128), last_only=True)
    assert (fused_step.plan_of(altered).uses > uses)[uses > 0].all() and (uses > 0).any()  # not counted from 0 again
    altered.block[0].mlp.mlp1_weight.mul_(1.5)
    twin = copy.deepcopy(cache)
    ours = altered(torch.tensor([[300]]), cache=cache)
    with plain(altered):
        assert close(ours, altered(torch.tensor([[300]]), cache=twin))


def test_rows_are_divided_among_the_threads_that_torch_had(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert fused_step.thread_count() == 1
    monkeypatch.setattr(options, "spare_threads", 3)
    assert fused_step.thread_count() == 3


def test_where_nothing_is_compiled_another_process_compiles(monkeypatch):
    from gptoss_edu.fast import step_kernel, step_ready

    class Compiler:
        code = None

        def __init__(self, command, **how):
            assert command[1] == "-c" and "step_kernel.compiled()" in command[2]

        def poll(self):
            return self.code

    monkeypatch.delenv("GPTOSS_EDU_STEP")
    monkeypatch.setattr(step_kernel, "is_compiled", lambda: False)
    monkeypatch.setattr(step_ready.subprocess, "Popen", Compiler)
    ready = Ready()
    assert [ready.ask(begins=True) for _ in range(200)] == [None] * 200
    Compiler.code = 0
    assert ready.ask(begins=False) is None and ready.ask(begins=True) is not None


def test_several_threads_begin_one_compiler(monkeypatch):
    from gptoss_edu.fast import step_kernel, step_ready

    begun = []

    class Compiler:
        def __init__(self, command, **how):
            begun.append(command)

        def poll(self):
            return None

    def slowly():
        time.sleep(0.1)
        return False

    monkeypatch.delenv("GPTOSS_EDU_STEP")
    monkeypatch.setattr(step_kernel, "is_compiled", slowly)
    monkeypatch.setattr(step_ready.subprocess, "Popen", Compiler)
    ready = Ready()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: ready.soon(), range(4)))
    assert len(begun) == 1


def test_several_threads_load_one_step(monkeypatch):
    """Numba refuses to compile a function a second time, and that is no reason to report."""
    from gptoss_edu.fast import step_kernel

    right, loaded = object(), []

    def slowly():
        loaded.append(1)
        time.sleep(0.1)
        if len(loaded) > 1:
            raise RuntimeError("compilation disabled")
        return right

    monkeypatch.setattr(step_kernel, "compiled", slowly)
    ready = Ready()
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: ready.now(), range(4))) == [right] * 4
    assert ready.why_not is None and len(loaded) == 1


def test_an_interruption_does_not_end_the_compiler():
    """Ctrl-C in a terminal, or a notebook's stop, reaches all processes of the group."""
    from gptoss_edu.fast import step_ready

    told = step_ready.COMPILE.replace("step_kernel.compiled()", "os.kill(os.getpid(), signal.SIGINT); print('on')")
    assert told != step_ready.COMPILE
    done = subprocess.run([sys.executable, "-c", "import os, signal; " + told], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "on\n"), done.stderr


def test_a_numba_that_does_not_fit_says_why(monkeypatch):
    from gptoss_edu.fast import step_ready

    def refuse(name):
        raise ImportError("Numba needs NumPy 1.0 or less")

    monkeypatch.setattr(step_ready, "import_module", refuse)
    ready = Ready()
    assert ready.now() is None and "needs NumPy 1.0" in ready.why_not


def test_without_numba_it_says_so(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gptoss_edu.fast.step_kernel", None)
    ready = Ready()
    assert ready.now() is None and "pip install 'gptoss-edu[cpu]'" in ready.why_not
