"""Sphinx settings: the notebooks' stored outputs and a few pages, as a site that needs no network."""

import sys
from pathlib import Path

BOOK = Path(__file__).parent
ROOT = BOOK.parent
sys.path.insert(0, str(BOOK))

import api_links  # noqa: E402
import explorers  # noqa: E402
import figures  # noqa: E402
from docstrings import to_rst  # noqa: E402
from finish import finish  # noqa: E402
from generate import generate  # noqa: E402
from prepare import copy_chapters  # noqa: E402
from sphinx.ext.mathjax import html_visit_displaymath, html_visit_math  # noqa: E402

# Sphinx reads only below its own folder: the chapters are copied there, and nothing else writes to that copy.
explorers.clear()
figures.clear()
copy_chapters(ROOT / "notebooks", BOOK / "chapters")
figures.write_colors()
generate(ROOT / "notebooks", BOOK / "generated")

project = "gpt-oss, built"
author = "the authors of gptoss_edu"
copyright = "the authors of gptoss_edu, Apache-2.0"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build", "vendor", "generated/contents.md"]
nb_execution_mode = "off"  # what the site shows is what the tests ran
nb_merge_streams = True  # what one cell prints stands in one box
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
autodoc_typehints = "none"
napoleon_google_docstring = False
suppress_warnings = ["mystnb.unknown_mime_type", "myst.header"]

html_theme = "sphinx_book_theme"
html_title = "gpt-oss, built"
html_static_path = ["_static"]
html_favicon = "_static/favicon.svg"  # without one a browser asks a server for /favicon.ico
html_css_files = ["book.css", "figures.css"]
html_js_files = ["book.js", "search.js"]
html_theme_options = {
    "show_toc_level": 2,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "home_page_in_toc": True,
    "navbar_persistent": [],
}
html_context = {"default_mode": "auto"}  # light or dark as the reader's system says; a button changes it
html_show_sourcelink = False
html_copy_source = False

html_math_renderer = "typeset"  # finish.py sets all formulas at once
myst_update_mathjax = False
mathematics = (html_visit_math, None), (html_visit_displaymath, None)


def setup(app):
    """Docstrings become reStructuredText before anything else reads them; code in the text leads to its entry."""

    def translate(app, what, name, obj, options, lines):
        lines[:] = to_rst(lines)

    app.add_html_math_renderer("typeset", *mathematics)
    app.connect("autodoc-process-docstring", translate, priority=400)
    app.connect("build-finished", finish)
    api_links.setup(app, BOOK / "chapters")
