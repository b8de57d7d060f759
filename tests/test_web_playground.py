"""Test the lab without a browser: its file, its settings, the state in its address, and the command that writes it."""

import json
import re
import tomllib

import pytest
import torch
from node import needs_node, run_node

import gptoss_edu
from gptoss_edu import trace
from gptoss_edu.checkpoint import convert, save
from gptoss_edu.cli import main
from gptoss_edu.config import ModelConfig
from gptoss_edu.errors import CheckpointError, TokenizerError
from gptoss_edu.evals.answering import complete
from gptoss_edu.harmony.question import final_text, question_tokens
from gptoss_edu.resources import data_path
from gptoss_edu.tokenizer import load_tokenizer, save_tokenizer
from gptoss_edu.trace.interventions import from_dict
from gptoss_edu.transformer import random_model
from gptoss_edu.web.playground import TEXTS, Lab, ModelFiles, about, lab_source, worker_source


@pytest.fixture(scope="module")
def files():
    return ModelFiles.read()


def own_model(folder):
    """Save a reader's own small model, of another shape, with gpt-oss-tiny's vocabulary; return its folder."""
    encoding = load_tokenizer(data_path("gpt-oss-tiny"))
    config = ModelConfig(
        num_hidden_layers=2, num_experts=6, experts_per_token=2, vocab_size=encoding.n_vocab, hidden_size=64,
        intermediate_size=32, head_dim=16, num_attention_heads=4, num_key_value_heads=2, sliding_window=8,
        initial_context_length=128, rope_theta=1e4, rope_scaling_factor=2.0,
    )  # fmt: skip
    model = random_model(config, seed=1, dtype=torch.bfloat16)
    save(model, folder / "packed", layout="original", rounding="best")
    save_tokenizer(encoding, folder / "packed")
    return folder / "packed"


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    return own_model(tmp_path_factory.mktemp("own"))


def test_one_file_holds_everything_and_is_small(files):
    page = Lab(files).html
    assert len(page.encode()) <= 1.36 * len(files.weights) + 300_000
    assert page.count("<script") == 4 and page.count("</script>") == 4
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page).group(1)
    assert "default-src 'none'" in policy and "http" not in policy and "connect-src" not in policy


def test_nothing_in_the_sources_reaches_outside():
    for source in (lab_source(), worker_source()):
        assert not re.search(
            r"\bfetch\(|XMLHttpRequest|WebSocket|EventSource|innerHTML|insertAdjacentHTML|document\.write|\beval\(|"
            r"new Function",
            source,
        )
        assert set(re.findall(r"https?://[^\s'\"]+", source)) <= {"http://www.w3.org/2000/svg"}
        assert not re.search(r"^import |\bimport\(|^export .* from", source, re.M)
    assert not re.search(r"^export ", worker_source(), re.M)  # it must run as a plain script


def test_no_text_of_the_page_becomes_markup(files):
    title = "</script><script>alert(1)</script><b>"
    page = Lab(files, weights="model.js", title=title).html
    assert page.count("<script") == 4 and "<b>" not in page and "alert(1)</script>" not in page
    assert json.loads(page.split('id="settings" type="text/plain">')[1].split("</script>")[0])["title"] == title


def test_the_models_own_size_is_what_the_page_tells(files):
    config = files.config
    total = sum(p.numel() for p in gptoss_edu.load_model(experts="dense").parameters())
    said = about(config)
    assert said.startswith(f"{total / 1e6:.1f} million parameters, {config.num_hidden_layers} layers")
    assert Lab(files).settings()["config"] == config.to_dict()


@pytest.mark.slow
def test_the_examples_are_answered_rightly():
    model = gptoss_edu.load_model(experts="dense")
    examples = tomllib.loads(TEXTS.read_text(encoding="utf-8"))["examples"]
    prompts = [question_tokens(e["question"], e["effort"], model.tokenizer) for e in examples]
    for example, tokens in zip(examples, complete(model, prompts, 512), strict=True):
        said = final_text(tokens, model.tokenizer)
        assert example["answer"] in said, (example, said)


def test_a_checkpoint_of_ones_own_in_any_packed_layout(own, tmp_path):
    plain = ModelFiles.read(own)
    assert plain.weights == (own / "model.safetensors").read_bytes()
    convert(own, tmp_path / "hf", layout="hf")
    again = ModelFiles.read(tmp_path / "hf")
    assert again.config == plain.config and again.ranks == plain.ranks
    assert sorted(again.weights) == sorted(plain.weights)  # the same bytes, perhaps in another order


def test_what_a_page_cannot_carry_is_refused(own, tmp_path, monkeypatch):
    convert(own, tmp_path / "dense", layout="hf-bf16")
    with pytest.raises(CheckpointError, match=r"dense ones; pack them first: gptoss-edu convert .*\.$"):
        ModelFiles.read(tmp_path / "dense")
    convert(own, tmp_path / "mute", layout="original")
    for file in (tmp_path / "mute").glob("tokenizer.*"):
        file.unlink()
    with pytest.raises(TokenizerError, match=r"beside the weights, found neither.*\.$"):
        ModelFiles.read(tmp_path / "mute")
    monkeypatch.setattr("gptoss_edu.web.playground.LARGEST", 1000)
    with pytest.raises(CheckpointError, match=r"expected at most .* take a smaller model\.$"):
        ModelFiles.read(own)


def test_the_command(own, tmp_path, capsys):
    page = tmp_path / "out.html"
    assert main(["page", str(page), "--checkpoint", str(own), "--title", "Mine"]) == 0
    assert "<title>Mine</title>" in page.read_text(encoding="utf-8") and "wrote" in capsys.readouterr().out
    alone = page.stat().st_size
    assert main(["page", str(page), "--checkpoint", str(own), "--beside", "m.js"]) == 0
    assert (tmp_path / "m.js").read_text().startswith("gptossModel({") and page.stat().st_size < alone
    capsys.readouterr()
    for bad in (
        ["page", "out.pdf"],
        ["page", str(page), "--checkpoint", str(tmp_path / "none")],
        ["page", str(page), "--beside", "../m.js"],
        ["page", str(page), "--beside", "m.txt"],
        ["page", str(tmp_path / "no" / "out.html")],
    ):
        assert main(bad) == 2
        lines = capsys.readouterr().err.strip().splitlines()
        assert len(lines) == 1 and lines[0].startswith("gptoss-edu page: ") and lines[0].endswith(".")


# ------------------------------------------------------------------------------------------------- state in the address

STATE = 'const { fromAddress, INITIAL, interventionsOf, inWords, toAddress } = await web("lab/state.js");'


@needs_node
def test_an_address_holds_the_whole_experiment(files):
    changes = {
        "question": "What is 2 + 2? & größe #1", "effort": "high", "instructions": "a=b;c", "temperature": 0.8,
        "topP": 0.95, "seed": 4000000000, "longest": 64, "sinks": -1.5, "sliding": 4, "experts": 1,
        "masked": ["3.5", "2.1"],
        "forced": ["0.0"], "zeroed": ["1.3", "1.4"], "compare": False,
    }  # fmt: skip
    seen = run_node(
        STATE + """const state = { ...INITIAL, ...changes }, address = toAddress(state);
        const infinite = { ...INITIAL, sinks: -Infinity, sliding: Infinity, full: 3 };
        const back = fromAddress(toAddress(infinite), config);
        return { same: JSON.stringify(fromAddress("#" + address, config)) === JSON.stringify(state),
          empty: toAddress(INITIAL),
          infinite: [back.sinks === -Infinity, back.sliding === Infinity, back.full === 3],
            words: inWords(state, config),
          interventions: interventionsOf(state, config), open: interventionsOf(infinite, config),
            none: interventionsOf(INITIAL, config), quiet: inWords(INITIAL, config) };""",
        changes=changes, config=files.config.to_dict(),
    )  # fmt: skip
    assert seen["same"] and seen["empty"] == "" and seen["infinite"] == [True] * 3
    assert seen["none"] == [] and seen["quiet"] == ""
    made = [from_dict(change) for change in seen["interventions"]]
    windows = [trace.SetWindow(layer, 4) for layer in range(0, files.config.num_hidden_layers, 2)]
    assert made == [
        trace.ShiftSink(-1.5), *windows, trace.ExpertsPerToken(1), trace.MaskExpert(3, 5), trace.MaskExpert(2, 1),
        trace.ForceExpert(0, 0), trace.ZeroHeads(1, (3, 4)),
    ]  # fmt: skip
    assert from_dict(seen["open"][0]) == trace.ShiftSink()
    assert {(c["layer"] % 2, c["window"]) for c in seen["open"][1:]} == {(0, None), (1, 3)}
    for part in (
        "sinks −1.5",
        "sliding layers see 4 keys",
        "1 expert per token",
        "without experts 3.5, 2.1",
        "heads zeroed: 1.3, 1.4",
    ):
        assert part in seen["words"]


@pytest.mark.slow
@needs_node
@pytest.mark.parametrize(
    "address",
    ["", "#", "effort=extreme&temperature=-1&top_p=0&seed=1.5&tokens=0&sinks=x",
     "window=0&full=none&experts=99&compare=maybe",
     "mask=9.1,1.99,a.b,1,1.2.3,-1.0,&force=1.,&zero=.1", "nonsense=1&__proto__=2", "temperature=&seed=&window="],
)  # fmt: skip
def test_nonsense_in_an_address_changes_nothing(address, files):
    assert run_node(
        STATE + "return JSON.stringify(fromAddress(address, config)) === JSON.stringify(INITIAL);",
        address=address, config=files.config.to_dict(),
    )  # fmt: skip
