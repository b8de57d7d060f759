"""A bar for what takes longer than ten seconds, where somebody waits; nothing where a program runs the notebook."""

from __future__ import annotations

from collections.abc import Iterable

from . import buttons


def watch(steps: Iterable, words: str = "", total: int | None = None):
    """Go through `steps` with a bar that says how long it will take, and take the bar away afterwards.

    Parameters: `words`, what is done; `total`, how many steps there are, where they do not say so themselves.
    """
    if not buttons.live():
        return iter(steps)
    from tqdm.auto import tqdm

    return iter(tqdm(steps, desc=words, total=total, leave=False))
