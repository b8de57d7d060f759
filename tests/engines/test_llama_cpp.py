"""Compare llama.cpp with this package on the same files: logits, texts, tokenizer, quantiser (make test-engines).

llama.cpp differs in four places (gptoss_edu/engines/llama_cpp.py lists them). With files in float32 only one of them
remains, YaRN's rounded bounds; if they are rounded here too, the two agree to float32's last digits. Converted files
also have activations of eight bits, so there the distance is given per position as a share of the largest logit.
"""

import contextlib
import unicodedata
from dataclasses import replace
from random import Random

import pytest
import torch

llama_cpp = pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed: make test-engines builds it")

from gptoss_edu import ModelConfig, checkpoint, load_model, load_tokenizer, rope
from gptoss_edu.checkpoint import gguf
from gptoss_edu.checkpoint.gguf_model import gguf_entries
from gptoss_edu.checkpoint.gguf_tokenizer import WITH_MARKS
from gptoss_edu.checkpoint.layouts import CheckpointReader
from gptoss_edu.engines.llama_cpp import LlamaCppEngine, yarn_inv_freq
from gptoss_edu.engines.local import LocalEngine
from gptoss_edu.harmony.question import question_tokens
from gptoss_edu.resources import data_path

pytestmark = pytest.mark.slow
TINY = data_path("gpt-oss-tiny")
SHAPE = replace(ModelConfig.gpt_oss_20b(), num_hidden_layers=2)


def in_float32(folder, path):
    """Write the model of a folder as GGUF with every number in float32."""
    reader = CheckpointReader(folder)
    small = path.with_suffix(".small.gguf")
    checkpoint.convert(folder, small, layout="gguf")
    entries = gguf_entries(reader.config, reader.plain, None, reader.dense, dtype=gguf.F32)
    gguf.write_gguf(path, gguf.GgufFile(small).metadata, entries, lambda count: None)
    small.unlink()
    return path


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Return the bundled model as converted, and in float32."""
    folder = tmp_path_factory.mktemp("llama")
    checkpoint.convert(TINY, folder / "tiny.gguf", layout="gguf")
    return folder / "tiny.gguf", in_float32(TINY, folder / "wide.gguf")


@contextlib.contextmanager
def bounds_as_llama_cpp_has_them():
    """Round YaRN's bounds in this package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rope, "yarn_inv_freq", yarn_inv_freq)
        yield


def their_logits(path, tokens) -> torch.Tensor:
    with contextlib.closing(LlamaCppEngine(path, cache="float32", threads=1, context=1024)) as engine:
        return engine.logits(tokens)


def distances(theirs: torch.Tensor, ours: torch.Tensor) -> torch.Tensor:
    """Return (t,): the largest difference at each position, as a share of the largest logit of all."""
    return (theirs - ours).abs().amax(-1) / ours.abs().max()


def tiny_tokens(count: int) -> list[int]:
    encoding = load_tokenizer(TINY)
    text = "Tom has 12 apples and buys 30 more. Once upon a time there was a small bird in the wood. Wie geht es dir? "
    return encoding.encode_ordinary(text * 40)[:count]


def report(record, **figures) -> None:
    for name, value in figures.items():
        record(name, round(value, 6))
        print(f"{name}: {value:.6g}")


# ---- logits


def test_logits_of_gpt_oss_tiny_agree_to_float32s_digits(tiny, record_property):
    """Compare 600 positions, past the window of 32 and the original context of 256. With exact bounds they differ."""
    tokens = tiny_tokens(600)
    theirs = their_logits(tiny[1], tokens)
    with bounds_as_llama_cpp_has_them():
        rounded = distances(theirs, load_model()(torch.tensor([tokens]))[0]).max().item()
    exact = distances(theirs, load_model()(torch.tensor([tokens]))[0])
    report(record_property, rounded=rounded, exact=exact.max().item(), exact_median=exact.median().item())
    assert rounded < 1e-4
    assert exact.max() > 100 * rounded  # so llama.cpp does round, and that is its only difference in float32


def test_logits_of_the_converted_tiny_agree_within_eight_bits(tiny, record_property):
    """Rounded activations can choose another expert where two are almost equal, so the bound holds for 95 % of positions."""
    tokens = tiny_tokens(600)
    theirs = their_logits(tiny[0], tokens)
    with bounds_as_llama_cpp_has_them():
        ours = load_model()(torch.tensor([tokens]))[0]
    found = distances(theirs, ours)
    same = (theirs.argmax(-1) == ours.argmax(-1)).float().mean().item()
    report(
        record_property,
        median=found.median().item(),
        p95=found.quantile(0.95).item(),
        most=found.max().item(),
        argmax=same,
    )
    assert found.quantile(0.95) < 0.03 and same > 0.95


def test_logits_of_the_released_shape_agree_to_float32s_digits(tmp_path, record_property):
    """Compare two layers of gpt-oss-20b's shape with four experts: hidden 2,880, 64 heads, window 128, YaRN factor 32."""
    config = replace(SHAPE, num_experts=4, experts_per_token=2, vocab_size=2048)
    checkpoint.save_random(config, tmp_path / "m", seed=3)
    path = in_float32(tmp_path / "m", tmp_path / "wide.gguf")
    tokens = torch.randint(0, 2048, (400,), generator=torch.Generator().manual_seed(1)).tolist()
    theirs = their_logits(path, tokens)
    with bounds_as_llama_cpp_has_them():
        rounded = distances(theirs, load_model(path, dtype=torch.float32, experts="dense")(torch.tensor([tokens]))[0])
    exact = distances(theirs, load_model(path, dtype=torch.float32, experts="dense")(torch.tensor([tokens]))[0])
    report(record_property, rounded=rounded.max().item(), exact=exact.max().item())
    assert rounded.max() < 1e-4


@pytest.fixture(scope="module")
def released_shape(tmp_path_factory):
    """Convert two layers of gpt-oss-20b's shape with its 32 experts; a vocabulary of 2,048 keeps the file at 0.9 GB."""
    path = tmp_path_factory.mktemp("shape") / "random-20b.gguf"
    checkpoint.save_random(replace(SHAPE, vocab_size=2048), path, layout="gguf", seed=5)
    yield path
    path.unlink()


def test_logits_of_the_released_shape_in_mxfp4_agree_within_eight_bits(released_shape, record_property):
    tokens = torch.randint(0, 2048, (160,), generator=torch.Generator().manual_seed(2)).tolist()
    theirs = their_logits(released_shape, tokens)
    with bounds_as_llama_cpp_has_them():
        ours = load_model(released_shape, dtype=torch.float32, experts="packed")(torch.tensor([tokens]))[0]
    found = distances(theirs, ours)
    report(record_property, median=found.median().item(), p95=found.quantile(0.95).item(), most=found.max().item())
    assert found.quantile(0.95) < 0.03


# ---- texts


def questions(count: int) -> list[str]:
    draw = Random(7)
    kinds = ("What is {} plus {}?", "What is {} times {}?", "What is {} minus {}?", "Which is larger, {} or {}?")
    return [draw.choice(kinds).format(draw.randint(2, 99), draw.randint(2, 99)) for _ in range(count)]


def answers(engine, asked: list[list[int]]) -> list[list[int]]:
    drawn = [[] for _ in asked]
    for number, token in engine.draw_many(asked, 60):
        drawn[number].append(token.token)
    return drawn


def test_sixty_answers_are_the_same_text(tiny, record_property):
    """Greedily, all sixty agree in float32 with rounded bounds; converted files mostly agree, except after near ties."""
    encoding = load_tokenizer(TINY)
    asked = [question_tokens(q, ("low", "high")[i % 2], encoding) for i, q in enumerate(questions(60))]
    with contextlib.closing(
        LlamaCppEngine(tiny[1], cache="float32", threads=1, context=512, temperature=0.0)
    ) as engine:
        theirs = answers(engine, asked)
    with bounds_as_llama_cpp_has_them():
        ours = answers(LocalEngine(load_model(), temperature=0.0, rows=20), asked)
    assert theirs == ours
    with contextlib.closing(LlamaCppEngine(tiny[0], threads=1, context=512, temperature=0.0)) as engine:
        converted = answers(engine, asked)
    exact = answers(LocalEngine(load_model(), temperature=0.0, rows=20), asked)
    same = sum(a == b for a, b in zip(converted, exact, strict=True))
    report(record_property, same_as_converted=float(same), of=60.0)
    assert same >= 30


# ---- tokenizer


def strings(count: int) -> list[str]:
    """Return texts from the package's own wordings, cut anywhere, and odd ones."""
    from gptoss_edu.resources import data_path as place

    corpus = [
        p.read_text(encoding="utf-8")
        for p in sorted((place("..") / "gptoss_edu" / "tasks" / "wordings").rglob("*.toml"))
    ]
    draw, out = Random(3), []
    while len(out) < count:
        text = draw.choice(corpus)
        begin = draw.randrange(len(text))
        out.append(text[begin : begin + draw.randint(1, 200)])
    return out


def other_ids(path, encoding) -> list[str]:
    """Return which of the thousand strings get other ids in llama.cpp."""
    with contextlib.closing(LlamaCppEngine(path, threads=1, context=64)) as engine:
        return [text for text in strings(1000) if engine.tokenise(text) != encoding.encode_ordinary(text)]


def has_marks(text: str) -> bool:
    return any(unicodedata.category(character).startswith("M") for character in text)


def test_its_tokenizer_gives_a_thousand_strings_the_same_ids(tiny):
    """They are in gpt-oss-tiny's fifteen languages, including combining marks."""
    assert not other_ids(tiny[0], load_tokenizer(TINY))


def test_for_o200k_it_gives_the_same_ids_but_at_combining_marks(tmp_path, record_property):
    """Distributed files name the pattern gpt-4o, which llama.cpp splits at combining marks; under its newer name it does not."""
    small = replace(SHAPE, num_hidden_layers=1, num_experts=4, hidden_size=64, intermediate_size=64)
    checkpoint.save_random(small, tmp_path / "m.gguf", layout="gguf")
    different = other_ids(tmp_path / "m.gguf", load_tokenizer())
    report(record_property, different=float(len(different)))
    assert all(map(has_marks, different)) and len(different) < 100
    file = gguf.GgufFile(tmp_path / "m.gguf")
    entries = [(name, t.type, t.shape, lambda t=t: iter((file.raw(t.name),))) for name, t in file.tensors.items()]
    keys = file.metadata | {"tokenizer.ggml.pre": WITH_MARKS}
    gguf.write_gguf(tmp_path / "n.gguf", keys, entries, lambda count: None)
    assert not other_ids(tmp_path / "n.gguf", load_tokenizer())


# ---- its own quantiser


@pytest.mark.parametrize(("kind", "number"), [("Q8_0", 7), ("Q4_K_M", 15), ("Q6_K", 18)])
def test_files_that_its_quantiser_wrote_are_read(tiny, tmp_path, kind, number, record_property):
    """llama.cpp quantises the float32 file and both programs read it, so only the arithmetic of the two differs."""
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype, parameters.nthread = number, 1
    target = tmp_path / f"{kind}.gguf"
    assert llama_cpp.llama_model_quantize(str(tiny[1]).encode(), str(target).encode(), parameters) == 0
    types = {tensor.type_name for tensor in gguf.GgufFile(target).tensors.values()}
    tokens = tiny_tokens(200)
    theirs = their_logits(target, tokens)
    with bounds_as_llama_cpp_has_them():
        found = distances(theirs, load_model(target)(torch.tensor([tokens]))[0])
    report(record_property, median=found.median().item(), p95=found.quantile(0.95).item())
    assert kind[:4] in " ".join(types) and found.quantile(0.9) < 0.05
