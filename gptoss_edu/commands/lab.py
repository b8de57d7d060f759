"""Open the course's notebooks in JupyterLab.

gptoss-edu lab                       your own copy of the notebooks in ./gptoss-notebooks, or the repository's own
gptoss-edu lab --folder my-course    a copy somewhere else; files that are there are never overwritten
gptoss-edu lab -- --no-browser       everything after -- goes to JupyterLab
"""

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from ..errors import GptOssError
from ..resources import PACKAGE, notebooks_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", type=Path, help="where your copy of the notebooks lives")
    parser.add_argument("rest", nargs="*", metavar="-- OPTIONS", help="options for jupyter lab")


def run(args: argparse.Namespace) -> int:
    if importlib.util.find_spec("jupyterlab") is None:
        raise GptOssError("JupyterLab is missing: pip install jupyterlab")
    folder = course_folder(args.folder)
    print(f"notebooks in {folder}")
    environment = {**os.environ, "JUPYTERLAB_DISABLE_UPDATE_CHECK": "1"}
    return subprocess.call(
        [sys.executable, "-m", "jupyterlab", f"--notebook-dir={folder}", *args.rest], env=environment
    )


def course_folder(folder: Path | None) -> Path:
    """The repository's notebooks in a checkout; from a wheel, a copy that the reader may write to."""
    source = notebooks_path()
    if folder is None and source.parent == PACKAGE.parent:
        return source
    target = folder or Path("gptoss-notebooks")
    target.mkdir(parents=True, exist_ok=True)
    for notebook in sorted(source.glob("*.ipynb")):
        if not (target / notebook.name).exists():
            shutil.copyfile(notebook, target / notebook.name)
    return target
