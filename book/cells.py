"""What becomes of a chapter's cells in the book: noise goes, scaffolding folds, small print leaves the headings."""

import ast
import re

import nbformat

from gptoss_edu.course.workshop import is_hints

EXERCISE = re.compile(r"^(#{2,4}) (Exercise \d+: .+?) · (difficulty \d of \d) · (\d+ minutes?)[ ]*$", re.M)
LABELS = '{} {}\n\n<p class="labels"><span>{}</span> <span>{}</span></p>\n'
FOR_TESTS = re.compile(r"^# NBVAL_\w+.*\n?", re.M)
LINK = re.compile(r"\[([^\]]+)\]\((\d\d_\w+)\.ipynb(#[\w-]+)?\)")
VIEW = "application/vnd.jupyter.widget-view+json"
ASKS = {"predict", "reveal", "opening_questions", "ask"}


def without_noise(source: str) -> str:
    """Code without the lines that only speak to the test runner."""
    return FOR_TESTS.sub("", source).rstrip("\n")


def labelled(source: str) -> str:
    """Markdown whose exercise headings say their name; difficulty and minutes stand as small labels below."""
    return EXERCISE.sub(lambda match: LABELS.format(*match.groups()), source)


def linked_hints(source: str) -> str:
    """Hints are HTML, in which links are not Markdown's."""
    return LINK.sub(r'<a href="\2.html\3">\1</a>', source)


def name_of_fold(cell) -> str | None:
    """Return what the fold of a code cell is called, or None where the code is the reading."""
    if is_hints(cell):
        return "the code of the hints"
    tree = _parsed(cell.source)
    if tree is None:
        return None
    rest = [node for node in tree.body if not isinstance(node, (ast.Import, ast.ImportFrom))]
    if len(rest) < len(tree.body) and all(_is_setting(node) or _is_question(node) for node in rest):
        return "the imports"
    if len(tree.body) == 1 and _is_check(tree.body[0]):
        return "the check"
    return "the code" if "hide-input" in cell.metadata.get("tags", []) else None


def only_asks(cell) -> bool:
    """Return whether a code cell does nothing but show a question or an answer, which the book shows without a call."""
    tree = _parsed(cell.source)
    return tree is not None and bool(tree.body) and all(map(_is_question, tree.body))


def leave_input_out(cell) -> None:
    """Show the outputs of a cell alone."""
    _tag(cell, "remove-input")


def fold_input(cell, name: str) -> None:
    """Close a cell's code behind a line that names it."""
    _tag(cell, "hide-input")
    cell.metadata.setdefault("mystnb", {}).update(code_prompt_show=_title(name), code_prompt_hide=_title(name))


def fold_output(cell, name: str) -> None:
    """Close all outputs of a cell; its code stays in sight unless it is folded too, and then both are one fold."""
    _tag(cell, "hide-output")
    cell.metadata.setdefault("mystnb", {}).update(code_prompt_show=_title(name), code_prompt_hide=_title(name))


def without_widgets(cell, states: dict) -> bool:
    """Put the picture that a slider last showed in the slider's place, which needs a kernel; whether there was one.

    `states` : what the notebook stores of its widgets, by their ids.
    """
    kept, found = [], False
    for output in cell.outputs:
        view = output.get("data", {}).get(VIEW)
        found |= view is not None
        kept += [output] if view is None else _stills(view["model_id"], states)
    cell.outputs = kept
    return found


def _stills(model: str, states: dict) -> list:
    """Return the pictures in the output areas of a widget and of its children."""
    state = states.get(model, {}).get("state", {})
    found = [output for output in state.get("outputs", []) if "image/png" in output.get("data", {})]
    for child in state.get("children", []):
        found += _stills(child.removeprefix("IPY_MODEL_"), states)
    return [nbformat.from_dict(output) for output in found]


def _title(name: str) -> str:
    return name[:1].upper() + name[1:]


def _tag(cell, name: str) -> None:
    tags = cell.metadata.setdefault("tags", [])
    if name not in tags:
        tags.append(name)


def _parsed(source: str) -> ast.Module | None:
    try:
        return ast.parse(source)
    except SyntaxError:
        return None


def _is_question(node: ast.stmt) -> bool:
    """A call that only asks: checks.predict(…), checks.opening_questions(…), display(checks.questions.ask(…))."""
    if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        return False
    call = ast.unparse(node.value).removeprefix("display(")
    return call.startswith("checks.") and call.partition("(")[0].rpartition(".")[2] in ASKS


def _is_check(node: ast.stmt) -> bool:
    """checks.NAME(NAME): an exercise's check and nothing else."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Attribute)
        and isinstance(node.value.func.value, ast.Name)
        and node.value.func.value.id == "checks"
        and node.value.func.attr not in ASKS | {"show", "hints"}
    )


def _is_setting(node: ast.stmt) -> bool:
    """A call without a result, such as style.use(), or a constant's assignment."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Call) and not ast.unparse(node).startswith(("print", "checks", "plt"))
    return (
        isinstance(node, ast.Assign)
        and isinstance(node.value, (ast.Constant, ast.Call))
        and len(ast.unparse(node)) < 60
    )
