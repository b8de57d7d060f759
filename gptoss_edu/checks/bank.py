"""The bank of an exercise: right solutions in several styles, and wrong ones that people really write, with their
causes.

A wrong solution is given as replacements in a right one, `BANK.wrong("unscaled", "no root", (" / d**0.5", ""))`, or as
a whole function if little of the right one is left. The bank has three uses: it tests the check, it tells the check
which mistakes give exactly the learner's results (diagnosis.py), and it supplies questions (which_fails.py).
"""

from __future__ import annotations

import inspect
import linecache
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from . import registry

Exchange = tuple[str, str]


@dataclass(frozen=True)
class Solution:
    """One solution of the exercise `check`.

    Attributes: `title` says what it does; `base`, the function itself or the one that it changes; `cause`, an
    identifier of the check's causes, "" for a right solution; `seen`, where the mistake happened in public;
    `exchanges`, pairs (text of the base, text in its place); `unseen`, whether it only measures the check and is not
    used to name mistakes.
    """

    check: str
    title: str
    base: Callable
    cause: str = ""
    seen: str = ""
    exchanges: tuple[Exchange, ...] = ()
    unseen: bool = False

    @property
    def name(self) -> str:
        return self.base.__name__

    @cached_property
    def source(self) -> str:
        """The function's source without its decorator, after the replacements.

        Raises: ValueError if a replacement does not match exactly one place of the base.
        """
        lines = textwrap.dedent(inspect.getsource(self.base)).splitlines()
        text = "\n".join(lines[next(i for i, line in enumerate(lines) if line.startswith("def ")) :])
        for old, new in self.exchanges:
            if text.count(old) != 1:
                raise ValueError(
                    f"{self.check}, {self.title!r}: {old!r} occurs {text.count(old)} times in {self.name}."
                )
            text = text.replace(old, new)
        return text

    @cached_property
    def function(self) -> Callable:
        """The function; with replacements, compiled among the names of its bank."""
        if not self.exchanges:
            return self.base
        namespace = dict(sys.modules[self.base.__module__].__dict__)
        filename = f"<{self.check}: {self.title}>"
        exec(compile(self.source, filename, "exec", dont_inherit=True), namespace)
        linecache.cache[filename] = (len(self.source), None, self.source.splitlines(keepends=True), filename)
        return namespace[self.name]

    def __repr__(self) -> str:
        return f"<{self.check}: {self.cause or 'right'}: {self.title}>"


class Bank:
    """The solutions of one exercise, in file order."""

    def __init__(self, check: str):
        self.check = check
        self.solutions: list[Solution] = []
        self._base: Callable | None = None

    def right(self, title: str) -> Callable:
        """Register a right solution (decorator). Replacements that follow apply to it."""
        return self._add(title)

    def change(self, function: Callable) -> Callable:
        """Apply the replacements that follow to `function`, which is right; also a decorator."""
        self._base = function
        return function

    def wrong(self, cause: str, title: str, *exchanges: Exchange, seen: str = "", unseen: bool = False):
        """Register a wrong solution: replacements in a right one; without any, a decorator for a whole function."""
        if not exchanges:
            return self._add(title, cause, seen, unseen)
        if self._base is None:
            raise ValueError(f"{self.check}, {title!r}: there is no right solution before its exchanges.")
        self.solutions.append(Solution(self.check, title, self._base, cause, seen, exchanges, unseen))
        return None

    def _add(self, title: str, cause: str = "", seen: str = "", unseen: bool = False) -> Callable:
        def add(function: Callable) -> Callable:
            self.solutions.append(Solution(self.check, title, function, cause, seen, (), unseen))
            self._base = self._base if cause else function
            return function

        return add


def solutions(check: str) -> list[Solution]:
    """Return all solutions of an exercise, right ones first."""
    return sorted(registry.load_bank(check).solutions, key=lambda solution: bool(solution.cause))


def right(check: str) -> list[Solution]:
    return [solution for solution in solutions(check) if not solution.cause]


def wrong(check: str) -> list[Solution]:
    return [solution for solution in solutions(check) if solution.cause]
