"""What the search reads: every section with its words; and what a card shows when a reader rests on a term."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

LEFT_OUT = ("_modules/", "genindex", "py-modindex", "search.html", "_static/")
SKIPPED = {"script", "style", "svg", "details", "nav", "button"}
BREAKS = {"p", "li", "div", "td", "th", "dd", "pre", "br", "h1", "h2", "h3", "h4"}
HEADINGS = {"h1", "h2", "h3", "h4"}
LONGEST = 4000  # characters of a section that are searched


class Sections(HTMLParser):
    """The sections of one page: [anchor, title, text]. What is folded is not searched: a search must not spoil."""

    def __init__(self, text: str):
        super().__init__()
        self.found: list[list[str]] = []
        self.open: list[int] = []  # sections around the present place
        self.inside, self.skipped, self.heading = False, [], False
        start = text.find("<article")
        self.feed(text[start : text.find("</article>", start)] if start >= 0 else "")

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if self.skipped or tag in SKIPPED:
            if tag in SKIPPED:
                self.skipped.append(tag)
            return
        if tag == "section" and given.get("id"):
            self.found.append([given["id"], "", ""])
            self.open.append(len(self.found) - 1)
        elif tag == "dt" and (given.get("id", "").startswith("gptoss_edu") or given.get("id", "").startswith("term-")):
            self.found.append([given["id"], given["id"].removeprefix("gptoss_edu."), ""])
            self.entry = len(self.found) - 1
        self.heading |= tag in HEADINGS
        self._add(" " if tag in BREAKS else "")

    def handle_endtag(self, tag):
        if self.skipped:
            if tag == self.skipped[-1]:
                self.skipped.pop()
            return
        if tag == "section" and self.open:
            self.open.pop()
        self.heading &= tag not in HEADINGS

    def handle_data(self, data):
        if not self.skipped:
            self._add(data)

    def _add(self, data: str) -> None:
        if not self.open:
            return
        last = len(self.found) - 1
        place = last if self.found[last][0].startswith(("gptoss_edu", "term-")) else self.open[-1]
        self.found[place][1 if self.heading else 2] += data


def sections(text: str) -> list[list[str]]:
    """[anchor, title, text] of each section, blanks joined."""
    return [[part[0], _joined(part[1]).rstrip("#"), _joined(part[2])[:LONGEST]] for part in Sections(text).found]


def write(site: Path, pages: dict[Path, str]) -> None:
    """`_static/search-index.js`: {pages: [[address, title]], sections: [[page, anchor, title, text]]}."""
    names, rows = [], []
    for path, text in pages.items():
        name = path.relative_to(site).as_posix()
        if name.startswith(LEFT_OUT):
            continue
        found = sections(text)
        if found:
            names.append([name, found[0][1]])
            rows += [[len(names) - 1, *part] for part in found]
    _write(site / "_static" / "search-index.js", "gptossIndex", {"pages": names, "sections": rows})


def write_terms(site: Path, pages: dict[Path, str]) -> dict[str, str]:
    """`_static/terms.js`: what the glossary says of a term, and what each chapter builds, by their addresses."""
    glossary = next(text for path, text in pages.items() if path.name == "glossary.html")
    told = {
        f"pages/glossary.html#{anchor}": _joined(re.sub(r"<[^>]+>", "", says))
        for anchor, says in re.findall(r'<dt id="(term-[^"]+)">.*?</dt><dd>(.*?)</dd>', glossary, re.S)
    }
    for path, text in pages.items():
        if path.parent.name == "chapters":
            found = sections(text)
            told[f"chapters/{path.name}"] = f"{found[0][1]}. {found[0][2].split(' Time ')[0][:240]}"
    _write(site / "_static" / "terms.js", "gptossTerms", told)
    return told


def _joined(text: str) -> str:
    """Blanks joined, and of formulas what can be read: words and numbers."""
    text = re.sub(r"\\[()\[\]]", "", text)
    return re.sub(r"\s+", " ", re.sub(r"\\([A-Za-z]+)", r"\1 ", text)).strip()


def _write(path: Path, function: str, value) -> None:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("\u2028", " ").replace("\u2029", " ")
    path.write_text(f"{function}({text});\n", encoding="utf-8")
