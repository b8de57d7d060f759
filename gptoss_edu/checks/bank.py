"""The bank: wrong solutions that people really write, each with the cause that its check must name, and right ones in several styles.

One file a check. `WRONG` entries are complete functions; `cause` is an identifier in the check's causes. Where the mistake is on public
record, `seen` says where. Used to test the checks (`python -m gptoss_edu.checks.confusion`) and for "which of these three fails?".
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field

from . import registry


@dataclass(frozen=True)
class Solution:
    """One solution: `cause` is empty for a right one; `title` says what it does; `seen` where it happened in public."""

    check: str
    title: str
    function: Callable = field(repr=False)
    cause: str = ""
    seen: str = ""

    @property
    def name(self) -> str:
        return self.function.__name__

    @property
    def source(self) -> str:
        """The function alone, without its decorator."""
        lines = textwrap.dedent(inspect.getsource(self.function)).splitlines()
        return "\n".join(lines[next(i for i, line in enumerate(lines) if line.startswith("def ")) :])


class Bank:
    """The solutions of one check, filled by the decorators `right` and `wrong`."""

    def __init__(self, check: str):
        self.check = check
        self.solutions: list[Solution] = []

    def right(self, title: str):
        return self._add(title, "", "")

    def wrong(self, cause: str, title: str, seen: str = ""):
        return self._add(title, cause, seen)

    def _add(self, title: str, cause: str, seen: str):
        def add(function: Callable) -> Callable:
            self.solutions.append(Solution(self.check, title, function, cause, seen))
            return function

        return add


def solutions(check: str) -> list[Solution]:
    """All solutions of a check, right ones first."""
    found = registry.load_bank(check).solutions
    return sorted(found, key=lambda solution: bool(solution.cause))


def right(check: str) -> list[Solution]:
    return [solution for solution in solutions(check) if not solution.cause]


def wrong(check: str) -> list[Solution]:
    return [solution for solution in solutions(check) if solution.cause]
