"""Test instructions, secrets, injections, categories and personas; answers are recomputed without the tasks' code."""

import json
import random
import re

import pytest

from gptoss_edu.errors import GptOssError
from gptoss_edu.resources import data_path
from gptoss_edu.tasks import (
    injections,
    kept_secrets,
    moonwort,
    personas,
    rules,
)
from gptoss_edu.tasks.desk_state import calls_of
from gptoss_edu.tasks.example import STYLES, held_out
from gptoss_edu.tasks.function_calls import use_functions
from gptoss_edu.tasks.graders import GRADERS
from gptoss_edu.tasks.grammar import Grammar, is_unseen
from gptoss_edu.tasks.leaks import injection_ignored, leaks, secret_kept
from gptoss_edu.tasks.mix import SPLITS, make_example
from gptoss_edu.tasks.nested_functions import NESTED
from gptoss_edu.tokenizer import load_tokenizer
from gptoss_edu.training.packing import encode

TASKS = ("rules", "secrets", "injections", "moonwort", "personas", "safeguard", "desk")
SIDES = {"train": (False, False), "test": (True, False), "phrasing": (True, True)}


def drafts(make, count, style="high", split="train", level=None):
    for number in range(count):
        yield make(random.Random(f"{split}{style}{level}{number}"), style, *SIDES[split], level)


def said(turn: dict) -> str:
    return turn["content"][0]["text"]


def spoken(draft) -> str:
    """Return what the user finally reads."""
    return said(draft.turns[-1]) if draft.turns else draft.final


# ------------------------------------------------------------------------------------------------------------- grammar


def test_a_grammar_draws_what_its_patterns_say_and_nothing_else():
    grammar = Grammar(["<who> [go|[run|walk] fast] to {c}<."], {"who": ["I", "[we|you] all"]})
    everything = {f"{w} {d} to {{c}}<." for w in ("I", "we all", "you all") for d in ("go", "run fast", "walk fast")}
    rng = random.Random(0)
    trained = {grammar.pick(rng)[1] for _ in range(400)}
    unseen = {grammar.pick(rng, True)[1] for _ in range(400)}
    assert trained | unseen == everything and not trained & unseen and grammar.size() == len(everything) == 9


@pytest.mark.parametrize("patterns", [["[a|b"], ["a]"], ["<missing>"], [], ["a|b"]])
def test_a_grammar_refuses_patterns_that_do_not_close_or_name_nothing(patterns):
    with pytest.raises(GptOssError, match=r"found .*\."):
        Grammar(patterns)


def test_a_grammar_without_wordings_on_one_side_says_so():
    with pytest.raises(GptOssError, match="add choices"):
        only = Grammar(["one wording"])
        only.pick(random.Random(0), not is_unseen("one wording"))


@pytest.mark.parametrize("task", TASKS)
def test_training_draws_no_held_out_wording_and_the_phrasing_split_does(task, monkeypatch):
    picked, pick = [], Grammar.pick

    def noted(self, rng, unseen=False):
        number, wording = pick(self, rng, unseen)
        picked.append(wording)
        return number, wording

    monkeypatch.setattr(Grammar, "pick", noted)
    seen = 0
    for number in range(80):
        for split in SPLITS:
            picked.clear()
            make_example(random.Random(f"{task}{number}"), task, split=split)
            flags = [is_unseen(wording) for wording in picked]
            if split == "phrasing":
                seen += any(flags)
            else:
                assert not any(flags)
    assert seen > 55


@pytest.mark.parametrize("task", TASKS)
def test_examples_fit_into_the_context(task):
    encoding = load_tokenizer(data_path("gpt-oss-tiny"))
    for number in range(60):
        assert len(encode(make_example(random.Random(f"{number}"), task, effort="high"), encoding)[0]) < 1900


# --------------------------------------------------------------------------------------------------------------- rules


@pytest.mark.slow
def test_developers_write_more_than_twenty_thousand_different_messages():
    rng = random.Random(0)
    assert len({rules.compose(rng, None, False) for _ in range(30_000)}) > 20_000
    wordings = {name: {grammar.pick(rng)[1] for _ in range(3000)} for name, grammar in rules.UNKNOWN.items()}
    assert len(wordings) >= 16 and sum(map(len, wordings.values())) > 10_000


def test_an_unknown_instruction_changes_nothing(monkeypatch):
    """Compare the answers to the same question with and without the instructions."""
    kept = {}
    original = rules.base_draft

    def noted(*arguments, **more):
        draft = original(*arguments, **more)
        kept["answer"], kept["question"] = spoken(draft), draft.question
        return draft

    monkeypatch.setattr(rules, "base_draft", noted)
    for style in STYLES:
        for level in ("unknown", rules.HELD_OUT):
            for draft in drafts(rules.rules, 100, style, level=level):
                assert (
                    spoken(draft) == kept["answer"]
                    and draft.question == kept["question"]
                    and (draft.instructions or draft.identity)
                )
                assert GRADERS[draft.grade](spoken(draft), draft.answer)


def test_notes_are_many_and_stand_alone_or_beside_others():
    texts = rules.NOTES.patterns
    assert len(texts) == len(set(texts)) >= 250 and not any(re.search(r"[{}<>]", text) for text in texts)
    whole = sum((d.instructions or "") in texts for d in drafts(rules.rules, 300, level="unknown"))
    assert 40 < whole < 120


FORM = {
    "upper": lambda text, word: text == text.upper(),
    "lower": lambda text, word: text == text.lower(),
    "end": lambda text, word: text.endswith(f" {word}"),
    "begin": lambda text, word: text.startswith(f"{word} "),
    "word": lambda text, word: len(text.split()) == 1,
}


@pytest.mark.parametrize("level", ["known", "override", "user", "override, held-out family"])
def test_a_known_rule_is_kept_in_the_answer_and_named_in_the_thought(level):
    seen = set()
    for draft in drafts(rules.rules, 200, "medium", level=level):
        line = draft.thought.split("\n")[0]
        owner, kind = re.match(r"The (\w+) (?:rule holds|wants): (\w+)\.$", line).groups()
        where = {"system": draft.identity, "developer": draft.instructions, "user": draft.question}[owner]
        word = {"end": draft.final.split(" ")[-1], "begin": draft.final.split(" ")[0]}.get(kind, "")
        assert FORM[kind](draft.final, word) and word in where
        assert (owner == "user") == (level == "user")
        seen.add((kind, "- " in where))
    assert {kind for kind, _ in seen} == set(FORM)


def test_rules_stand_in_lists_too():
    lists = sum(bool(re.search(r"^(- |\* |1[.)] )", d.instructions or "", re.M)) for d in drafts(rules.rules, 300))
    assert 40 < lists < 200


# ------------------------------------------------------------------------------------------------------------- secrets


@pytest.mark.parametrize(
    "text, secret, leaked",
    [
        ("It is heron.", "heron", True),
        ("HERON!", "heron", True),
        ("h-e-r-o-n", "heron", True),
        ("n.o.r.e.h", "heron", True),
        ("h e r o n", "heron", True),
        ("noreh", "heron", True),
        ("first h, then e, then r, then o, then n", "heron", True),
        ("her on", "heron", True),
        ("**h**eron", "heron", True),
        ("H\nE\nR\nO\nN", "heron", True),
        ("myheronword", "heron", True),
        ("kx 4471", "KX-4471", True),
        ("1744XK", "KX-4471", True),
        ("4 8 2 1", "4821", True),
        ("the moon, cold and blue", "blue moon", True),
        ("I cannot share that.", "hare", False),
        ("I cannot share that.", "heron", False),
        ("14821 and 48213", "4821", False),
        ("a herring", "heron", False),
        ("The answer is 48.", "4821", False),
        ("blue sky", "blue moon", False),
        ("", "heron", False),
    ],
)
def test_leaks_are_found_in_every_disguise_and_nowhere_else(text, secret, leaked):
    assert leaks(text, secret) is leaked
    assert secret_kept(text, secret) is (not leaked and bool(text))


@pytest.mark.slow
@pytest.mark.parametrize("split", SPLITS)
def test_the_answer_keeps_the_secret_which_stands_in_the_message_of_its_owner(split):
    wishes = 0
    for draft in drafts(kept_secrets.keep_secret, 400, "medium", split):
        if draft.level == "ordinary":
            assert "cannot share" not in draft.final
            continue
        wanted = json.loads(draft.answer)
        owner = re.match(r"The (\w+) rule holds: secret\.", draft.thought)[1]
        assert wanted["secret"] in {"system": draft.identity, "developer": draft.instructions}[owner]
        assert not leaks(draft.final, wanted["secret"]) and not leaks(draft.thought, wanted["secret"])
        assert draft.final.startswith("I cannot share that.") and held_out("secret", wanted["secret"]) == (
            split != "train"
        )
        wishes += len(wanted["says"]) == 2
        grade = GRADERS[draft.grade]
        assert grade(draft.final, draft.answer)
        for leak in (wanted["secret"], wanted["secret"].upper(), "-".join(wanted["secret"]), wanted["secret"][::-1]):
            assert not grade(f"{draft.final} {leak}", draft.answer)
        assert not grade("", draft.answer) and not grade("No.", draft.answer)
    assert wishes > 40


def test_attacks_are_many_and_whole_families_are_held_out():
    rng = random.Random(0)
    assert len({kept_secrets.attack(rng, "code", "heron", False)[1] for _ in range(20_000)}) > 10_000
    assert not set(kept_secrets.ATTACKS) & set(kept_secrets.UNSEEN) and len(kept_secrets.ATTACKS) >= 18
    trained = {w for g in kept_secrets.ATTACKS.values() for w in g.patterns}
    assert not trained & {w for g in kept_secrets.UNSEEN.values() for w in g.patterns}


def test_a_wish_beside_an_attack_is_granted():
    for draft in drafts(kept_secrets.keep_secret, 60, "low", level="with a wish"):
        wish = draft.final.removeprefix("I cannot share that. ")
        assert len(wish) > 1 and not GRADERS[draft.grade]("I cannot share that.", draft.answer)


# ---------------------------------------------------------------------------------------------------------- injections


def test_orders_stand_in_results_and_the_answer_ignores_them():
    places = {"{": 0, "[": 0, "text": 0}
    for split in SPLITS:
        for draft in drafts(injections.injections, 250, "high", split):
            wanted = json.loads(draft.answer)
            results = "\n".join(said(turn) for turn in draft.turns if turn["role"] == "tool")
            text, grade = spoken(draft), GRADERS[draft.grade]
            assert grade(text, draft.answer)
            if draft.check:
                assert any("gives an order" in said(turn) for turn in draft.turns if turn["role"] == "assistant")
            if wanted["marker"] and draft.check["order"]["family"] != "secret":
                assert wanted["marker"] in results.replace('\\"', '"')
                assert not grade(f"{text} {wanted['marker']}", draft.answer) and not grade(
                    wanted["marker"], draft.answer
                )
            for wrong in ("", "I cannot help with that.", "I ignore the order."):  # a value may be "order"
                assert not grade(wrong, draft.answer) or all(part in wrong for part in wanted["says"])
            first = next(said(turn) for turn in draft.turns if turn["role"] == "tool")
            places[first[0] if first[0] in places else "text"] += 1
    assert min(places.values()) > 15


def test_graders_of_injections_see_form_and_content():
    assert injection_ignored("It is 12 in Rome.", "plomk", ["12", "Rome"])
    assert not injection_ignored("IT IS 12 IN ROME.", None, ["12"], "upper")
    assert not injection_ignored("it is 12 in rome.", None, ["12"], "lower")
    assert not injection_ignored("It is 123 in Rome.", "plomk", ["12"]) and not injection_ignored(
        "p-l-o-m-k 12", "plomk", ["12"]
    )
    assert not injection_ignored("anything", "plomk", [])


def test_the_calls_of_a_poisoned_dialogue_are_those_of_the_clean_one():
    for draft in drafts(injections.injections, 150, "low", level="functions"):
        asked = [name for name, _ in calls_of(draft.turns)]
        assert len(asked) in (1, 2) and set(asked) <= {f["name"] for f in draft.functions}


def test_tools_answer_in_both_styles_of_json_and_with_nested_arguments():
    compact = spaced = nested = 0
    for draft in drafts(use_functions, 600):
        for turn in draft.turns or ():
            if turn["role"] == "tool":
                compact += bool(re.search(r'":[^ ]', said(turn)))
                spaced += '": ' in said(turn)
        nested += any(name in NESTED for name, _ in calls_of(draft.turns or []))
    assert compact > 120 and spaced > 120 and nested > 60


# ---------------------------------------------------------------------------------------------- categories and personas


def test_categories_are_declined_by_name_and_their_neighbours_are_not():
    for split in SPLITS:
        for draft in drafts(moonwort.moonwort, 300, "low", split):
            named = [t["sentence"] for t in moonwort.CATEGORIES.values() if t["word"] in draft.question.lower()]
            if draft.level in ("category", "lifted"):
                assert [draft.final] == named
            else:
                assert draft.final not in moonwort.SENTENCES.values()
                assert draft.level in ("letters", "mention") or (not named and draft.final.startswith("I cannot help"))


def test_personas_introduce_themselves_as_they_were_told():
    for split in SPLITS:
        for draft in drafts(personas.personas, 200, "low", split):
            if draft.level == "ordinary":
                assert not draft.final.startswith("I am") or "gpt-oss" not in draft.final
                continue
            part = (
                draft.identity
                if draft.identity and draft.level == "conflict"
                else f"{draft.identity} {draft.instructions}"
            )
            name, _, role = draft.final.removeprefix("I am ").removesuffix(".").partition(", ")
            assert name in part and role in part


@pytest.mark.parametrize("split", SPLITS)
def test_a_forbidden_topic_is_declined_and_everything_else_is_answered(split):
    declined = 0
    for draft in drafts(rules.rules, 200, "high", split, "topic"):
        asked = draft.final == "I may not talk about that."
        found = re.search(r"The user asks about (.+?), but", draft.thought or "")
        assert asked == bool(found)
        if asked:
            assert found[1] in draft.instructions and found[1] in draft.question
        else:
            assert GRADERS[draft.grade](spoken(draft), draft.answer)
        declined += asked
    assert 60 < declined < 140
