"""The checks that chapter 13 brings along, against plausible wrong solutions, each refused with its cause."""

import contextlib
import io
from functools import cache

import matplotlib
import nbformat
import pytest
from chapter_cells import run_cell

from gptoss_edu.resources import notebooks_path

matplotlib.use("Agg")

WRONG = [  # exercise, wrong solution, words of the message
    (
        "schema_of",
        "def schema_of(f):\n    s = right(f)\n    return {**s, 'required': list(s['properties'])}",
        "A parameter with a default is optional",
    ),
    (
        "schema_of",
        "def schema_of(f):\n    s = right(f)\n    p = inspect.signature(f).parameters.values()\n"
        "    return {**s, 'required': [q.name for q in p if q.default is q.empty or not q.default]}",
        "a default may be False or 0",
    ),
    (
        "schema_of",
        "def schema_of(f):\n    p = inspect.signature(f).parameters.values()\n"
        "    return {**right(f), 'properties': {q.name: {'type': q.annotation.__name__} for q in p}}",
        "KINDS",
    ),
    (
        "schema_of",
        "def schema_of(f):\n    s = right(f)\n"
        "    return {**s, 'properties': {k: {'type': 'integer'} for k in s['properties']}}",
        "string, number",
    ),
    (
        "schema_of",
        "def schema_of(f):\n    p = inspect.signature(f).parameters.values()\n"
        "    return {**right(f), 'required': [q.name for q in p if q.default is None]}",
        "not None",
    ),
    (
        "mistakes",
        "def mistakes(s, a):\n    return {**right(s, a), 'missing': set(s['properties']) - set(a)}",
        "Only names in required can be missing",
    ),
    (
        "mistakes",
        "def mistakes(s, a):\n    return {**right(s, a), 'unknown': set()}",
        "one missing, one unknown",
    ),
    (
        "mistakes",
        "def mistakes(s, a):\n    return {**right(s, a), 'wrong': set()}",
        "Compare each value with PYTHON_TYPES",
    ),
    (
        "mistakes",
        "def mistakes(s, a):\n    p = s['properties']\n"
        "    wrong = {k for k, v in a.items() if k in p and not isinstance(v, PYTHON_TYPES[p[k]['type']])}\n"
        "    return {**right(s, a), 'wrong': wrong}",
        "isinstance(True, int)",
    ),
    (
        "mistakes",
        "def mistakes(s, a):\n    exact = {'string': str, 'integer': int, 'number': float, 'boolean': bool}\n"
        "    p = s['properties']\n"
        "    return {**right(s, a), 'wrong': {k for k, v in a.items() if k in p and type(v) is not exact[p[k]['type']]}}",
        "Every integer is a number",
    ),
    (
        "citations",
        "def citations(t):\n    return {m[0]: (int(m[1]), int(m[2]), int(m[3])) for m in"
        " re.finditer(r'【(\\d+)†L(\\d+)-L(\\d+)】', t)}",
        "ends at its first line",
    ),
    (
        "citations",
        "def citations(t):\n    return {m[0]: (int(m[1]), int(m[2]), int(m[3] or m[2])) for m in"
        " re.finditer(r'【(\\d+)†L(\\d+)(?:-(\\d+))?】', t)}",
        "follows -L",
    ),
    (
        "citations",
        "def citations(t):\n    return {k: tuple(map(str, v)) for k, v in right(t).items()}",
        "Three ints",
    ),
    (
        "citations",
        "def citations(t):\n    return dict(list(right(t).items())[:1])",
        "Take every match",
    ),
    (
        "citations",
        "def citations(t):\n    return {m[0]: right(m[0]).get(m[0], (0, 0, 0)) for m in re.finditer('【[^】]*】', t)}",
        "L and digits",
    ),
    (
        "agent",
        "def agent(model, call_tool, messages, n):\n    return [*messages, *model(messages), Message('user', 'more')]",
        "ends the loop",
    ),
    (
        "agent",
        "def agent(model, call_tool, messages, n):\n    messages = [*messages, *model(messages)]\n"
        "    return messages if not messages[-1].recipient else [*messages, call_tool(messages[-1])]",
        "then the model is asked again",
    ),
    (
        "agent",
        "def agent(model, call_tool, messages, n):\n    messages = [*messages, *model(messages)]\n"
        "    if messages[-1].recipient:\n        messages += [call_tool(messages[-1])]\n        messages += model(messages)\n"
        "    return messages",
        "the second turn may be a call too",
    ),
    (
        "agent",
        "def agent(model, call_tool, messages, n):\n    return right(model, call_tool, messages, 8)",
        "and that is all",
    ),
    (
        "agent",
        "def agent(model, call_tool, messages, n):\n"
        "    return right(model, call_tool, messages, n if n > 1 else n - 1)",
        "max_steps counts calls",
    ),
    (
        "agent",
        "def agent(model, call_tool, messages, n):\n    made = right(model, call_tool, messages, n)\n"
        "    messages += made[1:] if n == 3 and len(made) == 4 else []\n    return made",
        "Work on a copy",
    ),
]


@cache
def chapter() -> tuple[dict, dict]:
    """The chapter's imports and helpers, the solutions and the check cells by exercise; no tool is started."""
    notebook = nbformat.read(notebooks_path() / "13_tools_and_agents.ipynb", as_version=4)
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    names, solutions, checks = {"display": lambda *shown: None}, {}, {}
    with contextlib.redirect_stdout(io.StringIO()):
        for source in sources:
            if "BEGIN SOLUTION" in source:
                run_cell(source, names)
                solutions[source.split("def ")[1].split("(")[0]] = source
            elif "checks.custom(" in source:
                run_cell(source, names)
                checks[source.split('checks.custom("')[1].split('"')[0]] = source
            elif source.startswith(("import ", "def weather")) or (
                source.startswith("@checks.picture") and "schema =" in source
            ):
                run_cell(source, names)
    return names, checks


def result_of(exercise: str, solution: str):
    names, checks = chapter()
    names = dict(names)
    names["right"] = names[exercise]
    exec(solution, names)
    return run_cell(checks[exercise], names)


@pytest.mark.slow
@pytest.mark.parametrize(("exercise", "solution", "says"), WRONG)
def test_a_wrong_solution_is_refused_with_its_cause(exercise, solution, says):
    result = result_of(exercise, solution)
    assert result.status == "failed", result.message
    assert says in result.message


@pytest.mark.slow
@pytest.mark.parametrize("exercise", sorted({exercise for exercise, _, _ in WRONG}))
def test_the_shown_solution_passes_and_a_stub_is_called_not_written(exercise):
    assert result_of(exercise, "pass").passed
    stub = f"def {exercise}(*arguments):\n    raise NotImplementedError('write it')"
    assert result_of(exercise, stub).status == "not written yet"
