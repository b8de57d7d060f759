"""Resolve the package for other machines, from the public index, without installing it.

    make check-install
    python .ci/check_install.py --constraints OTHER.txt --platform "Linux x86-64" --python 3.12 --extra base

Every platform, Python and extra is resolved twice: with the versions of constraints.txt, and with the lowest version
that each range in pyproject.toml allows. Local folders, mirrors and other settings of pip and uv are switched off,
because a learner has none of them. Only wheels count, because a learner has no compilers. Exit 0 when every row is as
expected, 1 when one is not, and 77 when rows could not be checked because there is no network.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV_HOME = ROOT / "build" / "uv"
SKIPPED = 77  # what Automake's test driver takes for "skipped", so that it is neither a pass nor a failure

# uv's name of each platform. llguidance's wheels need glibc 2.31 (Debian 11, Ubuntu 20.04), torch's need macOS 14.
PLATFORMS = {
    "Linux x86-64": "x86_64-manylinux_2_31",
    "Linux arm64": "aarch64-manylinux_2_31",
    "macOS arm64": "aarch64-apple-darwin",
    "Windows x86-64": "x86_64-pc-windows-msvc",
}
PYTHONS = ("3.11", "3.12", "3.13", "3.14")

# What is known not to install, each with the package that has no wheel. README says the same. A row that begins to
# resolve is reported too, because README is then out of date.
WITHOUT = (
    ("macOS Intel", "x86_64-apple-darwin", "3.12", "torch"),
    ("Windows arm64", "aarch64-pc-windows-msvc", "3.12", "torch"),
    ("Linux x86-64, glibc 2.28", "x86_64-manylinux_2_28", "3.12", "llguidance"),
    ("Linux x86-64", "x86_64-manylinux_2_31", "3.15", "torch"),
)
NO_NETWORK = re.compile(
    r"dns error|name resolution|lookup address|connection (refused|reset)|network is unreachable|no route to host"
    r"|failed to (fetch|connect)|could not connect|error sending request|timed out",
    re.I,
)
NO_ANSWER = "the public package index cannot be reached"


class NoNetworkError(Exception):
    """The public package index cannot be reached."""


@dataclass(frozen=True)
class Row:
    """One machine that is resolved for: its name, uv's name of it, its Python, and the extra that is asked for."""

    name: str
    platform: str
    python: str
    extra: str
    versions: str  # "pinned" or "lowest"


def clean_environment(**more: str) -> dict[str, str]:
    """Return this environment without any setting of pip or uv, neither variables nor files."""
    kept = {k: v for k, v in os.environ.items() if not k.upper().startswith(("PIP_", "UV_", "VIRTUAL_ENV"))}
    return {**kept, "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "UV_NO_CONFIG": "1", **more}


def get_uv() -> Path:
    """Return the path of a uv in an environment of its own below build/, fetched once from the public index."""
    folder = UV_HOME / ("Scripts" if os.name == "nt" else "bin")
    uv = folder / ("uv.exe" if os.name == "nt" else "uv")
    if not uv.exists():
        venv.create(UV_HOME, with_pip=True)
        command = [str(folder / "python"), "-m", "pip", "install", "--quiet", "--only-binary=:all:", "--retries=1",
                   "-c", str(ROOT / "constraints.txt"), "uv"]  # fmt: skip
        done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True)
        if done.returncode:
            if NO_NETWORK.search(done.stderr) or "from versions: none" in done.stderr:
                raise NoNetworkError(last_line(done.stderr))
            sys.exit(f"uv could not be installed: {done.stderr.strip()}")
    return uv


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1].strip()


def extras(pyproject: Path) -> list[str]:
    """Return the columns of the table: nothing extra, each extra by itself, and all of them together."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    return ["base", *project["optional-dependencies"], "all"]


def command_of(uv: Path, row: Row, pyproject: Path, constraints: Path) -> list[str]:
    """Return the uv command that resolves one row. It downloads metadata, never a wheel."""
    command = [str(uv), "pip", "compile", "--quiet", "--no-build", "--no-header", "--no-annotate", str(pyproject)]
    command += ["--python-platform", row.platform, "--python-version", row.python, "--python", sys.executable]
    if row.extra == "all":
        command.append("--all-extras")
    elif row.extra != "base":
        command += ["--extra", row.extra]
    pinned = ["-c", str(constraints)]
    return command + (pinned if row.versions == "pinned" else ["--resolution", "lowest-direct"])


def resolve(command: list[str], cache: Path) -> str:
    """Return why a resolution fails, "" when it succeeds, and NO_ANSWER when the index cannot be reached.

    The first try asks only the cache, which this very run filled, because asking the index whether 130 pages are
    still the same takes ten times as long as resolving. What the cache cannot answer is asked again with the network.
    """
    environment = clean_environment(
        UV_CACHE_DIR=str(cache), UV_PYTHON_DOWNLOADS="never", MACOSX_DEPLOYMENT_TARGET="14.0"
    )
    for more in (["--offline"], []):
        done = subprocess.run([*command, *more], env=environment, capture_output=True, text=True)
        if done.returncode == 0:
            return ""
    if NO_NETWORK.search(done.stderr):
        return NO_ANSWER
    text = " ".join(done.stderr.replace("│", " ").split())
    return re.sub(r"^.*?cause: |hint: .*$|^error: ", "", text).strip() or "uv failed without a message"


def verdicts(rows: list[Row], uv: Path, pyproject: Path, constraints: Path, cache: Path) -> dict[Row, str]:
    """Resolve every row; the answers are those of `resolve`. Four at once, because they mostly wait for the network."""

    def one(row: Row) -> str:
        return resolve(command_of(uv, row, pyproject, constraints), cache)

    first = sorted(rows, key=lambda row: row.extra != "all")  # the largest first: they fill the cache for the others
    if one(first[0]) == NO_ANSWER:
        raise NoNetworkError("asked by uv")
    with ThreadPoolExecutor(4) as pool:
        return dict(zip(first, pool.map(one, first)))


def print_table(found: dict[Row, str], columns: list[str]) -> list[str]:
    """Print a line per platform, Python and choice of versions; return the failures, one sentence each."""
    failures: dict[tuple[str, str], list[str]] = {}  # columns by machine and reason
    head = f"{'platform':<16}{'Python':<8}{'versions':<10}"
    print(head + " ".join(f"{column:>8}" for column in columns))
    lines = dict.fromkeys((row.name, row.platform, row.python, row.versions) for row in found)
    order = {name: index for index, name in enumerate(PLATFORMS)}
    for name, platform, python, versions in sorted(
        lines, key=lambda k: (order[k[0]], float(k[2][2:]), k[3] != "pinned")
    ):
        cells = []
        for column in columns:
            why = found[Row(name, platform, python, column, versions)]
            cells.append({"": "ok", NO_ANSWER: "skipped"}.get(why, "FAIL"))
            if why not in ("", NO_ANSWER):
                failures.setdefault((f"{name}, Python {python}, {versions}", why), []).append(column)
        print(f"{name:<16}{python:<8}{versions:<10}" + " ".join(f"{cell:>8}" for cell in cells))
    return [f"{machine} ({', '.join(which)}): {why}" for (machine, why), which in failures.items()]


def check_absent(found: dict[Row, str], uv: Path, pyproject: Path, constraints: Path, cache: Path) -> list[str]:
    """Whether what README calls impossible still is, and for the reason that it names; adds the answers to `found`."""
    failures = []
    print("\nnot installable, and said so in README:")
    for name, platform, python, package in WITHOUT:
        row = Row(name, platform, python, "base", "pinned")
        found[row] = why = resolve(command_of(uv, row, pyproject, constraints), cache)
        print(f"{name}, Python {python}: {f'{package} has no wheel' if package in why else why or 'resolved'}")
        if why == NO_ANSWER:
            continue
        if not why:
            failures.append(
                f"{name}, Python {python}: expected no wheel of {package}, found that it resolves; update README."
            )
        elif f"{package}==" not in why and f"{package} " not in why:
            failures.append(f"{name}, Python {python}: expected no wheel of {package}, found: {why}")
    return failures


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--constraints", type=Path, default=ROOT / "constraints.txt")
    parser.add_argument("--pyproject", type=Path, default=ROOT / "pyproject.toml")
    parser.add_argument("--platform", choices=PLATFORMS, action="append", help="only this one; may be repeated")
    parser.add_argument("--python", choices=PYTHONS, action="append", help="only this one; may be repeated")
    parser.add_argument("--extra", action="append", help="only this one; `base` is none, `all` is every one")
    parser.add_argument("--versions", choices=("pinned", "lowest"), action="append", help="only these")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse(argv)
    columns = args.extra or extras(args.pyproject)
    rows = [
        Row(name, PLATFORMS[name], python, extra, versions)
        for name in args.platform or PLATFORMS
        for python in args.python or PYTHONS
        for extra in columns
        for versions in args.versions or ("pinned", "lowest")
    ]
    print(f"check-install: {args.pyproject.name} with {args.constraints.name}, from the public index, wheels only\n")
    try:
        uv = get_uv()
        with tempfile.TemporaryDirectory() as cache:  # a new one each time: what an earlier run saw proves nothing
            found = verdicts(rows, uv, args.pyproject, args.constraints, Path(cache))
            failures = print_table(found, columns)
            if not (args.platform or args.python or args.extra or args.versions):
                failures += check_absent(found, uv, args.pyproject, args.constraints, Path(cache))
    except NoNetworkError as error:
        print(f"check-install: SKIPPED, nothing was checked: {NO_ANSWER} ({error}).")
        return SKIPPED
    for failure in failures:
        print(f"\nFAIL {failure}")
    skipped = list(found.values()).count(NO_ANSWER)
    print(f"\ncheck-install: {len(found)} resolutions, {len(failures)} not as expected, {skipped} skipped.")
    if skipped:
        print(f"check-install: SKIPPED in part: {NO_ANSWER}.")
    return 1 if failures else SKIPPED if skipped else 0


if __name__ == "__main__":
    sys.exit(main())
