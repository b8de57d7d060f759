"""When a small model decodes on a processor, one compiled function takes the step (`step_kernel.py`); and when not.

`load_model` gives `step` to models that it suits. Before each step it looks whether the model still is what it was: no
hook, no gradient, no module, function, attribute or cache exchanged. Where anything differs it returns None, and the
reference path computes.

Weights are read where they lie, those of the experts through bytes that are compared with them (`step_products.py`).
What torch counts as a write, and any change of a whole matrix, counts at the next step. One way is slower: an edit of a
few experts' numbers that goes round torch's counter (through `.data` or NumPy), between two steps of one text less than
MOMENT apart, counts after at most SLICES uses of that expert.
"""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import lru_cache
from operator import attrgetter
from threading import Event

import numpy as np
import torch
from torch import Tensor, nn

from gptoss_edu import options
from gptoss_edu.attention import AttentionBlock
from gptoss_edu.cache import KVCache
from gptoss_edu.config import ModelConfig
from gptoss_edu.moe import MLPBlock
from gptoss_edu.norm import RMSNorm
from gptoss_edu.transformer import Transformer, TransformerBlock, without_numbers

from .originals import all_original
from .step_ready import READY

PARTS = (
    "attn.norm.scale", "attn.qkv.weight", "attn.qkv.bias", "attn.sinks", "attn.out.weight", "attn.out.bias",
    "mlp.norm.scale", "mlp.gate.weight", "mlp.gate.bias", "mlp.mlp1_weight", "mlp.mlp1_bias", "mlp.mlp2_weight",
    "mlp.mlp2_bias",
)  # fmt: skip
ENDS = ("embedding.weight", "norm.scale", "unembedding.weight")
KINDS = {
    "": Transformer, "embedding": nn.Embedding, "block": nn.ModuleList, "norm": RMSNorm, "unembedding": nn.Linear,
}  # fmt: skip
KINDS_IN_BLOCK = {
    "": TransformerBlock, "attn": AttentionBlock, "attn.norm": RMSNorm, "attn.qkv": nn.Linear, "attn.out": nn.Linear,
    "mlp": MLPBlock, "mlp.norm": RMSNorm, "mlp.gate": nn.Linear,
}  # fmt: skip
CACHE_METHODS = {name for name in dir(KVCache) if callable(getattr(KVCache, name))}
MOMENT = 0.1  # seconds
TOKENS_PER_THREAD = 4  # fewer are not worth a second thread
PIECE = 128  # tokens of a prompt that go through the model together: their numbers stay in the caches


def suits(model: Transformer) -> bool:
    """Return whether the compiled step can compute this model, as it is now."""
    return isinstance(model, Transformer) and refusal(model) is None


def step(
    model: Transformer, tokens: Tensor, cache: KVCache, counts: list[int], last_only: bool = True
) -> Tensor | None:
    """Return logits (b, 1, v) after new tokens in each row, and extend the cache; None if the reference path must run.

    tokens : (b, t), counts[i] of them in row i; logits of a row without any are zero. Logits of earlier tokens, which
    not `last_only` asks for, are left to the reference path.
    """
    t = tokens.shape[1]
    if (t > 1 and not last_only) or torch.is_grad_enabled() or not all_original():
        return None
    plan = plan_of(model)
    if plan is None or not plain_cache(cache, model.config):
        return None
    held = cache.row_lengths
    if READY.ask(begins=t > 1 or 0 in held) is None:  # a prompt is read; before it may stand a prefix that was kept
        return None
    table = rope_table(model, max(held) + t)
    if table is None:
        return None
    plan.doubt(cache)
    cache.announce(t, counts)
    logits = torch.zeros(len(counts), model.config.vocab_size, dtype=torch.float32)
    addresses = np.array([[x.data_ptr() for x in cache.keys], [x.data_ptr() for x in cache.values]])
    slots = np.array([x.shape[2] for x in cache.keys])
    rest = (
        plan.at, plan.code_addresses, plan.uses, plan.ends, addresses, slots, plan.sizes, plan.eps, plan.limit,
        *table, logits.numpy(),
    )  # fmt: skip
    ids, before, new = tokens.to(torch.int64).numpy(), np.array(held), np.array(counts)
    rows = np.flatnonzero(new)
    parts = min(thread_count(), len(rows), int(new.sum()) // TOKENS_PER_THREAD)
    if len(rows):
        _in_threads(
            lambda some, stopped: _compute(ids, before, new, some, rest, stopped), np.array_split(rows, max(1, parts))
        )
    cache.advance()
    plan.last_step = time.monotonic()
    return logits[:, None]


def _in_threads(compute: Callable[[np.ndarray, Event], None], parts: list[np.ndarray]) -> None:
    """Call `compute` for each part, the first one in this thread; leave when no part is being computed any more.

    Whoever interrupts this thread may free the memory that the others write to, so they are waited for.
    """
    here, elsewhere, stopped = parts[:1], [], Event()
    try:
        for part in parts[1:]:
            future = _submitted(compute, part, stopped)
            if future is None:
                here.append(part)
            else:
                elsewhere.append(future)
        for part in here:
            compute(part, stopped)
        wait(elsewhere)
    except BaseException:
        stopped.set()
        wait(elsewhere)
        raise
    for future in elsewhere:
        future.result()


def _submitted(compute: Callable, *arguments) -> Future | None:
    """Begin a call in a thread; return None where the interpreter ends and lends none any more."""
    try:
        return threads().submit(compute, *arguments)
    except RuntimeError:
        return None


def _compute(
    ids: np.ndarray, before: np.ndarray, new: np.ndarray, rows: np.ndarray, rest: tuple, stopped: Event
) -> None:
    """Let the compiled step read the new tokens of some rows, PIECE at a time, unless it is stopped.

    ids : (b, t); before, new : (b,) tokens held and to be read.
    """
    if ids.shape[1] == 1:
        READY.step(ids[rows, 0], before[rows], rows, np.arange(len(rows)), rows, *rest)
        return
    ends = new[rows].cumsum()
    row_of = np.repeat(rows, new[rows])
    column = np.arange(len(row_of)) - np.repeat(ends - new[rows], new[rows])
    tokens, positions, last = ids[row_of, column], before[row_of] + column, ends - 1
    for start in range(0, len(row_of), PIECE):
        if stopped.is_set():
            return
        now = slice(start, start + PIECE)
        ending = (last >= start) & (last < start + PIECE)
        READY.step(tokens[now], positions[now], row_of[now], last[ending] - start, rows[ending], *rest)


def plain_cache(cache: KVCache, config: ModelConfig) -> bool:
    """Return whether a cache is the package's own, with the slots that the reference path would give it."""
    if type(cache) is not KVCache or CACHE_METHODS & vars(cache).keys():
        return False
    b, g, d = cache.batch_size, config.num_key_value_heads, config.head_dim
    if not len(cache.keys) == len(cache.values) == config.num_hidden_layers:
        return False
    return all(
        tensor.shape == (b, g, cache._slots(config.layer_window(layer)), d)
        and tensor.is_contiguous()
        and tensor.dtype == torch.float32
        and tensor.is_cpu
        and not tensor.requires_grad  # a graph counts the writes to what it has kept, and these are not counted
        for tensors in (cache.keys, cache.values)
        for layer, tensor in enumerate(tensors)
    )


def rope_table(model: Transformer, needed: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Return cos and sin (positions, d/2) of the model's table; the model extends it if it is too short.

    None if somebody has put a table of another kind there.
    """
    table = model._rope_table
    if table is None or len(table[0]) < needed or table[0].dtype != torch.float32:
        model._rope(torch.tensor([[needed - 1]]))
        table = model._rope_table
    shape = len(table[0]), model.config.head_dim // 2
    if not all(x.shape == shape and x.is_contiguous() and x.is_cpu and x.dtype == torch.float32 for x in table):
        return None
    return table[0].detach().numpy(), table[1].detach().numpy()


def thread_count() -> int:
    """Return among how many threads the rows of a batch are divided."""
    return max(torch.get_num_threads(), options.spare_threads)


@lru_cache(1)
def threads() -> ThreadPoolExecutor:
    """Return threads for the rows of a batch; the compiled step releases Python's lock, so they run in parallel."""
    return ThreadPoolExecutor(thread_count(), "fused step")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=threads.cache_clear)  # a child has the pool, but none of its threads


# --------------------------------------------------------------------------------------------- is the model as it was


class Plan:
    """What an accepted model was when it was last looked at, and the addresses of its weights.

    Holds the dictionaries and parts of a model, not the model: the plan goes when the model does.
    """

    def __init__(self, model: Transformer):
        config, layers = model.config, range(model.config.num_hidden_layers)
        self.parts = [module for module in model.modules() if module is not model]
        self.kinds, self.spaces = list(map(type, self.parts)), list(map(vars, self.parts))
        self.copies = list(map(_copied, self.spaces))
        self.top = _copied(vars(model))
        weights = dict(model.named_parameters())
        self.weights = list(weights.values())
        self.layout = _layout(self.weights)
        at = [[weights[f"block.{i}.{part}"].data_ptr() for i in layers] for part in PARTS]
        self.at = np.array([*at, [config.num_experts for _ in layers]], np.int64)
        self.ends = np.array([weights[name].data_ptr() for name in ENDS], np.int64)
        self.sizes = (
            config.hidden_size, config.num_attention_heads, config.num_key_value_heads, config.head_dim,
            config.experts_per_token, config.intermediate_size, config.vocab_size,
        )  # fmt: skip
        # by name: a parameter that was registered anew stands last in its module
        self.experts = [weights[f"block.{i}.mlp.mlp{matrix}_weight"] for i in layers for matrix in (1, 2)]
        self.codes = [np.zeros(w.numel(), np.int8) for w in self.experts]  # w1 and w2 of each layer in turn
        self.code_addresses = np.array([code.ctypes.data for code in self.codes]).reshape(-1, 2).T.copy()
        self.uses = np.zeros((config.num_hidden_layers, config.num_experts), np.int64)
        self.cache: weakref.ref | None = None
        self.versions: list[int] = []
        self.last_step = 0.0
        self.trusted = model in _trusted
        self.eps, self.limit = np.float32(config.rms_norm_eps), np.float32(config.swiglu_limit)

    def doubt(self, cache: KVCache) -> None:
        """Let the bytes be compared with the weights as a whole before their next use, wherever there was an occasion.

        That is another text, a write that torch has counted, or a moment in which somebody could have run a cell. Of a
        trusted model only the writes count.
        """
        versions = [-1 if w.is_inference() else w._version for w in self.experts]
        same = versions == self.versions
        if not self.trusted:
            same = same and self.cache is not None and self.cache() is cache
            same = same and time.monotonic() - self.last_step <= MOMENT
        if not same:
            self.uses[:] = 0
            self.cache, self.versions = weakref.ref(cache), versions

    def holds(self, model: Transformer) -> bool:
        """Return whether the model has the same modules and weights; values may have changed."""
        try:
            return (
                type(model) is Transformer
                and vars(model) == self.top
                and self.spaces == self.copies
                and list(map(type, self.parts)) == self.kinds
                and _layout(self.weights) == self.layout
            )
        except Exception:  # another array stands where one stood, and two arrays do not compare to one truth
            return False


def _copied(attributes: dict) -> dict:
    return {name: dict(value) if isinstance(value, dict) else value for name, value in attributes.items()}


def _layout(weights: list[Tensor]) -> list[list]:
    """Return where the weights are, and their layout; with `map`, because every step asks for it."""
    return [list(map(ask, weights)) for ask in (Tensor.data_ptr, Tensor.stride, Tensor.numel, attrgetter("dtype"))]


_plans: weakref.WeakKeyDictionary[Transformer, Plan] = weakref.WeakKeyDictionary()
_trusted: weakref.WeakSet[Transformer] = weakref.WeakSet()


def trust(model: Transformer) -> None:
    """Compare a model's experts as a whole only once: nobody else reaches its weights, as in a server's own process.

    The comparison reads all weights of the experts, which a short prompt would wait for.
    """
    _trusted.add(model)
    _plans.pop(model, None)


def plan_of(model: Transformer) -> Plan | None:
    """Return the model's plan, remade if the model has changed; None if the compiled step does not suit it."""
    plan = _plans.get(model)
    if plan is None or not plan.holds(model):
        _plans.pop(model, None)
        if refusal(model) is not None:
            return None
        plan = _plans[model] = Plan(model)
    return plan


def refusal(model: Transformer) -> str | None:
    """Return why the compiled step would not compute what this model does; None where it would."""
    found = dict(model.named_modules())
    if any(getattr(module, "active", None) is not None for module in found.values()):
        return "a hook looks on"
    config = model.config
    if {name: type(module) for name, module in found.items()} != _kinds(config):
        return "a module was exchanged, added or removed"
    for name, module in found.items():
        methods = {key for key in vars(module) if callable(getattr(type(module), key, None))} - {"quick_step"}
        if methods or any("hook" in key and value for key, value in vars(module).items()):
            return f"{name or 'the model'} has a hook of torch's or a method of its own"
        if getattr(module, "eps", config.rms_norm_eps) != config.rms_norm_eps:
            return f"{name} has another eps"
    heads = config.num_attention_heads, config.num_key_value_heads, config.head_dim
    for i, block in enumerate(model.block):
        attn, mlp = block.attn, block.mlp
        said = (attn.layer_index, attn.window, attn.h, attn.g, attn.d, mlp.k, mlp.limit)
        if said != (i, config.layer_window(i), *heads, config.experts_per_token, config.swiglu_limit):
            return f"block.{i} has other numbers than the configuration"
    weights = dict(model.named_parameters())
    if {name: tuple(weight.shape) for name, weight in weights.items()} != _shapes(config):
        return "a weight has another shape or name"
    for name, w in weights.items():
        if type(w) is not nn.Parameter or w.dtype != torch.float32 or not (w.is_cpu and w.is_contiguous()):
            return f"{name} is not float32 on the processor, row after row"
        if w.untyped_storage().nbytes() < 4 * (w.storage_offset() + w.numel()):
            return f"{name} has given its memory back"
    rows = config.qkv_rows, config.hidden_size, config.num_experts, config.vocab_size, 2 * config.intermediate_size
    return "a weight's rows are no multiple of four" if any(n % 4 for n in rows) else None


@lru_cache(8)
def _kinds(config: ModelConfig) -> dict[str, type]:
    blocks = {f"block.{i}": KINDS_IN_BLOCK for i in range(config.num_hidden_layers)}
    return KINDS | {f"{b}.{name}".rstrip("."): kind for b, kinds in blocks.items() for name, kind in kinds.items()}


@lru_cache(8)
def _shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    with without_numbers():
        return {name: tuple(weight.shape) for name, weight in Transformer(config).named_parameters()}
