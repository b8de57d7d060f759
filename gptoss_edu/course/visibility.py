"""Find which test would have caught which specimen of the museum (chapter 26), by running every pair.

A probe computes something with the package. It catches a specimen if the planted package gives another result than the
right one: another text, another number of keys, a NaN, an error, or numbers that differ by more than the probe's
tolerance (times the largest value).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from gptoss_edu import attention, checkpoint, generation, load_model, load_tokenizer, moe, mxfp4, random_model, rope
from gptoss_edu.config import ModelConfig
from gptoss_edu.errors import GptOssError
from gptoss_edu.harmony import Message, StreamParser, render
from gptoss_edu.harmony.question import question_tokens
from gptoss_edu.transformer import Transformer

from .specimens import plant, specimens

TOLERANCE = 1e-4  # of the largest value, as in a float32 comparison with another implementation


@dataclass(frozen=True)
class Probe:
    """A test: the group and label of its column, and what it computes."""

    group: str
    label: str
    run: Callable[[], object]
    tolerance: float = TOLERANCE


def differs(found, right, tolerance: float) -> bool:
    """Return whether two results of a probe differ."""
    if not (isinstance(found, Tensor) and isinstance(right, Tensor)):
        return type(found) is not type(right) or found != right
    if found.shape != right.shape:
        return True
    gap = (found.double() - right.double()).abs()
    return not bool((gap <= tolerance * right.double().abs().max()).all())  # NaN counts as a difference


def outcome(run: Callable[[], object]):
    """Run a probe; return its result, or the kind of its error (a test that fails has caught something)."""
    try:
        with torch.no_grad():
            return run()
    except (GptOssError, RuntimeError, ValueError) as error:
        return type(error).__name__


def table(begin: Callable[[str], object] = str) -> tuple[list[str], list[Probe], list[list[bool]]]:
    """Return specimens, probes, and for each specimen the probes that catch it.

    `begin` is called with each specimen's name before its tests run, to show how far the table is.
    """
    with tempfile.TemporaryDirectory() as folder:
        columns = probes(Path(folder))
        _loaded.cache_clear()
        right = [outcome(probe.run) for probe in columns]
        rows = []
        for name in specimens():
            begin(name)
            _loaded.cache_clear()  # the fault may be in the loading
            with plant(name):
                found = [outcome(probe.run) for probe in columns]
            rows.append([differs(f, r, p.tolerance) for f, r, p in zip(found, right, columns, strict=True)])
        _loaded.cache_clear()
    return list(specimens()), columns, rows


def files(width: int, fault: int | None = None) -> dict[str, str]:
    """Say how the specimen of room 7 reads its own file and another's.

    The model is small and random, 32 wide, and its experts' width is `width`. Returns words for "its own file" and
    "another's file": each expert matrix "equal" or "other numbers", or the error that ended the reading.
    """
    model = random_model(_small(width))

    def read(folder: Path) -> str:
        try:
            mlp = load_model(folder, dtype=torch.float32).block[0].mlp
        except RuntimeError as error:
            return f"refused: {str(error).partition('.')[0]}"
        names = {"gate_up_proj": "mlp1_weight", "down_proj": "mlp2_weight"}
        pairs = {name: (getattr(mlp, key), getattr(model.block[0].mlp, key)) for name, key in names.items()}
        same = {name: torch.equal(found, written.bfloat16().float()) for name, (found, written) in pairs.items()}
        return ", ".join(f"{name} {'equal' if equal else 'other numbers'}" for name, equal in same.items())

    with tempfile.TemporaryDirectory() as name:
        own, another = Path(name) / "own", Path(name) / "another"
        checkpoint.save(model, another, layout="hf-bf16")
        with plant("there and back", fault):
            checkpoint.save(model, own, layout="hf-bf16")
            return {"its own file": read(own), "another's file": read(another)}


def likeness(model: Transformer, tokens: Tensor) -> float:
    """Return the mean cosine between the model's logits and those after the specimen of room 7 read its file."""
    with tempfile.TemporaryDirectory() as folder:
        checkpoint.save(model, folder, layout="hf-bf16")
        right = load_model(folder, dtype=torch.float32)
        with plant("there and back"):
            planted = load_model(folder, dtype=torch.float32)
    return torch.cosine_similarity(planted(tokens), right(tokens), dim=-1).mean().item()


def _small(width: int) -> ModelConfig:
    """Return a model 32 wide whose experts are `width` wide: down_proj is square if both are equal."""
    return ModelConfig(
        num_hidden_layers=1, num_experts=2, experts_per_token=1, vocab_size=64, hidden_size=32, intermediate_size=width,
        head_dim=8, num_attention_heads=2, num_key_value_heads=1, sliding_window=8,
        initial_context_length=64, rope_theta=1e4, rope_scaling_factor=8.0,
    )  # fmt: skip


@lru_cache(1)
def _loaded() -> Transformer:
    """Return the bundled model, loaded once for each specimen."""
    return load_model(dtype=torch.float32)


def probes(folder: Path) -> list[Probe]:
    """Return the tests, from those that people write first to those that they need."""
    tokens = torch.randint(0, 1999, (1, 100), generator=torch.Generator().manual_seed(26))

    long = [Probe("length of the text", f"{n} tokens", lambda n=n: _loaded()(tokens[:, :n])) for n in (8, 32, 33, 100)]
    return [*long, *_of_values(), *_of_weights(folder), *_of_words()]


def _of_values() -> list[Probe]:
    q, v = (torch.randn(1, 6, 2, 8, generator=torch.Generator().manual_seed(i)) for i in (1, 2))
    halves = torch.tensor([-20.0, 5.0, 3.0, 1.0])

    def attended(sink: float, dtype: torch.dtype, scale: float = 1.0) -> Tensor:
        return attention.attention(
            *(x.to(dtype) for x in (scale * q, scale * q, v)),  # type: ignore[arg-type]
            torch.full((2,), sink, dtype=dtype),
        )

    def new_sinks() -> bool:
        config = replace(ModelConfig.gpt_oss_20b(), hidden_size=32, head_dim=8)
        torch.manual_seed(26)
        return all(attention.AttentionBlock(config, 0).sinks.isfinite().all() for _ in range(16))

    return [
        Probe("sinks", "0, bfloat16", lambda: attended(0.0, torch.bfloat16, 4.0)),
        Probe("sinks", "20, bfloat16", lambda: attended(20.0, torch.bfloat16, 4.0)),
        Probe("sinks", "16 new layers", new_sinks, 0),
        Probe("activation", "gate -20, absolute", lambda: moe.swiglu(halves)),
        Probe("activation", "gate -20, relative", lambda: moe.swiglu(halves)[:1]),
        Probe("activation", "one pair", lambda: moe.swiglu(halves[2:])),
        Probe("YaRN", "20b's speeds", lambda: rope.yarn_inv_freq(64, 150_000.0, 32.0, 4096)[0][8:18]),
    ]


def _of_weights(folder: Path) -> list[Probe]:
    square, oblong = random_model(_small(32)), random_model(_small(64))
    for name, model in (("square", square), ("oblong", oblong)):
        checkpoint.save(model, folder / name, layout="hf-bf16")
    scale = torch.tensor([127], dtype=torch.uint8)
    number = iter(range(10**6))

    def there_and_back() -> Tensor:
        where = folder / f"again-{next(number)}"
        checkpoint.save(square, where, layout="hf-bf16")
        return load_model(where, dtype=torch.float32).block[0].mlp.mlp2_weight.data  # type: ignore[return-value]

    def read(name: str) -> Tensor:
        mlp = load_model(folder / name, dtype=torch.float32).block[0].mlp
        return mlp.mlp2_weight.data  # type: ignore[return-value]

    def unpacked(byte: int) -> Tensor:
        return mxfp4.unpack(torch.full((1, 16), byte, dtype=torch.uint8), scale)

    return [
        Probe("weights", "byte 0x22", lambda: unpacked(0x22)),
        Probe("weights", "byte 0x12, sorted", lambda: unpacked(0x12).sort().values),
        Probe("weights", "byte 0x12", lambda: unpacked(0x12)),
        Probe("weights", "square, there and back", there_and_back),
        Probe("weights", "square, another's file", lambda: read("square")),
        Probe("weights", "oblong, another's file", lambda: read("oblong")),
    ]


def _of_words() -> list[Probe]:
    encoding = load_tokenizer()

    def answered() -> list[int]:
        model = _loaded()
        prompt = question_tokens("What is 12 times 7?", "medium", model.tokenizer)
        return list(generation.generate(model, prompt, 60, temperature=0))

    thought, answer = Message("assistant", "hm", "analysis"), Message("assistant", "4", "final")
    call = Message("assistant", '{"a": 1}', "commentary", "functions.f", "<|constrain|>json")
    plain = Message("assistant", "1", "commentary", "functions.f")
    result = Message("tool", "2", "commentary", "assistant", name="functions.f")

    def streamed(text: str, together: int) -> str:
        parser = StreamParser(strict=False, encoding=encoding)
        parser.feed(encoding.encode("<|start|>assistant<|channel|>final<|message|>", allowed_special="all"))
        ids = encoding.encode_ordinary(text)
        return "".join(parser.feed(ids[i : i + together]) for i in range(0, len(ids), together))

    def written(*messages: Message) -> list[int]:
        return render([Message("user", "q"), *messages], encoding=encoding)

    def as_text(*messages: Message) -> str:
        return encoding.decode(written(*messages))

    return [
        Probe("turns", "a whole answer", answered),
        Probe("turns", "one finished turn", lambda: written(thought, answer)),
        Probe("turns", "a running tool loop", lambda: written(thought, plain, result)),
        Probe("turns", "a call, as text", lambda: as_text(call)),
        Probe("turns", "a call, as ids", lambda: written(call)),
        Probe("streaming", "plain, one by one", lambda: streamed("A plain text of words.", 1)),
        Probe("streaming", "plain, four by four", lambda: streamed("A plain text of words.", 4)),
        Probe("streaming", "emoji, one by one", lambda: streamed("sun 🦩 and 🪐", 1)),
    ]
