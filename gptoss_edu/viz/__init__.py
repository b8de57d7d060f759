"""Pictures of the model: Matplotlib figures, one function per figure."""

from . import style

__all__ = ["style"]
