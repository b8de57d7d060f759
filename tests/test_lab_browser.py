"""Test a real JupyterLab in Chromium: chapters, a slider, an exercise answered wrongly and rightly, the live explorer."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from gptoss_edu.resources import notebooks_path

pytestmark = [pytest.mark.browser, pytest.mark.slow]
WRONG = """def rms_norm(x, scale, eps=1e-5):
    wide = x.float()
    return (wide / (wide.square().mean(-1, keepdim=True).sqrt() + eps) * scale).to(x.dtype)"""
RIGHT = """def rms_norm(x, scale, eps=1e-5):
    wide = x.float()
    return (wide * (wide.square().mean(-1, keepdim=True) + eps) ** -0.5 * scale.float()).to(x.dtype)"""

# Open a notebook and wait for its kernel; before that, running cells silently does nothing.
OPEN = """async (path) => {
  const app = window.jupyterapp;
  await app.restored;
  const widget = await app.commands.execute('docmanager:open', { path, factory: 'Notebook' });
  await widget.context.ready;
  await widget.sessionContext.ready;
  await widget.sessionContext.session.kernel.info;
  window.opened = widget;
  return widget.content.widgets.length;
}"""
RUN_ALL = "() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }"
STATE = """() => window.opened.content.widgets.filter((cell) => cell.model.type === 'code').map((cell) => {
  const outputs = cell.model.sharedModel.outputs || [];
  const error = outputs.find((output) => output.output_type === 'error');
  return [cell.model.sharedModel.source.trim() === '' || cell.model.executionState === 'idle' && cell.model.executionCount !== null,
    error ? error.ename + ': ' + error.evalue : ''];
})"""
CELL = """async ([start, source]) => {
  const notebook = window.opened.content;
  const index = notebook.widgets.findIndex((cell) => cell.model.sharedModel.source.startsWith(start));
  notebook.activeCellIndex = index;
  if (source !== null) notebook.widgets[index].model.sharedModel.setSource(source);
  await window.jupyterapp.commands.execute('notebook:run-cell');
  notebook.widgets[index].node.scrollIntoView();
  return notebook.widgets[index].node.innerText;
}"""

SLIDER = (
    "() => window.opened.content.widgets.find((cell) => cell.model.sharedModel.source.startsWith('options = [')).node"
)
SEEN = f"""() => {{
  const cell = ({SLIDER})(), picture = cell.querySelector('img');
  return [cell.querySelector('.widget-readout').textContent, picture ? picture.src : ''];
}}"""


LIVE = [
    "import gptoss_edu\nfrom gptoss_edu import web\nmodel = gptoss_edu.load_model()",
    "web.live(model, 'What is 21 plus 9?', 'low')",
]
ASKED = [
    "from gptoss_edu import checks\nchecks.opening_questions('08')",
    "checks.predict('08.1')",
    "checks.reveal('08.1')",
    "checks.questions.ask('08.6')",
]
INKS = """(canvas) => { const d = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data, sums = [];
  for (let i = 0; i < d.length; i += 4) if (d[i + 3] === 255) sums.push(d[i] + d[i + 1] + d[i + 2]);
  return sums; }"""
CELLS = "() => window.opened.content.widgets.map((cell) => [cell.model.type, cell.model.sharedModel.source])"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Start JupyterLab and return its address; everything it writes goes into a folder of its own."""
    home = tmp_path_factory.mktemp("lab")
    course = home / "course"
    course.mkdir()
    for number in ("03", "06"):
        for path in notebooks_path().glob(f"{number}_*.ipynb"):
            clear(path, course / path.name)
    kernel = {
        "kernelspec": {"name": "python3", "display_name": "Python 3"}
    }  # without it the lab opens a dialog and waits
    for name, cells in (("live", LIVE), ("asked", ASKED)):
        made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata=kernel)
        nbformat.write(made, course / f"{name}.ipynb")
    folders = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "XDG_CACHE_HOME")
    places = {name: str(home / name.lower()) for name in folders}
    options = [
        "--no-browser",
        "--port=0",
        "--IdentityProvider.token=",
        "--LabApp.expose_app_in_browser=True",
        "--ServerApp.allow_root=True",
        "--ServerApp.open_browser=False",
        f"--ServerApp.root_dir={course}",
    ]
    environment = {**os.environ, **places, "JUPYTERLAB_DISABLE_UPDATE_CHECK": "1", "MPLBACKEND": ""}
    environment.pop("MPLBACKEND")
    log = (home / "log").open("w")
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *options], env=environment, cwd=course, stdout=log, stderr=log
    )
    try:
        yield address(Path(places["JUPYTER_RUNTIME_DIR"]), server, home / "log")
    finally:
        server.terminate()
        server.wait(20)
        log.close()


def clear(source: Path, target: Path) -> None:
    """Remove the notebook's outputs, so that everything shown was computed now."""
    notebook = json.loads(source.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    notebook["metadata"].pop("widgets", None)
    target.write_text(json.dumps(notebook), encoding="utf-8")


def address(runtime: Path, server, log: Path) -> str:
    for _ in range(240):
        for path in runtime.glob("jpserver-*.json"):
            return json.loads(path.read_text())["url"]
        if server.poll() is not None:
            break
        time.sleep(0.5)
    pytest.fail("JupyterLab did not start: " + log.read_text()[-800:])


@pytest.fixture(scope="module")
def page(chromium, lab):
    page = chromium.new_page(viewport={"width": 1280, "height": 1000})
    outside = []
    page.on(
        "request",
        lambda r: r.url.startswith((lab, lab.replace("http", "ws", 1), "data:", "blob:")) or outside.append(r.url),
    )
    page.goto(lab + "lab")
    page.wait_for_function("() => window.jupyterapp", timeout=90_000)
    yield page
    assert outside == []


def run_from_top(page, path: str, seconds: int, cells: int = 40) -> None:
    """Choose Run All Cells in the menu; no cell may fail."""
    assert page.evaluate(OPEN, path) >= cells
    page.evaluate(RUN_ALL)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        state = page.evaluate(STATE)
        assert [error for _, error in state if error] == []
        if all(done for done, _ in state):
            return
        page.wait_for_timeout(1000)
    pytest.fail(f"{path}: {sum(not done for done, _ in state)} of {len(state)} cells not done in {seconds} s")


def test_an_exercise_answered_wrongly_and_rightly(page):
    run_from_top(page, "03_residual_and_rmsnorm.ipynb", 150)
    page.evaluate(CELL, ["def rms_norm(", WRONG])
    said = page.evaluate(CELL, ["checks.rms_norm(rms_norm)", None])
    assert "rms_norm: not yet" in said and "refused at: eps" in said, said
    page.evaluate(CELL, ["def rms_norm(", RIGHT])
    assert "rms_norm: passed" in page.evaluate(CELL, ["checks.rms_norm(rms_norm)", None])


def test_a_slider_moves_and_its_effect_is_seen(page):
    run_from_top(page, "06_attention_sinks.ipynb", 200)
    page.evaluate(f"() => {{ ({SLIDER})().scrollIntoView(); }}")
    handle = page.locator(".jp-OutputArea .noUi-handle").first
    handle.wait_for(timeout=20_000)
    page.wait_for_function(f"() => ({SLIDER})().querySelector('img')", timeout=20_000)
    before = page.evaluate(SEEN)
    handle.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"(before) => ({SEEN})()[0] !== before[0]", arg=before, timeout=20_000)
    page.wait_for_function(
        f"(before) => {{ const now = ({SEEN})(); return now[1] && now[1] !== before[1]; }}", arg=before, timeout=60_000
    )


def test_predictions_are_answered_by_keyboard(page, tmp_path):
    """Run All reveals nothing; a letter and a confidence lock; the answer then opens; the saved file holds HTML."""
    from gptoss_edu.course import questions

    run_from_top(page, "asked.ipynb", 60, cells=4)
    here = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
    asked, last = questions.get("08.1"), questions.get("08.6")
    cells = "() => window.opened.content.widgets.map((cell) => cell.node.innerText).join(' ')"
    here.get_by_role("button", name="show me the answer").first.wait_for(timeout=20_000)
    before = page.evaluate(cells)
    for question in (asked, last, questions.get("07.3")):
        assert question.because.split("$")[0].split("`")[0][:30] not in before
    cell = here.locator(".jp-Cell").nth(1)
    cell.scroll_into_view_if_needed()
    page.screenshot(path=tmp_path / "asked.png")
    cell.get_by_role("button", name="b", exact=True).focus()
    page.keyboard.press("Enter")
    cell.get_by_role("button", name="80 %").wait_for(timeout=10_000)
    cell.get_by_role("button", name="80 %").focus()
    page.keyboard.press("Space")
    cell.get_by_text("Locked: b, confidence 80%").wait_for(timeout=10_000)
    here.locator(".jp-Cell").nth(2).get_by_text("you said b").wait_for(timeout=10_000)
    wrong = next(iter(last.wrong))
    here.locator(".jp-Cell").nth(3).get_by_role("button", name=wrong, exact=True).click()
    here.locator(".jp-Cell").nth(3).get_by_text(f"You said {wrong}").wait_for(timeout=10_000)
    page.screenshot(path=tmp_path / "answered.png")
    mimes = """() => window.opened.content.widgets.slice(1).map((cell) =>
        cell.model.sharedModel.outputs.map((output) => Object.keys(output.data)).flat())"""
    assert "widget" not in str(page.evaluate(mimes))


def test_the_live_explorer_answers_anew(page):
    """Typing a question, masking an expert and removing the sinks each give new numbers; keys do not reach the notebook."""
    trouble = []
    page.on("console", lambda message: message.type == "error" and trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    run_from_top(page, "live.ipynb", 90, cells=2)
    before = page.evaluate(CELLS)
    here = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")  # the lab may have kept other tests' notebooks open
    shown, status = here.locator(".jp-OutputArea-output"), page.locator(".answer")
    status.get_by_text("Answer: ").wait_for(timeout=30_000)
    said = page.locator("#gx-say")

    page.get_by_label("Question").click()
    page.keyboard.press("Control+A")
    page.keyboard.type("What is 13 plus 4?")  # typed, so that the notebook would see the keys too
    page.keyboard.press("Enter")
    page.locator(".answer", has_text=re.compile(r"Answer: .*17")).wait_for(timeout=60_000)
    assert "assistant on final" in said.inner_text()  # it opens on the answer, not on its end token

    page.locator("[data-area=grid]").focus()
    for key in ("a", "b", "x", "m"):  # in the notebook: cell above, cell below, cut, Markdown
        page.keyboard.press(key)
    page.locator(".masks code").wait_for(timeout=10_000)
    page.get_by_role("button", name="Run the model with these masks").click()
    page.locator("[data-area=compare]").wait_for(timeout=60_000)
    masked = status.inner_text()
    assert "With the interventions: " in masked and "Surprisal changes by" in masked and "17" in masked
    assert page.locator(".masks").inner_text().startswith("Masked: layer")  # still selected for the next question
    page.get_by_label("without sinks").check()
    page.get_by_role("button", name="Ask", exact=True).click()
    page.locator(".answer", has_text="Mean sink mass changes by -0.").wait_for(timeout=60_000)

    assert page.locator(".gx.ask").get_attribute("data-theme") == "light"
    page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', { theme: 'JupyterLab Dark' })")
    page.locator(".gx.ask[data-theme=dark]").wait_for(timeout=20_000)
    page.locator("[data-area=load]").scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    inks = page.locator("[data-area=load] canvas").evaluate(INKS)
    assert max(inks) > 600, "drawn for a light page: the brightest colour of the dark theme's text is missing"
    assert page.evaluate(CELLS) == before and shown.count() == 1 and trouble == []
