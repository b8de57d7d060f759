"""Test the explorer in headless Chromium: what it draws, says, costs and refuses. Needs Chromium and Playwright."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from axe import needs_axe, serious

import gptoss_edu
from gptoss_edu import trace, web
from gptoss_edu.benchmarks import explorer as bench
from gptoss_edu.trace.synthetic import synthetic_trace

pytestmark = pytest.mark.browser
AREAS = ["strip", "grid", "matrix", "row", "ribbon", "route", "load", "lens"]
HOSTILE = [
    b"</script>", b"<img src=x onerror=alert(1)>", b"\xf0\x9f", "\u202egnp.exe".encode(), b"<!--", b"]]>", b"&lt;b&gt;",
    b"${alert(1)}", b"`", b"\x00\x07", "\u200f\u05d0".encode(), b"\\u003c/script\\u003e", b"'\"><svg onload=alert(1)>",
]  # fmt: skip
COUNT_INK = """(area) => {
  const c = window.explorer.panels.find((p) => p.area === area).canvas;
  const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
  const seen = new Set();
  for (let i = 0; i < d.length; i += 16) seen.add((d[i] << 16) | (d[i + 1] << 8) | d[i + 2]);
  return seen.size;
}"""


@pytest.fixture(scope="module")
def tiny_run():
    model = gptoss_edu.load_model()
    text = "<|start|>user<|message|>3 + 4?<|end|><|start|>assistant<|channel|>final<|message|>7<|return|>"
    ids = model.tokenizer.encode(text, allowed_special="all")
    return trace.record(model, ids, heads=[(0, 0), (1, 3), (2, 5), (3, 1)])


def said(page) -> str:
    return page.locator("#gx-say").inner_text()


def press(page, *keys, focus="grid"):
    page.locator(f"[data-area={focus}]").focus()
    for key in keys:
        page.keyboard.press(key)
    page.evaluate("() => new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)))")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
def test_every_view_draws_and_nothing_leaves_the_page(open_page, tiny_run, width, scheme):
    for run in (tiny_run, synthetic_trace(120)):
        page = open_page(web.explore(run), width, scheme)
        for area in AREAS:
            assert page.evaluate(COUNT_INK, area) > 8, area
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        background = page.evaluate(
            "getComputedStyle(document.querySelector('#app').shadowRoot.querySelector('.panel')).backgroundColor"
        )
        assert (background == "rgb(255, 255, 255)") == (scheme == "light")


def test_rows_sum_to_one_and_bands_are_empty(open_page):
    run = synthetic_trace(700, window=48, exact=8)
    page = open_page(web.explore(run))
    got = page.evaluate("""() => window.explorer.store.run.exactHeads().map(([l, h]) => {
      const run = window.explorer.store.run, sums = [];
      let longest = 0;
      for (let q = 0; q < run.T; q++) {
        const row = run.row(l, h, q);
        sums.push(row.sink + row.weights.reduce((a, b) => a + b, 0));
        longest = Math.max(longest, row.weights.length);
      }
      return { l, h, low: Math.min(...sums), high: Math.max(...sums), longest };
    })""")
    assert len(got) == 8
    for head in got:
        assert head["low"] > 0.99 and head["high"] < 1.01, head
        assert head["longest"] == (48 if head["l"] % 2 == 0 else 700)


def test_what_it_says_equals_the_trace(open_page, tiny_run):
    page = open_page(web.explore(tiny_run))
    t, layer, head = 4, 3, 1
    page.evaluate("(s) => window.explorer.store.set(s)", {"t": t, "l": layer, "h": head})
    seen = page.evaluate(
        """([l, t, h]) => { const run = window.explorer.store.run, row = run.row(l, h, t);
      return { sink: run.sink(l, t, h), route: run.route(l, t), weights: [...row.weights], lens: run.lens(l, t), margin: run.margin(l, t) }; }""",
        [layer, t, head],
    )
    weights, sink = tiny_run.attention(layer, head)
    assert abs(seen["sink"] - sink[t]) < 0.004
    assert np.abs(np.array(seen["weights"]) - weights[t, : t + 1]).max() < 0.006
    assert [r["expert"] for r in seen["route"]] == tiny_run["expert_indices"][layer, t].tolist()
    assert np.abs(np.array([r["weight"] for r in seen["route"]]) - tiny_run["expert_weights"][layer, t]).max() < 0.004
    assert [x["token"] for x in seen["lens"]] == tiny_run["lens_tokens"][layer, t].tolist()


def test_by_keyboard_alone(open_page):
    run = synthetic_trace(90, seed=5)
    page = open_page(web.explore(run, t=40))
    for _ in range(60):  # Tab moves to a view; no pointer is used
        page.keyboard.press("Tab")
        if page.evaluate("document.querySelector('#app').shadowRoot.activeElement?.dataset.area === 'strip'"):
            break
    else:
        pytest.fail("Tab never reached the token strip")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("s")
    page.keyboard.press("m")
    page.evaluate("() => new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)))")
    layer, head = np.unravel_index(np.argmax(run["sink_mass"][:, 41]), run["sink_mass"][:, 41].shape)
    expert = int(run["expert_indices"][layer, 41, 0])
    assert f"Layer {layer} " in said(page) and f"head {head}" in said(page) and f"masked: expert {expert}" in said(page)
    logits = run["router_logits"][layer, 41].astype(np.float32)
    logits[expert] = -np.inf
    order = np.argsort(-logits)[:4]
    shown = [int(x) for x in re.findall(r"expert (\d+) \d+ %", said(page).split("Router of layer")[1])]
    assert shown == order.tolist()
    code = page.locator(".masks code").inner_text()
    assert f"trace.MaskExpert({layer}, {expert})" in code
    press(page, "m")
    assert "masked" not in said(page)


def test_it_opens_on_the_answer(open_page, tiny_run):
    """It selects the answer's last word or number or, without a final message, the last token of the assistant."""
    model = gptoss_edu.load_model()
    for text, expected in (
        ("<|channel|>final<|message|>12.<|return|>", "2"),
        ("<|channel|>analysis<|message|>7 + 5<|end|><|start|>assistant<|channel|>final<|message|>12 <|return|>", "2"),
        ("<|channel|>analysis<|message|>7 + 5<|end|>", "5"),
    ):
        prompt = "<|start|>user<|message|>7 + 5?<|end|><|start|>assistant"
        run = trace.record(model, model.tokenizer.encode(prompt + text, allowed_special="all"), level="routing")
        assert said(open_page(web.explore(run))).split("“")[1].split("”")[0] == expected
    assert "token 0 " in said(open_page(web.explore(tiny_run, t=0)))


def test_every_control_has_a_key_and_a_table(open_page):
    page = open_page(web.explore(synthetic_trace(60)))
    before = said(page)
    for key in ("ArrowLeft", "ArrowDown", "]", "Home", "2"):
        press(page, key)
        assert said(page) != before, key
        before = said(page)
    press(page, "x", "g", "z")
    assert (
        page.locator("select").nth(0).input_value() == "sink" and page.locator("select").nth(1).input_value() == "sink"
    )
    for area in AREAS:
        press(page, "t", focus=area)
    assert page.locator("table").count() == len(AREAS)
    assert page.locator("table caption").count() == len(AREAS)
    assert page.evaluate("document.querySelector('#app').shadowRoot.querySelectorAll('*').length") < 6000
    press(page, "d")
    assert page.locator(".gx").get_attribute("data-theme") == "dark"


def test_hostile_tokens_stay_text(open_page):
    run = synthetic_trace(60, pieces=HOSTILE)
    run.meta["vocabulary"] = {str(i): "<img src=x onerror=alert(2)>" for i in range(20)}
    run.meta["model"] = "</script><script>alert(3)</script>"
    page = open_page(web.explore(run, title="<script>alert(4)</script>"))
    for area in AREAS:
        press(page, "t", focus=area)
    shadow = "document.querySelector('#app').shadowRoot"
    assert page.evaluate(f"{shadow}.querySelectorAll('img, script, svg, b').length") == 0
    texts = page.evaluate("window.explorer.store.run.texts")
    assert texts[0] == "</script>" and texts[2] == "‹f0 9f›" and "‹U+202E›" in texts[3] and "‹U+0000›" in texts[9]
    framed = open_page(
        "<!doctype html><html><body>" + web.explore(run)._repr_html_() + "</body></html>", ready="iframe"
    )
    assert framed.locator("iframe").count() == 1 and framed.locator("img, svg").count() == 0


CATCH_PICTURES = """() => {
  window.pictures = [];
  URL.createObjectURL = (blob) => { window.pictures.push(blob); return "data:,"; };
  HTMLAnchorElement.prototype.click = function () { window.pictureName = this.download; };
}"""
LAST_PICTURE = """async () => {
  const bytes = new Uint8Array(await window.pictures.at(-1).arrayBuffer());
  return [window.pictureName, Array.from(bytes)];
}"""


def test_a_picture_is_downloaded(open_page):
    page = open_page(web.explore(synthetic_trace(40)))
    with page.expect_download() as caught:
        press(page, "p", focus="load")
    assert caught.value.suggested_filename == "gptoss-trace-load.png"


def test_pictures_as_png_and_svg(open_page):
    page = open_page(web.explore(synthetic_trace(60, pieces=HOSTILE)))
    page.evaluate(CATCH_PICTURES)
    for area in AREAS:
        section = page.locator(f"section.panel:has([data-area={area}])")
        for kind, magic in (("PNG", b"\x89PNG"), ("SVG", b"<svg")):
            section.get_by_role("button", name=kind).click()
            name, data = page.evaluate(LAST_PICTURE)
            assert name == f"gptoss-trace-{area}.{kind.lower()}"
            assert bytes(data).startswith(magic) and len(data) > 1000, (area, kind)
        words = "".join(ElementTree.fromstring(bytes(data)).itertext())
        assert "gptoss_edu trace explorer" in words and "synthetic" in words


def test_two_runs(open_page):
    a, b = synthetic_trace(60, seed=1), synthetic_trace(60, seed=2)
    page = open_page(web.explore(a, b, names=["plain", "masked"]))
    assert page.evaluate(COUNT_INK, "compare") > 8
    press(page, "b")
    first = said(page)
    press(page, "a")
    assert said(page) != first


def test_ten_on_a_page_stay_apart(open_page):
    pages = "".join(
        web.explore(synthetic_trace(30 + i), t=i, height=500)._repr_html_().replace('loading="lazy"', "")
        for i in range(10)
    )
    page = open_page(f"<!doctype html><html><body>{pages}</body></html>", ready="iframe")
    seen = []
    for frame in page.frames[1:]:
        frame.wait_for_selector("html[data-ready]", timeout=30_000)
        seen.append(frame.locator("#gx-say").inner_text().split(" ")[1])
        assert (
            frame.evaluate("(() => { try { return window.parent.document.title } catch { return 'apart' } })()")
            == "apart"
        )
    assert seen == [str(i) for i in range(10)]


SITE = """<!doctype html><html><body>%s<script>
window.heard = [];
addEventListener("message", (event) => { window.heard.push(event.data); event.source.postMessage({ "gptoss-theme": "dark" }, "*"); });
</script></body></html>"""


def test_in_a_frame_the_theme_is_what_the_site_says(open_page):
    """The theme of the site wins over the system's, and the explorer follows when the site changes it.

    Unknown values change nothing, and a theme that the reader chose stays.
    """
    shown = "".join(web.explore(synthetic_trace(30), theme=t, height=400)._repr_html_() for t in ("auto", "light"))
    page = open_page(SITE % shown.replace('loading="lazy"', ""), ready="iframe")
    follows, chosen = page.frames[1:]
    follows.wait_for_selector(".gx[data-theme=dark]", timeout=30_000)
    chosen.wait_for_selector(".gx[data-theme=light]", timeout=30_000)
    assert page.evaluate("window.heard") == [{"gptoss-theme": "ask"}]
    assert follows.evaluate("getComputedStyle(document.body).colorScheme") == "dark"
    send = (
        "(said) => document.querySelectorAll('iframe').forEach((frame) => frame.contentWindow.postMessage(said, '*'))"
    )
    for said_, expected in ((None, "dark"), ({"gptoss-theme": "pink"}, "dark"), ({"gptoss-theme": "light"}, "light")):
        page.evaluate(send, said_)
        follows.wait_for_selector(f".gx[data-theme={expected}]", timeout=10_000)


@needs_axe
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_finding_by_axe(open_page, scheme):
    page = open_page(web.explore(synthetic_trace(60), synthetic_trace(60, seed=3)), scheme=scheme)
    press(page, "t", "m", "?")
    assert serious(page) == []


@pytest.mark.slow
def test_large_trace_within_its_budget(chromium):
    result = bench.measure(synthetic_trace(2000, 24, 64, 8, 32, window=128), openings=30, moves=120, running=chromium)
    assert result["page, MB"] <= 15 and result["elements"] < 6000 and result["heap, MB"] < 150
    early, late = result["heap after 10 and 30 openings, MB"]
    assert late < 1.25 * early + 5


@pytest.mark.slow
def test_every_view_of_a_large_trace_draws(open_page):
    page = open_page(web.explore(synthetic_trace(2000, 24, 64, 8, 32, window=128)))
    for area in AREAS:
        assert page.evaluate(COUNT_INK, area) > 8, area


def test_updates_do_not_grow_with_the_text(open_page):
    """Moving in a text ten times as long takes at most three times as much script: only what is in sight is drawn."""
    times = []
    for tokens in (150, 1500):
        page = open_page(web.explore(synthetic_trace(tokens)))
        page.evaluate(bench.WALK, 40)
        times.append(page.evaluate(bench.WALK, 80)["p50"])
    assert times[1] < 3 * times[0] + 1


FAKE_HOST = """<!doctype html><html><body><div id="host"></div><script type="module">
const source = %s, bytes = Uint8Array.from(atob("%s"), (c) => c.charCodeAt(0));
const state = { payload: new DataView(bytes.buffer), question: "2 + 2?", effort: "low", status: "ready", request: { number: 0, interventions: [] } };
const heard = {};
window.saved = [];
const model = { get: (k) => state[k], set: (k, v) => (state[k] = v), save_changes: () => window.saved.push(structuredClone(state.request)),
  on: (name, f) => (heard[name] = f), off: (name) => delete heard[name] };
const module = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
window.close_widget = await module.default.render({ model, el: document.getElementById("host") });
window.heard = heard;
document.documentElement.dataset.ready = "1";
</script></body></html>"""


def test_the_live_host_sends_interventions_and_cleans_up(open_page):
    """Run the module through anywidget's interface: render({model, el}), get, set, save_changes, on, off."""
    import base64
    import json

    from gptoss_edu.web.page import module_source

    data = base64.b64encode(web.explore(synthetic_trace(50)).data).decode()
    page = open_page(FAKE_HOST % (json.dumps(module_source()).replace("</", "<\\/"), data))
    press(page, "m")
    page.get_by_role("button", name="Run the model with these masks").click()
    sent = page.evaluate("window.saved.at(-1)")
    assert sent["number"] == 1 and [m["kind"] for m in sent["interventions"]] == ["MaskExpert"]
    page.get_by_role("button", name="Ask", exact=True).click()  # an expert that is shown as masked stays masked
    assert page.evaluate("window.saved.at(-1)") == {**sent, "number": 2}
    page.get_by_role("button", name="Undo all masks").click()
    page.get_by_role("button", name="Ask", exact=True).click()
    assert page.evaluate("window.saved.at(-1)") == {"number": 3, "interventions": []}
    page.get_by_label("without sinks").check()
    page.get_by_role("button", name="Ask", exact=True).click()
    assert page.evaluate("window.saved.at(-1).interventions.map((m) => m.kind + m.amount)") == ["ShiftSink-inf"]
    page.evaluate("window.close_widget()")
    assert page.evaluate("Object.keys(window.heard).length") == 0 and page.locator("section.panel").count() == 0


def test_the_same_in_an_export_and_alone(open_page, tmp_path):
    """nbconvert's page and the explorer's own page are equal, pixel for pixel."""
    import nbformat
    from nbconvert import HTMLExporter

    page = web.explore(synthetic_trace(80), height=1900, theme="light")
    cell = nbformat.v4.new_code_cell(
        "explore(run)", outputs=[nbformat.v4.new_output("display_data", {"text/html": page._repr_html_()})]
    )
    exporter = HTMLExporter(template_name="basic")
    body, _ = exporter.from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
    html = "<!doctype html><html><body style='margin:0'>" + body.replace('loading="lazy"', "") + "</body></html>"
    exported = open_page(html, ready="iframe").frames[1]
    exported.wait_for_selector("html[data-ready]")
    alone = open_page(page)
    alone.set_viewport_size({"width": exported.evaluate("innerWidth"), "height": 1900})
    grab = "(area) => window.explorer.panels.find((p) => p.area === area).canvas.toDataURL()"
    alone.evaluate(
        "() => new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(r))))"
    )
    for area in AREAS:
        assert exported.evaluate(grab, area) == alone.evaluate(grab, area), area


def test_attention_beyond_a_window_that_was_left_out_is_drawn(open_page):
    """The map of a sliding layer is empty beyond its window; where the mask was left out, it is not."""
    from gptoss_edu.course.specimens import plant

    model = gptoss_edu.load_model()
    ids = model.tokenizer.encode("What is 12 times 7? " * 12)[:60]
    drawn = """() => {
      const { store, panels, theme } = window.explorer;
      const { keys } = panels.find((panel) => panel.area === "matrix").view.picture(store.run, 0, 0, theme);
      const beyond = Math.floor((store.run.T - 32) / store.run.bin) - 1; // cells that the last queries do not see
      const pixels = keys.getContext("2d").getImageData(0, keys.height - 1, beyond, 1).data;
      return pixels.filter((_, i) => i % 4 === 3).reduce((sum, alpha) => sum + (alpha > 0), 0);
    }"""
    right = open_page(web.explore(trace.record(model, ids)))
    with plant("long"):
        planted = open_page(web.explore(trace.record(model, ids)))
    assert right.evaluate(drawn) == 0 and planted.evaluate(drawn) > 5
    assert right.evaluate("window.explorer.store.run.windows[0]") == 32
    assert planted.evaluate("window.explorer.store.run.windows[0]") is None
    tip = """() => {
      const { store, panels } = window.explorer;
      store.set({ l: 0, h: 0 });
      return panels.find((panel) => panel.area === "matrix").view.tip(store, { t: 59, k: 27 });
    }"""
    assert "cannot see key 27" in right.evaluate(tip)  # its pooled cell holds keys that query 59 does see
    assert "pooled" in planted.evaluate(tip) and "beyond" not in planted.evaluate(tip)
