"""The whole model (chapter 10). The module tree has the tensor names of the released `original/` files."""

from collections.abc import Callable
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from . import mxfp4
from .attention import AttentionBlock, sliding_window_mask
from .cache import KVCache
from .config import ModelConfig
from .errors import GptOssError
from .hooks import Hook, Hooked, hook_points, hooks
from .moe import MLPBlock, PackedWeight
from .norm import RMSNorm
from .rope import rope_cos_sin

PREFILL_TOKENS = 512  # prompt tokens per forward pass; fewer if the scores (b, h, t, s) would exceed SCORE_BYTES
SCORE_BYTES = 256 << 20


def prefill_limit(config: ModelConfig, rows: int, context: int) -> int:
    """Return the prompt tokens per forward pass that keep float32 scores against `context` keys within SCORE_BYTES."""
    return max(1, min(PREFILL_TOKENS, SCORE_BYTES // (4 * rows * config.num_attention_heads * context)))


class TransformerBlock(Hooked):
    """x + attention(norm(x)), then x + experts(norm(x))."""

    POINTS = {"resid_pre": "(b, t, c)", "resid_mid": "(b, t, c)", "resid_post": "(b, t, c)"}

    def __init__(self, config: ModelConfig, layer_index: int, experts):
        super().__init__()
        self.attn = AttentionBlock(config, layer_index)
        self.mlp = MLPBlock(config, experts)

    def forward(self, x: Tensor, rope, mask: Tensor | None, cache: KVCache | None) -> Tensor:
        x = self.at("resid_pre", x)
        x = self.at("resid_mid", x + self.attn(x, rope, mask, cache))
        return self.at("resid_post", x + self.mlp(x))


class Transformer(Hooked):
    """gpt-oss: embedding, blocks, norm, unembedding.

    Parameters
    ----------
    packed : keep the experts in MXFP4 and unpack only those in use; otherwise they are dense parameters

    Source: gpt-oss model card, section 2; names and shapes as in the released `original/` checkpoints.
    """

    POINTS = {"embedding": "(b, t, c)", "final_norm": "(b, t, c)", "logits": "(b, t, v)"}
    quick_step: Callable | None = None  # set by load_model for small models: fast/fused_step.py

    def __init__(self, config: ModelConfig, packed: bool = False):
        super().__init__()
        self.config, self.packed = config, packed
        self.tokenizer = None  # the checkpoint's tiktoken.Encoding, if it has one
        self.embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        e = config.num_experts

        def experts(rows: int, columns: int):
            if not packed:
                return nn.Parameter(torch.zeros(e, rows, columns))
            groups = (e, rows, columns // mxfp4.BLOCK)
            return PackedWeight(
                torch.zeros(*groups, mxfp4.BLOCK // 2, dtype=torch.uint8), torch.zeros(groups, dtype=torch.uint8)
            )

        self.block = nn.ModuleList(TransformerBlock(config, i, experts) for i in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.unembedding = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self._rope_table: tuple[Tensor, Tensor] | None = None
        self._rope_config = config

    @property
    def device(self) -> torch.device:
        return self.embedding.weight.device

    @property
    def dtype(self) -> torch.dtype:
        return self.embedding.weight.dtype

    def hook_points(self) -> dict[str, str]:
        """Return the name of every intermediate, with the axes of its value."""
        return hook_points(self)

    def hooks(self, functions: dict[str, Hook]):
        """Let functions read or replace intermediates within `with model.hooks({name: function})`."""
        return hooks(self, functions)

    def new_cache(self, batch_size: int = 1, max_length: int | None = None) -> KVCache:
        """Return an empty cache on this model's device, in its dtype."""
        return KVCache(self.config, batch_size, max_length or self.config.max_context, self.device, self.dtype)

    def prefill_limit(self, rows: int, context: int) -> int:
        """Return how many prompt tokens per row one forward pass should read; `context` counts those already cached."""
        return prefill_limit(self.config, rows, context)

    @contextmanager
    def fresh_rope(self, config: ModelConfig | None = None):
        """Recompute cos and sin within the block, from `config` if one is given.

        Restore the old ones afterwards.
        """
        kept = self._rope_table, self._rope_config
        self._rope_table, self._rope_config = None, config or self.config
        try:
            yield self
        finally:
            self._rope_table, self._rope_config = kept

    def forward(
        self, tokens: Tensor, cache: KVCache | None = None, lengths: Tensor | None = None, last_only: bool = False
    ) -> Tensor:
        """Return the logits of the next token at every position.

        tokens : (b, t) int64; cache : earlier tokens, extended in place; lengths : (b,) tokens that count in each row
        if rows are padded on the right (logits of padding are meaningless); last_only : only the logits of each row's
        last token. Returns (b, t, v), or (b, 1, v), in the model's dtype.
        """
        counts = check_call(self, tokens, lengths, cache)
        t = tokens.shape[1]
        if self.quick_step is not None and cache is not None:  # None comes back wherever somebody looks on
            logits = self.quick_step(self, tokens, cache, counts, last_only)
            if logits is not None:
                return logits
        if cache is None:
            positions = torch.arange(t, device=tokens.device)[None]  # (1, t)
        else:
            positions = cache.begin(t, counts)  # (b or 1, t)
        rope = self._rope(positions)
        masks = {window: self._mask(positions, cache, window) for window in (None, self.config.sliding_window)}
        x = self.at("embedding", self.embedding(tokens))  # (b, t, c)
        for block in self.block:
            x = block(x, rope, masks[block.attn.window], cache)
        if cache is not None:
            cache.advance()
        if last_only and t > 1:
            last = torch.tensor(counts, device=x.device).sub(1).clamp(min=0)
            x = x.gather(1, last[:, None, None].expand(-1, 1, x.shape[-1]))  # (b, 1, c)
        x = self.at("final_norm", self.norm(x))
        return self.at("logits", self.unembedding(x))  # (b, t, v)

    def _mask(self, positions: Tensor, cache: KVCache | None, window: int | None) -> Tensor | None:
        """Return which keys each query may see, (b or 1, t, s); None if it is all of them.

        Padding that would see no key at all sees every one: a row without keys and with its sink at -inf would be NaN,
        and NaN spreads (0 · NaN is NaN) to the rows that count.
        """
        keys = positions if cache is None else cache.key_positions(window)
        if keys is None or positions.shape[-1] == keys.shape[-1] == 1:
            return None
        mask = sliding_window_mask(positions, keys, window)
        return mask | ~mask.any(dim=-1, keepdim=True)

    def _rope(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Return rows of a table of cos and sin that grows with the positions."""
        needed = int(positions.max()) + 1
        table = self._rope_table
        if (
            table is None
            or table[0].shape[0] < needed
            or table[0].device != self.device
            or table[0].dtype != self.dtype
        ):
            size = max(256, 1 << (needed - 1).bit_length())
            table = rope_cos_sin(torch.arange(size, device=self.device), self._rope_config, self.dtype)
            self._rope_table = table
        return table[0][positions], table[1][positions]  # (b or 1, t, d/2) each


def check_call(model, tokens: Tensor, lengths: Tensor | None, cache: KVCache | None) -> list[int]:
    """Refuse arguments that would compute nonsense; return how many tokens count in each row.

    model : anything with `config`, `device` and `dtype`, so that the fast path makes the same checks.
    Raises `GptOssError` that names what was expected and what was found.
    """
    if tokens.ndim != 2 or tokens.dtype not in (torch.int64, torch.int32) or not tokens.numel():
        raise GptOssError(f"model: expected tokens (batch, time) of int64, found {tuple(tokens.shape)} {tokens.dtype}.")
    b, t = tokens.shape
    if model.device.type == "cpu" and (int(tokens.min()) < 0 or int(tokens.max()) >= model.config.vocab_size):
        raise GptOssError(
            f"model: expected token ids from 0 to {model.config.vocab_size - 1}, found {int(tokens.min())} to "
            f"{int(tokens.max())}; encode with model.tokenizer, the vocabulary that this model was trained with."
        )
    if cache is not None and cache.batch_size != b:
        raise GptOssError(f"model: the cache holds {cache.batch_size} rows, the tokens have {b}.")
    if cache is not None and (cache.config != model.config or cache.keys[0].dtype != model.dtype):
        raise GptOssError(
            f"model: the cache was made for another model or dtype ({cache.keys[0].dtype}, this model computes in "
            f"{model.dtype}); make it with model.new_cache()."
        )
    counts = [t] * b if lengths is None else [int(n) for n in torch.as_tensor(lengths).tolist()]
    if len(counts) != b or not all(0 <= n <= t for n in counts):
        raise GptOssError(f"model: expected {b} lengths from 0 to {t}, found {counts}.")
    return counts


def random_model(config: ModelConfig, seed: int = 0, dtype: torch.dtype = torch.float32) -> Transformer:
    """Return a dense model with random weights of plausible size, including sinks and biases, for tests and lessons."""
    model = Transformer(config).to(dtype)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if name.endswith("scale"):
                parameter.copy_(1 + 0.1 * noise)
            elif parameter.ndim >= 2 and not name.endswith("bias"):
                parameter.copy_(noise / (1 if name == "embedding.weight" else parameter.shape[-1] ** 0.5))
            else:
                parameter.copy_(noise if name.endswith("sinks") else 0.1 * noise)
    return model.eval()


class _NoFilling(TorchFunctionMode):
    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if getattr(function, "__module__", None) == nn.init.__name__:
            return args[0] if args else kwargs["tensor"]
        return function(*args, **kwargs)


@contextmanager
def without_numbers():
    """Build models on the device "meta" within the block, to be given their weights by `load_state_dict(assign=True)`.

    Nothing is initialised: to draw random numbers on that device, PyTorch imports its compiler, which takes seconds.
    """
    with torch.device("meta"), _NoFilling():
        yield
