"""A right port in NumPy is green to the end; a wrong one is named, placed, and found by good inputs (capstone 4)."""

import argparse
import re
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

from gptoss_edu import load_model, mxfp4
from gptoss_edu.checks import bank
from gptoss_edu.cli import main
from gptoss_edu.commands import port
from gptoss_edu.course import ports
from gptoss_edu.errors import GptOssError

ATTENTION = """
import numpy as np

def attention(q, k, v, sinks, window):
    (b, t, h, d), (s, g) = q.shape, k.shape[1:3]
    k, v = (np.repeat(x, h // g, axis=2) for x in (k, v))  # (b, s, h, d)
    scores = np.einsum("bthd,bshd->bhts", q, k) / np.sqrt(d)
    query, key = np.arange(s - t, s)[:, None], np.arange(s)
    seen = (key <= query) & (True if window is None else key > query - window)
    column = np.broadcast_to(sinks[:, None, None], (b, h, t, 1))
    row = np.concatenate([np.where(seen, scores, -np.inf), column], axis=-1)
    row = np.exp(row - row.max(-1, keepdims=True))
    weights = (row / row.sum(-1, keepdims=True))[..., :-1]  # (b, h, t, s)
    return np.einsum("bhts,bshd->bthd", weights, v)

def attention_inputs():
    rng = np.random.default_rng(0)
    q, k, v = (rng.normal(size=(1, 5, heads, 8)).astype(np.float32) for heads in (4, 2, 2))
    return [(q, k, v, np.array([2.0, -1.0, 0.5, -np.inf], np.float32), window) for window in (None, 3)]
"""
PAGE = Path(__file__).parents[1] / "book" / "pages" / "capstones.md"


@pytest.fixture(scope="module")
def model():
    return load_model(dtype=torch.float32)


def written(source: str = ATTENTION) -> dict:
    namespace: dict = {}
    exec(source, namespace)
    return namespace


def test_a_right_port_is_green_to_the_end(model):
    own = written()
    verdict = ports.judge("attention", own["attention"], own["attention_inputs"](), model)
    assert verdict.passed and verdict.red is None and "all 15 rungs are green" in str(verdict)
    assert verdict.ladder.worst.difference > 0, "two computations, not one compared with itself"
    assert len(verdict.inputs.differences) == 2 and 0 < len(verdict.inputs.missed) < 10


@pytest.mark.parametrize(
    ("exchange", "cause", "red"),
    [
        (("np.where(seen, scores, -np.inf), column", "np.where(seen, scores, -np.inf), column / np.sqrt(d)"),
         "sink_scaled", "block.0.resid_mid"),
        (("key > query - window", "key >= query - window"), "window_plus_one", "block.0.resid_mid"),
    ],
)  # fmt: skip
def test_a_wrong_port_is_named_and_placed(model, exchange, cause, red):
    assert ATTENTION.count(exchange[0]) == 1
    own = written(ATTENTION.replace(*exchange))
    verdict = ports.judge("attention", own["attention"], own["attention_inputs"](), model)
    assert not verdict.passed and verdict.check.cause_id == cause and verdict.red.name == red
    assert max(verdict.inputs.differences) > 1e-2 and f"first red rung is {red}" in str(verdict)
    figure = verdict.figure()
    assert f"first red rung: {red}" in [text.get_text() for text in figure.axes[0].texts]


def test_weak_inputs_are_told_what_they_cannot_find():
    """A sink of 0 cannot tell a learned sink from a constant one, and a window that no row reaches none from none."""
    own = written()
    q, k, v, sinks, _ = own["attention_inputs"]()[0]
    weak = ports.judge_inputs("attention", ports.with_arrays(own["attention"]), [(q, k, v, np.zeros_like(sinks), 9)])
    assert max(weak.differences) < ports.TOLERANCE
    by_cause = {cause: {s.title for s in bank.wrong("attention") if s.cause == cause and not s.unseen}
                for cause in ("sink_constant", "no_window", "not_causal")}  # fmt: skip
    assert by_cause["sink_constant"] & set(weak.missed) and by_cause["no_window"] <= set(weak.missed)
    assert not by_cause["not_causal"] & set(weak.missed)


def test_a_port_that_raises_has_no_ladder(model):
    verdict = ports.judge("route", lambda x, weight, bias, k: x[0, 0, 0, 0], model=model)
    assert not verdict.passed and verdict.ladder is None and "IndexError" in str(verdict)
    with pytest.raises(GptOssError, match="there is no ladder"):
        verdict.figure()
    with pytest.raises(GptOssError, match="expected one of rms_norm"):
        ports.judge("bpe_encode", print)


@pytest.mark.slow
@pytest.mark.parametrize("name", ports.PORTABLE)
def test_every_mechanism_can_be_ported(name):
    """A right solution, as an engine with arrays of its own."""
    right = bank.right(name)[0].function

    def port(*args, **kwargs):
        assert not any(isinstance(value, torch.Tensor) for value in (*args, *kwargs.values()))
        found = right(
            *(torch.from_numpy(value) if isinstance(value, np.ndarray) else value for value in args), **kwargs
        )
        parts = found if isinstance(found, tuple) else (found,)
        arrays = tuple(value.numpy() if isinstance(value, torch.Tensor) else value for value in parts)
        return arrays if isinstance(found, tuple) else arrays[0]

    verdict = ports.judge(name, port)
    assert verdict.passed, str(verdict)


@pytest.mark.slow
def test_the_command_judges_a_file(tmp_path, capsys):
    file = tmp_path / "my_port.py"
    file.write_text(ATTENTION.replace("/ np.sqrt(d)", "/ d"))
    assert main(["port", str(file), "--figure", str(tmp_path / "ladder.svg")]) == 2
    said = capsys.readouterr()
    assert "divided by head_dim instead of by its root" in said.out and "they find" in said.out
    assert "attention: not yet a port" in said.err and (tmp_path / "ladder.svg").stat().st_size > 1000
    file.write_text("def attend(): ...")
    assert main(["port", str(file)]) == 2 and "expected a function named rms_norm" in capsys.readouterr().err


@pytest.mark.slow
def test_a_port_into_transformers_stands_beside_the_model_as_the_page_says(tmp_path, monkeypatch):
    """The page's own lines: the port is transformers' attention, and the ladder compares the two models."""
    (source,) = re.findall(r" *```python\n( *from transformers.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    source = textwrap.dedent(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for old, new, green in (("window", "window", True), (" - window", " - window - 1", False)):
        (tmp_path / "my_port.py").write_text(ATTENTION.replace(old, new))
        monkeypatch.delitem(sys.modules, "my_port", raising=False)
        ran: dict = {}
        exec(source, ran)
        assert (ran["rungs"].first_above(1e-4) is None) == green


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("raise KeyError('x')", "gives no list: KeyError"),
        ("return [3]", "a tuple of arguments for each input"),
    ],
)
def test_inputs_of_ones_own_that_are_none_are_one_line(tmp_path, given, words):
    file = tmp_path / "mine.py"
    file.write_text(f"def rms_norm(x, scale, eps):\n    return x\n\ndef rms_norm_inputs():\n    {given}\n")
    with pytest.raises(GptOssError, match=words):
        port.run(argparse.Namespace(file=file, figure=None))
    file.write_text("def rms_norm(x, scale, eps):\n    return x\n\nrms_norm_inputs = [3]\n")
    with pytest.raises(GptOssError, match="expected a function rms_norm_inputs"):
        port.run(argparse.Namespace(file=file, figure=None))


def test_not_a_number_equals_not_a_number():
    """A scale byte of 255 makes NaN, in the port as in the package."""
    blocks, scales = np.zeros((1, 1, 16), np.uint8), np.full((1, 1), 255, np.uint8)

    def unpack_mxfp4(blocks, scales):
        return mxfp4.unpack(torch.from_numpy(blocks), torch.from_numpy(scales)).numpy()

    assert ports.judge_inputs("unpack_mxfp4", ports.with_arrays(unpack_mxfp4), [(blocks, scales)]).differences == (0.0,)


def test_a_figure_of_another_kind_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(GptOssError, match=r"ends in \.svg or \.png, found ladder\.xyz"):
        port.run(argparse.Namespace(file=tmp_path / "absent.py", figure=tmp_path / "ladder.xyz"))
