"""After Sphinx has written the pages: formulas are set, code lines can wrap, and nothing is loaded that a page does not
use.
"""

import json
import re
from html import escape, unescape
from pathlib import Path

import mathematics
import playgrounds
import search_index
from icons import ICONS

CODE = re.compile(r'(<div class="highlight"><pre[^>]*>(?:<span></span>)?)(.*?)(</pre></div>)', re.S)
SCRIPT = r'\s*<script[^>]*src="[^"]*{}[^"]*"[^>]*>\s*</script>'
UNUSED = [
    re.compile(SCRIPT.format(re.escape(name)))
    for name in ("fontawesome.js", "searchtools.js", "language_data.js", "searchindex.js")
]
PRELOAD = re.compile(r'\s*<link rel="preload" as="script"[^>]*>')
ICON = re.compile(r'<(i|span) class="([^"]*\bfa-(?:solid|brands|regular)\b[^"]*)"([^>]*)></\1>')
LIVE = re.compile(r'class="(?:playground|explorer)"')
NEIGHBOUR = re.compile(
    r'(<a class="(?:left-prev|right-next)"\s+href="([^"]*)".*?<p class="prev-next-title">.*?</p>)', re.S
)
FOLD = re.compile(
    r'<details class="admonition hide above-input">(\s*<summary[^>]*>\s*<p class="collapsed admonition-title">)(?!The'
    r" solution)"
)
BELOW = "Pages below this one"  # what a fold of the contents is called
TAG = re.compile(r"<[^>]+>")
COLUMNS = re.compile(r"\S {2,}\S")
NOT_READ = ("fontawesome.js", "searchtools.js", "language_data.js", "english-stemmer.js", "base-stemmer.js")


def finish(app, failed) -> None:
    """Work on the built site; called by Sphinx when it is done."""
    if failed or app.builder.format != "html":
        return
    site = Path(app.outdir)
    written = [path for path in sorted(site.rglob("*.html")) if "_static" not in path.parts]
    pages = {path: path.read_text(encoding="utf-8") for path in written}
    search_index.write(site, pages)
    told = search_index.write_terms(site, pages)
    # a build into an old folder leaves unchanged pages as they were finished
    unfinished = {path: text for path, text in pages.items() if "<body data-up=" not in text}
    for path, text in mathematics.typeset(unfinished).items():
        text = NEIGHBOUR.sub(lambda match, path=path: match[1] + _sentence(match[2], path, site, told), text)
        path.write_text(finished(text, "../" * (len(path.relative_to(site).parts) - 1)), encoding="utf-8")
    playgrounds.write_files(site)
    for name in NOT_READ:
        for path in (site / "_static").rglob(name):
            path.unlink()
    (site / "searchindex.js").unlink(missing_ok=True)


def finished(text: str, up: str) -> str:
    """Finish one page: code line by line, icons as drawings, only the scripts that it uses."""
    text = CODE.sub(_code, text)
    for pattern in (*UNUSED, PRELOAD):
        text = pattern.sub("", text)
    text = FOLD.sub(r'<details class="admonition hide above-input aside">\1', text)  # left out on paper
    text = ICON.sub(_drawn, text)
    text = text.replace(
        '<summary><span class="toctree-toggle"', f'<summary aria-label="{BELOW}"><span class="toctree-toggle"'
    )
    if LIVE.search(text):
        scripts = "".join(f'<script src="{up}_static/{name}"></script>' for name in ("gptoss.js", "live.js"))
        text = text.replace("</body>", scripts + "</body>")
    return text.replace("<body", f'<body data-up="{json.dumps(up)[1:-1]}"', 1)


def _sentence(href: str, path: Path, site: Path, told: dict[str, str]) -> str:
    """Return what the neighbour builds, if it is a chapter."""
    target = (path.parent / href).resolve()
    words = told.get(target.relative_to(site.resolve()).as_posix(), "") if target.is_relative_to(site.resolve()) else ""
    builds = words.partition(". ")[2]
    return f'<p class="prev-next-say">{escape(builds)}</p>' if builds else ""


def _code(match: re.Match) -> str:
    """Write a block line by line; one without columns may wrap on a phone too, where a table scrolls in its box."""
    head, code, end = match.groups()
    if not code.strip():
        return match[0]
    table = COLUMNS.search(unescape(TAG.sub("", code)))
    return (head if table else head.replace("<pre", '<pre class="flows"', 1)) + wrapped(code) + end


def wrapped(code: str) -> str:
    """Wrap each line in an element that knows its indentation, so that a long line continues further in."""
    lines = code.removesuffix("\n").split("\n")
    return "".join(f'<span class="line" style="--in:{_indent(line)}">{line}\n</span>' for line in lines)


def _indent(line: str) -> int:
    plain = unescape(TAG.sub("", line))
    return len(plain) - len(plain.lstrip(" "))


def _drawn(match: re.Match) -> str:
    """Return an icon of the theme as a drawing in the page; the font's script alone has 1.5 MB."""
    names = [name.removeprefix("fa-") for name in match[2].split() if name.startswith("fa-")]
    path = next((ICONS[name] for name in names if name in ICONS), None)
    if path is None:
        return match[0]
    return f'<svg class="icon {match[2]}" viewBox="0 0 16 16" aria-hidden="true"{match[3]}>{path}</svg>'
