"""Test the chat page in Chromium: channels, tools, effort; narrow and wide, light and dark; text stays text."""

import os

import pytest
from serving import call, final, make_world, thought

pytestmark = pytest.mark.browser
PICTURE = os.environ.get("GPTOSS_EDU_PICTURE")  # where the trace's test writes its pictures


@pytest.fixture(scope="module")
def world():
    with make_world() as world:
        yield world


@pytest.fixture
def page(world, chromium):
    """Open the page; it must log no error and request nothing but its own server."""
    trouble = []
    page = chromium.new_page(viewport={"width": 1000, "height": 700})
    page.on("console", lambda m: "status of 40" in m.text or trouble.append(m.text))  # Chromium logs a refused request
    page.on("pageerror", lambda e: trouble.append(str(e)))
    page.on("request", lambda r: r.url.startswith((world.url, "data:")) or trouble.append(r.url))
    page.goto(world.url)
    page.wait_for_selector("html[data-ready]")
    yield page
    page.close()
    assert trouble == []


def ask(page, text, turns=1):
    page.fill("#text", text)
    page.keyboard.press("Enter")
    page.locator(".meta").nth(turns - 1).wait_for()


def test_channels_tools_and_effort(page, world):
    world.prompts.clear()
    world.says(
        thought("Search it.") + call("browser.search", '{"query": "rivers"}', "code", "analysis"), final("None.")
    )
    page.check("input[value=browser]")
    page.check("input[value=high]")
    ask(page, "Which rivers are there?")
    shown = [e.inner_text() for e in page.locator(".turn > *").all()]
    assert shown[0] == "thought" and shown[1] == "searches for “rivers”" and shown[2] == "None."
    assert "Reasoning: high" in world.prompt(0) and "## browser" in world.prompt(0)
    page.locator("summary").click()
    assert "Search it." in page.locator(".analysis").inner_text()
    world.says(final("Yes."))
    ask(page, "Sure?", 2)
    assert "None.<|end|>" in world.prompt() and "Which rivers" in world.prompt()
    page.click("#fresh")
    world.says(final("Hello."))
    ask(page, "Hi")
    assert "Which rivers" not in world.prompt()


def test_an_answer_shows_its_trace_on_request(page, world):
    from gptoss_edu.trace.synthetic import synthetic_trace
    from gptoss_edu.web.page import explore

    world.server.explore = lambda tokens: explore(synthetic_trace(len(tokens))).html
    try:
        page.reload()
        page.wait_for_selector("html[data-ready]")
        world.says(final("Two."))
        ask(page, "One and one?")
        assert page.locator("iframe").count() == 0, "nothing is traced before it is asked for"
        page.click("text=trace")
        frame = page.frame_locator("iframe.trace")
        frame.locator("html[data-ready]").wait_for(timeout=30_000)
        assert frame.locator("h1, h2").first.inner_text()
        page.screenshot(path=PICTURE) if PICTURE else None
        page.click("text=close the trace")
        assert page.locator("iframe").count() == 0
        world.server.explore = None
        page.click("text=trace")
        page.locator(".error").wait_for()
        assert "no traces" in page.locator(".error").inner_text()
    finally:
        world.server.explore = None


def test_text_stays_text(page, world):
    world.says(thought("<img src=x onerror=alert(1)>") + final("<script>alert(1)</script><b>bold</b>"))
    ask(page, "<i>italic</i>")
    assert page.locator(".final").inner_text() == "<script>alert(1)</script><b>bold</b>"
    assert (
        page.locator(".you").inner_text() == "<i>italic</i>"
        and page.locator("#talk img, #talk b:not(.empty b)").count() == 0
    )


def test_a_refusal_is_shown(page, world):
    page.fill("#text", "x" * 5000)
    page.keyboard.press("Enter")
    page.locator(".error").wait_for()
    assert "tokens" in page.locator(".error").inner_text()


def test_an_answer_can_be_stopped(page, world):
    world.model.delay = 0.01
    try:
        world.says("<|channel|>final<|message|>" + "word " * 500)
        page.fill("#text", "Go on")
        page.keyboard.press("Enter")
        page.locator(".final .text").wait_for()
        page.click("#send")
        page.locator("text=stopped").wait_for()
        world.wait(lambda: not world.server.pool.active)
    finally:
        world.model.delay = 0.0


@pytest.mark.parametrize("width", [320, 390, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_every_width(page, world, width, scheme):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 600})
    world.says(thought("a" * 300) + final("b" * 300))
    ask(page, "c" * 300)
    wide, inner = (
        page.locator("html").evaluate("e => e.scrollWidth"),
        page.locator("html").evaluate("e => e.clientWidth"),
    )
    assert wide <= inner
    colours = page.locator("body").evaluate("e => [getComputedStyle(e).backgroundColor, getComputedStyle(e).color]")
    assert (sum(map(int, colours[0][4:-1].split(","))) > 380) is (scheme == "light")
