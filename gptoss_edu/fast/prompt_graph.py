"""Short prompts on a GPU: all launches of a forward pass, recorded once for each shape and replayed as a CUDA graph.

A prompt of 128 tokens needs some 300 kernels. Python starts one in about 20 microseconds, so that the launches take
longer than the kernels. A graph starts all of them at once, but it is tied to the addresses and shapes with which it
was recorded. Four things make one recording serve every prompt:

- Lengths are padded up to those of `Tuning.prompt_graphs`, rows to a power of two. Padding computes but changes
  nothing: causal attention does not look at it, no expert gets it, and the cache keeps none of it.
- What differs from call to call, tokens and numbers, is copied into buffers that stay.
- No cache is recorded. The kernels read where its tensors are from a table, one of the buffers, so that the graph
  reads and writes the cache of the call, which may be new each time.
- What stands in the cache is a number too: with nothing in it, the loop over its keys ends at once.

The first prompt of a shape runs the launches one by one, which compiles the kernels; the second records; from the third
on they are replayed. The last norm and the unembedding stay outside: they are launched while the graph runs. If
recording fails, that shape returns to the launches without buffers, with a warning.
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gptoss_edu.cache import KVCache

from . import decode
from .alone import ALONE
from .launch_words import pow2

if TYPE_CHECKING:
    from .model import FastTransformer

MOST_TOKENS = 1024  # of all rows, padding included, beyond which the kernels take longer than their launches


def last_places(counts: list[int], t: int) -> list[int]:
    """Return where each row's last token lies among all rows' t tokens; a row without any gives its first place."""
    return [row * t + max(count - 1, 0) for row, count in enumerate(counts)]


class GraphRecorder:
    """Record launches as CUDA graphs that share memory for what they compute in between, since one runs at a time."""

    def __init__(self, device: torch.device):
        self.device, self.pool = device, torch.cuda.graph_pool_handle()
        self.stream = torch.cuda.Stream(device)  # one for all, since the matrix library keeps 32 MiB for each

    def __call__(self, launch: Callable[[], None]) -> Callable[[], None]:
        """Return the replay of these launches, which must have run before, so that their kernels are compiled."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(self.device):
            torch.cuda.current_blas_handle()  # made at a thread's first use, which no recording may be
            before = torch.cuda.current_stream()
            try:
                with torch.cuda.graph(graph, pool=self.pool, stream=self.stream, capture_error_mode="thread_local"):
                    launch()
            except BaseException:
                torch.cuda.set_stream(before)
                self._recover()
                raise
            torch.cuda.set_stream(before)
        return graph.replay

    def _recover(self) -> None:
        """Leave the state of recording after a failure, which torch does not: pool and random numbers stay in it."""
        with contextlib.suppress(RuntimeError):
            torch._C._cuda_endAllocateToPool(torch.cuda.current_device(), self.pool)
        self.pool = torch.cuda.graph_pool_handle()
        with torch.cuda.graph(torch.cuda.CUDAGraph(), stream=self.stream):  # one that succeeds resets the generator
            torch.zeros(1, device=self.device)


RECORDERS: dict[str, Callable] = {"cuda": GraphRecorder}  # by type of device; elsewhere nothing is recorded


class PromptShape:
    """The buffers of one shape, and its recording.

    tokens : (rows, t); x : (rows·t, c), the residual stream; table : (layers, 4) int64, see `attend.cache_at`
    starts, new, last : (rows,) int32, tokens in the cache, tokens that count, and places of the last ones
    """

    def __init__(self, model: FastTransformer, rows: int, t: int):
        layers, device = len(model.layers), model.device
        self.rows, self.t = rows, t
        self.tokens = torch.zeros(rows, t, dtype=torch.int64, device=device)
        self.x = torch.zeros(rows * t, model.config.hidden_size, dtype=model.dtype, device=device)
        # table and numbers arrive in one copy
        self.buffer = torch.zeros(4 * layers + -(-3 * rows // 2), dtype=torch.int64, device=device)
        self.table, self.starts, self.new, self.last = self.parts(self.buffer, layers)
        self.replay: Callable[[], None] | None = None
        self.rehearsed = False

    def parts(self, buffer: Tensor, layers: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return table, starts, new and last as views of a buffer."""
        numbers = buffer[4 * layers :].view(torch.int32)[: 3 * self.rows].view(3, self.rows)
        return buffer[: 4 * layers].view(layers, 4), *numbers.unbind(0)

    def fill(self, tokens: Tensor, cache: KVCache, past: list[int], counts: list[int]) -> None:
        """Copy in what differs from call to call. Rows beyond those of the call are empty."""
        b, t = tokens.shape
        layers, none = len(cache.keys), [0] * (self.rows - b)
        buffer = torch.zeros(self.buffer.shape, dtype=torch.int64)
        table, starts, new, last = self.parts(buffer, layers)
        both = zip(cache.keys, cache.values, strict=True)
        table.copy_(torch.tensor([(k.data_ptr(), v.data_ptr(), k.shape[2], 0) for k, v in both]))
        for place, numbers in ((starts, past), (new, counts), (last, last_places(counts, self.t))):
            place.copy_(torch.tensor(numbers + none))
        self.buffer.copy_(buffer)
        self.tokens[:b, :t].copy_(tokens)

    def launch(self, model: FastTransformer) -> None:
        """Launch embedding and layers. Everything that they read is in the buffers, nothing depends on the call."""
        c = model.config.hidden_size
        block_c = min(1024, pow2(c))
        decode.embed_kernel[(self.rows * self.t, -(-c // block_c))](
            self.tokens, model.embedding, self.x, c, BLOCK_C=block_c, num_warps=4
        )
        caches = [(row, row) for row in self.table]
        model.launch_layers(self.x, caches, self.starts, self.new, self.t, True, self.new, table=True)

    def record(self, model: FastTransformer, recorder: Callable) -> None:
        """Record the launches, if they have run before: this compiled the kernels. Nothing is computed."""
        if self.replay is None and self.rehearsed:
            self.replay = recorder(lambda: self.launch(model))

    def run(self, model: FastTransformer) -> None:
        """Compute x from the buffers."""
        if self.replay is None:
            self.launch(model)
            self.rehearsed = True
        else:
            self.replay()


class PromptGraphs:
    """The recordings of one model: at most one for each length and number of rows."""

    def __init__(self):
        self.shapes: dict[tuple[int, int], PromptShape] = {}
        self.failed: set[tuple[int, int]] = set()
        self.recorder: Callable | None = None
        self.lock = threading.Lock()

    def __deepcopy__(self, memo: dict) -> PromptGraphs:
        """Return none: a copy of a model has tensors of its own."""
        return PromptGraphs()

    def shape(self, model: FastTransformer, b: int, t: int) -> tuple[int, int] | None:
        """Return the rows and tokens with which a prompt is read from a recording; None if it is not."""
        rows, length = pow2(b), min((n for n in model.tuning.prompt_graphs if n >= t), default=None)
        if length is None or model.ranks is not ALONE or model.device.type not in RECORDERS:
            return None
        copies = rows * length * model.config.experts_per_token
        if rows * length > MOST_TOKENS or copies >= model.tuning.unpack_from * model.config.num_experts:
            return None
        return None if (rows, length) in self.failed else (rows, length)

    def read(
        self, model: FastTransformer, tokens: Tensor, cache: KVCache, past: list[int], counts: list[int],
        last_only: bool,
    ) -> Tensor | None:  # fmt: skip
        """Read prompts (b, t) into the cache. Returns x (b, c) of their last tokens, or (b·t, c); None if it did not.

        past : tokens that each row of the cache holds; counts : how many of the t tokens count in each row
        """
        b, t = tokens.shape
        key = self.shape(model, b, t)
        if key is None:
            return None
        with self.lock:  # two threads must not fill the same buffers
            shape = self._prepared(model, key)
            if shape is None:
                return None
            shape.fill(tokens, cache, past, counts)
            shape.run(model)
            if last_only:
                return shape.x.index_select(0, shape.last[:b])
            x = shape.x.view(*key, -1)[:b, :t]
            return x.clone(memory_format=torch.contiguous_format).view(b * t, -1)

    def _prepared(self, model: FastTransformer, key: tuple[int, int]) -> PromptShape | None:
        """Return a shape's buffers, recorded if it is their second use; None, with a warning, if that failed."""
        try:
            self.recorder = self.recorder or RECORDERS[model.device.type](model.device)
            shape = self.shapes.get(key) or PromptShape(model, *key)
            shape.record(model, self.recorder)
            self.shapes[key] = shape
            return shape
        except RuntimeError as error:  # out of memory, too; no cache has been written to
            self.shapes.pop(key, None)
            self.failed.add(key)
            warnings.warn(
                f"prompts of up to {key[1]} tokens in {key[0]} rows are read without a CUDA graph, since recording it"
                f" failed: {error}",
                RuntimeWarning,
                stacklevel=4,
            )
            return None
