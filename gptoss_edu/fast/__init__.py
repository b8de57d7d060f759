"""The fast paths: Triton kernels on a GPU and Numba on a processor, with the signatures of the reference path."""

from importlib import import_module

__all__ = ["FastTransformer", "why_not"]


def __getattr__(name: str):
    """Import the model on first use, since Triton may be missing and the CPU path does not need it."""
    if name in __all__:
        return getattr(import_module("gptoss_edu.fast.model"), name)
    raise AttributeError(f"gptoss_edu.fast has no {name}; it has {', '.join(__all__)}.")
