"""Check the register of public reports: every listed thread has a test or a reason, and the page names them all."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SPEC = importlib.util.spec_from_file_location("register", HERE.parent / "book" / "register.py")
register = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(register)
TESTS, ROWS = register.read_tests(HERE), register.read_list(HERE / "reports.toml")


def untested(rows, tests) -> list[str]:
    """Return the threads that have neither a test nor a reason."""
    named = {thread for test in tests for thread in test.threads}
    return [thread for row in rows for thread in row["threads"] if thread not in named and not row.get("reason")]


def test_every_pitfall_has_a_test_or_a_named_reason():
    assert untested(ROWS, TESTS) == []
    assert len(ROWS) >= 40 and all(row["threads"] and row["symptom"] and row["area"] for row in ROWS)


def test_a_pitfall_without_a_test_is_found():
    row = {"threads": ["openai/harmony 1", "openai/harmony 2"]}
    tests = [register.Test("test_x.py", "test_a", "", ("openai/harmony 2",))]
    assert untested([row], tests) == ["openai/harmony 1"]
    assert untested([row | {"reason": "it cannot be tried here"}], tests) == []


@pytest.mark.slow
def test_every_line_that_names_a_report_can_be_read():
    """A line without owner, name, number and period would silently be left out of the page."""
    for path in sorted(HERE.glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            words = (ast.get_docstring(node) or "") if isinstance(node, ast.FunctionDef) else ""
            assert words.count("Report:") == len(register.THREAD.findall(words)), f"{path.name}: {words}"


def test_a_test_that_names_a_report_is_run():
    """A report only counts if it is named by something that runs: a test, or a case of the server's table."""
    for test in TESTS:
        source = (HERE / test.file).read_text(encoding="utf-8")
        cased = re.search(rf"@case\([^@]*?\)(  # fmt: skip)?\ndef {test.name}\(", source, re.S)
        assert test.name.startswith("test_") or cased, test


@pytest.mark.slow
def test_the_page_lists_every_thread_with_its_test():
    text = register.page(HERE)
    for test in TESTS:
        assert register.named(test) in text, test
    for thread in {thread for row in ROWS for thread in row["threads"]} | {t for test in TESTS for t in test.threads}:
        name, _, number = thread.partition(" ")
        assert f"[{thread}](https://github.com/{name}/issues/{number})" in text, thread
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert all(line.count(" | ") in (1, 2) and not line.endswith("|  |") for line in rows)
