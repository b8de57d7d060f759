"""The register: every public report that is a test case here, with its tests, made from their docstrings."""

import ast
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

THREAD = re.compile(r"Report:\s+([\w.-]+/[\w.-]+)\s+(\d+)\.")
HEAD = (
    "# The register of public reports\n\n"
    "People who work with gpt-oss told in public what went wrong. Each of their reports below is a test case of this "
    "project: a test's docstring names the thread, and this page is made from those docstrings. {threads} threads, "
    "{tests} tests. A row without a test says why. [Chapter 26](../chapters/26_bug_museum.ipynb) keeps fourteen of "
    "these faults alive.\n"
)


@dataclass(frozen=True)
class Test:
    """A test that names threads: its file, its name, and the threads."""

    file: str
    name: str
    threads: tuple[str, ...]


def read_tests(folder: Path) -> list[Test]:
    """Return every function of the test files whose docstring names a report."""
    found = []
    for path in sorted(folder.rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        if "Report:" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and "Report:" in (words := ast.get_docstring(node) or ""):
                threads = tuple(f"{name} {number}" for name, number in THREAD.findall(words))
                found.append(Test(path.relative_to(folder).as_posix(), node.name, threads))
    return found


def read_list(path: Path) -> list[dict]:
    """Return the rows of reports.toml: area, symptom, threads, and a reason where there is no test."""
    return tomllib.loads(path.read_text(encoding="utf-8"))["report"]


def page(folder: Path) -> str:
    """Markdown: one table for each area."""
    tests, rows = read_tests(folder), read_list(folder / "reports.toml")
    parts = [HEAD.format(threads=sum(len(row["threads"]) for row in rows), tests=len(tests))]
    for area in dict.fromkeys(row["area"] for row in rows):
        lines = [f"\n## {area[0].upper()}{area[1:]}\n", "| what went wrong | where | tested by |", "|---|---|---|"]
        for row in (row for row in rows if row["area"] == area):
            own = [test for test in tests if set(test.threads) & set(row["threads"])]
            cells = [named(test) for test in own] + ([row["reason"]] if "reason" in row else [])
            lines.append(f"| {row['symptom']} | {links(row['threads'])} | {'<br>'.join(cells)} |")
        parts.append("\n".join(lines) + "\n")
    return "".join(parts)


def named(test: Test) -> str:
    """Return a test as people type it."""
    return f"`{test.file}::{test.name}`"


def links(threads) -> str:
    """Return the threads as links; GitHub leads from issues/N to a pull request where N is one."""
    return ", ".join(
        f"[{name} {number}](https://github.com/{name}/issues/{number})"
        for name, _, number in (thread.partition(" ") for thread in threads)
    )
