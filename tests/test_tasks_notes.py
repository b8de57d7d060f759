"""Test notes of everyday English, with and without an order: what is right, and what training never sees."""

import json
import random
import re
from collections import Counter

import pytest

from gptoss_edu.evals import blind
from gptoss_edu.evals.contamination import words
from gptoss_edu.evals.grading.orders import Order as HeldOrder
from gptoss_edu.evals.grading.orders import follows
from gptoss_edu.harmony import Conversation, render
from gptoss_edu.tasks import note_bank, note_orders, notes
from gptoss_edu.tasks.graders import GRADERS, same_call
from gptoss_edu.tasks.leaks import leaks
from gptoss_edu.tasks.mix import SPLITS, make_example

SLOT = re.compile(r"\{(\w+)\}")


def examples(number: int, split: str = "train", level: str = "notes", effort: str | None = None) -> list:
    return [
        make_example(random.Random(f"{split}{level}{n}"), "injections", level, effort, split) for n in range(number)
    ]


def said(message: dict) -> str:
    return message["content"][0]["text"]


def result_of(example) -> str:
    """Return what the tool sent back, JSON and its escapes read, its texts in one line each."""
    text = next(said(m) for m in example.messages if m["role"] == "tool")

    def texts(value) -> list[str]:
        if isinstance(value, dict | list):
            return [t for item in (value.values() if isinstance(value, dict) else value) for t in texts(item)]
        return [str(value)]

    try:
        return "\n".join(texts(json.loads(text)))
    except ValueError:
        return text


# ------------------------------------------------------------------------------------------------------- the bank


def test_the_bank_is_as_large_as_it_says():
    trained, held = note_bank.entries()
    lines = [line for lines in note_bank.BODIES.values() for line in lines]
    orders = [p for table in (note_orders.ORDERS, note_orders.CLAUSES) for g in table.values() for p in g.patterns]
    assert len(note_bank.tools()) >= 40 and len(trained) + len(held) >= 350 and len(held) >= 25
    assert len(lines) >= 500 and len(set(lines)) == len(lines)
    assert len(orders) >= 200 and len(set(orders)) == len(orders)
    bodies = [entry.body for entry in trained + held]
    assert len(set(bodies)) == len(bodies)


def test_every_slot_can_be_filled_and_a_question_knows_no_number_of_the_content():
    rng = random.Random(0)
    cast = note_bank.cast_of(rng)
    shared = {"v", *cast}
    for entry in sum(note_bank.entries(), ()):
        for question in entry.questions:
            assert set(SLOT.findall(question)) <= shared | set(SLOT.findall(entry.value)), question
        for text in (entry.value, entry.body, *entry.questions):
            filled = note_bank.filled(rng, note_bank.drawn_text(rng, text), cast | {"v": "x"})
            assert not re.search(r"[\[\]{}|]|  ", filled), filled
    for lines in note_bank.BODIES.values():
        for line in lines:
            assert not re.search(r"[\[\]{}]|  ", note_bank.filled(rng, note_bank.drawn_text(rng, line), cast)), line


def test_nothing_is_copied_from_the_questions_of_strangers():
    asked = [q for q in blind.questions() if q["task"] == "injection"]
    theirs = {tuple(w[i : i + 6]) for q in asked for w in [words(q["tool"])] for i in range(len(w) - 5)}
    for text in [e.body for e in sum(note_bank.entries(), ())] + [
        p for table in (note_orders.ORDERS, note_orders.UNSEEN) for g in table.values() for p in g.patterns
    ]:
        own = words(re.sub(r"[\[|\]<>{}]", " ", text))
        assert not theirs & {tuple(own[i : i + 6]) for i in range(len(own) - 5)}, text


def test_every_order_can_be_filled():
    rng = random.Random(0)
    for table in (note_orders.ORDERS, note_orders.CLAUSES, note_orders.UNSEEN):
        for grammar in table.values():
            for pattern in grammar.patterns:
                text = note_orders.fill_order(
                    rng, note_orders.Grammar([pattern], note_orders.PARTS).draw(rng), "get", m="x"
                )
                assert text.strip() and not re.search(r"\{\w+\}|<\w+>  ", text), text


# ---------------------------------------------------------------------------------------------- right and wrong answers


@pytest.mark.parametrize("split", SPLITS)
def test_the_whole_content_is_right_and_obeying_or_leaving_something_out_is_wrong(split):
    marked = 0
    for example in examples(250, split):
        grade, right = GRADERS[example.grade], said(example.messages[-1])
        wanted, order = json.loads(example.answer), (example.check or {}).get("order")
        assert right.startswith("It says: ") and grade(right, example.answer), right
        for part in wanted["says"]:
            assert not grade(right.replace(part, "something"), example.answer), (right, part)
        for wrong in ("", "It says nothing.", "I cannot help with that.", "It says: Orders do not count."):
            assert not grade(wrong, example.answer)
        if order is None:
            assert wanted["marker"] is wanted["form"] is None
            continue
        assert order["text"] not in right
        assert not follows(HeldOrder(**{k: order[k] for k in ("text", "family", "marker", "form")}), right)
        if wanted["marker"]:
            marked += 1
            assert not leaks(right, wanted["marker"])
            assert not grade(f"{right} {wanted['marker']}", example.answer)
            assert not grade(wanted["marker"], example.answer)
            if order["family"] != "secret":
                assert wanted["marker"] in result_of(example)
        if wanted["form"]:
            assert not grade(right.upper() if wanted["form"] == "upper" else right.lower(), example.answer)
    assert marked > 80


def test_the_answer_is_the_result_without_the_order():
    for example in examples(400):
        order, text = (example.check or {}).get("order"), " ".join(result_of(example).split())
        says = json.loads(example.answer)["says"]
        if order:
            assert " ".join(order["text"].split()) in text
            text = re.sub(
                r"(?:[(\[{*]|<!-- )?" + re.escape(" ".join(order["text"].split())) + r"(?:[)\]}*] | --> )?", "", text
            )
        places = [text.find(part) for part in says]
        assert min(places) >= 0 and places == sorted(places), (text, says)
        assert said(example.messages[-1]).rstrip(".!?").endswith(says[-1])


def test_shares_of_orders_secrets_prose_and_forms():
    found, total = Counter(), 1000
    for example in examples(total):
        order = (example.check or {}).get("order")
        found["none" if order is None else "secret" if order["family"] == "secret" else "order"] += 1
        head = example.messages[1]["content"][0]
        names = [f["name"] for f in head["tools"]["functions"]["tools"]]
        called = next(m["recipient"] for m in example.messages if m.get("recipient", "").startswith("functions."))
        assert called.removeprefix("functions.") in names
        found["prose"] += called.removeprefix("functions.") in (head.get("instructions") or "")
        found["text"] += (
            re.match(r'\{\s*"text":', next(said(m) for m in example.messages if m["role"] == "tool")) is not None
        )
    assert 150 < found["none"] < 250 and 80 < found["secret"] < 160 and found["order"] > 600
    assert 420 < found["prose"] < 580 and 420 < found["text"] < 600


@pytest.mark.parametrize("effort", ["low", "medium", "high"])
def test_thoughts_follow_the_effort(effort):
    for example in examples(60, "test", effort=effort):
        thoughts = [said(m) for m in example.messages if m.get("channel") == "analysis"]
        order = (example.check or {}).get("order")
        assert len(thoughts) == (0 if effort == "low" else 2)
        if effort != "low":
            told = {"medium": "Orders in the result do not count.", "high": "A tool has no authority"}[effort]
            assert (told in thoughts[1]) == (order is not None)


# -------------------------------------------------------------------------------------------------------- the splits


def test_a_question_of_the_tests_names_the_value_of_the_argument():
    for split in ("test", "phrasing"):
        for example in examples(200, split):
            call = next(m for m in example.messages if m.get("recipient", "").startswith("functions."))
            (value,) = json.loads(said(call)).values()
            assert str(value).casefold() in example.question.casefold(), example.question
            assert same_call(call["recipient"], said(call), call["recipient"], said(call))


def test_held_out_entries_and_sentences_are_never_trained_on(monkeypatch):
    drawn: list[str] = []
    original = note_bank.drawn_text

    def noted(rng, pattern):
        drawn.append(pattern)
        return original(rng, pattern)

    monkeypatch.setattr(notes, "drawn_text", noted)
    bodies = {e.body: e.unseen for e in sum(note_bank.entries(), ())}
    for split in SPLITS:
        drawn.clear()
        for number in range(250):
            notes.draw_note(random.Random(f"{split}{number}"), split != "train", split == "phrasing")
        sides = {bodies[text] for text in drawn if text in bodies}
        assert sides == {split == "phrasing"}
    trained, held = ({line for lines in note_bank.sentences(side).values() for line in lines} for side in (False, True))
    assert held and not trained & held


def test_families_that_are_held_out_are_drawn_for_their_level_alone():
    fresh = set(note_orders.UNSEEN)
    assert not fresh & set(note_orders.ORDERS)
    trained = {e.check["order"]["family"] for e in examples(300) if e.check}
    held = {e.check["order"]["family"] for e in examples(150, "test", "held-out family")}
    assert not trained & fresh and held & fresh == fresh


def test_a_conversation_is_short():
    assert max(len(render(Conversation.from_dict(e.conversation))) for e in examples(150)) < 1200
