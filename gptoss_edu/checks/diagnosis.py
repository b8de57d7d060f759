"""Find the mistakes in the bank that explain a learner's results: those that give the same on every input tried.

A refusing stage says what is wrong and where. Why is a separate question, and a guess from one number would often be
false. So the learner's function and every wrong solution in the bank run on the same inputs: those of the stage, each
also with changed numbers, and those of the other stages. A cause is certain if a wrong solution agrees with the
learner's function on all inputs, at least two of which distinguish it from the right solution, and no solution with
another cause does so. A cause that agrees up to the refusing stage but not later is possible: a second mistake may hide
it, or the cause is different.
"""

from __future__ import annotations

import contextlib
import io
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from .bank import Solution
from .calling import copied
from .guard import TookTooLong, time_limit

SECONDS, CALL_SECONDS = 15.0, 5.0  # limits per diagnosis and per call; beyond them no cause is claimed
MOST_INPUTS = 24  # of the other stages
VARIATIONS = 2


@dataclass(frozen=True)
class Probe:
    """One input: `run(function)` calls the function on it; `through` is the exercise's adapter, if it has one."""

    args: tuple
    kwargs: dict = field(default_factory=dict)
    through: Callable | None = None

    def run(self, function: Callable) -> Any:
        args, kwargs = copied(self.args), copied(self.kwargs)
        return self.through(function, *args, **kwargs) if self.through else function(*args, **kwargs)

    def varied(self, seed: int) -> Probe | None:
        """Change every number of an input that is not whole by up to 30 percent; None where it has no such number."""
        generator = np.random.default_rng(seed)
        changed: list[bool] = []
        args = _varied(self.args, generator, changed)
        kwargs = _varied(self.kwargs, generator, changed)
        return Probe(args, kwargs, self.through) if changed else None


def _varied(value, generator, changed: list[bool]):
    if isinstance(value, (tuple, list)):
        return type(value)(_varied(entry, generator, changed) for entry in value)
    if isinstance(value, dict):
        return {key: _varied(entry, generator, changed) for key, entry in value.items()}
    if isinstance(value, float) and value:
        changed.append(True)
        factor = 1 + 0.3 * generator.uniform(-1, 1)
        return min(value * factor, 1.0) if 0 < value <= 1 else value * factor  # a share stays a share
    if isinstance(value, torch.Tensor) and value.is_floating_point() and value.numel():
        changed.append(True)
        return (value * torch.as_tensor(1 + 0.3 * generator.uniform(-1, 1, value.shape))).to(value.dtype)
    if isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size:
        changed.append(True)
        return np.asarray(value * (1 + 0.3 * generator.uniform(-1, 1, value.shape)), value.dtype)
    return value


@dataclass(frozen=True)
class Outcome:
    """The result of one call: a value, or the exception's type and first line."""

    value: Any = None
    raised: str = ""


def outcome(function: Callable, probe: Probe) -> Outcome:
    """Call, letting out no exception except an exceeded time limit."""
    try:
        with time_limit(CALL_SECONDS), contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Outcome(plain(probe.run(function)))
    except (TookTooLong, KeyboardInterrupt):
        raise
    except BaseException as error:
        return Outcome(raised=f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")


def plain(value):
    """Convert tensors, arrays and lists of numbers to float64 arrays, so that equal numbers of any kind are equal."""
    if isinstance(value, torch.Tensor):
        return (
            value.detach().cpu().to(torch.float64).numpy() if not value.is_complex() else value.detach().cpu().numpy()
        )
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, (tuple, list)) and value and not all(isinstance(entry, (int, float)) for entry in value):
        return [plain(entry) for entry in value]
    if isinstance(value, (tuple, list, int, float, np.ndarray, np.generic)) and not isinstance(value, bool):
        return np.asarray(value, dtype=np.float64) if not _is_words(value) else value
    return value


def _is_words(value) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind not in "biuf"


def same(a: Outcome, b: Outcome, size: float = 0.0) -> bool:
    """Return whether two outcomes agree; numbers far below `size`, that of the right result, count as 0."""
    return a.raised == b.raised and same_value(a.value, b.value, size)


def same_value(a, b, size: float = 0.0) -> bool:
    """Return whether two plain values agree.

    Numbers agree up to rounding in another order, everything else exactly.
    """
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        if a.shape != b.shape:
            return False
        if np.array_equal(a, b):  # the commonest case, and a tenth of the time of what follows
            return True
        atol = 1e-6 * max(size, size_of(b))
        near = np.isclose(a, b, rtol=2e-4, atol=atol, equal_nan=True)
        # a few bfloat16 numbers may round to the other neighbour
        return bool(near.all()) or bool(near.mean() > 0.995 and np.allclose(a, b, rtol=2e-2, atol=atol, equal_nan=True))
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return set(a) == set(b) and all(same_value(a[key], b[key], size) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(same_value(x, y, size) for x, y in zip(a, b, strict=True))
    return bool(a == b)


def size_of(value) -> float:
    """Return the largest finite magnitude in an array; 0 for everything else."""
    if not isinstance(value, np.ndarray):
        return 0.0
    sizes = np.abs(value[np.isfinite(value)])
    return float(sizes.max()) if sizes.size else 0.0


@dataclass(frozen=True)
class Told:
    """The possible causes; `certain` if there is one and nothing contradicts it; `searched` if all were tried."""

    causes: tuple[str, ...] = ()
    certain: bool = False
    searched: bool = False


class Diagnosis:
    """The bank's outcomes on the inputs of one exercise's stages, computed on demand and cached."""

    def __init__(self, right: Callable, wrong: list[Solution], inputs: dict[str, list[Probe]]):
        self.right = right
        self.wrong = wrong
        self.inputs = inputs
        self._probes: dict[str, list[Probe]] = {}
        self._known: dict[tuple[int, str, int], Outcome | None] = {}
        self._distinguished: dict[tuple[int, str, int], bool] = {}

    def probes(self, stage: str) -> list[Probe]:
        """Return the inputs of a stage, each also with changed numbers."""
        if stage not in self._probes:
            given = self.inputs.get(stage, [])
            varied = [probe.varied(seed) for seed in range(VARIATIONS) for probe in given]
            self._probes[stage] = [*given, *filter(None, varied)]
        return self._probes[stage]

    def causes(self, stage: str, function: Callable, without: Solution | None = None) -> Told:
        """Return the causes that explain `function`, refused at `stage`.

        `without` leaves one solution out of the bank, to measure how the others diagnose it.
        """
        try:
            return self._causes(stage, function, without, time.monotonic() + SECONDS)
        except Exception:  # results that cannot be compared, such as arrays of objects
            return Told()
        except TookTooLong:
            return Told()

    def _causes(self, stage: str, function: Callable, without, until: float) -> Told:
        candidates = {solution: 0 for solution in self.wrong if solution is not without}
        self._keep(candidates, function, stage, self.probes(stage), until)
        candidates = {solution: count for solution, count in candidates.items() if count}
        later = list(self.inputs).index(stage) + 1 if stage in self.inputs else len(self.inputs)
        for other in list(self.inputs)[: later - 1]:  # these stages passed, so a mistake that fails there is ruled out
            self._keep(candidates, function, other, self.inputs[other][:MOST_INPUTS], until)
        everywhere = dict(candidates)
        for other in list(self.inputs)[later:]:
            self._keep(everywhere, function, other, self.inputs[other][:MOST_INPUTS], until)
        told = everywhere or candidates
        causes = tuple(dict.fromkeys(solution.cause for solution in told))
        certain = len(causes) == 1 and bool(everywhere) and max(everywhere.values()) >= 2
        return Told(causes, certain, searched=True)

    def raises(self, stage: str, cause: str) -> bool:
        """Return whether a wrong solution with this cause raises an exception on an input of the stage."""
        found = (
            self._outcome(solution, stage, number, probe)
            for solution in self.wrong
            if solution.cause == cause
            for number, probe in enumerate(self.inputs.get(stage, []))
        )
        return any(outcome is not None and outcome.raised for outcome in found)

    def _keep(self, candidates: dict[Solution, int], function, stage: str, probes: list[Probe], until: float) -> None:
        """Drop candidates whose results differ from `function`'s; for the rest, count the inputs that distinguish them
        from the right solution.
        """
        for number, probe in enumerate(probes):
            if not candidates:
                return
            if time.monotonic() > until:
                raise TimeoutError
            mine = outcome(function, probe)
            right = self._outcome(None, stage, number, probe)
            size = size_of(right.value) if right else 0.0
            for solution in list(candidates):
                theirs = self._outcome(solution, stage, number, probe)
                if theirs is None or not same(mine, theirs, size):
                    del candidates[solution]
                elif right is not None:
                    key = (id(solution), stage, number)
                    if key not in self._distinguished:
                        self._distinguished[key] = not same(theirs, right)
                    candidates[solution] += self._distinguished[key]

    def _outcome(self, solution: Solution | None, stage: str, number: int, probe: Probe) -> Outcome | None:
        """Return the outcome of a solution in the bank (None: the right one), or None if it does not return."""
        key = (id(solution), stage, number)
        if key not in self._known:
            try:
                self._known[key] = outcome(self.right if solution is None else solution.function, probe)
            except TookTooLong:
                self._known[key] = None
        return self._known[key]
