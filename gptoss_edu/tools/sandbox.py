"""Sandboxes for the python tool's process: which ones this system has, and what each one blocks."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

from gptoss_edu.errors import GptOssError

JAIL = Path(__file__).with_name("jail.py")
MEGABYTE = 2**20


@dataclass(frozen=True)
class Limits:
    """Limits on a kernel and everything that it starts. Sizes are in bytes, times in seconds.

    Memory, processor time and file size are limited per process. The number of processes (and threads) is limited per
    user, on top of those already running, and not at all for root. Nothing here limits the sum over all processes; that
    takes a control group or a container.
    """

    call_seconds: float = 120.0  # wall-clock time of one call
    interrupt_seconds: float = 5.0  # how long an interrupted call may take to stop before the kernel is replaced
    start_seconds: float = 60.0
    memory: int = 4096 * MEGABYTE  # address space
    processor_seconds: int = 600  # over the kernel's lifetime
    file_size: int = 256 * MEGABYTE
    processes: int = 512
    output_characters: int = 20_000
    pictures: int = 16  # per call
    message_bytes: int = 32 * MEGABYTE  # the largest message accepted from the kernel

    def resource_limits(self) -> dict[str, int]:
        """Return the limits as jail.py expects them."""
        return {
            "RLIMIT_AS": self.memory,
            "RLIMIT_CPU": self.processor_seconds,
            "RLIMIT_FSIZE": self.file_size,
            "RLIMIT_NPROC": self.processes + running_threads(),
            "RLIMIT_CORE": 0,
        }


def running_threads() -> int:
    """Return how many threads this user has now (0 if /proc does not say)."""
    count, user = 0, os.getuid()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if entry.stat().st_uid == user:
                count += len(os.listdir(entry / "task"))
        except OSError:  # it has just ended
            continue
    return count


DESCRIPTIONS = {
    "bubblewrap": (
        "bubblewrap: no network, own processes, only the system's programs (read-only) and the working folder "
        "are visible. A boundary against accidents and ordinary mischief; a hole in the Linux kernel is a way out."
    ),
    "namespaces": (
        "Linux namespaces: no network, own processes, every file read-only but the working folder; /tmp and /run, where"
        " programs keep their sockets, are hidden. Your files stay readable. A boundary against accidents, not against"
        " a determined attacker."
    ),
    "limits": (
        "resource limits only: memory, processor time and file size are bounded and left-over processes are killed, "
        "but the code can use the network and can read, change and delete your files. This is NOT a security boundary."
    ),
}


def isolation_available(kind: str) -> str | None:
    """Return None if `kind` of isolation works on this system, otherwise the reason why not."""
    return _probe(kind)


@functools.cache
def _probe(kind: str) -> str | None:
    if kind == "limits":
        return None if os.name == "posix" else "the python tool needs Linux or macOS"
    if not sys.platform.startswith("linux"):
        return "needs Linux"
    if kind == "bubblewrap" and shutil.which("bwrap") is None:
        return "the program bwrap (package bubblewrap) is not installed"
    with tempfile.TemporaryDirectory(prefix="gptoss-probe-") as folder:
        scratch, run = Path(folder, "scratch"), Path(folder, "run")
        scratch.mkdir()
        run.mkdir()
        argv = jail_command(kind, [sys.executable, "-I", "-S", "-c", "pass"], scratch, run, Limits(), {})
        try:
            done = subprocess.run(argv, stdin=subprocess.PIPE, capture_output=True, timeout=20, text=True)
        except subprocess.TimeoutExpired:
            return f"a first process under {kind} did not end within 20 s"
    last_line = (done.stderr.strip().splitlines() or ["no message"])[-1]
    return None if done.returncode == 0 else f"this system refuses {kind}: {last_line}"


def choose_isolation(wanted: str = "auto") -> str:
    """Return the strongest isolation that works here, or the wanted one; GptOssError if that does not work."""
    kinds = ("bubblewrap", "namespaces", "limits")
    if wanted != "auto" and wanted not in kinds:
        raise GptOssError(f"isolation: expected auto or one of {', '.join(kinds)}, found {wanted!r}.")
    reasons = {}
    for kind in kinds if wanted == "auto" else (wanted,):
        reasons[kind] = isolation_available(kind)
        if reasons[kind] is None:
            return kind
    raise GptOssError("isolation is not possible: " + "; ".join(f"{kind}: {why}" for kind, why in reasons.items()))


def package_folder() -> str:
    """Return where ipykernel is installed: usually in this Python's own site-packages, sometimes in the user's."""
    return str(Path(importlib.util.find_spec("ipykernel").origin).resolve().parents[1])


def python_folders() -> set[str]:
    """Return where this Python and its packages are."""
    paths = {sys.prefix, sys.base_prefix, sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    return {*paths, package_folder(), str(Path(sys.executable).resolve().parent)}


def clean_environment(scratch: str, settings: Path | None = None) -> dict[str, str]:
    """Return the kernel's environment variables: none of the caller's, so that no key or token leaks.

    settings : the folder with what IPython and Jupyter run at start-up, outside the scratch folder, whose files stay
    """
    home = f"{scratch}/.ipython" if settings is None else str(settings / "ipython")
    elsewhere = package_folder() not in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
    return {
        **({"PYTHONPATH": package_folder()} if elsewhere else {}),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]),
        "HOME": scratch,
        "TMPDIR": scratch,
        "IPYTHONDIR": home,
        "JUPYTER_CONFIG_DIR": home,
        "JUPYTER_DATA_DIR": home,
        "MPLCONFIGDIR": f"{scratch}/.matplotlib",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",  # each additional thread reserves address space, which is limited
        "OPENBLAS_NUM_THREADS": "1",
    }


def remove_tree(folder: Path) -> None:
    """Delete a folder with any content, such as thousands of nested folders or folders without permissions."""
    for command in (["chmod", "-R", "u+rwx", "--"], ["rm", "-rf", "--"]):  # shutil.rmtree recurses until Python 3.13
        subprocess.run([*command, str(folder)], stdin=subprocess.DEVNULL, capture_output=True)


def visible_scratch(kind: str, scratch: Path) -> str:
    """Return the scratch folder's path as seen by the code in the kernel."""
    return str(scratch) if kind == "limits" else "/mnt/data"


def jail_command(
    kind: str, command: list[str], scratch: Path, run: Path, limits: Limits, environment: dict
) -> list[str]:
    """Return the command line that runs `command` under isolation `kind` with `scratch` and `run` writable."""
    settings = {
        "namespaces": kind == "namespaces",
        "writable": [str(scratch), str(run)],
        "visible": sorted({*python_folders(), str(JAIL.parent)}),
        "report": str(run / "jail.json"),
        "limits": limits.resource_limits(),
        "folder": visible_scratch(kind, scratch),
        "command": command,
        "environment": environment,
    }
    inner = [sys.executable, "-I", "-S", str(JAIL), json.dumps(settings)]
    return [*bubblewrap_prefix(scratch, run), *inner] if kind == "bubblewrap" else inner


def bubblewrap_prefix(scratch: Path, run: Path) -> list[str]:
    """Return the bwrap command with the system's programs, this Python, and nothing else of the file system."""
    # Not --die-with-parent, which follows the starting thread: jail.py sees the caller's end through its pipe.
    prefix = ["bwrap", "--unshare-all", "--new-session", "--clearenv", "--proc", "/proc", "--dev", "/dev"]
    prefix += ["--tmpfs", "/tmp", "--dir", "/mnt"]
    for folder in (
        "/usr",
        "/bin",
        "/sbin",
        "/lib",
        "/lib32",
        "/lib64",
        "/etc/alternatives",
        "/etc/fonts",
        "/etc/ld.so.cache",
    ):
        if os.path.islink(folder):
            prefix += ["--symlink", os.readlink(folder), folder]
        else:
            prefix += ["--ro-bind-try", folder, folder]
    for folder in sorted(python_folders()):
        if not folder.startswith("/usr/"):
            prefix += ["--ro-bind", folder, folder]
    prefix += ["--ro-bind", str(JAIL), str(JAIL)]
    return [*prefix, "--bind", str(scratch), "/mnt/data", "--bind", str(run), str(run)]
