"""The confusion table of the checks: `python -m gptoss_edu.checks.confusion [--mutants] [--markdown FILE]`.

For every check: right solutions accepted, wrong ones refused, and refused with the cause meant for them; and automatic mutants of
the right solutions, refused or listed as equivalent. Exit status 1 when anything is out of place.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path

from gptoss_edu.options import write_text

from . import CHECKS, bank
from . import __getattr__ as check_named


@dataclass
class Row:
    """One line of the table: counts, and what is out of place, in words."""

    check: str
    stages: int = 0
    right: int = 0
    accepted: int = 0
    wrong: int = 0
    refused: int = 0
    named: int = 0
    mutants: int = 0
    mutants_refused: int = 0
    equivalent: int = 0
    faults: list[str] = field(default_factory=list)


def row(name: str) -> Row:
    """Run all solutions of one check."""
    check = check_named(name)
    found = Row(name, stages=len(check.stages))
    for solution in bank.solutions(name):
        result = check(solution.function)
        if not solution.cause:
            found.right += 1
            found.accepted += result.passed
            if not result.passed:
                found.faults.append(f"{name}: right solution {solution.name} is refused: {result.message}")
            continue
        found.wrong += 1
        found.refused += not result.passed
        cause = result.cause_id if result.status == "failed" else result.status
        found.named += cause == solution.cause
        if result.passed or cause != solution.cause:
            found.faults.append(
                f"{name}: wrong solution {solution.name} ({solution.cause}): {cause or 'no cause'}: {result.symptom}"
            )
    return found


def add_mutants(found: Row) -> Row:
    """Run the mutants of one check's right solutions."""
    from .mutants import equivalent_reason, mutants

    check = check_named(found.check)
    for mutant in mutants(found.check):
        found.mutants += 1
        if not check(mutant.function, seconds=1.0).passed:
            found.mutants_refused += 1
            if equivalent_reason(mutant):
                found.faults.append(f"{found.check}: mutant {mutant.key} is listed as equivalent but refused")
        elif equivalent_reason(mutant):
            found.equivalent += 1
        else:
            found.faults.append(f"{found.check}: mutant {mutant.key} passes and is not listed: {mutant.change}")
    return found


def markdown(rows: list[Row]) -> str:
    """The table as Markdown, with totals."""
    with_mutants = any(entry.mutants for entry in rows)
    head = ["check", "stages", "right solutions accepted", "misconceptions refused", "with the cause meant for them"]
    head += ["mutants refused", "equivalent mutants (each with its reason)"] if with_mutants else []
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    total = Row("**all**")
    for entry in rows:
        for name in (
            "stages",
            "right",
            "accepted",
            "wrong",
            "refused",
            "named",
            "mutants",
            "mutants_refused",
            "equivalent",
        ):
            setattr(total, name, getattr(total, name) + getattr(entry, name))
    for entry in [*rows, total]:
        name = entry.check if entry is total else f"`{entry.check}`"
        cells = [
            name,
            entry.stages,
            f"{entry.accepted} of {entry.right}",
            f"{entry.refused} of {entry.wrong}",
            f"{entry.named} of {entry.wrong}",
        ]
        cells += [f"{entry.mutants_refused} of {entry.mutants}", entry.equivalent] if with_mutants else []
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m gptoss_edu.checks.confusion", description=__doc__.split("\n\n")[0])
    parser.add_argument("checks", nargs="*", metavar="CHECK", help=f"which checks (all: {', '.join(CHECKS)})")
    parser.add_argument("--mutants", action="store_true", help="also run the automatic mutants (about half a minute)")
    parser.add_argument("--markdown", metavar="FILE", type=Path, help="write the table to FILE")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.checks if name not in CHECKS]
    if unknown:
        print(f"no check named {unknown[0]}; there are: {', '.join(CHECKS)}", file=sys.stderr)
        return 2
    rows = [row(name) for name in options.checks or CHECKS]
    if options.mutants:
        rows = [add_mutants(entry) for entry in rows]
    table = markdown(rows)
    print(table)
    faults = [fault for entry in rows for fault in entry.faults]
    if faults:
        print("\nOut of place:\n" + "\n".join(f"- {fault}" for fault in faults))
    if options.markdown:
        write_text(options.markdown, table + "\n")
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
