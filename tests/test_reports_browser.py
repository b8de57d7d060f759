"""Test the browser tool with odd input from servers and models: charsets, redirects, huge numbers."""

import codecs
import threading

import pytest

from gptoss_edu.tools import live
from gptoss_edu.tools.base import ToolError
from gptoss_edu.tools.browser import LONG_LINE, BrowserTool, wrap
from gptoss_edu.tools.functions import decode_arguments
from gptoss_edu.tools.python import code_of


def backend_of(monkeypatch, head: str, body: bytes = b"hello", status: int = 200) -> live.LiveBackend:
    """Return a backend that answers every request with these headers and this body, without a network."""
    headers = dict(
        line.lower().split(": ", 1) if "Location" not in line else ("location", line[10:]) for line in head.splitlines()
    )
    monkeypatch.setattr(
        live.LiveBackend, "_get", lambda self, parts, addresses, deadline: (status, headers, body, False)
    )
    return live.LiveBackend(allow_internet=True, resolve=lambda host, port: ["93.184.216.34"])


def in_time(work, seconds=120):
    """Return what `work` returns; fail if it takes minutes, a limit that holds on a busy machine too."""
    done = []
    thread = threading.Thread(target=lambda: done.append(work()), daemon=True)
    thread.start()
    thread.join(seconds)
    assert done, f"still busy after {seconds} s"
    return done[0]


@pytest.mark.parametrize(
    "charset",
    [
        "punycode",
        "idna",
        "undefined",
        "a\0b",
        "utf-7",
        "rot13",
        "base64",
        "zlib",
        "unicode_escape",
        "x" * 10_000,
        "no-such",
        "",
        "mbcs",
        "..",
        "os",
    ],
)
def test_a_charset_that_pages_do_not_use_is_read_as_utf8(monkeypatch, charset):
    """Python has codecs that take hours for a megabyte (punycode) or cannot decode at all (undefined, idna)."""
    backend = backend_of(monkeypatch, f"Content-Type: text/plain; charset={charset}", b"a-" + b"b" * 999_990)
    page = in_time(lambda: backend.fetch("http://a.test/"))
    assert page.text.startswith("a-bbbb")


@pytest.mark.parametrize(
    ("charset", "word"),
    [
        ("windows-1251", "Москва"),
        ("Shift_JIS", "東京"),
        ("iso-8859-1", "Zürich"),
        ("gb18030", "北京"),
        ("UTF-16", "Oslo"),
    ],
)
def test_the_charsets_of_the_web_are_read(monkeypatch, charset, word):
    backend = backend_of(monkeypatch, f"Content-Type: text/plain; charset={charset}", word.encode(charset))
    assert backend.fetch("http://a.test/").text == word


def test_every_charset_in_the_list_decodes_any_bytes():
    for name in live.CHARSETS:
        assert codecs.lookup(name).name == name
        assert isinstance(bytes(range(256)).decode(name, errors="replace"), str)


@pytest.mark.parametrize(
    "location", ["http://[", "http://[::1", "//[x]/", "http://a.test:port/", "http://a.test:99999999/", "\ud800"]
)
def test_a_redirect_to_what_is_no_url_is_a_tools_error(monkeypatch, location):
    """`fetch` raises a ToolError for every reason, so that the model can read it."""
    backend = backend_of(monkeypatch, f"Location: {location}", status=302)
    with pytest.raises(ToolError):
        backend.fetch("http://a.test/")
    assert BrowserTool(backend).call("browser.open", '{"id": "http://a.test/"}').error


def test_whatever_goes_wrong_inside_is_a_tools_error(monkeypatch):
    backend = backend_of(monkeypatch, "Content-Type: text/plain")
    monkeypatch.setattr(live.LiveBackend, "_page", lambda *a: 1 / 0)
    with pytest.raises(ToolError, match="ZeroDivisionError"):
        backend.fetch("http://a.test/")


def test_numbers_of_thousands_of_digits_are_answered():
    """Python raises a ValueError for them, in JSON, in a link id and in a citation."""
    tool, digits = BrowserTool(), "1" * 5000
    for arguments in (
        f'{{"id": {digits}}}',
        f'{{"id": "{digits}"}}',
        f'{{"id": 1, "cursor": {digits}}}',
        "[" * 100_000,
    ):
        assert tool.call("browser.open", arguments).error
    assert tool.citations(f"【{digits}†L1】 【0†L{digits}】") == []
    with pytest.raises(ToolError, match="cannot be read"):
        decode_arguments(f'{{"a": {digits}}}')
    assert code_of("[" * 100_000) == "[" * 100_000


@pytest.mark.parametrize(
    "line",
    ["\t" * 1_000_000, "a" * 1_000_000, "a-" * 500_000, " " * 1_000_000],
    ids=["tabs", "letters", "hyphens", "blanks"],
)
def test_a_line_of_a_megabyte_is_wrapped(line):
    """Every character is kept, and no piece passed to the wrapping is longer than LONG_LINE."""
    lines = in_time(lambda: wrap(line))
    assert "".join(lines) == line.expandtabs() and max(map(len, lines)) <= 80 < LONG_LINE
