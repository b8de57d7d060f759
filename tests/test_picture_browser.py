"""Test the walkable picture in the lab: it shows the numbers of the live run. Needs Chromium, which opens a file."""

import pytest
from axe import needs_axe, serious
from test_web_page_browser import answered

import gptoss_edu
from gptoss_edu import trace
from gptoss_edu.harmony.question import question_tokens
from gptoss_edu.web.playground import Lab, ModelFiles

pytestmark = pytest.mark.browser
QUESTION, EFFORT = "What is the capital of France?", "low"
LINK = "#q=What+is+the+capital+of+France%3F&effort=low"
LAYER = 2
ACTIVE = "(() => { let a = document.activeElement; while (a.shadowRoot?.activeElement) a = a.shadowRoot.activeElement;"


@pytest.fixture(scope="module")
def lab_file(tmp_path_factory):
    chapters = {f"{n:02d}": f"chapters/{n:02d}.html" for n in range(28)}
    return Lab(ModelFiles.read(), chapters=chapters).save(tmp_path_factory.mktemp("lab") / "lab.html")


def walk(page, at="model") -> None:
    answered(page)
    page.get_by_role("button", name="Walk through the model with").click()
    stands(page, at)


def stands(page, at: str) -> None:
    page.wait_for_selector(f".picture[data-at^='{at}@']", timeout=30_000)
    page.wait_for_function("() => lab.walk.picture.stage.children.length === 1", timeout=30_000)


def agree(shown: list[str], shares) -> bool:
    """Return whether written percentages (to a tenth below ten, else to a whole number) agree with these shares."""
    assert len(shown) == len(shares)
    said = [text.strip().removesuffix("%").strip() for text in shown]
    least = [float(share) < 0.0011 if text.startswith("<") else True for text, share in zip(said, shares, strict=True)]
    values = [0.05 if text.startswith("<") else float(text) for text in said]
    near = [abs(v - 100 * s) <= (0.06 if v < 10 else 0.55) for v, s in zip(values, shares, strict=True)]
    return all(near) and all(least)


@pytest.mark.parametrize("changed", [False, True])
def test_what_is_shown_is_the_trace_of_this_run(open_page, lab_file, changed):
    """Compare sinks, shares, routes and the next token, for the model as it is and with shifted sinks."""
    model = gptoss_edu.load_model(experts="dense")
    changes = [trace.ShiftSink(-2.0)] if changed else []
    prompt = question_tokens(QUESTION, EFFORT, model.tokenizer)
    with trace.intervene(model, *changes):
        tokens = prompt + list(gptoss_edu.generate(model, prompt, 100))
        run = trace.record(model, tokens, heads=[(LAYER, head) for head in range(8)])
    page = open_page(lab_file, 1400, query=LINK + ("&sinks=-2&compare=false" if changed else ""))
    walk(page)
    at = int(page.locator(".picture").get_attribute("data-at").split("@")[1])
    assert page.locator(".strip [role=option]").count() == len(tokens) and run.text(at) == "is"
    assert agree(page.locator("[data-part=output] .figure").all_inner_texts(), run["next_probs"][at, :5])
    page.get_by_role("button", name=f"Block {LAYER}").click()
    stands(page, f"block.{LAYER}")
    assert agree(page.locator(".experts .aside").all_inner_texts(), run["expert_weights"][LAYER, at])
    page.get_by_role("button", name="Head 3").click()
    stands(page, f"head.{LAYER}.3")
    weights, sinks = run.attention(LAYER, 3)
    assert agree(page.locator("[data-part=sink] .figure").all_inner_texts(), sinks[at : at + 1])
    shown = page.locator("[data-part=keys] .key .unseen").all_text_contents()
    assert len(shown) == model.config.sliding_window and max(weights[at]) > 0.1
    assert agree(shown, weights[at, at + 1 - len(shown) : at + 1])
    page.get_by_role("button", name="Token before").click()
    stands(page, f"head.{LAYER}.3")
    page.wait_for_selector(f".picture[data-at$='@{at - 1}']")
    assert agree(page.locator("[data-part=sink] .figure").all_inner_texts(), sinks[at - 1 : at])
    assert not agree(page.locator("[data-part=sink] .figure").all_inner_texts(), sinks[at : at + 1])


def test_by_keyboard_alone(open_page, lab_file):
    page = open_page(lab_file, query=LINK, reduced_motion="reduce")
    walk(page)
    at = int(page.locator(".picture").get_attribute("data-at").split("@")[1])

    def tab_to(found: str) -> None:
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate(f"{ACTIVE} return a.{found}; }})()"):
                return
        pytest.fail(f"Tab never reached what has {found}")

    tab_to("getAttribute('role') === 'option'")
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector(f".picture[data-at='model@{at - 1}']")
    tab_to("textContent === 'Block 1'")
    page.keyboard.press("Enter")
    stands(page, "block.1")
    page.keyboard.press("ArrowUp")
    stands(page, "block.2")
    tab_to("textContent === 'Head 4'")
    page.keyboard.press("Enter")
    stands(page, "head.2.4")
    page.keyboard.press("Escape")
    stands(page, "block.2")
    page.keyboard.press("Escape")
    stands(page, "model")


def test_the_walk_on_a_phone(open_page, lab_file):
    """Every step has its sentence, its part in view and a chapter, and nothing is wider than the window."""
    page = open_page(lab_file, 375, query=LINK, reduced_motion="reduce")
    walk(page)
    page.get_by_role("button", name="Guided walk").click()
    seen, steps = set(), page.locator(".steps .aside")
    for step in range(1, 20):
        page.locator(".steps .aside", has_text=f"{step} of").wait_for()
        total = int(steps.inner_text().split()[-1])
        seen.add((page.locator(".sentence").inner_text(), page.locator(".guide a.chapter").get_attribute("href")))
        assert page.evaluate("document.documentElement.scrollWidth") <= 375
        wanted = page.evaluate("lab.walk.picture.stage.querySelectorAll('.lit').length")
        assert wanted == 1 or page.locator(".sentence").inner_text()[:3] in ("Its", "The", "Aft")
        page.locator(".guide button.main").click()
        if step == total:
            break
    assert len(seen) == total >= 12 and all(text.endswith(".") and href for text, href in seen)
    stands(page, "model")


@needs_axe
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_finding_by_axe(open_page, lab_file, scheme):
    page = open_page(lab_file, scheme=scheme, query=LINK, reduced_motion="reduce")
    walk(page)
    for place in ("{ kind: 'model' }", "{ kind: 'head', layer: 2, head: 3 }", "{ kind: 'block', layer: 2 }",
                  "{ kind: 'output' }", "lab.walk.picture.world().expert >= 0 && "
                  "{ kind: 'expert', layer: 2, expert: lab.walk.picture.world().expert }"):  # fmt: skip
        page.evaluate(f"() => lab.walk.picture.go({place}, null)")
        assert serious(page) == []
