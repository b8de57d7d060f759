"""The trace explorers of the chapters: mounted in the page itself, without a frame, and each on a page of its own.

All share one script, `_static/gptoss.js`; each keeps its trace in a script of its own beside it, which a page from
file:// may load where it may not fetch.
"""

import base64
import hashlib
import html
import json
import re
from pathlib import Path

from gptoss_edu.web.page import Page

EXPLORER = re.compile(r'<iframe title="([^"]*)"[^>]*?height:(\d+)px[^>]*srcdoc=("[^"]*"|\'[^\']*\')></iframe>')
EXPLORED = re.compile(r'<script id="data" type="text/plain">([\w+/=]+)</script>')
FOLDER = Path(__file__).parent / "_static" / "traces"


def element(page: str, stem: str) -> str | None:
    """Where a stored explorer stands, an element for the newest one; its trace goes into a file of its own."""
    found = EXPLORER.fullmatch(page)
    data = found and EXPLORED.search(html.unescape(found[3]))
    if not data:
        return None
    title = html.unescape(found[1])
    name = f"{stem}-{hashlib.sha256(data[1].encode()).hexdigest()[:10]}"
    FOLDER.mkdir(parents=True, exist_ok=True)
    script = FOLDER / f"{name}.js"
    if not script.exists():
        script.write_text(f"gptossTrace({json.dumps(name)},{json.dumps(data[1])})\n", encoding="utf-8")
        (FOLDER / f"{name}.html").write_text(Page(base64.b64decode(data[1]), title, 0).html, encoding="utf-8")
    return (
        f'<div class="explorer" data-trace="{name}"><p class="wait">The explorer opens when it comes into'
        f' sight.</p></div><p class="own-page"><a href="../_static/traces/{name}.html">Open this explorer on a page of'
        " its own</a></p>"
    )


def clear() -> None:
    """Forget the traces of an earlier build."""
    for path in FOLDER.glob("*.*"):
        path.unlink()
