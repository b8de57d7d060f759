"""Test frames in Chromium: play, pause, slider and keys; reduced motion; without JavaScript; in print."""

import matplotlib.pyplot as plt
import pytest

from gptoss_edu import checks

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SHOWN = "() => [...document.querySelectorAll('.frames img')].map((p, n) => getComputedStyle(p).display === 'none' ? -1 : n).filter((n) => n >= 0)"


@pytest.fixture(scope="module")
def page_of_four():
    def square(number: int):
        figure = plt.figure(figsize=(2, 2))
        figure.text(0.5, 0.5, number)
        return figure

    part = checks.play(square, range(4), "frame {}".format, stills=(0, 3), seconds=0.2).html
    return f"<!doctype html><html lang='en'><title>frames</title><body>{part}{part}</body></html>"


def test_play_goes_through_all_frames_and_stops(open_page, page_of_four):
    page = open_page(page_of_four, ready=".frames[data-ready]")
    assert page.evaluate(SHOWN) == [3, 7], "the last still of each, and one script does not run twice"
    button, caption = page.get_by_role("button").first, page.locator(".caption").first
    begun = page.evaluate(  # in one go: on a busy machine the next frame comes before a second question
        f"(button) => {{ button.click(); return [button.innerText, ({SHOWN})()[0]]; }}", button.element_handle()
    )
    assert begun == ["Pause", 0]
    page.wait_for_function("() => document.querySelector('.caption').textContent === 'frame 3'")
    assert button.inner_text() == "Play" and page.evaluate(SHOWN) == [3, 7], "only the first box plays"
    button.click()
    button.click()
    assert button.inner_text() == "Play"
    slider = page.get_by_role("slider").first
    slider.focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    assert caption.inner_text() == "frame 2" and slider.get_attribute("aria-valuetext") == "frame 2"


def test_who_asked_for_less_motion_goes_on_frame_by_frame(open_page, page_of_four):
    page = open_page(page_of_four, ready=".frames[data-ready]", reduced_motion="reduce")
    button = page.get_by_role("button").first
    for number in (0, 1, 2):
        assert button.inner_text() == "Next"
        button.click()
        assert page.evaluate(SHOWN)[0] == number
    page.wait_for_timeout(500)
    assert page.evaluate(SHOWN)[0] == 2


def test_print_and_a_page_without_scripts_show_stills(open_page, page_of_four):
    page = open_page(page_of_four, ready=".frames[data-ready]")
    page.emulate_media(media="print")
    assert page.evaluate(SHOWN) == [0, 3, 4, 7] and not page.get_by_role("button").first.is_visible()
    without = page_of_four.replace("<script>", "<template>").replace("</script>", "</template>")
    page = open_page(without, ready=".frames")
    assert page.evaluate(SHOWN) == [3, 7] and not page.get_by_role("button").first.is_visible()
