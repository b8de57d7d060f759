"""Test the explorer's page and payload without a browser, the live widget without a front end, and the command."""

import gzip
import json
import re

import numpy as np
import pytest

from gptoss_edu import trace, web
from gptoss_edu.cli import main
from gptoss_edu.config import ModelConfig
from gptoss_edu.errors import TraceError
from gptoss_edu.tokenizer import load_tokenizer
from gptoss_edu.trace.synthetic import synthetic_trace
from gptoss_edu.transformer import random_model
from gptoss_edu.web.page import module_source
from gptoss_edu.web.payload import _smaller_maps

CONFIG = ModelConfig(
    num_hidden_layers=2, num_experts=4, experts_per_token=2, vocab_size=201088, hidden_size=32, intermediate_size=32,
    head_dim=8, num_attention_heads=4, num_key_value_heads=2, sliding_window=8, initial_context_length=128,
    rope_theta=1e4, rope_scaling_factor=4.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def model():
    model = random_model(CONFIG)
    model.tokenizer = load_tokenizer()
    return model


def decoded(page) -> dict:
    raw = gzip.decompress(page.data)
    length = int.from_bytes(raw[:4], "little")
    return json.loads(raw[4 : 4 + length])


def test_no_token_ever_becomes_markup():
    run = synthetic_trace(40, pieces=[b"</script><script>alert(1)</script>", b"<img src=x onerror=alert(1)>", b'"><b>'])
    run.meta["model"] = "</script>"
    page = web.explore(run, title="<b>& 'title'")
    body = page.html.split("<body>")[1]
    assert "alert" not in body and body.count("<script") == 2 and "<img" not in body and "<b>" not in page.html
    assert body.count("</script>") == 2
    outer = page._repr_html_()
    assert outer.count("<iframe") == 1 and outer.count("'") == 2
    inside = re.search(r"srcdoc='([^']*)'></iframe>$", outer).group(1)
    assert inside.replace("&#39;", "'").replace("&amp;", "&") == page.html
    assert 'sandbox="allow-scripts allow-downloads"' in outer


def test_nothing_in_the_module_reaches_outside():
    source = module_source()
    assert not re.search(
        r"\bfetch\(|XMLHttpRequest|WebSocket|EventSource|innerHTML|insertAdjacentHTML|document\.write|\beval\(|new"
        r" Function",
        source,
    )
    assert re.findall(r"https?://[^\s'\"]+", source) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"^import |\bimport\(", source, re.M)


def test_budgets_of_a_stored_explorer():
    one = web.explore(synthetic_trace(130))
    assert len(module_source()) < 100_000 and len(one._repr_html_()) < 300_000
    assert one.data == web.explore(synthetic_trace(130)).data  # the same trace gives the same bytes


@pytest.mark.slow
def test_smaller_maps_are_means_of_the_larger(model):
    tokens = np.random.default_rng(0).integers(0, 5000, 101)
    run = trace.record(model, tokens, heads=[(1, 2)], lens=False)
    small = _smaller_maps(run, 24)
    size, bins = small.meta["pool_bin"], small["pooled"].shape[-1]
    assert bins <= 24 < run["pooled"].shape[-1]
    weights, sink = run.attention(1, 2)
    for i in range(bins):
        rows = slice(i * size, (i + 1) * size)
        expected = [weights[rows, j * size : (j + 1) * size].sum(1).mean() for j in range(bins)]
        assert np.abs(small["pooled"][1, 2, i] - expected).max() < 2e-3
        assert abs(small["pooled_sink"][1, 2, i] - sink[rows].mean()) < 2e-3


def test_what_cannot_be_shown_is_refused():
    with pytest.raises(TraceError, match="needs a trace"):
        web.explore({"tokens": []})
    with pytest.raises(TraceError, match="same tokens"):
        web.explore(synthetic_trace(30), synthetic_trace(31))
    empty = trace.Trace()
    with pytest.raises(TraceError, match="capture one first"):
        web.explore(empty)
    with pytest.raises(TraceError, match="different shapes"):
        web.explore(synthetic_trace(30), synthetic_trace(30, layers=4))
    for mistake in ({"layer": 3}, {"l": None}, {"grid": "sinks"}, {"shade": 1}, {"theme": "drak"}, {"names": "plain"}):
        with pytest.raises(TraceError, match=next(iter(mistake))):
            web.explore(synthetic_trace(30), **mistake)
    assert decoded(web.explore(synthetic_trace(30), t=np.int64(3), zoom=True))["start"] == {"t": 3, "zoom": True}


@pytest.mark.slow
def test_a_masked_experts_logit_costs_no_precision(model):
    """Minus infinity has its own byte; the other 255 values share the range of the numbers."""
    change = trace.compare(model, np.arange(40), trace.MaskExpert(0, 1))
    entries = [
        next(a for a in run["arrays"] if a["name"] == "router_logits") for run in decoded(web.explore(change))["runs"]
    ]
    assert "hole" not in entries[0] and entries[1]["hole"]
    assert entries[1]["step"] < 1.2 * entries[0]["step"]


def test_saving_is_all_or_nothing(tmp_path, monkeypatch):
    page = web.explore(synthetic_trace(20))
    target = page.save(tmp_path / "a.html")
    before = target.read_text()
    monkeypatch.setattr("os.replace", lambda *a: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        web.explore(synthetic_trace(21)).save(target)
    assert target.read_text() == before and len(list(tmp_path.iterdir())) == 1


def test_chosen_heads(model):
    run = trace.record(model, np.arange(30), heads=[(0, 0), (1, 1), (1, 3)])
    assert trace.with_heads(run, [(1, 3)]).exact_heads() == [(1, 3)] and len(run.exact_heads()) == 3
    with pytest.raises(TraceError, match="not kept exactly"):
        trace.with_heads(run, [(0, 2)])
    assert len(set(trace.telling_heads(run))) == 8


@pytest.mark.slow
def test_the_live_widget_answers_and_intervenes(model):
    widget = web.live(model, "Hi?", "low", max_new_tokens=4)
    first = widget.payload
    assert decoded(type("P", (), {"data": first}))["runs"][0]["meta"]["n_layers"] == 2 and widget.status.startswith(
        "Answer"
    )
    widget.request = {
        "number": 1,
        "interventions": [
            {"kind": "MaskExpert", "layer": 1, "expert": 0, "refill": "next"},
            {"kind": "ShiftSink", "amount": "-inf", "layer": None, "heads": None},
        ],
    }
    runs = decoded(type("P", (), {"data": widget.payload}))["runs"]
    assert len(runs) == 2 and runs[1]["meta"]["interventions"][0]["kind"] == "MaskExpert"
    widget.request = {"number": 2, "interventions": [{"kind": "Nonsense"}]}
    assert "expected one of" in widget.status and widget.payload != first


@pytest.mark.slow
def test_the_command(tmp_path, capsys):
    page, stored = tmp_path / "run.html", tmp_path / "run.trace"
    ask = ["trace", "What is 2 + 2?", "--max-new-tokens", "3"]
    assert main([*ask, "--out", str(stored)]) == 0 and len(trace.load(stored)) > 3
    assert main([*ask, "--mask", "3.5", "--remove-sinks", "--out", str(page)]) == 0
    assert "Surprisal changes" in capsys.readouterr().out and "<iframe" not in page.read_text()
    assert main(["trace", "--open", str(stored), "--out", str(page)]) == 0
    questions = tmp_path / "q.txt"
    questions.write_text("sum\tWhat is 1 + 1?\nfact\tWho are you?\n")
    capsys.readouterr()
    assert main(["trace", "--router", str(questions), "--json", "--max-new-tokens", "2"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert {"token", "kind", "role", "channel", "effort", "task"} == set(report["layers"][0]["information"])
    for bad in (
        ["trace"],
        [*ask, "--out", "x.pdf"],
        [*ask, "--heads", "1-2"],
        [*ask, "--mask", "77.1"],
        ["trace", "--open", "none"],
    ):
        assert main(bad) == 2
        lines = capsys.readouterr().err.strip().splitlines()
        assert len(lines) == 1 and lines[0].startswith("gptoss-edu trace: ")
