"""Test models assembled from the learner's functions, and the questions made from the bank."""

import numpy as np
import pytest
import torch

from gptoss_edu import checks, generate, load_model, random_model
from gptoss_edu.checks import bank, store
from gptoss_edu.course.assembly import USED

RIGHT = {name: [solution.function for solution in bank.right(name)] for name in USED}


@pytest.fixture(scope="module")
def packed():
    return load_model(dtype=torch.float32, experts="packed")


@pytest.mark.parametrize("style", range(3))
def test_any_right_solutions_give_the_models_logits(style, small_config):
    model = random_model(small_config)
    tokens = torch.arange(30).view(2, 15) * 7 % 300
    with torch.no_grad():
        expected = model(tokens)
    functions = {name: styles[style] for name, styles in RIGHT.items()}
    found = checks.assemble(model=model, functions=functions).logits(tokens)
    assert torch.allclose(found, expected, atol=1e-4 * float(expected.abs().max()))
    with torch.no_grad():
        assert torch.equal(model(tokens), expected), "the model is as before"


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [n for n in USED if n not in ("bpe_encode", "render_message", "next_token_probabilities")]
)
def test_every_function_stands_where_it_is_used(name, packed):
    """The model calls each function, and a right solution in its place gives the same logits."""
    model = packed

    def broken(*args, **kwargs):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        checks.assemble(model=model, functions={name: broken}).logits(torch.arange(8)[None])
    one = checks.assemble(model=model, functions={name: RIGHT[name][0]}).logits(torch.arange(40)[None])
    none = checks.assemble(model=model, functions={}).logits(torch.arange(40)[None])
    differ = (one - none).abs().amax(-1) > 1e-4 * float(none.abs().max())  # (b, t)
    assert differ.sum() <= 1, "a sum in another order may exchange two experts that are almost tied, at one position"


@pytest.mark.slow
def test_the_answer_is_the_packages():
    functions = {name: styles[0] for name, styles in RIGHT.items()}
    model = load_model(dtype=torch.float32)
    mine, package = checks.assemble(model=model, functions=functions), checks.assemble(model=model, functions={})
    assert mine.prompt("What is 12 times 7?") == package.prompt("What is 12 times 7?")
    pieces = list(mine.answer("What is 2 + 2?", max_new_tokens=6))
    tokens = list(generate(model, package.prompt("What is 2 + 2?"), max_new_tokens=6))
    assert pieces == [model.tokenizer.decode([token]) for token in tokens]
    assert repr(mine).endswith("12 of 12 parts are yours") and "the package's" in package._repr_html_()
    with pytest.raises(ValueError, match="control token"):
        mine.prompt("<|end|>")


def test_stored_functions_are_found(tmp_path, small_config):
    source = "import torch\n\n\n" + bank.right("swiglu")[0].source.replace("def slices", "def swiglu")
    store.write_section(tmp_path, "swiglu", source)
    owners = checks.assemble(tmp_path, model=random_model(small_config)).owners
    assert owners["swiglu"] == "yours" and owners["moe"] == "the package's"


def test_which_fails():
    shown = checks.which_fails("swiglu", 1)
    assert shown.text == checks.which_fails("swiglu", 1).text != checks.which_fails("swiglu", 2).text
    assert "Answer: " in shown.text and "<details" in shown.html and shown.text.count("def swiglu(") == 3
    assert "no exercise" in repr(checks.which_fails("nothing"))


@pytest.mark.slow
def test_what_passes_a_check_works_in_the_model_too(small_config):
    """A check accepts NumPy arrays, lists and float64; the assembly turns them into tensors."""
    model = random_model(small_config).eval()
    tokens = torch.arange(12)[None]
    expected = checks.assemble(model=model, functions={}).logits(tokens)
    for name in (
        "rms_norm",
        "apply_rope",
        "yarn_inv_freq",
        "swiglu",
        "route",
        "moe",
        "attention",
        "sliding_window_mask",
    ):
        right = bank.right(name)[0].function
        for convert in (lambda value: np.asarray(value), lambda value: np.asarray(value).tolist(), widened):

            def other(*args, right=right, convert=convert, **kwargs):
                found = right(*args, **kwargs)
                return tuple(map(convert, found)) if isinstance(found, tuple) else convert(found)

            keeps_the_dtype = name in ("rms_norm", "apply_rope")  # their checks refuse another dtype
            assert getattr(checks, name)(other, keep=False, allow_package=True).passed != keeps_the_dtype
            mine = checks.assemble(model=model, functions={name: other})
            torch.testing.assert_close(mine.logits(tokens), expected, rtol=1e-3, atol=1e-3, msg=name)


def widened(value):
    return value.double() if isinstance(value, torch.Tensor) and value.is_floating_point() else value


def test_a_result_without_numbers_is_refused_with_the_functions_name(small_config):
    mine = checks.assemble(model=random_model(small_config), functions={"swiglu": lambda x, *_, **__: "words"})
    with pytest.raises(ValueError, match="your swiglu returns a str, which gives no tensor"):
        mine.logits(torch.arange(3)[None])
