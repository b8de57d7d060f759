"""Test that plans add up, and that the core path marks about half of every chapter."""

import re

import nbformat
import pytest
from test_notebooks import NOTEBOOKS, exercises, folded, network, outputs, too_early

from gptoss_edu.course import plans, workshop
from gptoss_edu.errors import GptOssError
from gptoss_edu.resources import notebooks_path

ROOT = notebooks_path().parent
MARK = "◇ *beside the core path*"
BRIDGE = notebooks_path() / f"{plans.BRIDGE}.ipynb"


@pytest.mark.parametrize("plan", plans.PLANS, ids=lambda plan: plan.name)
def test_a_plan_fits_into_its_hours(plan):
    assert plan.needed == 1.5 * sum(plans.minutes(entry) for entry in plan.path) + sum(plan.breaks)
    assert 0.8 * 60 * plan.hours <= plan.needed <= 60 * plan.hours
    longest_stretch = 60 * plan.hours / (len(plan.breaks) + 1)
    assert longest_stretch <= 120, "nobody works two hours without a break"


@pytest.mark.parametrize("plan", plans.PLANS, ids=lambda plan: plan.name)
def test_a_plan_obeys_the_map(plan):
    """Chapters come in rising order, and 06 after 04 and 05 or after the bridge that replaces them."""
    numbers = [int(entry[:2]) for entry in plan.path if entry != "bridge"]
    assert numbers == sorted(set(numbers))
    assert "bridge" in plan.path[: plan.path.index(next(e for e in plan.path if e.startswith("06")))] or {4, 5} <= set(
        numbers
    )


def test_the_teachers_page_shows_these_plans():
    assert plans.table() in (ROOT / "book" / "pages" / "teaching.md").read_text(encoding="utf-8")
    for plan in plans.PLANS:
        for chapter, section in re.findall(r"[Ii]n (\d\d) '([^']+)'", plan.cut):
            path = next(path for path in NOTEBOOKS if path.stem.startswith(chapter))
            cells = nbformat.read(path, as_version=4).cells
            (cell,) = (cell for cell in cells if f"## {section}" in cell.source)
            assert MARK not in cell.source, f"{plan.name}: {section!r} of {path.stem} is not on the core path anyway"


def test_minutes_stand_in_one_place():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in NOTEBOOKS:
        said = re.search(rf"\(notebooks/{path.name}\) \|[^|]*\| (\d+) \|", readme)
        assert said and int(said[1]) == plans.minutes(path.stem[:2]), f"README.md: the minutes of {path.stem}"
    for unknown in ("77", "bridge core", "six"):
        with pytest.raises(GptOssError, match="not there"):
            plans.minutes(unknown)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_about_half_of_a_chapter_is_its_core_path(path):
    """Sections off the core path are marked; the cells of all others carry the tag; the minutes agree."""
    notebook, inside, core = nbformat.read(path, as_version=4), True, []
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and re.search(r"^## ", cell.source, re.M):
            inside = MARK not in cell.source
        assert ("core" in cell.metadata.get("tags", [])) == inside, f"tag and mark differ: {cell.source[:60]!r}"
        core.append(inside)
    share = sum(core) / len(core)
    assert 0.4 <= share <= 0.66
    named, short = plans.times()[path.stem[:2]]
    assert abs(short - share * named) <= 5 and "without the sections marked ◇" in notebook.cells[0].source


def unresolved(notebook) -> list[str]:
    """Find predictions of the core path that it neither answers nor says where they are answered.

    A note names the section: "◇ *07.2 is answered beside the core path, in "Break it".*"
    """
    core, asked, answered, section = set(), {}, {}, ""
    for cell in notebook.cells:
        inside = "core" in cell.metadata.get("tags", [])
        if cell.cell_type == "markdown":
            section = [section, *re.findall(r"^## (.+)$", cell.source, re.M)][-1]
            if inside:
                core |= set(
                    re.findall(r'^◇ \*(\S+) is answered beside the core path, in "(.+)"\.\*$', cell.source, re.M)
                )
            continue
        if inside:
            asked |= dict.fromkeys(re.findall(r'\bpredict\(\s*"([^"]+)"', cell.source), section)
        for name in re.findall(r'\breveal\(\s*"([^"]+)"', cell.source):
            answered.setdefault(name, []).append((inside, section))
    found = []
    for name in asked:
        places = answered.get(name, [])
        noted = [where for key, where in core if key == name]
        wanted = [] if any(inside for inside, _ in places) else [where for _, where in places[:1]] or ["nowhere"]
        if noted != wanted:
            found.append(f"{name} is answered in {wanted or 'the core path'}, and its note names {noted}")
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_prediction_of_the_core_path_is_answered_there_or_says_where(path):
    assert unresolved(nbformat.read(path, as_version=4)) == []


def test_a_prediction_that_waits_in_vain_is_found():
    markdown, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    core, note = {"tags": ["core"]}, '◇ *07.2 is answered beside the core path, in "Break it".*'
    ask, beside = code('checks.predict("07.2", None, None)', metadata=core), code('checks.reveal("07.2")')
    inside = code('checks.reveal("07.2")', metadata=core)
    start, end = markdown("## Guess", metadata=core), markdown(f"## Break it\n\n{MARK}")
    noted, elsewhere = (markdown(text, metadata=core) for text in (note, note.replace("Break", "Mend")))
    for cells, right in (
        ([start, ask, end, beside], False),
        ([start, noted, ask, end, beside], True),
        ([start, elsewhere, ask, end, beside], False),
        ([start, ask, inside], True),
        ([start, noted, ask, inside], False),
        ([start, ask, end], False),
    ):
        assert (unresolved(nbformat.v4.new_notebook(cells=cells)) == []) == right


@pytest.mark.parametrize("rule", [outputs, exercises, network, too_early, folded], ids=lambda rule: rule.__name__)
def test_the_bridge_keeps_the_chapters_rules(rule):
    assert rule(nbformat.read(BRIDGE, as_version=4)) == []


def test_the_bridge_is_short():
    cells = nbformat.read(BRIDGE, as_version=4).cells
    assert len(cells) <= 20 and sum(len(c.source.split()) for c in cells if c.cell_type == "markdown") <= 900
    assert plans.minutes("bridge") == 20


def test_the_half_day_can_be_handed_out(tmp_path):
    workshop.write(tmp_path / "room", ["bridge", "06", "08"])
    made = sorted(path.name for path in (tmp_path / "room").glob("*.ipynb"))
    assert made == ["06_attention_sinks.ipynb", "08_moe_routing.ipynb", "bridge_attention.ipynb"]
    readme = (tmp_path / "room" / "README.md").read_text(encoding="utf-8")
    assert readme.index("bridge_attention") < readme.index("06_attention")
    assert "raise NotImplementedError" in (tmp_path / "room" / made[2]).read_text(encoding="utf-8")
    assert [path.name for path in workshop.chapters(["bridge"])] == made[2:]
    assert made[2] not in [path.name for path in workshop.chapters()]
