"""The python tool: a stateful, sandboxed Jupyter kernel with its own folder.

The model writes plain code to the recipient ``python``; it gets back what the code prints,
its last expression and its errors. Variables live until the kernel ends. sandbox.py describes what the sandbox blocks
on this system and what it does not.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
import weakref
from pathlib import Path

from gptoss_edu.errors import GptOssError
from gptoss_edu.harmony import python_tool
from gptoss_edu.options import read_json

from . import kernel as kernels
from . import sandbox
from .base import ToolResult, shorten

BRIEF = "Runs Python code. Use print."  # for small models with short contexts; gpt-oss-tiny was trained with it
NO_OUTPUT = "[The code ran; it printed nothing. Use print() to see a value.]"


class PythonTool:
    """Runs the model's Python code in a kernel of its own.

    Parameters
    ----------
    limits : sandbox.Limits
    isolation : "auto" takes the strongest one that this system allows: "bubblewrap", "namespaces", "limits".
    folder : where files are kept; None creates a temporary folder that close() deletes.
    brief : describe the tool to the model in a few words instead of the official text.

    Attributes
    ----------
    scratch : the folder that the code sees as /mnt/data (as itself under "limits")
    pictures : the folder with the pictures that the code showed; the code cannot access it
    """

    name = "python"

    def __init__(
        self,
        limits: sandbox.Limits | None = None,
        isolation: str = "auto",
        folder: str | Path | None = None,
        brief: bool = False,
    ):
        self.limits, self.brief = limits or sandbox.Limits(), brief
        self.isolation = sandbox.choose_isolation(isolation)
        self.work = Path(tempfile.mkdtemp(prefix="gptoss-"))
        if not kernels.sockets_fit(self.work / "run"):
            self.work.rmdir()
            self.work = Path(tempfile.mkdtemp(prefix="gptoss-", dir="/tmp"))
        base = Path(folder).resolve() if folder else self.work
        self.run, self.scratch, self.pictures = self.work / "run", base / "scratch", base / "pictures"
        for path in (self.run, self.scratch, self.pictures):
            path.mkdir(parents=True, exist_ok=True)
        self.kernel: kernels.Kernel | None = None
        self.news: list[str] = []  # notes for the model before the next output
        self._picture_count = sum(1 for _ in self.pictures.iterdir())
        holder: list[kernels.Kernel | None] = [None]
        self._finalizer = weakref.finalize(self, _clean_up, holder, self.work)
        self._holder = holder

    def __enter__(self) -> PythonTool:
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def describe_isolation(self) -> str:
        """Say in one honest sentence what the sandbox blocks here."""
        return sandbox.DESCRIPTIONS[self.isolation]

    @property
    def visible_folder(self) -> str:
        return sandbox.visible_scratch(self.isolation, self.scratch)

    def config(self) -> dict:
        """Return the tool's description for the model: harmony's own text, or a short form."""
        official = python_tool(self.limits.call_seconds, self.visible_folder).to_dict()
        return official | {"description": BRIEF} if self.brief else official

    def forget(self) -> None:
        """Tell the model at its next call that its variables are gone, for conversations resumed from a file."""
        self.news.append("[This is a new Python process: variables from earlier calls are gone.]")

    def call(self, recipient: str, arguments: str) -> ToolResult:
        """Run code. Nothing that the code does, short of escaping the sandbox, makes this raise or hang."""
        started = time.monotonic()
        try:
            self._ensure_kernel()
        except (GptOssError, OSError, RuntimeError) as error:
            return ToolResult(f"[The Python tool is not available: {error}]", error=True, author=self.name)
        execution = self.kernel.execute(code_of(arguments))
        result = ToolResult(self._text(execution), error=execution.status != "ok", author=self.name)
        result.pictures = self._keep_pictures(execution)
        result.text += "".join(f"\n[picture {path.name}]" for path in result.pictures)
        result.text = "\n".join([*self.news, result.text.strip() or NO_OUTPUT])
        self.news.clear()
        if execution.status in ("stuck", "died"):
            self._drop_kernel()
        result.seconds = time.monotonic() - started
        return result

    def _ensure_kernel(self) -> None:
        """Make sure that there is a running kernel with an existing folder."""
        if not self.scratch.is_dir():
            self.scratch.mkdir(parents=True)
            if self.kernel:
                self._drop_kernel()
                self.news.append(
                    "[The working folder had been deleted. There is a new, empty one, and a new Python process.]"
                )
        if self.kernel and not self.kernel.is_alive():
            self._drop_kernel()
            self.news.append("[The Python process had ended by itself. This is a new one: variables are gone.]")
        if self.kernel is None:
            with contextlib.suppress(OSError):
                self.scratch.chmod(self.scratch.stat().st_mode | 0o700)  # the code may have locked itself out
            self.kernel = self._holder[0] = kernels.Kernel(self.isolation, self.scratch, self.run, self.limits)

    def _drop_kernel(self) -> None:
        if self.kernel:
            self.kernel.close()
        self.kernel = self._holder[0] = None

    def _text(self, execution: kernels.Execution) -> str:
        """Return the output for the model, with a note on everything unusual."""
        limit = self.limits.output_characters
        text = execution.output
        if execution.truncated:
            text += f"\n[The output stops here: a call may give {limit:,} characters. Print less.]"
        if execution.traceback:
            text += "\n" + shorten(execution.traceback, 4_000)
        gone = f"Variables are gone, files in {self.visible_folder} are still there."
        if execution.status == "timeout":
            text += (
                f"\n[Interrupted after {self.limits.call_seconds:g} s, the limit for one call. Variables are still"
                " there.]"
            )
        elif execution.status == "stuck":
            text += (
                f"\n[Stopped after {self.limits.call_seconds:g} s: it ignored the interrupt, so Python was restarted."
                f" {gone}]"
            )
        elif execution.status == "died":
            text += (
                f"\n[The Python process ended {cause_of_death(execution.exit_code)}; the next call gets a new one."
                f" {gone}]"
            )
        return text

    def _keep_pictures(self, execution: kernels.Execution) -> list[Path]:
        paths = []
        for ending, content in execution.pictures:
            self._picture_count += 1
            path = self.pictures / f"picture_{self._picture_count:03d}.{ending}"
            try:
                path.write_bytes(content)
            except OSError as error:  # such as a full disk
                self.news.append(f"[A picture could not be kept: {error.strerror}.]")
                continue
            paths.append(path)
        return paths

    def close(self) -> None:
        """End the kernel and everything that it started; delete the temporary folders."""
        self._drop_kernel()
        self._finalizer()


def _clean_up(holder: list, work: Path) -> None:
    if holder[0] is not None:
        with contextlib.suppress(Exception):  # at exit, parts of zmq may be gone; closing the pipe is enough
            holder[0].close()
    sandbox.remove_tree(work)


def code_of(arguments: str) -> str:
    """Return the code in a call: as is, or inside {"code": …}, which models trained on JSON calls sometimes send."""
    with contextlib.suppress(ValueError):
        decoded = read_json(arguments)
        if isinstance(decoded, dict) and len(decoded) == 1:
            (key, value), *_ = decoded.items()
            if key in ("code", "script", "input") and isinstance(value, str):
                return value
    return arguments


def cause_of_death(exit_code: int | None) -> str:
    """Describe an exit status; a signal arrives as 128 plus its number, or negative."""
    signal_number = -exit_code if exit_code and exit_code < 0 else (exit_code or 0) - 128
    known = {9: "because it was killed (signal 9), perhaps for memory", 24: "at its limit of processor time"}
    known |= {11: "with a crash (signal 11)", 6: "with an abort (signal 6)"}
    if signal_number > 0:
        return known.get(signal_number, f"by signal {signal_number}")
    return f"by itself (exit status {exit_code})"
