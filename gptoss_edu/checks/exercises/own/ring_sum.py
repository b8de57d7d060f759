"""`ring_sum` (chapter 25): an all-reduce made of sends to one neighbour. The check runs a thread for each rank."""

from __future__ import annotations

import queue
import threading

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CAUSES = {
    "alone": "A rank waits for a part that its neighbour never sends: every receive needs a send by the previous rank.",
    "everything": (
        "It sends everything it has at each step. The sums are right, but each rank sends `size` times as much: send "
        "one part per step."
    ),
}


def told(results: list, sent: list[int]) -> str:
    """Say in words what each rank has at the end, and how much it has sent."""
    lines = [
        f"rank {rank} {result if isinstance(result, str) else f'has {list(result)}'} and sent {count} numbers"
        for rank, (result, count) in enumerate(zip(results, sent, strict=True))
    ]
    return "; ".join(lines)


def through(ring_sum, table: list[list[int]]) -> str:
    """Run all ranks; return each result and how many numbers it sent. table[rank] holds the rank's parts."""
    size = len(table)
    lines, sent, results = [queue.Queue() for _ in range(size)], [0] * size, [None] * size

    def run(rank: int) -> None:
        def send(part) -> None:
            sent[rank] += len(part) if isinstance(part, list | tuple) else 1
            lines[(rank + 1) % size].put(part)

        def receive():
            return lines[rank].get(timeout=2)

        try:
            found = ring_sum(rank, size, list(table[rank]), send, receive)
            results[rank] = "returns nothing" if found is None else [int(part) for part in found]
        except queue.Empty:
            results[rank] = "waits for ever"
        except BaseException as error:
            results[rank] = error

    threads = [threading.Thread(target=run, args=(rank,), daemon=True) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return told(results, sent)


CHECK = CaseCheck(
    "ring_sum", "(rank, size, parts, send, receive) -> parts, each the sum over all ranks", through, causes=CAUSES
)
BANK = Bank("ring_sum")


def summed(table: list[list[int]]) -> str:
    size, totals = len(table), [sum(column) for column in zip(*table, strict=True)]
    return told([totals] * size, [2 * (size - 1)] * size)


@CHECK.cases
def cases():
    return [
        Case("one rank", ([[5]],), summed, "A single rank has the sums already and sends nothing."),
        Case(
            "two ranks",
            ([[1, 2], [10, 20]],),
            summed,
            "Each of two ranks sends one part, which the other adds, and then passes on its finished sum.",
        ),
        Case(
            "three ranks",
            ([[1, 2, 3], [10, 20, 30], [100, 200, 300]],),
            summed,
            "size - 1 steps collect, and size - 1 steps pass on. What arrives belongs to the part that the neighbour "
            "sent: its number is one less than that of the part just sent.",
        ),
        Case(
            "four ranks",
            ([[1, 0, 0, 5], [0, 2, 0, 6], [0, 0, 3, 7], [4, 0, 0, 8]],),
            summed,
            "In the second half, a finished sum replaces the old value; it is not added.",
        ),
    ]


@BANK.right("up, then round")
def ring_sum(rank, size, parts, send, receive):
    parts = list(parts)
    for step in range(size - 1):
        send(parts[(rank - step) % size])
        i = (rank - step - 1) % size
        parts[i] = parts[i] + receive()
    for step in range(size - 1):
        send(parts[(rank + 1 - step) % size])
        parts[(rank - step) % size] = receive()
    return parts


@BANK.right("one loop")
def one_loop(rank, size, parts, send, receive):
    at = rank
    for step in range(2 * (size - 1)):
        send(parts[at])
        at = (at - 1) % size
        came = receive()
        parts[at] = parts[at] + came if step < size - 1 else came
    return parts


BANK.wrong("two ranks", "the way up alone", ("2 * (size - 1)", "size - 1"))
BANK.wrong("two ranks", "added on the way round too", (" if step < size - 1 else came", ""))
BANK.wrong("two ranks", "one step too many on the way up", ("step < size - 1", "step < size"))
BANK.wrong("three ranks", "the next part, not the one before", ("(at - 1) % size", "(at + 1) % size"))
BANK.wrong("two ranks", "never moves on", ("at = (at - 1) % size", "at = at"))
BANK.wrong("three ranks", "starts at part 0 on every rank", ("at = rank", "at = 0"))
BANK.wrong("two ranks", "nothing is exchanged", ("2 * (size - 1)", "0"))
