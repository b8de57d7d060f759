"""Staged checks: one mechanism at a time, the symptom and its place first, then the cause.

A `Check` is a list of stages. A stage calls the learner's function through `call(...)` on inputs made to isolate one
mechanism, compares with an independent reference, and refuses with a symptom. Then diagnosis.py looks up the cause: it
finds the mistakes in the exercise's bank that give the same results on all inputs. If it finds none, the stage's own
guess is shown as a guess.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial

from . import bank, refusals, registry, store
from .calling import INPUT_CHANGED, Call, NotWritten, TheirError
from .diagnosis import Diagnosis, Probe, Told
from .guard import TIME_LIMIT, Forbidden, PackageCalled, is_package_function
from .result import Result

SAME_RESULTS = "Your results are those of a known mistake:"


class Refused(Exception):
    """Raised by a stage.

    Attributes: `symptom`, what was seen and where; `cause`, an identifier in the check's causes, or a sentence;
    `picture`, HTML; `certain`, whether the symptom allows no other cause (a shape, a dtype), so that none is looked up.
    """

    def __init__(self, symptom: str, cause: str, picture: str | None = None, certain: bool = False):
        super().__init__(symptom)
        self.symptom = symptom
        self.cause = cause
        self.picture = picture
        self.certain = certain


@dataclass(frozen=True)
class Stage:
    """One mechanism: `run(call)` raises Refused, or returns.

    `probes` are its inputs, if they are known without running it.
    """

    name: str
    run: Callable
    probes: tuple[Probe, ...] | None = None


def nothing_told(stage: Stage, call: Call) -> Told:
    """Look up no cause."""
    return Told()


class Recorder:
    """Calls a function and keeps the inputs of every call."""

    def __init__(self, function: Callable):
        self.function = function
        self.probes: list[Probe] = []

    def __call__(self, *args, **kwargs):
        self.probes.append(Probe(args, kwargs))
        return self.function(*args, **kwargs)


class Check:
    """The check of one exercise. Calling it with the learner's function returns a Result and never raises.

    `causes` maps identifiers to sentences; those in `rules` say what is right instead of what is wrong. A rule is
    always shown as one, never as a diagnosis. `seen(function, *args)`, if given, calls a function and returns what the
    diagnosis compares: the result without what the exercise leaves open.
    """

    rules: frozenset[str] = frozenset({"general", "full"})

    def __init__(
        self,
        name: str,
        forbids: tuple[Forbidden, ...] = (),
        causes: dict[str, str] | None = None,
        signature: str = "",
        seen: Callable | None = None,
    ):
        self.name = name
        self.seen = seen
        self.__name__ = name
        self.forbids = forbids
        self._causes = causes or {}
        self._stages: list[Stage] = []
        self.__doc__ = f"Check your {name}{signature}; gives a Result."

    @property
    def stages(self) -> list[Stage]:
        """The stages in the order in which they run."""
        return self._stages

    @property
    def causes(self) -> dict[str, str]:
        """Identifier -> the cause in words."""
        return self._causes

    def stage(self, name: str):
        """Add a stage (decorator); stages run in the order in which they are written."""

        def add(run: Callable) -> Callable:
            self._stages.append(Stage(name, run))
            return run

        return add

    def __repr__(self) -> str:
        return f"<check {self.name}: {', '.join(stage.name for stage in self.stages)}>"

    def __call__(
        self,
        function: Callable,
        *,
        allow_package: bool = False,
        keep: bool = True,
        seconds: float = TIME_LIMIT,
        without: bank.Solution | None = None,
        diagnose: bool = True,
    ) -> Result:
        """Run all stages on `function`.

        `allow_package` is for the package's own tests; `keep` stores a passing function; `seconds` limits each call;
        `without` is a solution of the bank to ignore in the diagnosis; with `diagnose` False no cause is looked up.
        """
        look_up = partial(self._diagnosed, without=without) if diagnose else nothing_told
        result = self._judged(function, allow_package, keep, seconds, look_up)
        if keep and not allow_package:
            refusals.record(self.name, function, result)
        return result

    def _judged(self, function: Callable, allow_package: bool, keep: bool, seconds: float, look_up) -> Result:
        if not callable(function):
            symptom = f"a function was expected, a {type(function).__name__} was given"
            return self._result("error", "", symptom, "Pass the function itself: check(f), not check(f(x)).")
        rules = () if allow_package else self.forbids
        own = None if allow_package else is_package_function(function, rules)
        if own:
            return self._package(own, "")
        passed: list[str] = []
        for stage in self.stages:
            result = self._run_stage(stage, Call(function, rules, seconds=seconds), tuple(passed), look_up)
            if result is not None:
                return result
            passed.append(stage.name)
        stored, remark = (None, "") if allow_package or not keep else self._keep(function)
        return Result(self.name, "passed", stages=tuple(passed), total=len(self.stages), stored=stored, remark=remark)

    def _keep(self, function: Callable) -> tuple[str | None, str]:
        """Store a passing function; return (file, "") or (None, why not)."""
        return store.remember(self.name, function, lambda stored: self(stored, keep=False))

    def _run_stage(self, stage: Stage, call: Call, passed: tuple[str, ...], look_up) -> Result | None:
        noticed = call.noticed
        try:
            stage.run(call)
        except NotWritten:
            return Result(self.name, "not written yet", stage=stage.name, stages=passed, total=len(self.stages))
        except PackageCalled as error:
            return self._package(str(error), stage.name, passed)
        except TheirError as error:
            told = look_up(stage, call) if error.finished else Told()
            guess = error.cause
            if stage.name in self.rules and look_up is not nothing_told and self._breaking_raises(stage.name):
                guess += f"\n{self.in_words(stage.name, stage.name)}"
            return self._refused("error", stage.name, error.symptom, guess, passed, told)
        except Refused as refused:
            if noticed:
                return self._package(noticed[0], stage.name, passed)
            if refused.certain and refused.cause in self.causes:
                told = Told((refused.cause,), certain=True)
            else:
                told = look_up(stage, call)
            return self._refused("failed", stage.name, refused.symptom, refused.cause, passed, told, refused.picture)
        except Exception as error:  # a result of an unexpected kind
            symptom = f"the result could not be compared: {type(error).__name__}: {error}"
            cause = (
                "Your function returned a different kind of value from the one that the exercise asks for; compare "
                "with its signature."
            )
            return self._refused("error", stage.name, symptom, cause, passed, look_up(stage, call))
        if noticed:
            return self._package(noticed[0], stage.name, passed)
        if call.changed:
            return self._result("failed", stage.name, call.changed, INPUT_CHANGED, "input_changed", passed)
        return None

    def _diagnosed(self, stage: Stage, call: Call, without) -> Told:
        return self.diagnosis.causes(stage.name, call.function, without) if self.diagnosis else Told()

    @cached_property
    def diagnosis(self) -> Diagnosis | None:
        """The exercise's bank on the inputs of the stages; None if the check has no bank."""
        if self.name not in registry.EXERCISES or registry.load_check(self.name) is not self:
            return None
        right = bank.right(self.name)[0].function
        wrong = [s for s in bank.wrong(self.name) if s.cause in self.causes and not s.unseen]
        return Diagnosis(right, wrong, {stage.name: self._inputs(stage, right) for stage in self.stages})

    def _inputs(self, stage: Stage, right: Callable) -> list[Probe]:
        if stage.probes is not None:
            return list(stage.probes)
        recorder = Recorder(right)
        stage.run(recorder)
        return [replace(probe, through=self.seen) for probe in recorder.probes]

    def _refused(self, status, stage, symptom, guess: str, passed, told: Told, picture=None) -> Result:
        """Return the result of a refusal.

        It shows certain causes as certain, possible ones as possible, guesses as guesses, and rules as rules.
        """
        known = guess in self.causes
        possible = told.causes or ((guess,) if known else ())
        named = [cause for cause in possible if cause not in self.rules]
        text = self.in_words(guess, stage) if known else guess
        if told.certain:
            (cause,) = told.causes
            words = self.in_words(cause, stage)
            if named:  # what is known is that the results agree; how they came about, the check cannot see
                words = f"{SAME_RESULTS} {words}"
            # an exception keeps its own words before a rule
            text = words if named or known else text if words in text else f"{text}\n{words}"
            return self._result(status, stage, symptom, text, cause, passed, picture)
        if len(named) > 1:
            shown = "\n".join(f"• {self.causes[cause]}" for cause in named[:4])
            text = f"Several mistakes look like this:\n{shown}"
        elif named and told.causes:
            text = f"Several mistakes look like this; one of them: {self.causes[named[0]]}"
        elif named:  # a guess of the stage, which no solution of the bank bears out
            unknown = "No known mistake gives exactly this result. " if told.searched else ""
            text = f"{unknown}Check this first: {self.causes[named[0]]}"
        return self._result(status, stage, symptom, text, "", passed, picture, possible)

    def in_words(self, cause: str, stage: str) -> str:
        """Return a cause in words; a rule begins by saying that it is one, and whose."""
        if cause not in self.rules:
            return self.causes[cause]
        whose = "this stage" if cause == stage else f'the stage "{cause}"'
        if cause in Check.rules:
            whose = "this exercise"
        return f"The rule of {whose}: {self.causes[cause]}"

    def _breaking_raises(self, rule: str) -> bool:
        """Return whether breaking a stage's rule is known to raise there; True if the check has no bank."""
        return self.diagnosis is None or self.diagnosis.raises(rule, rule)

    def _result(self, status, stage, symptom, cause, cause_id="", passed=(), picture=None, suspects=()) -> Result:
        total = len(self.stages)
        return Result(self.name, status, symptom, cause, cause_id, stage, passed, total, picture, suspects=suspects)

    def refuse_package(self, name: str) -> Result:
        """Return the result for a learner who passes the package's own function to the check."""
        cause = f"A later cell imported it under the same name: run the cell with your {name} again, then this one."
        return self._result("package", "", f"this {name} is the package's finished one, not yours", cause, "package")

    def _package(self, name: str, stage: str, passed: tuple[str, ...] = ()) -> Result:
        symptom = (
            f"your function calls `{name}`, the package's finished one, which is switched off while this check runs"
        )
        cause = (
            "The exercise is to write this function. If a later cell imported the finished one under the same "
            "name, run the "
            "cell with yours again."
        )
        return self._result("package", stage, symptom, cause, "package", passed)
