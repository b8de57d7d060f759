"""Check the order of concepts: what a chapter takes from the package was introduced there or in a chapter it needs.

`too_early` in test_notebooks.py applies the same rule within one notebook, to the names that it defines.
"""

import ast
import importlib.util
import re
import sys
from functools import cache
from pathlib import Path

import pytest
from test_notebooks import NOTEBOOKS, bound, code_cells, each_notebook, python, read, stubs, tags

GIVEN = {  # names of the package that need no introduction, and why
    "ModelConfig": "the dozen numbers of a model, the subject of chapter 00",
    "load_model": "chapters 00 and 01: the small model that comes with the course",
    "generate": "chapter 01: the loop that feeds a model on what it says; chapter 11 opens it",
    "question_tokens": "chapter 01: a question as the model reads it; chapter 12 opens it",
    "load_tokenizer": "a table of ids and texts, which chapter 01 uses and chapter 02 opens",
    "make_example": "a text of the kind that gpt-oss-tiny was trained on: material, not a mechanism",
    "encode": "an example or a text as ids: chapter 02",
    "compare": "what an intervention changes, said in words where chapters 16 and 17 use it",
    "pad": "several lists of numbers as one tensor: basic PyTorch",
    "batch_losses": "chapter 01's cross-entropy, as a mean over texts",
    "GIB": "a number, 2 to the 30th",
    "trace_answer": "an answer with what the explorer shows of it; chapter 16 opens traces",
    "HarmonyError": "an exception: basic Python",
}
TOOLS = {  # modules of the package whose names are not concepts of the course, and why
    "gptoss_edu.checks": "the course's own tools; checks/__init__.py says how chapters use them",
    "gptoss_edu.viz": "pictures: each is explained by its caption",
    "gptoss_edu.web": "the explorer: its own words explain it",
    "gptoss_edu.course": "the course's own tools, handed on by gptoss_edu.checks",
    "gptoss_edu.resources": "where files lie",
    "gptoss_edu.cli": "the command line, named as in a terminal",
    "gptoss_edu.benchmarks": "timers: what they time is said where they print",
}


@cache
def is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def full_name(node, imported: dict[str, str]) -> str:
    """Return `a.b.c` with `a` replaced by what it was imported from; "" for anything else."""
    if isinstance(node, ast.Name):
        return imported.get(node.id, "")
    inner = full_name(node.value, imported) if isinstance(node, ast.Attribute) else ""
    return f"{inner}.{node.attr}" if inner and is_module(inner) else ""


def package_names(cell, imported: dict[str, str]) -> set[str]:
    """Return the names that a cell takes from the package and uses, in full.

    `imported` is brought up to date: name -> full name.
    """
    tree = python(cell.source)
    for name in bound(tree):
        imported.pop(name, None)
    for node in ast.walk(tree):
        home = "gptoss_edu" if isinstance(node, ast.Import) else getattr(node, "module", None) or ""
        if isinstance(node, (ast.Import, ast.ImportFrom)) and home.startswith("gptoss_edu"):
            for alias in node.names:
                full = alias.name if isinstance(node, ast.Import) else f"{home}.{alias.name}"
                if full.startswith("gptoss_edu"):
                    imported[alias.asname or alias.name] = full
    loaded = [node for node in ast.walk(tree) if isinstance(getattr(node, "ctx", None), ast.Load)]
    found = {full_name(node, imported) for node in loaded} - {""}
    return {name for name in found if not is_module(name) and not name.startswith(tuple(TOOLS))}


def introductions(notebook) -> dict[str, int]:
    """Map each concept to the code cell that introduces it: by its tag, or as an exercise."""
    found = {}
    for position, cell in enumerate(code_cells(notebook)):
        named = [tag.removeprefix("introduces:") for tag in tags(cell) if tag.startswith("introduces:")]
        for name in [*named, *stubs(cell)]:
            found.setdefault(name, position)
    return found


def words(notebook, position: int) -> str:
    """Return all prose up to the code cell at `position`: Markdown, and the comments and docstrings of that cell."""
    cell = code_cells(notebook)[position]
    before = notebook.cells[: notebook.cells.index(cell)]
    text = [other.source for other in before if other.cell_type == "markdown"]
    text += re.findall(r"(?<!['\"])#.*", cell.source)
    inside = [node for node in ast.walk(python(cell.source)) if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    text += [ast.get_docstring(node) or "" for node in inside]
    return "\n".join(text)


def strangers(notebook, known: set[str]) -> list[str]:
    """Return names of the package that neither an earlier chapter (`known`) nor this one introduces in a sentence."""
    introduced, imported, missing, found = introductions(notebook), {}, set(), []
    for position, cell in enumerate(code_cells(notebook)):
        for full in package_names(cell, imported):
            name = full.rpartition(".")[2]
            if name in GIVEN or (name in known and introduced.get(name) is None):
                continue
            if introduced.get(name, position + 1) > position and name not in known | missing:
                missing.add(name)  # reported once, at its first use
                found.append(f"cell {position + 1} ({cell.id}) uses {full}, which nothing introduces")
            elif introduced.get(name) == position and not re.search(rf"\b{name}\b", words(notebook, position)):
                found.append(
                    f"cell {position + 1} ({cell.id}) is tagged with {name}, and no sentence or comment names it"
                )
    return sorted(set(found))


@cache
def prerequisites() -> dict[str, set[str]]:
    """Map each chapter to all chapters that it needs, directly or indirectly, as the book's map draws them."""
    where = Path(__file__).parent.parent / "book" / "drawings.py"
    if str(where.parent) not in sys.path:
        sys.path.append(str(where.parent))  # drawings.py imports its neighbours by their bare names
    spec = importlib.util.spec_from_file_location("drawings", where)
    sys.modules["drawings"] = drawings = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(drawings)
    needs, every = drawings.direct([drawings.read_chapter(path) for path in NOTEBOOKS]), {}
    for number in sorted(needs):
        every[f"{number:02}"] = {f"{n:02}" for n in needs[number]}.union(*(every[f"{n:02}"] for n in needs[number]))
    return every


@each_notebook
def test_a_concept_is_introduced_before_its_use_in_the_order_of_the_course(path):
    before = [read(other) for other in NOTEBOOKS if other.stem[:2] in prerequisites()[path.stem[:2]]]
    assert strangers(read(path), {name for notebook in before for name in introductions(notebook)}) == []


@pytest.mark.slow
def test_what_is_given_without_introduction_is_used():
    used_names, imported = set(), {}
    for path in NOTEBOOKS:
        for cell in code_cells(read(path)):
            used_names |= {full.rpartition(".")[2] for full in package_names(cell, imported)}
    assert set(GIVEN) <= used_names, "a name that no chapter uses needs no reason"


def test_a_concept_of_a_chapter_that_is_not_needed_is_refused():
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    tagged = {"tags": ["introduces:route"]}
    use = new_code_cell("from gptoss_edu import moe as package\npackage.route(1)")
    assert len(strangers(new_notebook(cells=[use]), set())) == 1
    assert strangers(new_notebook(cells=[use]), {"route"}) == []
    said = new_markdown_cell("The function `route` picks four experts.")
    silent = new_code_cell("from gptoss_edu.moe import route as pick\npick(1)", metadata=tagged)
    assert "no sentence" in strangers(new_notebook(cells=[silent, use]), set())[0]
    assert "which nothing introduces" in strangers(new_notebook(cells=[use, said, silent]), set())[0], (
        "only after its use"
    )
    assert strangers(new_notebook(cells=[said, silent, use]), set()) == []
    own = new_code_cell("def route(x):\n    return x\n\nroute(1)")
    assert strangers(new_notebook(cells=[own]), set()) == [], "a chapter's own function is no name of the package"
