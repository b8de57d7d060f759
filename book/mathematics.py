"""Formulas, set once when the book is built: the pages then carry drawings and load no typesetter of two megabytes."""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

from gptoss_edu.errors import GptOssError

HERE = Path(__file__).parent
MATHJAX = HERE / "vendor" / "mathjax"
FORMULA = re.compile(r'<(span|div) class="(math[^"]*)"([^>]*)>(.*?)</\1>', re.S)
NUMBER = re.compile(r'<span class="eqno">.*?</span>\s*', re.S)
MARKS = re.compile(r"^\s*\\[(\[](.*)\\[)\]]\s*$", re.S)


def typeset(pages: dict[Path, str]) -> dict[Path, str]:
    """Return the pages with every formula as an SVG, and as MathML for who cannot see it.

    Raises
    ------
    GptOssError : Node.js or MathJax is missing, or a formula cannot be set.
    """
    wanted = {_asked(match): None for text in pages.values() for match in FORMULA.finditer(text)}
    drawn = dict(zip(wanted, _drawn(list(wanted)), strict=True))
    return {path: FORMULA.sub(lambda match: _put(match, drawn), text) for path, text in pages.items()}


def _asked(match: re.Match) -> tuple[str, bool]:
    """TeX without its marks, and whether it is displayed."""
    text = unescape(NUMBER.sub("", match[4]))
    inner = MARKS.match(text)
    return (inner[1] if inner else text).strip(), match[1] == "div"


def _put(match: re.Match, drawn: dict) -> str:
    tag, kind, more = match[1], match[2], match[3]
    return f'<{tag} class="{kind}"{more}>{drawn[_asked(match)]}</{tag}>'


def _drawn(formulas: list[tuple[str, bool]]) -> list[str]:
    node = shutil.which("node")
    if node is None or not (MATHJAX / "node-main.js").exists():
        missing = "Node.js" if node is None else f"MathJax in {MATHJAX.relative_to(HERE.parent)}"
        raise GptOssError(
            f"book: expected Node.js and MathJax to set formulas, found no {missing}; run make book-deps."
        )
    asked = json.dumps([{"tex": tex, "display": display} for tex, display in formulas])
    done = subprocess.run(
        [node, str(HERE / "typeset.cjs"), str(MATHJAX)], input=asked, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise GptOssError(f"book: a formula could not be set: {done.stderr.strip()[-400:]}.")
    return json.loads(done.stdout)
