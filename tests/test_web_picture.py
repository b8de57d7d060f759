"""Test the walkable picture without a browser: a token's numbers against Python's, its places, and its tour."""

import json

import numpy as np
import pytest
import torch
from node import needs_node, run_node

import gptoss_edu
from gptoss_edu import trace
from gptoss_edu.harmony.question import question_tokens
from gptoss_edu.resources import data_path
from gptoss_edu.trace.interventions import to_dict

pytestmark = needs_node
LAYER, POSITION = 2, 60
SESSION = """
const { Session } = await web("model/session.js");
const utf8 = (name) => new TextDecoder().decode(read(name));
const files = { config: JSON.parse(utf8("config.json")), ranks: utf8("tokenizer.tiktoken"),
  meta: JSON.parse(utf8("tokenizer.meta.json")), weights: read("model.safetensors") };
const told = [], session = new Session(files, (message) => told.push(message));
const plain = (value) => ArrayBuffer.isView(value) ? [...value]
  : Array.isArray(value) ? value.map(plain)
  : value && typeof value === "object" ? Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)]))
  : value;
"""


@pytest.fixture(scope="module")
def tiny():
    return gptoss_edu.load_model(experts="dense")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("picture")
    for file in data_path("gpt-oss-tiny").iterdir():
        (folder / file.name).symlink_to(file)
    return folder


@pytest.fixture(scope="module")
def tokens(tiny):
    prompt = question_tokens("What is 47 times 36?", "high", tiny.tokenizer)
    return prompt + list(gptoss_edu.generate(tiny, prompt, 20))


def seen_in_python(model, tokens, changes=()) -> dict[str, np.ndarray]:
    """Return every intermediate of the last of these tokens, by the names of the hook points."""
    seen = {}

    def keep(value, name):
        seen[name] = value.detach().float()

    names = [name for name in model.hook_points() if not name.endswith("mask")]
    with torch.no_grad(), trace.intervene(model, *changes), model.hooks(dict.fromkeys(names, keep)):
        model(torch.tensor([tokens]))
    return {name: value.numpy() for name, value in seen.items()}


def close(found, expected, what) -> None:
    found, expected = np.array(found, np.float64).ravel(), np.asarray(expected, np.float64).ravel()
    assert found.shape == expected.shape, what
    np.testing.assert_allclose(found, expected, atol=2e-4 * max(1.0, np.abs(expected).max()), err_msg=what)


@pytest.mark.slow
@pytest.mark.parametrize("changes", [[], [trace.ShiftSink(2.0), trace.MaskExpert(LAYER, 3), trace.ZeroHeads(1)]])
def test_every_number_of_a_token_equals_python(changes, tiny, tokens, folder):
    read, before = tokens[: POSITION + 1], f"block.{LAYER}."
    script = "await session.look({ number: 1, tokens, position, layer, a });"
    script += "write('look.json', JSON.stringify(plain(told.at(-1))));"
    run_node(SESSION + script, folder, tokens=tokens, position=POSITION, layer=LAYER, a=[to_dict(c) for c in changes])
    look = json.loads((folder / "look.json").read_text())["look"]
    seen = seen_in_python(tiny, read, changes)
    detail, h, d = look["detail"], 8, 32
    first = detail["first"]
    assert first == POSITION + 1 - 32 and look["id"] == tokens[POSITION]
    for name in ("resid_pre", "attn.normed", "attn.q", "attn.q_rotated", "attn.k", "attn.k_rotated", "attn.v",
                 "attn.heads", "attn.out", "resid_mid", "mlp.normed", "mlp.out", "resid_post"):  # fmt: skip
        close(detail[name], seen[before + name][0, -1], name)
    close(detail["attn.sinks"], seen[before + "attn.sinks"], "sinks")
    close(np.reshape(detail["attn.scores"], (h, -1)), seen[before + "attn.scores"][0, :, -1, first:], "scores")
    expected = seen[before + "attn.weights"][0, :, -1]
    close(np.reshape(detail["attn.weights"], (h, -1)), np.delete(expected, np.s_[:first], axis=1), "weights")
    keys = np.array([np.reshape(rows, (-1, d)) for rows in detail["keys"]])  # (g, s, d)
    close(keys, seen[before + "attn.k_rotated"][0, first:].transpose(1, 0, 2), "keys")
    chosen = seen[before + "mlp.expert_indices"][-1].astype(int).tolist()
    assert [expert["expert"] for expert in detail["experts"]] == chosen == look["layers"][LAYER]["experts"]
    for j, expert in enumerate(detail["experts"]):
        close(expert["out"], seen[before + "mlp.expert_out"][-1, j], "expert_out")
        assert len(expert["gateUp"]) == 512 and len(expert["packed"]["bytes"]) == 16
    close(look["logits"], seen["logits"][0, -1], "logits")
    close(look["embedding"], seen["embedding"][0, -1], "embedding")
    for layer, summary in enumerate(look["layers"]):
        close(summary["stream"], seen[f"block.{layer}.resid_post"][0, -1], "stream")
        close(summary["sinks"], seen[f"block.{layer}.attn.weights"][0, :, -1, -1], "sink shares")
        close(summary["weights"], seen[f"block.{layer}.mlp.expert_weights"][-1], "expert weights")
    if not changes:  # a masked expert's logit is minus infinity, which JSON cannot write
        close(detail["mlp.router_logits"], seen[before + "mlp.router_logits"][-1], "router_logits")
        run = trace.record(tiny, read)
        for layer, summary in enumerate(look["layers"]):
            ids, shares = [s["id"] for s in summary["says"]], [s["share"] for s in summary["says"]]
            assert ids == run["lens_tokens"][layer, -1, :3].tolist()
            np.testing.assert_allclose(shares, run["lens_probs"][layer, -1, :3].astype(np.float64), atol=2e-3)


@pytest.mark.slow
def test_looking_changes_no_answer(tiny, folder):
    """Inspect tokens while the answer is generated, in the same cache row and without reading them again."""
    question, effort = "What is 318 + 4907?", "medium"
    script = """
    const ask = { question, effort, level: "none", maxNewTokens: 24 };
    let looked = 0, reads = 0;
    session.emit = (message) => {
      told.push(message);
      if (message.kind !== "token") return;
      const tokens = [...told.find(({ kind }) => kind === "start").tokens,
        ...told.filter(({ kind }) => kind === "token")].map(({ id }) => id);
      const before = session.lanes[0].cache.length;
      const where = { position: before - 1 - (looked % 9), layer: looked % 6 };
      session.look({ number: 2, tokens: tokens.slice(0, before), ...where });
      if (session.lanes[0].cache.length === before && session.turn?.number === 1) looked++;
    };
    await session.ask({ number: 1, ...ask });
    return { looked, lanes: session.lanes.length, tokens: told.find(({ kind }) => kind === "done").tokens,
      kinds: [...new Set(told.filter(({ number }) => number === 2).map(({ kind }) => kind))] };"""
    found = run_node(SESSION + script, folder, question=question, effort=effort)
    expected = list(gptoss_edu.generate(tiny, question_tokens(question, effort, tiny.tokenizer), 24))
    assert found["tokens"] == expected and found["looked"] == len(expected)
    assert found["lanes"] == 1 and found["kinds"] == ["finished"]


# -------------------------------------------------------------------------------------------------- places and the walk

WALK = (
    SESSION
    + """
const places = await web("picture/places.js"), { STEPS, captionOf } = await web("picture/tour.js");
const { clearestHead, headRow, inPercent, tellingToken } = await web("picture/reading.js");
const text = tokens.map((id) => session.shown(id)), { config } = files;
await session.look({ number: 1, tokens, position, layer });
const { look } = told.at(-1), head = clearestHead(look, config), expert = look.layers[layer].experts[0];
const world = { config, tokens: text, prompt: 60, position, look, layer, head, expert };
"""
)


@pytest.mark.slow
def test_the_walk_says_the_numbers_of_the_token(tiny, tokens, folder):
    script = """
    return { head, steps: STEPS.map((step) => ({ place: step.place(world), chapter: step.chapter,
      said: step.say({ ...world, ...step.place(world) }) })) };
    """
    found = run_node(WALK + script, folder, tokens=tokens, position=POSITION, layer=LAYER)
    run, head, read = trace.record(tiny, tokens[: POSITION + 1], heads=[(LAYER, found["head"])]), found["head"], -1
    weights, _ = run.attention(LAYER, head)
    sinks = run["sink_mass"][LAYER, read]
    said = {step["place"]["kind"] + step["chapter"]: step["said"] for step in found["steps"]}
    best = int(weights[read].argmax())
    piece = run.text(best)
    assert f"Head {head} " in said["head04"] and f"“{piece}”: {percent(weights[read, best])}" in said["head04"]
    assert said["head06"].startswith(f"Head {sinks.argmax()} leaves {percent(sinks.max())} on the sink")
    for expert, weight in zip(run["expert_indices"][LAYER, read], run["expert_weights"][LAYER, read], strict=True):
        assert f"{expert} ({percent(weight)})" in said["router08"]
    assert f"has {percent(run['next_probs'][read, 0])}" in said["output11"]
    assert f"positions, {POSITION} and {best}," in said["head05"]
    assert all(step["said"].endswith(".") for step in found["steps"]) and len(found["steps"]) >= 12
    assert {step["chapter"] for step in found["steps"]} >= {f"{n:02d}" for n in range(2, 13)}


def percent(share: float) -> str:
    """Write a share as the page does."""
    value = 100 * float(share)
    text = f"{value:.0f}" if value >= 9.95 or value == 0 else f"{value:.1f}" if value >= 0.095 else "<\u00a00.1"
    return text + "\u00a0%"


@pytest.mark.slow
def test_every_place_lies_in_the_model_and_has_a_caption_and_a_chapter(tokens, folder):
    script = """
    const all = [{ kind: "model" }, { kind: "tokens" }, { kind: "embedding" }, { kind: "output" }];
    all.push({ kind: "block", layer }, { kind: "norm", layer }, { kind: "router", layer });
    for (let i = 0; i < 8; i++) all.push({ kind: "head", layer, head: i });
    for (let i = 0; i < 16; i++) all.push({ kind: "expert", layer, expert: i });
    return { kinds: Object.keys(places.KINDS), places: all.map((place) => ({
      kind: place.kind, key: places.keyOf(place), root: places.pathOf(place)[0].kind,
      depth: places.pathOf(place).length,
      caption: captionOf(place, world), chapter: places.CHAPTERS[places.KINDS[place.kind].chapter],
      near: places.besides(place, config).map((p) => p && places.keyOf(p)),
      name: places.nameOf(place) })),
      telling: tellingToken([{ channel: null }, { channel: "final", control: true }, { channel: "final" },
        { channel: "final" }, { channel: null, control: true }]) };"""
    found = run_node(WALK + script, folder, tokens=tokens, position=POSITION, layer=LAYER)
    shown = found["places"]
    assert {place["kind"] for place in shown} == set(found["kinds"]) and found["telling"] == 2
    assert len({place["key"] for place in shown}) == len(shown)
    assert all(p["root"] == "model" and p["caption"].endswith(".") and p["chapter"] and p["name"] for p in shown)
    assert all("undefined" not in p["caption"] and "NaN" not in p["caption"] for p in shown)
    by_key = {place["key"]: place for place in shown}
    assert by_key["head.2.0"]["near"] == [None, "head.2.1"] and by_key["expert.2.15"]["near"] == ["expert.2.14", None]
    assert by_key["block.2"]["near"] == ["block.1", "block.3"] and by_key["expert.2.3"]["depth"] == 3
