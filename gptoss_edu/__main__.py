"""Where `gptoss-edu` and `python -m gptoss_edu` begin.

Ctrl-C ends them with one line, also while they start, and a user without a home folder gets one for the time being.
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
    """Run the command line of `cli`; 130 after Ctrl-C."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # one that ignores Ctrl-C, as with nohup, goes on
        signal.signal(signal.SIGINT, interrupted)
    if not has_home():
        lend_home()
    from gptoss_edu.cli import main

    return main()


def interrupted(number: int, frame: FrameType | None) -> None:
    """End the process at once while something is imported; raise KeyboardInterrupt otherwise, as Python does.

    Importing torch takes a second or more and leaves nothing to tidy up. A KeyboardInterrupt inside of it may end in a
    traceback, come out as an ImportError, or be lost, because compiled code and callbacks of the import system take it.
    """
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            os.write(2, f"\n{' '.join(['gptoss-edu', *sys.argv[1:2]])}: interrupted.\n".encode())
            os._exit(130)
        frame = frame.f_back
    raise KeyboardInterrupt


def has_home() -> bool:
    """Return whether this user has a home folder that can be written: `docker run --user 1234` has none, or ``/``."""
    try:
        return os.access(Path.home(), os.W_OK)
    except RuntimeError:  # no HOME, and no entry in the list of users
        return False


def lend_home() -> None:
    """Set HOME to an empty folder that is removed at the end, and USER to the user's number where it has no name.

    Jupyter, Matplotlib and torch keep files below HOME, and the first of them does not start without it.
    """
    folder = tempfile.mkdtemp(prefix="gptoss-edu-home-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["HOME"] = folder
    if hasattr(os, "getuid"):
        os.environ.setdefault("USER", str(os.getuid()))


if __name__ == "__main__":
    sys.exit(main())
