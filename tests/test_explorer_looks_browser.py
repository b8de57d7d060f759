"""Test the explorer's accessibility: no motion where it is unwanted, readable with raised contrast."""

import itertools
import re

import pytest

from gptoss_edu import web
from gptoss_edu.trace.synthetic import synthetic_trace
from gptoss_edu.viz import style

pytestmark = pytest.mark.browser
SELECTED = ["strip", "grid", "matrix", "ribbon", "load"]  # the views that frame what is selected
PAINTED = "() => new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)))"


# -------------------------------------------------------------------------------------------------- without motion

MOVING = """() => {
  const nodes = [document.documentElement, document.body, ...document.querySelector("#app").shadowRoot.querySelectorAll("*")];
  const lasts = (list) => list.split(",").some((s) => parseFloat(s) > 0);
  const found = nodes.filter((node) => ["", "::before", "::after"].some((part) => {
    const s = getComputedStyle(node, part || null);
    return lasts(s.transitionDuration) || (s.animationName !== "none" && lasts(s.animationDuration)) || s.scrollBehavior === "smooth";
  }));
  const running = document.getAnimations().length + document.querySelector("#app").shadowRoot.getAnimations().length;
  return found.map((node) => node.tagName + "." + node.className).concat(running ? ["running: " + running] : []);
}"""
# Press a key; take pictures of all views in the next frame and a second later.
DRAWN_AT_ONCE = """async (key) => {
  const app = window.explorer, frame = () => new Promise(requestAnimationFrame);
  const shown = () => app.panels.map((p) => p.canvas.toDataURL()).concat(app.say.textContent, [...app.panels].map((p) => p.stage.scrollTop));
  const before = shown();
  app.command(key);
  await frame(); await frame();
  const next = shown();
  await new Promise((r) => setTimeout(r, 600));
  return { changed: next.join() !== before.join(), settled: shown().join() === next.join() };
}"""


def test_reduced_motion_means_no_motion(open_page):
    page = open_page(web.explore(synthetic_trace(300), t=40), reduced_motion="reduce")
    assert page.evaluate("matchMedia('(prefers-reduced-motion: reduce)').matches")
    page.evaluate("['?', 'm'].forEach((key) => window.explorer.command(key))")
    page.evaluate("window.explorer.panels.forEach((panel) => panel.showTable(true))")
    page.evaluate(PAINTED)
    page.locator("button").first.hover()
    assert page.evaluate(MOVING) == []
    for key in ("ArrowRight", "End", "s", "z", "d"):
        assert page.evaluate(DRAWN_AT_ONCE, key) == {"changed": True, "settled": True}, key
    page.evaluate("window.explorer.say.style.transition = 'color 1s'")  # the test would notice motion
    assert len(page.evaluate(MOVING)) == 1


# ------------------------------------------------------------------------------------------------- raised contrast

# Record, for every text on a canvas, its colour and the colours behind it; for every stroke, its colour and width.
LISTEN = """
window.written = [];
window.stroked = [];
const whole = CanvasRenderingContext2D.prototype, write = whole.fillText, stroke = whole.stroke;
whole.fillText = function (text, x, y) {
  const m = this.getTransform(), s = this.measureText(text);
  const across = (k) => [m.a * (x + k[0]) + m.c * (y + k[1]) + m.e, m.b * (x + k[0]) + m.d * (y + k[1]) + m.f];
  const a = across([-s.actualBoundingBoxLeft, -s.actualBoundingBoxAscent]), b = across([s.actualBoundingBoxRight, s.actualBoundingBoxDescent]);
  const left = Math.max(0, Math.floor(Math.min(a[0], b[0]))), top = Math.max(0, Math.floor(Math.min(a[1], b[1])));
  const w = Math.min(this.canvas.width, Math.ceil(Math.max(a[0], b[0]))) - left, h = Math.min(this.canvas.height, Math.ceil(Math.max(a[1], b[1]))) - top;
  if (this.canvas.isConnected && text.trim() && w > 0 && h > 0) {
    const d = this.getImageData(left, top, w, h).data, under = {};
    for (let i = 0; i < d.length; i += 4) {
      const key = d[i + 3] < 128 ? "paper" : d[i] + "," + d[i + 1] + "," + d[i + 2];
      under[key] = (under[key] || 0) + 4 / d.length;
    }
    const box = this.canvas.closest(".panel");
    window.written.push({ area: box.querySelector("[data-area]").dataset.area, text, ink: this.fillStyle, under, paper: getComputedStyle(this.canvas).backgroundColor.startsWith("rgba(0, 0, 0, 0") ? getComputedStyle(box).backgroundColor : getComputedStyle(this.canvas).backgroundColor });
  }
  return write.apply(this, arguments);
};
whole.stroke = function () {
  const panel = this.canvas.isConnected && this.canvas.closest(".panel");
  if (panel) window.stroked.push([panel.querySelector("[data-area]").dataset.area, this.strokeStyle, this.lineWidth]);
  return stroke.apply(this, arguments);
};
"""
# Return every text outside the canvases with its colour and the colour behind it.
TEXTS = """() => {
  const found = [];
  for (const node of document.querySelector("#app").shadowRoot.querySelectorAll(".gx *")) {
    const own = [...node.childNodes].some((c) => c.nodeType === 3 && c.textContent.trim()) || ["INPUT", "SELECT"].includes(node.tagName);
    if (!own || !node.getClientRects().length) continue;
    let behind = node, ground;
    while ((ground = getComputedStyle(behind).backgroundColor) === "rgba(0, 0, 0, 0)") behind = behind.parentElement || document.body;
    const ink = getComputedStyle(node).color, placeholder = getComputedStyle(node, "::placeholder").color;
    found.push([node.tagName + " " + node.textContent.slice(0, 30), ink, ground]);
    if (node.placeholder) found.push(["placeholder", placeholder, ground]);
  }
  return found;
}"""


def ratio(first: str, second: str) -> float:
    """Return the WCAG contrast of two colours, given as CSS colours."""

    def as_hex(name: str) -> str:
        if name.startswith("#"):
            return name
        return "#" + "".join(f"{int(float(v)):02x}" for v in re.findall(r"[\d.]+", name)[:3])

    return style.contrast(as_hex(first), as_hex(second))


def faint(page, least: float) -> list:
    """Return the texts below a contrast, of elements and on canvases (there, measured against the pixels behind them)."""
    low = [
        (what, round(ratio(ink, ground), 2)) for what, ink, ground in page.evaluate(TEXTS) if ratio(ink, ground) < least
    ]
    written = page.evaluate("window.written")
    assert {w["area"] for w in written} >= {*SELECTED, "row", "route", "lens", "compare"} and len(written) > 200
    for w in written:
        for color in (color for color, share in w["under"].items() if share > 0.15):
            ground = w["paper"] if color == "paper" else f"rgb({color})"
            if ratio(w["ink"], ground) < least:
                low.append((w["area"], w["text"], w["ink"], ground, round(ratio(w["ink"], ground), 2)))
    return low


def two_runs():
    return web.explore(synthetic_trace(60), synthetic_trace(60, seed=3), shade="surprisal")


def use_all(page) -> None:
    """Use every shading of tokens and colouring of heads, the masks, the help and the tables."""
    page.evaluate("['?', 'm'].forEach((key) => window.explorer.command(key))")
    for _ in range(6):
        page.evaluate("['x', 'g', 'ArrowRight', 'ArrowDown'].forEach((key) => window.explorer.command(key))")
        page.evaluate(PAINTED)
    page.evaluate("window.explorer.panels.forEach((panel) => panel.showTable(true))")
    page.locator(".gx button").first.hover()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_raised_contrast_is_seven_to_one(open_page, scheme):
    """Check all text, on the page and on the canvases.

    The selection is framed in black and white, so that it shows on any colour.
    """
    page = open_page(two_runs(), script=LISTEN, scheme=scheme, contrast="more")
    use_all(page)
    assert faint(page, 7) == []
    look = "(name) => document.querySelector('#app').shadowRoot.querySelector('.gx').style.getPropertyValue(name)"
    ink, paper, final = (page.evaluate(look, name) for name in ("--ink", "--paper", "--final"))
    assert ratio(ink, paper) >= 7 and ratio(final, paper) >= 7  # the frame of the selection, the focus ring
    strokes = page.evaluate("window.stroked")
    for area in SELECTED:
        mine = [(color, width) for name, color, width in strokes if name == area]
        framed = [
            inner[1]
            for outer, inner in itertools.pairwise(mine)
            if outer[0] == paper.lower() and inner[0] == ink.lower() and outer[1] >= inner[1] + 2
        ]
        assert framed and min(framed) >= 1.4, area


def test_the_ordinary_contrast_is_less(open_page):
    """Without the preference some text is below seven to one, so the test above can fail; none is below 4.5."""
    page = open_page(two_runs(), script=LISTEN)
    use_all(page)
    assert faint(page, 7) != [] and faint(page, 4.5) == []


def test_a_change_of_the_preference_is_followed(open_page):
    page = open_page(web.explore(synthetic_trace(40)))
    muted = "window.explorer.theme.colors.muted"
    before = page.evaluate(muted)
    page.emulate_media(contrast="more")
    page.wait_for_function("(old) => window.explorer.theme.colors.muted !== old", arg=before)
    page.emulate_media(contrast="no-preference")
    page.wait_for_function("(old) => window.explorer.theme.colors.muted === old", arg=before)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_vanishes_in_forced_colours(open_page, scheme, theme):
    """With forced colours, every view and control shows, even if the site's theme is the opposite one."""
    shown = web.explore(synthetic_trace(60), synthetic_trace(60, seed=3), theme=theme)
    page = open_page(shown, script=LISTEN, scheme=scheme, forced_colors="active")
    use_all(page)
    assert page.evaluate("matchMedia('(forced-colors: active)').matches")
    assert faint(page, 7) == []
    # A pressed button and the tip stand out from the rest without the colours that were taken away.
    page.evaluate("(window.explorer.store.set({ zoom: true }), window.explorer.tip('words', 40, 40))")
    page.evaluate(PAINTED)
    look = "(b) => [getComputedStyle(b).backgroundColor, getComputedStyle(b).color, getComputedStyle(b).borderStyle]"
    pressed = page.locator(".gx button[aria-pressed=true]").evaluate(look)
    plain = page.locator(".gx button[aria-label='Dark or light']").evaluate(look)
    assert pressed[0] != plain[0] and ratio(pressed[0], pressed[1]) >= 4.5
    tip = page.locator(".tip").evaluate(look)
    assert tip[2] == "solid" and ratio(tip[0], tip[1]) >= 7
