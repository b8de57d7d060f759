"""The ranks of a parallel run: this process's rank, sums and gathers over all ranks, and their cost."""

from __future__ import annotations

import datetime
import os
import socket
from collections import Counter
from dataclasses import dataclass, field

import torch
import torch.distributed as dist
from torch import Tensor

from gptoss_edu.errors import GptOssError

FOR_EVER = datetime.timedelta(days=365)  # a chat may wait long for its next question


@dataclass
class Ranks:
    """This process among `size` of them. Every rank calls `sum` and `gather` in the same order.

    counts : calls by kind; sent : bytes that this rank sends for them over rings, by kind
    """

    rank: int = 0
    size: int = 1
    counts: Counter = field(default_factory=Counter)
    sent: Counter = field(default_factory=Counter)

    @property
    def first(self) -> bool:
        return self.rank == 0

    def sum(self, x: Tensor) -> Tensor:
        """Replace x by the sum of all ranks' x (all-reduce). Afterwards all ranks hold the same bits."""
        if self.size > 1:
            self.note("all_reduce", ring_all_reduce_bytes(x.nbytes, self.size))
            dist.all_reduce(x)
        return x

    def gather(self, part: Tensor, length: int) -> Tensor:
        """Return all ranks' parts (…, p), side by side, cut to (…, length) (all-gather)."""
        if self.size == 1:
            return part[..., :length]
        self.note("all_gather", (self.size - 1) * part.nbytes)
        parts = [torch.empty_like(part) for _ in range(self.size)]
        dist.all_gather(parts, part.contiguous())
        return torch.cat(parts, dim=-1)[..., :length]

    def note(self, kind: str, nbytes: float) -> None:
        self.counts[kind] += 1
        self.sent[kind] += round(nbytes)

    def forget_counts(self) -> None:
        self.counts.clear()
        self.sent.clear()


def ring_all_reduce_bytes(nbytes: int, size: int) -> float:
    """Return the bytes that each rank sends when a ring sums a tensor: size - 1 parts to sum, size - 1 to share."""
    return 2 * (size - 1) / size * nbytes


def launched() -> int:
    """Return how many processes torchrun or `--tensor-parallel` started, including this one; 1 if neither was used."""
    try:
        return int(os.environ.get("WORLD_SIZE", "1"))
    except ValueError:
        raise GptOssError(f"WORLD_SIZE: expected a number, found {os.environ['WORLD_SIZE']!r}.") from None


def start(device: str = "cpu") -> Ranks:
    """Join the process group that the environment names (RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT).

    On a GPU, each process takes the card of its LOCAL_RANK; sums run over NCCL, and over gloo on a processor.
    """
    size = launched()
    if size == 1:
        return Ranks()
    if not dist.is_initialized():
        if device == "cuda":
            local = int(os.environ.get("LOCAL_RANK", os.environ["RANK"]))
            if local >= torch.cuda.device_count():
                raise GptOssError(
                    f"parallel: expected a GPU for each process, found {torch.cuda.device_count()} for {size}; "
                    "start fewer, or use --device cpu."
                )
            torch.cuda.set_device(local)
        backend = "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo"
        dist.init_process_group(backend, timeout=FOR_EVER)
    return Ranks(dist.get_rank(), dist.get_world_size())


def stop() -> None:
    """Leave the process group."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def free_port() -> int:
    """Return a free TCP port of this machine."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def environment(rank: int, size: int, port: int) -> dict[str, str]:
    """Return the environment variables that tell a process its rank among `size`."""
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "MASTER_PORT": port}
    return {"MASTER_ADDR": "127.0.0.1"} | {name: str(value) for name, value in place.items()}
