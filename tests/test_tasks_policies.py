"""Test policies over texts and desks with a state: verdicts, permissions and databases are recomputed here."""

import json
import random
import re

import pytest

from gptoss_edu.tasks import desk, facts, policies, safeguard, words
from gptoss_edu.tasks.desk_state import calls_of, play, same_state
from gptoss_edu.tasks.mix import SPLITS

SIDES = {"train": (False, False), "test": (True, False), "phrasing": (True, True)}


def drafts(make, count, style="high", split="train", level=None):
    for number in range(count):
        yield make(random.Random(f"{split}{style}{level}{number}"), style, *SIDES[split], level)


def said(turn: dict) -> str:
    return turn["content"][0]["text"]


# ----------------------------------------------------------------------------------------------------------- safeguard

FRUIT, INSTRUMENTS, VEHICLES = (
    set(line.split())
    for line in (
        "apple pear plum lemon cherry peach melon banana grape mango",
        "violin piano drum guitar flute trumpet harp cello",
        "train ship bus car bicycle boat tram plane lorry",
    )
)
KINDS = {
    "colour": set(words.COLOURS),
    "animal": set(words.ANIMALS),
    "city": set(words.CITIES),
    "person": set(words.NAMES),
    "day": set(facts.DAYS),
    "month": set(facts.MONTHS),
    "fruit": FRUIT,
    "instrument": INSTRUMENTS,
    "vehicle": VEHICLES,
    "secret": {"password", "code", "secret", "key"},
    "moonwort": {"moonwort"},
}


def has(condition, text: str) -> bool:
    """Search word by word, without the regular expressions of policies.py."""
    tokens = re.findall(r"[\w-]+|[?!]", text)
    lower = {t.lower() for t in tokens} | {t.lower().removesuffix("s") for t in tokens}
    numbers = [int(t) for t in tokens if t.isdigit()]
    if condition.parts:
        return (all if condition.kind == "both" else any)([has(part, text) for part in condition.parts])
    if condition.kind in ("city", "person", "day", "month"):
        return bool(KINDS[condition.kind] & set(tokens))
    return {
        "number": bool(numbers),
        "above": any(n > int(condition.values[0]) for n in numbers if condition.kind == "above"),
        "below": any(n < int(condition.values[0]) for n in numbers if condition.kind == "below"),
        "question": "?" in tokens,
        "exclamation": "!" in tokens,
        "word": bool(condition.values) and condition.values[0].lower() in {t.lower() for t in tokens},
        "listed": bool({v.lower() for v in condition.values[1:]} & {t.lower() for t in tokens}),
    }.get(condition.kind, bool(KINDS.get(condition.kind, set()) & lower))


@pytest.mark.slow
def test_verdicts_are_those_of_a_reader_who_goes_word_by_word():
    labels = set()
    for number in range(1500):
        rng = random.Random(number)
        policy = safeguard.new_policy(rng, number % 2 == 0)
        text = safeguard.new_text(rng, policy, number % 3 == 0)
        wanted = "allowed"
        for place, rule in enumerate(policy, 1):
            if has(rule.condition, text) != rule.required and not (rule.exception and has(rule.exception, text)):
                wanted = f"violates rule {place}"
                break
        assert policies.verdict(policy, text) == wanted, (policy, text)
        assert ("broken" in policies.brief_check(policy, text)) == (wanted != "allowed")
        labels.add(wanted)
    assert labels == {"allowed", *(f"violates rule {n}" for n in (1, 2, 3, 4))}


@pytest.mark.slow
def test_policies_of_the_tests_are_never_trained_and_every_rule_is_written_down():
    shapes = [
        {tuple(r.shape for r in safeguard.new_policy(random.Random(n), side)) for n in range(300)} for side in (0, 1)
    ]
    assert not shapes[0] & shapes[1] and min(map(len, shapes)) > 200
    answers = [d.answer for d in drafts(safeguard.safeguard, 400, "low")]
    assert 0.2 < answers.count("allowed") / 400 < 0.6
    for draft in drafts(safeguard.safeguard, 100):
        assert len(re.findall(r"^(?:\d|\(\d|Rule \d)", draft.instructions, re.M)) == int(draft.level)
        assert draft.thought.split("\n")[-1] in ("No rule is broken.", "I stop at the first broken rule.")


# ---------------------------------------------------------------------------------------------------------------- desks

LIMIT = re.compile(
    r"the (\w+) (?:is|must be) (not |before |after |below |above |)([\w]+)( or more| or less| or later| or earlier|)"
)
FORBIDS = re.compile(r"not allowed if|forbidden if|not possible if|refused if|[Nn]ever|[Dd]o not|refuse|decline|say no")


def permits(line: str, record: dict) -> bool:
    """Read one line of a policy as a person would; return whether it permits its action for this record."""
    field, relation, value, tail = list(LIMIT.finditer(line))[-1].groups()
    have = record[field]
    if value in facts.DAYS:
        have, value = facts.DAYS.index(have), facts.DAYS.index(value)
    elif isinstance(have, int):
        value = int(value)
    true = {
        "before": lambda: have < value,
        "after": lambda: have > value,
        "below": lambda: have < value,
        "above": lambda: have > value,
        "not": lambda: have != value,
        "or more": lambda: have >= value,
        "or later": lambda: have >= value,
        "or less": lambda: have <= value,
        "or earlier": lambda: have <= value,
        "": lambda: have == value,
    }[(relation or tail).strip()]()
    return not true if FORBIDS.search(line) else true


CALLED = {
    "change_seat": "a change of the seat",
    "change_day": "a change of the day",
    "cancel": "a cancellation",
    "extend": "an extension",
    "return": "a return",
    "move_day": "another day",
    "refund": "a refund",
    "change_city": "another city",
    "move": "a move",
    "close": "a closure",
    "rename": "a new name",
}


@pytest.mark.slow
@pytest.mark.parametrize("split", SPLITS)
def test_what_a_desk_does_is_what_its_policy_says(split):
    done = declined = 0
    for draft in drafts(desk.use_desk, 400, "low", split):
        before, after = draft.check["before"], draft.check["after"]
        assert same_state(draft.check, draft.turns)
        calls = calls_of(draft.turns)
        acts = [(name, arguments) for name, arguments in calls if name != draft.check["desk"]["get"]]
        if not acts:
            assert before == after
        for name, arguments in acts:
            record = before[arguments[draft.check["desk"]["key"]]]
            called = CALLED.get(name) or CALLED[name.split("_")[0]]
            lines = [line for line in draft.instructions.split("\n") if called in line.lower() and LIMIT.search(line)]
            assert all(permits(line, record) for line in lines), (lines, record)
            assert before != after and calls[0][0] == draft.check["desk"]["get"]
            done += 1
        if said(draft.turns[-1]).startswith("I cannot do that. ") and calls:
            (number,) = calls[0][1].values()
            line = said(draft.turns[-1]).removeprefix("I cannot do that. ")
            assert line in draft.instructions and not permits(line, before[number])
            declined += 1
    assert done > 60 and declined > 60


def test_a_state_is_right_only_if_the_database_is():
    for draft in drafts(desk.use_desk, 100, "low", level="allowed"):
        check = draft.check
        name, arguments = calls_of(draft.turns)[-1]
        assert (
            check["before"] != check["after"] and not same_state(check, []) and not same_state(check, draft.turns[:2])
        )
        other = {**arguments, check["desk"]["key"]: "Z1"}
        assert play(check["desk"], check["before"], name, other) == ({"error": "not found"}, check["before"])
        assert play(check["desk"], check["before"], "drop_all", arguments) == ({"error": "not found"}, check["before"])
        wrong = [dict(turn) for turn in draft.turns]
        at = max(i for i, turn in enumerate(wrong) if turn.get("recipient", "").startswith("functions."))
        wrong[at] = {**wrong[at], "content": [{"type": "text", "text": json.dumps(other)}]}
        assert not same_state(check, wrong)
        broken = [*wrong[:at], {**wrong[at], "content": [{"type": "text", "text": "[1"}]}]
        assert not same_state(check, broken)


def test_desks_end_in_many_states():
    ends = {json.dumps(d.check["after"], sort_keys=True) for d in drafts(desk.use_desk, 300, "low")}
    assert len(ends) > 290
