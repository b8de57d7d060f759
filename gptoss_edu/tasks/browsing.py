"""The browser tool over small invented pages: search, open the right link, find the line, cite it.

Low effort opens a link and lets the tool find the place. Medium and high effort read: they go through the links and the
lines in their order and stop at the right one, so that each step only copies what stands next.
"""

from __future__ import annotations

import json
import random

from .builtin_tools import BROWSER, _call, _official
from .example import Draft, Phrasings, expand, final, result, thought
from .words import any_word, person, place, pseudo_word

# attribute: line on the page, wordings of the question, answer
FIELDS: dict[str, tuple[str, Phrasings, str]] = {
    "founded": (
        "It was founded in {v}.",
        Phrasings(
            "[When|In which year|In what year] was {e} [founded|established|built|begun]?", "[Year|Date] of the [founding|foundation] of {e}?", "[How long ago was|How old is] {e}[ founded|]? Give the year.",
            "[What|Which] year does {e} [date from|go back to]?", "Since [when|which year] does {e} exist?", "[Tell me|Say|Find out] [when|in which year] {e} was [founded|established|begun].",
            "[Give me|I need|Look up] the [founding year|year of foundation] of {e}.", "[What is|What's] the [founding year|year of foundation] of {e}?", "When did {e} [begin|start|come into being]?",
            "I [want|would like] to know [when|in which year] {e} was [founded|established].", "[founding year|year of foundation] of {e}", "When did [people|somebody] [found|establish] {e}?", "Do you know when {e} was [founded|established|begun]?",
        ),
        "{e} was founded in {v}.",
    ),
    "people": (
        "{v} people live there.",
        Phrasings(
            "How many [people|inhabitants|residents] [live in|has|are there in] {e}?", "[What is|What's|Give me|Tell me|Look up] the population of {e}[?|, please.]", "[Population|Number of people|Inhabitants] of {e}?",
            "[Tell me|Say|Find out] how many [people|inhabitants] live in {e}.", "How many [inhabitants|residents|people] does {e} have?", "How [large|big] is the population of {e}?", "How [populous|many people strong] is {e}?",
            "I [need|want to know] the [population|number of inhabitants] of {e}.", "[What is|What's] the number of [people|inhabitants|residents] [in|of] {e}?", "By how many people is {e} inhabited?", "Do you know how many [people|residents] live in {e}?",
            "[population|people] of {e}", "Count the [people|inhabitants] of {e}.",
        ),
        "{v} people live in {e}.",
    ),
    "river": (
        "It lies on the river {v}.",
        Phrasings(
            "[On|By|At] [which|what] river [does {e} lie|is {e}|is {e} situated]?", "[Which|What] river [flows through|runs by|runs through|passes] {e}?", "River [of|at|in] {e}?", "[Name|Tell me|Give me|Look up] the river [of|at] {e}.",
            "[What is|What's] the [river|name of the river] [at|of|in] {e}?", "[Tell me|Say|Find out] on which river {e} [lies|is].", "[Which|What] is the river of {e}?", "I [want|need] to know the river [of|at] {e}.",
            "How is the river [at|of] {e} called?", "[What|Which] water [runs|flows] [through|by] {e}? Name the river.", "Do you know [on which river {e} lies|the river of {e}]?", "the river of {e}",
        ),
        "{e} lies on the river {v}.",
    ),
    "mayor": (
        "The mayor is {v}.",
        Phrasings(
            "Who is [the mayor of {e}|mayor in {e}|{e}'s mayor]?", "[Mayor|Name of the mayor] of {e}?", "[Name|Give me|Tell me|Look up] the mayor of {e}.", "Who [leads|runs|governs] {e}[ as mayor|, as its mayor]?",
            "What is the mayor of {e} called?", "[Tell me|Say|Find out] who [the mayor of {e} is|is mayor of {e}].", "[What is|What's] the name of [the mayor of {e}|{e}'s mayor]?", "Which [person|man or woman] is [the mayor of {e}|mayor of {e}]?",
            "I [want|need] to know [the mayor of {e}|who the mayor of {e} is].", "How is the mayor of {e} called?", "Do you know [the mayor of {e}|who is mayor of {e}]?", "[the mayor|mayor] of {e}", "Who [holds the office of|works as] mayor [of|in] {e}?",
        ),
        "The mayor of {e} is {v}.",
    ),
    "known": (
        "It is known for its {v}.",
        Phrasings(
            "What is {e} [known|famous|well known|celebrated|renowned] for?", "For what is {e} [known|famous|renowned]?", "Why [do people know {e}|is {e} known|is {e} famous]?", "[Tell me|Say|Find out] what {e} is [known|famous|renowned] for.",
            "What [made|makes] {e} [famous|known|well known]?", "[Give me|Name|Look up] [what|the thing that] {e} is [known|famous] for.", "What do people [know|praise] {e} for?", "What is the [fame|speciality] of {e}?", "What are people [told about|proud of in] {e}? What is it known for?",
            "I [want|need] to know what {e} is [known|famous] for.", "Do you know what {e} is [known|famous|renowned] for?", "{e}[:| -] known for what?", "What has {e} become [known|famous] for?",
        ),
        "{e} is known for its {v}.",
    ),
    "height": (
        "It stands {v} metres above the sea.",
        Phrasings(
            "How high is {e}[| above the sea]?", "How [many metres|far] above the sea [is|lies|stands] {e}?", "[Height|Altitude|Elevation] of {e}?", "[Tell me|Give me|Look up|Name] the [height|altitude|elevation] of {e}[.| in metres.]",
            "At [what|which] [height|altitude] [does {e} stand|does {e} lie|is {e}]?", "[What is|What's] the [height|altitude|elevation] of {e}?", "[Tell me|Say|Find out] how high {e} [is|lies|stands].", "How high up [is|lies] {e}?",
            "I [want|need] to know the [height|altitude|elevation] of {e}.", "How many metres high [is|lies] {e}?", "Do you know [how high {e} is|the altitude of {e}]?", "[height|altitude] of {e} above the sea", "How much higher than the sea is {e}?",
        ),
        "{e} stands {v} metres above the sea.",
    ),
}  # fmt: skip
ASK = [
    wording
    for pattern in (
        "{q}", "{q}", "{q}", "{q}", "Look this up[|, please]: {q}", "{q} [Search for it.|Look it up.|Use the browser.|Use the search.|Search the pages.|Find it.]", "[Please search|Search]: {q}", "Find [out|the answer]: {q}",
        "[With the browser|Use the browser|From the pages]: {q}", "{q} [Say where it stands.|Cite the line.|Give the source.]",
    )
    for wording in expand(pattern)
]  # fmt: skip
LONG = 8  # a page of so many lines is not read through
MATCH_LINES = 4  # what a match shows, as in tools/browser.py; a test holds the two equal


def _value(rng: random.Random, field: str):
    return {
        "founded": rng.randrange(900, 2020), "people": rng.randrange(100, 10 ** rng.randrange(3, 7)), "river": pseudo_word(rng, 2).capitalize(),
        "mayor": f"{person(rng)} {pseudo_word(rng, 2).capitalize()}", "known": any_word(rng), "height": rng.randrange(1, 4000),
    }[field]  # fmt: skip


def display(cursor: int, title: str, lines: list[str]) -> str:
    """A page as tools/browser.py shows it: cursor, title, and numbered lines."""
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
        question, text, None, text, "dialogue", "missing" if missing else field, turns=[*turns, final(text)], builtin=builtin, phrasing=index
    )  # fmt: skip


def _search(rng: random.Random, style: str, name: str, address: str) -> list[dict]:
    """The search call, its result, and the call that opens the right link: often, not always, the first."""
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
    """Line after line until the one that was asked for."""
    last = len(lines) if at < 0 else at + 1
    if style == "medium":
        passed = ", ".join(f"L{i} {known[i - first]}" for i in range(first, last))
        return f"{field}? {passed}: " + ("not there." if at < 0 else f"line {at}.")
    passed = "\n".join(f"L{i}: {lines[i]}" for i in range(first, last))
    end = "None of them says it. I say so and do not guess." if at < 0 else f"That is it. I cite line {at}."
    return f"I look for {field}.\n{passed}\n{end}"


def _find(style: str, name: str, address: str, lines: list[str], sentence: str) -> list[dict]:
    """A search for words on the open page: what it shows has the matching line as its line 1."""
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
