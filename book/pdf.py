"""The whole book as one PDF, printed by Chromium from the built site: hints and solutions open, links inside the file.

python book/pdf.py [OUT.pdf]        after `make book`; needs Chromium and playwright
"""

import re
import sys
from pathlib import Path

import front

from gptoss_edu.benchmarks.explorer import browser
from gptoss_edu.errors import GptOssError

SITE = Path(__file__).parent / "_build" / "html"
OUT = SITE.parent / "gpt-oss-built.pdf"
BEFORE = ("pages/how_to_use.html", "generated/one_picture.html")
AFTER = (
    "pages/notation.html",
    "pages/glossary.html",
    "pages/tiny.html",
    "pages/verified.html",
    "pages/known_gaps.html",
)
ARTICLE = re.compile(r'<article class="bd-article"[^>]*>(.*?)</article>', re.S)
LEFT_OUT = re.compile(
    r'<div class="(?:playground|explorer)".*?</div>|<p class="own-page">.*?</p>|<p class="note".*?</p>', re.S
)
HREF = re.compile(r'\b(href|src)="([^"]*)"')
STYLE = """
article { break-before: page; } article:first-of-type { break-before: auto; }
a.headerlink { display: none; } body { font-size: 10.5pt; }
.title-page { padding-top: 9cm; text-align: center; break-after: page; }
nav.contents li { list-style: none; margin: 0.25em 0; } nav.contents { break-after: page; }
"""
FOOT = '<div style="font-size:8px;width:100%;text-align:center;color:#555"><span class="pageNumber"></span></div>'


def names() -> list[str]:
    """Return the pages of the book in reading order."""
    chapters = {int(path.stem[:2]): f"chapters/{path.name}" for path in (SITE / "chapters").glob("[0-9][0-9]_*.html")}
    ordered = [chapters[n] for numbers in front.PARTS.values() for n in numbers if n in chapters]
    return [*BEFORE, *ordered, *AFTER]


def key(name: str) -> str:
    """Return what the anchors of a page begin with in the one file."""
    return re.sub(r"\W+", "-", name.removesuffix(".html"))


def article(name: str, known: set[str]) -> str:
    """Return a page's text with its anchors and links made those of the one file."""
    found = ARTICLE.search((SITE / name).read_text(encoding="utf-8"))
    if not found:
        raise GptOssError(f"{name}: expected an article in the built page, found none; run make book again.")
    text = LEFT_OUT.sub("", found[1]).replace("<details", "<details open")
    text = re.sub(r'\bid="([^"]*)"', lambda m: f'id="{key(name)}--{m[1]}"', text)

    def moved(match: re.Match) -> str:
        kind, address = match.groups()
        if re.match(r"[a-z]+:", address):
            return match[0]
        path, _, anchor = address.partition("#")
        target = ((SITE / name).parent / path).resolve() if path else SITE.resolve() / name
        inside = target.relative_to(SITE.resolve()).as_posix()
        if inside in known:
            return f'{kind}="#{key(inside)}{"--" + anchor if anchor else ""}"'
        return f'{kind}="{inside}"' if kind == "src" else ""

    return f'<article class="bd-article" id="{key(name)}">{HREF.sub(moved, text)}</article>'


def one_page() -> str:
    """Return the whole book as HTML that stands in the site's folder."""
    head = (SITE / "index.html").read_text(encoding="utf-8")
    sheets = "".join(re.findall(r'<link[^>]*rel="stylesheet"[^>]*>', head)) + "".join(
        re.findall(r"<style>.*?</style>", head, re.S)
    )
    known = names()
    titles = {name: re.search(r"<h1>(.*?)<", (SITE / name).read_text(encoding="utf-8"), re.S)[1] for name in known}
    contents = "".join(f'<li><a href="#{key(name)}">{titles[name]}</a></li>' for name in known)
    body = "".join(article(name, set(known)) for name in known)
    return (
        '<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8"><title>gpt-oss,'
        f" built</title>{sheets}"
        f"<style>{STYLE}</style></head><body><div class='title-page'><h1>gpt-oss, built</h1><p>The course as a"
        " book</p></div>"
        f'<nav class="contents"><h2>Contents</h2><ul>{contents}</ul></nav>'
        '<main class="bd-main"><div class="bd-content"><div'
        f' class="bd-article-container">{body}</div></div></main></body></html>'
    )


def main(out: Path) -> int:
    if not (SITE / "index.html").exists():
        print("book/pdf.py: expected the built book, found none; run make book first.", file=sys.stderr)
        return 2
    page_file = SITE / "whole.html"
    page_file.write_text(one_page(), encoding="utf-8")
    try:
        with browser() as chromium:
            page = chromium.new_page()
            page.goto(page_file.as_uri(), wait_until="load", timeout=300_000)
            page.evaluate("document.querySelectorAll('img').forEach((image) => (image.loading = 'eager'))")
            page.wait_for_function("[...document.images].every((image) => image.complete)", timeout=120_000)
            margin = {"top": "16mm", "bottom": "18mm", "left": "16mm", "right": "16mm"}
            page.pdf(path=out, format="A4", margin=margin, print_background=True, outline=True, tagged=True,
                     display_header_footer=True, header_template="<span></span>", footer_template=FOOT)  # fmt: skip
    except GptOssError as error:
        print(f"book/pdf.py: {error}", file=sys.stderr)
        return 2
    finally:
        page_file.unlink()
    print(out)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else OUT))
