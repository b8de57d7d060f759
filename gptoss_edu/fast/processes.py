"""Keep a few processes running on this machine and run functions on every rank, for lessons and tests.

    with Processes(2) as two:
        print(two.run(function, argument))   # [what rank 0 returned, what rank 1 returned]

The function's first argument is the rank's `Ranks`. It may come from a notebook, since its source is sent, not the
function object.
"""

from __future__ import annotations

import contextlib
import inspect
import multiprocessing
import os
import textwrap
import traceback

from gptoss_edu.errors import GptOssError

from .ranks import environment, free_port


class Processes:
    """`size` processes joined by gloo; `run` calls a function on each and returns what they return, by rank.

    Raises
    ------
    GptOssError : a rank failed, with its own error, or did not answer within `seconds`; the processes are then ended.
    """

    def __init__(self, size: int, seconds: float = 120.0):
        self.size, self.seconds = size, seconds
        context, port = multiprocessing.get_context("spawn"), free_port()
        self.pipes, self.processes = [], []
        for rank in range(size):
            here, there = context.Pipe()
            process = context.Process(target=_work, args=(rank, size, port, there), daemon=True)
            process.start()
            self.pipes.append(here)
            self.processes.append(process)

    def run(self, function, *arguments) -> list:
        """Return what `function(ranks, *arguments)` gives on each rank; a notebook's function imports inside itself."""
        if not self.processes:
            raise GptOssError("Processes: expected running ones, found them closed; create new ones.")
        task = function
        if function.__module__ == "__main__":
            task = (function.__name__, textwrap.dedent(inspect.getsource(function)))
        for pipe in self.pipes:
            pipe.send((task, arguments))
        answers = []
        for rank, pipe in enumerate(self.pipes):
            try:
                if not pipe.poll(self.seconds):
                    raise EOFError
                failed, answer = pipe.recv()
            except (EOFError, OSError):
                failed, answer = (
                    True,
                    f"no answer within {self.seconds:.0f} s: does it wait for a missing message?",
                )
            if failed:
                self.close()
                raise GptOssError(f"rank {rank}: {answer}")
            answers.append(answer)
        return answers

    def close(self) -> None:
        for pipe, process in zip(self.pipes, self.processes, strict=True):
            with contextlib.suppress(OSError):
                pipe.close()
            process.terminate()
        for process in self.processes:
            process.join()
        self.pipes, self.processes = [], []

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_) -> None:
        self.close()


def _work(rank: int, size: int, port: int, pipe) -> None:
    os.environ.update(environment(rank, size, port))
    import torch

    from .ranks import start

    torch.set_num_threads(1)
    ranks = start()
    while True:
        try:
            task, arguments = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            if isinstance(task, tuple):
                space: dict = {}
                exec(task[1], space)
                task = space[task[0]]
            pipe.send((False, task(ranks, *arguments)))
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            pipe.send((True, f"{type(error).__name__}: {error} (line {where.lineno} of {where.name})"))
