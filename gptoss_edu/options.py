"""Check options and paths before the work begins; read and write whole text files."""

import argparse
import contextlib
import errno
import importlib.util
import json
import math
import os
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

from .errors import GptOssError

LAYOUTS = ("original", "hf", "hf-bf16")  # of safetensors folders; see checkpoint/layouts.py
ALL_LAYOUTS = (*LAYOUTS, "gguf")  # plus one file for llama.cpp, Ollama and LM Studio
ROUNDINGS = ("floor", "up", "best")  # how mxfp4.pack chooses the shared exponent of 32 weights


RUNS = Path("runs")  # below the working folder; `--out` of train, finetune and rl begins there


def check_parent(path: Path, what: str) -> None:
    """Refuse a `path` whose folder does not exist.

    Errors: `GptOssError` that names `what`, the option.
    """
    parent = Path(path).absolute().parent
    if not parent.is_dir():
        found = "a file" if parent.exists() else "no such folder"
        raise GptOssError(f"{what} {path}: expected the folder {parent} to be there, found {found}; check the path.")


def check_folder(path: Path, what: str) -> None:
    """Refuse a `path` that is neither a folder nor can become one, because its own folder does not exist.

    A folder directly in `runs`, where every command writes by default, is made together with it.

    Errors: `GptOssError` that names `what`, the option.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise GptOssError(f"{what} {path}: is a file, not a folder; name another.")
    if not path.exists() and (path.parent != RUNS or RUNS.exists()):
        check_parent(path, what)


SMALL = 256 << 20  # bytes of weights: gpt-oss-tiny has 82 MB of them, gpt-oss-20b 14 GB


spare_threads = 1  # that torch had before `one_thread_if_small` left it one


def one_thread_if_small(model) -> None:
    """Limit this process to one thread if the model runs on a CPU and is as small as gpt-oss-tiny.

    Its matrix products take microseconds. A second thread gains nothing on an idle machine. On a busy one every product
    waits for it, which can make decoding ten times slower. OMP_NUM_THREADS, where set, takes precedence. The compiled
    step still divides the rows of a batch among the threads that torch had: it waits once per step.
    """
    import torch

    global spare_threads
    small = model.device.type == "cpu" and sum(value.nbytes for value in model.state_dict().values()) < SMALL
    if small and "OMP_NUM_THREADS" not in os.environ and torch.get_num_threads() > 1:
        spare_threads = torch.get_num_threads()
        torch.set_num_threads(1)


def check_question(text: str, what: str) -> None:
    """Refuse an empty or blank text; a model would answer it with something."""
    if not text.strip():
        raise GptOssError(f"{what}: expected a text, found an empty one; put the question in quotes.")


def positive(text: str) -> int:
    """Parse a whole number above 0; the type of an option."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, found {number}")
    return number


def seed_number(text: str) -> int:
    """Return a whole number that torch takes as a seed, as the type of an option."""
    number = int(text)
    if not -(2**63) <= number < 2**63:
        raise argparse.ArgumentTypeError(f"expected a whole number of at most 63 bits, found {text}")
    return number


def number_from(low: float, high: float = math.inf, above: bool = False) -> Callable[[str], float]:
    """Return the type of an option that is a finite number from `low` (or above it) to `high`."""

    def number(text: str) -> float:
        value = float(text)
        if not (math.isfinite(value) and low <= value <= high) or (above and value == low):
            most = "" if high == math.inf else f" and at most {high:g}"
            at_least = "above" if above else "of at least"
            raise argparse.ArgumentTypeError(f"expected a finite number {at_least} {low:g}{most}, found {text}")
        return value

    number.__name__ = "number"  # argparse names it where the text is none
    return number


def check_url(url: str, what: str) -> str:
    """Return the URL of a server, without a slash at its end.

    Errors: `GptOssError` that names `what`, where it is no HTTP URL with a host.
    """
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        fits = False
    if not fits or not url.isascii() or any(character <= " " for character in url):
        raise GptOssError(f"{what} {url!r}: expected a server's address, such as http://127.0.0.1:8000/v1.")
    return url.rstrip("/")


def run_file(path: Path, name: str, what: str) -> ModuleType:
    """Run a Python file that a user names, and return it as a module, which stands in sys.modules as `name`.

    Errors: `GptOssError` that names `what`, where there is no file, or whatever it raises but Ctrl-C.
    """
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise GptOssError(f"{what}: expected a Python file, found none at {path}.")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # annotations are resolved there
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit, and exceptions of its own that are no Exception
        raise GptOssError(f"{what}: {path} cannot be imported: {type(error).__name__}: {error}.") from error
    return module


def read_text(path: Path, what: str) -> str:
    """Read a text file, without the byte order mark that some editors put in front of UTF-8.

    Errors: `GptOssError` that names `what`, the option, if the file is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise GptOssError(
            f"{what} {path}: expected a text in UTF-8, found other bytes (at {error.start}); save it as UTF-8."
        ) from None


def write_text(path: Path, text: str) -> None:
    """Write a small text file atomically, as `write_bytes` does.

    Line ends stay as they are, also on Windows. Half a surrogate pair, which UTF-8 lacks, becomes its JSON escape.
    """
    write_bytes(path, text.encode(errors="backslashreplace"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a small file atomically: whole or not at all.

    Missing folders are created. A symbolic link stays, and its target is written.
    """
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.partial")  # unique: two may write at once
    try:
        partial.write_bytes(content)
        for wait in (0.01, 0.1, 1.0):
            try:
                os.replace(partial, path)
                return
            except PermissionError:  # on Windows, while somebody reads the old file
                time.sleep(wait)
        os.replace(partial, path)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None  # the error of a full disk names no file
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


@contextlib.contextmanager
def named_in_errors(path: Path):
    """Put `path` into an OSError that names no file, such as that of a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None


def not_the_file(start: bytes | str) -> str | None:
    """Recognise, by its first bytes, a placeholder for a file; return what it is and what to do, else None.

    Git LFS leaves a pointer in place of a large file. A server that cannot deliver a file sends a web page instead.
    """
    text = start.decode("latin-1") if isinstance(start, bytes) else start
    if text.startswith("version https://git-lfs"):
        return (
            "a Git LFS pointer, not the file itself; run `git lfs pull` in its repository, or download the file itself."
        )
    if text.lstrip("\ufeff \r\n\t").lower().startswith(("<!doctype html", "<html")):
        return "a web page, not the file itself; fetch it again and look at what the server says."
    return None


def read_json(text: str | bytes):
    """Parse JSON that a model, a program or another person wrote.

    Raises
    ------
    ValueError : it is not JSON, has a number with thousands of digits, or is nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def free_bytes(path: Path) -> int:
    """Return how much is free on the disk that holds, or will hold, a path."""
    path = Path(path)
    return shutil.disk_usage(next(place for place in (path, *path.absolute().parents) if place.exists())).free


def check_writable(path: Path | None, option: str, makes_folder: bool = False) -> None:
    """Refuse a path that cannot be written, before the work begins. Leave nothing behind.

    makes_folder : the command creates the file's folder; otherwise the folder must exist, so typos are caught

    Errors: `GptOssError` that names the option.
    """
    if path is None:
        return
    if not makes_folder and not path.absolute().parent.exists():
        check_parent(path, option)
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if path.exists() and not path.is_file():  # it would be replaced: as root, even /dev/null
            raise OSError(errno.EINVAL, "a device or a pipe")
        with tempfile.TemporaryFile(dir=next(folder for folder in path.absolute().parents if folder.exists())):
            pass
    except OSError as error:
        raise GptOssError(
            f"{option} {path}: expected a file that can be written, found that it cannot ({error.strerror}); name"
            " another place."
        ) from None
