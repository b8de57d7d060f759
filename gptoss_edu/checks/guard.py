"""Run the learner's function so that no exception escapes and the package's own answer is out of reach.

The guard watches calls with a profile hook, so it does not matter under which name or through which module the learner
reached the package's function. It is active only while the learner's function runs.
"""

from __future__ import annotations

import contextlib
import ctypes
import inspect
import linecache
import random
import signal
import sys
import threading
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
OWN_FILES = {__file__, contextlib.__file__, random.__file__, signal.__file__}  # no alarm raises while these run
TIME_LIMIT = 10.0  # seconds per call; right solutions need milliseconds


class PackageCalled(BaseException):
    """The learner's function called the package's finished one.

    A BaseException, so that `except Exception` does not hide it.
    """


class TookTooLong(BaseException):
    """The learner's function did not return in time."""


@dataclass(frozen=True)
class Forbidden:
    """Package code that an exercise must not call: a file or folder, and all or some of its functions."""

    path: str
    names: tuple[str, ...] = ()

    def matches(self, relative: str, qualname: str) -> bool:
        if relative != self.path and not relative.startswith(self.path.rstrip("/") + "/"):
            return False
        return not self.names or qualname.split(".")[0] in self.names


REFERENCE = Forbidden("checks/reference.py")


def forbidden_name(code, rules: tuple[Forbidden, ...]) -> str | None:
    """Return the dotted name of `code` when a rule forbids it, else None."""
    filename = code.co_filename
    if not filename.startswith(str(PACKAGE)):
        return None
    relative = filename[len(str(PACKAGE)) + 1 :].replace("\\", "/")
    if any(rule.matches(relative, code.co_qualname) for rule in (*rules, REFERENCE)):
        return "gptoss_edu." + relative.removesuffix(".py").replace("/", ".") + "." + code.co_qualname
    return None


def is_package_function(function, rules: tuple[Forbidden, ...]) -> str | None:
    """Return the dotted name when `function` itself is the package's answer to the exercise."""
    function = inspect.unwrap(function) if callable(function) else function
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return forbidden_name(code, rules) if code is not None else None


@contextmanager
def watching(rules: tuple[Forbidden, ...], noticed: list[str]):
    """Record calls of forbidden code in `noticed` within the block, and raise PackageCalled."""
    if not rules:  # watching makes a loop of calls twenty times slower
        yield
        return

    def hook(frame, event, _argument):
        if event == "call":
            name = forbidden_name(frame.f_code, rules)
            if name is not None:
                noticed.append(name)
                raise PackageCalled(name)

    before = sys.getprofile()
    sys.setprofile(hook)
    try:
        yield
    finally:
        sys.setprofile(before)


@contextmanager
def time_limit(seconds: float = TIME_LIMIT):
    """Raise TookTooLong in the code inside after `seconds`, and again whenever it is caught there.

    On POSIX, in the main thread, this uses an alarm; elsewhere another thread, which cannot interrupt a blocking call.
    """
    if hasattr(signal, "SIGALRM") and threading.current_thread() is threading.main_thread():
        with _alarm(seconds):
            yield
    else:
        with _watchdog(seconds):
            yield


@contextmanager
def _alarm(seconds: float):
    """Ring an alarm repeatedly, at random moments.

    `except BaseException` in a loop catches an alarm only inside its `try`.
    """

    over = False

    def ring(_signal, frame):
        if over:  # it rang before the clock was stopped, and is heard after: setting the clock again would outlive it
            return
        own = frame is None or frame.f_code.co_filename in OWN_FILES  # the call has ended, or an alarm is being handled
        # the interval covers an alarm just before a system call, which then waits for the next one
        signal.setitimer(signal.ITIMER_REAL, 1e-3 if own else random.uniform(1e-6, 2e-5), 1e-3)
        if not own:
            raise TookTooLong(f"more than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1e-3)
    try:
        yield
    finally:
        over = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_IGN)  # drops one that is still on its way
        signal.signal(signal.SIGALRM, before)  # by default, an alarm ends the process


@contextmanager
def _watchdog(seconds: float):
    thread, over = threading.get_ident(), threading.Event()
    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc

    def watch():
        wait = seconds
        while not over.wait(wait):
            raise_in(ctypes.c_ulong(thread), ctypes.py_object(TookTooLong))
            wait = 0.05

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    except TookTooLong:
        raise TookTooLong(f"more than {seconds:g} s") from None
    finally:
        over.set()


def describe(value) -> str:
    """Describe an argument in a short phrase: dtype and shape of arrays, the value of small objects."""
    if _is_array(value):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    if inspect.isroutine(value):
        return value.__name__
    if type(value) in (tuple, list) and len(value) <= 8 and any(map(_is_array, value)):
        return f"{type(value).__name__} of ({', '.join(map(describe, value))})"
    text = " ".join(line.strip() for line in repr(value).splitlines())
    return (
        text
        if len(text) <= 60
        else f"{type(value).__name__} of length {len(value)}"
        if hasattr(value, "__len__")
        else text[:57] + "..."
    )


def _is_array(value) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype")


def named_arguments(function, args: tuple, kwargs: dict) -> dict:
    """Return the arguments under the learner's own parameter names, if readable; `*a` collects a[0], a[1], …"""
    try:
        signature = inspect.signature(function)
        bound = signature.bind(*args, **kwargs).arguments
    except (TypeError, ValueError):
        return {f"argument {i + 1}": value for i, value in enumerate(args)} | kwargs
    named = {}
    for name, value in bound.items():
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            named |= {f"{name}[{i}]": entry for i, entry in enumerate(value)}
        else:
            named |= value if kind is inspect.Parameter.VAR_KEYWORD else {name: value}
    return named


def describe_call(function, args: tuple, kwargs: dict) -> str:
    """Return `x: float32 (2, 3), eps: 1e-05`, with the learner's own parameter names if readable."""
    return ", ".join(f"{name}: {describe(value)}" for name, value in named_arguments(function, args, kwargs).items())


def locate(error: BaseException, function) -> str:
    """Return where in the learner's code an exception arose: `line 4 of f: return x @ y`, counted from its `def`.

    The learner's code is everything in `function`'s namespace: a helper, or the function that a chapter's check wraps.
    """
    home = getattr(inspect.unwrap(function), "__globals__", None)
    frames = [(frame.f_code, line) for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_globals is home]
    named = [i for i, (code, _) in enumerate(frames) if code.co_name[0] != "<"]
    if not named:
        return ""
    code, line = frames[named[-1]]
    for inner, at in frames[named[-1] + 1 :]:
        # a comprehension's lines belong to its function; a lambda's elsewhere do not
        if inner.co_qualname.startswith(f"{code.co_qualname}.<locals>."):
            line = at
    where = f"line {line - code.co_firstlineno + 1} of {code.co_name}"
    text = linecache.getline(code.co_filename, line).strip()
    return f"{where}: {text}" if text else where
