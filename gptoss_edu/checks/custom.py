"""Checks for exercises that are a chapter's own: cases with a cause each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from .compare import close, expect_close, expect_shape, number, to_numpy
from .guard import describe_call
from .harness import Check, Refused, Result, Stage, TheirError
from .outcomes import is_own, record


@dataclass(frozen=True)
class Case:
    """One mechanism of an exercise: what to call with, what is right, and which idea is wrong if this case fails."""

    label: str
    args: tuple
    expected: Any
    cause: str
    rtol: float = 1e-3
    atol: float = 1e-5

    def right(self):
        return self.expected(*self.args) if callable(self.expected) else self.expected


def custom(name: str, function: Callable, cases: Iterable[Case]) -> Result:
    """Check `function` on `cases`, one at a time, like one of the package's checks.

    The function is not stored in my_gptoss.py; that a chapter's own exercise has passed is kept for `gptoss-edu progress`.
    """
    check = Check(name)
    if not is_own(name, function):
        return check.refuse_package(name)
    for case in cases:
        check.stages.append(_stage(case))
    result = check(function, allow_package=True)
    return replace(result, remark=record(name, function, result.status))


def _stage(case: Case):
    def run(call) -> None:
        try:
            found = call(*case.args)
        except TheirError as error:
            raise TheirError(error.symptom, f"{error.cause}\nThis case: {case.cause}") from None
        try:
            compare(found)
        except Refused as refused:
            shown = describe_call(call.function, case.args, {})
            raise Refused(f"{refused.symptom}\ncalled with {shown}", refused.cause, refused.picture) from None

    def compare(found) -> None:
        right = case.right()
        if isinstance(right, (str, bytes, bool, dict, set)) or right is None:
            if found != right:
                raise Refused(f"yours is {found!r}, right is {right!r}", case.cause)
            return
        if isinstance(right, list) and all(type(value) is int for value in right):
            expect_same_list(found, right, case.cause)
            return
        found, right = to_numpy(found), to_numpy(right)
        expect_shape(found, right.shape, "", case.cause)
        if right.ndim == 0 and not close(found, right, case.rtol, case.atol):
            raise Refused(f"yours is {number(float(found))}, right is {number(float(right))}", case.cause)
        expect_close(
            found,
            right,
            (),  # a case does not name its axes
            case.cause,
            rtol=case.rtol,
            atol=case.atol,
        )

    return Stage(case.label, run)


def expect_same_list(found: Any, right: list[int], cause: str) -> None:
    """Refuse anything but these whole numbers; both lists are shown, and where they part."""
    found = found.tolist() if hasattr(found, "tolist") else found
    if not isinstance(found, (list, tuple)):
        raise Refused(f"the result is a {type(found).__name__}, a list was expected", "Return a list of whole numbers.")
    found = [value.item() if getattr(value, "shape", None) == () else value for value in found]
    odd = next((i for i, value in enumerate(found) if not isinstance(value, (int, float))), None)
    if odd is not None:
        what = f"[{odd}] of the result is a {type(found[odd]).__name__}, a whole number was expected"
        raise Refused(what, "A flat list of whole numbers is wanted; a list inside a list is unpacked with a star.")
    if found != right:
        at = next(
            (i for i, (a, b) in enumerate(zip(found, right, strict=False)) if a != b), min(len(found), len(right))
        )
        raise Refused(f"yours is {found}, right is {right}; first difference at [{at}]", cause)
