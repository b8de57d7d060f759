"""The built book as a reader meets it, from a folder: links, figures, formulas, search, phones, the dark, and no network.

`make test-browser` builds the book and runs this. Without Chromium only what can be read from the files is tested.
"""

import re
import threading
from functools import cache, partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from axe import needs_axe, serious

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parent.parent
SITE = ROOT / "book" / "_build" / "html"
FOLDERS = (SITE, SITE / "chapters", SITE / "pages", SITE / "generated")
PAGES = sorted(str(path.relative_to(SITE)) for folder in FOLDERS for path in folder.glob("*.html")) or ["index.html"]
SEARCHES = {  # what a reader types, and the page that must be among the results
    "MXFP4": "chapters/09_mxfp4",
    "YaRN": "chapters/05_rope_and_yarn",
    "sink": "chapters/06_attention_sinks",
    "router": "chapters/08_moe_routing",
    "harmony": "chapters/12_harmony",
    "RMSNorm": "chapters/03_residual_and_rmsnorm",
    "sliding window": "chapters/04_attention",
    "tokenizer": "chapters/02_tokenizer",
    "temperature": "chapters/11_cache_and_decoding",
    "effort": "chapters/15_reasoning_effort",
}
each_page = pytest.mark.parametrize("name", PAGES)


@pytest.fixture(autouse=True)
def site():
    if not (SITE / "index.html").exists():
        pytest.skip("the book is not built: make book")


@pytest.fixture
def open_chapter(open_page):
    """Opens a page of the book by its name."""

    def open_one(name: str, width: int = 1280, scheme: str = "light", query: str = ""):
        return open_page(SITE / name, width, scheme, ready=None, query=query)

    return open_one


# ------------------------------------------------------------------------------------------------ read from the files


class References(HTMLParser):
    """The ids, links and pictures of one page."""

    def __init__(self, text: str):
        super().__init__()
        self.ids, self.links, self.pictures = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.ids |= {given[key] for key in ("id", "name") if given.get(key)}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        elif tag in ("img", "script", "link", "iframe") and (given.get("src") or given.get("href")):
            self.pictures.append(given.get("src") or given["href"])


@cache
def references(path: Path) -> References:
    return References(path.read_text(encoding="utf-8"))


def broken(path: Path) -> list[str]:
    """Links and files of one page that lead nowhere."""
    found = []
    for link in references(path).links + references(path).pictures:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        anchor = unquote(parts.fragment)
        if not target.is_file():
            found.append(link)
        elif anchor and target.suffix == ".html" and anchor not in references(target).ids:
            found.append(link)
    return sorted(set(found))


@each_page
def test_every_link_anchor_and_figure_is_there(name):
    assert broken(SITE / name) == []


def test_a_broken_link_would_be_found(tmp_path):
    (tmp_path / "b.html").write_text('<p id="there">')
    page = tmp_path / "a.html"
    page.write_text('<a href="b.html#there">1</a><a href="b.html#gone">2</a><img src="c.png"><a href="#">3</a>')
    assert broken(page) == ["b.html#gone", "c.png"]


def test_every_figure_is_told_in_words():
    """Each in words of its own: two may share them where one function drew both."""
    told = [
        alt
        for path in (SITE / "chapters").glob("*.html")
        for alt in re.findall(r'<img[^>]* alt="([^"]*)"', path.read_text(encoding="utf-8"))
    ]
    figures = [alt.removeprefix("Figure: ") for alt in told if alt.startswith("Figure: ")]
    assert len(figures) > 100 and all(figures) and "drawn by the cell above" not in figures
    assert len(set(figures)) > 0.9 * len(figures)


def test_solutions_and_outcomes_are_folded():
    """On no page does a solution or the outcome of a prediction stand outside something that is closed."""
    chapters = sorted((SITE / "chapters").glob("*.html"))
    assert chapters
    for path in chapters:
        text = path.read_text(encoding="utf-8")
        assert "<details open" not in text, path.name
        folded = Folds()
        folded.feed(text)
        assert folded.visible == [], path.name


def test_code_in_the_text_and_the_reference_lead_to_each_other():
    """A function, a method of calling it, a file: to their entries. A file that is named like a function: to its source."""
    api, norm = references(SITE / "pages" / "api.html"), references(SITE / "chapters" / "03_residual_and_rmsnorm.html")
    for anchor in ("gptoss_edu.norm.rms_norm", "module-gptoss_edu.norm"):
        assert f"../pages/api.html#{anchor}" in norm.links
    assert "../chapters/03_residual_and_rmsnorm.html" in api.links
    harmony = references(SITE / "chapters" / "12_harmony.html")
    assert "../_modules/gptoss_edu/harmony/render.html" in harmony.links
    for path in (SITE / "chapters").glob("*.html"):
        links = references(path).links
        assert any(link.startswith("../pages/api.html#") for link in links), path.name
        assert f"../chapters/{path.name}" in api.links, path.name


def test_the_front_page_shows_one_answer():
    """Four experts for every token, a bar of its sinks for each, and the four chapters that build these parts."""
    text = (SITE / "index.html").read_text(encoding="utf-8")
    tokens = text.count('<rect class="chip"')
    assert 10 < tokens <= 40 and text.count('<rect class="sink"') == tokens
    assert text.count('<rect class="sliding"') == 4 * tokens
    for chapter in ("02_tokenizer", "06_attention_sinks", "08_moe_routing", "12_harmony"):
        assert re.search(rf'<a href="chapters/{chapter}.html"><text', text), chapter


class Folds(HTMLParser):
    """Text outside every <details> that ought to be inside one."""

    def __init__(self):
        super().__init__()
        self.depth, self.visible = 0, []

    def handle_starttag(self, tag, attrs):
        self.depth += tag == "details"

    def handle_endtag(self, tag):
        self.depth -= tag == "details"

    def handle_data(self, data):
        if self.depth == 0 and ("BEGIN SOLUTION" in data or ": the answer is " in data):
            self.visible.append(data.strip()[:60])


# ----------------------------------------------------------------------------------------------------- in the browser


TYPESET = "() => document.querySelectorAll('.math').length === document.querySelectorAll('mjx-container').length"
BAD_FORMULAS = "document.querySelectorAll('mjx-merror, [data-mjx-error]').length"
EMPTY_PICTURES = """() => [...document.querySelectorAll('article img')]
  .filter((image) => image.offsetParent && !(image.complete && image.naturalWidth)).map((image) => image.src.slice(-60))"""


@each_page
def test_a_page_on_a_phone_in_the_dark(open_chapter, name):
    """No request leaves, no error is logged, all formulas are typeset, nothing scrolls sideways."""
    page = open_chapter(name, 375, "dark")
    page.wait_for_function(TYPESET, timeout=30_000)
    assert page.evaluate(BAD_FORMULAS) == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    page.evaluate("document.querySelectorAll('img').forEach((image) => (image.loading = 'eager'))")
    page.wait_for_function(f"() => ({EMPTY_PICTURES})().length === 0", timeout=10_000)
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_from_a_server_nothing_is_missing(chromium):
    """Over http a browser also asks for what no page names, such as an icon."""
    missing = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *said):
            pass

        def send_error(self, code, *said):
            missing.append(self.path)
            super().send_error(code, *said)

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=SITE)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = chromium.new_page()
        for name in ("index.html", "chapters/06_attention_sinks.html", "chapters/16_attention_lab.html"):
            page.goto(f"http://127.0.0.1:{server.server_address[1]}/{name}", wait_until="networkidle")
        page.close()
        server.shutdown()
    assert missing == []


@needs_axe
@each_page
def test_no_serious_finding_by_axe(open_chapter, name):
    page = open_chapter(name)
    page.wait_for_function(TYPESET, timeout=30_000)
    assert serious(page) == []
    page.add_style_tag(content="* { transition: none !important; }")
    page.evaluate("() => { document.documentElement.dataset.theme = 'dark'; }")
    assert serious(page, "{ runOnly: ['color-contrast'] }") == []


@pytest.mark.parametrize("term", SEARCHES)
def test_search_finds(open_chapter, term):
    page = open_chapter("search.html", query=f"?q={term.replace(' ', '+')}")
    page.wait_for_selector(f"#search-results a[href*='{SEARCHES[term]}']", timeout=20_000)


def test_the_explorer_answers_to_keys(open_chapter):
    page = open_chapter("chapters/16_attention_lab.html")
    page.locator("iframe").first.scroll_into_view_if_needed()
    frame = page.locator("iframe").first.element_handle().content_frame()
    frame.wait_for_selector("html[data-ready]", timeout=30_000)
    before = frame.locator("#gx-say").inner_text()
    frame.locator("[data-area=strip]").focus()
    page.keyboard.press("ArrowLeft")
    frame.wait_for_function("(text) => document.querySelector('#app').shadowRoot.querySelector('#gx-say').innerText !== text", arg=before)  # fmt: skip


def test_the_explorer_wears_the_sites_theme_and_not_the_systems(open_chapter):
    page = open_chapter("chapters/16_attention_lab.html", scheme="light")

    def choose(theme: str) -> None:
        page.locator(".theme-switch-button:visible").first.click()
        page.locator(f".theme-change-button[data-mode={theme}]:visible").first.click()

    choose("dark")
    frames = page.locator("iframe")
    assert frames.count() > 0
    for number in range(frames.count()):
        frames.nth(number).scroll_into_view_if_needed()
        frame = frames.nth(number).element_handle().content_frame()
        frame.wait_for_selector(".gx[data-theme=dark]", timeout=30_000)
    page.evaluate("scrollTo(0, 0)")
    choose("light")
    frame.wait_for_selector(".gx[data-theme=light]", timeout=10_000)


def test_a_stored_slider_is_drawn_and_moves(open_chapter):
    page = open_chapter("chapters/06_attention_sinks.html")
    handle = page.locator(".widget-slider .noUi-handle").first
    handle.wait_for(timeout=20_000)
    before = page.locator(".widget-readout").first.inner_text()
    handle.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("(text) => document.querySelector('.widget-readout').innerText !== text", arg=before)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
def test_screenshots_to_look_at(open_chapter, width, scheme):
    """The main pages, written to build/screenshots."""
    folder = ROOT / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("index.html", "chapters/06_attention_sinks.html", "chapters/16_attention_lab.html"):
        page = open_chapter(name, width, scheme)
        page.wait_for_function(TYPESET, timeout=30_000)
        picture = page.screenshot(path=folder / f"{Path(name).stem}-{width}-{scheme}.png")
        assert len(picture) > 10_000
