"""Checkpoints: load a model, save it, convert a layout, write random weights of any size."""

from .load import load_model
from .write import convert, save, save_random

__all__ = ["convert", "load_model", "save", "save_random"]
