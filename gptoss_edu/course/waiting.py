"""Show a progress bar for work of more than ten seconds if a user is waiting; none if a program runs the notebook."""

from __future__ import annotations

from collections.abc import Iterable

from . import buttons


def watch(steps: Iterable, words: str = "", total: int | None = None):
    """Iterate over `steps` with a progress bar that shows the time left, and remove the bar afterwards.

    Parameters: `words`, a description of the work; `total`, the number of steps, if `steps` has no length.
    """
    if not buttons.live():
        return iter(steps)
    from tqdm.auto import tqdm

    return iter(tqdm(steps, desc=words, total=total, leave=False))
