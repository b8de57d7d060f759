"""Test the browser tool: displays, cursors, links, citations, the offline index, and the limits of live access."""

import http.server
import ipaddress
import json
import re
import threading
import time
from dataclasses import replace

import openai_harmony
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from gptoss_edu.errors import GptOssError
from gptoss_edu.tools import live, pages
from gptoss_edu.tools.base import ToolError
from gptoss_edu.tools.browser import BrowserTool, wrap


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return pages.bundled_index(tmp_path_factory.mktemp("index"))


@pytest.fixture
def browser(index):
    return BrowserTool(pages.OfflineBackend(index))


def call(browser, function, **arguments):
    return browser.call(f"browser.{function}", json.dumps(arguments))


def test_description_is_the_one_that_models_know(browser):
    assert browser.config() == openai_harmony.ToolNamespaceConfig.browser().model_dump()


def test_search_open_find(browser):
    results = call(browser, "search", query="Who walked on the Moon first?")
    assert results.text.startswith("[0] Who walked on the Moon first?\n**viewing lines [0 - ")
    link = re.search(r"【(\d+)†The Moon landings†course:pages】", results.text)
    assert link
    page = call(browser, "open", id=int(link[1]))
    assert page.text.startswith("[1] The Moon landings (course://pages/moon_landings)\n**viewing lines [0 - ")
    assert re.search(r"^L\d+: .*Neil Armstrong", page.text, re.M)
    assert "【0†the planets】" in page.text, "a link within the same site carries no site"
    found = call(browser, "find", pattern="NEIL arm")
    number = int(re.search(r"【0†match at L(\d+)】", found.text)[1])
    assert "Neil Armstrong" in wrap(browser.pages[1].text)[number]
    there = call(browser, "open", id=0)
    assert f"L{number}: " in there.text.split("\n\n")[1].splitlines()[0], "a match opens at its line"
    assert call(browser, "open", id="0", cursor=1).text.startswith("[4] The planets"), "a number as a string is a link"


def test_scrolling_and_view_limits(index):
    browser = BrowserTool(pages.OfflineBackend(index), view_characters=300)
    first = call(browser, "open", id="course://pages/calendar")
    assert len(first.text) < 500
    assert call(browser, "open", loc=3, num_lines=2).text.count("\nL") == 2
    assert len(call(browser, "open", loc=0, num_lines=10_000).text) < 500, "num_lines does not lift the limit"


@pytest.mark.parametrize(
    ("function", "arguments", "words"),
    [
        ("open", {"id": 3}, "No page is open yet"),
        ("find", {"pattern": "x"}, "No page is open yet"),
        ("search", {"q": "x"}, "`query`: required"),
        ("open", {"id": "http://example.org/"}, "no internet"),
        ("close", {}, "browser.search"),
    ],
)
def test_mistakes_are_explained(browser, function, arguments, words):
    result = call(browser, function, **arguments)
    assert result.error and words in result.text
    assert not browser.pages, "a failed call leaves no page"


def test_wrong_links_cursors_and_lines(browser):
    call(browser, "search", query="planets", topn=2)
    for arguments, words in (
        ({"id": 7}, "0 to 1"),
        ({"id": 0, "cursor": 9}, "there are 0 to 0"),
        ({"loc": 99}, "last line"),
    ):
        result = call(browser, "open", **arguments)
        assert result.error and words in result.text
    assert len(browser.pages) == 1


def test_citations(browser):
    call(browser, "open", id="course://pages/units")
    answer = "Exactly so【0†L2-L5】 and so【0†L3】, not【0†L999】 nor【5†L0】 nor【0†L5-L2】."
    cited = browser.citations(answer)
    assert [c.url is not None for c in cited] == [True, True, False, False, False]
    assert cited[0].lines == tuple(wrap(browser.pages[0].text)[2:6])
    assert "".join(c.mark for c in cited) in re.sub(r"[^【】†L\d-]", "", answer.replace(" nor", ""))


@pytest.mark.slow
@examples(100)
@given(st.text(max_size=80))
def test_pages_cannot_forge_links_or_citations(text):
    page = pages.page_from_markdown(f"x {text} 【7†click†evil】 y", "course://a/b", text)
    assert not page.links or "](" in text
    assert "【7" not in page.text and "【" not in page.title


@pytest.mark.slow
@examples(100)
@given(text=st.text(max_size=80))
def test_any_text_is_a_query(index, text):
    """Operators of the search language count as ordinary words; one word that occurs is enough to find a page."""
    offline = pages.OfflineBackend(index)
    found = offline.search(text, 3)
    assert len(found) <= 3 and all(offline.fetch(url).title for url, _, _ in found)
    assert offline.search(f"moon {text}", 3)


def test_state_survives_json(browser, index):
    call(browser, "search", query="tungsten")
    call(browser, "open", id=0)
    again = BrowserTool(pages.OfflineBackend(index))
    again.restore(json.loads(json.dumps(browser.state())))
    assert call(again, "open", id=0, cursor=0).text == call(browser, "open", id=0, cursor=0).text
    with pytest.raises(GptOssError, match="browser state"):
        again.restore([{"url": 1}])


def test_index_is_built_by_a_command_and_follows_its_sources(tmp_path):
    note = tmp_path / "note.md"
    note.write_text("# Zeppelins\n\nA zeppelin is a rigid airship. [Planets](course://pages/planets)")
    lines = []
    assert pages.main(["--output", str(tmp_path / "i.sqlite"), str(note)], lines.append) == 0
    assert "pages" in lines[0]
    browser = BrowserTool(pages.OfflineBackend(tmp_path / "i.sqlite"))
    assert "Zeppelins" in call(browser, "search", query="airships").text, "words are stemmed"
    assert pages.main([str(note)]) == 2
    before = pages.fingerprint([note])
    note.write_text("# Other")
    assert pages.fingerprint([note]) != before
    with pytest.raises(GptOssError, match="build it"):
        pages.OfflineBackend(tmp_path / "missing.sqlite")
    (tmp_path / "broken.sqlite").write_bytes(b"no database" * 100)
    assert (
        "cannot be read"
        in call(BrowserTool(pages.OfflineBackend(tmp_path / "broken.sqlite")), "search", query="x").text
    )


def test_a_cache_that_cannot_be_written_is_no_obstacle(tmp_path):
    (tmp_path / "file").write_text("in the way")
    index = pages.bundled_index(tmp_path / "file" / "cache")
    assert index.is_file() and pages.OfflineBackend(index).search("moon", 1)
    index.unlink()
    index.parent.rmdir()


def test_html_to_text():
    html = """<html><head><title>A &amp; B</title><script>alert(1)</script></head><body><h1>Head</h1>
    <p>See <a href="/x?a=1&amp;b=2">the *x* page</a>, <a href="https://other.org/y">other</a>,
    <a href="#top">top</a>, <a href="javascript:alert(1)">bad</a>.</p><img src="z.png" alt="pic"></body></html>"""
    page = pages.page_from_html(html, "https://example.org/dir/page")
    assert page.title == "A & B" and "alert" not in page.text
    assert set(page.links.values()) == {"https://example.org/x?a=1&b=2", "https://other.org/y"}
    assert "†other†other.org】" in page.text and "javascript" not in page.text


@pytest.mark.parametrize("html", ["<ul><li>x" * 100_000, "<" * 1_000_000], ids=["nested lists", "open brackets"])
def test_html_that_would_take_hours_is_given_up(html):
    with pytest.raises(ToolError, match="within 0\\.3 s"):
        pages.page_from_html(html, "https://example.org/", seconds=0.3)


# ---- the live back end, against a server on the loopback interface; the address policy is injected


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1",
     "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1",
     "2002:7f00:1::", "2002:c0a8:1::1", "fec0::1", "ff02::1", "192.0.2.1", "198.18.0.1"],
)  # fmt: skip
def test_addresses_that_are_not_public(address):
    assert not live.is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses(address):
    assert live.is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://example.org/", "gopher://x/", "http://user:pw@example.org/", "http://", "example.org",
     "http://example.org:22/", "http://example.org:99999/", "http://exa mple.org/", "http://[::1/", "http://e.org/\r\nX: y"],
)  # fmt: skip
def test_urls_that_are_refused(url):
    with pytest.raises(ToolError):
        live.check_url(url, (80, 443))


class Handler(http.server.BaseHTTPRequestHandler):
    hits: list[str] = []

    def do_GET(self):
        self.hits.append(f"{self.headers['Host']}{self.path}")
        routes = {"/page": self.page, "/big": self.big, "/slow": self.slow, "/headers": self.slow_headers}
        if self.path.startswith("/to?"):
            self.send_response(302)
            self.send_header("Location", self.path[4:])
            self.end_headers()
        else:
            routes.get(self.path, self.other)()

    def answer(self, kind, body, **headers):
        self.send_response(200)
        for name, value in {"Content-Type": kind, **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def page(self):
        self.answer("text/html; charset=utf-8", "<title>Ünï</title><p>Hello <a href='/big'>big</a>".encode())

    def big(self):
        self.answer("text/html", b"<p>" + b"many words " * 950_000)

    def slow(self):
        self.answer("text/plain", b"a")
        self.trickle(b"a")

    def slow_headers(self):
        self.wfile.write(b"HTTP/1.0 200 OK\r\n")
        self.trickle(b"X-Filler: a\r\n")

    def trickle(self, piece):
        """Write for five minutes or more; the client hangs up long before on any machine."""
        for _ in range(6000):
            time.sleep(0.05)
            self.wfile.write(piece)
        self.hits.append("all was written")

    def other(self):
        kinds = {"/image": ("image/png", {}), "/zip": ("text/plain", {"Content_Encoding": "gzip"})}
        kind, headers = kinds.get(self.path, (None, {}))
        return self.answer(kind, b"data", **headers) if kind else self.send_error(404)

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def server():
    class Quiet(http.server.ThreadingHTTPServer):
        def handle_error(self, request, address):  # the client hangs up on purpose
            pass

    with Quiet(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield running.server_address[1]
        running.shutdown()


@pytest.fixture
def backend(server, index):
    """Return a backend in which .test names have the allowed address 127.0.0.1; private.test has 127.0.0.2, a refused one."""
    Handler.hits.clear()
    return live.LiveBackend(
        allow_internet=True,
        limits=live.FetchLimits(seconds=120, convert_seconds=120, bytes=200_000, redirects=3, ports=(server,)),
        allowed=lambda address: str(address) == "127.0.0.1",
        resolve=lambda host, port: ["127.0.0.2"] if host.startswith("private") else ["127.0.0.1"],
        offline=pages.OfflineBackend(index),
    )


def test_live_needs_the_switch():
    with pytest.raises(GptOssError, match="allow_internet=True"):
        live.LiveBackend()


def test_live_page(backend, server):
    page = backend.fetch(f"http://a.test:{server}/page")
    assert page.title == "Ünï" and page.links == {0: f"http://a.test:{server}/big"}
    assert Handler.hits == [f"a.test:{server}/page"]
    tool = BrowserTool(backend)
    assert tool.call("browser.open", json.dumps({"id": f"http://a.test:{server}/page"})).text.startswith(
        "[0] Ünï (http"
    )
    assert "course:pages" in tool.call("browser.search", '{"query": "moon"}').text


def test_redirects_are_followed_and_counted(backend, server):
    assert "Hello" in backend.fetch(f"http://a.test:{server}/to?/to?/page").text
    with pytest.raises(ToolError, match="more than 3 redirects"):
        backend.fetch(f"http://a.test:{server}/to?/to?/to?/to?/to?/page")


@pytest.mark.parametrize(
    "target", ["http://private.test:{port}/page", "file:///etc/passwd", "http://127.0.0.1:1/", "ftp://a/"]
)
def test_redirect_to_a_private_address_is_refused(backend, server, target):
    with pytest.raises(ToolError):
        backend.fetch(f"http://a.test:{server}/to?{target.format(port=server)}")
    assert len(Handler.hits) == 1, "the second address was never asked"


def test_the_default_policy_refuses_the_loopback_server(server, index):
    backend = live.LiveBackend(True, live.FetchLimits(ports=(server,)), offline=pages.OfflineBackend(index))
    for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433"):
        with pytest.raises(ToolError, match=r"not an address of the public internet|not known"):
            backend.fetch(f"http://{host}:{server}/page")
    assert "/page" not in "".join(Handler.hits)


def test_a_name_with_one_private_address_is_refused(backend, server):
    backend.resolve = lambda host, port: ["127.0.0.1", "10.0.0.1"]
    with pytest.raises(ToolError, match=r"10\.0\.0\.1"):
        backend.fetch(f"http://a.test:{server}/page")


def test_a_page_of_ten_megabytes_is_cut(backend, server):
    page = backend.fetch(f"http://a.test:{server}/big")
    assert len(page.text) < 210_000 and "The page is longer" in page.text


@pytest.mark.parametrize("path", ["/slow", "/headers"])
def test_a_slow_page_is_given_up(backend, server, path):
    backend.limits = replace(backend.limits, seconds=0.5)
    with pytest.raises(ToolError, match=r"took longer than 0\.5 s|not found in time"):
        backend.fetch(f"http://a.test:{server}{path}")
    assert "all was written" not in Handler.hits


def test_a_slow_resolver_is_given_up(backend, server):
    backend.limits = replace(backend.limits, seconds=0.2)
    given_up = threading.Event()
    backend.resolve = lambda host, port: given_up.wait(300) and ["127.0.0.1"]
    with pytest.raises(ToolError, match="not found in time"):
        backend.fetch(f"http://a.test:{server}/page")
    given_up.set()


@pytest.mark.parametrize("path", ["/image", "/zip", "/missing", "/to?"])
def test_what_is_not_a_text_page_is_refused(backend, server, path):
    with pytest.raises(ToolError):
        backend.fetch(f"http://a.test:{server}{path}")
