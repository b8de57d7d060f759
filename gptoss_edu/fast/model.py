"""The GPU path: the same model as `transformer.py`, with Triton kernels, packed experts and a CUDA graph (chapter 18).

Same signature, same cache, same results within rounding; tests compare the two.
"""

import math
import weakref
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gptoss_edu.cache import KVCache
from gptoss_edu.config import ModelConfig
from gptoss_edu.errors import GptOssError
from gptoss_edu.rope import rope_cos_sin
from gptoss_edu.transformer import Transformer, check_call

from . import decode, launch
from .alone import ALONE, Alone
from .launch import Tuning, pow2
from .unfused import Fused

MAX_GRAPH_ROWS = 64  # more sequences run without a graph
PREFILL_TOKENS = 4096  # prompt tokens per forward pass


def why_not(config: ModelConfig, device: torch.device) -> str | None:
    """Say in one sentence why the GPU path cannot run here; None if it can."""
    if torch.device(device).type != "cuda":
        return f"the GPU kernels need a CUDA device, found {device}."
    major, minor = torch.cuda.get_device_capability(device)
    if major < 8:
        return f"the GPU kernels need bfloat16 (compute capability 8.0 or newer), found {major}.{minor}."
    d, h, g = config.head_dim, config.num_attention_heads, config.num_key_value_heads
    if d < 32 or d & (d - 1):
        return f"the GPU kernels need a head_dim that is a power of two from 32, found {d}."
    if config.hidden_size % 32 or config.intermediate_size % 32 or h % g:
        return (
            f"the GPU kernels need sizes in multiples of 32, found hidden {config.hidden_size} and width"
            f" {config.intermediate_size}."
        )
    return None


@dataclass
class Layer:
    """One block's weights by function; nothing is copied except the router, halved for many tokens."""

    window: int | None
    attn_norm: Tensor
    qkv_weight: Tensor
    qkv_bias: Tensor
    sinks: Tensor
    out_weight: Tensor
    out_bias: Tensor
    mlp_norm: Tensor
    gate_weight: Tensor
    gate_bias: Tensor
    blocks1b: Tensor
    scales1: Tensor
    bias1: Tensor
    blocks2b: Tensor
    scales2: Tensor
    bias2: Tensor
    first: int = 0  # number of the first expert on this rank

    def __post_init__(self):
        self.blocks1, self.blocks2 = self.blocks1b.view(torch.int32), self.blocks2b.view(torch.int32)  # (e, rows, g, 4)
        self.gate_halved = torch.cat((self.gate_weight[:, 0::2], self.gate_weight[:, 1::2]), dim=1).contiguous()
        self.x_scale = self.act_scale = 1.0

    def fit_float16(self, config: ModelConfig) -> None:
        """Set powers of two that keep the experts' inputs within float16.

        |normed| <= √c·max|gain|, |act| <= limit·(limit + 1).
        """
        largest = math.sqrt(config.hidden_size) * max(float(self.mlp_norm.abs().max()), 2.0**-20)
        self.x_scale = 2.0 ** math.floor(math.log2(2**15 / largest))
        self.act_scale = 2.0 ** math.floor(math.log2(2**15 / (config.swiglu_limit * (config.swiglu_limit + 1))))

    @classmethod
    def from_state(cls, weights: dict[str, Tensor], config: ModelConfig, i: int, first: int = 0) -> "Layer":
        at = lambda name: weights[f"block.{i}.{name}"]  # noqa: E731
        names = (
            "attn.norm.scale", "attn.qkv.weight", "attn.qkv.bias", "attn.sinks", "attn.out.weight", "attn.out.bias",
            "mlp.norm.scale", "mlp.gate.weight", "mlp.gate.bias", "mlp.mlp1_weight.blocks", "mlp.mlp1_weight.scales",
            "mlp.mlp1_bias", "mlp.mlp2_weight.blocks", "mlp.mlp2_weight.scales", "mlp.mlp2_bias",
        )  # fmt: skip
        return cls(config.layer_window(i), *(at(name) for name in names), first)


class FastTransformer(Fused):
    """gpt-oss for inference on a GPU. Weights keep the checkpoint's names and bytes, see `weights`."""

    def __init__(
        self, config: ModelConfig, weights: dict[str, Tensor], tuning: Tuning | None = None, ranks: Alone = ALONE
    ):
        self.config, self.weights, self.tokenizer, self.ranks = config, weights, None, ranks
        self.embedding, self.unembedding = weights["embedding.weight"], weights["unembedding.weight"]
        on_gpu = self.embedding.is_cuda
        newest = on_gpu and torch.cuda.get_device_capability(self.embedding.device) >= (9, 0)
        self.tuning = tuning or Tuning(pairs=on_gpu, overlap=newest)
        first = ranks.first_expert
        self.layers = [Layer.from_state(weights, config, i, first) for i in range(config.num_hidden_layers)]
        for layer in self.layers:
            layer.fit_float16(config)
        positions = torch.arange(config.max_context + 1, device=self.device)
        self.rope = rope_cos_sin(positions, config, self.dtype)
        self.prefill_tokens = PREFILL_TOKENS
        self._steps: weakref.WeakKeyDictionary[KVCache, DecodeStep] = weakref.WeakKeyDictionary()
        self._scratch: Tensor | None = None

    @classmethod
    def from_reference(cls, model: Transformer, device=None, tuning: Tuning | None = None) -> "FastTransformer":
        """Make the fast twin of a packed reference model, on `device` (default: the model's)."""
        if not model.packed:
            raise GptOssError("the GPU path: expected packed experts, found dense ones; load with experts='packed'.")
        weights = {name: tensor.detach().to(device or model.device) for name, tensor in model.state_dict().items()}
        fast = cls(model.config, weights, tuning)
        fast.tokenizer = model.tokenizer
        return fast

    @property
    def device(self) -> torch.device:
        return self.embedding.device

    @property
    def dtype(self) -> torch.dtype:
        return self.embedding.dtype

    def eval(self) -> "FastTransformer":
        return self

    def new_cache(self, batch_size: int = 1, max_length: int | None = None) -> KVCache:
        """Return an empty cache on this model's device, in its dtype."""
        return KVCache(self.config, batch_size, max_length or self.config.max_context, self.device, self.dtype)

    def prefill_limit(self, rows: int, context: int) -> int:
        """Return how many prompt tokens per row one pass should read.

        The kernels never store scores, but a stand-in does.
        """
        if self.stand_in is not None:
            return self.stand_in.prefill_limit(rows, context)
        return max(1, self.prefill_tokens // rows)

    @torch.inference_mode()
    def __call__(self, tokens: Tensor, cache: KVCache | None = None, lengths=None, last_only: bool = False) -> Tensor:
        """Return logits (b, t, v), or (b, 1, v) with last_only; arguments and errors as in `Transformer.forward`."""
        counts = check_call(self, tokens, lengths, cache)
        tokens = tokens.to(self.device)
        if self.stand_in is not None:
            return self.stand_in(tokens, cache, lengths, last_only)
        if cache is not None and tokens.shape[1] == 1:
            cache.begin(1, counts)  # raises if there is no room
            return self.step(cache).run(tokens[:, 0], counts)[:, None]
        return self._prefill(tokens, cache, counts, last_only)

    def step(self, cache: KVCache) -> "DecodeStep":
        """Return the step that decodes into this cache: created at its first token, then replayed."""
        step = self._steps.get(cache)
        if step is None or not step.fits(cache):
            step = self._steps[cache] = DecodeStep(self, cache)
        return step

    def _prefill(self, tokens: Tensor, cache: KVCache | None, counts: list[int], last_only: bool) -> Tensor:
        b, t = tokens.shape
        config, ranks = self.config, self.ranks
        past = [0] * b
        if cache is not None:
            cache.begin(t, counts)
            past = cache.row_lengths
        starts, new = (torch.tensor(v, dtype=torch.int32, device=self.device) for v in (past, counts))
        x = F.embedding(tokens.flatten(), self.embedding)  # (n, c)
        for i, layer in enumerate(self.layers):
            normed = launch.norm(x, layer.attn_norm, config.rms_norm_eps)
            qkv = F.linear(normed, layer.qkv_weight, layer.qkv_bias)  # (n, rows)
            k, v = (None, None) if cache is None else (cache.keys[i], cache.values[i])
            heads = launch.attend_many(
                qkv, k, v, layer, config, self.rope, starts, new, t, self.tuning, past=any(past)
            )  # (n, h·d)
            part = F.linear(heads, layer.out_weight, layer.out_bias)
            x = ranks.total(x + part if ranks.adds else part)
            part = x if ranks.adds else torch.empty_like(x)
            launch.experts_many(x, layer, config, self.tuning, self._room(b * t), None if ranks.adds else part)
            x = ranks.total(part)
        if cache is not None:
            cache.advance()
        if last_only:
            at = torch.arange(b, device=self.device) * t + (new - 1).clamp(min=0)
            x = x[at]  # (b, c)
        logits = F.linear(launch.norm(x, self.weights["norm.scale"], config.rms_norm_eps), self.unembedding)
        return ranks.gather(logits).view(b, -1, config.vocab_size)

    def _room(self, n: int) -> Tensor | None:
        """Return space for one layer's unpacked experts, if there are enough tokens for that to be faster."""
        config = self.config
        if n * config.experts_per_token < self.tuning.unpack_from * config.num_experts:
            return None
        size = len(self.layers[0].bias1) * 2 * config.intermediate_size * config.hidden_size
        if self._scratch is None:
            if (
                self.device.type == "cuda"
                and torch.cuda.mem_get_info(self.device)[0] < 1.2 * size * self.dtype.itemsize
            ):
                return None
            self._scratch = torch.empty(size, dtype=self.dtype, device=self.device)
        return self._scratch


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
        self.router = empty(config.num_experts, dtype=torch.float32)
        self.normed = empty(config.hidden_size, dtype=expert_dtype)
        self.act = empty(k, config.intermediate_size, dtype=expert_dtype)
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
            self.positions.copy_(torch.tensor(cache.row_lengths))
        if self.counted != counts:
            self.counts.copy_(torch.tensor(counts))
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
        one, eps, ranks = b == 1, config.rms_norm_eps, model.ranks
        block_c = min(1024, pow2(c))
        decode.embed_kernel[(b, -(-c // block_c))](
            self.tokens, model.embedding, self.x, c, BLOCK_C=block_c, num_warps=4
        )
        for i, layer in enumerate(model.layers):
            if one:
                launch.matvec(
                    self.x,
                    layer.qkv_weight,
                    self.qkv,
                    tuning.qkv,
                    eps,
                    layer.attn_norm,
                    layer.qkv_bias,
                    overlap=tuning.overlap,
                )
            else:
                torch.addmm(layer.qkv_bias, launch.norm(self.x, layer.attn_norm, eps), layer.qkv_weight.T, out=self.qkv)
            launch.attend(self.qkv, cache.keys[i], cache.values[i], layer, config, self, tuning)
            part, residual = ranks.target(self.x), self.x if ranks.step_adds else None
            if one:
                launch.matvec(
                    self.heads,
                    layer.out_weight,
                    part,
                    tuning.out,
                    bias=layer.out_bias,
                    residual=residual,
                    overlap=tuning.overlap,
                )
            elif ranks.step_adds:
                self.x += F.linear(self.heads, layer.out_weight, layer.out_bias)
            else:
                torch.addmm(layer.out_bias, self.heads, layer.out_weight.T, out=part)
            ranks.join(self.x, part)
            part = ranks.target(self.x)
            if one:
                launch.experts_one(self.x, layer, config, self, tuning, None if ranks.step_adds else part)
            else:
                launch.experts_many(self.x, layer, config, tuning, into=None if ranks.step_adds else part)
            ranks.join(self.x, part)
        gain = model.weights["norm.scale"]
        if one:
            launch.matvec(
                self.x, model.unembedding, self.logits, tuning.unembedding, eps, gain, overlap=tuning.overlap
            )  # fmt: skip
        else:
            torch.mm(launch.norm(self.x, gain, eps), model.unembedding.T, out=self.logits)
        self.whole = ranks.gather(self.logits)
        self.positions += self.counts
