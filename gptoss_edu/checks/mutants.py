"""Make automatic mutants of the bank's right solutions, with one small change each in the syntax tree.

A check must refuse every mutant, or the mutant is equivalent and listed in EQUIVALENT with the reason. This is
deterministic: the same sources give the same mutants under the same keys.
"""

from __future__ import annotations

import ast
import copy
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from . import bank

SWAPS: dict[type, tuple[type, ...]] = {
    ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.Div,), ast.Div: (ast.Mult,), ast.FloorDiv: (ast.Mod,),
    ast.Mod: (ast.FloorDiv,), ast.Pow: (ast.Mult,), ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt,),
    ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt,), ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,), ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,), ast.LShift: (ast.RShift,), ast.RShift: (ast.LShift,), ast.And: (ast.Or,),
    ast.Or: (ast.And,), ast.UAdd: (ast.USub,),
}  # fmt: skip
EQUIVALENT_FILE = Path(__file__).parent / "equivalent_mutants.toml"


@dataclass(frozen=True)
class Mutant:
    """One changed right solution; `key` is check.function:line:change, `change` says it in words."""

    key: str
    change: str
    function: Callable = field(repr=False)


@cache
def mutants(check: str) -> tuple[Mutant, ...]:
    """Return all mutants of the right solutions of a check."""
    return tuple(_mutants(check))


def _mutants(check: str) -> Iterator[Mutant]:
    for solution in bank.right(check):
        tree = ast.parse(solution.source)
        seen: dict[str, int] = {}
        for change, line, mutated in _mutations(tree):
            text = f"{check}.{solution.name}:{line}:{change}"
            seen[text] = seen.get(text, 0) + 1
            key = text if seen[text] == 1 else f"{text} ({seen[text]})"
            function = _compiled(mutated, solution)
            if function is not None:
                yield Mutant(
                    key,
                    f"line {line}: {change}: {ast.get_source_segment(solution.source, _line(tree, line)) or ''}",
                    function,
                )


def _mutations(tree: ast.Module) -> Iterator[tuple[str, int, ast.Module]]:
    """Yield (change, line, mutated copy) for every place where something can be changed."""
    nodes = list(ast.walk(tree))
    for position, node in enumerate(nodes):
        for change, edit in _edits(node):
            mutated = copy.deepcopy(tree)
            target = list(ast.walk(mutated))[position]
            edit(target, mutated) if edit is _drop_sign else edit(target)
            yield change, getattr(node, "lineno", 0), ast.fix_missing_locations(mutated)


def _edits(node: ast.AST) -> Iterator[tuple[str, Callable]]:
    """Yield the possible changes of one node: an operator, a comparison, a number, a sign, a statement."""
    if isinstance(node, (ast.BinOp, ast.AugAssign, ast.BoolOp)):
        for other in SWAPS.get(type(node.op), ()):
            yield f"{_sign(node.op)} becomes {_sign(other())}", lambda n, other=other: setattr(n, "op", other())
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        for other in SWAPS.get(type(node.ops[0]), ()):
            yield f"{_sign(node.ops[0])} becomes {_sign(other())}", lambda n, other=other: setattr(n, "ops", [other()])
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not, ast.Invert)):
        yield f"{_sign(node.op)} is dropped", _drop_sign
    elif isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        changed = (node.value + 1, node.value - 1) if isinstance(node.value, int) else (node.value * 1.5 or 1.0,)
        for value in changed:
            yield f"{node.value} becomes {value}", lambda n, value=value: setattr(n, "value", value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield f"{node.value} becomes {not node.value}", lambda n: setattr(n, "value", not n.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(("<|", " ")):
        yield f"{node.value!r} becomes ''", lambda n: setattr(n, "value", "")


def _drop_sign(node: ast.UnaryOp, tree: ast.Module) -> None:
    """Replace the signed expression by its operand."""
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is node:
                setattr(parent, name, node.operand)
            elif isinstance(value, list) and any(item is node for item in value):
                value[:] = [node.operand if item is node else item for item in value]


def _compiled(tree: ast.Module, solution: bank.Solution) -> Callable | None:
    """Return the mutated function, with its module's helpers around it; None if it is no longer valid Python."""
    namespace = dict(sys.modules[solution.function.__module__].__dict__)
    try:
        exec(compile(tree, f"<mutant of {solution.name}>", "exec"), namespace)
    except SyntaxError:
        return None
    return namespace[solution.name]


def _line(tree: ast.Module, line: int) -> ast.AST:
    """Return the innermost statement that begins at or before a line."""
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    return min(found, key=lambda node: (node.end_lineno or 0) - node.lineno)


SIGNS = {
    "Add": "+", "Sub": "-", "Mult": "*", "Div": "/", "FloorDiv": "//", "Mod": "%", "Pow": "**", "Lt": "<", "LtE": "<=",
    "Gt": ">", "GtE": ">=", "Eq": "==", "NotEq": "!=", "BitAnd": "&", "BitOr": "|", "LShift": "<<", "RShift": ">>",
    "And": "and", "Or": "or", "USub": "-", "Not": "not", "Invert": "~", "Is": "is", "IsNot": "is not", "In": "in",
    "NotIn": "not in",
}  # fmt: skip


def _sign(op: ast.AST) -> str:
    return SIGNS.get(type(op).__name__, type(op).__name__)


@cache
def equivalents() -> dict[str, str]:
    """Return mutant key -> why it computes the same."""
    return tomllib.loads(EQUIVALENT_FILE.read_text(encoding="utf-8"))["equivalent"] if EQUIVALENT_FILE.is_file() else {}


def equivalent_reason(mutant: Mutant) -> str:
    """Return why a mutant is equivalent, or an empty string."""
    return equivalents().get(mutant.key, "")
