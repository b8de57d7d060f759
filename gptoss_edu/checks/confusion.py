"""The confusion table of the checks: `python -m gptoss_edu.checks.confusion [NAME …] [--mutants] [--totals]`.

For every exercise it counts right solutions accepted, and wrong ones refused with the intended cause or, counted
apart, with the rule of the stage that they break. The bank names mistakes by running its own wrong solutions. So one
more column leaves each wrong solution out and diagnoses it with the others: a false cause there is what a learner with
a new mistake would be told. Automatic mutants of the stored exercises' right solutions must be refused or listed as
equivalent. The exit status is 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path

from gptoss_edu.options import write_text

from . import bank, registry


@dataclass
class Row:
    """One line of the table: counts, and any faults in words.

    `named` were refused with their cause, `ruled` with the rule that they break ("The rule of this stage: …"),
    `possible` with either among several or as a guess, and `false` got another cause or rule as certain when left out
    of the bank. `unseen` are wrong solutions that do not help to name mistakes: `unseen_named`, `unseen_ruled` and
    `unseen_possible` are counted alike, and `unseen_false` got another cause or rule as certain.
    """

    name: str
    stages: int = 0
    right: int = 0
    accepted: int = 0
    wrong: int = 0
    refused: int = 0
    named: int = 0
    ruled: int = 0
    possible: int = 0
    false: int = 0
    unseen: int = 0
    unseen_refused: int = 0
    unseen_named: int = 0
    unseen_ruled: int = 0
    unseen_possible: int = 0
    unseen_false: int = 0
    mutants: int = 0
    mutants_refused: int = 0
    equivalent: int = 0
    faults: list[str] = field(default_factory=list)

    def add(self, other: Row) -> None:
        """Add the counts of another row."""
        for name, value in vars(other).items():
            if isinstance(value, int):
                setattr(self, name, getattr(self, name) + value)


def row(name: str, left_out: bool = False) -> Row:
    """Run all solutions of one exercise; `left_out` also with each wrong one left out of the bank."""
    check = registry.load_check(name)
    how = {
        "keep": False,
        "allow_package": not registry.EXERCISES[name].stored,
    }  # the bank's functions are the package's
    found = Row(name, stages=len(check.stages))
    for solution in bank.right(name):
        result = check(solution.function, **how)
        found.right += 1
        found.accepted += result.passed
        if not result.passed:
            found.faults.append(f"{name}: right solution {solution.title!r} is refused: {result.message}")
    add_strangers(found)
    for solution in bank.wrong(name):
        if solution.unseen:
            continue
        result = check(solution.function, **how)
        cause, named, possible = _told(result, solution)
        rule = cause in check.rules
        found.wrong += 1
        found.refused += not result.passed
        found.named += named and not rule
        found.ruled += named and rule
        found.possible += possible
        if result.passed or not (named or possible):
            told = cause or ", ".join(result.suspects) or "no cause"
            found.faults.append(
                f"{name}: wrong solution {solution.title!r} ({solution.cause}): {told}: {result.symptom}"
            )
        if left_out:
            without = check(solution.function, without=solution, **how)
            if without.cause_id not in ("", solution.cause):
                found.false += 1
                found.faults.append(
                    f"{name}: without {solution.title!r} ({solution.cause}) in it, the bank says {without.cause_id}"
                )
    return found


def _told(result, solution) -> tuple[str, bool, bool]:
    """Return the cause or rule shown as certain, whether it is the solution's, and whether that is among the possible
    ones.
    """
    cause = result.cause_id or ("" if result.status in ("failed", "error") else result.status)
    return cause, cause == solution.cause, not cause and solution.cause in result.suspects


def add_strangers(found: Row) -> Row:
    """Run the wrong solutions of one exercise whose authors had not seen its check."""
    check = registry.load_check(found.name)
    for solution in (solution for solution in bank.wrong(found.name) if solution.unseen):
        result = check(solution.function, keep=False, allow_package=not registry.EXERCISES[found.name].stored)
        cause, named, possible = _told(result, solution)
        rule = cause in check.rules
        found.unseen += 1
        found.unseen_refused += not result.passed
        found.unseen_named += named and not rule
        found.unseen_ruled += named and rule
        found.unseen_possible += possible
        found.unseen_false += bool(cause) and not named
        if result.passed:
            found.faults.append(f"{found.name}: a stranger's wrong solution passes: {solution.title!r}")
    return found


def add_mutants(found: Row) -> Row:
    """Run the mutants of one exercise's right solutions."""
    from .mutants import equivalent_reason, mutants

    check = registry.load_check(found.name)
    for mutant in mutants(found.name):
        found.mutants += 1
        if not check(mutant.function, keep=False, seconds=0.5, diagnose=False).passed:
            found.mutants_refused += 1
            if equivalent_reason(mutant):
                found.faults.append(f"{found.name}: mutant {mutant.key} is listed as equivalent but refused")
        elif equivalent_reason(mutant):
            found.equivalent += 1
        else:
            found.faults.append(f"{found.name}: mutant {mutant.key} passes and is not listed: {mutant.change}")
    return found


def totals(rows: list[Row]) -> list[Row]:
    """Return two rows: the exercises whose functions make the model, and the chapters' own."""
    found = []
    for title, stored in (("parts of the model", True), ("the chapters' own", False)):
        part = [entry for entry in rows if registry.EXERCISES[entry.name].stored == stored]
        found.append(Row(f"{len(part)} {title}"))
        for entry in part:
            found[-1].add(entry)
    return found


def markdown(rows: list[Row]) -> str:
    """Return the table as Markdown, with totals."""
    mutants = any(entry.mutants for entry in rows)
    head = [
        "exercise",
        "stages",
        "right solutions accepted",
        "wrong ones refused",
        "cause named",
        "rule of the stage shown",
        "one among several",
    ]
    head += ["left out: a false cause"]
    head += ["mutants refused", "equivalent mutants (each with its reason)"] if mutants else []
    lines = [_line(head), "|" + "---|" * len(head)]
    for entry in _with_total(rows):
        cells = [_shown(entry), entry.stages, f"{entry.accepted} of {entry.right}", f"{entry.refused} of {entry.wrong}"]
        cells += [entry.named, entry.ruled, entry.possible, entry.false]
        cells += [f"{entry.mutants_refused} of {entry.mutants}", entry.equivalent] if mutants else []
        lines.append(_line(cells))
    return "\n".join(lines)


def markdown_of_strangers(rows: list[Row]) -> str:
    """Return the second table: the checks' results for wrong solutions by authors who had not seen them."""
    head = ["exercise", "strangers' solutions refused", "cause named", "rule of the stage shown", "one among several"]
    head += ["told nothing that was meant", "told another cause or rule"]
    lines = [_line(head), "|" + "---|" * len(head)]
    for entry in _with_total([entry for entry in rows if entry.unseen]):
        told = [entry.unseen_named, entry.unseen_ruled, entry.unseen_possible]
        silent = entry.unseen - sum(told) - entry.unseen_false
        refused = f"{entry.unseen_refused} of {entry.unseen}"
        lines.append(_line([_shown(entry), refused, *told, silent, entry.unseen_false]))
    return "\n".join(lines)


def _with_total(rows: list[Row]) -> list[Row]:
    total = Row("**all**")
    for entry in rows:
        total.add(entry)
    return [*rows, total]


def _shown(entry: Row) -> str:
    return f"`{entry.name}`" if entry.name in registry.EXERCISES else entry.name


def _line(cells: list) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m gptoss_edu.checks.confusion", description=__doc__.split("\n\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="which exercises (all)")
    parser.add_argument("--mutants", action="store_true", help="also run the automatic mutants (about half a minute)")
    parser.add_argument("--totals", action="store_true", help="print sums instead of a line per exercise")
    parser.add_argument("--markdown", metavar="FILE", type=Path, help="write the table to FILE")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in registry.EXERCISES]
    if unknown:
        print(f"no exercise named {unknown[0]}; there are: {', '.join(registry.EXERCISES)}", file=sys.stderr)
        return 2
    rows = [row(name, left_out=True) for name in options.names or registry.EXERCISES]
    if options.mutants:
        rows = [add_mutants(entry) if registry.EXERCISES[entry.name].stored else entry for entry in rows]
    shown = totals(rows) if options.totals else rows
    table = markdown(shown)
    if any(entry.unseen for entry in rows):
        table += "\n\nWritten without sight of checks and banks:\n\n" + markdown_of_strangers(shown)
    print(table)
    faults = [fault for entry in rows for fault in entry.faults]
    if faults:
        print("\nOut of place:\n" + "\n".join(f"- {fault}" for fault in faults))
    if options.markdown:
        write_text(options.markdown, table + "\n")
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
