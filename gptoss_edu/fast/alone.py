"""The operations that a fast model needs from its ranks, for a model on a single card. See also `parallel_gpu.py`."""

from torch import Tensor


class Alone:
    """One rank, so nothing is joined.

    adds : whether this rank's part of a prefill's sum is added to the residual stream, or written without it; step_adds
        : the same in a decoding step; first_expert : number of the first expert on this rank
    """

    adds = step_adds = True
    first_expert = 0
    capture_mode = "global"  # of CUDA graphs

    def target(self, x: Tensor) -> Tensor:
        """Return where a step's kernels write their part of x (b, c)."""
        return x

    def join(self, x: Tensor, part: Tensor) -> None:
        """In a decoding step, add all ranks' parts to the residual stream x (b, c)."""

    def total(self, x: Tensor) -> Tensor:
        """In a prefill, sum all ranks' x (n, c) in place."""
        return x

    def gather(self, logits: Tensor) -> Tensor:
        """Gather all ranks' logits (b, v) from each rank's (b, part)."""
        return logits


ALONE = Alone()
