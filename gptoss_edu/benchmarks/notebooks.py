"""Execute notebooks and print their slowest cells: none of a core path should take more than 30 s on two idle cores.

    gptoss-edu bench notebooks notebooks/*.ipynb          every chapter, one after another
    gptoss-edu bench notebooks --most 10 notebooks/19*    the ten slowest cells of a chapter

Seconds are processor time, of the kernel and of the processes that it ended, with one thread. On a busy machine they
grow too, so a cell is judged by its ratio to a fixed piece of work, which the same kernel does at the start and at the
end. That work took 1.0 to 1.4 s on an idle core of the machine where the course is made, so a ratio of 25 is about half
a minute there. The notebooks are not changed.
"""

import argparse
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError

from gptoss_edu.errors import GptOssError
from gptoss_edu.options import positive

BUDGET = 25.0  # times the fixed piece of work, for a cell of a core path
CLOCK = """
import json as _json, os as _os, time as _time

def _clock(path=%r, now=lambda: (sum(_os.times()[:4]), _time.perf_counter())):
    begun = []
    def before(_info):
        begun[:] = now()
    def after(_result):
        with open(path, "a", encoding="utf-8") as file:
            file.write(_json.dumps([b - a for a, b in zip(begun or now(), now())]) + "\\n")
    get_ipython().events.register("pre_run_cell", before)
    get_ipython().events.register("post_run_cell", after)

_clock()
"""
CALIBRATION = """
import torch as _torch
_a = _torch.ones(512, 512)
for _ in range(60):
    _b = _a @ _a
_total = 0
for _i in range(6_000_000):
    _total += _i & 7
del _a, _b, _i, _total
"""


@dataclass(frozen=True)
class Timed:
    """One cell: its place in the notebook, whether it is on the core path, seconds, and its first line."""

    notebook: str
    index: int
    core: bool
    processor: float
    passed: float
    ratio: float
    line: str

    @property
    def over(self) -> bool:
        return self.core and self.ratio > BUDGET


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("notebooks", nargs="+", type=Path)
    parser.add_argument("--most", type=positive, default=3, help="cells to print of each notebook")
    parser.add_argument("--timeout", type=positive, default=900, help="seconds after which a cell is given up")


def run(args: argparse.Namespace) -> None:
    missing = next((path for path in args.notebooks if not path.is_file()), None)
    if missing:
        raise GptOssError(f"notebooks: expected a notebook, found none at {missing}.")
    print(f"{'notebook':28} {'cell':>4}  {'path':4} {'processor s':>11} {'ratio':>6} {'passed s':>8}  begins with")
    over = []
    for path in args.notebooks:
        found = time_cells(path, args.timeout)
        for cell in sorted(found, key=lambda cell: -cell.processor)[: args.most]:
            print(as_row(cell), flush=True)
        total = sum(cell.processor for cell in found)
        print(f"{path.stem:28} {'all':>4}  {'':4} {total:11.1f} {'':6} {sum(c.passed for c in found):8.1f}", flush=True)
        over += [cell for cell in found if cell.over]
    print(f"\n{len(over)} cells of core paths above a ratio of {BUDGET:g}" + (":" if over else "."))
    print("\n".join(map(as_row, over)))


def as_row(cell: Timed) -> str:
    path = "core" if cell.core else "◇"
    figures = f"{cell.processor:11.1f} {cell.ratio:6.2f} {cell.passed:8.1f}"
    return f"{cell.notebook:28} {cell.index:4}  {path:4} {figures}  {cell.line[:60]}"


def time_cells(path: Path, timeout: int = 900) -> list[Timed]:
    """Execute a notebook in its folder, and return its code cells with their times.

    Raises: GptOssError if a cell raises or takes too long.
    """
    try:
        notebook = nbformat.read(path, as_version=4)
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, UnicodeDecodeError) as error:
        raise GptOssError(f"notebooks: {path} is no notebook: {str(error).splitlines()[0][:80]}.") from None
    cells = [(i, cell) for i, cell in enumerate(notebook.cells) if cell.cell_type == "code" and cell.source.strip()]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "times.jsonl")
        added = [nbformat.v4.new_code_cell(source) for source in (CLOCK % str(log), CALIBRATION, CALIBRATION)]
        notebook.cells = [*added[:2], *notebook.cells, added[2]]
        client = NotebookClient(notebook, timeout=timeout, resources={"metadata": {"path": str(path.parent)}})
        try:
            client.execute(
                env=os.environ | {"OMP_NUM_THREADS": "1", "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
            )
        except (CellExecutionError, CellTimeoutError) as error:
            raise GptOssError(f"notebooks: {path}: {str(error).strip().splitlines()[-1]}.") from None
        # the cell that sets the clock is heard too, after its own end
        times = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()][-len(cells) - 2 :]
    unit = (times[0][0] + times[-1][0]) / 2
    return [
        Timed(
            path.stem, i, "core" in cell.metadata.get("tags", []), *seconds, seconds[0] / unit, first_line(cell.source)
        )
        for (i, cell), seconds in zip(cells, times[1:-1], strict=True)
    ]


def first_line(source: str) -> str:
    """Return the first line of a cell that does something, or its first line."""
    lines = [line.strip() for line in source.splitlines() if line.strip()]
    return next((line for line in lines if not line.startswith(("#", "import ", "from "))), lines[0])
