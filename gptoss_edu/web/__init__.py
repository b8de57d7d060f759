"""Pages: the explorer as a self-contained page, and live in a notebook."""

from .live import live
from .page import Page, explore

__all__ = ["Page", "explore", "live"]
