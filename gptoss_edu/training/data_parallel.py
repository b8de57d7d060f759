"""Run the same training step on several ranks, each with its rows of the batch, and sum gradients before the update.

The sum equals that of one device with the whole batch. Two numbers of the loss depend on the whole batch and not on a
rank's rows, so they are combined too: the weights that divide the cross-entropy, and each expert's share of the tokens
in the balance loss. The rest is a sum over rows. This is what torch's DistributedDataParallel does, written out, and a
test compares the two. DistributedDataParallel itself would not be simpler: it hangs on a module's forward, while the
GPU's loss reads the weights itself and the step is recorded as one CUDA graph; and the two sums above would stay. Every
rank holds all weights and optimiser state, since 14 MB need no sharding; torch's fully_shard, which divides them, gives
the same gradients (a test compares it too).
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor

from gptoss_edu.errors import GptOssError
from gptoss_edu.fast.ranks import Ranks

from .packing import Batch


class Replicas:
    """A rank's place in a data-parallel run of `ranks.size` ranks.

    Raises
    ------
    GptOssError : the number of rows is not a multiple of the ranks.
    """

    def __init__(self, ranks: Ranks, rows: int):
        self.ranks, self.size = ranks, ranks.size
        if rows % ranks.size:
            raise GptOssError(
                f"train: expected rows in a multiple of the {ranks.size} ranks, found {rows}; give --rows."
            )
        self.rows = rows // ranks.size

    @property
    def first(self) -> bool:
        return self.ranks.first

    def part(self, batch: Batch) -> Batch:
        """Return this rank's rows of a batch."""
        mine = slice(self.ranks.rank * self.rows, (self.ranks.rank + 1) * self.rows)
        return Batch(*(part[mine] for part in batch))

    def sum(self, value: Tensor) -> Tensor:
        """Return the sum over the ranks of a number without gradient."""
        return self.ranks.sum(value.detach().clone())

    def sum_gradients(self, parameters: list[Tensor]) -> None:
        """Replace all gradients by their sums over the ranks, in one collective."""
        flat = torch.cat([p.grad.flatten() for p in parameters])
        self.ranks.sum(flat)
        for p, total in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
            p.grad.copy_(total.view_as(p))

    def agree(self, value: float) -> float:
        """Return rank 0's value, since clocks differ but schedules must not."""
        if self.size == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64)
        dist.broadcast(shared, 0)
        return float(shared)
