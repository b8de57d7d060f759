"""Staged checks: one mechanism at a time, the symptom and its place first, then the cause.

A `Check` is a list of stages. A stage calls the learner's function through `call(...)` on inputs made to isolate one mechanism,
compares with an independent reference, and refuses with a symptom and the identifier of a cause.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field

from gptoss_edu.checks import store
from gptoss_edu.checks.display import Why, box, folded, inline

from .guard import (
    TIME_LIMIT,
    Forbidden,
    PackageCalled,
    TookTooLong,
    describe,
    describe_call,
    is_package_function,
    locate,
    named_arguments,
    time_limit,
    watching,
)


class Refused(Exception):
    """Raised by a stage: `symptom` says what was seen and where; `cause` is an identifier in the check's causes, or a sentence."""

    def __init__(self, symptom: str, cause: str, picture: str | None = None):
        super().__init__(symptom)
        self.symptom = symptom
        self.cause = cause
        self.picture = picture


INPUT_CHANGED = (
    "An in-place operation reaches the caller's tensor, and whoever called goes on with the changed one: in the model the residual "
    "stream, for instance. `x.float()` and `x.to(...)` return x itself when it has that dtype already, and slices and views share "
    "its memory; so `y /= ...` or `y.clamp_(...)` then writes into x. Use an operation that makes a new tensor (`y = y / ...`, "
    "`clamp` without the underscore), or `x.clone()` first."
)


class NotWritten(Exception):
    """The learner's function is still a stub."""


@dataclass(frozen=True)
class Result:
    """What a check found.

    Attributes: `passed`; `status`, one of "passed", "failed", "error", "package", "not written yet"; `message`, symptom and
    place first, then the cause; `symptom`; `cause_id`; `stage`, the stage that refused; `stages`, names of the stages passed;
    `stored`, the file the function went to, if any;
    `remark`, why it could not be stored. `why()` gives the cause.
    """

    check: str
    status: str
    symptom: str = ""
    cause: str = ""
    cause_id: str = ""
    stage: str = ""
    stages: tuple[str, ...] = ()
    total: int = 0
    picture: str | None = field(default=None, repr=False)
    stored: str | None = None
    remark: str = ""

    @property
    def passed(self) -> bool:
        return self.status == "passed"

    def __bool__(self) -> bool:
        return self.passed

    @property
    def message(self) -> str:
        if self.passed:
            return f"{self.check}: passed, all {self.total} stages ({', '.join(self.stages)})"
        if self.status == "not written yet":
            return f"{self.check}: not written yet"
        return f"{self.symptom}\nWhy: {self.cause}"

    def why(self) -> Why:
        """The cause, in words; for a passed check, what was tested."""
        if self.passed:
            return Why(f"Nothing to explain: {self.check} agrees with the reference in all {self.total} stages.")
        if self.status == "not written yet":
            return Why("The function still raises NotImplementedError. Write its body and run the check again.")
        return Why(self.cause)

    def __repr__(self) -> str:
        if self.passed:
            stored = f"\n  stored in {self.stored}" if self.stored else ""
            return f"{self.message}{stored}" + (f"\n  {self.remark}" if self.remark else "")
        if self.status == "not written yet":
            return self.message
        done = f"{len(self.stages)} of {self.total} stages passed; refused at: {self.stage}"
        return f"{self.check}: {done}\n  {self.symptom}\n  (.why() gives the cause)"

    def _repr_html_(self) -> str:
        if self.passed:
            body = f"<div>{len(self.stages)} stages: {inline(', '.join(self.stages))}</div>"
            if self.stored:
                body += f"<div>stored in <code>{inline(self.stored)}</code></div>"
            if self.remark:
                body += f"<div>{inline(self.remark)}</div>"
            return box(f"{self.check}: passed", body, "passed")
        if self.status == "not written yet":
            return box(
                f"{self.check}: not written yet",
                "<div>Write the function above, then run this cell again.</div>",
                "waiting",
            )
        body = f"<div>{len(self.stages)} of {self.total} stages passed; refused at: <i>{inline(self.stage)}</i></div>"
        body += f'<div style="margin:.3em 0">{inline(self.symptom)}</div>'
        body += self.picture or ""
        body += folded("Why?", f"<div>{inline(self.cause)}</div>")
        return box(f"{self.check}: not yet", body, "failed")


@dataclass(frozen=True)
class Stage:
    """One mechanism: `run(call)` raises Refused, or returns."""

    name: str
    run: Callable


class Check:
    """The check of one exercise. Calling it with the learner's function gives a Result and never raises."""

    def __init__(
        self, name: str, forbids: tuple[Forbidden, ...] = (), causes: dict[str, str] | None = None, signature: str = ""
    ):
        self.name = name
        self.__name__ = name
        self.forbids = forbids
        self.causes = causes or {}
        self.stages: list[Stage] = []
        self.__doc__ = f"Check your {name}{signature}; gives a Result."

    def stage(self, name: str):
        """Decorator that adds a stage; stages run in the order in which they are written."""

        def add(run: Callable) -> Callable:
            self.stages.append(Stage(name, run))
            return run

        return add

    def __repr__(self) -> str:
        return f"<check {self.name}: {', '.join(stage.name for stage in self.stages)}>"

    def __call__(
        self, function: Callable, *, allow_package: bool = False, keep: bool = True, seconds: float = TIME_LIMIT
    ) -> Result:
        """Run all stages on `function`.

        `allow_package` is for the package's own tests; `keep` stores a function that passes; `seconds` limits one call.
        """
        if not callable(function):
            found = type(function).__name__
            return self._result(
                "error",
                "",
                f"a function was expected, a {found} was given",
                "Pass the function itself, without calling it: check(f), not check(f(x)).",
            )
        rules = () if allow_package else self.forbids
        own = None if allow_package else is_package_function(function, rules)
        if own:
            return self._package(own, "")
        passed: list[str] = []
        for stage in self.stages:
            result = self._run_stage(stage, Call(function, rules, seconds=seconds), tuple(passed))
            if result is not None:
                return result
            passed.append(stage.name)
        stored, remark = (None, "") if allow_package or not keep else store.remember(self.name, function)
        return Result(self.name, "passed", stages=tuple(passed), total=len(self.stages), stored=stored, remark=remark)

    def _run_stage(self, stage: Stage, call: Call, passed: tuple[str, ...]) -> Result | None:
        noticed = call.noticed
        try:
            stage.run(call)
        except NotWritten:
            return Result(self.name, "not written yet", stage=stage.name, stages=passed, total=len(self.stages))
        except PackageCalled as error:
            return self._package(str(error), stage.name, passed)
        except TheirError as error:
            return self._result("error", stage.name, error.symptom, error.cause, passed=passed)
        except Refused as refused:
            if noticed:
                return self._package(noticed[0], stage.name, passed)
            known = refused.cause in self.causes
            cause = self.causes[refused.cause] if known else refused.cause
            return self._result(
                "failed", stage.name, refused.symptom, cause, refused.cause if known else "", passed, refused.picture
            )
        except Exception as error:  # a result of a kind that no stage foresaw
            symptom = f"the result could not be compared: {type(error).__name__}: {error}"
            cause = "Your function returned something of another kind than the exercise asks for; compare with its signature."
            return self._result("error", stage.name, symptom, cause, "check", passed)
        if noticed:
            return self._package(noticed[0], stage.name, passed)
        if call.changed:
            return self._result("failed", stage.name, call.changed, INPUT_CHANGED, "input_changed", passed)
        return None

    def _result(self, status, stage, symptom, cause, cause_id="", passed=(), picture=None) -> Result:
        return Result(self.name, status, symptom, cause, cause_id, stage, passed, len(self.stages), picture)

    def refuse_package(self, name: str) -> Result:
        """What a check says that is handed the package's own function."""
        cause = f"A later cell imported it under the same name: run the cell with your {name} again, then this one."
        return self._result("package", "", f"this {name} is the package's finished one, not yours", cause, "package")

    def _package(self, name: str, stage: str, passed: tuple[str, ...] = ()) -> Result:
        symptom = (
            f"your function calls `{name}`, the package's finished one, which is switched off while this check runs"
        )
        cause = "The exercise is to write this function. If a later cell imported the finished one under the same name, run the cell with yours again."
        return self._result("package", stage, symptom, cause, "package", passed)


class TheirError(Exception):
    """An exception raised inside the learner's function, put into words."""

    def __init__(self, symptom: str, cause: str):
        super().__init__(symptom)
        self.symptom = symptom
        self.cause = cause


class Call:
    """Calls the learner's function on copies of the arguments; turns everything it may raise into TheirError or NotWritten."""

    def __init__(self, function: Callable, rules: tuple[Forbidden, ...] = (), seconds: float = TIME_LIMIT):
        self.function = function
        self.rules = rules
        self.seconds = seconds
        self.noticed: list[str] = []  # package functions that were called
        self.changed = ""  # the first input that was overwritten, in words

    def __call__(self, *args, **kwargs):
        args = tuple(_copied(value) for value in args)
        kwargs = {name: _copied(value) for name, value in kwargs.items()}
        shown = describe_call(self.function, args, kwargs)
        given = {
            name: value for name, value in named_arguments(self.function, args, kwargs).items() if _is_tensor(value)
        }
        before = {name: value.clone() for name, value in given.items()}
        try:
            with time_limit(self.seconds), watching(self.rules, self.noticed):
                result = self.function(*args, **kwargs)
        except PackageCalled:
            raise
        except TookTooLong as error:
            raise TheirError(
                f"your function did not return: {error} ({shown})",
                "A loop whose condition never becomes false, most likely, or one with millions of steps.",
            ) from None
        except NotImplementedError as error:
            if "not implemented for" in str(error):
                raise TheirError(*_in_words(error, self.function, shown)) from None
            raise NotWritten from None
        except (Exception, SystemExit) as error:
            raise TheirError(*_in_words(error, self.function, shown)) from None
        if result is None or result is Ellipsis:
            raise TheirError(
                f"your function returned {result} ({shown})",
                "The result is not returned: is there a `return` at the end?",
            )
        differences = (_difference(name, before[name], value) for name, value in given.items())
        self.changed = self.changed or next(filter(None, differences), "")
        return result


def _is_tensor(value) -> bool:
    return hasattr(value, "clone") and hasattr(value, "shape")


def _difference(name: str, before, after) -> str:
    """What happened to an input during the call, in words; "" where it is the same, NaN in the same places included."""
    if before.shape != after.shape or before.dtype != after.dtype:
        return f"your function changed its input {name}: {describe(before)} before the call, {describe(after)} after it"
    changed = (before != after) & ~((before != before) & (after != after))
    if not changed.any():
        return ""
    at = tuple(changed.nonzero()[0].tolist())
    where = f"{name}[{', '.join(map(str, at))}]" if at else name
    return f"your function changed its input {name}: {where} was {before[at].item():.5g}, and is {after[at].item():.5g} after the call"


def _copied(value):
    return value.clone() if hasattr(value, "clone") else copy.copy(value)


def _in_words(error: BaseException, function: Callable, shown: str) -> tuple[str, str]:
    first = str(error).strip().splitlines()[0] if str(error).strip() else ""
    where = locate(error, function)
    symptom = (
        f"your function raised {type(error).__name__}: {first}"
        + (f"\n{where}" if where else "")
        + f"\ncalled with {shown}"
    )
    return symptom, _likely(error, function)


def _likely(error: BaseException, function: Callable) -> str:
    text = str(error)
    entered = error.__traceback__.tb_next is not None
    if isinstance(error, TypeError) and not entered and hasattr(function, "__code__"):
        return f"The check calls your function with positional arguments; yours takes {inspect.signature(function)}. Compare with the signature in the exercise."
    if isinstance(error, NameError):
        return "A name is used before it exists. A missing import, a misspelt name, or a cell above that was not run."
    if any(words in text for words in ("size of tensor", "shape", "subscript")) and "subscriptable" not in text:
        return "Two axes do not fit. Write the axes behind every line, as in `# (b, t, h, d)`, and compare with the shapes above."
    if "too many indices" in text:
        return "More axes are indexed than there are: `x[..., i]` fits any number of leading axes. And a uint8 tensor as an index counts as a mask: make it whole numbers first, with `.long()`."
    if isinstance(error, RuntimeError) and "dtype" in text:
        return "Two dtypes meet in one product. Convert where the exercise says so, and convert back at the end."
    return "The exception comes out of your code, at the line above, on the inputs above; call your function with those shapes to see it again."
