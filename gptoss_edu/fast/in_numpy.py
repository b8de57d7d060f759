"""A Triton program in NumPy (chapter 18): a tile's offsets and mask, and a masked load.

For reading, and for machines without Triton; nothing here is fast.
"""

import numpy as np
from numpy import ndarray


def tile(pid: int, step: int, block_n: int, block_c: int, rows: int, c: int) -> tuple[ndarray, ndarray]:
    """Return the elements of a row-major (rows, c) matrix that program `pid` reads in one step.

    Returns offsets from the matrix's first element and mask, True inside the matrix; both (block_n, block_c).
    """
    n = pid * block_n + np.arange(block_n)
    columns = step * block_c + np.arange(block_c)
    offsets = n[:, None] * c + columns[None, :]  # (block_n, block_c)
    mask = (n < rows)[:, None] & (columns < c)[None, :]
    return offsets, mask


def load(memory: ndarray, offsets: ndarray, mask: ndarray) -> ndarray:
    """Load the elements of flat memory at `offsets`; where the mask is False, give zero and read nothing."""
    values = np.zeros(offsets.shape, memory.dtype)
    values[mask] = memory[offsets[mask]]
    return values
