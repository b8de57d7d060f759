"""Test student copies, their updates, and progress, on a small course and on the real chapters."""

import contextlib
import errno
import io
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import filelock
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from gptoss_edu import checks, cli, options
from gptoss_edu.checks import CHECKS, bank, store
from gptoss_edu.commands import lab
from gptoss_edu.course import merge_copies, predictions, wheelhouse, workshop
from gptoss_edu.course import progress as exercises
from gptoss_edu.resources import notebooks_path

EXERCISE = '''def rms_norm(x, scale, eps):
    """About 3 lines."""
    x = x.float()
    ### BEGIN SOLUTION
    inverse = (x.pow(2).mean(-1, keepdim=True) + eps) ** -0.5
    return x * inverse * scale
    ### END SOLUTION'''
STUB = '''def rms_norm(x, scale, eps):
    """About 3 lines."""
    x = x.float()
    raise NotImplementedError("write rms_norm")'''
ANSWER = "def rms_norm(x, scale, eps):\n    return x  # mine"


def course(extra: str = "print('two')", exercise: str = EXERCISE):
    cells = [
        new_markdown_cell("# 03"),
        new_code_cell("from gptoss_edu import checks"),
        new_code_cell(exercise, metadata={"tags": ["exercise", "hide-input"], "jupyter": {"source_hidden": True}}),
        new_markdown_cell("<details>hint</details>", metadata={"tags": ["hints"]}),
        new_code_cell("checks.hints('a', 'b')"),
        new_code_cell("checks.rms_norm(rms_norm)"),
        new_code_cell(extra),
    ]
    for cell in cells:
        if cell.cell_type == "code":
            cell.execution_count, cell.outputs = 7, [new_output("stream", text="secret")]
    return new_notebook(
        cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    )


@pytest.fixture
def source(monkeypatch, tmp_path):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    monkeypatch.setattr(workshop, "notebooks_path", lambda: folder)
    monkeypatch.delenv(store.FOLDER_VARIABLE, raising=False)
    nbformat.write(course(), folder / "03_norm.ipynb")
    nbformat.write(course(), folder / "05_rope.ipynb")
    (folder / "notes.txt").write_text("notes")
    return folder


def sources(path):
    return [cell.source for cell in nbformat.read(path, as_version=4).cells]


def run(*arguments) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main([str(argument) for argument in arguments])
    return code, out.getvalue(), err.getvalue()


def test_solutions_and_outputs_are_cleared(source, tmp_path):
    folder = tmp_path / "mine"
    assert run("workshop", folder)[0] == 0
    notebook = nbformat.read(folder / "03_norm.ipynb", as_version=4)
    nbformat.validate(notebook)
    text = (folder / "03_norm.ipynb").read_text()
    assert "inverse" not in text and "secret" not in text and "hint" not in text
    exercise = notebook.cells[2]
    assert exercise.source == STUB
    assert exercise.metadata["tags"] == ["exercise"] and not exercise.metadata["jupyter"].get("source_hidden")
    assert all(cell.execution_count is None and not cell.outputs for cell in notebook.cells if cell.cell_type == "code")
    assert {path.name for path in folder.iterdir()} == {
        "03_norm.ipynb", "05_rope.ipynb", "README.md", "my_gptoss.py", "notes.txt", workshop.MANIFEST,
    }  # fmt: skip
    assert "05_rope" in (folder / "README.md").read_text()


def test_helper_cells_stay_folded_and_exercises_do_not():
    path = next(notebooks_path().glob("06_*.ipynb"))
    for with_hints in (False, True):
        copied = workshop.student_notebook(nbformat.read(path, as_version=4), with_hints)
        folded = [cell for cell in copied.cells if cell.metadata.get("jupyter", {}).get("source_hidden")]
        exercises_here = [cell for cell in copied.cells if "exercise" in cell.metadata.get("tags", [])]
        assert len(folded) >= 5 and len(exercises_here) == 2
        assert all("hide-input" in cell.metadata["tags"] and "raise NotImpl" not in cell.source for cell in folded)
        assert not any(cell in folded for cell in exercises_here)


def test_hints_and_chapters_are_a_choice(source, tmp_path):
    assert run("workshop", tmp_path / "a", "--with-hints", "--chapters", "03")[0] == 0
    assert "hint" in (tmp_path / "a" / "03_norm.ipynb").read_text()
    assert "--with-hints" in (tmp_path / "a" / "README.md").read_text()
    assert not (tmp_path / "a" / "05_rope.ipynb").exists()
    assert run("workshop", tmp_path / "b", "--chapters", "04-06")[0] == 0
    assert [path.name for path in (tmp_path / "b").glob("*.ipynb")] == ["05_rope.ipynb"]
    assert run("workshop", tmp_path / "d", "--chapters", "03,05", "06")[0] == 0
    assert len(list((tmp_path / "d").glob("*.ipynb"))) == 2
    for wrong in ("x", "17", "3-", "5-3", "03,x"):
        code, _, err = run("workshop", tmp_path / "c", "--chapters", wrong)
        assert code == 2 and "--chapters" in err and len(err.strip().splitlines()) == 1


def test_an_existing_folder_is_not_overwritten(source, tmp_path):
    run("workshop", tmp_path / "mine")
    code, _, err = run("workshop", tmp_path / "mine")
    assert code == 2 and "--update" in err


@pytest.fixture
def opened(monkeypatch, tmp_path):
    """Collect the folders in which JupyterLab would have been opened; the working folder is empty."""
    calls = []
    monkeypatch.setattr(lab.subprocess, "call", lambda command, env: calls.append(command[3].partition("=")[2]) or 0)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return calls


def test_lab_opens_a_copy_with_empty_exercises_and_fills_it_once(source, opened):
    assert run("lab")[0] == 0 and opened == ["my-course"]
    path = Path("my-course") / "03_norm.ipynb"
    assert STUB in sources(path) and "inverse" not in path.read_text() and "hint" in path.read_text()
    path.unlink()
    (path.parent / "05_rope.ipynb").write_text("mine")
    assert run("lab")[0] == 0 and not path.exists() and (path.parent / "05_rope.ipynb").read_text() == "mine"
    assert run("lab", "--folder", "other")[0] == 0 and STUB in sources("other/03_norm.ipynb")
    assert opened == ["my-course", "my-course", "other"]


@pytest.mark.parametrize("arguments", [(), ("--folder", ".")])
def test_lab_in_a_student_folder_adds_nothing(arguments, source, opened, monkeypatch):
    run("workshop", "some", "--chapters", "03")
    monkeypatch.chdir("some")
    before = {path.name: path.read_bytes() for path in Path().iterdir()}
    assert run("lab", *arguments)[0] == 0 and opened == ["."]
    assert before == {path.name: path.read_bytes() for path in Path().iterdir()}


def test_lab_shows_solutions_when_asked_and_never_in_a_student_folder(source, opened, monkeypatch):
    assert run("lab", "--solutions")[0] == 0 and opened == [str(notebooks_path())]
    monkeypatch.setattr(lab, "notebooks_path", lambda: source)
    monkeypatch.setattr(lab, "PACKAGE", source / "elsewhere" / "package")  # as installed from a wheel
    assert run("lab", "--solutions")[0] == 0 and opened[-1] == "gptoss-notebooks"
    assert EXERCISE in sources("gptoss-notebooks/03_norm.ipynb")
    run("workshop", "mine")
    code, _, err = run("lab", "--solutions", "--folder", "mine")
    assert code == 2 and "student folder" in err and STUB in sources("mine/03_norm.ipynb")


@pytest.mark.parametrize(
    ("folder", "words"), [("taken", "is a file"), ("full", "other files"), ("nope/deep", "no such folder")]
)
def test_lab_and_workshop_write_only_where_they_may(folder, words, source, opened):
    Path("taken").write_text("in the way")
    Path("full").mkdir()
    Path("full", "letter.txt").write_text("mine")
    before = sorted(Path().rglob("*"))
    calls = [("lab", "--folder", folder)] + ([] if folder == "full" else [("workshop", folder)])
    for call in calls:
        code, _, err = run(*call)
        assert code == 2 and words in err and len(err.strip().splitlines()) == 1
    assert sorted(Path().rglob("*")) == before and not opened


def test_an_update_leaves_the_hints(source, tmp_path):
    workshop.write(tmp_path / "mine", with_hints=True)
    report = workshop.write(tmp_path / "mine", update=True)
    assert not (report.new or report.replaced or report.merged)


def test_an_update_keeps_what_was_written(source, tmp_path):
    folder = tmp_path / "mine"
    workshop.write(folder)
    path = folder / "03_norm.ipynb"
    notebook = nbformat.read(path, as_version=4)
    next(cell for cell in notebook.cells if cell.source == STUB).source = ANSWER
    notebook.cells.insert(1, new_code_cell("print('a cell of mine')"))
    nbformat.write(notebook, path)
    (folder / "my_gptoss.py").write_text("# mine\n")
    before = path.read_text()
    assert workshop.write(folder, update=True).merged == [path.name], "the own cell moves to the end"
    nbformat.write(course("print('newer')"), source / "03_norm.ipynb")
    nbformat.write(course("print('newer')"), source / "05_rope.ipynb")
    report = workshop.write(folder, update=True)
    assert report.merged == ["03_norm.ipynb"] and report.replaced == ["05_rope.ipynb"]
    found = sources(path)
    assert ANSWER in found and STUB not in found
    assert "print('newer')" in found and "print('two')" not in found
    assert found[-2:] == [merge_copies.OWN_CELLS, "print('a cell of mine')"]
    assert (folder / "my_gptoss.py").read_text() == "# mine\n"
    assert (folder / "03_norm.before-update-1.ipynb").read_text() == before
    again = workshop.write(folder, update=True)
    assert not (again.merged or again.replaced or again.new)
    code, out, _ = run("workshop", folder, "--update")
    assert code == 0 and "up to date" in out


def test_an_update_brings_new_chapters_and_new_exercises(source, tmp_path):
    folder = tmp_path / "mine"
    workshop.write(folder)
    nbformat.write(course(), source / "06_sinks.ipynb")
    nbformat.write(course(exercise=EXERCISE.replace("About 3", "About 2")), source / "03_norm.ipynb")
    report = workshop.write(folder, update=True)
    assert report.new == ["06_sinks.ipynb"] and report.replaced == ["03_norm.ipynb"]
    assert "About 2" in (folder / "03_norm.ipynb").read_text()


def test_an_exercise_that_the_course_dropped_stays_with_the_learner(source, tmp_path):
    folder = tmp_path / "mine"
    workshop.write(folder)
    path = folder / "03_norm.ipynb"
    notebook = nbformat.read(path, as_version=4)
    next(cell for cell in notebook.cells if cell.source == STUB).source = ANSWER
    nbformat.write(notebook, path)
    nbformat.write(course(exercise="x = 1"), source / "03_norm.ipynb")
    workshop.write(folder, update=True)
    assert sources(path)[-2:] == [merge_copies.OWN_CELLS, ANSWER]


def test_unbalanced_markers_are_refused():
    with pytest.raises(workshop.WorkshopError, match="counterpart"):
        workshop.student_source("def f():\n    ### BEGIN SOLUTION\n    return 1")
    two = EXERCISE + "\n\n\ndef g():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION\n"
    assert workshop.student_source(two).count("raise NotImplementedError") == 2
    assert 'write g")' in workshop.student_source(two)


def test_a_damaged_manifest_is_named(source, tmp_path):
    workshop.write(tmp_path / "mine")
    (tmp_path / "mine" / workshop.MANIFEST).write_text("{")
    code, _, err = run("workshop", tmp_path / "mine", "--update")
    assert code == 2 and "damaged" in err


def test_wheelhouse_calls_pip_and_reports_its_failure(source, tmp_path, monkeypatch):
    calls = []

    def pip(command, **_):
        calls.append(command)
        return type("Finished", (), {"returncode": len(calls) - 1, "stderr": "noise\nERROR: no such index\n"})()

    monkeypatch.setattr(wheelhouse.subprocess, "run", pip)
    assert run("workshop", tmp_path / "a", "--wheelhouse")[0] == 0
    install = (tmp_path / "a" / "wheelhouse" / "INSTALL.txt").read_text()
    assert "wheel" in calls[0] and f"Python {platform.python_version()}, or a newer" in install
    assert "wheelhouse/INSTALL.txt" in (tmp_path / "a" / "README.md").read_text()
    assert run("workshop", tmp_path / "a", "--update")[0] == 0
    assert "wheelhouse/INSTALL.txt" in (tmp_path / "a" / "README.md").read_text()
    code, _, err = run("workshop", tmp_path / "b", "--wheelhouse")
    assert code == 2 and "no such index" in err


@pytest.mark.slow
def test_progress(tmp_path):
    folder = tmp_path / "mine"
    right = "import torch\n\n\n" + bank.right("swiglu")[0].source.replace("def slices", "def swiglu")
    folder.mkdir()
    store.write_section(folder, "swiglu", right)
    store.write_section(folder, "rms_norm", "def rms_norm(x, scale, eps):\n    return x\n")
    (folder / "predictions.json").write_text(
        json.dumps(
            {
                "06.1": {"choice": "c", "confidence": 0.7},
                "06.2": {"choice": "a", "confidence": 0.7},
                "06.mine": {"choice": "a", "confidence": 1.0},
            }
        )
    )
    (folder / exercises.FILE_NAME).write_text(json.dumps({"sink_gate": "passed", "interleave": "refused"}))
    code, out, _ = run("progress", folder)
    line = out.strip().splitlines()[-1]
    assert "chapter 06  1 of 1\n" in out and "to do: run_expert, interleave (refused now)" in out
    assert code == 0 and f"1 of 13 exercises pass, and 1 of {len(exercises.MORE)} more; 1 of 2 predictions" in out
    assert "stored, but refused now" in out
    marks = "".join({"swiglu": "x", "rms_norm": "?"}.get(name, ".") for name in CHECKS)
    more = "".join({"sink_gate": "x", "interleave": "?"}.get(name, ".") for name in exercises.MORE)
    assert line == f"gptoss-edu-progress 3 {marks} more {more} predictions 1/2 here all"
    pasted, old = tmp_path / "lines.txt", f"gptoss-edu-progress 1 {marks.replace('?', 'x')} predictions 1/2"
    pasted.write_text(f"A: {line}\nB, whose course is older, says {old} ok\n")
    code, out, _ = run("progress", "--lines", pasted)
    assert (
        code == 0
        and "swiglu                        2   2" in out
        and "rms_norm                      1   2      1" in out
        and "2 of 4 right" in out
        and out.startswith("2 learners")
        and "sink_gate                     1   1      0          0  " + "#" * 30 in out
    )
    assert run("progress", folder, folder)[1].count("#" * 30) == 2


def test_progress_lists_and_counts_the_chapters_of_the_folder(source, tmp_path):
    folder = tmp_path / "mine"
    assert run("workshop", folder)[0] == 0  # chapters 03 and 05
    code, out, _ = run("progress", folder)
    assert code == 0 and [line.split()[0] for line in out.splitlines()[:3]] == [
        "rms_norm",
        "apply_rope",
        "yarn_inv_freq",
    ]
    assert [line.split()[1] for line in out.splitlines() if line.startswith("chapter")] == ["03"]
    assert "0 of 3 exercises pass, and 0 of 2 more" in out
    line = out.strip().splitlines()[-1]
    assert "." * len(CHECKS) + " more " + "." * len(exercises.MORE) in line, "pasted lines count all, to be added up"
    (folder / exercises.FILE_NAME).write_text(json.dumps({"sink_gate": "passed"}))
    assert "1 of 3 more" in run("progress", folder)[1], "what is done elsewhere is not lost"
    (folder / "03_norm.ipynb").rename(folder / "13_tools.ipynb")
    (folder / "05_rope.ipynb").unlink()
    assert "\n1 of 5 exercises pass; 0 of 0" in run("progress", folder)[1]


def test_a_chapters_own_exercise_is_kept_as_its_check_came_out_last(tmp_path, monkeypatch):
    monkeypatch.setenv(store.FOLDER_VARIABLE, str(tmp_path))

    def sink_gate(x):
        return x + wrong

    def stub(x):
        raise NotImplementedError

    def check(name, function):
        return checks.custom(name, function, [checks.Case("one", (1.0,), 2.0, "why")])

    wrong = 5.0
    check("sink_gate", sink_gate)
    assert exercises.read(tmp_path) == {}, "what never passed is not yet done, not refused"
    wrong = 1.0
    assert check("sink_gate", sink_gate).remark == ""
    assert check("an exercise of the learner's own", sink_gate).passed
    assert exercises.read(tmp_path) == {"sink_gate": "passed"}
    wrong = 5.0
    check("sink_gate", sink_gate)
    check("sink_gate", stub)
    assert exercises.read(tmp_path) == {"sink_gate": "refused"}
    (tmp_path / exercises.FILE_NAME).write_text("{")
    wrong = 1.0
    result = check("sink_gate", sink_gate)
    assert result.passed and "damaged" in result.remark


WRITER = """
import sys, time
from pathlib import Path
from gptoss_edu.checks import predict, store
from gptoss_edu.course import progress as exercises

def answer(x):
    return x

mine = int(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for name in exercises.MORE[mine::2]:
    assert exercises.record(name, answer, "passed") == ""
    assert store.remember(name, answer, callable)[1] == ""
    predict(name, "a", 0.7, question="Which?", options={"a": "one"})
"""


@pytest.mark.slow
def test_two_notebooks_that_write_at_once_lose_nothing(tmp_path):
    (tmp_path / "writer.py").write_text(WRITER)
    (tmp_path / "course").mkdir()
    environment = {**os.environ, store.FOLDER_VARIABLE: str(tmp_path / "course")}
    two = [
        subprocess.Popen(
            [sys.executable, tmp_path / "writer.py", str(i)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        for i in range(2)
    ]
    for writer in two:
        assert writer.stdout.readline() == "ready\n"
    for writer in two:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert [writer.wait(60) for writer in two] == [0, 0]
    everything = set(exercises.MORE)
    assert set(exercises.read(tmp_path / "course")) == everything
    assert set(store.read_sections(tmp_path / "course")) == everything
    assert set(predictions.read(tmp_path / "course")) == everything


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOLCK, "no locks here"), filelock.Timeout("lock")], ids=["none", "held"]
)
def test_without_locks_things_are_kept_and_while_another_holds_the_lock_nothing_is(error, tmp_path, monkeypatch):
    def acquire(*args, **options):
        raise error

    monkeypatch.setenv(store.FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(filelock.FileLock, "acquire", acquire)
    held = isinstance(error, filelock.Timeout)
    said = exercises.record("sink_gate", lambda x: x, "passed")
    checks.predict("99.lock", "a", 0.7, question="Which?", options={"a": "one"})
    predictions.forget()
    assert said.startswith("not recorded in exercises.json: ") == held and bool(said) == held
    assert sorted(path.name for path in tmp_path.glob("*.json")) == (
        [] if held else ["exercises.json", "predictions.json"]
    )


def test_a_file_that_somebody_reads_is_replaced_a_moment_later(tmp_path, monkeypatch):
    """Behave as on Windows, where an open file cannot be replaced."""
    refusals = iter([PermissionError()] * 2)
    replace = os.replace

    def busy(*names):
        for refusal in refusals:
            raise refusal
        replace(*names)

    monkeypatch.setattr(options.os, "replace", busy)
    options.write_text(tmp_path / "a", "one\n")
    assert (tmp_path / "a").read_bytes() == b"one\n" and len(list(tmp_path.iterdir())) == 1


def test_the_finished_function_does_not_count_as_the_learners(tmp_path, monkeypatch):
    monkeypatch.setenv(store.FOLDER_VARIABLE, str(tmp_path))
    from gptoss_edu.tasks.graders import wilson

    namespace = {"wilson": wilson}
    exec("def both(k, n):\n    return list(wilson(k, n))", namespace)
    cases = [checks.Case("one", (3, 4), list(wilson(3, 4)), "why")]
    for function in (namespace["both"], wilson):
        result = checks.custom("wilson", function, cases)
        assert not result.passed and "finished one, not yours" in result.message and exercises.read(tmp_path) == {}
    exec("def wilson(k, n):\n    return finished(k, n)", namespace | {"finished": wilson}, namespace)
    namespace["finished"] = wilson
    assert checks.custom("wilson", namespace["both"], cases).passed
    assert exercises.read(tmp_path) == {"wilson": "passed"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "expected a student folder"),
        (("nowhere",), "my_gptoss.py"),
        (("--lines", "empty.txt"), "found none"),
        (("--lines", "short.txt"), "2 marks instead of 13"),
        (("--lines", "other.txt"), "1 marks after 'more'"),
        (("damaged",), "exercises.json is damaged"),
        (("guessed",), "predictions.json is damaged"),
        (("broken",), "section swiglu"),
    ],
)
def test_progress_refuses_in_one_line(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").write_text("nothing")
    (tmp_path / "short.txt").write_text("gptoss-edu-progress 1 xx predictions 1/2")
    (tmp_path / "other.txt").write_text(f"gptoss-edu-progress 2 {'x' * len(CHECKS)} more x predictions 1/2")
    for name in ("damaged", "guessed", "broken"):
        (tmp_path / name).mkdir()
        (tmp_path / name / store.FILE_NAME).write_text(store.HEADER)
    (tmp_path / "damaged" / exercises.FILE_NAME).write_text('{"sink_gate": 3}')
    (tmp_path / "guessed" / predictions.FILE_NAME).write_text('["06.1"]')
    store.write_section(tmp_path / "broken", "swiglu", "def swiglu(:\n")
    code, _, err = run("progress", *arguments)
    assert code == 2 and words in err and len(err.strip().splitlines()) == 1


def test_the_chapters_that_exist_make_student_copies(tmp_path):
    report = workshop.write(tmp_path)
    assert report.new
    for name in report.new:
        text = "\n".join(sources(tmp_path / name))
        assert "BEGIN SOLUTION" not in text and "END SOLUTION" not in text


@pytest.mark.slow
def test_a_student_copy_in_a_real_kernel(source, tmp_path):
    """As handed out, nothing raises and the check waits; once solved, it passes and the function is stored."""
    from nbclient import NotebookClient

    folder = tmp_path / "mine"
    workshop.write(folder, ["03"])
    notebook = nbformat.read(folder / "03_norm.ipynb", as_version=4)

    def shown() -> str:
        NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}}).execute()
        return str(notebook.cells[-2].outputs)

    assert "not written yet" in shown()
    written = EXERCISE.replace("return x * inverse * scale", "return (x * inverse * scale).to(dtype)")
    written = written.replace("    x = x.float()", "    dtype, x = x.dtype, x.float()")
    next(cell for cell in notebook.cells if cell.source == STUB).source = written
    assert "all 6 stages" in shown()
    assert list(store.read_sections(folder)) == ["rms_norm"]
    assert "rms_norm                   passes" in run("progress", folder)[1]
