"""The GPU path on several cards: `FastTransformer` with a rank's slices, and two ways to join the ranks."""

from __future__ import annotations

import warnings

import torch
import torch.distributed as dist
import triton
from torch import Tensor

from gptoss_edu.config import ModelConfig
from gptoss_edu.errors import GptOssError

from . import peer_kernels
from .alone import Alone
from .launch_words import extra
from .model import FastTransformer
from .parallel import Share
from .ranks import Ranks
from .tuning import Tuning

BLOCK = 1024  # elements per program of a join, or per step of a gather
GATHERS = 128  # programs of a gather, at most: they wait for each other, so that all must find room on the card
MOST_ROWS = 64  # sequences in a step, for whose sums the cards share memory
WAYS = ("symmetric", "nccl")
ALL_GATHER = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor  # its name since torch 2.13


class Library(Alone):
    """Ranks that join through NCCL (or gloo). The first rank adds its part to the residual stream."""

    capture_mode = "thread_local"  # NCCL's own thread calls the driver at the same time

    def __init__(self, ranks: Ranks, mine: Share, config: ModelConfig):
        self.ranks, self.vocabulary = ranks, config.vocab_size
        self.adds = self.step_adds = mine.first
        self.first_expert = mine.experts.start

    def join(self, x: Tensor, part: Tensor) -> None:
        self.ranks.sum(x)

    def total(self, x: Tensor) -> Tensor:
        return self.ranks.sum(x)

    def gather(self, logits: Tensor) -> Tensor:
        if self.ranks.size == 1:
            return logits[:, : self.vocabulary]
        n, (b, part) = self.ranks.size, logits.shape
        self.ranks.note("all_gather", (n - 1) * logits.nbytes)
        out = logits.new_empty(n * b, part)
        ALL_GATHER(out, logits)
        return out.view(n, b, part).transpose(0, 1).reshape(b, n * part)[:, : self.vocabulary]


class Peers(Library):
    """Ranks of one host that read each other's memory in a step (`peer_kernels`); a prefill joins through NCCL.

    A prefill's sums are large, which suits the library's ring.
    """

    step_adds = False

    def __init__(self, ranks: Ranks, mine: Share, config: ModelConfig, memory: PeerMemory, overlap: bool):
        super().__init__(ranks, mine, config)
        self.step_adds, self.memory, self.overlap = False, memory, overlap
        self.part, self.c, self.turn = mine.part(config), config.hidden_size, 0

    def target(self, x: Tensor) -> Tensor:
        if len(x) > MOST_ROWS:
            raise GptOssError(
                f"parallel: expected at most {MOST_ROWS} sequences in a step, found {len(x)}; decode in parts."
            )
        self.turn = 1 - self.turn
        return self.memory.data[self._offset :][: x.numel()].view(x.shape)

    @property
    def _offset(self) -> int:
        return self.turn * MOST_ROWS * self.c

    def join(self, x: Tensor, part: Tensor) -> None:
        memory, n = self.memory, self.ranks.size
        self.ranks.note("all_reduce", (n - 1) * x.nbytes)
        peer_kernels.join_kernel[(triton.cdiv(x.numel(), BLOCK),)](
            x, memory.parts, memory.flags, memory.epochs, self._offset, x.numel(), RANK=self.ranks.rank, N=n,
            PROGRAMS=memory.programs, BLOCK=BLOCK, OVERLAP=self.overlap, num_warps=4, **extra(self.overlap),
        )  # fmt: skip

    def gather(self, logits: Tensor) -> Tensor:
        memory, n = self.memory, self.ranks.size
        b = logits.shape[0]
        if b > MOST_ROWS:
            return super().gather(logits)
        self.ranks.note("all_gather", (n - 1) * logits.nbytes)
        offset = 2 * MOST_ROWS * self.c
        memory.data[offset:][: logits.numel()].copy_(logits.flatten())
        out = logits.new_empty(b, self.vocabulary)
        peer_kernels.gather_kernel[(min(GATHERS, triton.cdiv(out.numel(), BLOCK)),)](
            out, memory.parts, memory.flags, memory.epochs, offset, out.numel(), self.part, self.vocabulary,
            RANK=self.ranks.rank, N=n, PROGRAMS=memory.programs, BASE=memory.joins, BLOCK=BLOCK, OVERLAP=False,
            num_warps=8,
        )  # fmt: skip
        return out


class PeerMemory:
    """The memory of this rank that the others read, and the addresses of theirs.

    data : elements of `dtype`, flat: two turns of parts of a join, then the logits of a gather
    parts, flags : (ranks,) int64, addresses of each rank's data and flags; epochs : (programs,) int32
    joins, programs : programs of a join, and of both kinds
    """

    def __init__(self, data: Tensor, flags: Tensor, data_at: list[int], flags_at: list[int], joins: int):
        self.data, self.joins, self.programs = data, joins, flags.numel() // len(data_at)
        self._flags = flags  # keeps them alive
        addresses = torch.tensor([data_at, flags_at], dtype=torch.int64)
        self.parts, self.flags = addresses.to(data.device).unbind(0)
        self.epochs = torch.zeros(self.programs, dtype=torch.int32, device=data.device)

    @staticmethod
    def sizes(config: ModelConfig, mine: Share) -> tuple[int, int, int]:
        """Return elements of data, programs of a join, programs of both kinds."""
        logits = MOST_ROWS * mine.part(config)
        joins = triton.cdiv(MOST_ROWS * config.hidden_size, BLOCK)
        return 2 * MOST_ROWS * config.hidden_size + logits, joins, joins + GATHERS

    @classmethod
    def on_gpu(cls, config: ModelConfig, mine: Share, dtype: torch.dtype, device: torch.device) -> PeerMemory:
        """Allocate with torch's symmetric allocator, which maps every rank's memory into every process."""
        import torch.distributed._symmetric_memory as symmetric

        with warnings.catch_warnings():  # newer versions of torch do this automatically, with a warning
            warnings.simplefilter("ignore")
            symmetric.enable_symm_mem_for_group(dist.group.WORLD.group_name)
        elements, joins, programs = cls.sizes(config, mine)
        tensors, addresses = [], []
        for size, kind in ((elements, dtype), (programs * mine.ranks, torch.int32)):
            tensor = symmetric.empty(size, dtype=kind, device=device)
            handle = symmetric.rendezvous(tensor, dist.group.WORLD)
            inside = tensor.data_ptr() - handle.buffer_ptrs[mine.rank]
            tensors.append(tensor.zero_())
            addresses.append([address + inside for address in handle.buffer_ptrs])
        torch.cuda.synchronize(device)
        dist.barrier()  # no flag may be raised before all are zero
        return cls(tensors[0], tensors[1], *addresses, joins)


def sharded_fast(
    config: ModelConfig, mine: Share, ranks: Ranks, weights: dict[str, Tensor], tuning: Tuning | None = None,
    way: str = "symmetric", memory: PeerMemory | None = None,
) -> FastTransformer:  # fmt: skip
    """Make this rank's part of a fast model.

    weights : its slices, on its card; way : how a step's sums travel, "symmetric" (memory that the cards read from each
    other) or "nccl"; memory : for "symmetric", existing memory
    """
    if way not in WAYS:
        raise GptOssError(f"parallel: expected {' or '.join(WAYS)}, found {way!r}.")
    device = weights["embedding.weight"].device
    tuning = tuning or Tuning.on(device)
    if way == "nccl" or ranks.size == 1:
        join = Library(ranks, mine, config)
    else:
        memory = memory or PeerMemory.on_gpu(config, mine, weights["embedding.weight"].dtype, device)
        join = Peers(ranks, mine, config, memory, tuning.overlap)
    return FastTransformer(mine.local(config), weights, tuning, join)
