"""Have the compiled step ready without anybody waiting for a compiler.

The first steps of a process are plain ones. Then a thread loads Numba and reads the step from where Numba keeps what
it has compiled. Where nothing is kept yet, a process beside this one compiles it, once for this machine and versions.

It is off unless GPTOSS_EDU_STEP=compiled stands in the environment, or `now` was called: when it takes over depends on
time, and its logits differ from the plain ones in the last bits.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib import import_module

PATIENCE = 64  # plain steps before loading Numba is worth it: that takes as long as a few hundred of them
POLL = 32  # steps between two looks at how far it is
COMPILE = "from gptoss_edu.fast import step_kernel; step_kernel.compiled()"


class Ready:
    """The compiled step, or what is still missing; `why_not` is a reason that lasts as long as the process."""

    def __init__(self):
        self.step: Callable | None = None
        self.why_not: str | None = None
        self.wanted = False
        self._asked = 0
        self._thread: threading.Thread | None = None
        self._compiler: subprocess.Popen | None = None

    def ask(self) -> Callable | None:
        """Return the compiled step if it is ready. Call this at every step, so that it becomes ready."""
        if not self.wanted and os.environ.get("GPTOSS_EDU_STEP") != "compiled":
            return None
        if self.step is None and self.why_not is None:
            self._asked += 1
            if self._asked >= PATIENCE and self._asked % POLL == 0:
                self._go_on()
        return self.step

    def now(self) -> Callable | None:
        """Return the compiled step, waiting for the compiler where need be; for benchmarks and tests."""
        self.wanted = True
        if self.step is None and self.why_not is None:
            self._load(beside=False)
        return self.step

    def _go_on(self) -> None:
        """Begin to load where nothing else is under way."""
        if self._thread is not None and self._thread.is_alive():
            return
        ended = 0 if self._compiler is None else self._compiler.poll()
        if ended == 0:  # the thread is not a daemon, so Python ends after it: a compiler must not be cut off
            self._thread = threading.Thread(target=self._load, args=(self._compiler is None,), name="fused step")
            self._thread.start()
        elif ended is not None:
            self.why_not = f"the process that compiles the step ended with code {ended}"

    def _load(self, beside: bool) -> None:
        """Read the compiled step. Where there is none, compile it in a process `beside` this one, or here."""
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
        except ImportError:
            self.why_not = "Numba is not installed: pip install 'gptoss-edu[cpu]'"
        except Exception as error:  # whatever a compiler may say: the plain path computes the same
            self.why_not = f"Numba could not compile the step: {error}"


READY = Ready()
