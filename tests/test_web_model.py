"""Compare the JavaScript model in Node.js with Python's: kernels, logits, interventions, traces, sampling, sessions."""

import base64
import json
import re
from dataclasses import asdict

import numpy as np
import pytest
import torch
from node import WEB, needs_node, run_node
from wat import assemble

import gptoss_edu
from gptoss_edu import mxfp4, trace
from gptoss_edu.checkpoint import save
from gptoss_edu.config import ModelConfig
from gptoss_edu.harmony.question import question_tokens
from gptoss_edu.resources import data_path
from gptoss_edu.rope import yarn_inv_freq
from gptoss_edu.trace.interventions import to_dict
from gptoss_edu.transformer import random_model

pytestmark = needs_node
KERNELS = ("plain", "wasm")
QUESTIONS = (
    ("What is 47 times 36?", "high"), ("What is 318 + 4907?", "medium"), ("Sort these words: pear, fig, apple.", "low"),
    ("How many times does the letter r occur in strawberry?", "high"), ("Who are you?", "low"),
)  # fmt: skip
LOAD = """
const { loadModel } = await web("model/transformer.js"), { Tokenizer } = await web("model/tokenizer.js");
const utf8 = (name) => new TextDecoder().decode(read(name)), config = JSON.parse(utf8("config.json"));
"""
# Read each of `texts` from the start and write the logits of all positions.
LOGITS = (
    LOAD
    + """
const { hooksOf } = await web("model/interventions.js"), { writeSync, openSync } = await import("node:fs");
const model = loadModel(config, read("model.safetensors"), kernel, 1), cache = model.newCache(),
  file = openSync(folder + "/logits", "w");
for (const tokens of texts) {
  cache.length = 0;
  for (const token of tokens) writeSync(file, new Uint8Array(model.forward(token, cache,
    { hooks: hooksOf(changes, config) }).buffer));
}
return model.kernels.name;
"""
)
SMALL = ModelConfig(  # three query heads per group, head_dim 12 (not a multiple of 8), all experts chosen
    num_hidden_layers=3, num_experts=3, experts_per_token=3, vocab_size=301, hidden_size=96, intermediate_size=64,
    head_dim=12, num_attention_heads=6, num_key_value_heads=2, sliding_window=5,
    initial_context_length=32, rope_theta=1e4,
    rope_scaling_factor=2.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def tiny():
    """Load the bundled model with unpacked experts, which is faster for many tokens at once."""
    return gptoss_edu.load_model(experts="dense")


def texts_of(model, questions, longest: int, least: int) -> list[list[int]]:
    """Return questions with the model's own answers, and random ids: at least `least` tokens."""
    out = []
    for question, effort in questions:
        prompt = question_tokens(question, effort, model.tokenizer)
        out.append(prompt + list(gptoss_edu.generate(model, prompt, longest)))
    rng = np.random.default_rng(0)
    while (missing := least - sum(map(len, out))) > 0:
        out.append(rng.integers(0, model.config.vocab_size, min(missing, 400)).tolist())
    return out


@pytest.fixture(scope="module")
def texts(tiny):
    """Return a question with its answer, and random ids: 240 tokens."""
    return texts_of(tiny, QUESTIONS[:1], 100, 240)


@pytest.fixture(scope="module")
def many_texts(tiny):
    """Return 2,000 tokens, which take plain JavaScript a minute."""
    return texts_of(tiny, QUESTIONS, 300, 2000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Make a folder for the files that Node.js reads and writes, with the bundled checkpoint in it."""
    folder = tmp_path_factory.mktemp("web")
    for file in data_path("gpt-oss-tiny").iterdir():
        (folder / file.name).symlink_to(file)
    return folder


def logits_of(model, tokens) -> np.ndarray:
    with torch.no_grad():
        return model(torch.tensor([tokens]))[0].float().numpy()


def logits_in_node(folder, kernel, texts, width, changes=()) -> list[np.ndarray]:
    name = run_node(LOGITS, folder, kernel=kernel, texts=texts, changes=list(changes))
    assert name == {"plain": "plain JavaScript", "wasm": "WebAssembly"}[kernel]
    flat = np.fromfile(folder / "logits", np.float32).reshape(-1, width)
    return np.split(flat, np.cumsum([len(tokens) for tokens in texts])[:-1])


def furthest(found, expected) -> float:
    """Return the largest difference of logits as a share of the largest logit."""
    scale = max(np.abs(e).max() for e in expected)
    return max(np.abs(f - e).max() for f, e in zip(found, expected, strict=True)) / scale


# ------------------------------------------------------------------------------------------------------------ kernels


def test_the_kernel_is_its_text_assembled():
    source = (WEB / "model" / "kernel.js").read_text(encoding="utf-8")
    held = re.search(r"export const KERNEL = \[(.*?)\]", source, re.DOTALL).group(1)
    binary = base64.b64decode("".join(re.findall(r'"([\w+/=]+)"', held)))
    assert binary == assemble((WEB / "model" / "kernel.wat").read_text(encoding="utf-8"))
    assert len(binary) < 1000


def test_products_straight_from_mxfp4(folder):
    """Try every byte, and scales from the smallest to a large one, with NaN at 255."""
    rng = np.random.default_rng(3)
    blocks = rng.integers(0, 256, (24, 2, 16), dtype=np.uint8)
    blocks[:16, 0] = np.arange(256, dtype=np.uint8).reshape(16, 16)
    scales = rng.integers(100, 140, (24, 2), dtype=np.uint8)
    scales[0, 0], scales[1, 1], scales[2, 0], scales[3, 0] = 0, 1, 200, 255
    x, bias = rng.normal(size=64).astype(np.float32), rng.normal(size=24).astype(np.float32)
    script = """
    const { plainKernels, wasmKernels } = await web("model/kernel.js"), { unpack } = await web("model/checkpoint.js");
    const [b, s] = [Uint8Array.from(blocks), Uint8Array.from(scales)], out = {};
    for (const kernels of [plainKernels(), wasmKernels(1 << 16, 64)]) {
      const packed = { blocks: kernels.bytes(b), scales: kernels.bytes(s) }, add = kernels.floats(24);
      add.set(bias);
      out[kernels.name] = [...kernels.linearMxfp4(new Float32Array(24), packed, Float32Array.from(x),
        add)].map(String);
      out[kernels.name + ", no bias"] = [...kernels.linearMxfp4(new Float32Array(24), packed,
        Float32Array.from(x))].map(String);
    }
    return { ...out, weights: [...unpack(b, s)].map(String) };"""
    found = run_node(
        script, folder, blocks=blocks.ravel().tolist(), scales=scales.ravel().tolist(), x=x.tolist(), bias=bias.tolist()
    )
    weights = mxfp4.unpack(torch.tensor(blocks), torch.tensor(scales)).numpy()
    np.testing.assert_array_equal(np.array(found["weights"], np.float32).reshape(24, 64), weights)
    rows = np.arange(24) != 3
    for name in ("plain JavaScript", "WebAssembly"):
        for end, add in (("", bias), (", no bias", 0)):
            expected = weights.astype(np.float64) @ x + add
            error = np.abs(np.array(found[name + end], np.float64) - expected)
            assert (error <= 1e-6 * (np.abs(weights.astype(np.float64)) @ np.abs(x) + np.abs(add)))[rows].all()
        assert found[name][3] == "NaN"


# ------------------------------------------------------------------------------------------------------------- logits


@pytest.mark.slow
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("which", "least"), [("texts", 240), pytest.param("many_texts", 2000, marks=pytest.mark.long)])
def test_logits_equal_python(kernel, which, least, tiny, folder, request):
    texts = request.getfixturevalue(which)
    expected = [logits_of(tiny, tokens) for tokens in texts]
    found = logits_in_node(folder, kernel, texts, tiny.config.vocab_size)
    assert sum(map(len, found)) >= least
    assert furthest(found, expected) <= 1e-5
    for f, e in zip(found, expected, strict=True):
        assert (f.argmax(-1) == e.argmax(-1)).all()


@pytest.mark.slow
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("packed", [True, False])
def test_sizes_are_read_from_the_checkpoint(kernel, packed, tmp_path):
    """Try another shape, with experts in MXFP4 and dense, as during training."""
    model = random_model(SMALL, seed=4, dtype=torch.bfloat16)
    if packed:
        save(model, tmp_path, layout="original", rounding="floor")
        model = gptoss_edu.load_model(tmp_path, dtype=torch.float32)
    else:
        from safetensors.torch import save_file

        save_file(
            {name: tensor.contiguous() for name, tensor in model.state_dict().items()}, tmp_path / "model.safetensors"
        )
        (tmp_path / "config.json").write_text(json.dumps(asdict(SMALL)))
        model = model.float()
    tokens = np.random.default_rng(1).integers(0, SMALL.vocab_size, 60).tolist()
    (found,) = logits_in_node(tmp_path, kernel, [tokens], SMALL.vocab_size)
    assert furthest([found], [logits_of(model, tokens)]) <= 1e-5


def test_yarn_without_stretching():
    config = asdict(SMALL) | {"rope_scaling_factor": 1.0}
    found = run_node(
        'const { yarnInvFreq } = await web("model/rope.js"), y = yarnInvFreq(config);'
        "return { invFreq: [...y.invFreq], concentration: y.concentration };",
        config=config,
    )
    inv_freq, concentration = yarn_inv_freq(12, 1e4, 1.0, 32)
    assert found["concentration"] == concentration == 1.0
    np.testing.assert_allclose(found["invFreq"], inv_freq.numpy(), rtol=1e-6)


# ------------------------------------------------------------------------------------------------------ interventions

CHANGES = {
    "sinks off": [trace.ShiftSink()],
    "sinks of two heads shifted": [trace.ShiftSink(2.0, 3, (1, 6))],
    "window of 4": [trace.SetWindow(0, 4)],
    "windows all open": [trace.SetWindow(layer, None) for layer in (0, 2, 4)],
    "expert masked": [trace.MaskExpert(1, 3), trace.MaskExpert(1, 7)],
    "expert dropped": [trace.MaskExpert(2, 5, "drop")],
    "expert forced": [trace.ForceExpert(3, 2), trace.ForceExpert(4, 1, 1.5)],
    "one expert per token": [trace.ExpertsPerToken(1)],
    "six experts in a layer": [trace.ExpertsPerToken(6, 2)],
    "heads zeroed": [trace.ZeroHeads(1, (0, 5))],
    "a group zeroed": [trace.ZeroHeads(3, group=1)],
    "several at once": [
        trace.ShiftSink(-1.0), trace.SetWindow(2, 9), trace.MaskExpert(0, 2),
        trace.ExpertsPerToken(3), trace.ZeroHeads(5),
    ],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", CHANGES)
def test_interventions_equal_python(name, tiny, texts, folder):
    changes, tokens = CHANGES[name], texts[0][:48]  # longer than the window
    with trace.intervene(tiny, *changes):
        expected = logits_of(tiny, tokens)
    assert np.abs(expected - logits_of(tiny, tokens)).max() > 1e-3  # the intervention has an effect
    dicts = [to_dict(change) for change in changes]
    for kernel in KERNELS:
        assert furthest(logits_in_node(folder, kernel, [tokens], tiny.config.vocab_size, dicts), [expected]) <= 1e-5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "Nonsense"}, "expected one of MaskExpert, "),
        ({"kind": "toString"}, "expected one of MaskExpert, "),
        ({"kind": "MaskExpert", "layer": 99, "expert": 0}, "there are layers 0 to {layers}; found 99"),
        ({"kind": "ForceExpert", "layer": 0, "expert": 99}, "there are experts 0 to {experts}; found 99"),
        ({"kind": "ZeroHeads", "layer": 0, "heads": [99]}, "there are heads 0 to {heads}; found 99"),
        ({"kind": "SetWindow", "layer": 0, "window": 0}, "expected 1 or more keys, found 0"),
        ({"kind": "ExpertsPerToken", "k": 0}, "expected 1 to "),
    ],
)
def test_an_impossible_intervention_is_refused(change, message, folder):
    found = run_node(
        LOAD + 'const { hooksOf } = await web("model/interventions.js");'
        "try { hooksOf([change], config); } catch (error) { return error.message; }",
        folder, change=change,
    )  # fmt: skip
    config = ModelConfig.from_json(folder)
    last = {"layers": config.num_hidden_layers, "experts": config.num_experts, "heads": config.num_attention_heads}
    assert message.format(**{name: count - 1 for name, count in last.items()}) in found


def test_masks_that_leave_too_few_experts_are_refused(folder):
    config = ModelConfig.from_json(folder)
    masks = [{"kind": "MaskExpert", "layer": 1, "expert": e} for e in range(config.num_experts - 1)]
    found = run_node(
        LOAD + 'const { hooksOf } = await web("model/interventions.js");'
        "try { hooksOf(masks, config); } catch (error) { return error.message; }",
        folder, masks=masks,
    )  # fmt: skip
    assert found == f"layer 1: 1 experts are left unmasked, and a token needs {config.experts_per_token}; mask fewer."


# -------------------------------------------------------------------------------------------------------------- trace


@pytest.mark.slow
def test_different_numbers_of_experts_are_not_traced(folder):
    """As in Python, a trace holds one number of experts for all layers; the model itself can compute with several."""
    request = {"question": "Who are you?", "effort": "low", "a": [{"kind": "ExpertsPerToken", "k": 1, "layer": 2}]}
    found = run_node(GENERATE, folder, requests=[{**request, "level": "routing"}, {**request, "maxNewTokens": 3}])
    assert "different numbers of experts" in found["other"][0]["message"] and len(found["done"]) == 1


TRACE = (
    LOAD
    + """
const { Tracer } = await web("model/trace.js"), { RunData } = await web("explorer/data.js");
const model = loadModel(config, read("model.safetensors"), "auto", 1);
const tokenizer = new Tokenizer(utf8("tokenizer.tiktoken"), JSON.parse(utf8("tokenizer.meta.json")));
const tracer = new Tracer(model, tokenizer, { level, heads, interventions: changes }), cache = model.newCache();
for (const token of tokens) tracer.forward(token, cache);
const result = tracer.result("run"), run = new RunData(result, 0, result.buffer, 0);
const arrays = Object.fromEntries(Object.entries(run.arrays).map(([name, a]) => [name, { shape: a.shape,
  data: [...a.data].map((v) => Number.isFinite(v) ? v : null) }]));
const rows = run.exactHeads().map(([l, h]) => [l, h, run.texts.map((_, q) => { const row = run.row(l, h, q);
  return [row.first, [...row.weights], row.sink]; })]);
write("trace.json", JSON.stringify({ meta: result.meta, arrays, rows }));
"""
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("level", "changes"),
    [
        ("full", []),
        ("exact", [trace.SetWindow(1, 12), trace.MaskExpert(2, 3), trace.ExpertsPerToken(3)]),
        ("routing", []),
        ("default", []),
    ],
)
def test_a_trace_equals_python(level, changes, tiny, texts, folder, tmp_path):
    tokens, heads = texts[0][:150], [(1, 2), (2, 0)]
    options = (
        {"heads": heads} if level == "exact" else {"level": level, **({"path": tmp_path} if level == "full" else {})}
    )
    with trace.intervene(tiny, *changes):
        run = trace.record(tiny, tokens, **options)
    run_node(TRACE, folder, level=level, heads=heads, changes=[to_dict(c) for c in changes], tokens=tokens)
    seen = json.loads((folder / "trace.json").read_text())
    arrays = {name: a for name, a in seen["arrays"].items() if not name.startswith("exact")}
    assert set(arrays) == {name for name in run.arrays if not name.startswith("exact")}
    for name, found in arrays.items():
        expected = run[name]
        assert list(expected.shape) == found["shape"], name
        got = np.array([np.nan if v is None else v for v in found["data"]]).reshape(expected.shape)
        expected = np.where(np.isfinite(expected.astype(np.float64)), expected.astype(np.float64), np.nan)
        if name in ("lens_tokens", "next_tokens", "expert_indices"):  # equal values may change places
            assert (got == expected).mean() > 0.999, name
        elif name == "router_margin":  # Python's is the difference of two logits rounded to half precision
            logits = np.nan_to_num(run["router_logits"], neginf=0)  # of masked experts
            rounding = np.spacing(np.abs(logits).max(-1)).astype(np.float64)
            assert (np.abs(got - expected) <= rounding + 3e-4 + 1e-3 * np.abs(expected)).all(), name
        else:
            np.testing.assert_allclose(got, expected, atol=3e-3, rtol=3e-3, err_msg=name)
    for key in (
        "n_layers",
        "n_heads",
        "n_kv_heads",
        "n_experts",
        "experts_per_token",
        "windows",
        "roles",
        "channels",
        "sections",
        "kinds",
        "level",
    ):
        assert seen["meta"][key] == run.meta[key], key
    assert seen["meta"].get("pool_bin") == run.meta.get("pool_bin")
    named = set(seen["meta"]["vocabulary"]), set(run.meta["vocabulary"])
    assert len(named[0] ^ named[1]) <= 0.02 * len(named[1])
    assert [(layer, head) for layer, head, _ in seen["rows"]] == run.exact_heads()
    for layer, head, rows in seen["rows"]:
        weights, sink = run.attention(layer, head)
        for q, (first, shares, own) in enumerate(rows):
            assert np.abs(np.array(shares) - weights[q, first : q + 1]).max() < 6e-4 and weights[q, :first].sum() == 0
            assert abs(own - sink[q]) < 6e-4 and abs(sum(shares) + own - 1) < 1e-4


# ----------------------------------------------------------------------------------------------------------- sampling


def test_draws_are_torchs():
    for seed in (0, 7, 2**31 + 5, 2**63 + 11):
        found = run_node(
            'const { Random } = await web("model/sampling.js"), random = new Random(BigInt(seed)), all = [];'
            "for (let i = 0; i < 1500; i++) all.push(random.draw()); return all;",
            seed=str(seed),
        )
        assert found == torch.rand(1500, generator=torch.Generator().manual_seed(seed)).tolist()


def test_the_distribution_equals_python():
    logits = np.random.default_rng(2).normal(size=(6, 50)).astype(np.float32) * 3
    logits[1, 4:8] = logits[1].max() + 1  # equal values
    settings = [(0, 1), (1, 1), (0.7, 0.9), (1.4, 0.5), (1, 1e-6), (30, 0.999)]
    found = run_node(
        'const { nextTokenProbabilities } = await web("model/sampling.js");'
        "return settings.map(([t, p], i) => [...nextTokenProbabilities(Float32Array.from(logits[i]), t, p)]);",
        logits=logits.tolist(), settings=settings,
    )  # fmt: skip
    for row, (temperature, top_p), got in zip(logits, settings, found, strict=True):
        expected = gptoss_edu.generation.next_token_probabilities(torch.tensor(row), temperature, top_p).numpy()
        np.testing.assert_allclose(got, expected, atol=2e-7)


SESSION = (
    LOAD
    + """
const { Session } = await web("model/session.js");
const files = { config, ranks: utf8("tokenizer.tiktoken"), meta: JSON.parse(utf8("tokenizer.meta.json")),
  weights: read("model.safetensors") };
const told = [], session = new Session(files, (message) => told.push(message));
const of = (kind) => told.filter((message) => message.kind === kind);
"""
)
GENERATE = (
    SESSION
    + """
for (const [number, r] of requests.entries()) await session.ask({ number, level: "none", ...r });
return { done: of("done"), other: [...of("problem"), ...of("stopped")] };
"""
)


@pytest.mark.slow
@pytest.mark.parametrize(("asked", "longest"), [(5, 60), pytest.param(10, 120, marks=pytest.mark.long)])
def test_sampled_text_equals_python(asked, longest, tiny, folder):
    """With the same seed, temperature and top-p, the tokens equal those of gptoss_edu.generate."""
    requests, expected = [], []
    for seed, (question, effort) in enumerate((QUESTIONS * 2)[:asked]):
        options = {"temperature": (0.0, 1.0, 0.8, 1.3)[seed % 4], "top_p": (1.0, 0.9)[seed % 2], "seed": seed}
        prompt = question_tokens(question, effort, tiny.tokenizer)
        expected.append(list(gptoss_edu.generate(tiny, prompt, longest, **options)))
        options["topP"] = options.pop("top_p")
        requests.append({"question": question, "effort": effort, "maxNewTokens": longest, **options})
    stop = expected[0][5]
    requests.append({**requests[0], "stops": [stop]})
    expected.append(expected[0][: expected[0].index(stop) + 1])
    found = run_node(GENERATE, folder, requests=requests)
    assert found["other"] == []
    assert [done["tokens"] for done in found["done"]] == expected
    assert any(len(tokens) < longest for tokens in expected) and found["done"][-1]["complete"]


# ----------------------------------------------------------------------------------------------------------- sessions


@pytest.mark.slow
def test_changed_and_unchanged_answers_and_what_is_read_again(tiny, folder):
    """A is the model's answer, B the changed model's; both traces are of A's tokens."""
    question, effort = QUESTIONS[0]
    prompt = question_tokens(question, effort, tiny.tokenizer)
    plain = list(gptoss_edu.generate(tiny, prompt, 24))
    changes = [trace.ZeroHeads(3), trace.ZeroHeads(4)]
    with trace.intervene(tiny, *changes):
        changed = list(gptoss_edu.generate(tiny, prompt, 24))
        other = trace.record(tiny, prompt + plain)
    base = trace.record(tiny, prompt + plain)
    found = run_node(
        SESSION + """const ask = (more) => session.ask({ question, effort, maxNewTokens: 24, ...more });
        await ask({ number: 1, b: changes, names: ["plain", "changed"] });
        const runs = of("finished")[0].runs.map(({ name, meta, arrays, buffer }) => {
          const at = (what) => arrays.find((a) => a.name === what), s = at("surprisal");
          return { name, interventions: meta.interventions, tokens: [...new Int32Array(buffer,
            at("tokens").offset, at("tokens").shape[0])],
            surprisal: [...new Float32Array(buffer, s.offset, s.shape[0])].slice(1) };
        });
        const first = { done: of("done"), start: of("start").map((m) => m.reused),
          inside: of("inside").filter((m) => m.side === "A").length };
        await ask({ number: 2, question: question + " Please." });
        return { ...first, runs, again: of("start").at(-1).reused, last: of("done").at(-1).tokens,
          problems: of("problem") };""",
        folder, question=question, effort=effort, changes=[to_dict(c) for c in changes],
    )  # fmt: skip
    assert found["problems"] == []
    a, b = found["done"]
    assert a["tokens"] == plain and b["tokens"] == changed and changed != plain
    assert [run["name"] for run in found["runs"]] == ["plain", "changed"]
    assert [len(run["interventions"]) for run in found["runs"]] == [0, 2]
    for run, expected in zip(found["runs"], (base, other), strict=True):
        assert run["tokens"] == prompt + plain
        np.testing.assert_allclose(run["surprisal"], expected["surprisal"][1:].astype(np.float32), atol=2e-2, rtol=2e-3)
    assert found["inside"] == len(prompt + plain)
    again = question_tokens(question + " Please.", effort, tiny.tokenizer)
    common = next(i for i, (x, y) in enumerate(zip(prompt, again, strict=False)) if x != y)
    assert found["start"] == [0, 0] and found["again"] == common - 1 > 20
    assert found["last"] == list(gptoss_edu.generate(tiny, again, 24))


@pytest.mark.slow
def test_stopping_and_asking_again(tiny, folder):
    """A stopped answer says so and sends nothing more; a new question replaces the one being answered."""
    question, effort = QUESTIONS[0]
    found = run_node(
        SESSION + """const ask = (number) => session.ask({ number, question, effort, maxNewTokens: 60,
          level: "default" });
        const until = async (ready) => { while (!ready()) await new Promise((done) => setTimeout(done, 1)); };
        const running = ask(1);
        await until(() => of("token").length >= 3);
        session.stop();
        await running;
        const stopped = told.map((m) => [m.number, m.kind]), count = told.length;
        const second = ask(2);
        await until(() => of("token").some((m) => m.number === 2));
        const third = ask(3);
        await Promise.all([second, third]);
        return { stopped, kinds: told.slice(count).filter((m) => !["token",
          "inside"].includes(m.kind)).map((m) => [m.number, m.kind]), last: of("done").at(-1).tokens };""",
        folder, question=question, effort=effort,
    )  # fmt: skip
    assert found["stopped"][-1] == [1, "stopped"] and [1, "done"] not in found["stopped"]
    assert [3, "start"] in found["kinds"] and [2, "stopped"] in found["kinds"] and found["kinds"][-1] == [3, "finished"]
    assert [2, "finished"] not in found["kinds"]
    prompt = question_tokens(question, effort, tiny.tokenizer)
    assert found["last"] == list(gptoss_edu.generate(tiny, prompt, 60))


def test_what_cannot_be_answered_is_told(folder):
    requests = [
        {"question": "What is 2 + 2?", "effort": "extreme"},
        {"question": "a b " * 4000, "effort": "low"},
        {"question": "What is 2 + 2?", "effort": "low", "a": [{"kind": "MaskExpert", "layer": 9, "expert": 0}]},
    ]
    found = run_node(GENERATE, folder, requests=requests)
    assert found["done"] == [] and len(found["other"]) == 3
    for message, part in zip(found["other"], ("low, medium, high", "no room is left", "layers 0 to"), strict=True):
        assert part in message["message"] and message["message"].endswith(".")


@pytest.mark.slow
def test_a_changed_window_while_decoding(tiny, folder):
    """Python changes windows only without a cache; here every key is kept, so that text can be generated too."""
    question, effort = QUESTIONS[0]
    tokens = question_tokens(question, effort, tiny.tokenizer)
    prompt, change = len(tokens), trace.SetWindow(1, 6)
    with trace.intervene(tiny, change):
        for _ in range(12):
            tokens.append(int(logits_of(tiny, tokens)[-1].argmax()))
    request = {"question": question, "effort": effort, "maxNewTokens": 12, "a": [to_dict(change)]}
    found = run_node(GENERATE, folder, requests=[request])
    assert found["done"][0]["tokens"] == tokens[prompt:]
