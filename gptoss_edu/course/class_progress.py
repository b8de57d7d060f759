"""Read a class's folders, each in its own process, so that one learner's code can only break its own row.

A folder's stored functions run through their checks, and they may do anything: end the process, loop forever, or change
torch's settings for the next folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SECONDS = 600.0  # per folder; each check ends long before
AT_ONCE = 4
CHILD = """
import json, sys
from pathlib import Path
from gptoss_edu.commands.progress import read_folder
from gptoss_edu.errors import GptOssError
try:
    found = {"progress": read_folder(Path(sys.argv[1]))}
except GptOssError as error:
    found = {"reason": str(error)}
Path(sys.argv[2]).write_text(json.dumps(found), encoding="utf-8")
"""


def read_apart(folder: Path, seconds: float = SECONDS) -> tuple[list | None, str]:
    """Return (the result of `read_folder`, ""), or (None, the reason in words)."""
    with tempfile.TemporaryDirectory(prefix="gptoss-progress-") as scratch:
        result = Path(scratch) / "result.json"
        command = [sys.executable, "-c", CHILD, str(folder), str(result)]
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            return None, f"{folder}: its functions did not end within {seconds:g} s."
        try:
            found = json.loads(result.read_text(encoding="utf-8"))
            return found.get("progress"), found.get("reason", "")
        except (OSError, ValueError):
            said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["it said nothing"]
            return None, f"{folder}: its functions ended the program (status {done.returncode}): {said[-1][:200]}"


def read_class(folders: Sequence[Path]) -> tuple[list[list], list[str]]:
    """Return the progress of every readable folder, and the reason for each of the others."""
    with ThreadPoolExecutor(min(AT_ONCE, os.cpu_count() or 1)) as pool:
        rows = list(pool.map(read_apart, folders))
    return [progress for progress, _ in rows if progress is not None], [
        why for progress, why in rows if progress is None
    ]
