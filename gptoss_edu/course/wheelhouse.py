"""Collect the wheels of a whole installation in a student folder, for a room without network."""

import platform
import subprocess
import sys
import sysconfig
from pathlib import Path

from gptoss_edu.errors import GptOssError
from gptoss_edu.options import write_text
from gptoss_edu.resources import PACKAGE

WHEELS = """
Without network: `wheelhouse/INSTALL.txt` says how to install everything from the wheels in this folder.
"""
INSTALL = """These wheels are for {platform} and Python {full}, or a newer {python}: some refuse an older one.
In the folder that holds `wheelhouse`:

python{python} -m venv .venv
.venv/bin/python -m pip install --no-index --find-links wheelhouse gptoss-edu
.venv/bin/gptoss-edu doctor
.venv/bin/gptoss-edu lab --folder .

On Windows write .venv\\Scripts\\python and .venv\\Scripts\\gptoss-edu for .venv/bin/python and .venv/bin/gptoss-edu.
"""


def collect(folder: Path) -> Path:
    """Put the wheels of this package and of all its dependencies into FOLDER/wheelhouse.

    The wheels are for this machine's Python and platform. Needs a checkout of the repository, and a package index.
    """
    repository = PACKAGE.parent
    if not (repository / "pyproject.toml").is_file():
        raise GptOssError(
            "--wheelhouse needs a checkout of the repository (it builds the package's own wheel); this is an installed"
            " package."
        )
    target = Path(folder) / "wheelhouse"
    target.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--wheel-dir",
        str(target),
        "-c",
        str(repository / "constraints.txt"),
        str(repository),
    ]
    finished = subprocess.run(command, capture_output=True, text=True)
    if finished.returncode:
        last = [line for line in finished.stderr.strip().splitlines() if line.strip()][-1:]
        raise GptOssError(f"--wheelhouse: pip could not collect the wheels: {last[0] if last else 'no message'}")
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    write_text(
        target / "INSTALL.txt",
        INSTALL.format(python=python, full=platform.python_version(), platform=sysconfig.get_platform()),
    )
    readme = Path(folder) / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
    if WHEELS not in text:
        write_text(readme, text + WHEELS)
    return target
