"""Store the learner's functions in my_gptoss.py when their checks pass, and load them again in chapter 10.

A section holds one function with everything that it uses (needs.py), so that each section runs alone. Text between the
sections belongs to the learner.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from gptoss_edu.options import read_json, write_text

from .guard import time_limit
from .needs import source_with_needs

FILE_NAME = "my_gptoss.py"
LOCK_NAME = ".my_gptoss.lock"
FOLDER_VARIABLE = "GPTOSS_EDU_FOLDER"
HEADER = '"""The parts of gpt-oss that I wrote. Each section was stored when its check passed."""\n'
SECTION = re.compile(
    r"^# --- (?P<name>\w+) ---[ \t]*\n(?P<body>.*?)^# --- end of (?P=name) ---[ \t]*(?:\n|\Z)", re.M | re.S
)


def workshop_folder() -> Path | None:
    """Return the folder with the learner's work, or None.

    It is $GPTOSS_EDU_FOLDER, or the nearest folder upwards that holds my_gptoss.py.
    """
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named)
    try:
        here = Path.cwd()
    except FileNotFoundError:  # the folder was deleted while the notebook ran
        return None
    return next((folder for folder in (here, *here.parents) if (folder / FILE_NAME).is_file()), None)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Lock a folder between reading and writing, so that other open notebooks wait.

    Raises: Timeout, an OSError, when another process has not finished within ten seconds.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    lock = FileLock(Path(folder) / LOCK_NAME)
    try:
        lock.acquire(timeout=10, poll_interval=0.01)
    except Timeout:
        raise
    except (OSError, NotImplementedError):
        pass  # no locks, or not writable, which the write itself will report
    try:
        yield
    finally:
        lock.release()


def read_entries(path: Path, what: str, is_entry: Callable[[object], bool]) -> dict:
    """Read a JSON object from the folder, {} if there is none yet. Raises ValueError if it is damaged."""
    if not path.is_file():
        return {}
    try:
        found = read_json(path.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(map(is_entry, found.values())):
        raise ValueError(f"{path} is damaged: expected JSON of {what}. Delete it to start again.")
    return found


def read_sections(folder: Path) -> dict[str, str]:
    """Return check name -> source of its section in `folder`."""
    path = Path(folder) / FILE_NAME
    if not path.is_file():
        return {}
    return {match["name"]: match["body"] for match in SECTION.finditer(path.read_text(encoding="utf-8"))}


def remember(check: str, function: Callable, passes: Callable[[Callable], bool]) -> tuple[str | None, str]:
    """Store `function` as the learner's answer to `check`, if the stored source runs alone and `passes`.

    Returns the file's path, or None if there is no such folder, and the reason in words if storing failed (the check
    has still passed).
    """
    folder = workshop_folder()
    if folder is None:
        return None, ""
    try:
        source = source_with_needs(check, function)
        if not passes(run_section(check, source)):
            return None, f"not stored in {FILE_NAME}: run alone, the stored source does not pass."
        with alone(folder):
            write_section(folder, check, source)
    except Exception as error:  # also the learner's: their code runs here
        return None, f"not stored in {FILE_NAME}: {error or type(error).__name__}"
    return (FILE_NAME if folder == Path.cwd() else str(folder / FILE_NAME)), ""


def run_section(name: str, source: str) -> Callable:
    """Return the function that a section defines; every section runs in its own namespace."""
    namespace: dict = {"__name__": f"my_gptoss.{name}"}
    exec(compile(source, f"{FILE_NAME} ({name})", "exec", dont_inherit=True), namespace)
    if name not in namespace:
        raise NameError(f"it defines no {name}")
    return namespace[name]


def write_section(folder: Path, name: str, source: str) -> None:
    """Put a section into my_gptoss.py, replacing its predecessor or at the end; all other text stays unchanged."""
    path = Path(folder) / FILE_NAME
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    section = f"# --- {name} ---\n{source.rstrip()}\n# --- end of {name} ---\n"
    before = next((match for match in SECTION.finditer(text) if match["name"] == name), None)
    if before:
        text = text[: before.start()] + section + text[before.end() :]
    else:
        start = re.compile(rf"^# --- {name} ---[ \t]*$", re.M)  # a section without its end mark
        text = start.sub(f"# a section of {name} without its end mark, kept as it was:", text)
        text = "\n\n".join(part for part in (text.rstrip() + "\n" if text.strip() else HEADER, section))
    write_text(path, text)


def load_functions(folder: Path) -> dict[str, Callable]:
    """Return check name -> the learner's stored function; every section runs in its own namespace.

    Raises: ValueError naming the section when one does not run (an edited file).
    """
    functions = {}
    for name, body in read_sections(folder).items():
        try:
            with time_limit():
                functions[name] = run_section(name, body)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # the learner's, including sys.exit and their own BaseException
            said = f"{type(error).__name__}: {error}"
            raise ValueError(f"section {name} of {Path(folder) / FILE_NAME} does not run: {said}") from error
    return functions
