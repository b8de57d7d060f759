"""Test chapter 22's experiments: answer formats, wordings, leaks, judges, and the command that records them."""

import json
import re
from functools import partial
from pathlib import Path

import pytest
import torch

from gptoss_edu import load_model
from gptoss_edu.cli import main
from gptoss_edu.evals import flattery, formats, leaked_test, studies
from gptoss_edu.harmony import Conversation, parse, render
from gptoss_edu.tasks.example import message, system
from gptoss_edu.tasks.facts import CAPITALS


@pytest.fixture(scope="module")
def tiny():
    return load_model(experts="dense")


def test_items_offer_the_capital_among_four():
    items = formats.capital_items()
    assert len(items) == len(CAPITALS) and formats.capital_items() == items
    for item in items:
        assert len(set(item.options)) == 4 and item.options["ABCD".index(item.letter)] == item.capital
    assert {item.letter for item in items} == set("ABCD")


def test_readings_differ_on_the_same_text():
    item = formats.Item("France", "Paris", ("Rome", "Paris", "Oslo", "Bern"))
    said = {
        "The capital of France is Paris.": (False, True, False),
        "B": (True, False, False),
        "Paris": (False, True, True),
        "(B) Paris": (True, True, False),
        "Paris or Rome": (False, False, False),
    }
    for text, wanted in said.items():
        assert tuple(right(text, item) for right in formats.READINGS.values()) == wanted, text


def test_a_likelihood_is_that_of_the_tokens_one_by_one(tiny):
    """Compare with a loop of single predictions on the ids of the whole conversation."""
    (each,) = formats.likelihoods(tiny, "What is the capital of France?", ["Paris."])
    ids = tiny.tokenizer.encode_ordinary("Paris.")
    assert len(each) == len(ids) and all(value <= 0 for value in each)
    turns = [system("low"), message("user", "What is the capital of France?")]
    before = render(Conversation.from_dict({"messages": turns}), encoding=tiny.tokenizer)
    before += tiny.tokenizer.encode("<|channel|>final<|message|>", allowed_special="all")
    for i, token in enumerate(ids):
        with torch.no_grad():
            logits = tiny(torch.tensor([before + ids[:i]]))[0, -1]
        assert each[i] == pytest.approx(float(logits.double().log_softmax(-1)[token]), abs=1e-3)


def test_the_leaked_conversations_hold_the_right_answer_in_both_languages(tiny):
    for language in ("en", "de"):
        example = leaked_test.as_example(123, 45, language)
        ids, _ = leaked_test.encode(example, tiny.tokenizer)
        *_, last = parse(ids, encoding=tiny.tokenizer)
        assert last.channel == "final" and last.text == "123 × 45 = 5535"
        assert "123" in example.question and "45" in example.question
    both = [leaked_test.as_example(1, 2), leaked_test.as_example(123, 456)]
    tokens, codes, documents = leaked_test.batch_of(both, tiny.tokenizer)
    assert tokens.shape == codes.shape == documents.shape and (codes[documents == 1] == leaked_test.IGNORED).all()


def test_the_search_finds_copies_and_no_translations():
    pairs = leaked_test.products(6, "search")
    for language, found in (("en", 6), ("de", 0)):
        texts = [leaked_test.as_example(a, b, language).question for a, b in pairs]
        assert leaked_test.search(pairs, texts) == found


def test_the_judge_by_looks_learns_what_separates(tiny):
    texts = [f"{i} is checked, ok" for i in range(9)] + [f"{i} is a guess" for i in range(9)]
    judge = flattery.LookJudge(tiny.tokenizer).fit(texts, [True] * 9 + [False] * 9)
    sure = judge(["77 is checked, ok", "77 is a guess", "77 is a guess, checked, ok"])
    assert sure[0] > 0.8 and sure[1] < 0.2 and sure[2] > sure[1] + 0.2


def test_faults_are_of_both_kinds():
    texts = flattery.faulty_texts(24)
    assert len(set(texts)) == 24 and sum("We saw a" in text for text in texts) == 12
    numbers = [int(text.split()[2]) for text in texts if text.startswith("There")]
    assert all(0 < number < 50 for number in numbers)


def test_a_section_that_there_is_not_is_refused(capsys, tmp_path):
    assert main(["eval", "studies", "--sections", "moods"]) == 2
    assert "expected names of formats" in capsys.readouterr().err
    (tmp_path / "list.json").write_text("[]")
    assert main(["eval", "studies", "--json", str(tmp_path / "list.json")]) == 2
    assert "record of an earlier call" in capsys.readouterr().err


@pytest.mark.slow
def test_the_record_is_kept_section_by_section(tmp_path, capsys, monkeypatch):
    path = tmp_path / "record.json"
    monkeypatch.setattr(studies, "attempts", partial(studies.attempts, each=4))
    for section in ("formats", "attempts"):
        assert main(["eval", "studies", "--sections", section, "--scale", "0.1", "--json", str(path)]) == 0
    found = json.loads(path.read_text())
    assert set(found["measured_with"]) == {"formats", "attempts"}
    assert found["formats"]["by form"]["open question"]["content"]["share"] > 0.7
    assert found["formats"]["by form"]["letters in one line"]["letter"]["share"] < 0.3
    assert all(len(row["answers"]) == 4 for row in found["attempts"])


@pytest.mark.slow
def test_a_leak_lifts_the_test_and_not_fresh_questions():
    row = studies.leaked(3, "en", seed=5, steps=10)
    assert row["losses"][-1] < 0.5 * row["losses"][0]
    assert row["after"][0] >= row["before"][0] + 2 and row["after"][1] <= 1
    assert row["found by the search"] == 3


def test_no_row_of_the_page_on_the_model_card_is_without_a_chapter_or_a_citation():
    page = (Path(__file__).parent.parent / "book" / "pages" / "model_card.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith("| the card says")]
    assert len(rows) > 40
    for row in rows:
        _, where, here = (cell.strip() for cell in row.strip("|").split(" | "))
        assert re.search(r"\d|README", where), f"no place in the card: {row}"
        assert re.search(r"\]\(\.\./chapters/|\bcited\b|\bnot checked\b|\bcount", here), (
            f"no chapter, no citation: {row}"
        )


def test_the_means_of_the_languages_are_those_of_the_table():
    """Compare with Table 2 of arXiv:2508.10925: gpt-oss-120b and 20b at high effort, fourteen languages."""
    large = [82.7, 80.9, 83.6, 84.6, 83.0, 82.2, 84.3, 85.0, 83.5, 82.9, 85.3, 85.9, 72.3, 62.4]
    small = [76.3, 77.1, 79.4, 80.2, 78.7, 78.8, 79.5, 80.5, 78.9, 77.6, 80.5, 81.2, 60.7, 50.1]
    page = (Path(__file__).parent.parent / "book" / "pages" / "model_card.md").read_text(encoding="utf-8")
    for rows, before in ((large, "74.1 / 79.3"), (small, "67.0 / 73.5")):
        assert f"{before} / {sum(rows) / len(rows):.1f}" in page
