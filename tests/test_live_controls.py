"""Test the chapters' sliders: each has a stored picture for the book, and moves what its chapter says."""

import copy

import matplotlib.pyplot as plt
import pytest
import torch
from test_notebooks import NOTEBOOKS, code_cells, each_notebook, execute, needed, read

VIEW, STATE = "application/vnd.jupyter.widget-view+json", "application/vnd.jupyter.widget-state+json"


def sliding(notebook) -> list[int]:
    """Return the code cells that show live controls."""
    return [i for i, cell in enumerate(code_cells(notebook)) if "widgets.interactive(" in cell.source]


def chapter(number: str):
    return read(next(path for path in NOTEBOOKS if path.stem.startswith(number)))


@each_notebook
def test_live_controls_are_stored_with_a_picture(path):
    notebook = read(path)
    models = notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    for position in sliding(notebook):
        views = [
            output.data[VIEW]["model_id"] for output in code_cells(notebook)[position].outputs if VIEW in output.data
        ]
        assert len(views) == 1, "its output must hold the widget"
        children = [child.removeprefix("IPY_MODEL_") for child in models[views[0]]["state"]["children"]]
        shown = [models[child]["state"].get("outputs", []) for child in children]
        assert any("Slider" in models[child]["model_name"] for child in children)
        assert any("image/png" in output.get("data", {}) for outputs in shown for output in outputs)


def live(number: str, folder, monkeypatch, *shorter: tuple[str, str]):
    """Return a chapter's first live control, and a list that collects the figures shown by `plt.show`.

    `shorter` : maps texts of its cells to replacements that take less time.
    """
    cells, figures = copy.deepcopy(code_cells(chapter(number))), []
    for long, short in shorter:
        (cell,) = (cell for cell in cells if long in cell.source)
        cell.source = cell.source.replace(long, short)
    _, namespace = execute(cells, needed(cells, {sliding(chapter(number))[0]})[:-1], folder)
    source = cells[sliding(chapter(number))[0]].source
    before, _, call = source.partition("widgets.interactive(")
    exec(f"{before}control = widgets.interactive({call}", namespace)
    monkeypatch.setattr(plt, "show", lambda: figures.append(plt.gcf()))
    return namespace, namespace["control"], figures


FEW = ('"addition"] * 2', '"addition"][:1]')  # one task is enough: its loss curve has the same shape as that of all


@pytest.mark.slow
def test_the_sink_goes_to_minus_infinity_while_its_row_sums_to_one_and_the_loss_moves(tmp_path, monkeypatch):
    namespace, control, figures = live("06", tmp_path, monkeypatch, FEW)
    slider, shares, losses = control.children[0], [], []
    for _, shift in slider.options:
        slider.value = shift
        control.update()
        row, loss = figures[-1].axes
        heights = [bar.get_height() for bar in row.patches]
        assert sum(heights) == pytest.approx(1, abs=1e-5)
        shares.append(heights[-1])
        losses.append(loss.lines[-1].get_ydata()[0])
    assert slider.options[0][0] == "−∞" and shares[0] == 0, "nothing is left to the sink"
    assert shares == sorted(shares) and shares[-1] > 0.5
    assert losses == namespace["losses"] and min(losses) < losses[0] and min(losses) < losses[-1]


@pytest.mark.slow
def test_temperature_and_top_p_move_the_next_token(tmp_path, monkeypatch):
    namespace, control, figures = live("11", tmp_path, monkeypatch)
    temperature, top_p = control.children[:2]
    shown = namespace["SHOWN"]
    for t, p in ((1.0, 1.0), (0.3, 1.0), (3.0, 1.0), (1.0, 0.3), (0.0, 1.0)):
        temperature.value, top_p.value = t, p
        control.update()
        heights = torch.tensor([bar.get_height() for bar in figures[-1].axes[0].patches[: len(shown)]])
        if p == 1.0 and t > 0:
            right = torch.softmax(namespace["logits"].double() / t, -1)[shown]
            assert torch.allclose(heights.double(), right, atol=1e-5)
        else:
            assert (heights == 0).any() and heights.sum() == pytest.approx(1, abs=1e-5), "what is left sums to one"
