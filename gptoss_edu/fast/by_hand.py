"""The parts that chapter 25 splits by hand: a linear map by its outputs, a sum over a ring, experts over ranks."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .parallel import spread
from .ranks import Ranks


def column_parallel(x: Tensor, weight: Tensor, bias: Tensor, rank: int, size: int) -> Tensor:
    """Compute this rank's outputs of x @ weight.T + bias: x (n, c), weight (r, c), bias (r,), r a multiple of size.

    Returns (n, r / size): the ranks' results, side by side, are the full output.
    """
    part = weight.shape[0] // size
    mine = slice(rank * part, (rank + 1) * part)
    return F.linear(x, weight[mine], bias[mine])


def ring_sum(rank: int, size: int, parts: list, send: Callable, receive: Callable) -> list:
    """All-reduce with sends: replace each rank's `size` parts by the sums over the ranks.

    send(part) goes to rank + 1, receive() comes from rank - 1. In the first round a part collects its sum; in the
    second round the sums are passed on. Each rank sends 2 (size - 1) parts.

    Source: Patarasuk and Yuan 2009, "Bandwidth optimal all-reduce algorithms for clusters of workstations".
    """
    parts = list(parts)
    for step in range(size - 1):
        send(parts[(rank - step) % size])
        i = (rank - step - 1) % size
        parts[i] = parts[i] + receive()
    for step in range(size - 1):
        send(parts[(rank + 1 - step) % size])
        parts[(rank - step) % size] = receive()
    return parts


def owner_of(expert: int, experts: int, ranks: int) -> tuple[int, int]:
    """Return the rank that holds an expert, and its number there; parts are contiguous, larger parts first."""
    for rank in range(ranks):
        held = spread(experts, ranks, rank)
        if expert in held:
            return rank, expert - held.start
    raise ValueError(f"expert {expert} of {experts}")


def ring_over_processes(ranks: Ranks, x: Tensor) -> tuple[Tensor, int]:
    """Sum x over the ranks of a process group with `ring_sum`; return it and the bytes that this rank sent."""
    import torch.distributed as dist

    sent = 0
    waiting = []

    def send(part: Tensor) -> None:
        nonlocal sent
        sent += part.nbytes
        waiting.append(dist.isend(part.clone(), (ranks.rank + 1) % ranks.size))

    def receive() -> Tensor:
        part = torch.empty(x.numel() // ranks.size)
        dist.recv(part, (ranks.rank - 1) % ranks.size)
        return part

    parts = ring_sum(ranks.rank, ranks.size, list(x.flatten().chunk(ranks.size)), send, receive)
    for one in waiting:
        one.wait()
    return torch.cat(parts).view_as(x), sent
