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

from . import launch
from .ahead import Ahead
from .alone import ALONE, Alone
from .decode_step import DecodeStep
from .prompt_graph import PromptGraphs, last_places
from .tuning import Tuning
from .unfused import Fused

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
        self.gate_words: dict[int, Tensor] = {}  # see `launch_words.gate_words`
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
        self.tuning = tuning or Tuning.on(self.embedding.device)
        first = ranks.first_expert
        self.layers = [Layer.from_state(weights, config, i, first) for i in range(config.num_hidden_layers)]
        for layer in self.layers:
            layer.fit_float16(config)
        positions = torch.arange(config.max_context + 1, device=self.device)
        self.rope = rope_cos_sin(positions, config, self.dtype)
        self.prefill_tokens = PREFILL_TOKENS
        self._steps: weakref.WeakKeyDictionary[KVCache, DecodeStep] = weakref.WeakKeyDictionary()
        self._prompts = PromptGraphs()
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
            cache.announce(1, counts)  # raises if there is no room
            return self.step(cache).run(tokens[:, 0], counts)[:, None]
        return self._prefill(tokens, cache, counts, last_only)

    def ahead(self, cache: KVCache) -> Ahead | None:
        """Return steps that run ahead of the host; None where the host computes them itself."""
        return Ahead(self, cache) if self.device.type == "cuda" else None

    def step(self, cache: KVCache) -> DecodeStep:
        """Return the step that decodes into this cache: created at its first token, then replayed."""
        step = self._steps.get(cache)
        if step is None or not step.fits(cache):
            step = self._steps[cache] = DecodeStep(self, cache)
        return step

    def _prefill(self, tokens: Tensor, cache: KVCache | None, counts: list[int], last_only: bool) -> Tensor:
        b, t = tokens.shape
        past = [0] * b
        if cache is not None:
            cache.announce(t, counts)
            past = cache.row_lengths
        x = self._prompts.read(self, tokens, cache, past, counts, last_only) if cache is not None else None
        if x is None:
            numbers = torch.tensor([past, counts, last_places(counts, t)], dtype=torch.int32)
            starts, new, last = numbers.to(self.device).unbind(0)
            x = F.embedding(tokens.flatten(), self.embedding)  # (n, c)
            layers = [(None, None)] * len(self.layers) if cache is None else zip(cache.keys, cache.values, strict=True)
            padded = new if min(counts) < t else None
            x = self.launch_layers(x, layers, starts, new, t, any(past), padded, self._room(b * t))
            x = x.index_select(0, last) if last_only else x  # (b, c) or (n, c)
        if cache is not None:
            cache.advance()
        logits = F.linear(launch.norm(x, self.weights["norm.scale"], self.config.rms_norm_eps), self.unembedding)
        return self.ranks.gather(logits).view(b, -1, self.config.vocab_size)

    def launch_layers(
        self, x: Tensor, caches, starts: Tensor, new: Tensor, t: int, past: bool, padded: Tensor | None,
        scratch: Tensor | None = None, table: bool = False,
    ) -> Tensor:  # fmt: skip
        """Launch all layers for prompts of t tokens: x (b·t, c), changed in place, to (b·t, c).

        caches : keys and values of each layer, see `launch.attend_many` for `table`; starts, new : (b,) int32, tokens
        in the cache and tokens that count; past : whether any is in the cache; padded : `new`, where it says which
        tokens are padding
        """
        config, ranks = self.config, self.ranks
        for layer, (keys, values) in zip(self.layers, caches, strict=True):
            normed = launch.norm(x, layer.attn_norm, config.rms_norm_eps)
            qkv = F.linear(normed, layer.qkv_weight, layer.qkv_bias)  # (n, rows)
            heads = launch.attend_many(
                qkv, keys, values, layer, config, self.rope, starts, new, t, self.tuning, past, table
            )  # (n, h·d)
            part = F.linear(heads, layer.out_weight, layer.out_bias)
            if ranks is ALONE:
                launch.experts_many(x, layer, config, self.tuning, scratch, part=part, counts=padded)
                continue
            x = ranks.total(x + part if ranks.adds else part)
            part = x if ranks.adds else torch.empty_like(x)
            into = None if ranks.adds else part
            launch.experts_many(x, layer, config, self.tuning, scratch, into, counts=padded)
            x = ranks.total(part)
        return x

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
