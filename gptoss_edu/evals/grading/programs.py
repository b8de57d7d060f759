"""Grade programs by hidden tests, and patches by a repository's tests, both inside the sandbox.

A program is right if it prints what each hidden test expects. A patch is right if it applies, the tests that failed
before pass, and those that passed before still do.

Source: Jimenez et al. 2024, arXiv:2310.06770, section 2 (SWE-bench: tests from failing to passing).
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from gptoss_edu.options import read_json
from gptoss_edu.tools.sandbox import Limits, choose_isolation, clean_environment, jail_command, visible_scratch

from ..benchmark import Grade, Question, Reply, verdict
from .unified_diff import DiffError, apply_diff

MEGABYTE = 2**20
RUN = (
    "import sys; sys.stdin = open('.input'); "
    "exec(compile(open('main.py').read(), 'main.py', 'exec'), {'__name__': '__main__'})"
)
TESTS = """
import importlib.util, json, sys, traceback
results = {}
for name in json.loads(sys.argv[1]):
    path, _, function = name.partition('::')
    try:
        spec = importlib.util.spec_from_file_location('tested', path)
        module = importlib.util.module_from_spec(spec)
        sys.path.insert(0, '.')
        spec.loader.exec_module(module)
        getattr(module, function)()
        results[name] = True
    except BaseException:
        results[name] = False
json.dump(results, open('.results.json', 'w'))
"""

PYTEST = """
import json, sys
import pytest
sys.path.insert(0, '.')
class Record:
    results = {}
    def pytest_runtest_logreport(self, report):
        if report.when == 'call' or report.failed:
            self.results[report.nodeid] = report.passed
pytest.main(['-q', '--rootdir=.', '-p', 'no:cacheprovider', *json.loads(sys.argv[1])], plugins=[Record()])
json.dump(Record.results, open('.results.json', 'w'))
"""


def code_of(reply: Reply) -> str:
    """Return the program of a reply: its last fenced block; without one the code of its last call of a python tool."""
    blocks = re.findall(r"```(?:[A-Za-z+#]*)[^\S\n]*\n(.*?)```", reply.text, re.S)
    if blocks:
        return blocks[-1]
    called = [text for name, text in reply.calls if name == "python"]
    return called[-1] if called else ""


def run_python(code: list[str], folder: Path, seconds: float, memory: int = 512 * MEGABYTE) -> tuple[str, str]:
    """Run ``python -I -c …`` in the sandbox with ``folder`` as its own.

    Returns
    -------
    (ended, printed) : "stop", "failed" or "too slow", and the standard output
    """
    kind = choose_isolation()
    limits = Limits(memory=memory, processor_seconds=int(seconds) + 1, file_size=16 * MEGABYTE, processes=64)
    with tempfile.TemporaryDirectory(prefix="gptoss-eval-") as name:
        run = Path(name)
        environment = clean_environment(visible_scratch(kind, folder)) | {"PYTHONHASHSEED": "0"}
        command = jail_command(kind, [sys.executable, "-I", "-c", *code], folder, run, limits, environment)
        with open(run / "printed", "wb") as printed:
            # keep the pipe to its standard input open: when it closes, the jail kills everything inside
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=printed, stderr=subprocess.DEVNULL)
            try:
                ended = "stop" if process.wait(seconds) == 0 else "failed"
            except subprocess.TimeoutExpired:
                ended = "too slow"
            finally:
                process.stdin.close()
                process.wait()
        with open(run / "printed", "rb") as file:
            return ended, file.read(MEGABYTE).decode("utf-8", "replace")


def same_output(printed: str, wanted: str) -> bool:
    """Return whether two texts are equal line by line, ignoring blanks at line ends and empty lines at the end."""
    lines = [[line.rstrip() for line in text.rstrip().split("\n")] for text in (printed, wanted)]
    return lines[0] == lines[1]


def grade_program(question: Question, reply: Reply) -> Grade:
    """Grade whether the program passes every hidden test; target: {"tests": [{"input", "output"}, …], "seconds"}."""
    code = code_of(reply)
    if not code.strip():
        return verdict(False, "no program" if reply.text else reply.missing)
    seconds, tests = question.target.get("seconds", 5.0), question.target["tests"]
    for number, test in enumerate(tests):
        with tempfile.TemporaryDirectory(prefix="gptoss-program-") as name:
            folder = Path(name)
            (folder / "main.py").write_text(code, encoding="utf-8")
            (folder / ".input").write_text(test["input"], encoding="utf-8")
            ended, printed = run_python([RUN], folder, seconds)
        if ended != "stop" or not same_output(printed, test["output"]):
            kind = {"stop": "wrong output", "failed": "error", "too slow": "too slow"}[ended]
            return Grade(0.0, False, kind, printed[:300], {"passed": number, "tests": len(tests)})
    return verdict(bool(tests), "no tests", f"{len(tests)} tests", passed=len(tests), tests=len(tests))


def diff_of(reply: Reply) -> str:
    """Return a reply's patch: its last block fenced as a diff, or the text from its first "--- " line on."""
    blocks = re.findall(r"```(?:diff|patch)?[^\S\n]*\n(.*?)```", reply.text, re.S)
    blocks = [block for block in blocks if re.search(r"^--- ", block, re.M)]
    if blocks:
        return blocks[-1]
    start = re.search(r"^(?:diff --git |--- )", reply.text, re.M)
    return reply.text[start.start() :] if start else ""


def grade_patch(question: Question, reply: Reply) -> Grade:
    """Grade as right if the patched repository passes its tests.

    target : {"folder" or "files", "test_patch", "fail_to_pass", "pass_to_pass"}; "files" (path: text) is a small
        repository in the data file, whose tests are plain functions; "folder" is a checkout on this machine, which is
        copied and tested by pytest with the packages of this Python

    The tests run in one process with the patched code, so a patch written against this grader can deceive it.
    """
    patch = diff_of(reply)
    if not patch:
        return verdict(False, "no patch" if reply.text else reply.missing)
    target = question.target
    with tempfile.TemporaryDirectory(prefix="gptoss-patch-") as name:
        folder = Path(name) / "repository"
        if target.get("folder"):
            shutil.copytree(target["folder"], folder, ignore=shutil.ignore_patterns(".git"))
        else:
            write_files(folder, target["files"])
        try:
            apply_diff(folder, patch)
        except DiffError as error:
            return verdict(False, "does not apply", error)
        try:
            if target.get("test_patch"):
                apply_diff(folder, target["test_patch"])
        except DiffError as error:
            return verdict(False, "touches the tests", error)
        wanted = [*target["fail_to_pass"], *target["pass_to_pass"]]
        if target.get("folder"):
            ended, _ = run_python([PYTEST, json.dumps(wanted)], folder, target.get("seconds", 600.0), 4096 * MEGABYTE)
        else:
            ended, _ = run_python([TESTS, json.dumps(wanted)], folder, target.get("seconds", 60.0))
        results = folder / ".results.json"
        passed = _results(results)
    failed = [test for test in wanted if passed.get(test) is not True]
    broken = [test for test in failed if test in target["pass_to_pass"]]
    kind = "too slow" if ended == "too slow" else "breaks a test" if broken else "does not fix it"
    return verdict(bool(wanted) and not failed, kind, ", ".join(failed), failed=failed)


def _results(path: Path) -> dict:
    """Return which tests passed, as the sandboxed process wrote it; any other output means that none did."""
    try:
        found = read_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_files(folder: Path, texts: dict[str, str]) -> None:
    for path, text in texts.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
