"""Check the rules for notebooks: form and budgets, exercises and checks, outputs, no network, concepts before use.

Each rule is a function that returns its findings as texts; the rules themselves are tested on a broken notebook.
"""

import ast
import contextlib
import io
import os
import re
import statistics
import subprocess
import symtable
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import matplotlib
import nbformat
import pytest

from gptoss_edu import checks
from gptoss_edu.checks import registry
from gptoss_edu.course import workshop
from gptoss_edu.resources import notebooks_path

matplotlib.use("Agg")

REVEALED = re.compile(r"(display\()?checks\.reveal\(\s*\"[^\"]+\",\s*answer=")
MAX_CELLS, MAX_WORDS, MAX_LINES, MAX_MEDIAN_LINES, MAX_BYTES = 60, 2500, 40, 8, 1_000_000
MAX_COLUMNS = 100
MAX_HTML, MAX_EXPLORERS = 300_000, 2
COMPARED = "nbval-check-output"  # nbval's tag: a stored output is compared when the notebook runs again
NETWORK = {"requests", "urllib", "urllib3", "http", "socket", "httpx", "aiohttp", "ftplib", "huggingface_hub"}
NOTEBOOKS = sorted(notebooks_path().glob("[0-9][0-9]_*.ipynb"))
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@cache
def read(path: Path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell) -> list[str]:
    return cell.metadata.get("tags", [])


def python(source: str) -> ast.Module:
    """Parse a cell without its magics."""
    return ast.parse("\n".join("pass" if re.match(r"\s*[%!?]", line) else line for line in source.splitlines()))


def lines(cell) -> int:
    return len([line for line in cell.source.splitlines() if line.strip()])


def form(notebook, size: int = 0) -> list[str]:
    """Check the numbers of cells and words, the length of lines, and the size in bytes."""
    found = []
    words = sum(len(cell.source.split()) for cell in notebook.cells if cell.cell_type == "markdown")
    counts = [lines(cell) for cell in code_cells(notebook)]
    shown = [cell for cell in notebook.cells if not (REVEALED.match(cell.source) and "hide-input" in tags(cell))]
    if len(shown) > MAX_CELLS:
        found.append(f"{len(shown)} cells, at most {MAX_CELLS}")
    if words > MAX_WORDS:
        found.append(f"{words} words, at most {MAX_WORDS}")
    if counts and statistics.median(counts) > MAX_MEDIAN_LINES:
        found.append(f"the median code cell has {statistics.median(counts):g} lines, at most {MAX_MEDIAN_LINES}")
    found += [f"a code cell of {count} lines, at most {MAX_LINES}" for count in counts if count > MAX_LINES]
    wide = [line for cell in code_cells(notebook) for line in cell.source.splitlines() if len(line) > MAX_COLUMNS]
    found += [f"a line of {len(line)} columns, at most {MAX_COLUMNS}: {line[:50]!r}" for line in wide]
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    doubled = [found for text in texts for found in re.findall(r"\$[^$\n]*\\\\[a-z]{2}[^$\n]*\$", text)]
    found += [f"a formula with a doubled backslash, which begins a new line there: {formula}" for formula in doubled]
    if size > MAX_BYTES:
        found.append(f"{size} bytes, at most {MAX_BYTES}")
    return found


def outputs(notebook) -> list[str]:
    """Check that cells ran in order without error, that checked outputs exist, and that no published check fails."""
    found, last, explorers = [], 0, 0
    for cell in code_cells(notebook):
        first = cell.source.strip().splitlines()[0][:50] if cell.source.strip() else ""
        count = cell.execution_count
        if first and count is None:
            found.append(f"not executed: {first!r}")
        elif first and count <= last:
            found.append(f"executed out of order: {first!r}")
        last = count or last
        if COMPARED in tags(cell) and (count is None or not cell.outputs):
            found.append(f"checked but without a stored output: {first!r}")
        for output in cell.outputs:
            html = "".join(output.get("data", {}).get("text/html", ""))
            explorers += "<iframe" in html and "srcdoc=" in html
            if len(html) > MAX_HTML:
                found.append(f"an output of {len(html)} bytes of HTML, at most {MAX_HTML}: {first!r}")
            if {"image/png", "image/svg+xml"} & output.get("data", {}).keys() == {"image/png"}:
                found.append(f"a figure without its drawing, which is left out above `vector.LARGEST`: {first!r}")
            text = str(output.get("text", "")) + str(output.get("data", {}).get("text/plain", ""))
            if output.output_type == "error":
                found.append(f"stored error {output.ename}: {first!r}")
            if re.search(
                r"not written yet|cannot be drawn|stages passed; refused at|no such question|no question \d", text
            ):
                found.append(f"a check does not pass in the published notebook: {first!r}")
    return found + ([f"{explorers} explorers, at most {MAX_EXPLORERS}"] if explorers > MAX_EXPLORERS else [])


def stubs(cell) -> list[str]:
    """Return the functions of a cell whose body holds a solution."""
    if workshop.BEGIN not in cell.source:
        return []
    before = cell.source.split(workshop.BEGIN)[:-1]
    names = [re.findall(r"^def (\w+)", part, re.M) for part in before]
    return [found[-1] for found in names if found]


def calls_check(cell, name: str) -> bool:
    """Return whether a cell is the check of an exercise and nothing else."""
    return cell.source.strip() == f"checks.{name}({name})"


def runs_check(cell) -> bool:
    """Return whether a cell runs the check of an exercise, not a picture or something else in `checks`."""
    return re.search(rf"^checks\.(custom|{'|'.join(registry.EXERCISES)})\(", cell.source, re.M) is not None


def exercises(notebook) -> list[str]:
    """Check that every stub says about how many lines it takes, and has a check in a later cell that nbval compares."""
    found, cells = [], code_cells(notebook)
    for position, cell in enumerate(cells):
        if runs_check(cell) and (COMPARED not in tags(cell) or ": passed, all" not in str(cell.outputs)):
            found.append(
                f"its stored output must say passed, and the tag {COMPARED} lets nbval compare: {cell.source[:50]!r}"
            )
        if workshop.BEGIN in cell.source and not stubs(cell):
            found.append(f"a solution outside a function: {cell.source.splitlines()[0][:50]!r}")
        for name in stubs(cell):
            if not any(calls_check(later, name) for later in cells[position + 1 :]):
                found.append(f"{name} has no check")
            if not re.search(
                r"about \d+ lines?|about (one|two|three|four|five|six|seven|eight|nine|ten) lines?", cell.source, re.I
            ):
                found.append(f"{name} does not say about how many lines it takes")
            if not {"exercise", "hide-input"} <= set(tags(cell)):
                found.append(f"the cell of {name} is not tagged exercise and hide-input")
    return found


def shape(notebook) -> list[str]:
    """Check for opening questions, predictions that are locked before they are revealed, and hints.

    Each chapter must end with what the learner can now explain.
    """
    number = re.search(r"\d\d", notebook.cells[0].source)
    number = number[0] if number else "none"
    source = "\n".join(cell.source for cell in code_cells(notebook))
    locked = {match[1]: match.start() for match in re.finditer(r'predict\(\s*"([^"]+)"', source)}
    revealed = {match[1]: match.start() for match in re.finditer(r'reveal\(\s*"([^"]+)"', source)}
    found = [
        f"{name} is revealed before it is predicted"
        for name, at in revealed.items()
        if at < locked.get(name, len(source))
    ]
    found += [f"{name} is predicted and never revealed" for name in locked if name not in revealed]
    if not locked:
        found.append("no prediction")
    if f'opening_questions("{number}")' not in source:
        found.append(f"no opening questions of chapter {number}")
    if f'"{number}.6"' not in source:
        found.append(f"the transfer question {number}.6 is not asked")
    hints = sum(cell.source.count("<details") for cell in notebook.cells if "hints" in tags(cell))
    hints += sum(3 for cell in code_cells(notebook) if workshop.is_hints(cell) and "hints" not in tags(cell))
    wanted = 3 * sum(len(stubs(cell)) for cell in code_cells(notebook))
    if hints < wanted:
        found.append(f"{hints} hints, {wanted} wanted: three an exercise")
    if not any("can now explain" in cell.source for cell in notebook.cells):
        found.append("it does not say what you can now explain")
    return found


def network(notebook) -> list[str]:
    """Find imports and shell commands that open connections."""
    found = []
    for cell in code_cells(notebook):
        if re.search(r"^\s*[!%].*\b(pip|conda|wget|curl|git)\b", cell.source, re.M):
            found.append(f"a shell command: {cell.source.splitlines()[0][:50]!r}")
        for node in ast.walk(python(cell.source)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found += [f"imports {name}" for name in names if name.split(".")[0] in NETWORK]
    return found


def used(cell, modules: set[str]) -> set[str]:
    """Return the concepts that a cell uses: names it reads but does not bind, and attributes of the package's modules.

    An import alone does not count as use.
    """
    found, own, tree = set(), set(), python(cell.source)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gptoss_edu"):
            modules |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Name):
            (found if isinstance(node.ctx, ast.Load) else own).add(node.id)
        elif isinstance(node, ast.arg):
            own.add(node.arg)
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in modules - {"checks"}
        ):
            found.add(node.attr)
    return found - own


def too_early(notebook) -> list[str]:
    """Find concepts that are used before the cell that is tagged as introducing them."""
    cells, found, modules = code_cells(notebook), [], set()
    introduced = {}
    for position, cell in enumerate(cells):
        for tag in tags(cell):
            if tag.startswith("introduces:"):
                introduced.setdefault(tag.removeprefix("introduces:"), position)
    for position, cell in enumerate(cells):
        for name in used(cell, modules):
            if introduced.get(name, -1) > position:
                found.append(f"cell {position + 1} uses {name}, which code cell {introduced[name] + 1} introduces")
    return sorted(found)


def folded(notebook) -> list[str]:
    """Check that hidden cells are folded in JupyterLab, that no outcome is visible, and that a tag compares outputs."""
    found = []
    for cell in code_cells(notebook):
        first = cell.source.strip().splitlines()[0][:50] if cell.source.strip() else ""
        if "hide-input" in tags(cell) and not cell.metadata.get("jupyter", {}).get("source_hidden"):
            found.append(f"tagged hide-input, but not folded: {first!r}")
        if re.search(REVEALED, cell.source) and "hide-input" not in tags(cell):
            found.append(f"the outcome of a prediction stands in plain sight: {first!r}")
        if "NBVAL_CHECK_OUTPUT" in cell.source:
            found.append(f"a comment asks to compare the output; the tag {COMPARED} does: {first!r}")
    return found


@each_notebook
@pytest.mark.parametrize(
    "rule", [outputs, exercises, shape, network, too_early, folded], ids=lambda rule: rule.__name__
)
def test_rules(path, rule):
    assert rule(read(path)) == []


@each_notebook
def test_form(path):
    assert form(read(path), path.stat().st_size) == []
    assert re.match(r"#\s+" + path.stem[:2], read(path).cells[0].source), "the header begins with the chapter's number"
    nbformat.validate(read(path))


def test_a_broken_notebook_breaks_every_rule():
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

    stub = "def f(x):\n    ### BEGIN SOLUTION\n    return sinks\n    ### END SOLUTION"
    cells = [
        new_markdown_cell("word " * 2501 + r"$\\frac{1}{2}$"),
        new_code_cell("\n".join(f"x{i} = {i}" for i in range(41))),
        new_code_cell(f"import requests\n!pip install x  # {'long' * 25}", execution_count=3),
        new_code_cell(stub, execution_count=2, outputs=[new_output("error", ename="ValueError")]),
        new_code_cell("gate = 1  # NBVAL_CHECK_OUTPUT", execution_count=4, metadata={"tags": ["hide-input"]}),
        new_code_cell("checks.custom('g', g, [])", execution_count=5, metadata={"tags": [COMPARED]}),
        new_code_cell("sinks = 2", execution_count=6, metadata={"tags": ["introduces:sinks"]}),
        new_code_cell('x = 1\nchecks.reveal("06.x", answer="c")', execution_count=6),
        new_code_cell(
            "1",
            execution_count=7,
            outputs=[
                new_output("execute_result", {"text/plain": "f: not written yet"}, execution_count=7),
                new_output("display_data", {"image/png": ""}),
            ],
        ),
    ]
    broken = new_notebook(cells=cells)
    assert len(form(broken, 2_000_000)) == 5
    assert len(outputs(broken)) == 7
    assert len(folded(broken)) == 3
    assert len(exercises(broken)) == 4
    assert len(network(broken)) == 2
    assert len(shape(broken)) == 6
    assert len(too_early(broken)) == 1
    many = new_notebook(cells=[new_code_cell("\n".join("x = 1" for _ in range(9))) for _ in range(MAX_CELLS + 1)])
    assert len(form(many)) == 2


def test_the_registry_and_the_chapters_have_the_same_exercises():
    by_chapter = registry.by_chapter()
    for path in NOTEBOOKS:
        found = tuple(name for cell in code_cells(read(path)) for name in stubs(cell))
        assert found == by_chapter.get(path.stem[:2], ()), f"{path.stem}: name its exercises in checks/registry.py"


@each_notebook
def test_a_heading_says_what_the_registry_says(path):
    """Difficulty and minutes agree between the heading before each exercise and the registry."""
    said = ""
    for cell in read(path).cells:
        headings = re.findall(r"^#+ Exercise .*difficulty (\d) of 3 · (\d+) minutes$", cell.source, re.M)
        said = headings[-1] if cell.cell_type == "markdown" and headings else said
        for name in stubs(cell) if cell.cell_type == "code" else []:
            exercise = registry.EXERCISES[name]
            assert said == (str(exercise.difficulty), str(exercise.minutes)), name


def bound(tree: ast.AST) -> set[str]:
    """Return the names that a cell binds at its top level, not inside functions."""
    found, waiting = set(), list(ast.iter_child_nodes(tree))
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
            continue
        if isinstance(node, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
        waiting += ast.iter_child_nodes(node)
    return found


def globals_of(tree: ast.Module) -> set[str]:
    """Return the notebook's names that some statements read, immediately or in a function that they define."""
    top = symtable.symtable(ast.unparse(tree), "cell", "exec")
    found, waiting = {name.get_name() for name in top.get_symbols() if name.is_referenced()}, list(top.get_children())
    while waiting:
        table = waiting.pop()
        found |= {name.get_name() for name in table.get_symbols() if name.is_global() and name.is_referenced()}
        waiting += table.get_children()
    return found


CERTAIN = (ast.Assign, ast.AnnAssign, ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)


def reads(tree: ast.Module) -> set[str]:
    """Return the names that a cell reads from other cells, without the local names of its functions."""
    found, later, own = set(), set(), set()
    for statement in tree.body:
        names = globals_of(ast.Module([statement], []))
        if isinstance(statement, ast.FunctionDef) and not statement.decorator_list:
            later |= names  # read only when it is called
        else:
            found |= names - own
        if isinstance(statement, ast.AugAssign):
            found |= bound(statement) - own
        if isinstance(
            statement, (ast.Assign, ast.AnnAssign, ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
        ):
            own |= bound(ast.Module([statement], []))
    return found | later - own


def needed(cells, targets: set[int]) -> list[int]:
    """Return the positions of the cells that `targets` need: those that bind a name read in a later needed cell."""
    wanted, keep = set(), set()
    for position in range(len(cells) - 1, -1, -1):
        tree = python(cells[position].source)
        binds = bound(tree)
        if position in targets or binds & wanted:
            keep.add(position)
            wanted = (wanted - binds) | reads(tree)  # the last binding before the use counts
    return sorted(keep)


def stub_users(cells) -> set[int]:
    """Return the cells with stubs, and the later ones that use them until the name is bound again."""
    found = set()
    for position, cell in enumerate(cells):
        for name in stubs(cell):
            found.add(position)
            for later in range(position + 1, len(cells)):
                tree = python(cells[later].source)
                if name in bound(tree):
                    break
                if name in reads(tree):
                    found.add(later)
    return found


def execute(cells, positions, folder, after=lambda position, namespace: None) -> tuple[str, dict]:
    """Run cells in one namespace; return everything shown or printed, and the namespace.

    After each cell, `after` is called with its position and the namespace.
    """
    shown, namespace, before = io.StringIO(), {"__name__": "__main__"}, os.getcwd()

    def display(*values, **_):
        shown.write("".join(f"{value!r}\n" for value in values))
        return SimpleNamespace(update=display)  # what display(…, display_id=True) returns

    namespace["display"] = display
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(shown), mock.patch("IPython.display.display", display):
            for position in positions:
                tree = python(cells[position].source)
                last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
                exec(compile(tree, f"cell {position + 1}", "exec"), namespace)
                if last is not None:
                    display(eval(compile(ast.Expression(last.value), f"cell {position + 1}", "eval"), namespace))
                matplotlib.pyplot.close("all")
                after(position, namespace)
    finally:
        os.chdir(before)
    return shown.getvalue(), namespace


SHORTER = {  # a student copy needs these names, but measures nothing with them
    "17_router_lab": [
        ("for _ in range(3)]", "for _ in range(1)]"),
        ("prompts[at : at + 32], 160", "prompts[at : at + 32], 4"),
    ],
    "23_hierarchy_and_safeguards": [
        ("conflicts(name, 6, efforts", "conflicts(name, 1, efforts"),
        ("max_new_tokens=160", "max_new_tokens=4"),
        ("Recipe(steps=4, rows=8", "Recipe(steps=1, rows=2"),
        ("answer(careless, asked, max_new_tokens=60)", "answer(careless, asked[:1], max_new_tokens=4)"),
        ("assert len(out) >= 3", ""),
        ("attack_texts(60,", "attack_texts(6,"),
        ("ordinary_texts(60,", "ordinary_texts(6,"),
        ("attack_texts(40,", "attack_texts(6,"),
        ("ordinary_texts(40,", "ordinary_texts(6,"),
    ],
}


def shortened(cells, stem: str):
    """Return the cells, with fewer samples where nothing depends on their number."""
    for long, short in SHORTER.get(stem, ()):
        (cell,) = (cell for cell in cells if long in cell.source)
        cell.source = cell.source.replace(long, short)
    return cells


@pytest.mark.slow
@each_notebook
def test_student_copies_run_and_say_not_written_yet(path, tmp_path):
    cells = code_cells(workshop.student_notebook(read(path)))
    originals = [cell for cell in code_cells(read(path)) if not workshop.is_hints(cell)]
    names = [name for cell in originals for name in stubs(cell)]
    if not names:
        pytest.skip(f"{path.stem} has no exercise with a stub")
    for cell, original in zip(cells, originals, strict=True):
        cell["stubbed"] = stubs(original)
    targets = stub_users(originals)
    text, _ = execute(shortened(cells, path.stem), needed(cells, targets), tmp_path)
    assert text.count("not written yet") >= len(names)


@pytest.mark.slow
@each_notebook
def test_solutions_pass_their_checks(path, tmp_path):
    """The shown solutions are right on all inputs of the checks."""
    cells, seen = code_cells(read(path)), []

    def check(position, namespace):
        for name in stubs(cells[position]):
            result = getattr(checks, name)(namespace[name], keep=False)
            assert result.passed, result.message
            seen.append(name)

    targets = {position for position, cell in enumerate(cells) if stubs(cell)}
    execute(cells, needed(cells, targets), tmp_path, check)
    assert seen == [name for cell in cells for name in stubs(cell)]


@pytest.mark.slow
def test_nbval_refuses_a_published_check_that_no_longer_passes(tmp_path):
    """A check never raises, so nbval must compare its output with the stored one, as the tag of `exercises` asks."""
    case = checks.Case("one", (1,), 2.0, "the cause")
    result = checks.custom("f", lambda x: x + 1.0, [case])
    data = {"text/plain": repr(result), "text/html": result._repr_html_()}
    cells = []
    for body, tag in (("x + 1.0", [COMPARED]), ("x + 2.0", []), ("x + 3.0", [COMPARED])):
        source = f"from gptoss_edu import checks\nchecks.custom('f', lambda x: {body}, [checks.{case!r}])"
        stored = nbformat.v4.new_output("execute_result", data, execution_count=1)
        cells.append(nbformat.v4.new_code_cell(source, execution_count=1, outputs=[stored], metadata={"tags": tag}))
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "three.ipynb")
    how = ["--nbval-lax", "--nbval-current-env", "-p", "no:cacheprovider", "-q", "three.ipynb"]  # as `make notebooks`
    ran = subprocess.run([sys.executable, "-m", "pytest", *how], cwd=tmp_path, capture_output=True, text=True)
    assert "FAILED three.ipynb::Cell 2" in ran.stdout and "1 failed, 2 passed" in ran.stdout, ran.stdout


WISHES = [  # what the chapter builds fulfils every wish of its opening problem
    ("01_warm_up", "try_out", "lambda x: x.softmax(-1)"),
    ("03_residual_and_rmsnorm", "try_out", "lambda x: x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()"),
    ("05_rope_and_yarn", "figure_code", "lambda p: [math.cos(0.1 * p), math.sin(0.1 * p)]"),
    ("06_attention_sinks", "try_out", "lambda x: x.exp() / (1 + x.exp().sum())"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "tried", "answer"), WISHES)
def test_what_a_chapter_builds_solves_its_problem(name, tried, answer, capsys):
    cells = code_cells(read(next(path for path in NOTEBOOKS if path.stem == name)))
    at = next(i for i, cell in enumerate(cells) if f"def {tried}(" in cell.source)
    _, names = execute(cells, needed(cells, {at}), ".")
    names[tried](eval(answer, names))
    said = capsys.readouterr().out
    assert said.count("yes") >= 3 and "NO" not in said
