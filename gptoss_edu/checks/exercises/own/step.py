"""`step` (chapter 24): one round of continuous batching."""

from dataclasses import dataclass, field

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

STOP = 9
CAUSES = {
    "longest": "Nobody joins before all rows are free: the batch waits for its longest answer while rows are empty.",
    "fed": "Requests that have ended keep their rows, and the model still reads tokens for them.",
    "compaction": (
        "After a request has left, list and cache no longer agree: active[i] must be the request whose keys are in "
        "row i. The last row moves to the free place, in the list and in the cache."
    ),
    "forwards": (
        "The loop goes from the first row to the last while rows move, so it skips the row that has just moved to a "
        "free place. Go from the last to the first."
    ),
    "temperature": "All rows are sampled with one temperature. Each request has its own.",
    "unread": "A new row decodes before it has read its prompt: it knows the last token and nothing before it.",
    "reread": "The last token of a prompt is read twice: once with the prompt, and once more in the first decoding.",
    "last_in": "The request that came last is served first. Take waiting requests from the front.",
    "overfull": "More requests are active than there are rows.",
}


class ToyBatch:
    """Rows that remember what they have read. The likeliest next id is the last digit of a sum over all of it."""

    def __init__(self, rows: int, active: list, waiting: list):
        self.rows, self.active, self.waiting = rows, active, waiting
        self.held: list[list[int]] = [[] for _ in range(rows)]
        self.idle, self.fed, self.overtaken = 0, 0, 0

    def logits(self, row: int) -> list[float]:
        held = self.held[row]
        best = sum((i + 1) * token for i, token in enumerate(held)) % 10
        return [2.0 if i == best else 1.0 if i == (best + 3) % 10 else 0.0 for i in range(10)]

    def read(self, row: int, tokens: list[int]) -> list[float]:
        """Begin a row anew with these tokens."""
        self.held[row] = [int(token) for token in tokens]
        return self.logits(row)

    def decode(self, tokens: list[int]) -> list[list[float]]:
        """Read one more token in each of the first rows."""
        self.idle += bool(self.waiting) and len(tokens) < self.rows
        self.fed += sum(request.ended for request in self.active[: len(tokens)])
        first = min((request.client for request in self.waiting), default="Z")
        self.overtaken += sum(request.client > first for request in self.active)
        for row, token in enumerate(tokens):
            self.held[row].append(int(token))
        return [self.logits(row) for row in range(len(tokens))]

    def draw(self, logits: list[float], temperature: float) -> int:
        """Return the likeliest id or, at a temperature above 0, the second: a toy's randomness."""
        order = sorted(range(10), key=lambda i: -logits[i])
        return order[1 if temperature else 0]

    def move(self, source: int, target: int) -> None:
        """Let a row take another one's place."""
        self.held[target] = list(self.held[source])


@dataclass
class Asked:
    """A request of the toy."""

    client: str
    prompt: list[int]
    limit: int
    temperature: float = 0.0
    sampled: list[int] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        return bool(self.sampled) and (self.sampled[-1] == STOP or len(self.sampled) >= self.limit)


def through(step, jobs: list[tuple], rows: int) -> str:
    """Run rounds until nothing is left: every answer, who was returned as ended, and what was wasted."""
    waiting = [Asked("ABCDEFG"[i], *job) for i, job in enumerate(jobs)]
    asked, active, returned = list(waiting), [], []
    batch = ToyBatch(rows, active, waiting)
    for _ in range(40):
        ended = step(active, waiting, batch)
        returned += [getattr(request, "client", "?") for request in ended] if ended is not None else ["nothing"]
        if not waiting and all(request.ended for request in active):
            break
    answers = ", ".join(f"{r.client}: {' '.join(map(str, r.sampled))}" for r in asked)
    wasted = f"; rounds with a free row while somebody waited: {batch.idle}" if batch.idle else ""
    wasted += f"; tokens read for requests that had ended: {batch.fed}" if batch.fed else ""
    wasted += "; somebody was overtaken" if batch.overtaken else ""
    left = "; still active: " + " ".join(r.client for r in active) if active else ""
    names = " ".join(sorted(returned)) if "nothing" not in returned else "nothing"
    return f"{answers}; returned {names}{wasted}{left}"


CHECK = CaseCheck("step", "(active, waiting, batch) -> requests that ended", through, causes=CAUSES)
BANK = Bank("step")


def right(jobs: list[tuple], rows: int) -> str:
    return through(step, jobs, rows)


@CHECK.cases
def cases():
    return [
        Case(
            "one request",
            ([([3, 4, 1], 3)], 2),
            right,
            "A new request reads its prompt except for the last token; then every row reads one token and samples one.",
        ),
        Case("two rows", ([([3, 4], 3), ([5, 1, 2], 3)], 2), right, "Every row gets one token per round."),
        Case(
            "as many as rows",
            ([([3], 2), ([5, 1], 2), ([6, 2], 2)], 2),
            right,
            "A request that finds no free row waits.",
        ),
        Case(
            "own temperatures",
            ([([3, 4], 3), ([5, 1, 2], 3, 1.0), ([2, 2], 3, 1.0)], 3),
            right,
            "Each row is sampled with the temperature of its own request.",
        ),
        Case(
            "the last one leaves",
            ([([3, 4], 5), ([5, 1], 2)], 2),
            right,
            "Requests leave as soon as they have ended; step returns them.",
        ),
        Case(
            "the first one leaves",
            ([([3, 4], 2), ([5, 1], 5), ([6, 1, 3], 5)], 3),
            right,
            "The last row moves to the free place, in the list and in the cache.",
        ),
        Case(
            "several leave at once",
            ([([3, 4], 2), ([5, 1], 5), ([7, 1, 3], 2), ([1, 8], 2)], 4),
            right,
            "Every request that has ended leaves in the same round.",
        ),
        Case(
            "a free row is filled",
            ([([3, 4], 6), ([5, 1], 2), ([7, 1, 3], 3), ([1, 8], 2)], 2),
            right,
            "A row that becomes free is filled in the next round, while the others go on.",
        ),
    ]


@BANK.right("join, decode, leave")
def step(active, waiting, batch):
    while waiting and len(active) < batch.rows:
        active.append(waiting.pop(0))
        batch.read(len(active) - 1, active[-1].prompt[:-1])
    logits = batch.decode([[*request.prompt, *request.sampled][-1] for request in active])
    for request, line in zip(active, logits, strict=True):
        request.sampled.append(batch.draw(line, request.temperature))
    ended = []
    for row in reversed(range(len(active))):
        if active[row].ended:
            ended.append(active[row])
            batch.move(len(active) - 1, row)
            active[row] = active[-1]
            active.pop()
    return ended


JOIN, READ = "waiting and len(active) < batch.rows", "        batch.read(len(active) - 1, active[-1].prompt[:-1])\n"
MOVE, CLOSE = "batch.move(len(active) - 1, row)", "active[row] = active[-1]\n            active.pop()"
BANK.wrong(
    "longest",
    "nobody joins before all have left",
    (f"    while {JOIN}:", f"    free = not active\n    while free and {JOIN}:"),
)
BANK.wrong("fed", "rows are freed when all have ended", ("if active[row].ended:", "if all(r.ended for r in active):"))
BANK.wrong(
    "fed",
    "nobody leaves",
    ("if active[row].ended:", "if False:"),
    ("return ended", "return [r for r in active if r.ended]"),
)
BANK.wrong("compaction", "the cache is not moved", (MOVE, "pass"))
BANK.wrong("compaction", "the list closes ranks, the cache does not", (CLOSE, "active.pop(row)"))
BANK.wrong("compaction", "the other way round", (MOVE, "batch.move(row, len(active) - 1)"))
BANK.wrong("compaction", "only the cache moves", (CLOSE, "active.remove(active[row])"))
BANK.wrong(
    "forwards",
    "from the first row to the last",
    (
        "for row in reversed(range(len(active))):\n        if active[row].ended:",
        "for row, request in enumerate(active):\n        if request.ended:",
    ),
    ("ended.append(active[row])", "ended.append(request)"),
)
BANK.wrong("temperature", "the first one's for all", ("request.temperature", "active[0].temperature"))
BANK.wrong("temperature", "none", ("request.temperature", "0.0"))
BANK.wrong("temperature", "the largest for all", ("request.temperature", "max(r.temperature for r in active)"))
BANK.wrong("unread", "no prompt is read", (READ, ""))
BANK.wrong("unread", "the row begins empty", ("active[-1].prompt[:-1]", "[]"))
BANK.wrong("reread", "the whole prompt, then its last token again", ("prompt[:-1]", "prompt"))
BANK.wrong("last_in", "from the end of the queue", ("waiting.pop(0)", "waiting.pop()"))
BANK.wrong("one request", "nothing returned", ("    return ended", "    return None"))
BANK.wrong(
    "two rows", "one row per round", ("request in active])", "request in active[:1]])"), ("strict=True", "strict=False")
)
BANK.wrong(
    "several leave at once",
    "one leaves per round",
    ("            active.pop()\n", "            active.pop()\n            break\n"),
)


@BANK.right("the first token from reading, then one decoding")
def from_reading(active, waiting, batch):
    fresh = []
    while waiting and len(active) < batch.rows:
        request = waiting.pop(0)
        active.append(request)
        fresh.append(request)
        request.sampled.append(batch.draw(batch.read(len(active) - 1, request.prompt), request.temperature))
    ended = leave(active, batch)
    if not fresh:
        logits = batch.decode([request.sampled[-1] for request in active])
        for row, request in enumerate(active):
            request.sampled.append(batch.draw(logits[row], request.temperature))
    return ended + leave(active, batch)


def leave(active, batch):
    ended, row = [], 0
    while row < len(active):
        if not active[row].ended:
            row += 1
            continue
        ended.append(active[row])
        last = active.pop()
        if row < len(active):
            batch.move(len(active), row)
            active[row] = last
    return ended
