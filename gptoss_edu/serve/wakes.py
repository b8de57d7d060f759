"""Wake the tasks of an event loop from the pool's thread: all tasks of a round with one call into the loop."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections import deque


class Wakes:
    """The events that the pool's thread has set and the loop's tasks do not know of yet."""

    def __init__(self, loop: asyncio.AbstractEventLoop):
        self._loop, self._due, self._called = weakref.ref(loop), deque[asyncio.Event](), False

    def wake(self, event: asyncio.Event) -> None:
        """Set an event of the loop, from any thread. A call into the loop costs a system call: one serves several."""
        self._due.append(event)
        if not self._called:  # read after the event is there, as `_set` clears it before it looks
            self._called, loop = True, self._loop()
            with contextlib.suppress(RuntimeError):  # the server's loop is closed
                if loop is not None:
                    loop.call_soon_threadsafe(self._set)

    def _set(self) -> None:
        self._called = False
        while self._due:
            self._due.popleft().set()


_of_loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Wakes] = weakref.WeakKeyDictionary()


def wakes() -> Wakes:
    """Return the `Wakes` of the running loop."""
    loop = asyncio.get_running_loop()
    if loop not in _of_loops:
        _of_loops[loop] = Wakes(loop)
    return _of_loops[loop]
