"""Open your copy of the course in JupyterLab.

gptoss-edu lab                       your copy in ./my-course, with empty exercises; created if it does not exist
gptoss-edu lab --folder elsewhere    the same in another folder; an existing student folder is never changed
gptoss-edu lab --solutions           the finished notebooks, with every exercise solved
gptoss-edu lab -- --no-browser       everything after -- is passed to JupyterLab
"""

import argparse
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from gptoss_edu.errors import GptOssError
from gptoss_edu.options import check_folder, write_bytes
from gptoss_edu.resources import PACKAGE, notebooks_path

STUDENT, FINISHED = Path("my-course"), Path("gptoss-notebooks")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", type=Path, help=f"where your copy lives (./{STUDENT})")
    parser.add_argument(
        "--solutions",
        action="store_true",
        help=f"the finished notebooks: the repository's own, or a copy in ./{FINISHED}",
    )
    parser.add_argument("rest", nargs="*", metavar="-- OPTIONS", help="options for jupyter lab")


def run(args: argparse.Namespace) -> int:
    if importlib.util.find_spec("jupyterlab") is None:
        raise GptOssError("JupyterLab is missing; install it with `pip install jupyterlab`.")
    folder = finished_folder(args.folder) if args.solutions else student_folder(args.folder)
    print(f"notebooks in {folder}")
    environment = {**os.environ, "JUPYTERLAB_DISABLE_UPDATE_CHECK": "1"}
    return subprocess.call(
        [sys.executable, "-m", "jupyterlab", f"--notebook-dir={folder}", *args.rest], env=environment
    )


def student_folder(folder: Path | None) -> Path:
    """Return the learner's folder, writing it with empty exercises and hints where it does not exist yet."""
    from gptoss_edu.course import workshop

    here = workshop.is_student_folder(Path())
    target = folder or (Path() if here else STUDENT)
    if workshop.is_student_folder(target):
        return target
    check_folder(target, "--folder")
    if target.is_dir() and any(target.iterdir()):
        raise GptOssError(
            f"{target}: expected a student folder or a new one, found a folder with other files; name another with "
            "--folder, or add --solutions for the finished notebooks."
        )
    report = workshop.write(target, with_hints=True)
    print(f"wrote {len(report.new)} notebooks with empty exercises")
    return target


def finished_folder(folder: Path | None) -> Path:
    """Return the repository's notebooks in a checkout; from a wheel, a writable copy."""
    from gptoss_edu.course import workshop

    source = notebooks_path()
    if folder is None and source.parent == PACKAGE.parent:
        return source
    target = folder or FINISHED
    check_folder(target, "--folder")
    if workshop.is_student_folder(target):
        raise GptOssError(f"{target}: found a student folder; --solutions needs another one, to keep the two separate.")
    target.mkdir(exist_ok=True)
    for notebook in sorted(source.glob("*.ipynb")):
        if not (target / notebook.name).exists():
            write_bytes(target / notebook.name, notebook.read_bytes())  # whole, or the next run would skip it
    return target
