"""Whether the functions that the reference path calls are the package's own, and nobody watches torch's operators.

A learner's function, a planted fault, a mock: each puts another function in the place of one of these. A compiled path
that computes the same thing on its own must notice, and step aside.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from operator import itemgetter
from types import FunctionType, ModuleType

import torch
import torch.nn.functional as F
from torch import nn

from gptoss_edu import attention, cache, config, hooks, moe, norm, rope, transformer

READ = (config, norm, rope, attention, moe, hooks, cache, transformer)  # what a step of the reference path runs
OF_TORCH = ((nn.Module, "_call_impl"), (nn.Linear, "forward"), (nn.Embedding, "forward"), (F, "linear"), (torch, "cat"))


def _functions_and_classes(module: ModuleType) -> dict[str, object]:
    """Return the package's own that a module's code finds by name, imported ones too."""
    return {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, FunctionType | type) and value.__module__.startswith("gptoss_edu.")
    }


def _methods(owner: type) -> dict[str, object]:
    return {name: value for name, value in vars(owner).items() if isinstance(value, FunctionType | property)}


def _spaces() -> list[tuple[dict, dict[str, object]]]:
    """Return namespaces, each with the names that count in it and what they stand for now."""
    modules = [(module, _functions_and_classes(module)) for module in READ]
    classes = {value for _, names in modules for value in names.values() if isinstance(value, type)}
    return [
        *((vars(module), names) for module, names in modules),
        *(
            (vars(owner), _methods(owner))
            for owner in classes
            if owner.__module__.removeprefix("gptoss_edu.") != "errors"
        ),
    ]  # type: ignore[list-item]  # a class has a mapping that cannot be written


def _from_its_file(name: str, value) -> bool:
    """Return whether a function is the one in its module's file, since a fault may be planted during this import."""
    made = ("<string>", contextlib.__file__, dataclasses.__file__)  # where decorators of the standard library make some
    if not isinstance(value, FunctionType) or value.__code__.co_filename in made:
        return True
    home = sys.modules.get(value.__module__)
    return value.__name__ == name and value.__code__.co_filename == getattr(home, "__file__", None)


def _kept() -> list[tuple[dict, itemgetter, tuple]]:
    """Return each namespace with a getter of its names, at least two, for a tuple, and its first result."""
    names = _spaces() + [(vars(owner), {name: vars(owner)[name]}) for owner, name in OF_TORCH]
    return [(space, itemgetter("__doc__", *own), (space["__doc__"], *own.values())) for space, own in names if own]


KEPT = _kept()
SOUND = all(_from_its_file(name, value) for _, names in _spaces() for name, value in names.items())


def all_original() -> bool:
    """Return whether all functions, methods and classes are the original ones, and nobody watches torch's calls."""
    try:
        if not SOUND or not all(get(space) == values for space, get, values in KEPT):
            return False
    except KeyError:
        return False
    return not (
        torch._C._len_torch_function_stack()
        or torch._C._len_torch_dispatch_stack()
        or torch.autograd._profiler_enabled()
        or torch.is_autocast_enabled("cpu")
        or torch.compiler.is_compiling()
        or nn.modules.module._has_any_global_hook()
    )
