"""Entry point of `gptoss-edu` and `python -m gptoss_edu`.

Ctrl-C ends the process with one line, even during start-up. A user without a home folder gets a temporary one.
"""

import atexit
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType


def main() -> int:
    """Run the command line of `cli`; return its exit code, 130 after Ctrl-C."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # under nohup, Ctrl-C stays ignored
        signal.signal(signal.SIGINT, interrupted)
    if not has_home():
        lend_home()
    from gptoss_edu.cli import main

    return main()


def interrupted(number: int, frame: FrameType | None) -> None:
    """End the process at once during an import; otherwise raise KeyboardInterrupt, as Python does.

    Importing torch takes a second or more and leaves nothing to clean up. A KeyboardInterrupt inside it may end in a
    traceback, turn into an ImportError, or get lost in compiled code and the import system's callbacks.
    """
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            os.write(2, f"\n{' '.join(['gptoss-edu', *sys.argv[1:2]])}: interrupted.\n".encode())
            os._exit(130)
        frame = frame.f_back
    raise KeyboardInterrupt


def has_home() -> bool:
    """Return whether this user has a writable home folder; under `docker run --user 1234` it is missing, or ``/``."""
    try:
        return os.access(Path.home(), os.W_OK)
    except RuntimeError:  # no HOME, and no entry in the user database
        return False


def lend_home() -> None:
    """Set HOME to an empty folder, removed at exit, and USER to the user's number if it has no name.

    Jupyter, Matplotlib and torch keep files below HOME, and Jupyter does not start without it.
    """
    folder = tempfile.mkdtemp(prefix="gptoss-edu-home-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["HOME"] = folder
    if hasattr(os, "getuid"):
        os.environ.setdefault("USER", str(os.getuid()))


if __name__ == "__main__":
    sys.exit(main())
