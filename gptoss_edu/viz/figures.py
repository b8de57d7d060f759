"""Figures of traces, for notebooks and print. One function a figure, each returning its Matplotlib figure."""

from .attention_figures import attention, difference, distances, head_grid, logit_lens, row, sink_over_text
from .router_figures import information, load, load_balance, null_histogram, router_map

__all__ = [
    "attention", "difference", "distances", "head_grid", "information", "load", "load_balance", "logit_lens",
    "null_histogram", "router_map", "row", "sink_over_text",
]  # fmt: skip
