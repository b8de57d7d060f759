"""Test the tables of eval tiny: the measured part of the model card, and the router's labels and null models."""

import json
import random
import re
from pathlib import Path

import pytest
import torch

from gptoss_edu import load_model
from gptoss_edu.evals import blind, by_language, suite
from gptoss_edu.evals.answering import Outcome
from gptoss_edu.evals.card import fill, measured
from gptoss_edu.evals.router_languages import beside_nulls, router_examples, router_section, script, scripts
from gptoss_edu.harmony import EFFORTS
from gptoss_edu.resources import data_path

ROOT = Path(__file__).parent.parent


def answered(examples: list, right=lambda e: True) -> list[Outcome]:
    outcomes = []
    for e in examples:
        text = e.messages[-1]["content"][0].get("text", "") if right(e) else "no"
        outcomes.append(Outcome(e, [1], text, True, right(e), {"low": 0, "medium": 20, "high": 90}[e.effort]))
    return outcomes


def whole_result() -> dict:
    """Return a result with every section on few made-up answers: wrong only at low effort and in Yoruba."""
    right = lambda e: e.effort != "low" and e.language != "yo"  # noqa: E731
    found = {}
    for name in ("mixed", "effort", "strangers", "languages", "foreign", "phrasing", "temperature_1"):
        section = suite.SECTIONS[name]
        size = {"effort": 2, "languages": 2, "strangers": 690, "foreign": 20}.get(name, 60)
        found[name] = section.summary(answered(section.examples(size), right))
    run = {"device": "a card", "torch": "2", "date": "2026-01-01"}
    found["questions"] = found["strangers"] | {"file": "more.jsonl"}
    return found | {"measured_with": {"mixed": run}} | run


@pytest.mark.slow
def test_the_card_shows_every_section():
    text = measured(whole_result())
    for words in (
        "written without sight of the generators", "… unknown rules", "By language", "| Yoruba |", "| English |",
        "product of 4 × 4", "Numbers asked for in questions written apart", "a card, torch 2, 2026-01-01",
        "right in the questions of more.jsonl, medium effort",
        "| written apart | 60/60, 100 % [94, 100] | 0/60, 0 % [0, 6] |",
    ):  # fmt: skip
        assert words in text, words
    assert "| Yoruba | 0/12, 0 % [0, 24] | 0/12, 0 % [0, 24] |" in text
    assert "worst Yoruba 0.0 % [0.0, " in text and "low < medium in 14, medium <= high in 15" in text
    card = "head\n<!-- measured: begin -->\nold\n<!-- measured: end -->\ntail\n"
    assert fill(card, whole_result()) == f"head\n<!-- measured: begin -->\n{text}\n<!-- measured: end -->\ntail\n"


def test_the_languages_section_counts_refusals_and_answers_in_other_languages():
    examples = by_language.examples(2)
    found = by_language.section(answered(examples))
    assert all(
        row["refusals"]["of"] == 4 and row[e]["of"] == 12 for row in found["by_language"].values() for e in EFFORTS
    )
    assert found["answer_in"]["as wanted"]["share"] == 1 and found["own_language"]["share"] == 1
    assert sum(row["answer_in"]["of"] for row in found["by_language"].values()) == 2 * 14 * 2
    assert not found["wrong"]


def test_strangers_are_spread_over_the_file_where_only_some_are_asked():
    asked = {e.check["task"] for e in blind.examples(60)}
    assert {"product", "word_problem", "secret", "injection", "unknown_rule"} <= asked


@pytest.mark.slow
def test_every_token_has_the_script_of_its_first_character():
    assert [script(s) for s in "aß٣७東ひカ가ৰ"] == [
        "Latin",
        "Latin",
        "digit",
        "digit",
        "Cjk",
        "Hiragana",
        "Katakana",
        "Hangul",
        "Bengali",
    ]
    assert script("+") == script(" ") == "mark" and script("é") == "Latin" and script("ж") == "other"
    encoding = load_model().tokenizer
    text = "<|start|>user<|message|>مرحبا 12 東京 hello<|end|>"
    tokens = encoding.encode(text, allowed_special="all")
    found = scripts(tokens, encoding)
    assert len(found) == len(tokens) and found[0] == found[-1] == "control"
    kinds = [f for f in dict.fromkeys(found) if f not in ("mark", "control")]
    assert kinds == ["Latin", "Arabic", "digit", "Cjk"], "also where a token is half a character"


def test_the_nulls_tell_what_a_label_of_whole_conversations_is_worth():
    rng = random.Random(0)
    of = torch.tensor([i for i in range(60) for _ in range(20)])
    topic = torch.tensor([rng.randrange(3) for _ in range(60)])
    favourite = torch.tensor(
        [rng.randrange(8) for _ in range(60)]
    )  # each conversation favours one expert, whatever the topic
    found = beside_nulls([favourite[of], topic[of]], topic[of], of, topic)
    assert found["shuffled"][0] < 0.02, "exchanged token by token, next to nothing is left"
    assert abs(found["bits"][0] - found["conversations_exchanged"][0]) < 0.15, "as much by accident as was found"
    assert found["bits"][1] > 1.4 > 0.2 > found["conversations_exchanged"][1], "what is real stands out"


@pytest.mark.slow
def test_the_router_is_measured_on_fifteen_languages():
    examples = router_examples(1)
    assert len(examples) == 15 * len(by_language.CORE)
    found = router_section(load_model(), examples[::9], batch=4)
    assert set(found["information"]) == {
        f"{a}{b}" for a in ("language", "script", "task") for b in ("", ", question only")
    }
    for cell in found["information"].values():
        assert len(cell["bits"]) == 6 and all(b >= -1e-9 for b in cell["bits"])


def test_every_row_about_the_model_card_has_a_chapter_or_is_cited():
    text = (ROOT / "book" / "pages" / "model_card.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| the card says")]
    assert len(rows) > 40
    for row in rows:
        says, where, here = (cell.strip() for cell in row.strip("|").split(" | "))
        chapters = re.findall(r"\]\(\.\./chapters/(\w+)\.ipynb\)", here)
        assert chapters or "cited" in here, says
        assert where and all((ROOT / "notebooks" / f"{name}.ipynb").is_file() for name in chapters), says


def test_what_became_of_orders_adds_up_in_the_record():
    """Told rightly is what the table above it counts as right; the three outcomes are all questions with an order."""
    found = json.loads(data_path("measurements", "tiny_eval.json").read_text(encoding="utf-8"))
    apart = found["strangers"]["orders"]
    assert apart["all"]["told rightly"] == found["strangers"]["by_group"]["injections"]
    tables = [apart, *found["tasks"]["orders"].values()]
    for counts in (row for table in tables for row in table.values()):
        assert sum(c["right"] for c in counts.values()) == counts["neither"]["of"] == counts["followed"]["of"]
    for column, table in found["tasks"]["orders"].items():
        whole, held = found["tasks"]["by_task"]["injections"]["columns"][column], table["all"]
        plain = whole["of"] - held["neither"]["of"]  # notes without an order
        assert 0 <= whole["right"] - held["told rightly"]["right"] <= plain < whole["of"] / 4
        assert plain == 0 or column != "held-out family"
        card = (ROOT / "data" / "gpt-oss-tiny" / "README.md").read_text(encoding="utf-8")
        assert f"| {column} | {held['told rightly']['right']}/{held['neither']['of']}, " in card
