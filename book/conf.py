"""Sphinx settings: the notebooks' stored outputs and a few pages, as a site that needs no network."""

import shutil
import sys
from pathlib import Path

BOOK = Path(__file__).parent
ROOT = BOOK.parent
sys.path.insert(0, str(BOOK))

# Sphinx reads only below its own folder: the chapters are copied there, and nothing else writes to that copy.
chapters = BOOK / "chapters"
chapters.mkdir(exist_ok=True)
for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
    target = chapters / notebook.name
    if not target.exists() or target.read_bytes() != notebook.read_bytes():
        shutil.copyfile(notebook, target)
for stale in chapters.glob("*.ipynb"):
    if not (ROOT / "notebooks" / stale.name).exists():
        stale.unlink()

project = "gpt-oss, built"
author = "the authors of gptoss_edu"
copyright = "the authors of gptoss_edu, Apache-2.0"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
nb_execution_mode = "off"  # what the site shows is what the tests ran
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
autodoc_typehints = "none"
napoleon_google_docstring = False
suppress_warnings = ["mystnb.unknown_mime_type", "myst.header"]

html_theme = "sphinx_book_theme"
html_title = "gpt-oss, built"
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_theme_options = {
    "show_toc_level": 2,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "home_page_in_toc": True,
}
html_show_sourcelink = False

mathjax_path = "vendor/tex-svg-full.js"
mathjax3_config = {"options": {"enableMenu": False}}
nb_ipywidgets_js = {
    "vendor/widgets/require.js": {},
    "amd-paths.js": {},
    "vendor/widgets/embed-amd.js": {"data-jupyter-widgets-cdn": "vendor-missing/"},
}


def setup(app):
    """Docstrings hold control tokens such as <|start|>, which reStructuredText would take for substitutions."""

    def escape(app, what, name, obj, options, lines):
        lines[:] = [line.replace("<|", "<\\|").replace("|>", "\\|>") for line in lines]

    app.connect("autodoc-process-docstring", escape)
