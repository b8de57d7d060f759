"""Say in words what a figure shows, for readers who cannot see it: what the code that draws it says of itself."""

import ast
import importlib
import inspect
import pkgutil
import re
from functools import cache

from gptoss_edu import viz

DRAWS = re.compile(r"figure_|show_|draw_")
TITLE = re.compile(r"""(?:title=|set_title\()(["'])([^{}\n]{8,}?)\1""")
LABEL = re.compile(r"""([xy])label\W{1,2}(["'])([^{}\n]+?)\2""")


@cache
def package_words() -> dict[str, str]:
    """Return what every figure of `gptoss_edu.viz` shows, by name: the summary of its docstring."""
    modules = [importlib.import_module(f"{viz.__name__}.{found.name}") for found in pkgutil.iter_modules(viz.__path__)]
    functions = [pair for module in modules for pair in inspect.getmembers(module, inspect.isfunction)]
    drawing = [(name, f) for name, f in functions if name.startswith("figure_") or f.__module__.endswith("_figures")]
    return {name: summary(inspect.getdoc(f)) for name, f in drawing}


def summary(docstring: str | None) -> str:
    """Return a docstring's first paragraph without the verb: "Draw one row per merge." becomes "One row per merge."."""
    text = (docstring or "").split("\n\n")[0].replace("\n", " ")
    return text[5:6].upper() + text[6:] if text.startswith("Draw ") else text


def nodes(source: str, kind) -> list:
    """Return the parts of one kind in a cell's code, line by line; none where it is no plain Python."""
    try:
        found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, kind)]
    except SyntaxError:
        return []
    return sorted(found, key=lambda node: (node.lineno, node.col_offset))


def defined_words(source: str) -> dict[str, str]:
    """Return the summary of the docstring of every function that a cell defines, or an empty text."""
    return {f.name: summary(ast.get_docstring(f)) for f in nodes(source, ast.FunctionDef)}


def words_for(source: str, earlier: dict[str, str]) -> str:
    """Return a sentence on the figure that a cell draws, the first that can be found.

    In this order: the docstring of the function that draws it (here, in an earlier cell or in the package), what
    `checks.show` compares, the figure's title, its axes and the name of the function.
    """
    here = defined_words(source)
    drawn = [(name, words) for name, words in here.items() if DRAWS.match(name)]
    compared = ""
    for call in nodes(source, ast.Call):
        match call.func:
            case ast.Name(name) if DRAWS.match(name) and name not in here:
                drawn.append((name, earlier.get(name) or package_words().get(name, "")))
            case ast.Attribute(ast.Name(module), name) if (
                name.startswith("figure_") or module == "figures" or module.endswith("_figures")
            ):
                drawn.append((name, package_words().get(name, "")))
            case ast.Attribute(ast.Name("checks"), "show"):
                compared = compared or f"What {ast.unparse(call.args[0])} gives, beside what is right"
    for text in (
        *(words for _, words in drawn),
        compared,
        "; ".join(dict.fromkeys(m[1] for m in TITLE.findall(source))),
    ):
        if text:
            return text
    axes = {axis: ", ".join(dict.fromkeys(m[2] for m in LABEL.findall(source) if m[0] == axis)) for axis in "yx"}
    name = drawn[0][0].partition("_")[2].replace("_", " ") if drawn else ""
    return ": ".join(filter(None, (name, " over ".join(filter(None, axes.values())))))
