"""Checks made of cases: those of the chapters' own exercises, and a reader's own by `checks.custom`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

from .calling import Call, copied
from .compare import close, expect_close, expect_shape, number, to_numpy
from .diagnosis import Probe
from .guard import describe_call
from .harness import Check, Refused, Result, Stage
from .outcomes import is_own, record
from .refusals import record as record_refusal


@dataclass(frozen=True)
class Case:
    """One mechanism of an exercise.

    Attributes: `label`, unique in its exercise; `args`, the arguments; `expected`, the right result, or a function
    of `args` that gives it; `cause`, the rule of this case, shown as a rule; `rtol` and `atol`, tolerances for
    numbers; `symptom`, a function of a wrong result that says what was seen, in place of "yours is …, right is …".
    """

    label: str
    args: tuple
    expected: Any
    cause: str
    rtol: float = 1e-3
    atol: float = 1e-5
    symptom: Callable[[Any], str] | None = None

    def right(self):
        return self.expected(*self.args) if callable(self.expected) else self.expected


class CaseCheck(Check):
    """A check whose stages are cases.

    `through(function, *args)`, if given, calls the learner's function and returns what to compare; `causes` are
    mistakes that belong to no single case. The function is not stored in my_gptoss.py; only its result is kept for
    `gptoss-edu progress`.
    """

    def __init__(
        self, name: str, signature: str = "", through: Callable | None = None, causes: dict[str, str] | None = None
    ):
        self.through = through
        self._make: Callable[[], Iterable[Case]] = tuple
        super().__init__(name, (), causes, signature)

    def cases(self, make: Callable[[], Iterable[Case]]) -> Callable[[], Iterable[Case]]:
        """Register the function that makes the cases (decorator); it runs on first use."""
        self._make = make
        return make

    @cached_property
    def _cases(self) -> tuple[Case, ...]:
        return tuple(self._make())

    @property
    def stages(self) -> list[Stage]:
        """One stage per case."""
        return [Stage(case.label, self._runner(case), (Probe(case.args, {}, self.through),)) for case in self._cases]

    @property
    def causes(self) -> dict[str, str]:
        """Case label -> its rule, and the mistakes that belong to no single case."""
        return {case.label: case.cause for case in self._cases} | self._causes

    @property
    def rules(self) -> frozenset[str]:
        return frozenset(case.label for case in self._cases)

    def __call__(self, function: Callable, *, allow_package: bool = False, keep: bool = True, **how) -> Result:
        if not allow_package and callable(function) and not is_own(self.name, function):
            return self.refuse_package(self.name)
        result = super().__call__(function, allow_package=True, **how)
        if not keep:
            return result
        record_refusal(self.name, function, result)
        return replace(result, remark=record(self.name, function, result.status))

    def _found(self, call: Call, args: tuple):
        """Return what to compare: the function's result, or what the exercise's adapter makes of it."""
        if not self.through:
            return call(*args)
        try:
            found = self.through(call.direct, *copied(args))
        except (AttributeError, TypeError):
            if call.result is None:  # the fault is the missing result
                raise call.nothing() from None
            raise
        if found is None:
            raise call.nothing()
        return found

    def _runner(self, case: Case) -> Callable:
        def run(call) -> None:
            found = self._found(call, case.args)
            if case.symptom and found != case.right():
                raise Refused(case.symptom(found), case.label)
            try:
                compare(found, case)
            except Refused as refused:
                called = partial(self.through, call.function) if self.through else call.function
                shown = describe_call(called, case.args, {})
                refused.symptom = f"{refused.symptom}\ncalled with {shown}"
                raise

        return run


def custom(name: str, function: Callable, cases: Iterable[Case]) -> Result:
    """Check `function` on `cases`, one at a time, like one of the package's checks.

    `name` is its name in the result.
    """
    check = CaseCheck(name)
    check.cases(lambda: cases)
    return check(function)


def compare(found: Any, case: Case) -> None:
    """Refuse `found` unless it is what the case expects.

    Words and sets must be equal, numbers within the case's tolerance.
    """
    right = case.right()
    if isinstance(right, (str, bytes, bool, dict, set)) or right is None:
        if type(found) in (str, bytes, bool, dict, set, list, tuple, int, float, type(None)) and found == right:
            return
        raise Refused(f"yours is {found!r}, right is {right!r}", case.label)
    if isinstance(right, list) and all(type(value) is int for value in right):
        expect_same_list(found, right, case.label)
        return
    found, right = to_numpy(found), to_numpy(right)
    expect_shape(found, right.shape, "", case.label)
    if right.ndim == 0 and not close(found, right, case.rtol, case.atol):
        raise Refused(f"yours is {number(float(found))}, right is {number(float(right))}", case.label)
    expect_close(found, right, (), case.label, rtol=case.rtol, atol=case.atol)  # a case has no axis names


def expect_same_list(found: Any, right: list[int], cause: str) -> None:
    """Refuse anything but these whole numbers, showing both lists and the first difference.

    `cause` is the case's rule; an entry of None breaks it, one of another kind breaks the signature.
    """
    found = found.tolist() if hasattr(found, "tolist") else found
    if not isinstance(found, (list, tuple)):
        raise Refused(f"the result is a {type(found).__name__}, a list was expected", "Return a list of whole numbers.")
    found = [value.item() if getattr(value, "shape", None) == () else value for value in found]
    odd = next((i for i, value in enumerate(found) if not isinstance(value, (int, float))), None)
    if odd is not None:
        entry = found[odd]
        kind = "None" if entry is None else f"a {type(entry).__name__}"
        what = f"[{odd}] of the result is {kind}, a whole number was expected"
        if entry is None:
            raise Refused(what, cause)
        nested = isinstance(entry, (list, tuple, set, range)) or hasattr(entry, "shape")
        star = " Return a flat list: unpack a list inside a list with a star." if nested else ""
        raise Refused(what, f"Every entry of the list is a whole number.{star}")
    if found != right:
        at = next(
            (i for i, (a, b) in enumerate(zip(found, right, strict=False)) if a != b), min(len(found), len(right))
        )
        raise Refused(f"yours is {found}, right is {right}; first difference at [{at}]", cause)
