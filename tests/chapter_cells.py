"""Run a chapter's cells in this process, for the tests of the checks that it brings along."""

import ast
import contextlib
import io
from functools import cache

import nbformat

from gptoss_edu.resources import notebooks_path


def run_cell(source: str, names: dict):
    """Execute a cell; the value of its last expression, as a notebook would show it."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names) if last else None


def check_cell(name: str, exercise: str) -> str:
    """The source of the cell that checks one exercise of a chapter."""
    notebook = nbformat.read(notebooks_path() / f"{name}.ipynb", as_version=4)
    return next(cell.source for cell in notebook.cells if f'checks.custom("{exercise}"' in cell.source)


@cache
def chapter(name: str, helpers: str = "") -> tuple[dict, dict]:
    """All names of a chapter that was run from top to bottom, with a test's helpers, and its check cells by exercise."""
    notebook = nbformat.read(notebooks_path() / f"{name}.ipynb", as_version=4)
    names: dict = {"display": lambda *shown: None}
    checks = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for cell in notebook.cells:
            if cell.cell_type == "code":
                run_cell(cell.source, names)
                if "checks.custom(" in cell.source:
                    checks[cell.source.split('checks.custom("')[1].split('"')[0]] = cell.source
        run_cell(helpers or "pass", names)
    return names, checks
