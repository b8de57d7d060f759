"""Have the compiled step ready without anybody waiting for a compiler.

The first steps of a process are plain ones. A prompt that is read after PATIENCE of them loads Numba, which takes about
a second, and reads the step from where Numba keeps what it has compiled. Where nothing is kept yet, a process beside
this one compiles it, once for this machine and versions, and later prompts use it. So an answer that is alone begins
and ends on the same path: their logits differ in the last bits.

GPTOSS_EDU_STEP in the environment changes that: `plain` leaves the compiled step out, `compiled` uses it from the first
token on and waits for the compiler if need be.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from threading import Lock

PATIENCE = 64  # plain steps before loading Numba is worth it: that takes as long as a few hundred of them
COMPILE = (  # in a process that goes on when somebody interrupts this one
    "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); "
    "from gptoss_edu.fast import step_kernel; step_kernel.compiled()"
)


class Ready:
    """The compiled step, or what is still missing; `why_not` is a reason that lasts as long as the process."""

    def __init__(self):
        self.step: Callable | None = None
        self.why_not: str | None = None
        self.wanted = False
        self._asked = 0
        self._loading = Lock()
        self._compiler: subprocess.Popen | None = None

    def ask(self, begins: bool) -> Callable | None:
        """Return the compiled step if it is ready. Call this at every step, so that it becomes ready.

        begins : whether this step reads a prompt, or begins a text
        """
        how = os.environ.get("GPTOSS_EDU_STEP")
        if how == "plain" and not self.wanted:
            return None
        if self.step is None and self.why_not is None:
            self._asked += 1
            if how == "compiled":
                return self.now()
            if begins and self._asked > PATIENCE and self._loading.acquire(blocking=False):
                try:
                    self._go_on()
                finally:
                    self._loading.release()
        return self.step

    def soon(self) -> None:
        """Load the step, or begin to compile it, before anybody asks for it: a server will need it."""
        self._asked = PATIENCE
        self.ask(begins=True)

    def now(self) -> Callable | None:
        """Return the compiled step, waiting for the compiler where need be; for benchmarks and tests."""
        self.wanted = True
        with self._loading:  # Numba refuses a second thread that compiles what a first one has just compiled
            self._load(beside=False)
        return self.step

    def _go_on(self) -> None:
        """Load the step unless another process is still compiling it."""
        ended = 0 if self._compiler is None else self._compiler.poll()
        if ended == 0:
            self._load(beside=self._compiler is None)
        elif ended is not None:
            self.why_not = f"the process that compiles the step ended with code {ended}"

    def _load(self, beside: bool) -> None:
        """Read the compiled step. Where there is none, compile it in a process `beside` this one, or here."""
        if self.step is not None or self.why_not is not None:  # another thread was faster
            return
        try:
            step_kernel = import_module("gptoss_edu.fast.step_kernel")
            if beside and not step_kernel.is_compiled():
                self._compiler = subprocess.Popen(
                    [sys.executable, "-c", COMPILE],
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(path or os.curdir for path in sys.path)},
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                )  # fmt: skip
            else:
                self.step = step_kernel.compiled()
        except ImportError as error:
            reason = "is not installed" if isinstance(error, ModuleNotFoundError) else f"cannot be used ({error})"
            self.why_not = f"Numba {reason}: pip install 'gptoss-edu[cpu]'"
        except Exception as error:  # whatever a compiler may say: the plain path computes the same
            self.why_not = f"Numba could not compile the step: {error}"


READY = Ready()
