"""Compare a run without and with interventions."""

from __future__ import annotations

from .capture import record
from .interventions import intervene
from .record import Difference, difference


def compare(model, tokens, *changes, **options) -> Difference:
    """Trace the same tokens without and with interventions.

    Parameters
    ----------
    model, tokens : as for `record`.
    changes : interventions, or their dictionaries.
    options : as for `capture`, for both traces.

    Returns
    -------
    Difference, with the two traces as `.base` and `.other`.
    """
    base = record(model, tokens, **options)
    with intervene(model, *changes):
        other = record(model, tokens, **options)
    return difference(base, other)
