"""my_gptoss.py: the learner's own functions, stored as their checks pass, and loaded again in chapter 10.

A section holds one function with the helpers, constants and imports that it uses, so that each runs by itself.
"""

from __future__ import annotations

import ast
import dis
import inspect
import json
import os
import re
import sys
import textwrap
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from gptoss_edu.options import write_text

FILE_NAME = "my_gptoss.py"
LOCK_NAME = ".my_gptoss.lock"
FOLDER_VARIABLE = "GPTOSS_EDU_FOLDER"
HEADER = '"""The parts of gpt-oss that I wrote. Each section was stored when its check passed."""\n'
SECTION = re.compile(r"^# --- (?P<name>\w+) ---\n(?P<body>.*?)^# --- end of (?P=name) ---\n", re.M | re.S)


def workshop_folder() -> Path | None:
    """The folder that keeps the learner's work: $GPTOSS_EDU_FOLDER, or the nearest folder upwards that holds my_gptoss.py."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named)
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / FILE_NAME).is_file()), None)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Between reading and writing again what a folder keeps: the notebooks that are open beside this one wait.

    Raises: Timeout, an OSError, when another process has not finished within ten seconds.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    lock = FileLock(Path(folder) / LOCK_NAME)
    try:
        lock.acquire(timeout=10, poll_interval=0.01)
    except Timeout:
        raise
    except (OSError, NotImplementedError):
        pass  # a file system without locks; or one that cannot be written, which the writing itself will say
    try:
        yield
    finally:
        lock.release()


def read_entries(path: Path, what: str, is_entry: Callable[[object], bool]) -> dict:
    """A JSON object that the folder keeps, {} where there is none yet. Raises ValueError where it is damaged."""
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(map(is_entry, found.values())):
        raise ValueError(f"{path} is damaged: expected JSON of {what}. Delete it to begin anew.")
    return found


def read_sections(folder: Path) -> dict[str, str]:
    """Check name -> source of its section, as stored in `folder`."""
    path = Path(folder) / FILE_NAME
    if not path.is_file():
        return {}
    return {match["name"]: match["body"] for match in SECTION.finditer(path.read_text(encoding="utf-8"))}


def remember(check: str, function: Callable) -> tuple[str | None, str]:
    """Store `function` as the learner's answer to `check`.

    Returns the file's path, or None where no folder keeps anything; and, where storing failed, the reason in words (the check
    has passed all the same).
    """
    folder = workshop_folder()
    if folder is None:
        return None, ""
    try:
        source = source_with_needs(check, function)
        compile(source, FILE_NAME, "exec")
        with alone(folder):
            write_sections(folder, read_sections(folder) | {check: source})
    except (OSError, TypeError, SyntaxError, ValueError) as error:
        return None, f"not stored in {FILE_NAME}: {error}"
    return (FILE_NAME if folder == Path.cwd() else str(folder / FILE_NAME)), ""


def write_sections(folder: Path, sections: dict[str, str]) -> None:
    """Write my_gptoss.py whole or not at all."""
    parts = [HEADER] + [
        f"# --- {name} ---\n{body.rstrip()}\n# --- end of {name} ---\n" for name, body in sections.items()
    ]
    write_text(Path(folder) / FILE_NAME, "\n\n".join(parts))


def source_with_needs(check: str, function: Callable) -> str:
    """The function's source, preceded by whatever of the notebook it refers to, followed by an alias if it has another name."""
    needs: dict[str, str] = {}
    _collect(function, needs, set())
    lines = list(needs.values())
    if function.__name__ != check:
        lines.append(f"{check} = {function.__name__}")
    return "\n\n".join(line.strip("\n") for line in lines) + "\n"


def _collect(function: Callable, needs: dict[str, str], seen: set[str]) -> None:
    """Add to `needs`, in the order in which they must run: imports, constants and helper functions, then `function`."""
    source = textwrap.dedent(inspect.getsource(function))
    if function.__name__ == "<lambda>":
        raise TypeError("a lambda has no name to be stored under")
    seen.add(function.__name__)
    for name in _global_names(function, source):
        if name in seen or name not in function.__globals__:
            continue
        seen.add(name)
        value = function.__globals__[name]
        line = _import_line(name, value, function.__module__)
        if line:
            needs[name] = line
        elif isinstance(value, types.FunctionType):
            _collect(value, needs, seen)
        elif isinstance(value, type):
            needs[name] = textwrap.dedent(inspect.getsource(value))
        else:
            needs[name] = _constant_line(name, value)
    needs[function.__name__] = source


def _global_names(function: Callable, source: str) -> list[str]:
    """Names that the function takes from its surroundings: those of its code, its annotations, defaults and decorators."""
    names, codes = [], [function.__code__]
    while codes:
        code = codes.pop()
        names += [step.argval for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")]
        codes += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    head = ast.parse(source).body[0]
    parts = [
        *head.decorator_list,
        *head.args.defaults,
        *filter(None, head.args.kw_defaults),
        *filter(None, [head.returns]),
    ]
    arguments = [*head.args.posonlyargs, *head.args.args, *head.args.kwonlyargs]
    parts += [argument.annotation for argument in arguments if argument.annotation is not None]
    names += [node.id for part in parts for node in ast.walk(part) if isinstance(node, ast.Name)]
    return list(dict.fromkeys(names))


def _import_line(name: str, value, home: str) -> str | None:
    """The import that gives `name`; None for what was defined beside the function, in module `home`."""
    if isinstance(value, types.ModuleType):
        return f"import {value.__name__} as {name}" if value.__name__ != name else f"import {name}"
    module = getattr(value, "__module__", None)
    own = getattr(value, "__name__", None)
    if module and own and module not in (home, "__main__", "builtins") and hasattr(sys.modules.get(module), own):
        return f"from {module} import {own}" + (f" as {name}" if own != name else "")
    return None


def _constant_line(name: str, value) -> str:
    """A constant as Python: numbers, strings, lists and dictionaries of them, and tensors by their values."""
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        module = "torch" if type(value).__module__.startswith("torch") else "numpy"
        call = "tensor" if module == "torch" else "array"
        dtype = str(value.dtype) if module == "torch" else f"'{value.dtype}'"
        return f"import {module}\n{name} = {module}.{call}({value.tolist()!r}, dtype={dtype})"
    if isinstance(value, float):
        return f"{name} = float('{value!r}')"  # inf and nan too
    try:
        ast.literal_eval(repr(value))
    except (ValueError, SyntaxError):
        raise TypeError(f"it uses {name}, a {type(value).__name__}, which cannot be written down") from None
    return f"{name} = {value!r}"


def load_functions(folder: Path) -> dict[str, Callable]:
    """Check name -> the learner's stored function; every section runs in a namespace of its own.

    Raises: ValueError naming the section when one does not run (an edited file).
    """
    functions = {}
    for name, body in read_sections(folder).items():
        namespace: dict = {"__name__": f"my_gptoss.{name}"}
        try:
            exec(compile(body, f"{FILE_NAME} ({name})", "exec"), namespace)
        except Exception as error:
            raise ValueError(
                f"section {name} of {Path(folder) / FILE_NAME} does not run: {type(error).__name__}: {error}"
            ) from error
        functions[name] = namespace[name]
    return functions
