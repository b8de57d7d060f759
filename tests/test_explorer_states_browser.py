"""Test the explorer with unusual traces: equal names, other numbers of experts, choices alone, odd letters."""

import numpy as np
import pytest

import gptoss_edu
from gptoss_edu import trace, web
from gptoss_edu.trace.synthetic import synthetic_trace

pytestmark = pytest.mark.browser
PAINTED = "() => new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)))"
GRAB = "() => window.explorer.panels.map((p) => [p.area, p.canvas.toDataURL()])"
# Return all drawn texts, by panel.
LISTEN = """
window.written = [];
const write = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
  if (this.canvas.isConnected) window.written.push({ text, right: x + this.measureText(text).width, width: this.canvas.clientWidth, legend: this.canvas.className === "legend" });
  return write.apply(this, arguments);
};
"""


@pytest.fixture(scope="module")
def model():
    return gptoss_edu.load_model()


@pytest.fixture(scope="module")
def ids(model):
    text = "<|start|>user<|message|>3 + 4?<|end|><|start|>assistant<|channel|>final<|message|>7<|return|>"
    return model.tokenizer.encode(text, allowed_special="all")


def select(page, **state):
    page.evaluate("(state) => window.explorer.store.set(state)", state)
    page.evaluate(PAINTED)


def test_two_runs_of_one_name_are_two(open_page):
    """The second run has its own pictures, even if both runs are named "as it is"."""
    page = open_page(web.explore(synthetic_trace(60, seed=1), synthetic_trace(60, seed=2)))
    first = dict(page.evaluate(GRAB))
    select(page, side=1)
    second = dict(page.evaluate(GRAB))
    assert {area for area in first if first[area] == second[area]} == {"strip", "compare"}  # these show both runs


def test_an_open_table_follows_the_selection(open_page):
    page = open_page(web.explore(synthetic_trace(60)))
    page.evaluate("window.explorer.panels.forEach((panel) => panel.showTable(true))")
    select(page, t=20)
    tables = "window.explorer.panels.map((p) => p.tableBox.innerText)"
    shown = page.evaluate(tables)
    page.evaluate("window.explorer.panels.forEach((panel) => panel.fillTable())")
    assert page.evaluate(tables) == shown


@pytest.mark.parametrize("k", [2, 16])
def test_another_number_of_experts(open_page, model, ids, k):
    change = trace.compare(model, ids, trace.ExpertsPerToken(k))
    page = open_page(web.explore(change))
    got = page.evaluate("window.explorer.payload.runs.map((run) => run.route(5, 3))")
    for run, route in zip((change.base, change.other), got, strict=True):
        assert [r["expert"] for r in route] == run["expert_indices"][5, 3].tolist()
    select(page, side=1)
    logits = change.other["router_logits"].astype("float32")
    found = page.evaluate(
        "([l, t]) => [...Array(l).keys()].map((i) => [...Array(t).keys()].map((j) => "
        "window.explorer.store.run.leftOut(i, j)?.expert ?? null))",
        logits.shape[:2],
    )
    if k == 16:
        assert {expert for row in found for expert in row} == {None}
        return
    left = logits.copy()
    np.put_along_axis(left, change.other["expert_indices"], -np.inf, -1)
    first, second = np.sort(left, -1)[..., -1], np.sort(left, -1)[..., -2]
    clear = first - second > 2 * np.ptp(logits) / 255  # the page keeps a byte for each logit
    assert clear.mean() > 0.5 and (np.array(found) == left.argmax(-1))[clear].all()


def test_only_choices_make_no_numbers_up(open_page, model, ids):
    """An engine's list of experts has no weights, margins, surprisal or heads; neither they nor their controls show."""
    run = trace.record(model, ids, level="routing")
    page = open_page(
        web.explore(
            trace.from_routed_experts(run["expert_indices"].transpose(1, 0, 2), ids, model.config, model.tokenizer)
        ),
        script=LISTEN,
    )
    page.evaluate("window.explorer.panels.forEach((panel) => panel.showTable(true))")
    for key in ("ArrowLeft", "x", "g", "s", "z", "m"):
        page.evaluate("(key) => window.explorer.command(key)", key)
        page.evaluate(PAINTED)
    words = " ".join([w["text"] for w in page.evaluate("window.written")] + [page.locator(".gx").inner_text()])
    assert "NaN" not in words and "undefined" not in words and "surprisal (" not in words
    assert "%" not in page.locator("#gx-say").inner_text()
    assert page.locator("select").count() == 0 and page.get_by_role("button", name="sink").count() == 0


def test_no_letter_is_cut_in_two(open_page):
    pieces = [("😀" * 30).encode(), "数学がすき".encode(), "🇩🇪".encode(), b"a" * 90, "\u00a0".encode()]
    page = open_page(web.explore(synthetic_trace(90, pieces=pieces)), script=LISTEN)
    for _ in range(4):
        page.evaluate("window.explorer.command('ArrowLeft')")
        page.evaluate(PAINTED)
    written = [w["text"] for w in page.evaluate("window.written")]
    assert all(text.encode("utf-8", "replace") == text.encode("utf-8", "ignore") for text in written)
    assert any("😀…" in text for text in written) and "‹U+00A0›" in written


def test_every_legend_is_whole_on_a_phone(open_page):
    page = open_page(web.explore(synthetic_trace(60), synthetic_trace(60, seed=3)), 360, script=LISTEN)
    select(page, t=30)
    legends = [w for w in page.evaluate("window.written") if w["legend"]]
    assert {"analysis", "final", "rows kept exactly", "full"} <= {w["text"].strip() for w in legends}
    assert [w["text"] for w in legends if w["right"] > w["width"] + 4] == []


def test_help_and_masks_open_in_sight(open_page):
    page = open_page(web.explore(synthetic_trace(60)))
    button = page.get_by_role("button", name="Keyboard help")
    assert button.get_attribute("aria-expanded") == "false"
    button.click()
    page.get_by_role("button", name="Mask the first expert").click()
    assert button.get_attribute("aria-expanded") == "true"
    for box in (".help", ".masks"):
        assert page.locator(box).bounding_box()["y"] < 600


def test_a_text_that_no_token_has_is_said(open_page):
    page = open_page(web.explore(synthetic_trace(60), t=3))
    find = page.get_by_label("Find a token's text")
    for text, fits in (("nowhere", False), ("answer", True)):
        find.fill(text)
        find.press("Enter")
        assert find.evaluate("(node) => node.checkValidity()") == fits
    assert "answer" in page.evaluate("window.explorer.store.run.texts[window.explorer.store.state.t]")


def test_a_tip_stays_in_the_window(open_page):
    page = open_page(web.explore(synthetic_trace(60)))
    page.evaluate("scrollTo(0, 200)")
    box = page.locator("[data-area=ribbon] canvas").bounding_box()
    page.set_viewport_size({"width": 1280, "height": int(box["y"]) + 60})
    page.mouse.move(box["x"] + box["width"] - 20, box["y"] + 50)
    tip = page.locator(".tip").bounding_box()
    assert tip and tip["x"] + tip["width"] <= 1280 and tip["y"] + tip["height"] <= box["y"] + 60


def test_a_page_that_cannot_open_says_why(chromium, tmp_path):
    path = tmp_path / "old.html"
    path.write_text(web.explore(synthetic_trace(20)).html, encoding="utf-8")
    page = chromium.new_page()
    page.add_init_script("delete window.DecompressionStream")  # missing in browsers of 2022
    page.goto(path.as_uri())
    page.get_by_text("could not open: DecompressionStream is not defined").wait_for(timeout=10_000)
    page.close()


def test_a_large_model_fits_a_phone(open_page):
    """All 64 heads fit in the picture, and the marks of 128 experts are still large enough to be seen."""
    page = open_page(web.explore(synthetic_trace(40, 36, 64, 8, 128)), 360)
    right, width = page.evaluate("""() => {
      const { view, width } = window.explorer.panels.find((p) => p.area === "grid"), run = window.explorer.store.run;
      const g = view.geometry(run, width);
      return [view.cell(g, 0, 63).x + g.cw, width];
    }""")
    assert 0.9 * width < right <= width
    coloured = page.evaluate("""() => {
      const { canvas } = window.explorer.panels.find((p) => p.area === "route");
      const d = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
      let n = 0;
      for (let i = 0; i < d.length; i += 4) n += Math.max(d[i], d[i + 1], d[i + 2]) - Math.min(d[i], d[i + 1], d[i + 2]) > 90;
      return n;
    }""")
    assert coloured > 36 * 4 * 20  # the four dots of a layer, about twenty pixels each
