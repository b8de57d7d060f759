"""Compare training tasks with independent code.

That is the browser tool, Python's sorting, and the split itself.
"""

import random
import re

import pytest

from gptoss_edu.tasks import hierarchy
from gptoss_edu.tasks.browsing import FIELDS
from gptoss_edu.tasks.example import RIGHT, STYLES, WRONG, Phrasings, held_out
from gptoss_edu.tasks.mix import SPLITS, TASKS, make_example
from gptoss_edu.tasks.sorting import sort_items
from gptoss_edu.tools.browser import LINE_WIDTH, BrowserTool
from gptoss_edu.tools.pages import Page

SEARCH_LINK = re.compile(r"【(\d+)†([^†]*)†([^】]*)】 ?(.*)")

# ------------------------------------------------------------------------------------------------------------ browser


class ShownPages:
    """Serve what one example shows: its search result, and the page behind its link."""

    source = "web"

    def __init__(self, example):
        results = {m["name"]: m["content"][0]["text"] for m in example.messages if m["role"] == "tool"}
        # Examples show "pages" where the tool would show "course:pages"; an https:// address gives the same text.
        self.found = [(f"https://{s}/{i}", t, p) for i, t, s, p in SEARCH_LINK.findall(results["browser.search"])]
        self.query = results["browser.search"].partition("\n")[0].removeprefix("[0] ")
        head, _, body = results["browser.open"].partition("\n\n")
        title, url = re.match(r"\[1\] (.*) \((.*)\)", head).groups()
        self.page = Page(url, title, "\n".join(line.partition(": ")[2] for line in body.split("\n")))

    def search(self, query, limit):
        assert query == self.query
        return self.found

    def fetch(self, url):
        title = dict((address, name) for address, name, _ in self.found)[url]
        return self.page if title == self.page.title else Page(url, title, "Another page.")


def asked_field(question: str, name: str) -> str:
    """Return the field with the longest wording that occurs in the question."""
    fits = {}
    for field, (_, phrasings, _) in FIELDS.items():
        for _, wordings in (*phrasings.sides[0], *phrasings.sides[1]):
            for wording in wordings:
                bare = wording.format(e=name).lower().rstrip(".?")
                if bare in question.lower():
                    fits[field] = max(fits.get(field, 0), len(bare))
    return max(fits, key=fits.get)


@pytest.mark.slow
@pytest.mark.parametrize("effort", STYLES)
@pytest.mark.parametrize("split", SPLITS)
def test_the_browser_tool_shows_what_the_training_text_shows(split, effort):
    same, missing, links = 0, 0, set()
    for number in range(40):
        example = make_example(random.Random(f"browser{number}"), "browser", effort=effort, split=split)
        backend = ShownPages(example)
        tool = BrowserTool(backend)
        for call, shown in zip(example.messages, example.messages[1:], strict=False):
            if call.get("recipient", "").startswith("browser."):
                arguments, text = call["content"][0]["text"], shown["content"][0]["text"]
                found = tool.call(call["recipient"], arguments).text
                if all(len(line.partition(": ")[2]) <= LINE_WIDTH for line in text.split("\n")[3:]):
                    assert found == text  # the tool wraps longer lines; training does not
                    same += 1
                if call["recipient"] == "browser.open":
                    assert tool.pages[-1] is backend.page
                    links.add(arguments)
        missing += check_citation(example, tool, backend.page.title)
    assert same > 80 and missing >= 1 and len(links) >= 3


def check_citation(example, tool: BrowserTool, name: str) -> bool:
    """Check that the cited line says what the answer says.

    Return True if the answer is "missing" instead, and the page does not have it.
    """
    answer, thoughts = example.answer, " ".join(m["content"][0].get("text", "") for m in example.messages)
    field = asked_field(example.question, name)
    line, _, says = FIELDS[field]
    before, after = line.split("{v}")
    if example.level == "missing":
        assert "does not say" in answer and not tool.citations(answer)
        shown = [text for page in tool.pages[1:] for text in page.text.split("\n")]
        assert not [text for text in shown if text.startswith(before) and text.endswith(after)]
        return True
    assert example.level == field
    (cited,) = tool.citations(answer)
    (text,) = cited.lines
    value = text[len(before) : len(text) - len(after)]
    assert text == line.format(v=value) and answer == says.format(e=name, v=value) + cited.mark
    for number in re.findall(r"\bline (\d+)\.", thoughts):
        assert int(number) == cited.first
    return False


# ----------------------------------------------------------------------------------------------------------- wordings


# their wordings are composed; test_tasks_rules.py checks their split
GRAMMARS = {"situations", "rules", "secrets", "injections", "moonwort", "personas", "safeguard", "desk"}


@pytest.mark.slow
@pytest.mark.parametrize("task", [task for task in TASKS if task not in GRAMMARS])
def test_the_phrasing_split_asks_in_held_out_wordings_and_training_never_does(task, monkeypatch):
    """There is one exception. In "hierarchy", the rules above the user are trained ones in every split; held out is how
    the user tries to lift a rule. So more than a third of its prompts hold trained wordings alone.
    """
    picked, pick = [], Phrasings.pick

    def noted(self, rng, unseen):
        number, wording = pick(self, rng, unseen)
        held = any(wording in wordings for _, wordings in self.sides[1])
        picked.append((self, held))
        return number, wording

    monkeypatch.setattr(Phrasings, "pick", noted)
    seldom = 0  # examples without any wording from a Phrasings
    for number in range(60):
        for split in SPLITS:
            picked.clear()
            example = make_example(random.Random(f"{task}{number}"), task, split=split)
            if split != "phrasing":
                assert not any(held for _, held in picked), example.question
                continue
            fixed = hierarchy.RULES.values() if task == "hierarchy" and example.level != "user" else ()
            assert all(held != any(one is rule for rule in fixed) for one, held in picked), example.question
            seldom += not picked
            if task == "refusal":  # its templates are not Phrasings
                assert example.phrasing % 8 == 5
    assert seldom == 60 if task == "refusal" else seldom < 20 if task == "functions" else seldom == 0


# ------------------------------------------------------------------------------------------------------------ sorting

UP = re.compile(r"\b(?:ascending|increasing|rising|small|smallest|low|lowest|least)\b", re.I)
DOWN = re.compile(r"\b(?:descending|decreasing|falling|large|largest|big|biggest|high|highest|greatest)\b", re.I)


def solved(question: str, count: int) -> tuple[list, list, bool]:
    """Return (items in the question's order, items sorted as it asks, whether it asks for descending order)."""
    listed = max(re.findall(r"\w+(?:, \w+)+", question), key=lambda run: run.count(",")).split(", ")[:count]
    if not listed[0].isdigit():
        return listed, sorted(listed), False
    up, down = UP.search(question), DOWN.search(question)
    falling = down is not None and (up is None or down.start() < up.start())
    items = [int(item) for item in listed]
    return items, sorted(items, reverse=falling), falling


@pytest.mark.slow
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("split", SPLITS)
def test_lists_are_sorted_as_the_question_asks(split, style):
    falling, redone = 0, 0
    for number in range(150):
        draft = sort_items(random.Random(f"sort{number}"), style, split != "train", split == "phrasing")
        items, wanted, down = solved(draft.question, int(draft.level))
        text = ", ".join(map(str, wanted))
        assert draft.answer == draft.final == text, draft.question
        assert held_out(*items) is (split != "train"), items
        falling += down
        if style == "medium":
            assert draft.thought.endswith(f"{'down' if down else 'up'}: {text}")
        elif style == "high":
            redone += check_ordered(draft.thought, wanted, ">" if down else "<")
    assert 20 <= falling <= 60 and (style != "high" or redone)


def check_ordered(thought: str, wanted: list, sign: str) -> bool:
    """Check that a line with "ok" holds every item in order.

    In a line with "bad", the two marked items must be out of order.
    """
    lines = thought.split("\n")
    (right,) = [line for line in lines if line.endswith(" ok")]
    assert right is lines[-1] and right == sign.join(map(str, wanted)) + " ok"
    bad = [line for line in lines if line.endswith(" bad, redo")]
    for line in bad:
        first, second = re.findall(f"{WRONG}(.*?){RIGHT}", line)
        at = [str(item) for item in wanted]
        assert line.count(sign) >= 1 and at.index(first) == at.index(second) + 1
    return bool(bad)
