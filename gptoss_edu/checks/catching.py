"""Check a learner's own test (chapter 26): it must pass the right code, catch every mutant, and be small.

The learner's function returns two functions: the fixed one, and a test that takes an implementation and uses `assert`.
Each mutant is a separate stage, so that a refusal names the one that slipped through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .calling import copied
from .compare import to_numpy
from .custom import Case, CaseCheck
from .guard import TookTooLong, time_limit

SECONDS = 5.0  # per run of the learner's test


@dataclass(frozen=True)
class Mutant:
    """A wrong implementation; `advice` says what a test needs to see it."""

    label: str
    function: Callable
    advice: str


class Counted:
    """An implementation that counts its inputs over all calls: numbers, bytes or messages."""

    def __init__(self, function: Callable, count: Callable[..., int]):
        self.function, self.count, self.given = function, count, 0

    def __call__(self, *args, **kwargs):
        self.given += self.count(*args, **kwargs)
        return self.function(*args, **kwargs)


def catching(
    name: str,
    right: Callable,
    mutants: Iterable[Mutant],
    probes: Iterable[tuple],
    most: int,
    unit: str,
    count: Callable[..., int],
) -> CaseCheck:
    """Return the check for a room of the museum.

    `right` is the code as it should be, `probes` are arguments on which the fixed code must agree with it, and `most`
    is how many numbers (in words: `unit`) a test may use in all its calls.
    """
    mutants, probes = {mutant.label: mutant for mutant in mutants}, tuple(probes)

    def through(room: Callable, kind: str, label: str = "") -> str:
        made = room()
        if made is None:
            raise TypeError("nothing was returned")
        if not (isinstance(made, tuple) and len(made) == 2 and all(map(callable, made))):
            return "not two functions"
        fixed, test = made
        if kind == "pair":
            return "two functions"
        if kind == "fixed":
            return next((told for probe in _named(probes) if (told := _difference(fixed, right, *probe))), "agrees")
        if kind == "size":
            counted = Counted(right, count)
            outcome(test, counted)
            return "small" if counted.given <= most else f"{counted.given} {unit}"
        found = outcome(test, right if kind == "right" else mutants[label].function)
        return found if kind == "right" else found.partition(":")[0]

    check = CaseCheck(name, "() -> (fixed, test)", through)

    @check.cases
    def cases():
        pair = "Return the fixed function and your test of it: `return fixed, test`."
        agrees = (
            "The fixed function must return what the right one returns. Find the line that differs from the rule in "
            "the chapter that built it."
        )
        sound = (
            "A test that refuses the right code is worse than none. Print what the right code returns for your "
            "input, and ask whether your expectation is the rule."
        )
        small = (
            f"At most {most} {unit} in all calls: a small test shows what it is about. Leave out what no mutant needs."
        )
        return [
            Case("two functions", ("pair",), "two functions", pair, symptom=lambda _: "no pair of functions came back"),
            Case("fixed", ("fixed",), "agrees", agrees, symptom=lambda found: f"your fixed function {found}"),
            Case(
                "the right code passes",
                ("right",),
                "passes",
                sound,
                symptom=lambda found: f"your test refused the right code: {found}",
            ),
            *(
                Case(
                    m.label,
                    ("mutant", m.label),
                    "fails",
                    f"This one slipped through. {m.advice}",
                    symptom=lambda _, label=m.label: f"your test passed the wrong code {label!r}",
                )
                for m in mutants.values()
            ),
            Case(
                "small", ("size",), "small", small, symptom=lambda found: f"your test used {found}, {most} are allowed"
            ),
        ]

    return check


def outcome(test: Callable, implementation: Callable) -> str:
    """Return "passes", or "fails: …" with the test's exception; a test that returns False fails."""
    try:
        with time_limit(SECONDS):
            found = test(implementation)
    except TookTooLong:
        return "fails: it does not end"
    except Exception as error:  # a failed assertion, or a broken implementation
        return f"fails: {type(error).__name__} {str(error).partition(chr(10))[0][:80]}".rstrip()
    return "fails: it returned False" if found is False else "passes"


def _named(probes: tuple[tuple, ...]):
    return (((", ".join(map(_short, args))), args) for args in probes)


def _short(value) -> str:
    text = str(value.tolist()) if hasattr(value, "tolist") else repr(value)
    return text if len(text) < 60 else text[:57] + "…"


def _difference(fixed: Callable, right: Callable, label: str, args: tuple) -> str:
    """Return how the fixed function goes wrong on one input; nothing where both give the same."""
    try:
        return "" if _same(fixed, right, args) else f"differs for {label}"
    except TookTooLong:
        return f"does not end for {label}"
    except Exception as error:
        return f"raises {type(error).__name__} for {label}"


def _same(fixed: Callable, right: Callable, args: tuple) -> bool:
    """Return whether both give the same: numbers to a thousandth of each value, everything else exactly."""
    wanted = right(*copied(args))
    with time_limit(SECONDS):
        found = fixed(*copied(args))
    if not hasattr(wanted, "numpy"):
        return found == wanted
    found, wanted = to_numpy(found).astype(float), to_numpy(wanted).astype(float)
    return found.shape == wanted.shape and bool((abs(found - wanted) <= 1e-3 * abs(wanted) + 1e-30).all())
