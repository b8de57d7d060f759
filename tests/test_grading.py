"""Test the instructor's folder for nbgrader: cells, points, refusals. nbgrader itself runs in `make test-nbgrader`."""

import nbformat
import pytest

from gptoss_edu.checks import registry
from gptoss_edu.course import nbgrader, workshop
from gptoss_edu.errors import GptOssError


def cells_of(path, kind):
    cells = nbformat.read(path, as_version=4).cells
    return [cell for cell in cells if cell.metadata.get("nbgrader", {}).get(kind)]


@pytest.mark.slow
def test_every_exercise_is_a_solution_and_a_graded_cell_with_its_points(tmp_path):
    made = nbgrader.write(tmp_path / "course")
    there = {path.stem[:2] for path in workshop.chapters()}
    by_chapter = {chapter: names for chapter, names in registry.by_chapter().items() if chapter in there}
    assert [name for name, _ in made] == [f"chapter_{chapter}" for chapter in by_chapter]
    for (assignment, points), names in zip(made, by_chapter.values(), strict=True):
        (path,) = (tmp_path / "course" / "source" / assignment).glob("*.ipynb")
        solutions, graded = cells_of(path, "solution"), cells_of(path, "grade")
        assert [cell.metadata.nbgrader.grade_id for cell in solutions] == [f"write-{name}" for name in names]
        assert [cell.metadata.nbgrader.points for cell in graded] == [registry.EXERCISES[n].points for n in names]
        assert points == sum(registry.EXERCISES[n].points for n in names)
        assert all(workshop.BEGIN in cell.source and "hide-input" not in cell.metadata.tags for cell in solutions)
        assert all(cell.metadata.nbgrader.locked for cell in graded)
        everything = nbformat.read(path, as_version=4)
        nbformat.validate(everything)
        assert not any(cell.get("outputs") or workshop.is_hints(cell) for cell in everything.cells)


def test_a_graded_cell_raises_with_the_cause():
    cell = nbgrader._graded("interleave")
    names = {"interleave": lambda gate, up: gate}
    with pytest.raises(AssertionError, match="Why:"):
        exec("from gptoss_edu import checks\n" + cell.source, names)


def test_what_is_there_stays(tmp_path, capsys):
    from gptoss_edu.cli import main

    assert main(["workshop", str(tmp_path), "--nbgrader", "--chapters", "06"]) == 0
    assert "chapter_06: 6 points" in capsys.readouterr().out
    (tmp_path / "nbgrader_config.py").write_text("# mine")
    assert main(["workshop", str(tmp_path), "--nbgrader", "--chapters", "06", "07"]) == 2
    assert "expected a new assignment" in capsys.readouterr().err
    assert main(["workshop", str(tmp_path), "--nbgrader", "--chapters", "07"]) == 0
    assert (tmp_path / "nbgrader_config.py").read_text() == "# mine"
    assert main(["workshop", str(tmp_path), "--nbgrader", "--update"]) == 2
    with pytest.raises(GptOssError, match="new assignment"):
        nbgrader.write(tmp_path, ["07"])
