"""Where `gptoss-edu` and `python -m gptoss_edu` begin: Ctrl-C ends them with one line, also while they start."""

import os
import signal
import sys
from types import FrameType


def main() -> int:
    """Run the command line of `cli`; 130 after Ctrl-C."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # one that ignores Ctrl-C, as with nohup, goes on
        signal.signal(signal.SIGINT, interrupted)
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


if __name__ == "__main__":
    sys.exit(main())
