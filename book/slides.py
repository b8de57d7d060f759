"""Chapters as slides, offline: `make slides` writes book/_build/slides/NN.html (reveal.js, through nbconvert).

    python book/slides.py 00 06        some chapters; without numbers those of the plans: 00 04 06 08 12 15

Only the core path is shown. A heading begins a column, and what would not fit on one slide goes on below. An exercise
is its stub; solutions, hints, imports and outcomes of predictions stay out. reveal.js, RequireJS and MathJax come from
book/vendor, where book/deps.py has put them; nothing is loaded from a network.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import nbformat
from nbconvert.exporters import SlidesExporter
from traitlets.config import Config

from gptoss_edu.checks.registry import EXERCISES
from gptoss_edu.course.workshop import BEGIN, chapters, is_hints, student_source

VENDOR = Path(__file__).parent / "vendor" / "slides"
TARGET = Path(__file__).parent / "_build" / "slides"
CHAPTERS = ("00", "04", "06", "08", "12", "15")
A_SLIDE = 22  # lines, about; a picture counts as fourteen
IMPORTS = re.compile(r"(import|from|#|style\.|torch\.set|checks\.opening|$)")
MERMAID = re.compile(r"<script type=\"module\">\s*import mermaid.*?</script>", re.S)
NOTHING = "data:text/javascript,"
MATHJAX = """window.MathJax = {tex: {inlineMath: [["$", "$"], ["\\\\(", "\\\\)"]]}, options: {enableMenu: false},
  Hub: {getAllJax() {}, Rerender() {}, Config() {}, Queue() {}}};
"""


def lines(cell: nbformat.NotebookNode) -> float:
    """About how many lines a cell takes on a slide."""
    if cell.cell_type == "markdown":
        return sum(1 + len(line) // 90 for line in cell.source.splitlines() if line.strip())
    hidden = "hide-input" in cell.metadata.get("tags", [])
    found = 0 if hidden else cell.source.count("\n") + 2
    for output in cell.outputs:
        data = output.get("data", {})
        text = output.get("text", "") if "text" in output else data.get("text/plain", "")
        found += 14 if "image/png" in data else 1 + "".join(text).count("\n")
    return found


def left_out(cell: nbformat.NotebookNode) -> bool:
    """Return what a room does not need to see: what is beside the core path, hints, imports, checks and outcomes."""
    if "core" not in cell.metadata.get("tags", []) or is_hints(cell):
        return True
    source = cell.source.strip()
    if cell.cell_type != "code":
        return not source
    nothing_but_imports = all(IMPORTS.match(line) for line in source.split("\n"))
    return nothing_but_imports or source.startswith(
        ("checks.reveal(", "checks.questions", "display(checks.reveal", *(f"checks.{name}(" for name in EXERCISES))
    )


def as_slides(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return the notebook with a slide type for each cell; it is changed in place."""
    filled = 0.0
    for cell in notebook.cells:
        if left_out(cell):
            cell.metadata["slideshow"] = {"slide_type": "skip"}
            continue
        if cell.cell_type == "code":
            if BEGIN in cell.source:
                cell.source, cell.outputs = student_source(cell.source), []
                cell.metadata["tags"] = [tag for tag in cell.metadata["tags"] if tag != "hide-input"]
            cell.outputs = [output for output in map(_shown, cell.outputs) if output is not None]
        needed = lines(cell)
        heading = re.search(r"^(#{1,3}) ", cell.source, re.M) if cell.cell_type == "markdown" else None
        if heading and len(heading[1]) < 3:
            kind, filled = "slide", needed
        elif heading or filled + needed > A_SLIDE:
            kind, filled = "subslide", needed
        else:
            kind, filled = "-", filled + needed
        cell.metadata["slideshow"] = {"slide_type": kind}
    notebook.metadata.pop("widgets", None)
    return notebook


def _shown(output):
    """Return an output as a room sees it: outcomes stay out, and a question asks for a show of hands."""
    page = "".join(output.get("data", {}).get("text/html", ""))
    if ": the answer is " in page:
        return None
    if "Set a choice and a confidence" in page:
        output.data = {"text/html": re.sub(r"<i>Set a choice[^<]*</i>", "<i>Hands up: a, b, c?</i>", page)}
    return output


def exporter() -> SlidesExporter:
    """nbconvert's, with every address on this machine."""
    config = Config()
    config.SlidesExporter.reveal_url_prefix = "vendor/reveal.js"
    config.SlidesExporter.reveal_theme = "white"
    config.SlidesExporter.reveal_number = "c/t"
    config.SlidesExporter.reveal_width, config.SlidesExporter.reveal_height = "1280", "800"
    config.SlidesExporter.require_js_url = "vendor/require.js"
    config.SlidesExporter.jquery_url = config.SlidesExporter.widget_renderer_url = NOTHING
    config.SlidesExporter.font_awesome_url = "data:text/css,"
    config.SlidesExporter.mathjax_url = "vendor/mathjax.js"
    config.TagRemovePreprocessor.enabled, config.TagRemovePreprocessor.remove_input_tags = True, {"hide-input"}
    config.SlidesExporter.exclude_input_prompt = config.SlidesExporter.exclude_output_prompt = True
    return SlidesExporter(config=config)


STYLE = """<style>
.reveal .slides section { text-align: left; font-size: 24px; }
.reveal h1, .reveal h2, .reveal h3 { text-transform: none; letter-spacing: 0; }
.reveal h1 { font-size: 1.9em; } .reveal h2 { font-size: 1.5em; } .reveal h3 { font-size: 1.15em; }
.reveal pre { width: 100%; box-shadow: none; font-size: 18px; line-height: 1.3; }
.reveal .jp-OutputArea-output :is(img, svg) { margin: 0 auto; display: block;
  max-height: 460px; max-width: 100%; height: auto; }
</style></head>"""


def write(path: Path) -> Path:
    """Write the slides of one chapter."""
    notebook = as_slides(nbformat.read(path, as_version=4))
    page, _ = exporter().from_notebook_node(notebook)
    target = TARGET / f"{path.stem[:2]}.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    page = MERMAID.sub("", page)
    target.write_text(page.replace("</head>", STYLE, 1), encoding="utf-8")
    return target


def copy_vendor() -> None:
    """The front-end files beside the slides, so that the folder can be carried anywhere."""
    shutil.copytree(VENDOR, TARGET / "vendor", dirs_exist_ok=True)
    theme = TARGET / "vendor" / "reveal.js" / "dist" / "theme" / "white.css"  # without its font from elsewhere
    theme.write_text(re.sub(r"@import [^;]+;", "", theme.read_text(encoding="utf-8")), encoding="utf-8")
    mathematics = (VENDOR / "tex-svg-full.js").read_text(encoding="utf-8")
    (TARGET / "vendor" / "mathjax.js").write_text(MATHJAX + mathematics, encoding="utf-8")


def main(numbers: list[str]) -> int:
    if not (VENDOR / "reveal.js" / "dist" / "reveal.js").is_file():
        print(f"book/slides.py: expected reveal.js in {VENDOR}, found none; run make book-deps first.", file=sys.stderr)
        return 2
    for path in chapters(list(numbers or CHAPTERS)):
        print(write(path))
    copy_vendor()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
