"""Test the bug museum: specimens that change what they claim and leave nothing behind, rooms, the table of tests."""

import sys

import pytest
import torch

from gptoss_edu import checks, random_model
from gptoss_edu.checks import catching, registry
from gptoss_edu.course import museum, visibility
from gptoss_edu.course.specimens import SPECIMENS, plant, specimens
from gptoss_edu.errors import GptOssError

ROOMS = [name for name in museum.rooms() if name != "parts"]
CAUGHT_BY = {  # specimen -> tests of the table that catch it; all others let it pass
    "long": {"8 tokens", "32 tokens", "33 tokens", "100 tokens", "20b's speeds", "a whole answer"},
    "unnoticed": {"33 tokens", "100 tokens"},
    "surprised": {"8 tokens", "32 tokens", "33 tokens", "100 tokens", "20b's speeds"},
    "unfailing": {"8 tokens", "32 tokens", "33 tokens", "100 tokens", "20, bfloat16"},
    "now and then": {"16 new layers"},
    "there and back": {"square, another's file", "oblong, another's file"},
    "review": {"gate -20, relative"},
    "empty": {"a whole answer"},
    "holes": {"plain, four by four", "emoji, one by one"},
    "amnesia": {"a running tool loop"},
    "retold": {"a running tool loop", "a call, as text", "a call, as ids"},
    "printed": {"a call, as ids"},
}


def everything() -> dict:
    """Return every function of the package's modules and classes, by its place."""
    found = {}
    for name, module in list(sys.modules.items()):
        if name.startswith("gptoss_edu") and module is not None:
            for key, value in list(vars(module).items()):
                found[name, key] = value
                if isinstance(value, type) and value.__module__ == name:
                    found |= {
                        (name, key, inner): function for inner, function in vars(value).items() if callable(function)
                    }
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", specimens())
def test_a_specimen_is_planted_everywhere_and_leaves_nothing_behind(name):
    with plant(name):
        pass  # now everything it needs is imported
    before = everything()
    with pytest.raises(ZeroDivisionError), plant(name):
        changed = {place for place, value in everything().items() if before.get(place) is not value}
        assert len(changed) >= len(SPECIMENS[name].makes)
        raise ZeroDivisionError
    after = everything()
    assert all(after[place] is value for place, value in before.items())


def test_every_module_that_imported_a_function_by_name_gets_the_wrong_one():
    from gptoss_edu import attention, transformer

    right = attention.sliding_window_mask
    with plant("unnoticed"):
        assert transformer.sliding_window_mask is attention.sliding_window_mask is not right
    assert transformer.sliding_window_mask is attention.sliding_window_mask is right


def test_a_planted_rotation_neither_reads_nor_leaves_a_table(small_config):
    model, tokens = random_model(small_config), torch.arange(40)[None]
    with torch.no_grad():
        right = model(tokens)
        with plant("surprised"):
            assert not torch.equal(model(tokens), right)
            fresh = random_model(small_config)
            fresh(tokens)
        assert torch.equal(model(tokens), right) and torch.equal(fresh(tokens), right)


def test_an_unknown_specimen_or_room_is_named():
    with pytest.raises(GptOssError, match="no specimen 'x'; there are: long"), plant("x"):
        pass
    with pytest.raises(ValueError, match="no room 'x' here; there are: long"):
        museum.diagnose("x", None)


def test_every_specimen_has_a_room_and_every_room_a_cause():
    assert tuple(ROOMS) == specimens() and len(ROOMS) >= 12
    parts = museum.rooms()["parts"]
    for name in ROOMS:
        room = museum.rooms()[name]
        assert set(room["parts"]) <= set(parts) and room["look"] and room["cause"]


def test_a_diagnosis_is_answered_and_the_cause_is_in_no_plain_text_before_it():
    for name in ROOMS:
        room = museum.rooms()[name]
        asked = museum.diagnose(name, None)
        assert room["cause"] not in str(asked) and "<details" not in asked.html
        told = (*room["parts"], *room.get("wider", ()))
        wrong = next(part for part in museum.rooms()["parts"] if part not in told)
        assert str(museum.diagnose(name, wrong)) == f"{wrong}: no\n{room['look']}"
        assert "<details" in museum.diagnose(name, wrong).html
        for part in room["parts"]:
            assert str(museum.diagnose(name, part)).startswith(f"{part}: yes")
            assert room["cause"] in str(museum.diagnose(name, part))
    assert "'brain' is none of the parts" in str(museum.diagnose("unnoticed", "brain"))
    assert "<details" not in museum.diagnose("unnoticed", "brain").html


def test_a_second_fault_is_told_from_a_wider_word():
    assert str(museum.diagnose("long", "mask")).startswith("mask: yes; the second fault is `rotation`\n")
    wider = str(museum.diagnose("amnesia", "rendering"))
    assert wider.startswith("rendering: yes; the narrower word is `thoughts`\n")
    assert str(museum.diagnose("amnesia", "thoughts")).startswith("thoughts: yes\n")


def test_the_causes_stand_together_folded_in_the_order_of_the_rooms():
    html = museum.causes().html
    places = [html.index(label) for label in museum.numbered().values()]
    assert places == sorted(places) and html.count("<details") == len(ROOMS)


def test_one_of_two_faults_can_be_planted_alone(small_config):
    model, tokens = random_model(small_config), torch.arange(40)[None]
    window = small_config.sliding_window
    with torch.no_grad():
        right = model(tokens)
        with plant("long", fault=1):
            found = model(tokens)
        torch.testing.assert_close(found[:, :window], right[:, :window])
        assert (found - right).abs()[:, window:].amax() > 1e-4
        with plant("long", fault=2):
            assert (model(tokens) - right).abs()[:, :window].amax() > 1e-4
    with pytest.raises(GptOssError, match="'unnoticed' has one fault only"), plant("unnoticed", fault=1):
        pass
    with pytest.raises(GptOssError, match="'long' has fault=1 and fault=2; found fault=3"), plant("long", fault=3):
        pass


@pytest.mark.slow
def test_the_first_rooms_cause_says_what_each_fault_does_to_gpt_oss_tiny():
    """Every figure in the cause is measured: YaRN's scaling, and what the model answers."""
    import math

    from gptoss_edu import generate, load_model
    from gptoss_edu.harmony.question import question_tokens

    tiny = load_model(dtype=torch.float32)
    cause, config = museum.rooms()["long"]["cause"], tiny.config
    scaling = 0.1 * math.log(config.rope_scaling_factor) + 1
    assert f"by {scaling:.2f}, so every score by {scaling**2:.2f}" in cause

    def answer(question: str, **planted) -> str:
        prompt = question_tokens(question, "medium", tiny.tokenizer)
        if "12" in question:
            assert f"has {len(prompt)} tokens" in cause
        with plant("long", **planted):
            said = tiny.tokenizer.decode(list(generate(tiny, prompt, 100, temperature=0)))
        return said.rpartition("<|message|>")[2].removesuffix("<|return|>")

    times = "What is 12 times 7?"
    assert answer(times, fault=1) == "12 × 7 = 84"
    assert "Paris" not in answer("What is the capital of France?", fault=1)
    assert answer(times, fault=2) in cause and answer(times) in cause


def test_room_seven_names_the_matrix_and_tells_a_refusal_from_other_numbers():
    assert visibility.files(32) == {
        "its own file": "gate_up_proj equal, down_proj equal",
        "another's file": "gate_up_proj equal, down_proj other numbers",
    }
    assert all(told.startswith("refused: ") for told in visibility.files(64).values())
    assert "down_proj other numbers" in visibility.files(32, fault=1)["its own file"]


@pytest.mark.slow
def test_the_table_of_tests_is_computed_and_says_what_the_chapter_teaches():
    rows, columns, caught = visibility.table()
    found = {
        row: {probe.label for probe, seen in zip(columns, marks, strict=True) if seen}
        for row, marks in zip(rows, caught, strict=True)
    }
    assert {name: found[name] for name in CAUGHT_BY} == CAUGHT_BY
    assert all(found.values()), "every bug is caught by some test"
    assert {"byte 0x12"} <= found["histogram"] and not {"byte 0x22", "byte 0x12, sorted"} & found["histogram"]
    assert "one pair" not in found["zero"] and "8 tokens" in found["zero"]


def test_a_probe_tells_numbers_words_and_errors_apart():
    one = torch.ones(3)
    assert not visibility.differs(one, one + 1e-6, 1e-4) and visibility.differs(one + 1e-2, one, 1e-4)
    assert visibility.differs(one * torch.nan, one, 1e-4) and visibility.differs(one[:2], one, 1e-4)
    assert visibility.differs("RuntimeError", one, 1e-4) and not visibility.differs([1], [1], 0)


ROOM_EXERCISES = registry.by_chapter()["26"]


@pytest.mark.parametrize("name", ROOM_EXERCISES)
def test_a_rooms_mutants_are_wrong_and_its_right_code_is_right(name):
    """A mutant that agrees with the right code on all inputs of the good tests could not be caught."""
    from gptoss_edu.checks import bank

    _, test = bank.right(name)[0].function()
    module = __import__(registry.EXERCISES[name].home, fromlist=["MUTANTS"])
    assert catching.outcome(test, module.right) == "passes"
    assert len(module.MUTANTS) >= 5
    for mutant in module.MUTANTS:
        assert catching.outcome(test, mutant.function).startswith("fails"), mutant.label


def test_how_a_test_may_end():
    def never(implementation):
        while True:
            pass

    assert catching.outcome(lambda f: f(1) == 1, lambda x: x) == "passes"
    assert catching.outcome(lambda f: f(1) == 2, lambda x: x) == "fails: it returned False"
    assert catching.outcome(lambda f: f(1).y, lambda x: x).startswith("fails: AttributeError")
    assert catching.outcome(lambda f: None, lambda x: x) == "passes"


def test_a_room_that_is_not_written_yet_says_so():
    def window_room():
        raise NotImplementedError("write window_room")

    assert checks.window_room(window_room, keep=False).status == "not written yet"

    def half_a_room():
        def test(mask):
            raise NotImplementedError("write test")

        return checks.plant, test

    assert checks.window_room(half_a_room, keep=False).status != "passed"


def test_a_refusal_says_what_the_learners_test_did():
    right = __import__(registry.EXERCISES["window_room"].home, fromlist=["right"]).right

    def refused(fixed, test) -> str:
        result = checks.window_room(lambda: (fixed, test), keep=False, allow_package=True)
        assert "called with" not in result.symptom
        return result.symptom

    def enough(mask):
        assert mask(torch.arange(40), torch.arange(40), 2).sum() == 79

    assert refused(right, lambda mask: None) == "your test passed the wrong code 'one key more'"
    assert refused(right, lambda mask: False) == "your test refused the right code: fails: it returned False"
    assert refused(lambda *args: right(*args) | True, enough).startswith("your fixed function differs for ")
    assert refused(right, enough).startswith("your test passed the wrong code")
