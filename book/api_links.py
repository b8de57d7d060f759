"""Links between the chapters and the API reference: code in a text leads to what it names, and every entry says who
uses it.
"""

import ast
import importlib
import inspect
import re
from collections import defaultdict
from pathlib import Path

import nbformat
from docutils import nodes
from sphinx.util.nodes import make_refnode

PACKAGE = "gptoss_edu"
API = "generated/api/"
NAME = re.compile(r"([A-Za-z_][\w.]*)(\(.*\))?")  # a name, dotted or not, and perhaps a call of it
FILE = re.compile(r"(?:\w+/)+\w+\.py")  # with its folder: `attention.py` alone may be one of two
# A word that names nothing else: it has an underscore or a capital inside, so that `start` or `decode` stay words.
UNMISTAKABLE = re.compile(r"[A-Za-z]\w*(_[a-z]|[a-z][A-Z]|[A-Z]{2}[a-z])\w*|RMSNorm|KVCache")


def bindings(notebook) -> dict[str, object]:
    """Return what each imported name of a chapter stands for, as far as it belongs to the package."""
    found = {}
    for tree in _trees(notebook):
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for name in node.names:
                    if name.name.split(".")[0] == PACKAGE:
                        module = importlib.import_module(name.name)
                        found[name.asname or PACKAGE] = module if name.asname else importlib.import_module(PACKAGE)
            elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE:
                for name in node.names:
                    found[name.asname or name.name] = _member(node.module, name.name)
    return {name: thing for name, thing in found.items() if thing is not None}


def used(notebook) -> list[object]:
    """Return the package's things that the chapter's code imports, or reaches through what it imports."""
    bound = bindings(notebook)
    found = list(bound.values())
    for tree in _trees(notebook):
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                found.append(follow(ast.unparse(node), bound))
    found += [_member(_module_of(path)) for path in re.findall(r"`gptoss_edu/([\w/]+)\.py`", _text(notebook))]
    return [thing for thing in found if thing is not None]


def follow(dotted: str, bound: dict[str, object]) -> object | None:
    """`trace.ShiftSink` where `trace` is bound: the class. None where a step leads nowhere."""
    first, *rest = dotted.split(".")
    thing = bound.get(first)
    for step in rest:
        thing = getattr(thing, step, None)
    return thing


def _trees(notebook) -> list[ast.AST]:
    """Return the code cells; lines that are for the shell or for IPython are left out."""
    trees = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            source = "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in cell.source.split("\n"))
            try:
                trees.append(ast.parse(source))
            except SyntaxError:  # an exercise about a mistake may hold one
                continue
    return trees


def _text(notebook) -> str:
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def _module_of(path: str) -> str:
    return f"{PACKAGE}.{path.replace('/', '.')}".removesuffix(".__init__")


def _member(module: str, name: str | None = None) -> object | None:
    """Return a module or what it holds; a module of that name counts as what a package holds."""
    try:
        found = importlib.import_module(module)
        if name is None or hasattr(found, name):
            return found if name is None else getattr(found, name)
        return importlib.import_module(f"{module}.{name}")
    except ImportError:
        return None


def is_entry(thing: object) -> bool:
    """Functions, classes and modules are one thing wherever they are imported from; constants are not."""
    return inspect.isroutine(thing) or inspect.isclass(thing) or inspect.ismodule(thing)


# --------------------------------------------------------------------------------- from the reference to the chapters


class Chapters:
    """Which chapter uses what."""

    def __init__(self, folder: Path):
        self.bound: dict[str, dict[str, object]] = {}
        self.users: dict[int, list[str]] = defaultdict(list)
        for path in sorted(folder.glob("[0-9][0-9]_*.ipynb")):
            notebook = nbformat.read(path, as_version=4)
            self.bound[f"chapters/{path.stem}"] = bindings(notebook)
            for thing in used(notebook):
                self.add(thing, path.stem)

    def add(self, thing: object, stem: str) -> None:
        """The thing, and the module that it comes from."""
        home = None if inspect.ismodule(thing) else inspect.getmodule(thing)
        for one in (thing, home):
            if one is not None and is_entry(one) and stem not in self.users[id(one)]:
                self.users[id(one)].append(stem)

    def say(self, app, what, name, obj, options, lines) -> None:
        """Ends an entry with its chapters. Runs after the docstring has become reStructuredText."""
        stems = self.users.get(id(obj), []) if is_entry(obj) else []
        if stems and what in ("module", "function", "class"):
            links = ", ".join(f":doc:`{stem[:2]} </chapters/{stem}>`" for stem in stems)
            lines += [
                "",
                ".. container:: used-in",
                "",
                f"   In {'chapter' if len(stems) == 1 else 'chapters'} {links}",
                "",
            ]


# --------------------------------------------------------------------------------- from the chapters to the reference


def link_code(app, doctree, docname) -> None:
    """In every section the first `name` that the reference documents becomes a link to its entry."""
    if docname.startswith(API) or not docname.startswith(("chapters/", "pages/")):
        return
    objects = app.env.domaindata["py"]["objects"]
    entries, short = app.api_entries, app.api_short_names
    if not entries:
        _index(objects, entries, short)
    bound = app.chapters.bound.get(docname, {})
    done = set()
    for literal in list(doctree.findall(nodes.literal)):
        if not _inside(literal, (nodes.reference, nodes.title, nodes.term)):
            text = literal.astext()
            target = _target(text, bound, objects, entries, short)
            place = _entry(objects, target) or _source(app.env, _file(text))
            section = _inside(literal, (nodes.section,))
            if place and (id(section), place) not in done:
                done.add((id(section), place))
                link = make_refnode(app.builder, docname, *place, literal.deepcopy(), target or "the file's source")
                link["classes"].append("api")
                literal.replace_self(link)


def _index(objects, entries: dict[int, str], short: dict[str, set[str]]) -> None:
    """The documented things by identity, and their names without the module."""
    for name, entry in objects.items():
        thing = _member(name) if entry.objtype == "module" else _member(*name.rpartition(".")[::2])
        if is_entry(thing):
            entries.setdefault(id(thing), name)
            short[name.rpartition(".")[2]].add(entries[id(thing)])


def _entry(objects, name: str | None) -> tuple[str, str] | None:
    """Page and anchor of a documented thing."""
    return (objects[name].docname, objects[name].node_id) if name else None


def _source(env, module: str | None) -> tuple[str, str] | None:
    """Return the page with a module's source, for a file that has no entry of its own."""
    return (f"_modules/{module.replace('.', '/')}", "") if env._viewcode_modules.get(module) else None


def _file(text: str) -> str | None:
    """Return the module that a file's path names."""
    return _module_of(text.removeprefix(f"{PACKAGE}/").removesuffix(".py")) if FILE.fullmatch(text) else None


def _target(text: str, bound, objects, entries, short) -> str | None:
    """Return the full name of what a piece of code names, if that is documented."""
    file, name = _file(text), NAME.fullmatch(text)
    if file or not name:
        return entries.get(id(_member(file))) if file else None
    dotted = name[1]
    if dotted in objects and dotted.startswith(PACKAGE + "."):
        return dotted
    thing = follow(dotted, bound)
    if is_entry(thing):
        return entries.get(id(thing))
    candidates = short.get(dotted, set()) if UNMISTAKABLE.fullmatch(dotted) else set()
    return next(iter(candidates)) if len(candidates) == 1 else None


def _inside(node: nodes.Node, kinds: tuple) -> nodes.Node | None:
    """Return the nearest ancestor of one of these kinds."""
    while node is not None and not isinstance(node, kinds):
        node = node.parent
    return node


def setup(app, chapters: Path) -> None:
    """Reads the chapters, and connects both directions."""
    app.chapters, app.api_entries, app.api_short_names = Chapters(chapters), {}, defaultdict(set)
    app.connect("autodoc-process-docstring", app.chapters.say, priority=900)
    app.connect("doctree-resolved", link_code)
