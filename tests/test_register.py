"""Check the register of public reports: every listed thread has a test or a reason, and the page names them all."""

import importlib.util
import re
from collections import Counter
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SPEC = importlib.util.spec_from_file_location("register", HERE.parent / "book" / "register.py")
register = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(register)
TESTS, ROWS = register.read_tests(HERE), register.read_list(HERE / "reports.toml")


def mistakes(rows, tests) -> list[str]:
    """Return what differs between the rows and the tests, one sentence each; both must name the same threads."""
    named = {thread for test in tests for thread in test.threads}
    listed = Counter(thread for row in rows for thread in row["threads"])
    found = [f"{thread} is tested and has no row in reports.toml" for thread in sorted(named - set(listed))]
    found += [f"{thread} stands in {count} rows" for thread, count in listed.items() if count > 1]
    for row in rows:
        missing = [thread for thread in row["threads"] if thread not in named]
        if "reason" in row and not missing:
            found.append(f"{row['threads'][0]}: the row's reason is out of date, all its threads are tested")
        elif "reason" not in row:
            found += [f"{thread} has neither a test nor a reason" for thread in missing]
    return found


def test_rows_and_tests_name_the_same_threads():
    assert mistakes(ROWS, TESTS) == []
    assert len(ROWS) >= 40 and all(row["threads"] and row["symptom"] and row["area"] for row in ROWS)


def test_each_mistake_of_the_register_is_found():
    row = {"threads": ["openai/harmony 1", "openai/harmony 2"]}
    excused = row | {"reason": "it cannot be tried here"}
    one = [register.Test("test_x.py", "test_a", ("openai/harmony 2",))]
    both = [register.Test("test_x.py", "test_a", tuple(row["threads"]))]
    assert mistakes([row], both) == mistakes([excused], one) == []
    assert mistakes([row], one) == ["openai/harmony 1 has neither a test nor a reason"]
    assert mistakes([], one) == ["openai/harmony 2 is tested and has no row in reports.toml"]
    assert "out of date" in mistakes([excused], both)[0]
    assert mistakes([row, row], both)[0] == "openai/harmony 1 stands in 2 rows"


@pytest.mark.slow
def test_every_line_that_names_a_report_is_read():
    """A line without owner, name, number and period, or outside a function, would silently be left out of the page."""
    for path in sorted(HERE.rglob("test_*.py")):
        file = path.relative_to(HERE).as_posix()
        read = sum(len(test.threads) for test in TESTS if test.file == file)
        written = len(re.findall("Report:(?!`)", path.read_text(encoding="utf-8")))
        assert path == Path(__file__) or written == read, file


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
