"""The browser tool over small invented pages: search, open the right link, find the line, cite it.

Low effort opens a link and lets the tool find the place. Medium and high effort read: they go through the links and the
lines in their order and stop at the right one, so that each step only copies what stands next.
"""

from __future__ import annotations

import json
import random

from .builtin_tools import BROWSER, _call, _official
from .example import Draft, Phrasings, expand_all, final, result, thought
from .read_wordings import wordings
from .words import any_word, person, place, pseudo_word

TEXT = wordings("browsing")

# attribute: line on the page, wordings of the question, answer
FIELDS: dict[str, tuple[str, Phrasings, str]] = {
    "founded": (
        "It was founded in {v}.",
        Phrasings(*TEXT["fields"]["founded"]),
        "{e} was founded in {v}.",
    ),
    "people": (
        "{v} people live there.",
        Phrasings(*TEXT["fields"]["people"]),
        "{v} people live in {e}.",
    ),
    "river": (
        "It lies on the river {v}.",
        Phrasings(*TEXT["fields"]["river"]),
        "{e} lies on the river {v}.",
    ),
    "mayor": (
        "The mayor is {v}.",
        Phrasings(*TEXT["fields"]["mayor"]),
        "The mayor of {e} is {v}.",
    ),
    "known": (
        "It is known for its {v}.",
        Phrasings(*TEXT["fields"]["known"]),
        "{e} is known for its {v}.",
    ),
    "height": (
        "It stands {v} metres above the sea.",
        Phrasings(*TEXT["fields"]["height"]),
        "{e} stands {v} metres above the sea.",
    ),
}
ASK = expand_all(TEXT["ask"])
LONG = 8  # a page of so many lines is not read through
MATCH_LINES = 4  # what a match shows, as in tools/browser.py; a test holds the two equal


def _value(rng: random.Random, field: str):
    return {
        "founded": rng.randrange(900, 2020),
        "people": rng.randrange(100, 10 ** rng.randrange(3, 7)),
        "river": pseudo_word(rng, 2).capitalize(),
        "mayor": f"{person(rng)} {pseudo_word(rng, 2).capitalize()}",
        "known": any_word(rng),
        "height": rng.randrange(1, 4000),
    }[field]


def display(cursor: int, title: str, lines: list[str]) -> str:
    """Return a page as tools/browser.py shows it: cursor, title, and numbered lines."""
    body = "\n".join(f"L{i}: {line}" for i, line in enumerate(lines))
    return f"[{cursor}] {title}\n**viewing lines [0 - {len(lines) - 1}] of {len(lines) - 1}**\n\n{body}"


def use_browser(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """Search, open the right link, read or find, and answer with the line cited."""
    name = place(rng) if rng.random() < 0.3 else pseudo_word(rng, rng.choice((2, 2, 3))).capitalize()
    field = rng.choice(list(FIELDS))
    known = rng.sample(list(FIELDS), rng.randrange(2, 6))
    missing = rng.random() < 0.12
    known = [f for f in known if f != field] if missing else known if field in known else [*known[1:], field]
    rng.shuffle(known)
    sentence, phrasings, answer = FIELDS[field]
    index, wording = phrasings.pick(rng, unseen)
    values = {f: _value(rng, f) for f in known}
    address = f"{rng.choice(('course://pages', 'https://wiki.example', 'https://towns.example'))}/{name.lower()}"
    lines = [f"# {name}", "", f"{name} is a {rng.choice(('town', 'village', 'city'))}."]
    first = len(lines)
    lines += [FIELDS[f][0].format(v=values[f]) for f in known]
    turns = _search(rng, style, name, address)
    turns.append(result("browser.open", display(1, f"{name} ({address})", lines), channel="analysis"))
    if style == "low" or len(lines) >= LONG:
        where = "2†L1"
        turns += _find(style, name, address, lines, sentence)
    else:
        at = -1 if missing else first + known.index(field)
        where = f"1†L{at}"
        turns.append(thought(_read(style, first, known, lines, field, at)))
    if missing:
        text = f"The page about {name} does not say that."
    else:
        text = f"{answer.format(e=name, v=values[field])}【{where}】"
    question = rng.choice(ASK).format(q=wording.format(e=name))
    builtin = BROWSER if rng.random() < 0.85 else _official()[1]
    return Draft(
        question,
        text,
        None,
        text,
        "dialogue",
        "missing" if missing else field,
        turns=[*turns, final(text)],
        builtin=builtin,
        phrasing=index,
    )


def _search(rng: random.Random, style: str, name: str, address: str) -> list[dict]:
    """Return the search call, its result, and the call that opens the right link: often, not always, the first."""
    titles = [
        pseudo_word(rng, 2).capitalize()
        if rng.random() < 0.6
        else name + rng.choice((" FC", " Hotel", " Airport", " News"))
        for _ in range(rng.choice((0, 1, 1, 2, 2, 3)))
    ]
    link = 0 if rng.random() < 0.5 else rng.randrange(len(titles) + 1)
    titles.insert(link, name)
    site = address.split("//")[1].split("/")[0]
    passages = [" ".join(any_word(rng) for _ in range(rng.randrange(0, 4))) for _ in titles]
    lines = [
        "# Search Results",
        "",
        *(f"  * 【{i}†{t}†{site}】 {p}" for i, (t, p) in enumerate(zip(titles, passages, strict=True))),
    ]
    turns: list[dict] = []
    if style == "medium":
        turns.append(thought(f"Search {name}."))
    elif style == "high":
        turns.append(thought(f"I do not know {name}. I search for it with the browser."))
    turns.append(_call("browser.search", json.dumps({"query": name}, ensure_ascii=False)))
    turns.append(result("browser.search", display(0, name, lines), channel="analysis"))
    passed = list(enumerate(titles[:link]))
    if style == "medium":
        turns.append(thought("".join(f"{i} {title}, " for i, title in passed) + f"{link} {name}: open {link}."))
    elif style == "high":
        others = "".join(f"Link {i} is {title}, not what I want. " for i, title in passed)
        turns.append(thought(f"{others}Link {link} is {name} itself. I open link {link}."))
    turns.append(_call("browser.open", json.dumps({"id": link})))
    return turns


def _read(style: str, first: int, known: list[str], lines: list[str], field: str, at: int) -> str:
    """Read line after line until the wanted one."""
    last = len(lines) if at < 0 else at + 1
    if style == "medium":
        passed = ", ".join(f"L{i} {known[i - first]}" for i in range(first, last))
        return f"{field}? {passed}: " + ("not there." if at < 0 else f"line {at}.")
    passed = "\n".join(f"L{i}: {lines[i]}" for i in range(first, last))
    end = "None of them says it. I say so and do not guess." if at < 0 else f"That is it. I cite line {at}."
    return f"I look for {field}.\n{passed}\n{end}"


def _find(style: str, name: str, address: str, lines: list[str], sentence: str) -> list[dict]:
    """Return a search for words on the open page: what it shows has the matching line as its line 1."""
    pattern = sentence.split(" {v}")[0].split("{v} ")[-1].rstrip(".")
    turns: list[dict] = []
    if style != "low":
        turns.append(
            thought(f"Find {pattern}." if style == "medium" else f'I look for the words "{pattern}" on the page.')
        )
    turns.append(_call("browser.find", json.dumps({"pattern": pattern})))
    at = next((i for i, line in enumerate(lines) if pattern in line), -1)
    shown = [f"# 【0†match at L{at}】", *lines[at : at + MATCH_LINES]]
    if at < 0:
        shown = [f"No `find` results for pattern: `{pattern}`"]
    title = f"Find results for text: `{pattern}` in `{name}` ({address}/find)"
    turns.append(result("browser.find", display(2, title, shown), channel="analysis"))
    if style == "medium":
        turns.append(thought("Not there." if at < 0 else "It is line 1."))
    elif style == "high":
        end = (
            "The page does not say it. I say so and do not guess."
            if at < 0
            else "The first line has it. I cite line 1."
        )
        turns.append(thought(end))
    return turns
