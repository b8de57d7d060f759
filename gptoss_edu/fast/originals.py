"""Whether the functions that the reference path calls are the package's own, and nobody watches torch's operators.

A learner's function, a planted fault, a mock: each puts another function in the place of one of these. A compiled path
that computes the same thing on its own must notice, and step aside.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Callable
from operator import attrgetter
from types import FunctionType, ModuleType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gptoss_edu import attention, cache, config, hooks, moe, norm, rope, transformer

READ = (config, norm, rope, attention, moe, hooks, cache, transformer)  # what a step of the reference path runs
CALLED = ("__call__", "_call_impl", "__getattr__", "forward")  # of every module
OF_TORCH = {
    F: ("linear", "embedding"), torch: ("cat", "sigmoid", "rsqrt", "baddbmm"),
    Tensor: ("softmax", "topk", "clamp", "masked_fill", "square", "mean", "chunk", "__matmul__", "__mul__", "__add__"),
    nn.Module: CALLED, nn.Linear: CALLED, nn.Embedding: CALLED,
}  # fmt: skip


def _functions_and_classes(module: ModuleType) -> dict[str, object]:
    """Return the package's own that a module's code finds by name, imported ones too."""
    return {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, FunctionType | type) and value.__module__.startswith("gptoss_edu.")
    }


def _methods(owner: type) -> dict[str, object]:
    """Return the package's own methods that a class has or inherits."""
    own = [base for base in owner.__mro__ if base.__module__.startswith("gptoss_edu.")]
    names = {name for base in own for name, value in vars(base).items() if isinstance(value, FunctionType | property)}
    return {name: getattr(owner, name) for name in sorted(names)}


def _spaces() -> list[tuple[ModuleType | type, dict[str, object]]]:
    """Return modules and classes, each with the names that count in it and what they stand for now."""
    modules = [(module, _functions_and_classes(module)) for module in READ]
    classes = {value for _, names in modules for value in names.values() if isinstance(value, type)}
    return [
        *modules,
        *((owner, _methods(owner)) for owner in classes if owner.__module__.removeprefix("gptoss_edu.") != "errors"),
    ]


def _from_its_file(name: str, value) -> bool:
    """Return whether a function is the one in its module's file, since a fault may be planted during this import."""
    made = ("<string>", contextlib.__file__, dataclasses.__file__)  # where decorators of the standard library make some
    if not isinstance(value, FunctionType) or value.__code__.co_filename in made:
        return True
    home = sys.modules.get(value.__module__)
    return value.__name__ == name and value.__code__.co_filename == getattr(home, "__file__", None)


def _kept() -> list[tuple[object, Callable, tuple]]:
    """Return each owner with a getter of its names, at least two, for a tuple, and its first result.

    A class is asked as Python asks it, so that a method put before an inherited one is seen.
    """
    names = [(owner, tuple(own)) for owner, own in _spaces()]
    names += [(owner, CALLED) for owner, _ in names if isinstance(owner, type) and issubclass(owner, nn.Module)]
    getters = [(owner, attrgetter("__doc__", *own)) for owner, own in (*names, *OF_TORCH.items()) if own]
    return [(owner, get, get(owner)) for owner, get in getters]


KEPT = _kept()
SOUND = all(_from_its_file(name, value) for _, names in _spaces() for name, value in names.items())


def all_original() -> bool:
    """Return whether all functions, methods and classes are the original ones, and nobody watches torch's calls."""
    try:
        if not SOUND or not all(get(owner) == values for owner, get, values in KEPT):
            return False
    except AttributeError:
        return False
    return not (
        torch._C._len_torch_function_stack()
        or torch._C._len_torch_dispatch_stack()
        or torch.autograd._profiler_enabled()
        or torch.is_autocast_enabled("cpu")
        or torch.compiler.is_compiling()
        or nn.modules.module._has_any_global_hook()
    )
