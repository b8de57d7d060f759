"""One decoding step on a GPU: its buffers, its launches, and the CUDA graph that replays them."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from gptoss_edu.cache import KVCache

from . import decode, launch
from .ahead import on_device
from .few_rows import VECTORS
from .launch_words import pow2

if TYPE_CHECKING:
    from .model import FastTransformer

MAX_GRAPH_ROWS = 256  # more sequences run without a graph


class DecodeStep:
    """Decode one token per row into one cache.

    On a GPU all launches are captured once as a CUDA graph; a replay runs them without Python.
    """

    def __init__(self, model: FastTransformer, cache: KVCache):
        self.model, self.tensors = model, (cache.keys, list(cache.keys), list(cache.values))
        self.cache = weakref.ref(cache)
        config, b, device = model.config, cache.batch_size, model.device
        h, d, k, tuning = config.num_attention_heads, config.head_dim, config.experts_per_token, model.tuning
        expert_dtype = torch.float16 if tuning.pairs else torch.float32

        def empty(*shape, dtype=model.dtype):
            return torch.zeros(shape, dtype=dtype, device=device)

        self.rope = model.rope
        self.tokens, self.positions = empty(b, dtype=torch.int64), empty(b, dtype=torch.int64)
        self.counts = torch.ones(b, dtype=torch.int64, device=device)
        self.x, self.qkv, self.heads = empty(b, config.hidden_size), empty(b, config.qkv_rows), empty(b, h * d)
        self.logits = empty(b, model.unembedding.shape[0])
        parts = (b, h, tuning.splits_for(b * config.num_key_value_heads))
        self.part_acc = empty(*parts, d, dtype=torch.float32)
        self.part_max, self.part_sum = empty(*parts, dtype=torch.float32), empty(*parts, dtype=torch.float32)
        self.few = b <= max(1, min(tuning.few_rows, VECTORS))  # the kernels for a few rows
        if self.few:
            self.router = empty(b, config.num_experts, dtype=torch.float32)
            self.normed = empty(b, config.hidden_size, dtype=expert_dtype)
            self.act = empty(b, k, config.intermediate_size, dtype=expert_dtype)
        self.whole = self.logits  # of all ranks
        self.held: list[int] | None = None  # lengths that `positions` holds
        self.counted = [1] * b
        self.graph: torch.cuda.CUDAGraph | None = None

    def fits(self, cache: KVCache) -> bool:
        """Return whether the cache still has the tensors that this step writes to (`KVCache.select` makes new ones)."""
        _, keys, values = self.tensors
        return all(a is b for a, b in zip(keys + values, cache.keys + cache.values, strict=True))

    def run(self, tokens: Tensor, counts: list[int]) -> Tensor:
        """Return logits (b, v), valid until the next step; the cache advances by `counts`."""
        cache = self.cache()
        if self.held != cache.row_lengths:
            self.positions.copy_(on_device(cache.row_lengths, self.model.device))
        if self.counted != counts:
            self.counts.copy_(on_device(counts, self.model.device))
            self.counted = counts
        self.tokens.copy_(tokens)
        if self.model.device.type != "cuda" or len(counts) > MAX_GRAPH_ROWS:
            self.launch_all(cache)
        else:
            if self.graph is None:
                self.capture(cache)
            self.graph.replay()
        cache.advance()
        self.held = cache.row_lengths
        return self.whole.clone()

    def capture(self, cache: KVCache) -> None:
        """Record every launch once.

        A rehearsal first compiles the kernels; the replay overwrites its writes.
        """
        positions = self.positions.clone()
        stream = torch.cuda.Stream(self.model.device)
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self.launch_all(cache)
        torch.cuda.current_stream().wait_stream(stream)
        self.positions.copy_(positions)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph, capture_error_mode=self.model.ranks.capture_mode):
            self.launch_all(cache)

    def launch_all(self, cache: KVCache) -> None:
        """Launch all kernels of a step, in order; nothing here depends on the rows' lengths."""
        model, config, tuning = self.model, self.model.config, self.model.tuning
        b, c = self.x.shape
        ranks, block_c = model.ranks, min(1024, pow2(c))
        decode.embed_kernel[(b, -(-c // block_c))](
            self.tokens, model.embedding, self.x, c, BLOCK_C=block_c, num_warps=4
        )
        for i, layer in enumerate(model.layers):
            self.product("qkv", self.x, layer.qkv_weight, self.qkv, layer.attn_norm, layer.qkv_bias)
            launch.attend(self.qkv, cache.keys[i], cache.values[i], layer, config, self, tuning)
            part, residual = ranks.target(self.x), self.x if ranks.step_adds else None
            self.product("out", self.heads, layer.out_weight, part, None, layer.out_bias, residual)
            ranks.join(self.x, part)
            part = ranks.target(self.x)
            into = None if ranks.step_adds else part
            if self.few:
                launch.experts_few(self.x, layer, config, self, tuning, into)
            else:
                launch.experts_many(self.x, layer, config, tuning, into=into)
            ranks.join(self.x, part)
        self.product("unembedding", self.x, model.unembedding, self.logits, model.weights["norm.scale"])
        self.whole = ranks.gather(self.logits)
        self.positions += self.counts

    def product(
        self, name: str, x: Tensor, weight: Tensor, out: Tensor, gain: Tensor | None, bias: Tensor | None = None,
        residual: Tensor | None = None,
    ) -> None:  # fmt: skip
        """Compute out = residual + bias + weight @ rmsnorm(x) for all rows; no norm without a gain.

        name : of the tile in `Tuning` or `Tiles`
        """
        tuning, eps = self.model.tuning, self.model.config.rms_norm_eps
        if self.few and len(x) == 1:
            launch.matvec(x, weight, out, getattr(tuning, name), eps, gain, bias, residual, tuning.overlap)
        elif self.few:
            tile = getattr(tuning.tiles(len(x)), name)
            launch.few_matvecs(x, weight, out, tile, eps, gain, bias, residual, tuning.overlap)
        else:
            x = x if gain is None else launch.norm(x, gain, eps)
            if residual is not None:  # `out` itself
                out += F.linear(x, weight, bias)
            elif bias is None:
                torch.mm(x, weight.T, out=out)
            else:
                torch.addmm(bias, x, weight.T, out=out)
