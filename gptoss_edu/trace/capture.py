"""Record a forward pass or a generation through the model's hook points, without changing a single bit."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from torch import Tensor

from gptoss_edu.errors import TraceError
from gptoss_edu.fast.unfused import PATH, unfused

from . import interventions
from .levels import LENS_TOKENS, NEXT_TOKENS, checked_level
from .metadata import shape_meta, token_arrays, vocabulary
from .record import Trace
from .statistics import AttentionRows, PooledAttention, head_statistics, next_token_statistics, routing_statistics

LENS_ROWS = 256  # rows of logits computed at once: 206 MB for a vocabulary of 201,088


class Run(Trace):
    """The trace that a `capture` block fills; ready when the block ends."""


@contextmanager
def capture(
    model, level: str = "default", heads=(), row: int = 0, lens: bool | str = "auto", path=None, max_tokens: int = 4096
) -> Iterator[Run]:
    """Record what a model computes within the block: one forward pass, or a prefill and the steps that follow it.

    On the reference path the result stays the same to the bit, since the hooks only read. The fast path has no hook
    points, so within the block a fast model computes with unfused operations on the same weights. Its results differ by
    that path's tested tolerance, and the trace says so (`run.meta["origin"]["path"]`).

    Parameters
    ----------
    model : gptoss_edu.transformer.Transformer, or a fast model.
    level : what to keep, see `gptoss_edu.trace.LEVELS` and `bytes_per_token`.
    heads : up to eight (layer, head) pairs whose attention rows are kept exactly; implies level "exact".
    row : the batch's row to record.
    lens : keep the logit lens: True, False, or "auto" (if it costs less than a layer).
    path : a folder for the memory-mapped rows of level "full".
    max_tokens : room in those files.

    Yields
    ------
    Run : a Trace, filled when the block ends; `len(run)` tokens.

    Raises
    ------
    TraceError : unknown level or head, a model without hook points, or a second run in one block.
    """
    with unfused(model) as seen:
        recorder = Recorder(seen, level, heads, row, lens, path, max_tokens)
        run = Run()
        with recorder.attached():
            yield run
    recorder.finish(run)
    if seen is not model:
        run.meta["origin"]["path"] = PATH


def record(model, tokens, chunk: int | None = None, **options) -> Run:
    """Trace one sequence of token ids with a forward pass.

    Parameters
    ----------
    tokens : (t,) ids.
    chunk : tokens per pass; None: all at once. A long text on a large model needs less memory in chunks.
    options : as for `capture`.
    """
    ids = torch.as_tensor(np.asarray(tokens, np.int64), device=model.device)[None]  # (1, t)
    with torch.no_grad(), capture(model, **options) as run:
        if chunk is None or chunk >= ids.shape[1]:
            model(ids)
        else:
            cache = model.new_cache(1, ids.shape[1])
            for part in ids.split(chunk, dim=1):
                model(part, cache)
    return run


class Recorder:
    """Collects arrays during forward passes; use it through `capture`."""

    def __init__(self, model, level, heads, row, lens, path, max_tokens):
        self.model, self.row = model, row
        self.level, self.heads = checked_level(model, level, heads, path)
        c = model.config
        active = 3 * c.experts_per_token * c.intermediate_size * c.hidden_size
        self.lens = (c.hidden_size * c.vocab_size <= active) if lens == "auto" else bool(lens)
        self.parts: dict[str, list] = {}
        self.tokens: list[int] = []
        self.last_log_probs: Tensor | None = None
        self.pooled = PooledAttention(c.num_hidden_layers, c.num_attention_heads)
        self.exact = AttentionRows(c, self.heads, path if self.level == "full" else None, max_tokens)
        self.applied: list[dict] = []
        self.reach: dict[int, int] = {}  # layer -> keys that it spans, where it attends beyond its window

    @contextmanager
    def attached(self):
        """Attach hooks at the start of each pass, so that they come after any intervention and see its result."""
        stack = ExitStack()

        def before(module, args, kwargs):
            self._begin(*_forward_arguments(args, kwargs))
            stack.enter_context(self.model.hooks(self._functions()))

        def after(module, args, kwargs, output):
            stack.close()

        handles = (
            self.model.register_forward_pre_hook(before, with_kwargs=True),
            self.model.register_forward_hook(after, with_kwargs=True, always_call=True),
        )
        try:
            yield
        finally:
            stack.close()
            for handle in handles:
                handle.remove()

    def _begin(self, tokens: Tensor, cache, lengths) -> None:
        """Record which positions this pass covers; `self.key_positions[window]` has those of its keys."""
        b, t = tokens.shape
        if not 0 <= self.row < b:
            raise TraceError(f"capture: the batch has rows 0 to {b - 1}, row {self.row} was asked for.")
        counts = [t] * b if lengths is None else [int(n) for n in lengths]
        past = [0] * b if cache is None else [int(n) for n in cache.lengths]
        if past[self.row] != len(self.tokens):
            raise TraceError(
                f"one capture records one run: {len(self.tokens)} tokens are recorded, and this pass starts at position"
                f" {past[self.row]}. Open another capture for another run."
            )
        self.count, self.width = counts[self.row], t
        self.queries = past[self.row] + np.arange(self.count)
        self.key_positions = {
            w: _key_positions(past, counts, self.row, t, cache, w) for w in {None, self.model.config.sliding_window}
        }
        self.tokens += tokens[self.row, : self.count].tolist()
        self.applied = interventions.active(self.model)
        self.exact.windows = self._windows()

    def _windows(self, seen: bool = True) -> list[int | None]:
        """Return each layer's window, including changes by an intervention; None stands for the whole text.

        With `seen`, a layer whose weights lie beyond its window has their span in its place.
        """
        windows = [block.attn.window for block in self.model.block]
        for change in self.applied:
            if change["kind"] == "SetWindow":
                windows[change["layer"]] = change["window"]
        for layer, reach in self.reach.items() if seen else ():
            windows[layer] = None if reach >= len(self.tokens) - 1 else reach
        return windows

    def _look_beyond(self, layer: int, weights: Tensor, keys: np.ndarray) -> None:
        """Notice a layer that attends beyond its window, so that one whose mask was left out is not shown with it."""
        window = self._windows(seen=False)[layer]
        if window is None:
            return
        distance = self.queries[:, None] - keys[None, :]  # (t, s)
        beyond = (distance >= window) & (keys >= 0)[None, :]
        if not beyond.any():
            return
        reached = beyond & weights[:, :, :-1].amax(0).gt(0).cpu().numpy()
        if reached.any():
            self.reach[layer] = max(self.reach.get(layer, 0), int(distance[reached].max()) + 1)
            self.exact.windows = self._windows()

    def _functions(self) -> dict:
        """Return hook functions by point; each returns None, so nothing is replaced."""
        functions = {}
        for layer, block in enumerate(self.model.block):
            point = f"block.{layer}."
            for name in ("router_logits", "expert_indices", "expert_weights"):
                functions[f"{point}mlp.{name}"] = self._routing(name, layer)
            if self.level != "routing":
                functions[f"{point}attn.weights"] = self._attention(layer, block.attn.window)
                functions[f"{point}resid_post"] = self._residual(layer + 1)
        if self.level != "routing":
            functions["embedding"] = self._residual(0)
            functions["logits"] = self._logits
        return functions

    def _keep(self, name: str, layer: int | None, value) -> None:
        value = value.detach().cpu().numpy() if isinstance(value, Tensor) else value
        self.parts.setdefault(name if layer is None else f"{name}.{layer}", []).append(value)

    def _mine(self, value: Tensor) -> Tensor:
        """Return this row's part of a value of all (n = b·t) tokens."""
        start = self.row * self.width
        return value[start : start + self.count].detach()

    def _routing(self, name: str, layer: int):
        def look(value: Tensor, _: str) -> None:
            self._keep(name, layer, self._mine(value) if name == "expert_indices" else self._mine(value).float())

        return look

    def _residual(self, index: int):
        def look(value: Tensor, _: str) -> None:
            x = value[self.row, : self.count].detach()  # (t, c)
            self.stream = x
            self._keep("residual_norm", index, x.float().square().mean(-1).sqrt())
            if self.lens and index:
                for part in x.split(LENS_ROWS):
                    probs = self.model.unembedding(self.model.norm(part)).float().softmax(-1)
                    top = probs.topk(min(LENS_TOKENS, probs.shape[-1]), -1)
                    self._keep("lens_tokens", index - 1, top.indices)
                    self._keep("lens_probs", index - 1, top.values)

        return look

    def _attention(self, layer: int, window: int | None):
        def look(value: Tensor, _: str) -> None:
            weights = value[self.row, :, : self.count].detach().float()  # (h, t, s+1)
            keys = self.key_positions[window]
            self._look_beyond(layer, weights, keys)
            sink, entropy, distance = head_statistics(weights, self.queries, keys)
            for name, stat in (("sink_mass", sink), ("head_entropy", entropy), ("head_distance", distance)):
                self._keep(name, layer, stat.T)  # (t, h)
            self.pooled.add(layer, weights, self.queries, keys)
            self.exact.add(layer, weights, self.queries, keys)

        return look

    def _logits(self, value: Tensor, _: str) -> None:
        for start in range(0, self.count, LENS_ROWS):
            stop = min(self.count, start + LENS_ROWS)
            log_probs = self._rows_of_logits(value, start, stop).detach().float().log_softmax(-1)  # (r, v)
            first = len(self.tokens) - self.count + start
            mine = self.tokens[first : first + stop - start]
            surprisal, top, entropy = next_token_statistics(log_probs, self.last_log_probs, mine, NEXT_TOKENS)
            self.last_log_probs = log_probs[-1].clone()
            self._keep("surprisal", None, surprisal)
            self._keep("next_tokens", None, top.indices)
            self._keep("next_probs", None, top.values.exp())
            self._keep("next_entropy", None, entropy)

    def _rows_of_logits(self, value: Tensor, start: int, stop: int) -> Tensor:
        """Return logits (r, v) of some positions, computing them if the pass made only those of the last token."""
        if value.shape[1] == self.width:
            return value[self.row, start:stop]
        return self.model.unembedding(self.model.norm(self.stream[start:stop]))

    def finish(self, run: Run) -> None:
        """Assemble the arrays of the run."""
        if not self.tokens:
            raise TraceError("nothing was recorded: call the model, or generate, inside the capture block.")
        model, encoding = self.model, self.model.tokenizer
        run.arrays |= token_arrays(self.tokens, encoding)
        run.arrays |= self._stacked()
        if self.level != "routing":
            run.arrays["pooled"], run.arrays["pooled_sink"] = self.pooled.result(len(self.tokens))
            run.arrays |= self.exact.result(len(self.tokens))
        k = run.arrays["expert_indices"].shape[-1]  # an intervention may have changed it
        run.arrays |= routing_statistics(run.arrays, k)
        run.meta.update(describe_model(model), level=self.level, interventions=self.applied)
        run.meta.update(experts_per_token=k, windows=self._windows())
        run.meta["vocabulary"] = vocabulary(run.arrays, encoding)
        if "pooled" in run.arrays:
            run.meta["pool_bin"] = self.pooled.bin

    def _stacked(self) -> dict[str, np.ndarray]:
        joined: dict = {}
        for key in list(self.parts):
            name, _, layer = key.partition(".")
            joined.setdefault(name, []).append((int(layer or 0), np.concatenate(self.parts.pop(key))))
        out = {}
        for name, by_layer in joined.items():
            if name == "expert_indices" and len({a.shape[-1] for _, a in by_layer}) > 1:
                raise TraceError(
                    "the layers chose different numbers of experts, and a trace holds one number for all; "
                    "trace ExpertsPerToken without a layer."
                )
            single = name in ("surprisal", "next_tokens", "next_probs", "next_entropy")
            whole = by_layer[0][1] if single else np.stack([a for _, a in sorted(by_layer, key=lambda pair: pair[0])])
            integer = {"expert_indices": np.uint8, "next_tokens": np.int32, "lens_tokens": np.int32}
            out[name] = whole.astype(integer.get(name, np.float16))
        return out


def describe_model(model) -> dict:
    """Return the part of a trace's meta that names the model, its shape and where it ran."""
    c = model.config
    name = (
        getattr(model, "name", None) or f"gpt-oss architecture, {c.num_hidden_layers} layers of width {c.hidden_size}"
    )
    origin = {
        "device": str(model.device),
        "dtype": str(model.dtype).removeprefix("torch."),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    return shape_meta(c, [block.attn.window for block in model.block], name, origin)


def _forward_arguments(args: tuple, kwargs: dict):
    values = dict(zip(("tokens", "cache", "lengths"), args, strict=False)) | kwargs
    return values["tokens"], values.get("cache"), values.get("lengths")


def _key_positions(past, counts, row, t, cache, window) -> np.ndarray:
    """Return the position of each key in a layer with this window, -1 in an empty slot; a ring is out of order."""
    if cache is None:
        return np.arange(t)
    slots = cache.max_length if window is None else min(window, cache.max_length)

    def stored(lengths: list[int]) -> np.ndarray:
        slot = np.arange(min(slots, max(lengths)))
        last = lengths[row] - 1
        held = last - (last - slot) % slots
        return np.where(held < 0, -1, held)

    after = [p + c for p, c in zip(past, counts, strict=True)]
    if t == 1 or window is None:
        return stored(after)
    return np.concatenate([stored(past), np.where(np.arange(t) < counts[row], past[row] + np.arange(t), -1)])
