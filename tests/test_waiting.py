"""Cells that take longer than ten seconds show their progress; a notebook run by a program stores no bar."""

import ast
import io
from contextlib import redirect_stderr
from datetime import datetime

import pytest
from test_notebooks import code_cells, each_notebook, python, read

from gptoss_edu import checks
from gptoss_edu.course import buttons

IDLE = 2.5  # seconds for a chapter's first cell, which imports PyTorch, on an idle machine
LONG = 10.0 / IDLE  # in units of the same run's first cell, so that a busy machine makes no difference
SHOWS = ("checks.watch(", "told=")


def seconds(cell) -> float | None:
    """Return how long a cell took when its outputs were stored; None if that was not recorded."""
    times = cell.metadata.get("execution", {})
    ends = [times.get("iopub.execute_input"), times.get("shell.execute_reply")]
    if None in ends:
        return None
    first, last = (datetime.fromisoformat(end.replace("Z", "+00:00")) for end in ends)
    return (last - first).total_seconds()


def prints_on_the_way(cell) -> bool:
    """Return whether a loop outside functions prints as it goes."""
    loops = [node for node in python(cell.source).body if isinstance(node, ast.For)]
    return any("print(" in ast.unparse(loop) for loop in loops)


def slow(notebook) -> list:
    """Return the cells that take longer than ten seconds, that is, `LONG` times the first cell of the same run."""
    cells = code_cells(notebook)
    first = seconds(cells[0])
    return [cell for cell in cells[1:] if first and (seconds(cell) or 0) > LONG * first]


@each_notebook
def test_a_cell_of_ten_seconds_shows_how_far_it_is(path):
    silent = [
        cell.id
        for cell in slow(read(path))
        if not any(word in cell.source for word in SHOWS) and not prints_on_the_way(cell)
    ]
    assert silent == [], "go through its steps with checks.watch"


def test_nothing_is_shown_where_nobody_waits(capsys):
    assert list(checks.watch(range(3), "steps")) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")


def test_a_bar_is_shown_where_somebody_waits(monkeypatch):
    monkeypatch.setattr(buttons, "live", lambda: True)
    shown = io.StringIO()
    with redirect_stderr(shown):
        assert list(checks.watch(iter("ab"), "letters", 2)) == ["a", "b"]
    assert "letters" in shown.getvalue() and "2" in shown.getvalue()


@pytest.mark.parametrize(("wall", "found"), [(9.0, 0), (11.0, 1), (40.0, 1)])
def test_a_slow_cell_is_found(wall, found):
    from nbformat.v4 import new_code_cell, new_notebook

    def cell(took: float, source: str = "x = 1"):
        times = {
            "iopub.execute_input": "2026-01-01T00:00:00Z",
            "shell.execute_reply": f"2026-01-01T00:00:{took:06.3f}Z",
        }
        return new_code_cell(source, metadata={"execution": times})

    assert len(slow(new_notebook(cells=[cell(2.5), cell(wall)]))) == found
