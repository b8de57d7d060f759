"""The browser tool: search, open and find, with the cursors, line numbers and link marks that the models learned.

Every display is a page on a stack; its number is the cursor. A display looks like this::

    [1] Title (url)
    **viewing lines [0 - 2] of 2**

    L0: # Heading
    L1: Text with a 【0†link】 and one to elsewhere 【1†like this†example.org】
    L2: …

and an answer cites it as 【1†L0-L2】.

Source: openai-harmony 0.0.8, the built-in description of the browser tool; openai/gpt-oss, the simple browser.
"""

from __future__ import annotations

import math
import re
import textwrap
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Protocol

from gptoss_edu.errors import GptOssError
from gptoss_edu.harmony import browser_tools

from .base import ToolError, ToolResult
from .functions import Function, decode_arguments, from_callable
from .pages import RESERVED, OfflineBackend, Page, site_of

LINE_WIDTH = 80
LONG_LINE = 100 * LINE_WIDTH  # characters
MAX_PAGES = 200
MATCH_LINES = 4
MAX_MATCHES = 50
CITATION = re.compile(r"【(\d{1,9})†L(\d{1,9})(?:-L?(\d{1,9}))?】")  # Python refuses numbers with thousands of digits
LINK = re.compile(r"【\d+†([^【】†]*)(?:†[^【】†]*)?】")
# A shorter form of the official description, for small models with short contexts; gpt-oss-tiny was trained with it.
BRIEF = "Searches pages. Cite as 【{cursor}†L{line}】."
BRIEF_TOOLS = {
    "search": ("Searches for query.", "query", "string"),
    "open": ("Opens the link id.", "id", "integer"),
    "find": ("Finds pattern in the page.", "pattern", "string"),
}


class Backend(Protocol):
    """A source of pages."""

    source: str

    def search(self, query: str, limit: int) -> list[tuple[str, str, str]]: ...

    def fetch(self, url: str) -> Page: ...


@dataclass(frozen=True)
class Citation:
    """One 【cursor†Lfirst-Llast】 in an answer; `url` is None if there is no such page or line."""

    mark: str
    url: str | None
    title: str
    first: int
    last: int
    lines: tuple[str, ...]


def wrap(text: str) -> list[str]:
    """Return a page's lines, broken at 80 characters; line numbers count these."""
    lines: list[str] = []
    for line in short_enough(text.expandtabs().split("\n")):
        lines += textwrap.wrap(line, LINE_WIDTH, replace_whitespace=False, drop_whitespace=False) or [""]
    return lines


def short_enough(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines, cut to LONG_LINE characters: textwrap's time grows with the square of a word's length."""
    for line in lines:
        yield from (line[i : i + LONG_LINE] for i in range(0, max(len(line), 1), LONG_LINE))


class BrowserTool:
    """A browser for the model.

    Parameters
    ----------
    backend : OfflineBackend (default) or, if you really want it, live.LiveBackend
    view_characters : how many characters of a page one display shows; 4,000 are about 1,000 tokens
    brief : describe the tool to the model in a few words instead of the official text
    """

    name = "browser"

    def __init__(self, backend: Backend | None = None, view_characters: int = 4_000, brief: bool = False):
        self.backend = backend or OfflineBackend()
        self.view_characters, self.brief = view_characters, brief
        self.pages: list[Page] = []
        self.functions: dict[str, Function] = {
            f.__name__: from_callable(f) for f in (self.search, self.open, self.find)
        }

    def config(self) -> dict:
        """Return the tool's description for the model: harmony's own text, or a short form."""
        if not self.brief:
            return browser_tools(self.backend.source).to_dict()
        tools = [
            {
                "name": name,
                "description": text,
                "parameters": {"type": "object", "properties": {key: {"type": kind}}, "required": [key]},
            }
            for name, (text, key, kind) in BRIEF_TOOLS.items()
        ]
        return {"name": self.name, "description": BRIEF, "tools": tools}

    def call(self, recipient: str, arguments: str) -> ToolResult:
        """Run browser.search, browser.open or browser.find."""
        started = time.monotonic()
        result = ToolResult("", author=recipient)
        function = self.functions.get(recipient.removeprefix(f"{self.name}."))
        try:
            if function is None:
                raise ToolError(f"There is no {recipient!r}. Available: browser.search, browser.open, browser.find.")
            result.text = function.run(**function.validate(decode_arguments(arguments)))
        except (ToolError, GptOssError) as error:
            result.text, result.error = str(error), True
        result.seconds = time.monotonic() - started
        return result

    def close(self) -> None:
        """Do nothing: this tool holds no resources."""

    # ---- the three functions; their types check the arguments; the model reads the descriptions above

    def search(self, query: str, topn: int = 10, source: str | None = None) -> str:
        found = self.backend.search(query, max(1, min(topn, 20)))
        lines, links = ["# Search Results", ""], {}
        for i, (url, title, passage) in enumerate(found):
            links[i] = url
            mark = f"【{i}†{title.translate(RESERVED)}†{site_of(url)}】"
            lines.append(f"  * {mark} {' '.join(passage.translate(RESERVED).split())}")
        if not found:
            lines.append("Nothing was found. Try fewer or other words.")
        best = {i: query for i in links}
        return self._show(Page("", query.translate(RESERVED), "\n".join(lines), links, best), 0, -1)

    def open(
        self,
        id: int | str = -1,
        cursor: int = -1,
        loc: int = -1,
        num_lines: int = -1,
        view_source: bool = False,
        source: str | None = None,
    ) -> str:
        if isinstance(id, str) and re.fullmatch(r"-?\d{1,9}", id.strip()):
            id = int(id)
        place: int | str = ""
        if isinstance(id, str):
            page = self.backend.fetch(id.strip())
        elif id >= 0:
            shown = self._page(cursor)
            if id not in shown.links:
                there = f"0 to {max(shown.links)}" if shown.links else "none"
                raise ToolError(f"There is no link {id} on that page; link ids there: {there}.")
            # An open page is not fetched again, but its best place may differ.
            page = next((page for page in self.pages if page.url == shown.links[id]), None)
            page, place = page or self.backend.fetch(shown.links[id]), shown.best_lines.get(id, "")
        else:
            page = self._page(cursor)
        if view_source and page.source is not None:
            page = Page(page.url, f"Source of {page.title}", page.source.translate(RESERVED))
        if loc < 0:
            loc = place if isinstance(place, int) else self._relevant_line(page, place)
        return self._show(page, loc, num_lines)

    def find(self, pattern: str, cursor: int = -1) -> str:
        page = self._page(cursor)
        lines = [LINK.sub(r"\1", line) for line in wrap(page.text)]
        chunks, places, line = [], {}, 0
        while line < len(lines) and len(chunks) < MAX_MATCHES:
            if pattern.lower() in lines[line].lower():
                chunks.append(f"# 【{len(chunks)}†match at L{line}】\n" + "\n".join(lines[line : line + MATCH_LINES]))
                places[len(chunks) - 1] = line
                line += MATCH_LINES
            else:
                line += 1
        text = "\n\n".join(chunks) or f"No `find` results for pattern: `{pattern.translate(RESERVED)}`"
        title = f"Find results for text: `{pattern.translate(RESERVED)}` in `{page.title}`"
        return self._show(Page(f"{page.url}/find", title, text, dict.fromkeys(places, page.url), places), 0, -1)

    # ---- state and display

    def _page(self, cursor: int) -> Page:
        if not self.pages:
            raise ToolError("No page is open yet: use browser.search first, or browser.open with a URL.")
        if not -1 <= cursor < len(self.pages):
            raise ToolError(f"There is no cursor {cursor}; there are 0 to {len(self.pages) - 1}.")
        return self.pages[cursor]

    def _relevant_line(self, page: Page, words: str) -> int:
        """Return the first line of the view with most of `words`, rare ones weighing more; 0 without words."""
        lines = [line.lower() for line in wrap(page.text)]
        wanted = set(re.findall(r"\w{3,}", words.lower()))
        window = max(1, self.view_characters // (2 * LINE_WIDTH))
        counts = {word: sum(word in line for line in lines) for word in wanted}
        weights = {word: 1 / math.log2(1 + count) for word, count in counts.items() if count}
        scores = [sum(weight for word, weight in weights.items() if word in line) for line in lines]
        if not weights or len("\n".join(lines)) <= self.view_characters:
            return 0
        best = max(range(len(lines)), key=lambda i: (max(scores[i : i + 3]) + sum(scores[i : i + window]) / window, -i))
        return max(0, best - 2)

    def _show(self, page: Page, loc: int, num_lines: int) -> str:
        """Put the page on the stack and display it from line `loc`."""
        lines = wrap(page.text)
        if loc >= len(lines):
            raise ToolError(f"There is no line {loc}: the page's last line is L{len(lines) - 1}.")
        if len(self.pages) >= MAX_PAGES:
            raise ToolError(f"{MAX_PAGES} pages were opened, and that is the limit. Answer with what you have.")
        shown, used = [], 0
        for i in range(loc, len(lines) if num_lines <= 0 else min(loc + num_lines, len(lines))):
            line = f"L{i}: {lines[i]}"
            used += len(line) + 1
            if shown and used > self.view_characters:
                break
            shown.append(line)
        self.pages.append(page)
        place = f"{page.title} ({page.url})" if page.url else page.title
        bar = f"**viewing lines [{loc} - {loc + len(shown) - 1}] of {len(lines) - 1}**"
        return f"[{len(self.pages) - 1}] {place}\n{bar}\n\n" + "\n".join(shown)

    def citations(self, answer: str) -> list[Citation]:
        """Return the citations of an answer; a mark that leads nowhere has no url."""
        found = []
        for match in CITATION.finditer(answer):
            cursor, first = int(match[1]), int(match[2])
            last = int(match[3] or first)
            page = self.pages[cursor] if cursor < len(self.pages) else None
            lines = wrap(page.text) if page else []
            good = page is not None and first <= last < len(lines)
            cited = tuple(lines[first : last + 1]) if good else ()
            found.append(Citation(match[0], page.url if good else None, page.title if good else "", first, last, cited))
        return found

    def state(self) -> list[dict]:
        """Return the page stack as JSON, so that cursors stay valid in a resumed conversation."""
        return [{key: value for key, value in asdict(page).items() if key != "source"} for page in self.pages]

    def restore(self, state: list[dict]) -> None:
        """Restore the result of state()."""
        texts = ("url", "title", "text")
        as_ids = lambda table: {int(key): value for key, value in table.items()}  # noqa: E731
        try:
            pages = [Page(*(p[key] for key in texts), as_ids(p["links"]), as_ids(p["best_lines"])) for p in state]
            for page in pages:
                if not all(isinstance(part, str) for part in (page.url, page.title, page.text, *page.links.values())):
                    raise TypeError("a page's url, title, text and links are texts")
                if not all(isinstance(place, str | int) for place in page.best_lines.values()):
                    raise TypeError("a page's best lines are numbers or words")
            self.pages = pages
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise GptOssError(
                f"browser state: expected a list of pages with their links, found a damaged one ({error!r})."
            ) from None
