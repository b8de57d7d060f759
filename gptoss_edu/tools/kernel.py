"""A sandboxed Jupyter kernel.

Start it, run code in it under a time limit, interrupt it, and reliably end it.
"""

from __future__ import annotations

import base64
import binascii
import os
import queue
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import zmq
from jupyter_client import BlockingKernelClient
from jupyter_client.connect import write_connection_file

from gptoss_edu.errors import GptOssError

from . import sandbox

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
PICTURE_KINDS = {"image/png": "png", "image/jpeg": "jpg"}

# A kernel must not load what earlier code left in its folder: -P keeps the folder off sys.path, -s the packages below
# HOME. IPython's settings are in the run folder, which is new for each kernel.
NOTHING_FROM_SCRATCH = ("-P", "-s")
# Runs in the kernel after start-up: the folder's own modules can be imported, but shadow nothing.
OWN_MODULES = "import sys\nif '' not in sys.path:\n    sys.path.append('')\n"
# Runs in the kernel: output beyond the limit is dropped at its source, so that a gigabyte is never sent. IPython's
# second copy of all output (for a history that is not used here) is switched off.
LIMIT_OUTPUT = """
def _limit_output(most, ip=get_ipython()):
    import contextlib, sys
    used, streams, stream_type = [0], (sys.stdout, sys.stderr), type(sys.stdout)
    write = stream_type.write
    def limited(self, text):
        room = most - used[0]
        if not isinstance(text, str) or room >= len(text):
            used[0] += len(text)
            return write(self, text)
        used[0] = most
        if room:
            write(self, text[:room])
        return len(text)
    def reset():
        used[0] = 0
        for stream in streams:
            vars(stream).pop("write", None)  # what the copying has left behind
    stream_type.write = limited
    ip._tee = lambda channel: contextlib.nullcontext()
    ip.events.register("pre_execute", reset)
_limit_output({most})
del _limit_output
"""


@dataclass
class Execution:
    """The result of running code: `status` is ok, error, timeout (interrupted), stuck (had to be killed) or died."""

    status: str = "ok"
    output: str = ""
    traceback: str = ""
    truncated: bool = False
    pictures: list[tuple[str, bytes]] = field(default_factory=list)  # (file ending, content)
    exit_code: int | None = None


class Kernel:
    """One kernel process with its connection.

    Parameters
    ----------
    isolation : "bubblewrap", "namespaces" or "limits", as chosen by sandbox.choose_isolation.
    scratch, run : the folders that it can write to: the user's files, and sockets.
    """

    def __init__(self, isolation: str, scratch: Path, run: Path, limits: sandbox.Limits):
        self.limits, self.run = limits, run
        sandbox.remove_tree(run)  # sockets of a dead kernel, and anything its code put beside them
        run.mkdir()
        connection_file, connection = write_connection_file(
            str(run / "kernel.json"), transport="ipc", ip=str(run / "s"), kernel_name="gptoss"
        )
        command = [sys.executable, *NOTHING_FROM_SCRATCH, "-m", "ipykernel_launcher", "-f", connection_file]
        command += ["--HistoryManager.enabled=False", "--InteractiveShellApp.ignore_cwd=True"]
        environment = sandbox.clean_environment(sandbox.visible_scratch(isolation, scratch), settings=run)
        argv = sandbox.jail_command(isolation, command, scratch, run, limits, environment)
        self.log = open(run / "log", "wb")
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=self.log, stderr=self.log, start_new_session=True, cwd=run
        )
        self.context = zmq.Context()
        self.context.setsockopt(zmq.MAXMSGSIZE, limits.message_bytes)
        self.context.setsockopt(zmq.LINGER, 0)
        self.client = BlockingKernelClient(context=self.context)
        self.client.load_connection_info(connection)
        try:
            self.client.start_channels(hb=False, stdin=False)
            self._wait_until_ready()
        except BaseException:
            self.close()
            raise

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self.limits.start_seconds
        while time.monotonic() < deadline and self.is_alive():
            self.client.kernel_info()
            try:
                self.client.get_shell_msg(timeout=1.0)
                break
            except queue.Empty:
                continue
        else:
            self.log.flush()
            log = Path(self.log.name).read_text(encoding="utf-8", errors="replace").strip().splitlines() or [
                "it said nothing"
            ]
            end = f"ended with status {self.process.poll()}" if not self.is_alive() else "did not answer"
            raise GptOssError(
                f"the Python kernel {end} within {self.limits.start_seconds:g} s of its start ({log[-1]})."
            )
        self._await_output()
        limit_output = LIMIT_OUTPUT.replace("{most}", str(self.limits.output_characters))
        prepared = self.execute(OWN_MODULES + "del sys\n" + limit_output, store_history=False)
        if prepared.status != "ok":
            raise GptOssError(f"the Python kernel could not be prepared: {prepared.status} {prepared.traceback[-300:]}")

    def execute(self, code: str, store_history: bool = True) -> Execution:
        """Run `code`; returns within call_seconds + interrupt_seconds + about one second, whatever the code does."""
        result = Execution()
        # stop_on_error would abort a request that arrives right after a failed one.
        message_id = self.client.execute(code, store_history=store_history, allow_stdin=False, stop_on_error=False)
        try:
            self._collect(message_id, result)
        except KeyboardInterrupt:
            self.interrupt()
            self._collect(message_id, Execution(status="timeout"), time.monotonic() + self.limits.interrupt_seconds)
            raise
        if not self.is_alive() and result.status != "stuck":
            result.status, result.exit_code = "died", self.process.returncode
        return result

    def _collect(self, message_id: str, result: Execution, deadline: float | None = None) -> None:
        """Read messages about one request into `result` until the kernel is idle again."""
        deadline = deadline or time.monotonic() + self.limits.call_seconds
        reply_at = None
        while self.is_alive():
            if time.monotonic() > deadline:
                if result.status == "timeout":  # it ignored the interrupt
                    result.status = "stuck"
                    return self.close()
                result.status = "timeout"
                deadline = time.monotonic() + self.limits.interrupt_seconds
                self.interrupt()
            message = self._receive(self.client.get_iopub_msg, 0.1 if reply_at is None else 0.5)
            if message and message["parent_header"].get("msg_id") == message_id:
                if message["msg_type"] == "status" and message["content"].get("execution_state") == "idle":
                    break
                self._take(message["msg_type"], message["content"], result)
            elif message is None and reply_at is None:
                if self._reply(message_id, result, 0.0):
                    reply_at = time.monotonic()
            if reply_at is not None and time.monotonic() - reply_at > 2.0:
                result.truncated = True  # no "idle": a message over message_bytes was lost with others
                return self._reconnect()
        if reply_at is None and self.is_alive():
            self._reply(message_id, result, 1.0)
        return None

    def _reconnect(self) -> None:
        """Open a new output channel, since zmq closes one for good when it receives a message over the limit."""
        self.client.iopub_channel.stop()
        self.client._iopub_channel = None
        self.client.iopub_channel.start()
        self._await_output()

    def _await_output(self) -> None:
        """Wait until output arrives: a subscription takes a moment to reach the kernel."""
        for _ in range(20):
            request = self.client.kernel_info()
            while message := self._receive(self.client.get_iopub_msg, 0.1):
                if message["parent_header"].get("msg_id") == request:
                    return

    def _receive(self, receive, seconds: float) -> dict | None:
        """Return the next message, or None if there is none or it is not a proper message.

        Code in the kernel can send anything on these channels, so reading may fail in any way, and what was read may
        have any type.
        """
        try:
            message = receive(timeout=seconds)
        except Exception:  # nothing there, or it cannot be decoded
            return None
        parts = {"msg_type": str, "parent_header": dict, "content": dict}
        proper = isinstance(message, dict) and all(isinstance(message.get(key), kind) for key, kind in parts.items())
        return message if proper else None

    def _reply(self, message_id: str, result: Execution, seconds: float) -> bool:
        reply = self._receive(self.client.get_shell_msg, seconds)
        if reply is None or reply["parent_header"].get("msg_id") != message_id:
            return False
        if reply["content"].get("status") == "error" and not result.traceback:
            self._take("error", reply["content"], result)
        return True

    def _take(self, kind: str, content: dict, result: Execution) -> None:
        """Put one message's content into the result, within the limits."""
        if kind == "stream":
            self._append(result, str(content.get("text", "")))
        elif kind in ("execute_result", "display_data"):
            data = content.get("data")
            data = data if isinstance(data, dict) else {}
            for mime, ending in PICTURE_KINDS.items():
                if mime in data and len(result.pictures) < self.limits.pictures:
                    try:
                        result.pictures.append((ending, base64.b64decode(data[mime])))
                    except (binascii.Error, TypeError, ValueError):
                        continue
                    return
            begun = result.output and not result.output.endswith("\n")  # a value goes on its own line
            self._append(result, "\n" * bool(begun) + str(data.get("text/plain", "")) + "\n")
        elif kind == "error":
            if result.status == "ok":
                result.status = "error"
            lines = content.get("traceback")
            if not isinstance(lines, list) or not lines:
                lines = [f"{content.get('ename')}: {content.get('evalue')}"]
            result.traceback = ANSI.sub("", "\n".join(map(str, lines)))

    def _append(self, result: Execution, text: str) -> None:
        room = self.limits.output_characters - len(result.output)
        result.output += ANSI.sub("", text[: max(room, 0)])
        if len(text) >= room:
            result.truncated = True

    def interrupt(self) -> None:
        """Ask the kernel to raise KeyboardInterrupt in the running code."""
        self.client.control_channel.send(self.client.session.msg("interrupt_request", {}))

    def close(self) -> None:
        """Kill the kernel and everything that it started; safe to call twice."""
        self.client.stop_channels()
        if self.process.stdin and not self.process.stdin.closed:
            self.process.stdin.close()  # the jail kills everything, then ends
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if not self.context.closed:
            self.context.destroy(linger=0)
        self.log.close()


def sockets_fit(run: Path) -> bool:
    """Return whether the sockets' paths fit into the 107 bytes that a Unix socket's path may have."""
    return len(os.fsencode(str(run / "s-5"))) < 107
