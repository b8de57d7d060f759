"""One model on several ranks (chapter 25): which slices a rank holds, and where the ranks join their parts.

The model itself is unchanged. A rank builds chapter 10's `Transformer` from a smaller configuration (fewer heads, a
narrower width or fewer experts), gives it its slices of the weights, and hooks a sum over all ranks to the two places
per layer where parts of one vector are added.

Source: Shoeybi et al. 2019, arXiv:1909.08053, section 3 (columns, then rows: one sum per half of a layer).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gptoss_edu.config import ModelConfig
from gptoss_edu.errors import GptOssError
from gptoss_edu.moe import MLPBlock, PackedWeight, expert_outputs, top_k_softmax
from gptoss_edu.mxfp4 import BLOCK
from gptoss_edu.transformer import Transformer, without_numbers

from .ranks import Ranks

MODES = ("tensor", "experts")
JOINS = ("attn.out", "mlp.out")  # the two sums of a layer, by their hook points
WHOLE, ONCE = (
    "whole",
    "once",
)  # on all ranks; on rank 0 (zeros elsewhere), since it is added once


def spread(n: int, ranks: int, rank: int) -> range:
    """Return the contiguous part of range(n) that a rank holds; sizes differ by at most one, larger parts first."""
    least, more = divmod(n, ranks)
    start = rank * least + min(rank, more)
    return range(start, start + least + (rank < more))


@dataclass(frozen=True)
class Share:
    """One rank's part: ranges of heads, key/value heads, expert width, experts and vocabulary."""

    rank: int
    ranks: int
    mode: str
    heads: range
    groups: range
    width: range
    experts: range
    vocabulary: range

    @property
    def first(self) -> bool:
        return self.rank == 0

    def local(self, config: ModelConfig) -> ModelConfig:
        """Return the configuration of this rank's model: with the heads and the width that it holds.

        The number of experts is unchanged, because every rank has the whole router.
        """
        return replace(
            config,
            num_attention_heads=len(self.heads),
            num_key_value_heads=len(self.groups),
            intermediate_size=len(self.width),
        )

    def part(self, config: ModelConfig) -> int:
        """Return the rows of the unembedding on every rank, including padding on the last rank."""
        return -(-config.vocab_size // self.ranks)


def share(config: ModelConfig, rank: int, ranks: int, mode: str = "tensor") -> Share:
    """Divide a model among ranks.

    mode : "tensor" splits every expert's width, in whole MXFP4 blocks; "experts" gives each rank whole experts. Heads
        and vocabulary are split in both. With more ranks than key/value heads, ranks share one and split its queries.

    Raises
    ------
    GptOssError : an unknown mode, or too many ranks.
    """
    if mode not in MODES:
        raise GptOssError(f"parallel: expected mode {' or '.join(MODES)}, found {mode!r}.")
    h, g, e, f = (
        config.num_attention_heads,
        config.num_key_value_heads,
        config.num_experts,
        config.intermediate_size,
    )
    unit = BLOCK if f % BLOCK == 0 else 1
    most = min(h, f // unit if mode == "tensor" else e)
    if not 0 <= rank < ranks <= most:
        raise GptOssError(
            f"parallel: expected 1 to {most} ranks for {h} heads and {f // unit if mode == 'tensor' else e} "
            f"{'blocks of width' if mode == 'tensor' else 'experts'}, found rank {rank} of {ranks}."
        )
    heads, groups = _heads(h, g, rank, ranks)
    blocks = spread(f // unit, ranks, rank)
    width = range(blocks.start * unit, blocks.stop * unit) if mode == "tensor" else range(f)
    experts = spread(e, ranks, rank) if mode == "experts" else range(e)
    part = -(-config.vocab_size // ranks)
    v = config.vocab_size
    vocabulary = range(min(v, rank * part), min(v, (rank + 1) * part))
    return Share(rank, ranks, mode, heads, groups, width, experts, vocabulary)


def _heads(h: int, g: int, rank: int, ranks: int) -> tuple[range, range]:
    """Return a rank's query heads and key/value heads; a query head is always with its key/value head."""
    if ranks <= g:
        groups = spread(g, ranks, rank)
        return range(groups.start * (h // g), groups.stop * (h // g)), groups
    group = next(i for i in range(g) if rank in spread(ranks, g, i))  # several ranks hold this key/value head
    together = spread(ranks, g, group)
    queries = spread(h // g, len(together), rank - together.start)
    first = group * (h // g)
    return range(first + queries.start, first + queries.stop), range(group, group + 1)


def slice_of(name: str, config: ModelConfig, mine: Share) -> str | tuple[int, list[range]]:
    """Return which part of an `original/` tensor a rank holds: WHOLE, ONCE, or an axis and ranges along it."""
    d, h, g = config.head_dim, config.num_attention_heads, config.num_key_value_heads
    scaled = lambda r, by, offset=0: range(offset + r.start * by, offset + r.stop * by)  # noqa: E731
    if name == "unembedding.weight":
        return 0, [mine.vocabulary]
    if ".attn.qkv." in name:
        return 0, [scaled(mine.heads, d), scaled(mine.groups, d, h * d), scaled(mine.groups, d, (h + g) * d)]
    if name.endswith("attn.sinks"):
        return 0, [mine.heads]
    if name.endswith("attn.out.weight"):
        return 1, [scaled(mine.heads, d)]
    if name.endswith("attn.out.bias"):
        return ONCE
    if ".mlp.mlp" not in name:  # embedding, norms and router
        return WHOLE
    if mine.mode == "experts":
        return 0, [mine.experts]
    if name.endswith("mlp2_bias"):
        return ONCE
    if ".mlp1" in name:
        return 1, [scaled(mine.width, 2)]  # gate and up alternate
    packed = name.endswith(("blocks", "scales"))
    return 2, [range(mine.width.start // BLOCK, mine.width.stop // BLOCK) if packed else mine.width]


def take(name: str, tensor: Tensor, config: ModelConfig, mine: Share) -> Tensor:
    """Copy this rank's part of a whole tensor; of a tensor in a file, only the part is read."""
    where = slice_of(name, config, mine)
    if where == WHOLE:
        return tensor
    if where == ONCE:
        return tensor if mine.first else torch.zeros_like(tensor)
    axis, ranges = where
    parts = [tensor.narrow(axis, r.start, len(r)) for r in ranges]
    found = parts[0].clone() if len(parts) == 1 else torch.cat(parts, axis)
    if name == "unembedding.weight" and (short := mine.part(config) - found.shape[0]):
        found = F.pad(found, (0, 0, 0, short))
    return found


class GatheredRows(nn.Module):
    """The unembedding: each rank computes its rows' logits, and all ranks get all of them."""

    def __init__(self, c: int, part: int, ranks: Ranks, vocabulary: int):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(part, c))
        self.ranks, self.vocabulary = ranks, vocabulary

    def forward(self, x: Tensor) -> Tensor:
        """Map x (b, t, c) to logits (b, t, v)."""
        return self.ranks.gather(F.linear(x, self.weight), self.vocabulary)


class HeldExperts(MLPBlock):
    """An MLP block with some of the experts: it computes the token copies for these and leaves out the others.

    Every rank routes every token, so all ranks agree without communication.
    """

    def __init__(self, config: ModelConfig, experts, held: range):
        few = replace(config, num_experts=len(held), experts_per_token=min(len(held), config.experts_per_token))
        super().__init__(few, lambda rows, columns: experts(len(held), rows, columns))
        self.gate = nn.Linear(config.hidden_size, config.num_experts)
        self.k, self.held = config.experts_per_token, held

    def forward(self, x: Tensor) -> Tensor:
        """Compute this rank's part of (b, t, c) from (b, t, c)."""
        flat = self.at("normed", self.norm(x)).flatten(0, 1)  # (n, c)
        weights, indices = top_k_softmax(self.at("router_logits", self.gate(flat)), self.k)  # (n, k) each
        indices, weights = self.at("expert_indices", indices), self.at("expert_weights", weights)
        mine = (indices >= self.held.start) & (indices < self.held.stop)  # (n, k)
        token = mine.nonzero()[:, 0]  # (m,) the token of each copy that stays here
        out = torch.zeros_like(flat)
        if len(token):
            each = expert_outputs(
                flat[token], indices[mine][:, None] - self.held.start, self.mlp1_weight, self.mlp1_bias,
                self.mlp2_weight, self.mlp2_bias, self.limit,
            )[:, 0]  # (m, c)  # fmt: skip
            out.index_add_(0, token, each * weights[mine].to(each.dtype)[:, None])
        return self.at("out", out.view_as(x))


class ShardedTransformer(Transformer):
    """This rank's part of a reference model; every rank calls it with the same tokens and gets the same logits.

    joins : names of the hook points whose parts are summed over the ranks; remove one to see its effect
    """

    def __init__(self, config: ModelConfig, mine: Share, ranks: Ranks, packed: bool = False):
        super().__init__(mine.local(config), packed)
        self.ranks, self.share, self.whole = ranks, mine, config
        self.unembedding = GatheredRows(config.hidden_size, mine.part(config), ranks, config.vocab_size)
        if mine.mode == "experts":
            for block in self.block:
                block.mlp = HeldExperts(self.config, self._experts, mine.experts)
        self.joins = {f"block.{i}.{point}" for i in range(config.num_hidden_layers) for point in JOINS}
        for name in self.joins:
            module, _, point = name.rpartition(".")
            self.get_submodule(module).active = {point: [(name, self._join)]}  # before the hooks that others attach

    def _join(self, value: Tensor, name: str) -> Tensor:
        return self.ranks.sum(value.clone()) if name in self.joins else value

    def _experts(self, e: int, rows: int, columns: int):
        if not self.packed:
            return nn.Parameter(torch.zeros(e, rows, columns))
        groups = (e, rows, columns // BLOCK)
        return PackedWeight(torch.zeros(*groups, BLOCK // 2, dtype=torch.uint8), torch.zeros(groups, dtype=torch.uint8))

    @classmethod
    def with_weights(cls, config: ModelConfig, mine: Share, ranks: Ranks, weights: dict[str, Tensor], dtype=None):
        """Make this rank's model from slices made by `take`; nothing is copied."""
        packed = "block.0.mlp.mlp1_weight.blocks" in weights
        with without_numbers():
            model = cls(config, mine, ranks, packed)
        model.load_state_dict(weights, strict=True, assign=True)
        for module in model.modules():
            if isinstance(module, PackedWeight):
                module.dtype = dtype or weights["embedding.weight"].dtype
        return model.eval().requires_grad_(False)


def shard(model: Transformer, ranks: Ranks, mode: str = "tensor") -> ShardedTransformer:
    """Make this rank's part of a model that is already in memory, for tests and lessons."""
    mine = share(model.config, ranks.rank, ranks.size, mode)
    weights = {name: take(name, tensor, model.config, mine) for name, tensor in model.state_dict().items()}
    sharded = ShardedTransformer.with_weights(model.config, mine, ranks, weights, model.dtype)
    sharded.tokenizer = model.tokenizer
    return sharded
