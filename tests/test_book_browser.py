"""Test the built book, opened from a folder: links, figures, code, search, phones, dark mode, and no network.

`make test-browser` builds the book and runs these tests. Without Chromium, only the tests on files run.
"""

import io
import re
import threading
from functools import cache, partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from axe import needs_axe, serious
from PIL import Image

from gptoss_edu.viz import style

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parent.parent
SITE = ROOT / "book" / "_build" / "html"
FOLDERS = (SITE, SITE / "chapters", SITE / "pages", SITE / "generated", SITE / "generated" / "api")
FOUND = sorted(str(path.relative_to(SITE)) for folder in FOLDERS for path in folder.glob("*.html"))
PAGES = [name for name in FOUND if name != "lab.html"] or ["index.html"]  # the lab has tests of its own
CHAPTERS = [name for name in PAGES if name.startswith("chapters/")]
SEARCHES = {  # search words, and the page that must be among the results
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
    """Open a page of the book by its name."""

    def open_one(name: str, width: int = 1280, scheme: str = "light", query: str = ""):
        return open_page(SITE / name, width, scheme, ready=None, query=query)

    return open_one


# ------------------------------------------------------------------------------------------------ read from the files


class References(HTMLParser):
    """Collect the ids, links and pictures of one page."""

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
    """Return the links and files of one page that do not exist."""
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
    """Every figure has its own description; two may share one if the same function drew both."""
    told = [
        alt
        for path in (SITE / "chapters").glob("*.html")
        for alt in re.findall(r'<img class="figure(?! on-dark)[^>]* alt="([^"]*)"', path.read_text(encoding="utf-8"))
        + re.findall(r'<svg class="figure"[^>]* aria-label="([^"]*)"', path.read_text(encoding="utf-8"))
    ]
    figures = [alt.removeprefix("Figure: ") for alt in told if alt.startswith("Figure: ")]
    assert len(figures) > 100 and all(figures) and "drawn by the cell above" not in figures
    assert len(set(figures)) > 0.85 * len(figures)


def test_figures_are_drawings_in_both_themes():
    """Lines and words stay sharp when enlarged, and every colour has a dark version; so has a picture inside."""
    drawings = 0
    for name in CHAPTERS:
        text = (SITE / name).read_text(encoding="utf-8")
        drawings += text.count('<svg class="figure"')
        pictures = len(re.findall(r'<img class="figure on-(?:light|paper)"', text))
        assert pictures == 0, name
        assert text.count('<image class="on-light"') == text.count('<image class="on-dark"'), name
        assert text.count('<img class="figure on-light"') == text.count('<img class="figure on-dark"'), name
        names = re.findall(r' id="([^"]*-f\w{6}-\d+)"', text)
        assert len(set(names)) == len(names), name
    assert drawings > 30
    sheet = (SITE / "_static" / "figures.css").read_text(encoding="utf-8")
    for light, dark in style.COLORS.values():
        if f"--x{light[1:].lower()}" in sheet and light != style.COLORS["paper"][0]:
            assert f"--x{light[1:].lower()}:{dark.lower()};" in sheet
    assert "--x1a1e24:#e8ebef;" in sheet and "--xffffff:var(--pst-color-background);" in sheet


def test_the_site_is_small():
    """The site takes at most 120 MB, including the model's weights and the source pages of the reference."""
    assert sum(path.stat().st_size for path in SITE.rglob("*") if path.is_file()) < 120e6


def test_solutions_and_outcomes_are_folded():
    """On every page, solutions and outcomes of predictions are inside a folded element."""
    chapters = sorted((SITE / "chapters").glob("*.html"))
    assert chapters
    for path in chapters:
        text = path.read_text(encoding="utf-8")
        assert "<details open" not in text, path.name
        folded = Folds()
        folded.feed(text)
        assert folded.visible == [], path.name


def test_code_in_the_text_and_the_reference_lead_to_each_other():
    """Functions, methods and files link to their entries in the reference.

    A file with the same name as a function links to its source.
    """
    api = "generated/api/model.html"
    entries, norm = references(SITE / api), references(SITE / "chapters" / "03_residual_and_rmsnorm.html")
    for anchor in ("gptoss_edu.norm.rms_norm", "module-gptoss_edu.norm"):
        assert f"../{api}#{anchor}" in norm.links
    assert "../../chapters/03_residual_and_rmsnorm.html" in entries.links
    harmony = references(SITE / "chapters" / "12_harmony.html")
    assert "../_modules/gptoss_edu/harmony/render.html" in harmony.links
    rooms = [references(path) for path in (SITE / "generated" / "api").glob("*.html")]
    for name in CHAPTERS:
        links = references(SITE / name).links
        assert any(link.startswith("../generated/api/") for link in links), name
        assert any(f"../../{name}" in room.links for room in rooms), name


def test_nothing_speaks_to_the_test_runner():
    for name in CHAPTERS:
        assert "NBVAL" not in (SITE / name).read_text(encoding="utf-8"), name


def test_difficulty_and_minutes_stand_below_the_heading():
    text = (SITE / "chapters" / "06_attention_sinks.html").read_text(encoding="utf-8")
    assert '<p class="labels"><span>difficulty 1 of 3</span> <span>5 minutes</span></p>' in text
    assert not re.search(r"<h\d>[^<]*difficulty", text)


def test_pages_load_nothing_that_they_do_not_use():
    """Pages load at most 1.5 MB before images; no widgets, no icon font, no typesetter.

    Only pages on which the model answers load its script.
    """
    for name in PAGES:
        text = (SITE / name).read_text(encoding="utf-8")
        assert "fontawesome.js" not in text and "require.js" not in text and "mathjax@" not in text, name
        assert ("_static/gptoss.js" in text) == bool(re.search(r'class="(playground|explorer)"', text)), name
        parts = [urlsplit(link).path for link in references(SITE / name).pictures]
        loaded = {((SITE / name).parent / part).resolve() for part in parts if part.endswith((".js", ".css"))}
        images = sum(
            map(len, re.findall(r"data:image/[a-z+]+;base64,[\w+/=]+|<svg class=\"figure\".*?</svg>", text, re.S))
        )
        assert len(text) - images + sum(path.stat().st_size for path in loaded) < 1.5e6, name


def test_cards_of_all_chapters_stand_on_the_front_page():
    text = (SITE / "index.html").read_text(encoding="utf-8")
    cards = re.findall(
        r'<li><div class="picture"><img class="on-light" src="([^"]+)".*?<a href="([^"]+)">\d\d · .*?class="builds">'
        r"(.*?)</p>.*?(\d+) minutes",
        text,
    )
    assert sorted(link for _, link, _, _ in cards) == [name for name in CHAPTERS if name[9].isdigit()]  # not the bridge
    assert all((SITE / picture).is_file() and len(builds) > 20 for picture, _, builds, _ in cards)


def test_the_front_page_shows_one_answer():
    """It shows four experts and a bar of sinks for every token, and links the four chapters that build these parts."""
    text = (SITE / "index.html").read_text(encoding="utf-8")
    tokens = text.count('<rect class="chip"')
    assert 10 < tokens <= 40 and text.count('<rect class="sink"') == tokens
    assert text.count('<rect class="sliding"') == 4 * tokens
    for chapter in ("02_tokenizer", "06_attention_sinks", "08_moe_routing", "12_harmony"):
        assert re.search(rf'<a href="chapters/{chapter}.html"><text', text), chapter


class Folds(HTMLParser):
    """Collect text that should be inside a <details> and is not."""

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
CUT_CODE = """() => { document.querySelectorAll('article details').forEach((fold) => (fold.open = true));
  return [...document.querySelectorAll('article div.highlight pre')].filter((pre) => !pre.closest('.cell_output'))
    .map((pre) => pre.scrollWidth > pre.clientWidth + 1); }"""
CUT_COMMENTS = """() => [...document.querySelectorAll('article div.highlight .line > .c1:last-child')].filter((comment) => {
  const pre = comment.closest('pre').getBoundingClientRect(), box = comment.getBoundingClientRect();
  return box.right > pre.right + 1 || box.left < pre.left - 1; }).length"""
EMPTY_PICTURES = """() => [...document.querySelectorAll('article img')]
  .filter((image) => image.offsetParent && !(image.complete && image.naturalWidth)).map((image) => image.src.slice(-60))"""


@each_page
def test_a_page_on_a_phone_in_the_dark(open_chapter, name):
    """No request goes out, no error is logged, all formulas are typeset, and nothing scrolls sideways."""
    page = open_chapter(name, 375, "dark")
    page.wait_for_function(TYPESET, timeout=30_000)
    assert page.evaluate(BAD_FORMULAS) == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    page.evaluate("document.querySelectorAll('img').forEach((image) => (image.loading = 'eager'))")
    page.wait_for_function(f"() => ({EMPTY_PICTURES})().length === 0", timeout=10_000)
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_from_a_server_nothing_is_missing(chromium):
    """Over http a browser also requests files that no page names, such as an icon."""
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


@pytest.mark.parametrize("query, chapter", [("attention sink", "06"), ("why 1.702", "07"), ("nibble", "09")])
def test_search_while_typing_shows_sections_with_an_excerpt(open_chapter, query, chapter):
    page = open_chapter("index.html")
    page.keyboard.press("Control+k")
    page.keyboard.type(query)
    page.wait_for_function(
        """([start, word]) => { const first = document.querySelector('dialog .found a');
          return first?.getAttribute('href').startsWith(start)
            && first.querySelector('.excerpt').textContent.toLowerCase().includes(word); }""",
        arg=[f"chapters/{chapter}_", query.split()[-1]],
        timeout=20_000,
    )
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/chapters/{chapter}_*")


@pytest.mark.parametrize("width", [375, 1400])
def test_no_code_is_cut(open_chapter, width):
    """At most one block in twenty is wider than its box, and no comment at the end of a line is cut off."""
    cut = []
    for name in CHAPTERS:
        page = open_chapter(name, width)
        cut += page.evaluate(CUT_CODE)
        assert page.evaluate(CUT_COMMENTS) == 0, name
        page.close()
    assert len(cut) > 400 and sum(cut) <= 0.05 * len(cut)


def test_a_choice_opens_how_it_came_out_and_is_kept(open_chapter):
    page = open_chapter("chapters/06_attention_sinks.html")
    outcome = page.locator("[data-outcome='06.1']")
    assert not outcome.is_visible()
    card = page.locator("[data-prediction='06.1']")
    card.locator("[data-choice=b]").focus()
    page.keyboard.press("Enter")
    assert outcome.is_visible() and "you chose b" in outcome.inner_text()
    assert outcome.get_attribute("data-right") == "no"
    page.reload()
    assert outcome.is_visible() and card.locator("[data-choice=b]").get_attribute("aria-pressed") == "true"
    card.locator(".note a").click()
    assert not outcome.is_visible()
    page.reload()
    assert not outcome.is_visible()


def test_the_opening_questions_are_answered_by_a_click(open_chapter):
    """Each question has buttons, and its own answer opens; no answer on any page is folded without them."""
    page = open_chapter("chapters/06_attention_sinks.html", 375)
    opening = page.locator(".asked").first
    cards, answers = opening.locator(".predict"), opening.locator(".outcome")
    assert cards.count() == answers.count() == 3 and not any(answer.is_visible() for answer in answers.all())
    cards.nth(1).locator("button").first.click()
    assert [answer.is_visible() for answer in answers.all()] == [False, True, False]
    assert "The answer is a; you chose a" in answers.nth(1).inner_text()
    assert answers.nth(1).get_attribute("data-right") == "yes"
    assert "the answer stands open below" in cards.nth(1).locator(".note").inner_text()
    for path in sorted((SITE / "chapters").glob("*.html")):
        text = path.read_text(encoding="utf-8")
        assert text.count("<summary>Answer</summary>") == text.count('data-opens="the answer"'), path.name
        assert "<b>Before you begin" not in text, path.name


def test_a_term_shows_its_meaning_to_the_keyboard(open_chapter):
    page = open_chapter("chapters/06_attention_sinks.html")
    link = page.locator("article a[href*='glossary.html#term-']").first
    link.focus()
    page.wait_for_selector(".hover-card", timeout=10_000)
    assert len(page.locator(".hover-card").inner_text()) > 20
    page.keyboard.press("Escape")
    assert page.locator(".hover-card").count() == 0


def test_next_says_what_the_next_chapter_builds(open_chapter):
    page = open_chapter("chapters/06_attention_sinks.html")
    assert "SwiGLU" in page.locator(".right-next").inner_text()
    assert len(page.locator(".right-next .prev-next-say").inner_text()) > 40


def ask(page, question: str | None = None):
    """Ask a question in the first box of a page; return the texts of its answers."""
    page.locator(".playground").first.scroll_into_view_if_needed()
    box = page.locator(".playground > div").first
    if question:
        box.locator("textarea").fill(question)
    box.locator("button.main").click()
    page.wait_for_selector(".playground > div[data-answers='1']", timeout=120_000)
    return [answer.inner_text() for answer in box.locator(".answer").all()]


def test_the_front_page_answers(open_chapter):
    page = open_chapter("index.html")
    (answer,) = ask(page, "What is 47 times 36?")
    assert "1692" in answer
    assert page.locator(".inside canvas").is_visible()
    assert "#q=What+is+47+times+36" in page.locator(".playground a.more").get_attribute("href")


def test_the_picture_can_be_walked_through_and_leads_to_the_chapters(open_chapter):
    """Take the guided walk step by step; the chapters that it names exist."""
    page = open_chapter("generated/one_picture.html", 1400)
    (answer,) = ask(page, "What is 47 times 36?")
    assert "1692" in answer
    page.get_by_role("button", name="Guided walk").click()
    page.get_by_role("button", name="Next step").wait_for()
    links = "() => [...document.querySelector('.playground > div').shadowRoot.querySelectorAll('.picture a.chapter')]"
    named, steps = set(), page.locator(".steps .aside")
    while page.get_by_role("button", name="Next step").count():
        before = steps.inner_text()
        named |= set(page.evaluate(links + ".map((link) => link.getAttribute('href'))"))
        page.get_by_role("button", name="Next step").click()
        page.locator(".steps .aside").filter(has_not_text=before).wait_for()
    chapters = {Path(link).name[:2] for link in named if (SITE / "generated" / link).is_file()}
    assert chapters >= {f"{n:02d}" for n in range(2, 13)} and len(chapters) == len(named)


def test_an_honest_refusal_is_marked(open_chapter):
    (answer,) = ask(open_chapter("index.html"), "Write a poem about the sea.")
    assert "An honest refusal" in answer


@pytest.mark.parametrize(
    "chapter, answers",
    [("01", 1), ("04", 2), ("06", 2), ("08", 2), ("11", 3), ("12", 1), ("15", 3), ("16", 2), ("17", 2)],
)
def test_the_playground_of_a_chapter(open_chapter, chapter, answers):
    """Ask the model as it is and changed, at three efforts, and with three seeds."""
    (name,) = [name for name in CHAPTERS if name.startswith(f"chapters/{chapter}_")]
    said = ask(open_chapter(name))
    assert len(said) == answers and all("tokens in" in text for text in said)
    if chapter == "12":  # control tokens that the reader typed are read as plain text
        assert said[0].count("<|start|>system") == 2


def test_the_explorer_stands_in_the_page_and_answers_to_keys(open_chapter):
    page = open_chapter("chapters/16_attention_lab.html", 1400)
    assert page.locator("iframe").count() == 0
    page.locator(".explorer").first.scroll_into_view_if_needed()
    page.wait_for_selector(".explorer[data-ready]", timeout=30_000)
    explorer = page.locator(".explorer").first
    assert explorer.bounding_box()["width"] > 1000
    before = explorer.locator("#gx-say").inner_text()
    explorer.locator("[data-area=strip]").focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function(
        "(text) => document.querySelector('.explorer').shadowRoot.querySelector('#gx-say').innerText !== text",
        arg=before,
    )


def test_explorer_and_box_wear_the_sites_theme_and_not_the_systems(open_chapter):
    page = open_chapter("chapters/16_attention_lab.html", scheme="light")

    def choose(theme: str) -> None:
        page.locator(".theme-switch-button:visible").first.click()
        page.locator(f".theme-change-button[data-mode={theme}]:visible").first.click()

    choose("dark")
    for place in (".explorer", ".playground"):
        page.locator(place).first.scroll_into_view_if_needed()
        page.wait_for_selector(f"{place} .gx[data-theme=dark]", timeout=30_000)
    page.evaluate("scrollTo(0, 0)")
    choose("light")
    for place in (".explorer", ".playground"):
        page.wait_for_selector(f"{place} .gx[data-theme=light]", timeout=10_000)


def test_an_explorer_has_a_page_of_its_own(open_page):
    (own, *_) = sorted((SITE / "_static" / "traces").glob("16_*.html"))
    page = open_page(own)
    assert page.locator("#gx-say").inner_text()


def test_the_lab_of_the_site_answers(open_chapter):
    page = open_chapter("lab.html", query="#q=What+is+47+times+36%3F&effort=high")
    page.wait_for_selector("#lab[data-answers='1']", timeout=120_000)
    assert "1692" in page.locator(".answer").first.inner_text()


def test_on_paper_hints_and_solutions_are_open_and_all_is_light(open_chapter):
    page = open_chapter("chapters/06_attention_sinks.html", scheme="dark")
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("document.querySelectorAll('article details:not([open])').length") == 0
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    # elements that fade in on a screen would be printed while still invisible
    assert page.evaluate("document.querySelector('article').getAnimations({ subtree: true }).length") == 0
    solution = page.locator("details.hide.above-input:not(.aside) pre", has_text="BEGIN SOLUTION").first
    assert solution.is_visible() and solution.evaluate("(e) => e.checkVisibility({ opacityProperty: true })")
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("document.querySelectorAll('article details[open]').length") == 0
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def pixels(element) -> np.ndarray:
    """Return a picture of an element as an array (rows, columns, 3) with values from 0 to 255."""
    return np.asarray(Image.open(io.BytesIO(element.screenshot())).convert("RGB")).astype(int)


def settled(element) -> np.ndarray:
    """Return a picture as `pixels` does, once two in a row are equal: a tall element's first one may be half laid out."""
    last = pixels(element)
    for _ in range(50):
        element.page.wait_for_timeout(100)
        now = pixels(element)
        if now.shape == last.shape and np.array_equal(now, last):
            break
        last = now
    return now


@pytest.mark.parametrize("chapter", ["03_residual_and_rmsnorm", "04_attention", "08_moe_routing"])
def test_figures_wear_the_theme(open_chapter, chapter):
    """A figure has the page's background, light or dark, and pictures inside it are those of the theme."""
    for scheme in style.THEMES:
        page = open_chapter(f"chapters/{chapter}.html", 1400, scheme)
        figure = page.locator("svg.figure").nth(1)
        shown = pixels(figure)
        ground = [int(n) for n in re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor"))]
        assert (max(ground) < 60) == (scheme == "dark")
        assert (np.abs(shown - ground[:3]).max(-1) < 8).mean() > 0.3, scheme
        assert len(np.unique(shown.reshape(-1, 3), axis=0)) > 30
        for image in page.locator("svg.figure image").all():
            kind = image.get_attribute("class") or ""
            assert image.evaluate("(e) => getComputedStyle(e).display") == (
                "none" if kind and kind != f"on-{scheme}" else "inline"
            )
        page.close()


@pytest.mark.parametrize("scheme", style.THEMES)
def test_a_process_is_played_in_the_pages_theme(open_chapter, scheme):
    """One picture of a frame is seen, in the page's theme; in print the still ones, all light."""
    page = open_chapter("chapters/11_cache_and_decoding.html", 1400, scheme)
    page.wait_for_selector(".frames[data-ready]")
    seen = """() => [...document.querySelectorAll(".frames img")]
      .filter((image) => getComputedStyle(image).display !== "none")
      .map((image) => [Number(image.dataset.frame), image.naturalWidth > 0, image.classList.contains("on-dark")])"""
    box = page.locator(".frames")
    for number in (0, 7):
        box.locator("input").fill(str(number))
        page.wait_for_function("document.querySelector('.frames img.shown.on-light').complete")
        assert page.evaluate(seen) == [[number, True, scheme == "dark"]]
    page.emulate_media(media="print")
    stills = page.evaluate(seen)
    assert stills and not any(dark for *_, dark in stills)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_explorer_is_the_same_in_a_chapter_and_on_its_own_page(open_chapter, open_page, scheme):
    """Compare with the explorer alone at the same width: equally tall, equal pixels; only the token strip scrolls."""
    page = open_chapter("chapters/17_router_lab.html", 1400, scheme)
    place = page.locator(".explorer").first
    place.scroll_into_view_if_needed()
    page.wait_for_selector(f".explorer[data-ready] .gx[data-theme={scheme}]", timeout=30_000)
    inside = place.locator(".gx").first
    size = inside.bounding_box()
    scrolling = inside.evaluate("""(gx) => [...gx.querySelectorAll("*")].filter((e) => e.scrollHeight > e.clientHeight + 1
      && /auto|scroll/.test(getComputedStyle(e).overflowY) && !e.classList.contains("scrolls")).length""")
    assert scrolling == 0 and size["height"] > 1000
    first = settled(inside)  # before another page comes to the front
    own = open_page(
        SITE / "_static" / "traces" / f"{place.get_attribute('data-trace')}.html", round(size["width"]), scheme
    )
    second = settled(own.locator(".gx").first)
    rows = min(len(first), len(second))
    assert abs(len(first) - len(second)) <= 40  # the explorer's own page has no margin
    assert len(np.unique(first.reshape(-1, 3), axis=0)) > 200
    assert (np.abs(first[:rows] - second[:rows]).max(-1) > 8).mean() < 0.02


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1400])
def test_screenshots_to_look_at(open_chapter, width, scheme):
    """Write pictures of the main pages to build/screenshots."""
    folder = ROOT / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("index.html", "chapters/06_attention_sinks.html", "chapters/16_attention_lab.html"):
        page = open_chapter(name, width, scheme)
        page.wait_for_function(TYPESET, timeout=30_000)
        picture = page.screenshot(path=folder / f"{Path(name).stem}-{width}-{scheme}.png")
        assert len(picture) > 10_000
