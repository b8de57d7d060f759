"""Test frames: drawn once, all of one size, each with a text; a player in the lab, a page with stills elsewhere."""

import io

import matplotlib.pyplot as plt
import pytest
from PIL import Image
from test_notebooks import NOTEBOOKS, code_cells, each_notebook, read

from gptoss_edu import checks
from gptoss_edu.checks.display import Shown
from gptoss_edu.course import buttons, frames
from gptoss_edu.errors import GptOssError

PLAYED = {"01": "loop", "02": "merges", "05": "clocks", "11": "ring"}


def square(number: int, size: float = 2.0):
    figure = plt.figure(figsize=(size, size))
    figure.text(0.5, 0.5, number)
    return figure


def words(number: int) -> str:
    return f"the square of {number} is <{number**2}>"


@pytest.fixture
def four():
    return checks.play(square, range(4), words, stills=(0, 2))


def test_every_value_is_a_frame_and_no_figure_stays_open(four):
    assert isinstance(four, Shown) and len(four.pictures) == 4 and len(set(four.pictures)) == 4
    assert {Image.open(io.BytesIO(picture)).size for picture in four.pictures} == {(200, 200)}
    assert plt.get_fignums() == []
    assert repr(four) == "4 frames, from 'the square of 0 is <0>' to 'the square of 3 is <9>'"


def test_the_page_shows_the_last_still_and_says_what_each_frame_shows(four):
    page = four._repr_mimebundle_()["text/html"]
    assert page.count("<img") == 4 and page.count('class="shown still"') == 1 and page.count('class="still"') == 1
    assert [f'alt="the square of {n} is &lt;{n * n}&gt;"' in page for n in range(4)] == [True] * 4
    assert '<p class="caption">the square of 2 is &lt;4&gt;</p>' in page and 'value="2"' in page
    assert "prefers-reduced-motion" in page and "@media print" in page


def test_the_lab_gets_a_play_button_linked_to_the_slider(four, monkeypatch):
    monkeypatch.setattr(buttons, "live", lambda: True)
    bundle = four._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle and bundle["text/html"] == four.html
    picture, row, caption = four.player().children
    play, slider = row.children
    assert (play.max, slider.max, play.interval) == (3, 3, 900)
    seen = [(picture.value, caption.value)]
    for number in (1, 2, 3):
        slider.value = number
        seen.append((picture.value, caption.value))
    assert [value for value, _ in seen] == four.pictures
    assert seen[3][1] == "the square of 3 is &lt;9&gt;"


@pytest.mark.parametrize(
    ("values", "stills", "sizes", "said"),
    [
        ((1,), (-1,), {}, "at least two"),
        ((1, 2), (2,), {}, "among 2 frames"),
        ((1, 2), (), {}, "among 2 frames"),
        ((1, 2), (-1,), {2: 3.0}, "one size, found 200x200, 300x300"),
    ],
)
def test_what_is_no_process_is_refused(values, stills, sizes, said):
    with pytest.raises(GptOssError, match=said):
        frames.play(lambda n: square(n, sizes.get(n, 2.0)), values, words, stills=stills)


def played(path) -> list[str]:
    """Return the pages stored by the chapter's cells that call `checks.play`."""
    cells = [cell for cell in code_cells(read(path)) if "checks.play(" in cell.source]
    results = [output for cell in cells for output in cell.outputs if output.output_type == "execute_result"]
    return [output.data["text/html"] for output in results]


def test_four_processes_are_played():
    found = {path.stem[:2] for path in NOTEBOOKS if played(path)}
    assert found >= set(PLAYED)


@each_notebook
def test_what_a_chapter_plays_is_stored_as_a_page(path):
    cells = [cell for cell in code_cells(read(path)) if "checks.play(" in cell.source]
    pages = played(path)
    assert len(pages) == len(cells)
    for page in pages:
        assert 4 <= page.count("<img") <= 20 and "script" in page
        assert page.count('alt=""') == 0
