"""Collect the source of a learner's function and everything in the notebook that it uses, so that it runs alone."""

from __future__ import annotations

import ast
import dis
import inspect
import sys
import textwrap
import types
from collections.abc import Callable


def source_with_needs(check: str, function: Callable) -> str:
    """Return the function's source after what it uses, and before an alias where its name is not that of the check.

    Raises: TypeError or OSError if something cannot be written as source.
    """
    needs: dict[str, str] = {}
    name = _collect(function, needs, set())
    lines = list(needs.values())
    if name != check:
        lines.append(f"{check} = {name}")
    return "\n\n".join(line.strip("\n") for line in lines) + "\n"


def _collect(thing: Callable, needs: dict[str, str], seen: set[str]) -> str:
    """Add to `needs`, in the order in which they must run, what a function or class uses, then itself; return its
    name.
    """
    inner = inspect.unwrap(thing)  # torch's or the learner's decorators keep the function that they wrap
    name = inner.__name__
    if name == "<lambda>":
        raise TypeError("a lambda has no name to be stored under; write it with def.")
    source = textwrap.dedent(inspect.getsource(inner))
    seen.add(name)
    around = _surroundings(inner)
    for used in _names(source):
        if used in seen or used not in around:
            continue
        seen.add(used)
        line = _definition(used, around[used], inner.__module__, needs, seen)
        if line:
            needs[used] = line
    needs.pop(name, None)
    needs[name] = source
    return name


def _surroundings(thing: Callable) -> dict:
    """Return the names that a function or class can see: its module's, and those of the functions around it."""
    if isinstance(thing, type):
        return vars(sys.modules[thing.__module__]) if thing.__module__ in sys.modules else {}
    around = dict(thing.__globals__)
    for name, cell in zip(thing.__code__.co_freevars, thing.__closure__ or (), strict=True):
        try:
            around[name] = cell.cell_contents
        except ValueError:  # an empty closure cell
            continue
    return around


def _definition(name: str, value, home: str, needs: dict[str, str], seen: set[str]) -> str:
    """Return the line that defines `name` as `value`; "" if `needs` already holds it under this name."""
    line = _import_line(name, value, home)
    if line:
        return line
    if isinstance(value, type) or hasattr(inspect.unwrap(value) if callable(value) else value, "__code__"):
        own = (
            _collect(value, needs, seen)
            if inspect.unwrap(value).__name__ not in needs
            else inspect.unwrap(value).__name__
        )
        return "" if own == name else f"{name} = {own}"
    return _constant_line(name, value)


def _names(source: str) -> list[str]:
    """Return the names that a definition uses from its surroundings.

    They occur in its body, annotations, defaults, bases and decorators.
    """
    names, codes = [], [compile(source, "<source>", "exec", dont_inherit=True)]
    while codes:
        code = codes.pop()
        steps = list(dis.get_instructions(code))
        bound = {step.argval for step in steps if step.opname == "STORE_NAME"}
        loads = [step.argval for step in steps if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")]
        names += [name for name in loads if name not in bound]
        codes += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return list(dict.fromkeys(names))


def _import_line(name: str, value, home: str) -> str | None:
    """Return the import that gives `name`; None if it was defined beside the function, in module `home`."""
    if isinstance(value, types.ModuleType):
        return f"import {value.__name__} as {name}" if value.__name__ != name else f"import {name}"
    module, own = getattr(value, "__module__", None), getattr(value, "__name__", None)
    if not module or not own or module in (home, "__main__", "builtins"):
        return None
    if getattr(sys.modules.get(module), own, None) is not value:
        return None
    return f"from {module} import {own}" + (f" as {name}" if own != name else "")


def _constant_line(name: str, value) -> str:
    """Return a constant as Python: numbers, strings, lists and dictionaries of them, and tensors by their values."""
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        module = "torch" if type(value).__module__.startswith("torch") else "numpy"
        call = "tensor" if module == "torch" else "array"
        dtype = str(value.dtype) if module == "torch" else f"'{value.dtype}'"
        numbers = repr(value.tolist()).replace("inf", f"{module}.inf").replace("nan", f"{module}.nan")
        return f"import {module}\n{name} = {module}.{call}({numbers}, dtype={dtype})"
    if isinstance(value, float):
        return f"{name} = float('{value!r}')"  # also inf and nan
    try:
        ast.literal_eval(repr(value))
    except (ValueError, SyntaxError):
        raise TypeError(f"it uses {name}, a {type(value).__name__}, which cannot be written as source.") from None
    return f"{name} = {value!r}"
