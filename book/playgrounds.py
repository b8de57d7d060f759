"""The live model in the pages: where its boxes stand, and the files that all of them share."""

import json
import re
import tomllib
from pathlib import Path

import nbformat

from gptoss_edu.errors import GptOssError
from gptoss_edu.web.playground import Lab, ModelFiles
from gptoss_edu.web.site import site_script

TEXTS = Path(__file__).with_name("playgrounds.toml")
KINDS = {"plain", "sinks", "window", "experts", "busiest", "heads", "temperature", "efforts", "forge"}
ELEMENT = (
    '<div class="playground" data-playground="{}"><p class="wait">Here the model runs in the page; '
    "this needs JavaScript.</p></div>"
)
WEIGHTS = "_static/model.js"
PICTURE = {
    "kind": "picture",
    "title": "Ask, and walk through the answer",
    "text": "gpt-oss-tiny answers in this page; every number below is that of a token of this answer.",
    "question": "What is 47 times 36?",
    "effort": "high",
}
FRONT = {"kind": "plain", "title": "Ask gpt-oss-tiny", "text": "It runs in this page: no server, no network."}


def boxes() -> list[dict]:
    """Return the boxes as they are written down. Raises GptOssError where a kind is none."""
    found = tomllib.loads(TEXTS.read_text(encoding="utf-8"))["box"]
    for box in found:
        if box["kind"] not in KINDS:
            raise GptOssError(
                f"{TEXTS.name}: expected a kind of {', '.join(sorted(KINDS))}, found {box['kind']!r}; fix it there."
            )
    return found


def insert(notebook, stem: str) -> None:
    """Put a chapter's boxes at the end of their sections."""
    for box in boxes():
        if box["chapter"] != stem:
            continue
        cell = nbformat.v4.new_markdown_cell(ELEMENT.format(stem))
        cell.id = f"live-{stem}"
        notebook.cells.insert(_end_of_section(notebook, box["after"], stem), cell)


def _end_of_section(notebook, heading: str, stem: str) -> int:
    """Return the place before the next cell with a heading of the second level."""
    texts = [cell.source if cell.cell_type == "markdown" else "" for cell in notebook.cells]
    start = next((i for i, text in enumerate(texts) if heading in text.split("\n")), None)
    if start is None:
        raise GptOssError(f"{TEXTS.name}: {stem} has no heading {heading!r}; name one that it has.")
    later = (i for i in range(start + 1, len(texts)) if re.search(r"^##+ ", texts[i], re.M))
    return next(later, len(texts))


def write_files(site: Path) -> None:
    """The scripts and the lab, into the built site: one copy of the weights for all pages."""
    files = ModelFiles.read()
    chapters = {path.stem[:2]: f"chapters/{path.name}" for path in sorted(site.glob("chapters/*.html"))}
    lab = Lab(files, WEIGHTS, "The lab: gpt-oss-tiny in this page", home="index.html", chapters=chapters)
    settings = lab.settings()
    experiments = {box["chapter"]: box for box in boxes()}
    examples = {"examples": settings["examples"]}
    experiments |= {"front": FRONT | examples, "picture": PICTURE | examples}
    shared = {key: settings[key] for key in ("config", "large", "palette", "limits", "refusals", "chapters")}
    told = json.dumps({**shared, "experiments": experiments}, separators=(",", ":"))
    (site / "_static" / "gptoss.js").write_text(site_script() + f"window.gptossSettings = {told};\n", encoding="utf-8")
    (site / WEIGHTS).write_text(files.script(), encoding="utf-8")
    lab.save(site / "lab.html")
