"""Test that the cells of a chapter's core path run without the others: no name is missing."""

import ast
import builtins
import re
import symtable

import nbformat
import pytest

from gptoss_edu.resources import notebooks_path

NOTEBOOKS = sorted(notebooks_path().glob("[0-9][0-9]_*.ipynb"))
GIVEN = frozenset(dir(builtins)) | {"display", "get_ipython", "In", "Out", "_"}
AT_ONCE = {"listcomp", "setcomp", "dictcomp", "genexpr"}  # bodies that run where they stand


def names(table: symtable.SymbolTable) -> tuple[set[str], set[str]]:
    """Return the global names that a table's code reads at once, and those that it reads when called."""
    top = table.get_type() == "module"
    now = {s.get_name() for s in table.get_symbols() if s.is_referenced() and (top or s.is_global())}
    later: set[str] = set()
    for child in table.get_children():
        inner, called = names(child)
        runs = child.get_name() in AT_ONCE or str(child.get_type()).endswith("class")
        now, later = (now | inner, later | called) if runs else (now, later | inner | called)
    return now, later


def bound(table: symtable.SymbolTable) -> set[str]:
    return {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}


def statements(source: str) -> list[ast.stmt]:
    """Parse a cell without its magics."""
    kept = ["pass" if re.match(r"\s*[%!?]", line) else line for line in source.splitlines()]
    return ast.parse("\n".join(kept)).body


def missing(cells: list[str]) -> list[str]:
    """Return what the cells read before one of them, or a statement before it in the same cell, has bound it.

    What a function reads when it is called has to be bound in any of the cells.
    """
    known, found, calls = set(GIVEN), [], []
    for number, source in enumerate(cells):
        for statement in statements(source):
            table = symtable.symtable(ast.unparse(statement), "cell", "exec")
            now, later = names(table)
            if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
                now.add(statement.target.id)
            own = set() if isinstance(statement, (ast.Assign, ast.AugAssign, ast.AnnAssign)) else bound(table)
            found += [f"core cell {number}: {name}" for name in sorted(now - known - own)]
            calls.append((number, later))
            known |= bound(table)
    return found + [
        f"core cell {number}, in a function: {name}" for number, read in calls for name in sorted(read - known)
    ]


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        (["x = 1", "print(x)"], []),
        (["print(x)", "x = 1"], ["core cell 0: x"]),
        (["x = x + 1"], ["core cell 0: x"]),
        (["x += 1"], ["core cell 0: x"]),
        (["y = [z for z in range(3)]", "w = [z for z in a]"], ["core cell 1: a"]),
        (["y = [[z * b for z in r] for r in range(3)]"], ["core cell 0: b"]),
        (["def f():\n    return later", "later = 1"], []),
        (["def f(x):\n    y = x\n    return lambda: y + never"], ["core cell 0, in a function: never"]),
        (["def f(x=late):\n    return x", "late = 1"], ["core cell 0: late"]),
        (["@wrap\ndef f(x):\n    return x"], ["core cell 0: wrap"]),
        (["import a.b as c\nfrom d import e", "c, e, a"], ["core cell 1: a"]),
        (["for i in range(3):\n    j = i\nprint(i, j)", "with open(p) as q:\n    q"], ["core cell 1: p"]),
        (["%matplotlib inline\ndisplay(f'{n}')"], ["core cell 0: n"]),
        (["class A:\n    size = n\n    def f(self):\n        return m"],
         ["core cell 0: n", "core cell 0, in a function: m"]),
    ],
)  # fmt: skip
def test_a_missing_name_is_found(cells, found):
    assert missing(cells) == found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_core_path_runs_alone(path):
    cells = nbformat.read(path, as_version=4).cells
    core = [cell.source for cell in cells if cell.cell_type == "code" and "core" in cell.metadata.get("tags", [])]
    found = missing(core)
    assert not found, f"{path.stem}: the core path alone misses {found}; move the definitions to cells tagged core."
