"""A chapter's slides hold the core path, stubs instead of solutions, and no outcome; little overflows."""

import re
import sys
from pathlib import Path

import nbformat
import pytest

from gptoss_edu.course.workshop import BEGIN, chapters, is_hints

pytest.importorskip("nbconvert", reason="nbconvert, which comes with JupyterLab, is missing")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "book"))
import handouts
import slides


@pytest.mark.parametrize("path", chapters(list(slides.CHAPTERS)), ids=lambda path: path.stem)
def test_a_chapter_as_slides(path):
    notebook = slides.as_slides(nbformat.read(path, as_version=4))
    kinds = [cell.metadata.slideshow.slide_type for cell in notebook.cells]
    shown = [cell for cell, kind in zip(notebook.cells, kinds, strict=True) if kind != "skip"]
    assert kinds.count("slide") >= 5 and shown[0] is notebook.cells[0]
    assert all("core" in cell.metadata.tags and not is_hints(cell) for cell in shown)
    assert BEGIN not in str(shown) and ": the answer is " not in str(shown) and "### END" not in str(shown)
    assert any("NotImplementedError" in cell.source for cell in shown)
    heights, now = [], 0.0
    for cell in shown:
        now = slides.lines(cell) + (now if cell.metadata.slideshow.slide_type == "-" else 0)
        heights.append(now)
    assert max(heights) <= 2 * slides.A_SLIDE, "a slide of twice its height cannot be shown"


def test_slides_need_the_vendored_files(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(slides, "VENDOR", tmp_path)
    assert slides.main(["06"]) == 2 and "make book-deps" in capsys.readouterr().err


@pytest.mark.slow
def test_slides_ask_for_nothing_from_elsewhere(monkeypatch, tmp_path):
    monkeypatch.setattr(slides, "TARGET", tmp_path)
    page = slides.write(chapters(["06"])[0]).read_text(encoding="utf-8")
    head = page.partition("<body")[0] + page.rpartition("</main>")[2]
    for address in ("cdnjs", "unpkg", "jsdelivr", "import mermaid"):
        assert address not in head


@pytest.mark.slow
def test_a_handout_for_each_part():
    pages = handouts.handouts()
    assert len(pages) >= 5 and sum(page.count("<section>") for page in pages.values()) == len(chapters())
    first = pages["part_1.html"]
    assert "<code>attention</code>" in first and "why a softmax cannot say" in first and "http" not in first
    for path in chapters():
        assert 2 <= len(handouts.explained(path, 8)) <= 8, f"{path.stem}: what can one explain afterwards?"
    assert handouts.inline("a `b` **c** [d](e.md) *f* <g>") == "a <code>b</code> <b>c</b> d <em>f</em> &lt;g&gt;"


@pytest.mark.browser
@pytest.mark.slow
def test_a_handout_is_one_page(chromium, tmp_path):
    page = chromium.new_page(color_scheme="light")
    for name, text in handouts.handouts().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        page.goto((tmp_path / name).as_uri())
        made = page.pdf(format="A4", prefer_css_page_size=True)
        assert len(re.findall(rb"/Type\s*/Page\b", made)) == 1, f"{name} does not fit on a page"
