"""A notebook stores a figure as a small SVG that keeps every mark and has a dark version of each colour."""

import base64
import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb
from PIL import Image

from gptoss_edu import ModelConfig
from gptoss_edu.viz import architecture, parallel_figures, recolour, style, tuning_figures, vector


def heat_maps():
    figure, axes = plt.subplots(1, 3)
    for axis, cmap in zip(axes, (style.sequential(), style.heat(), style.diverging()), strict=True):
        axis.imshow(np.linspace(0, 1, 64).reshape(8, 8), cmap=cmap)
        axis.text(0, 0, "near", color=style.color("ink"))
    return figure


def curves():
    figure, axis = plt.subplots()
    for i in range(8):
        axis.plot([0, 1, 2], [i, i + 1, i], label=f"curve {i}")
    axis.fill_between([0, 1], [0, 1], alpha=0.3)
    axis.bar([0, 1], [2, 3], hatch="//", color=style.color("sink"), edgecolor="white")
    axis.legend()
    axis.set_title("a < b & c")
    axis.set_xlabel("two  blanks")
    return figure


FIGURES = {
    "curves": curves,
    "heat maps": heat_maps,
    "the model": lambda: architecture.figure_map(ModelConfig.gpt_oss_20b()),
    "cuts": parallel_figures.figure_cuts,
    "a layer": parallel_figures.figure_layer,
    "a ring": lambda: parallel_figures.figure_ring(parallel_figures.ring_history(3)),
    "codes": lambda: tuning_figures.grid_of_codes([(1, 1.1), (2, 2.8)]).figure,
}


def drawn(name: str, theme: str) -> str:
    with style.themed(theme):
        return vector.to_svg(FIGURES[name]())


def shades(svg: str) -> np.ndarray:
    """Return all colours of an SVG in order, including those of pictures inside it: (n, 3)."""
    found = [to_rgb(color) for color in recolour.HEX.findall(recolour.PICTURE.sub("", svg))]
    for data in recolour.PICTURE.findall(svg):
        pixels = np.array(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA")).reshape(-1, 4)
        found += [tuple(pixel[:3] / 255) for pixel in pixels if pixel[3]]
    return np.array(found)


@pytest.mark.slow
@pytest.mark.parametrize("name", FIGURES)
def test_the_dark_of_a_stored_figure_is_what_the_same_function_draws_in_the_dark(name):
    turned, right = shades(recolour.dark_svg(drawn(name, "light"))), shades(drawn(name, "dark"))
    assert turned.shape == right.shape
    off = np.abs(turned - right).max(-1) > 12 / 255  # where two colour maps cross, a shade may belong to either
    written = [to for to, far in zip(right, off, strict=True) if far]
    # only words in plain white or black may differ: in the dark they get the other colour
    assert all(tuple(color) in ((1.0, 1.0, 1.0), (0.0, 0.0, 0.0)) for color in written)
    assert off.mean() < 0.2


def test_what_is_not_the_palettes_keeps_its_colours():
    assert recolour.counterpart("#440154") is None  # viridis
    figure, axis = plt.subplots()
    axis.imshow(np.linspace(0, 1, 64).reshape(8, 8), cmap="viridis")
    (data,) = recolour.PICTURE.findall(vector.to_svg(figure))
    assert recolour.dark_data(data) is None


@pytest.mark.parametrize("theme", [0, 1])
def test_every_colour_of_the_palette_has_one_counterpart(theme):
    """No light colour has two dark versions; a translucent colour over paper lies between paper and the colour."""
    for light, dark in (*style.COLORS.values(), *style.CYCLE):
        assert recolour.counterpart(light) == dark.lower()
    half = recolour.counterpart("#80AFD4")  # #005EA8 mixed with as much paper
    paper, full = to_rgb(style.COLORS["paper"][1]), to_rgb("#6BB6FA")
    assert np.allclose(to_rgb(half), np.add(paper, full) / 2, atol=4 / 255)


@pytest.mark.slow
def test_a_stored_figure_is_small_and_keeps_marks_and_words():
    with style.themed("light"):
        figure = curves()
        full = io.StringIO()
        figure.savefig(full, format="svg")
        svg = vector.to_svg(figure)
        assert svg == vector.to_svg(figure) and len(svg) < 0.4 * len(full.getvalue())
    root = ElementTree.fromstring(svg)
    words = {text.text for text in root.iter(f"{{{vector.SVG}}}text")}
    assert re.search(r'white-space:pre"[^>]*>two  blanks<', svg)
    assert {"a < b & c", *(f"curve {i}" for i in range(8))} <= words
    lines = [e for e in root.iter(f"{{{vector.SVG}}}path") if "stroke-width:1.8" in e.get("style", "")]
    assert len(lines) == 16  # a curve and its line in the legend
    named = {e.get("id") for e in root.iter()} - {None}
    assert named
    assert set(re.findall(r'(?:url\(#|href="#)([\w-]+)', svg)) == named
    with style.themed("dark"):  # two figures on a page share no id
        assert not named & {e.get("id") for e in ElementTree.fromstring(vector.to_svg(curves())).iter()}


@pytest.mark.slow
@pytest.mark.parametrize("below", [True, "line"])  # as in a notebook, and also without style.use
def test_a_cloud_is_a_picture_and_a_heat_map_has_a_pixel_for_each_cell(below, monkeypatch):
    # point clouds with no axis between them become one picture
    monkeypatch.setitem(matplotlib.rcParams, "axes.axisbelow", below)
    figure, (left, middle, right) = plt.subplots(1, 3)
    points = left.scatter(*np.random.default_rng(0).random((2, 700)))
    middle.plot(*np.random.default_rng(0).random((2, 800)), ".")
    image = right.imshow(np.zeros((3, 4)), interpolation="nearest")
    svg = vector.to_svg(figure)
    assert svg.count("<image") == 3 and svg.count("<use") < 100 and len(svg) < vector.LARGEST
    assert 'width="4" height="3"' in svg
    assert not points.get_rasterized() and image.get_interpolation() == "nearest"  # the figure itself is unchanged


@pytest.mark.slow
def test_stored_figures_have_no_colour_that_the_dark_does_not_know():
    """This holds in all notebooks, except for maps without a background, which read alike in light and dark."""
    maps = [plt.get_cmap(name) for name in ("viridis", "cividis")]
    without_ground = {to_hex(cmap(i)) for cmap in maps for i in range(cmap.N)}
    notebooks = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
    found = 0
    for path in notebooks:
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            for svg in ("".join(o.get("data", {}).get("image/svg+xml", "")) for o in cell.get("outputs", [])):
                colors = set(recolour.HEX.findall(recolour.PICTURE.sub("", svg)))
                assert {c for c in colors if recolour.counterpart(c) is None} <= without_ground, path.name
                found += bool(svg)
    assert found > 0


@pytest.mark.slow
def test_a_notebook_stores_both_and_nothing_for_an_empty_figure(monkeypatch):
    figure = curves()
    assert vector.stored_svg(figure).startswith("<svg")
    picture = Image.open(io.BytesIO(base64.b64decode(vector.stored_png(figure))))
    assert picture.format == "PNG" and picture.mode == "P"
    assert vector.stored_svg(plt.figure()) is vector.stored_png(plt.figure()) is None
    monkeypatch.setattr(vector, "LARGEST", 100)
    assert vector.stored_svg(figure) is None and vector.stored_png(figure)


@pytest.mark.slow
def test_a_stored_picture_keeps_the_colours_of_its_bars():
    """With 64 shades for two colour maps side by side, orange became purple."""
    rng = np.random.default_rng(0)
    figure, axes = plt.subplots(1, 2, figsize=(7, 2.5))
    for axis, colours in zip(axes, (style.diverging(), "cividis"), strict=True):
        figure.colorbar(axis.imshow(rng.normal(size=(6, 8)), cmap=colours), ax=axis)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=figure.dpi, bbox_inches="tight", facecolor=figure.get_facecolor())
    stored = Image.open(io.BytesIO(base64.b64decode(vector.stored_png(figure))))
    whole, small = (np.asarray(image.convert("RGB"), int) for image in (Image.open(drawn), stored))
    # of 255; with 64 shades it was 39, or 20 with the best choice
    assert np.percentile(np.abs(whole - small), 99.9) <= 10
