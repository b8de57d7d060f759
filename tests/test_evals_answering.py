"""Test how dialogues with tools are judged, and the tables by language, with scripted models."""

import json
import random

import pytest

from gptoss_edu import load_model
from gptoss_edu.evals import answering, by_language, by_task
from gptoss_edu.evals.answering import Outcome
from gptoss_edu.harmony import Conversation, render
from gptoss_edu.tasks.graders import count
from gptoss_edu.tasks.mix import make_example


def turns_of(example, encoding) -> list[list[int]]:
    """Return what a model that follows the reference solution samples, turn by turn."""
    turns, start = [], example.prompt
    for i in range(example.prompt, len(example.messages)):
        if example.messages[i]["role"] == "tool":
            start = i + 1
        elif example.messages[i].get("recipient") or i == len(example.messages) - 1:
            before = render(Conversation.from_dict({"messages": example.messages[:start]}), encoding=encoding)
            whole = Conversation.from_dict({"messages": example.messages[: i + 1]})
            ids = render(whole, None, encoding, drop_analysis="keep")
            turns.append(ids[len(before) :])
    return turns


def play_back(example, turns: list[list[int]], encoding) -> Outcome:
    outcome = Outcome(example)
    messages = list(Conversation.from_dict(example.prompt_conversation).messages)
    left = example.messages[example.prompt :]
    for number, turn in enumerate(turns):
        goes_on = answering._take(outcome, turn, messages, left, encoding)
        assert goes_on is (number < len(turns) - 1), outcome.note
    return outcome


def at_the_end(example, encoding) -> list[list[int]]:
    """Replace <|end|> in the reference's turns by the end tokens that a model samples."""
    turns = turns_of(example, encoding)
    end, returned = (encoding.encode_single_token(f"<|{name}|>") for name in ("end", "return"))
    turns[-1] = [*turns[-1][:-1], returned] if turns[-1][-1] == end else turns[-1]
    return turns


@pytest.mark.slow
@pytest.mark.parametrize("level", ["allowed", "forbidden", "lookup", "told"])
def test_a_desk_answers_the_calls_and_its_database_decides(level):
    encoding = load_model().tokenizer
    example = make_example(random.Random(f"desk:{level}"), "desk", level, "medium", "test")
    turns = at_the_end(example, encoding)
    outcome = play_back(example, turns, encoding)
    assert outcome.correct and outcome.calls == len(turns) - 1
    told_only = Outcome(example)
    messages = list(Conversation.from_dict(example.prompt_conversation).messages)
    answering._take(told_only, turns[-1], messages, list(example.messages[example.prompt :]), encoding)
    changed = not answering.same_json(example.check["before"], example.check["after"])
    assert told_only.correct is not changed, "to say that it is done is not to have done it"


@pytest.mark.slow
def test_a_desk_that_was_changed_although_it_is_forbidden_makes_the_dialogue_wrong():
    encoding = load_model().tokenizer
    example = make_example(random.Random("desk"), "desk", "forbidden", "medium", "test")
    turns = at_the_end(example, encoding)
    outcome = Outcome(example)
    outcome.database = json.loads(json.dumps(example.check["before"]).replace("true", "false"))
    record = next(iter(outcome.database.values()))
    field = next(iter(record))
    record[field] = "something else"
    messages = list(Conversation.from_dict(example.prompt_conversation).messages)
    answering._take(outcome, turns[-1], messages, [], encoding)
    assert outcome.text and not outcome.correct


@pytest.mark.slow
def test_every_language_gets_as_many_questions_of_the_same_levels_at_every_effort():
    examples = by_language.core_examples(4)
    assert len(examples) == 15 * len(by_language.CORE) * 4 * 3
    for language in by_language.LANGUAGES:
        own = [e for e in examples if e.language == language]
        assert len(own) == len(by_language.CORE) * 12
        levels = {t: {e.level for e in own if e.task == t} for t in ("product", "chain", "sort", "word_problem")}
        assert all(levels[t] == set(by_language.CORE[t]) for t in levels), (language, levels)
    pairs = [(a, b) for a, b in zip(examples[::3], examples[1::3], strict=True) if a.task != "word_problem"]
    assert sum(a.answer == b.answer for a, b in pairs) > 0.9 * len(pairs), "the same questions at every effort"


def test_shares_relative_to_english():
    counts = {
        code: {e: count([True] * 30 + [False] * 30) for e in ("low", "medium", "high")} for code in ("en", "de", "yo")
    }
    counts["yo"]["medium"] = count([True] * 15 + [False] * 45)
    counts["de"]["high"] = count([True] * 60)
    found = by_language.relative(counts)
    medium = found["medium"]
    assert medium["languages"]["de"]["ratio"] == 1 and medium["languages"]["yo"]["ratio"] == 0.5
    assert medium["mean"]["ratio"] == 0.75 and medium["worst"]["language"] == "yo"
    for cell in (*medium["languages"].values(), medium["mean"], medium["worst"]):
        assert cell["low"] < cell["ratio"] < cell["high"]
    assert found["low < medium"] == [] and found["medium <= high"] == ["en", "de", "yo"]
    counts["de"]["medium"] = count([False] * 60)
    cell = by_language.relative(counts)["medium"]["languages"]["de"]
    assert cell["ratio"] == 0 and 0 < cell["high"] < 0.2, "no right answer has an interval too"


def test_an_answer_in_another_language_must_be_in_that_language():
    example = make_example(random.Random(3), "answer_in", "de", "medium", "test", "en")
    reference = example.messages[-1]["content"][0]["text"]
    assert by_language._as_wanted(Outcome(example, text=reference, correct=True))
    assert not by_language._as_wanted(Outcome(example, text=f"The answer is {example.answer}.", correct=True))


def test_every_new_task_is_measured_on_both_splits_and_held_out_families():
    examples = by_task.examples(3)
    assert {e.task for e in examples} == set(by_task.NEW)
    for task in by_task.NEW:
        columns = {e.column for e in examples if e.task == task}
        assert columns == {*by_task.SPLITS.values(), *by_task.FAMILIES.get(task, ())}
    outcomes = [Outcome(e, correct=True) for e in examples]
    table = by_task.section(outcomes)["by_task"]
    assert all(c["right"] == c["of"] == 3 for t in table.values() for c in t["columns"].values())
