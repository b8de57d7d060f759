"""`workshop --update` keeps everything that a learner wrote, whatever was done to the notebook."""

import copy
import json
import re
import shutil

import nbformat
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

from gptoss_edu import cli
from gptoss_edu.course import merge_copies, workshop
from gptoss_edu.course.merge_copies import OWN_CELLS, POINTER, WorkshopError

NAME = "03_norm.ipynb"
SOLUTION = "    ### BEGIN SOLUTION\n    return {name!r}\n    ### END SOLUTION"


def course(version: int) -> nbformat.NotebookNode:
    """Make two exercises between other cells; from one version to the next, ids stay and some texts change."""
    newer = f"  # of edition {version}" if version > 1 else ""
    texts = [
        ("intro", "markdown", "# Chapter three" + newer),
        ("imports", "code", "import math"),
        ("norm", "code", f"def norm(x):\n    '''About 2 lines.'''{newer}\n" + SOLUTION.format(name="norm")),
        ("between", "markdown", "Next, the second."),
        ("check", "code", "print(norm(3))" + newer),
        ("scale", "code", "def scale(x):\n" + SOLUTION.format(name="scale")),
        ("bet", "code", 'predict("03.1", "?", 0.5)'),
        ("end", "markdown", "That is all."),
    ]
    make = {"markdown": new_markdown_cell, "code": new_code_cell}
    return new_notebook(cells=[make[kind](text, id=f"c-{name}") for name, kind, text in texts])


@pytest.fixture(scope="module")
def editions(tmp_path_factory):
    """Make folders with notebooks of two editions, and a student folder of the first."""
    base = tmp_path_factory.mktemp("editions")
    for version in (1, 2):
        (base / str(version)).mkdir()
        nbformat.write(course(version), base / str(version) / NAME)
    patch = pytest.MonkeyPatch()
    patch.setattr(workshop, "notebooks_path", lambda: base / "1")
    workshop.write(base / "fresh")
    yield base, patch
    patch.undo()


# ---- what learners do: each edit gets the notebook's cells, a position, and a line that occurs nowhere else


def solve(cells, at, line):
    cells[at].source = cells[at].source.replace('raise NotImplementedError("write', f'return "{line}"  # ("wrote')


def add_line(cells, at, line):
    cells[at].source += f"\n# {line}"


def add_magic(cells, at, line):
    cells[at].source = f"%%time {line}\n" + cells[at].source


def add_shell(cells, at, line):
    cells[at].source += f"\n!echo {line}"


def break_syntax(cells, at, line):
    cells[at].source += f"\n(((  {line}"


def new_cell(cells, at, line):
    cells.insert(at, new_code_cell(f"print('{line}')"))


def new_note(cells, at, line):
    cells.insert(at, new_markdown_cell(f"note: {line}", attachments={"a.png": {"image/png": "aGk="}}))


def duplicate(cells, at, line):
    """Copy and change a cell but keep its id, as some editors do."""
    cells.insert(at + 1, copy.deepcopy(cells[at]))
    cells[at + 1].source += f"\n# {line}"


def copy_anew(cells, at, line):
    cells.insert(at + 1, new_code_cell(cells[at].source + f"\n# {line}"))


def split(cells, at, line):
    lines = cells[at].source.split("\n")
    cells[at].source = "\n".join(lines[: len(lines) // 2]) + f"\n# {line}"
    cells.insert(at + 1, new_code_cell("\n".join(lines[len(lines) // 2 :]) + f"\n# {line} again"))


def merge(cells, at, line):
    if at + 1 < len(cells):
        cells[at].source += f"\n# {line}\n" + cells.pop(at + 1).source


def move(cells, at, line):
    cells.append(cells.pop(at))


def delete(cells, at, line):
    del cells[at]


def rename(cells, at, line):
    cells[at].source = cells[at].source.replace("def ", f"def {line}_", 1)


def tag(cells, at, line):
    cells[at].metadata["tags"] = [line]


def as_raw(cells, at, line):
    cells[at] = new_raw_cell(cells[at].source + f"\n{line}")


def as_markdown(cells, at, line):
    cells[at] = new_markdown_cell(cells[at].source + f"\n{line}")


def blanks(cells, at, line):
    cells[at].source = cells[at].source.replace("\n", "  \n") + "\n"


def without_ids(cells, at, line):
    for cell in cells:
        cell.pop("id", None)


EDITS = (solve, add_line, add_magic, add_shell, break_syntax, new_cell, new_note, duplicate, copy_anew, split, merge,
         move, delete, rename, tag, as_raw, as_markdown, blanks, without_ids)  # fmt: skip


def edited(notebook, plan):
    """Return the notebook after a list of (edit, place); None if an edit left nothing to edit."""
    for number, (edit, place) in enumerate(plan):
        if notebook.cells:
            edit(notebook.cells, place % len(notebook.cells), f"MINE{number}x")
    if any("id" not in cell for cell in notebook.cells):  # an older format has none at all
        notebook.nbformat_minor = 4
        for cell in notebook.cells:
            cell.pop("id", None)
    return notebook


def own_lines(notebook) -> list[str]:
    return sorted(line for cell in notebook.cells for line in cell.source.split("\n") if "MINE" in line)


@pytest.mark.slow
@examples(60)
@given(st.lists(st.tuples(st.sampled_from(EDITS), st.integers(0, 20)), max_size=6), st.sampled_from([1, 2]))
def test_nothing_that_a_learner_wrote_is_lost(editions, tmp_path_factory, plan, version):
    """After the update every line of theirs occurs as often as before, and a second update changes nothing.

    Report: jupyter/nbgrader 1083. Report: jupyter/nbgrader 108.
    """
    nothing_is_lost(editions, tmp_path_factory.getbasetemp() / "student", plan, version)


def nothing_is_lost(editions, folder, plan, version):
    base, patch = editions
    patch.setattr(workshop, "notebooks_path", lambda: base / str(version))
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(base / "fresh", folder)
    path = folder / NAME
    before = edited(nbformat.read(path, as_version=4), plan)
    path.write_text(json.dumps(before))
    workshop.write(folder, update=True)
    after = nbformat.read(path, as_version=4)
    assert own_lines(after) == own_lines(before)
    ids = [cell.id for cell in after.cells if "id" in cell]  # an unchanged notebook in an older format has no ids
    assert len(set(ids)) == len(ids)
    nbformat.validate(after)
    # The cell handed out for an exercise keeps its place if it still defines its function.
    places = [cell.get("id") for cell in course(1).cells]
    for name in ("norm", "scale"):
        # if two cells have one id, readers rename one of them
        own = [c for c in before.cells if c.get("id") == f"c-{name}"]
        if (
            len(own) == 1
            and own[0].cell_type == "code"
            and "MINE" in own[0].source
            and name in merge_copies.names_in(own[0].source)
        ):
            assert after.cells[places.index(f"c-{name}")].source == own[0].source
    again = workshop.write(folder, update=True)
    assert not (again.new or again.replaced or again.merged)
    assert nbformat.read(path, as_version=4) == after


@pytest.fixture
def folder(editions, tmp_path):
    base, patch = editions
    patch.setattr(workshop, "notebooks_path", lambda: base / "1")
    shutil.copytree(base / "fresh", tmp_path / "mine")
    return tmp_path / "mine"


def update(editions, folder, version=2):
    base, patch = editions
    patch.setattr(workshop, "notebooks_path", lambda: base / str(version))
    workshop.write(folder, update=True)
    return [cell.source for cell in nbformat.read(folder / NAME, as_version=4).cells]


def change(folder, edit):
    notebook = nbformat.read(folder / NAME, as_version=4)
    edit(notebook.cells)
    nbformat.write(notebook, folder / NAME)


@pytest.mark.parametrize("version", [1, 2])
def test_a_copied_cell_below_does_not_take_the_exercises_place(editions, folder, version):
    """An older attempt, kept for comparison, stays; the exercise's own cell keeps its content.

    Report: jupyter/nbgrader 1083. Report: jupyter/nbgrader 108.
    """

    def edit(cells):
        cells[2].source = "def norm(x):\n    return 'MY SOLUTION'"
        cells.insert(3, new_code_cell("def norm(x):\n    return 'OLDER TRY'"))

    change(folder, edit)
    found = update(editions, folder, version)
    assert "MY SOLUTION" in found[2] and found[-2:] == [OWN_CELLS, "def norm(x):\n    return 'OLDER TRY'"]


@pytest.mark.parametrize("first", ["%%time", "%%capture out", "!pip list", "%matplotlib inline", "x = = 3"])
def test_a_solution_with_notebook_syntax_stands_in_its_place(editions, folder, first):
    """A cell is recognised even if it is not valid Python.

    Report: jupyter/nbgrader 108.
    """
    mine = f"{first}\ndef norm(x):\n    return x"
    change(folder, lambda cells: cells[2].update(source=mine))
    assert update(editions, folder)[2] == mine


def test_two_exercises_in_one_cell_are_not_hidden_by_a_stub(editions, folder):
    """Its stub would redefine an exercise that was solved in another cell, so a comment replaces the stub."""
    both = "def norm(x):\n    return 1\n\ndef scale(x):\n    return 2"

    def edit(cells):
        cells[2].source = both
        del cells[5]

    change(folder, edit)
    for _ in range(2):
        found = update(editions, folder)
        assert found[2] == both and found[5] == POINTER.format(names="scale") and OWN_CELLS not in found


def test_a_bet_stays_where_it_was_placed(editions, folder):
    """What the course has not changed since then stays as the learner made it, in its place."""
    change(folder, lambda cells: cells[6].update(source='predict("03.1", "b", 0.9)'))
    found = update(editions, folder)
    assert found[6] == 'predict("03.1", "b", 0.9)' and OWN_CELLS not in found and "edition 2" in found[0]


def test_a_pasted_picture_stays(editions, folder):
    change(
        folder,
        lambda cells: cells.append(
            new_markdown_cell("![a](attachment:a.png)", attachments={"a.png": {"image/png": "aGk="}})
        ),
    )
    update(editions, folder)
    last = nbformat.read(folder / NAME, as_version=4).cells[-1]
    assert last.attachments == {"a.png": {"image/png": "aGk="}}


def test_what_else_a_learner_edited_is_kept(editions, folder):
    """README.md belongs to the course until the learner edits it."""
    (folder / "README.md").write_text("my notes of three weeks\n")
    (folder / "my_gptoss.py").write_text("# mine\n")
    update(editions, folder)
    assert (folder / "README.md").read_text() == "my notes of three weeks\n"
    assert (folder / "my_gptoss.py").read_text() == "# mine\n"


def test_an_untouched_readme_follows_the_course(editions, folder, monkeypatch):
    monkeypatch.setattr(workshop, "NOTES", workshop.NOTES + "\nA new line.\n")
    update(editions, folder)
    assert "A new line." in (folder / "README.md").read_text()


@pytest.mark.parametrize("kept", [0, 1])
def test_a_run_that_was_cut_off_can_be_gone_on_with(editions, folder, kept):
    """The list of written files comes last; without it, a second run still doubles nothing."""
    (folder / workshop.MANIFEST).unlink()
    if kept:
        change(folder, lambda cells: cells[2].update(source="def norm(x):\n    return 'MINE'"))
    found = update(editions, folder, version=1)
    assert len(found) == len(course(1).cells) and ("MINE" in found[2]) == bool(kept)


DAMAGED = {
    "empty": ("", "an empty file, as a full disk leaves it"),
    "blank": (" \n", "an empty file"),
    "cut": ('{"cells": [', "an incomplete notebook"),
    "merge marks": ("{\n<<<<<<< HEAD\n}", "git's merge marks"),
    "no cells": ('{"nbformat":4,"nbformat_minor":5,"metadata":{}}', "an incomplete notebook"),
    "a list": ("[]", "an incomplete notebook"),
    "null": ("null", "an incomplete notebook"),
    "cells of another type": (
        '{"nbformat":4,"nbformat_minor":5,"metadata":{},"cells":[3]}',
        "an incomplete notebook",
    ),
    "a source of another type": (
        '{"nbformat":4,"nbformat_minor":5,"metadata":{},"cells":[{"cell_type":"code","source":5,"metadata":{}}]}',
        "an incomplete notebook",
    ),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_notebook_is_named_and_nothing_is_written(editions, folder, name):
    """One sentence names the file, its content and what to do; following that advice works."""
    text, words = DAMAGED[name]
    (folder / NAME).write_text(text)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(WorkshopError, match=words) as caught:
        update(editions, folder)
    assert str(folder / NAME) in str(caught.value) and "\n" not in str(caught.value)
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / NAME).rename(folder / "away.ipynb")
    assert len(update(editions, folder)) == len(course(2).cells)


@pytest.mark.parametrize("text", ["[]", '{"03_norm.ipynb": null}', '{"03_norm.ipynb": [3]}', "3", "{", "[" * 100_000])
def test_a_damaged_manifest_is_named(editions, folder, text, capsys):
    (folder / workshop.MANIFEST).write_text(text)
    assert cli.main(["workshop", str(folder), "--update"]) == 2
    assert re.search(r"\.workshop\.json is damaged: .*Delete it", capsys.readouterr().err)
    (folder / workshop.MANIFEST).unlink()
    assert len(update(editions, folder, version=1)) == len(course(1).cells)
