"""Test the ES modules of gptoss_edu/web: how they are joined, and what they do without a browser."""

import re

import numpy as np
import pytest
from node import WEB, needs_node, run_node

from gptoss_edu import web
from gptoss_edu.errors import GptOssError
from gptoss_edu.trace.synthetic import synthetic_trace
from gptoss_edu.web import modules

MODULES = sorted(path.relative_to(WEB).as_posix() for path in WEB.rglob("*.js"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Replace gptoss_edu/web by a folder of modules; folder(name=source, …) writes them."""
    monkeypatch.setattr(modules, "FOLDER", tmp_path)

    def write(**sources):
        for name, source in sources.items():
            (tmp_path / f"{name}.js").write_text(source)
        modules.bundle.cache_clear()

    yield write
    modules.bundle.cache_clear()


def test_modules_are_joined_in_the_order_of_their_imports(folder):
    folder(
        c="// a comment\nexport const ONE = 1;\nexport function unused() {\n  return 0;\n}\n",
        b='import { ONE } from "./c.js";\n\nexport const TWO = ONE + 1;\n',
        a='import { TWO } from "./b.js";\nimport {\n  ONE,\n} from "./c.js";\n\nexport const THREE = ONE + TWO;\n',
    )
    assert modules.bundle("a.js").splitlines() == [
        "const ONE = 1;", "function unused() {", "return 0;", "}", "const TWO = ONE + 1;",
        "export const THREE = ONE + TWO;",
    ]  # fmt: skip
    both = modules.bundle("b.js", "a.js")
    assert both.count("export const") == 2 and both.count("const ONE") == 1


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ({"a": 'import { x } from "./b.js";\n', "b": "const x = 1;\n"}, "a.js: imports x from b.js"),
        ({"a": 'import { x } from "./c.js";\n'}, "c.js: expected a module, found none"),
        ({"a": 'import x from "./b.js";\n', "b": ""}, "expected imports of the form"),
        ({"a": 'import { x as y } from "./b.js";\n', "b": "export const x = 1;\n"}, "expected plain names"),
        ({"a": 'export { x } from "./b.js";\n', "b": "export const x = 1;\n"}, "expected imports of the form"),
        ({"a": 'import { x } from "./b.js";\nconst y = 1;\n', "b": "export const x = 1;\nlet y = 2;\n"}, "found y"),
        ({"a": "const [x, y] = [1, 2];\n"}, "expected one name"),
        (
            {
                "a": 'import { x } from "./b.js";\nexport const y = x;\n',
                "b": 'import { y } from "./a.js";\nexport const x = y;\n',
            },
            "a.js → b.js → a.js",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_joined_is_refused(folder, sources, message):
    folder(**sources)
    with pytest.raises(GptOssError, match=message):
        modules.bundle("a.js")


def test_a_module_is_at_most_two_hundred_lines_or_a_view():
    """The model's modules are short enough to read in one go; the explorer's views are older than that rule."""
    for name in MODULES:
        lines = (WEB / name).read_text(encoding="utf-8").count("\n")
        assert lines <= (200 if name.startswith("model/") else 310), name


@needs_node
def test_every_module_loads_without_a_page():
    """A module uses the browser only when it is called, not when it is loaded."""
    found = run_node(
        "return Promise.all(names.map((name) => web(name).then(() => '', (error) => name + ': ' + error.message)));",
        names=[name for name in MODULES if not name.endswith("worker.js")],
    )
    assert [line for line in found if line] == []


@needs_node
def test_the_explorer_reads_its_payload(tmp_path):
    run = synthetic_trace(50, window=16, exact=4, seed=3)
    (tmp_path / "payload").write_bytes(web.explore(run).data)
    layer, head, t = 2, 6, 33
    seen = run_node(
        """const { decodePayload } = await web("explorer/data.js"), { Store,
          summary } = await web("explorer/store.js");
        const payload = await decodePayload(read("payload")), store = new Store(payload, { l, h, t }),
          { run } = store;
        const row = run.row(l, h, t);
        store.toggleMask(l, run.route(l, t)[0].expert);
        return { weights: [...row.weights], first: row.first, sink: run.sink(l, t, h), route: run.route(l, t),
          without: run.routeWithout(l, t, store.masked(l)).map((r) => r.expert), said: summary(store),
            texts: run.texts.slice(0, 14) };""",
        tmp_path, l=layer, h=head, t=t,
    )  # fmt: skip
    weights, sink = run.attention(layer, head)
    assert seen["first"] == t - 15 and np.abs(np.array(seen["weights"]) - weights[t, t - 15 : t + 1]).max() < 0.006
    assert abs(seen["sink"] - sink[t]) < 0.004
    assert [r["expert"] for r in seen["route"]] == run["expert_indices"][layer, t].tolist()
    order = np.argsort(-run["router_logits"][layer, t].astype(np.float32)).tolist()
    assert seen["without"] == order[1:5]
    assert seen["said"].startswith(f"token {t} “") and f"masked: expert {order[0]}" in seen["said"]
    assert seen["texts"][:3] == ["the", "·number", "·of"] and seen["texts"][7] == "↵"


@needs_node
def test_views_draw_into_svg_without_a_browser(tmp_path):
    """A row's bar begins with the sink's share; the widths of the keys add up to the rest."""
    run = synthetic_trace(40, window=16, exact=6)
    (tmp_path / "payload").write_bytes(web.explore(run).data)
    svg = run_node(
        """const { decodePayload } = await web("explorer/data.js"), { Store } = await web("explorer/store.js");
        const { SvgPen } = await web("explorer/pen.js"), { Theme } = await web("explorer/colors.js"), { RowView } = await web("explorer/row_view.js");
        const payload = await decodePayload(read("payload")), pen = new SvgPen();
        const store = new Store(payload, { l: 0, h: 0, t: 20 });
        new RowView().draw(pen, store, { w: 800, h: 100 }, new Theme("light", payload.palette));
        return pen.parts;""",
        tmp_path,
    )
    bars = [part for part in svg if part.startswith("<rect") and 'height="34"' in part and 'fill="none"' not in part]
    widths = [float(part.split(' width="')[1].split('"')[0]) for part in bars]
    weights, sink = run.attention(0, 0)
    assert abs(widths[0] - sink[20] * 736) < 4
    assert abs(sum(w for w in widths if w != 1) - 736) < 12  # the gaps between keys are one pixel wide
    assert "query 20 " in "".join(svg) and weights[20].sum() > 0


OVERRIDDEN = {"ask", "answer"}  # the lab's own look for what the explorer names alike; they never meet in one root


def test_no_class_means_two_things_in_one_page():
    """Sheets that share a root style no class by itself twice: a picture's bars once made the lab's header 10 px tall."""
    styled: dict[str, str] = {}
    for name in ("explorer/style.js", "lab/lab_style.js", "lab/box_style.js", "picture/picture_style.js"):
        text = (WEB / name).read_text(encoding="utf-8")
        own = {
            match[1]
            for selectors in re.findall(r"([^{}`]+)\{", text)
            for one in selectors.split(",")
            if (match := re.fullmatch(r"\.([\w-]+)", one.strip()))
        }
        assert own, name
        twice = own & set(styled) - OVERRIDDEN
        assert not twice, f"{name} styles {twice}, which {[styled[c] for c in twice]} style already; rename one"
        styled |= dict.fromkeys(own, name)
