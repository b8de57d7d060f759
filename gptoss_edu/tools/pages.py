"""Pages for the browser tool: text with numbered links, made from Markdown or HTML, and a full-text index in SQLite.

The index of the bundled pages (README, the notebooks' text, the short texts in data/pages) is a derived file.
``python -m gptoss_edu.tools.pages``, or the first use, builds it in the user's cache folder, and it is rebuilt when one
of its sources changes. Nothing here uses the network.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from gptoss_edu.errors import GptOssError
from gptoss_edu.resources import data_path, notebooks_path

from .base import ToolError

SCHEMA_VERSION = 1
MARKDOWN_LINK = re.compile(
    r"(?<!!)\[([^\[\]\n]*)\]\(\s*(?:<((?:\\.|[^<>\\\n])*)>|([^()<>\s]+))(?:\s+\"[^\"\n]*\")?\s*\)"
)
# The brackets and daggers of links and citations are reserved for the browser: a page could forge links with them.
RESERVED = str.maketrans({"【": "〖", "】": "〗", "†": "‡"})
COMMON_WORDS = frozenset(
    "a an and are as at be by did do does for from how in is it its of on or that the their then there these they this"
    " to was were what when where which who whom whose why will with".split()
)


@dataclass
class Page:
    """One page: its text, with links as 【id†text】 or 【id†text†site】, and their targets."""

    url: str
    title: str
    text: str
    links: dict[int, str] = field(default_factory=dict)
    # link id → where to look in the page behind it: a line, or words
    best_lines: Mapping[int, int | str] = field(default_factory=dict)
    source: str | None = None  # the page as received, for view_source


def site_of(url: str) -> str:
    """Return a page's site, as shown in links from other sites."""
    parts = urlsplit(url)
    return parts.netloc if parts.scheme in ("http", "https") else f"{parts.scheme}:{parts.netloc}"


def number_links(markdown: str, url: str) -> tuple[str, dict[int, str]]:
    """Replace Markdown links with 【id†text】; links within the page and to mail addresses become plain text."""
    links: dict[int, str] = {}
    ids: dict[str, int] = {}

    def replace(match: re.Match) -> str:
        text, target = match[1].strip(), re.sub(r"\\(.)", r"\1", match[2] or match[3] or "")
        if not text or target.startswith("#") or target.lower().startswith(("mailto:", "javascript:", "data:")):
            return text
        try:
            target = urljoin(url, target)
            site = site_of(target)
        except ValueError:
            return text
        number = ids.setdefault(target, len(ids))
        links[number] = target
        return f"【{number}†{text}】" if site == site_of(url) else f"【{number}†{text}†{site}】"

    return MARKDOWN_LINK.sub(replace, markdown.translate(RESERVED)), links


def page_from_markdown(markdown: str, url: str, title: str) -> Page:
    text, links = number_links(markdown, url)
    return Page(url, title.translate(RESERVED), text, links, source=markdown)


def page_from_html(html: str, url: str, seconds: float = 10.0) -> Page:
    """Convert HTML in a process limited to `seconds`: some HTML keeps a converter busy for hours."""
    argv = [sys.executable, str(Path(__file__).with_name("html_text.py"))]
    try:
        done = subprocess.run(argv, input=html.encode("utf-8", "replace"), capture_output=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise ToolError(f"{url}: its HTML could not be turned into text within {seconds:g} s.") from None
    if done.returncode != 0:
        raise ToolError(f"{url}: its HTML could not be turned into text.")
    text = re.sub(r"\n\s*\n\s*\n+", "\n\n", done.stdout.decode("utf-8", "replace")).strip()
    page = page_from_markdown(text, url, title_of(html) or site_of(url))
    page.source = html
    return page


def title_of(html: str) -> str:
    """Return the text of the first <title>, at most 200 characters of it."""
    opening = re.search(r"<title[^<>]{0,200}>", html[:100_000], re.I)
    if opening is None:
        return ""
    text, _, _ = html[opening.end() : opening.end() + 1000].partition("<")
    return " ".join(unescape(text).split())[:200]


# ---------------------------------------------------------------------------------------------------------------------
# The bundled pages


def bundled_sources() -> list[Path]:
    """Return the files of the offline index."""
    readme = data_path().parent / "README.md"
    pages = sorted(data_path("pages").glob("*.md")) if data_path("pages").is_dir() else []
    notebooks = sorted(notebooks_path().glob("[0-9][0-9]_*.ipynb")) if notebooks_path().is_dir() else []
    return [*([readme] if readme.is_file() else []), *pages, *notebooks]


def page_from_file(path: Path) -> Page:
    """Make a page from a Markdown file, or from a notebook's Markdown cells without the folded answers."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells)
        text = re.sub(r"<details.*?</details>", "", text, flags=re.S)
        url = f"course://chapters/{path.stem}"
    else:
        url = f"course://{'pages' if path.parent.name == 'pages' else 'about'}/{path.stem.lower()}"
    text = re.sub(r"<[^>\n]{1,200}>", "", text).strip()
    heading = re.search(r"^#+\s+(.+)$", text, re.M)
    return page_from_markdown(text, url, heading[1].strip() if heading else path.stem)


def fingerprint(sources: Iterable[Path]) -> str:
    """Return a string that changes when a source changes."""
    digest = hashlib.sha256(str(SCHEMA_VERSION).encode())
    for path in sources:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def build_index(target: Path, pages: Iterable[Page]) -> int:
    """Write the index of `pages` to `target`, atomically. Returns the number of pages."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=target.parent, suffix=".tmp")
    os.close(handle)
    try:
        database = sqlite3.connect(temporary)
        database.execute(
            "CREATE VIRTUAL TABLE pages USING fts5(title, body, url UNINDEXED, tokenize='porter unicode61')"
        )
        rows = [(page.title, page.source or page.text, page.url) for page in pages]
        database.executemany("INSERT INTO pages (title, body, url) VALUES (?, ?, ?)", rows)
        database.execute("INSERT INTO pages (pages) VALUES ('optimize')")
        database.commit()
        database.close()
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return len(rows)


def cache_folder() -> Path:
    """Return the folder for derived files: $GPTOSS_EDU_CACHE, $XDG_CACHE_HOME/gptoss-edu or ~/.cache/gptoss-edu."""
    if own := os.environ.get("GPTOSS_EDU_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gptoss-edu"


def bundled_index(folder: Path | None = None) -> Path:
    """Return the index of the bundled pages, building it if it is missing or out of date."""
    sources = bundled_sources()
    target = (folder or cache_folder()) / f"pages-{fingerprint(sources)}.sqlite"
    if not target.is_file():
        try:
            build_index(target, map(page_from_file, sources))
        except OSError:  # no writable home: keep the index among the temporary files
            target = Path(tempfile.mkdtemp(prefix="gptoss-pages-")) / target.name
            build_index(target, map(page_from_file, sources))
    return target


class OfflineBackend:
    """Searches and fetches in an index file. Thread-safe: it opens the file read-only for each request."""

    source = "web"  # the word in the description that the models were trained with

    def __init__(self, index: str | Path | None = None):
        self.index = Path(index) if index else bundled_index()
        if not self.index.is_file():
            raise GptOssError(f"page index: expected a file, found nothing at {self.index}; build it with `{COMMAND}`.")

    def _query(self, sql: str, values: tuple) -> list[tuple]:
        database = sqlite3.connect(f"{self.index.resolve().as_uri()}?mode=ro", uri=True)
        try:
            return database.execute(sql, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise GptOssError(
                f"page index {self.index} cannot be read ({error}); delete it and build it with `{COMMAND}`."
            ) from None
        finally:
            database.close()

    def search(self, query: str, limit: int) -> list[tuple[str, str, str]]:
        """Return the best pages for a query: (url, title, passage). Any text is a query; operators have no meaning."""
        words = re.findall(r"\w+", query.lower())[:32]
        words = [word for word in words if word not in COMMON_WORDS] or words
        if not words:
            return []
        sql = (
            "SELECT url, title, snippet(pages, 1, '', '', ' … ', 32) FROM pages WHERE pages MATCH ?"
            " ORDER BY bm25(pages, 5.0, 1.0) LIMIT ?"
        )
        quoted = [f'"{word}"' for word in words]
        found = self._query(sql, (" AND ".join(quoted), limit))
        more = self._query(sql, (" OR ".join(quoted), limit)) if len(found) < limit else []
        known = {row[0] for row in found}
        return [*found, *(row for row in more if row[0] not in known)][:limit]

    def fetch(self, url: str) -> Page:
        rows = self._query("SELECT title, body, url FROM pages WHERE url = ?", (url,))
        if not rows:
            raise ToolError(f"There is no page {url!r} here, and no internet. Use search to find pages.")
        title, body, url = rows[0]
        return page_from_markdown(body, url, title)


COMMAND = "python -m gptoss_edu.tools.pages"


def main(arguments: list[str] | None = None, out: Callable[[str], None] = print) -> int:
    """Build the index, with further Markdown files if any are named."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="build the full-text index of the browser tool")
    parser.add_argument("--output", type=Path, help="where to write it (default: the cache folder)")
    parser.add_argument("files", nargs="*", type=Path, help="Markdown files to add to the bundled pages")
    options = parser.parse_args(arguments)
    try:
        if options.files and not options.output:
            raise GptOssError("--output: expected a file name when files are added to the index, found none.")
        sources = [*bundled_sources(), *options.files]
        target = options.output or cache_folder() / f"pages-{fingerprint(sources)}.sqlite"
        count = build_index(target, map(page_from_file, sources))
    except (GptOssError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    out(f"{target}: {count} pages, {target.stat().st_size / 1e3:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
