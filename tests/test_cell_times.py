"""The cells of notebooks are timed in the order of their work, by processor time, and a failing cell is named."""

import nbformat
import pytest

from gptoss_edu.benchmarks import notebooks
from gptoss_edu.cli import main

BUSY = "end = time.process_time() + 1.5\nwhile time.process_time() < end:\n    pass"


def write(path, *cells):
    code = [nbformat.v4.new_code_cell(source, metadata={"tags": tags}) for source, tags in cells]
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("words"), *code]), path)


@pytest.mark.slow
def test_what_computes_is_told_from_what_waits(tmp_path, capsys, monkeypatch):
    file = tmp_path / "x.ipynb"
    cells = [("import time\n1", ["core"]), ("", []), (BUSY, ["core"]), ("# waits\ntime.sleep(1.5)", []), ("2", [])]
    write(file, *cells)
    before = file.read_bytes()
    monkeypatch.setattr(notebooks, "CALIBRATION", "sum(range(3_000_000))")  # the real one imports PyTorch
    found = {cell.index: cell for cell in notebooks.time_cells(file)}
    assert list(found) == [1, 3, 4, 5] and [cell.core for cell in found.values()] == [True, True, False, False]
    assert found[3].processor > 5 * found[4].processor and found[4].passed > 5 * found[4].processor
    assert found[3].ratio > 5 * found[4].ratio and found[4].line == "time.sleep(1.5)"
    assert file.read_bytes() == before
    monkeypatch.setattr(notebooks, "BUDGET", found[3].ratio / 3)
    with monkeypatch.context() as timed:
        timed.setattr(notebooks, "time_cells", lambda path, timeout: list(found.values()))
        assert main(["bench", "notebooks", str(file), "--most", "1"]) == 0
    said = capsys.readouterr().out
    assert said.count("end = time.process_time()") == 2 and "1 cells of core paths above" in said
    write(file, ("1 / 0", ["core"]))
    assert main(["bench", "notebooks", str(file)]) == 2
    assert "division by zero" in capsys.readouterr().err
    assert main(["bench", "notebooks", str(tmp_path / "none.ipynb")]) == 2
