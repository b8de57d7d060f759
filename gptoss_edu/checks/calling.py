"""Call the learner's function on copies, within a time limit, and put every exception into words."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable

from .guard import (
    TIME_LIMIT,
    Forbidden,
    PackageCalled,
    TookTooLong,
    describe,
    describe_call,
    locate,
    named_arguments,
    time_limit,
    watching,
)

INPUT_CHANGED = (
    "An in-place operation changes the caller's tensor, which in the model may be the residual stream. `x.float()` "
    "and `x.to(...)` return x itself when it has that dtype already, and slices "
    "and views share "
    "its memory; so `y /= ...` or `y.clamp_(...)` then writes into x. Use an operation that makes a new tensor "
    "(`y = y / ...`, "
    "`clamp` without the underscore), or `x.clone()` first."
)


class NotWritten(Exception):
    """The learner's function is still a stub."""


class TheirError(Exception):
    """An exception raised inside the learner's function, in words; `finished` is False if it did not return in time."""

    def __init__(self, symptom: str, cause: str, finished: bool = True):
        super().__init__(symptom)
        self.symptom = symptom
        self.cause = cause
        self.finished = finished


class Call:
    """Calls the learner's function on copies of the arguments; turns exceptions into TheirError or NotWritten."""

    def __init__(self, function: Callable, rules: tuple[Forbidden, ...] = (), seconds: float = TIME_LIMIT):
        self.function = function
        self.rules = rules
        self.seconds = seconds
        self.noticed: list[str] = []  # package functions that were called
        self.changed = ""  # the first input that was overwritten, in words
        self.shown = ""  # the arguments of the last call, in words
        self.result = None  # of the last call

    def __call__(self, *args, **kwargs):
        """Call with copies of the arguments; returning nothing is an error."""
        result = self.direct(*copied(args), **copied(kwargs))
        if result is None or result is Ellipsis:
            raise self.nothing(result)
        return result

    def direct(self, *args, **kwargs):
        """Call with the arguments themselves; returning nothing is allowed."""
        self.shown = describe_call(self.function, args, kwargs)
        given = {
            name: value for name, value in named_arguments(self.function, args, kwargs).items() if _is_tensor(value)
        }
        before = {name: value.clone() for name, value in given.items()}
        self.result = ...
        try:
            with time_limit(self.seconds), watching(self.rules, self.noticed):
                self.result = self.function(*args, **kwargs)
        except PackageCalled:
            raise
        except TookTooLong as error:
            symptom = f"your function did not return: {error} ({self.shown})"
            cause = "Most likely a loop whose condition never becomes false, or one with millions of steps."
            raise TheirError(symptom, cause, finished=False) from None
        except NotImplementedError as error:
            if "not implemented for" in str(error):
                raise TheirError(*_in_words(error, self.function, self.shown)) from None
            raise NotWritten from None
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # the learner may raise a BaseException
            raise TheirError(*_in_words(error, self.function, self.shown)) from None
        differences = (_difference(name, before[name], value) for name, value in given.items())
        self.changed = self.changed or next(filter(None, differences), "")
        return self.result

    def nothing(self, result=None) -> TheirError:
        """Return the error for a function that returned nothing."""
        cause = "The result is not returned: is there a `return` at the end?"
        return TheirError(f"your function returned {result} ({self.shown})", cause)


def _is_tensor(value) -> bool:
    return hasattr(value, "clone") and hasattr(value, "shape")


def _difference(name: str, before, after) -> str:
    """Say how an input changed during the call; "" if it is unchanged, with NaN in the same places."""
    if before.shape != after.shape or before.dtype != after.dtype:
        return f"your function changed its input {name}: {describe(before)} before the call, {describe(after)} after it"
    changed = (before != after) & ~((before != before) & (after != after))
    if not changed.any():
        return ""
    at = tuple(changed.nonzero()[0].tolist())
    where = f"{name}[{', '.join(map(str, at))}]" if at else name
    was, now = f"{before[at].item():.5g}", f"{after[at].item():.5g}"
    return f"your function changed its input {name}: {where} was {was}, and is {now} after the call"


def copied(value):
    """Return a copy that the callee may overwrite.

    Tensors and arrays are copied, also within lists, tuples and dictionaries; of other objects the copy is shallow.
    """
    if hasattr(value, "clone"):
        return value.clone()
    if type(value) in (tuple, list):
        return type(value)(map(copied, value))
    if type(value) is dict:
        return {key: copied(entry) for key, entry in value.items()}
    return copy.copy(value)


def _in_words(error: BaseException, function: Callable, shown: str) -> tuple[str, str]:
    first = str(error).strip().splitlines()[0] if str(error).strip() else ""
    where = locate(error, function)
    symptom = (
        f"your function raised {type(error).__name__}: {first}"
        + (f"\n{where}" if where else "")
        + f"\ncalled with {shown}"
    )
    return symptom, _likely(error, function)


AXES = (
    "Two axes do not fit. Write the axes behind every line, as in `# (b, t, h, d)`, and compare with the shapes above."
)
VIEW = (
    "The numbers do not lie in memory in the order of the axes, as after `permute` or `transpose`, so `view` cannot "
    "join these axes: `reshape` copies them. Neither of the two exchanges axes; that is `permute`."
)
LETTERS = (
    "The letters of this einsum do not fit. Every axis of every input has one letter; a letter of the result occurs "
    "in an input, and once in the result."
)
INDICES = (
    "More axes are indexed than there are: `x[..., i]` fits any number of leading axes. A uint8 tensor used as an "
    "index counts as a mask: convert it first, with `.long()`."
)
DTYPES = "Two dtypes meet in one product. Convert where the exercise says so, and convert back at the end."
NAMES = "A name is used before it exists. A missing import, a misspelt name, or a cell above that was not run."
THEIRS = (
    "The exception was raised in your code, at the line and on the inputs shown above. Call your function with those "
    "shapes to see it again."
)


def _likely(error: BaseException, function: Callable) -> str:
    """Return the likeliest cause of an exception, by its type and text."""
    text = str(error)
    entered = error.__traceback__.tb_next is not None
    if isinstance(error, TypeError) and not entered and hasattr(function, "__code__"):
        yours = f"yours takes {inspect.signature(function)}. Compare with the signature in the exercise."
        return f"The check calls your function with positional arguments; {yours}"
    if isinstance(error, NameError):
        return NAMES
    if "view size is not compatible" in text:
        return VIEW
    if ("einsum" in text or "einstein" in text) and "broadcast" not in text:
        return LETTERS
    if any(words in text for words in ("size of tensor", "shape", "subscript")) and "subscriptable" not in text:
        return AXES
    if "too many indices" in text:
        return INDICES
    if isinstance(error, RuntimeError) and "dtype" in text:
        return DTYPES
    return THEIRS
