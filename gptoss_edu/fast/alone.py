"""What a fast model asks its ranks for, and the answers where it has a card to itself. `parallel_gpu.py` has others."""

from torch import Tensor


class Alone:
    """One rank: nothing is joined.

    adds : whether this rank's part of a prefill's sum is added to the residual stream, or written without it; step_adds
        : the same in a decoding step; first_expert : number of the first expert that is here
    """

    adds = step_adds = True
    first_expert = 0
    capture_mode = "global"  # of CUDA graphs

    def target(self, x: Tensor) -> Tensor:
        """Return where a step's kernels write their part of x (b, c)."""
        return x

    def join(self, x: Tensor, part: Tensor) -> None:
        """In a step: let x (b, c) become the residual stream with all ranks' parts."""

    def total(self, x: Tensor) -> Tensor:
        """In a prefill: the sum of all ranks' x (n, c), in place."""
        return x

    def gather(self, logits: Tensor) -> Tensor:
        """Return all ranks' logits (b, v) from this rank's (b, part)."""
        return logits


ALONE = Alone()
