"""Test training: tasks are right, labels are in the right places, runs resume, the GPU's loss equals the reference."""

import json
import random
import warnings
from dataclasses import replace
from functools import partial

import pytest
import torch
from core_models import TRAINABLE

from gptoss_edu import load_model, mxfp4
from gptoss_edu.checkpoint import convert, save
from gptoss_edu.cli import main
from gptoss_edu.errors import GptOssError
from gptoss_edu.evals.answering import answer, cut_short
from gptoss_edu.evals.card import fill
from gptoss_edu.resources import data_path
from gptoss_edu.tasks.arithmetic import add_columns, subtract_columns, times_digit
from gptoss_edu.tasks.example import RIGHT, WRONG, held_out
from gptoss_edu.tasks.graders import GRADERS, pass_at_k, wilson
from gptoss_edu.tasks.mix import MIX, TASKS, make_example
from gptoss_edu.tokenizer import load_tokenizer
from gptoss_edu.training.finish import save_all
from gptoss_edu.training.objective import reference_loss
from gptoss_edu.training.optim import orthogonalise, schedule
from gptoss_edu.training.packing import IGNORED, TRAINED, encode, make_batch
from gptoss_edu.training.pretrain import Settings, Trainer
from gptoss_edu.training.quantize import EXPERTS, fake_quantized, rounded
from gptoss_edu.transformer import random_model


@pytest.fixture(scope="module")
def encoding():
    return load_tokenizer(data_path("gpt-oss-tiny"))


def test_mix_names_every_task():
    assert set(MIX) == set(TASKS) and abs(sum(MIX.values()) - 1) < 1e-9


@pytest.mark.parametrize("task", TASKS)
def test_reference_solutions_are_graded_right_and_wrong_ones_are_not(task):
    for number in range(30):
        example = make_example(random.Random(f"{task}{number}"), task, split="test" if number % 2 else "phrasing")
        text = example.messages[-1]["content"][0]["text"]
        assert GRADERS[example.grade](text, example.answer), (example.question, text, example.answer)
        assert not GRADERS[example.grade]("Something else entirely: 0987654321.", example.answer)


@pytest.mark.parametrize(
    "text, right",
    [("46 × 73 = 3358.", True), ("It is 3,358", True), ("3400-3358 and 3358", True), 
     ('The letter "9" occurs 3358 times.', True),
     ("It is 0.3358", False), ("It is 12.3358", False), ("-3358", False), 
     ("3358.5", False), ("3358 or 3359", False), ("", False)],
)  # fmt: skip
def test_the_end_of_another_number_is_not_the_answer(text, right):
    assert GRADERS["number"](text, "3358") is right


def test_same_state_same_example():
    assert make_example(random.Random(3)).messages == make_example(random.Random(3)).messages


def test_products_are_products_and_training_never_draws_held_out_operands():
    for number in range(300):
        rng = random.Random(number)
        example = make_example(rng, "product", "3x2")
        a, b = (int(x) for x in example.messages[-1]["content"][0]["text"].split(" = ")[0].split(" × "))
        assert a * b == int(example.answer) and not held_out(a, b)


def test_columns_add_up():
    rng = random.Random(0)
    for _ in range(300):
        a, b = sorted((rng.randrange(1, 99999), rng.randrange(1, 99999)), reverse=True)
        digits = "".join(step.split("=")[1][-1] for step in subtract_columns(a, b).split(":")[1].split(","))
        assert int(digits[::-1]) == a - b
        steps = [step.split("=")[1] for step in add_columns(a, b).split(":")[1].split(",")]
        assert int(steps[-1] + "".join(s[-1] for s in reversed(steps[:-1]))) == a + b
        steps = [step.split("=")[1] for step in times_digit(a, 7).split(",")]
        assert int(steps[-1] + "".join(s[-1] for s in reversed(steps[:-1]))) == 7 * a


def test_effort_changes_the_thought_and_not_the_question():
    for task, level in (("product", "3x3"), ("chain", "6"), ("word_problem", "4")):
        found = [make_example(random.Random(8), task, level, effort, "test") for effort in ("low", "medium", "high")]
        assert len({e.question for e in found}) == 1
        lengths = [
            len(e.messages[e.prompt]["content"][0]["text"]) if len(e.messages) > e.prompt + 1 else 0 for e in found
        ]
        assert lengths[0] == 0 < lengths[1] < lengths[2]


def test_injected_errors_are_shown_but_not_learnt(encoding):
    marked = 0
    for number in range(400):
        example = make_example(random.Random(number), "chain", "6", "high")
        text = "".join(m["content"][0].get("text", "") for m in example.messages)
        tokens, codes = encode(example, encoding)
        assert WRONG not in encoding.decode(tokens) and RIGHT not in encoding.decode(tokens)
        if WRONG in text:
            marked += 1
            wrong = text[text.index(WRONG) + 1 : text.index(RIGHT)]
            shown = encoding.decode([t for t, c in list(zip(tokens, codes, strict=True))[1:] if c == IGNORED])
            assert wrong in shown
    assert marked > 20


def test_only_the_assistant_is_learnt_and_only_in_the_last_turn(encoding):
    example = make_example(random.Random(1), "product", "2x2", "medium")
    tokens, codes = encode(example, encoding)
    learnt = encoding.decode([t for t, c in zip(tokens, codes, strict=True) if c == TRAINED])
    assert learnt.startswith("<|channel|>analysis<|message|>") and learnt.endswith("<|return|>")


def test_batches_are_packed_repeatable_and_never_split_a_document(encoding):
    first, again = (make_batch(encoding, 3, 1024, "x") for _ in range(2))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    start = encoding.encode_single_token("<|start|>")
    for row in range(3):
        documents = first.documents[row]
        assert (documents[1:] - documents[:-1] >= 0).all()
        for number in range(documents[-1]):
            tokens = first.tokens[row][documents == number]
            assert tokens[0] == start and encoding.decode(tokens.tolist()).endswith("<|return|>")


def test_orthogonalised_matrices_have_singular_values_near_one():
    x = torch.randn(3, 24, 16, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalise(x))
    assert values.min() > 0.4 and values.max() < 1.4


def test_schedule_rises_stays_and_reaches_zero():
    assert (
        schedule(0.0, 0) < 0.01
        and schedule(0.5, 5000) == 1.0
        and schedule(0.91, 9000) == pytest.approx(0.5)
        and schedule(1.0, 9999) == 0.0
    )


@pytest.mark.slow
@pytest.mark.parametrize("qat", [0.0, 0.7])
def test_a_resumed_run_gives_the_same_losses(tmp_path, qat):
    """The run stops at step 3: with 0.7, one step after rounding of the experts began."""
    settings = Settings(steps=6, rows=1, length=512, log_every=1, warmup=2, qat=qat)
    whole = Trainer(TRAINABLE, settings, tmp_path / "whole", data_path("gpt-oss-tiny")).run()
    first = Trainer(TRAINABLE, settings, tmp_path / "parts", data_path("gpt-oss-tiny"))
    first.run(until=3)
    resumed = Trainer(TRAINABLE, settings, tmp_path / "parts", data_path("gpt-oss-tiny"))
    assert first.rounding == resumed.rounding == ("best" if qat else None)
    resumed = resumed.run()
    assert [line["loss"] for line in resumed] == [line["loss"] for line in whole] and whole[-1]["loss"] < whole[0][
        "loss"
    ]
    with pytest.raises(GptOssError, match="same seed"):
        Trainer(TRAINABLE, Settings(steps=6, rows=1, length=512, seed=1), tmp_path / "parts", data_path("gpt-oss-tiny"))


@pytest.mark.slow
@pytest.mark.parametrize("rounding", [None, "best"])
def test_the_fast_loss_is_the_reference_loss(encoding, monkeypatch, rounding):
    from torch.nn.attention import flex_attention

    from gptoss_edu.training.fast_loss import FastLoss

    monkeypatch.setattr(flex_attention, "_validate_device", lambda *tensors: None)  # the unfused CPU form has gradients
    warnings.simplefilter("ignore")
    model = random_model(TRAINABLE, seed=1).train()
    batch = [torch.from_numpy(part) for part in make_batch(encoding, 2, 512, "y")]
    fast = FastLoss(model, 2, 512, torch.float32, compiled=False, rounding=rounding)
    found = {}
    for name, loss in (("reference", partial(reference_loss, model, rounding=rounding)), ("fast", fast)):
        model.zero_grad()
        value, _ = loss(batch[0].long(), *batch[1:])
        value.backward()
        found[name] = (float(value), {n: p.grad.clone() for n, p in model.named_parameters()})
    assert found["fast"][0] == pytest.approx(found["reference"][0], rel=1e-5)
    for name, gradient in found["reference"][1].items():
        assert (found["fast"][1][name] - gradient).norm() <= 1e-4 * gradient.norm() + 1e-9, name


@pytest.mark.parametrize("rounding", mxfp4.ROUNDINGS)
def test_fake_quantized_weights_are_what_mxfp4_stores(rounding):
    generator = torch.Generator().manual_seed(5)
    weights = [torch.randn(4, 24, 96, generator=generator) * 2.0**power for power in (-140, -126, -30, -5, 0, 7, 120)]
    weights += [torch.randint(-32, 33, (64, 32), generator=generator) / 4, torch.zeros(2, 64)]  # ties, and all zeros
    weights += [torch.tensor([[torch.finfo(torch.float32).max] + [1e37] * 31]), weights[3].bfloat16()]
    for weight in weights:
        stored = mxfp4.unpack(*mxfp4.pack(weight, rounding), dtype=weight.dtype)
        assert torch.equal(fake_quantized(weight, rounding), stored)


def test_gradients_pass_straight_through_the_rounding(encoding):
    """Gradients and loss equal those of a model whose weights are the rounded values."""
    model = random_model(TRAINABLE, seed=1).train()
    tokens, codes, documents = (torch.from_numpy(part) for part in make_batch(encoding, 1, 256, "z"))
    stored = rounded(model, "best")
    for name, parameter in model.named_parameters():
        if not name.endswith(EXPERTS):
            stored.get_parameter(name).copy_(parameter.detach())
    losses = []
    for one, rounding in ((model, "best"), (stored.requires_grad_(True), None)):
        loss, _ = reference_loss(one, tokens.long(), codes, documents, rounding=rounding)
        loss.backward()
        losses.append(loss.item())
    assert losses[0] == losses[1] != reference_loss(model, tokens.long(), codes, documents)[0].item()
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter.grad, stored.get_parameter(name).grad), name
    with pytest.raises(GptOssError, match="multiple of 32"):
        fake_quantized(torch.zeros(2, 48))


def test_what_training_saves_is_what_it_rounded_to(tmp_path, encoding):
    model = random_model(TRAINABLE, seed=2)
    model.tokenizer = encoding
    save_all(model, tmp_path, None)
    found = load_model(tmp_path / "model", dtype=torch.float32, experts="dense").state_dict()
    for name, weight in model.state_dict().items():
        assert torch.equal(found[name], fake_quantized(weight) if name.endswith(EXPERTS) else weight.bfloat16().float())


def test_training_begins_with_given_weights_and_refuses_those_of_another_model(tmp_path, encoding):
    model = random_model(TRAINABLE, seed=4)
    model.tokenizer = encoding
    for layout in ("hf-bf16", "original"):
        save(model, tmp_path / layout, layout, rounding="best")
        settings = Settings(steps=1, rows=1, length=256, init=str(tmp_path / layout))
        trainer = Trainer(TRAINABLE, settings, tmp_path / f"from-{layout}", data_path("gpt-oss-tiny"))
        expected = load_model(tmp_path / layout, dtype=torch.float32, experts="dense").state_dict()
        assert trainer.step == 0 and all(torch.equal(v, expected[k]) for k, v in trainer.model.state_dict().items())
    with pytest.raises(GptOssError, match="num_hidden_layers = 2, not 3"):
        Trainer(replace(TRAINABLE, num_hidden_layers=3), settings, tmp_path / "other", data_path("gpt-oss-tiny"))


@pytest.mark.slow
def test_train_smoke_with_rounded_experts_learns(tmp_path, capsys):
    arguments = ["train", "smoke", "--steps", "10", "--rows", "1", "--qat", "0.5", "--out", str(tmp_path)]
    assert main(arguments) == 0 and "in 10 steps" in capsys.readouterr().out  # it fails if the loss does not fall
    with pytest.raises(SystemExit, match="2"):
        main([*arguments[:-3], "2", "--out", str(tmp_path / "2")])
    assert "at least 0 and at most 1, found 2" in capsys.readouterr().err


def test_wilson_interval():
    low, high = wilson(95, 100)
    assert low == pytest.approx(0.8882, abs=1e-3) and high == pytest.approx(0.9785, abs=1e-3)


def test_pass_at_k_counts_choices_and_a_cut_thought_opens_the_final_message(encoding):
    from itertools import combinations

    tries = [1, 1, 0, 0, 0, 0]
    choices = list(combinations(tries, 3))
    assert pass_at_k(6, 2, 3) == pytest.approx(sum(map(any, choices)) / len(choices))
    start = encoding.encode("<|start|>assistant", allowed_special="all")
    thought = encoding.encode("12*3:36")
    cut = encoding.decode(cut_short(start, thought, 4, encoding))
    assert (
        cut
        == "<|start|>assistant<|channel|>analysis<|message|>12*3<|end|><|start|>assistant<|channel|>final<|message|>"
    )
    assert encoding.decode(cut_short(start, thought, 0, encoding)).count("<|channel|>") == 1


@pytest.mark.slow
def test_the_bundled_model_answers_a_fixed_small_set():
    """Greedily, on held-out questions, the form is always right and answers are mostly right."""
    tasks = ("product", "addition", "count", "reverse", "fact", "refusal", "hierarchy")
    outcomes = answer(
        load_model(), [make_example(random.Random(f"smoke{t}"), t, effort="medium", split="test") for t in tasks]
    )
    assert all(o.valid for o in outcomes)
    assert sum(o.correct for o in outcomes) >= 6, [o.text for o in outcomes if not o.correct]


@pytest.mark.slow
def test_the_answer_is_refused_where_a_dialogue_departs_from_the_reference():
    examples = [make_example(random.Random(f"call{i}"), "functions", "one", "medium", "test") for i in range(3)]
    for example in examples:
        assert example.messages[-1]["content"][0]["text"] == example.answer
        example.messages[example.prompt + 1]["recipient"] = "functions.no_such_function"
    assert not any(o.correct for o in answer(load_model(), examples))


@pytest.mark.slow
def test_trained_weights_equal_transformers(tmp_path):
    """transformers reads the bundled model's hf layout and gives the same logits on real conversations."""
    transformers = pytest.importorskip("transformers", reason="transformers is needed for this comparison")
    convert(data_path("gpt-oss-tiny"), tmp_path / "hf", layout="hf")
    quantisation = transformers.Mxfp4Config(dequantize=True)
    theirs = transformers.GptOssForCausalLM.from_pretrained(
        tmp_path / "hf", dtype=torch.float32, attn_implementation="eager", quantization_config=quantisation
    )
    model = load_model()
    for i, task in enumerate(("product", "functions", "browser", "chain")):
        example = make_example(random.Random(f"hf{i}"), task, effort="high", split="test")
        tokens = torch.tensor([encode(example, model.tokenizer)[0]])
        with torch.no_grad():
            ours, expected = model(tokens), theirs(tokens).logits
        assert (ours - expected).abs().max() < 1e-4 * expected.abs().max()


def test_the_model_card_shows_what_was_recorded():
    recorded = json.loads(data_path("measurements", "tiny_eval.json").read_text(encoding="utf-8"))
    card = data_path("gpt-oss-tiny", "README.md").read_text(encoding="utf-8")
    assert fill(card, recorded) == card, "run python -m gptoss_edu.evals.card"


def test_a_found_place_shows_as_many_lines_as_the_tool():
    from gptoss_edu.tasks import browsing
    from gptoss_edu.tools import browser

    assert browsing.MATCH_LINES == browser.MATCH_LINES


def test_a_held_out_wording_is_never_trained():
    from gptoss_edu.tasks.example import Phrasings, expand

    assert expand("[a|b] c[d|]") == ["a cd", "a c", "b cd", "b c"]
    wordings = Phrasings("[What is|Compute|Find] {a} [times|*|x] {b}[?|]", "{a} by {b}[, please|?|]")
    trained, held = ({wordings.pick(random.Random(i), unseen)[1] for i in range(2000)} for unseen in (False, True))
    assert held and len(trained) > 4 * len(held) and not trained & held
    with pytest.raises(ValueError, match="too few wordings"):
        Phrasings("{a}*{b}")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="steps are compiled and recorded on an NVIDIA GPU with CUDA")
@pytest.mark.parametrize("rounding", mxfp4.ROUNDINGS)
def test_fake_quantized_weights_compiled_on_a_gpu_are_what_mxfp4_stores(rounding):
    compiled = torch.compile(partial(fake_quantized, rounding=rounding), fullgraph=True, dynamic=False)
    for power in (-30, -5, 0, 7):
        weight = torch.randn(4, 64, 96, generator=torch.Generator().manual_seed(power)).cuda() * 2.0**power
        assert torch.equal(compiled(weight), mxfp4.unpack(*mxfp4.pack(weight, rounding)))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="steps are compiled and recorded on an NVIDIA GPU with CUDA")
def test_each_phase_is_recorded_once_and_trains_like_the_reference(tmp_path):
    settings = Settings(steps=8, rows=2, length=512, log_every=1, warmup=2, qat=0.5)
    trainer = Trainer(TRAINABLE, settings, tmp_path / "gpu", data_path("gpt-oss-tiny"), "cuda")
    steps = [trainer.update]
    trainer.run(until=5)
    steps.append(trainer.update)
    found = trainer.run()
    assert trainer.update is steps[1] is not steps[0] and all(step.graph is not None for step in steps)
    expected = Trainer(TRAINABLE, settings, tmp_path / "cpu", data_path("gpt-oss-tiny")).run()
    assert [line["loss"] for line in found] == pytest.approx([line["loss"] for line in expected], rel=0.02)
