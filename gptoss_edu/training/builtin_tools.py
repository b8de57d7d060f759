"""The two built-in tools: python for what is too large to work out, and a browser over small invented pages.

Their results are made here, in the form in which tools/ shows them; no code runs and no page is opened while training.
"""

from __future__ import annotations

import json
import math
import random
from functools import cache

from .example import Draft, final, message, result, thought
from .words import any_word, person, place, pseudo_word

PYTHON = {"python": {"name": "python", "description": "Runs Python code. Use print.", "tools": []}}
BROWSER = {
    "browser": {
        "name": "browser",
        "description": "Searches pages. Cite as 【{cursor}†L{line}】.",
        "tools": [
            {
                "name": "search",
                "description": "Searches for query.",
                "parameters": {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
            },
            {
                "name": "open",
                "description": "Opens the link id.",
                "parameters": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]},
            },
            {
                "name": "find",
                "description": "Finds pattern in the page.",
                "parameters": {
                    "type": "object",
                    "properties": {"pattern": {"type": "string"}},
                    "required": ["pattern"],
                },
            },
        ],
    }
}
"""Short descriptions, about 150 tokens in all: what gpt-oss-tiny should be given. It also knows the long ones."""


@cache
def _official() -> tuple[dict, dict]:
    from gptoss_edu.harmony import Conversation, Message, SystemContent, browser_tools, python_tool

    dicts = []
    for tool in (python_tool(), browser_tools()):
        content = SystemContent(tools={tool.name: tool})
        dicts.append(Conversation([Message("system", content)]).to_dict()["messages"][0]["content"][0]["tools"])
    return dicts[0], dicts[1]


def _call(recipient: str, text: str) -> dict:
    """Built-in tools are called on the analysis channel, with the content type 'code'."""
    return message("assistant", text, channel="analysis", recipient=recipient, content_type="code")


# ------------------------------------------------------------------------------------------------------------- python


def _number_tasks(rng: random.Random) -> list[tuple]:
    """(phrasings, values, code, value, answer); the last phrasings of each are held out."""
    a, b, n, k = (
        rng.randrange(10_000, 10 ** rng.randint(5, 8)),
        rng.randrange(10_000, 10 ** rng.randint(5, 8)),
        rng.randrange(5, 200),
        rng.randrange(2, 12),
    )
    word = any_word(rng) + any_word(rng)
    items = [rng.randrange(1, 100) for _ in range(rng.randrange(3, 9))]
    power, m = rng.randrange(3, 12), rng.randrange(5, 25)
    return [
        (("What is {a} times {b}?", "{a}*{b}", "Multiply {a} by {b}.", "Compute {a} × {b}.", "Product of {a} and {b}?", "Find {a} times {b}.", "Evaluate {a} * {b}."), {"a": a, "b": b}, f"print({a}*{b})", a * b, "{a} × {b} = {v}"),
        (("What is {n} to the power of {p}?", "{n}^{p}", "Compute {n}**{p}.", "Raise {n} to the power {p}.", "{n} to the {p}th power?", "Find the {p}th power of {n}.", "Calculate {n}^{p}."), {"n": n, "p": power}, f"print({n}**{power})", n**power, "{n} to the power of {p} is {v}."),
        (("What is the sum of all numbers from {k} to {n}?", "Add the numbers from {k} to {n}.", "Sum of {k} to {n}?", "Sum everything from {k} up to {n}.", "Add up all integers from {k} to {n}.", "Total of the numbers {k} to {n}?", "What do the numbers from {k} to {n} add up to?"), {"k": k, "n": n + 12}, f"print(sum(range({k}, {n + 13})))", sum(range(k, n + 13)), "The sum is {v}."),
        (("What is {m} factorial?", "{m}!", "Compute the factorial of {m}.", "Factorial of {m}?", "Find {m} factorial.", "Give me {m}!.", "How large is {m} factorial?"), {"m": m}, f"import math\nprint(math.factorial({m}))", math.factorial(m), "The factorial of {m} is {v}."),
        (("How many letters does {w} have?", "How long is the word {w}?", "Length of {w}?", "Count the letters of {w}.", "Number of letters in {w}?", "How many characters has {w}?", "What is the length of {w}?"), {"w": word}, f'print(len("{word}"))', len(word), "{w} has {v} letters."),
        (("What is {a} divided by {k}, rounded down?", "Divide {a} by {k} and round down.", "{a} // {k}", "How often does {k} go into {a}?", "Integer part of {a} divided by {k}?", "Floor of {a} over {k}?", "Divide {a} by {k}, without the rest."), {"a": a, "k": k}, f"print({a}//{k})", a // k, "The result is {v}."),
        (("What is the remainder of {a} divided by {k}?", "{a} mod {k}", "Remainder of {a} by {k}?", "Compute {a} modulo {k}.", "What is left when {a} is divided by {k}?", "Rest of {a} over {k}?", "Find {a} mod {k}."), {"a": a, "k": k}, f"print({a}%{k})", a % k, "The remainder is {v}."),
        (("What is the largest of {l}?", "Maximum of {l}?", "Which is the biggest of {l}?", "Find the maximum of {l}.", "Largest number in {l}?", "Pick the highest of {l}.", "The greatest among {l}?"), {"l": ", ".join(map(str, items))}, f"print(max({items}))", max(items), "The largest is {v}."),
        (("What is the sum of {l}?", "Sum up {l}.", "Total of {l}?", "Add all of {l}.", "Add these: {l}", "What do {l} add up to?", "Find the sum of {l}."), {"l": ", ".join(map(str, items))}, f"print(sum({items}))", sum(items), "The sum is {v}."),
        (("Is {n} a prime number?", "Is {n} prime?", "Check whether {n} is prime.", "Prime or not: {n}?", "Tell me if {n} is a prime.", "Can {n} only be divided by 1 and itself?", "Test {n} for primality."), {"n": n}, f"n = {n}\nprint(all(n % i for i in range(2, n)))", n > 1 and all(n % i for i in range(2, n)), "For {n} the answer is {v}."),
    ]  # fmt: skip


def use_python(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """One piece of code, its output, the answer; now and then the code fails."""
    phrasings, values, code, value, answer = rng.choice(_number_tasks(rng))
    index = rng.randrange(len(phrasings) - 2, len(phrasings)) if unseen else rng.randrange(len(phrasings) - 2)
    failed = rng.random() < 0.06
    shown = (
        rng.choice(
            ("TimeoutError: the code took too long", "MemoryError", "KeyboardInterrupt", "ValueError: too large")
        )
        if failed
        else str(value)
    )
    text = (
        f"The code failed: {shown.split(':')[0]}."
        if failed
        else answer.format(**values, v="yes" if value is True else "no" if value is False else value)
    )
    turns: list[dict] = []
    if style == "medium":
        turns.append(thought("Python can do that."))
    elif style == "high":
        turns.append(thought("I should not guess this. The python tool can work it out; I print the result."))
    turns += [_call("python", code), result("python", shown, channel="analysis")]
    if style != "low":
        turns.append(
            thought(
                "It failed; I say so."
                if failed
                else f"{shown}."
                if style == "medium"
                else f"The output is {shown}. I report it."
            )
        )
    builtin = PYTHON if rng.random() < 0.7 else _official()[0]
    return Draft(
        phrasings[index].format(**values),
        text,
        None,
        text,
        "dialogue",
        "error" if failed else "ok",
        turns=[*turns, final(text)],
        builtin=builtin,
        phrasing=index,
    )


# ------------------------------------------------------------------------------------------------------------ browser

# attribute: line on the page, phrasings of the question, answer
_FIELDS: dict[str, tuple] = {
    "founded": ("It was founded in {v}.", ("When was {e} founded?", "In which year was {e} founded?", "Year of the founding of {e}?", "How long ago was {e} founded? Give the year.", "What year does {e} date from?", "Since when does {e} exist?"), "{e} was founded in {v}."),
    "people": ("{v} people live there.", ("How many people live in {e}?", "What is the population of {e}?", "Population of {e}?", "Tell me how many people live in {e}.", "How many inhabitants does {e} have?", "How large is the population of {e}?"), "{v} people live in {e}."),
    "river": ("It lies on the river {v}.", ("On which river does {e} lie?", "Which river flows through {e}?", "River of {e}?", "Name the river of {e}.", "What river runs by {e}?", "Tell me the river at {e}."), "{e} lies on the river {v}."),
    "mayor": ("The mayor is {v}.", ("Who is the mayor of {e}?", "Mayor of {e}?", "Name the mayor of {e}.", "Who leads {e} as mayor?", "What is the mayor of {e} called?", "Tell me who the mayor of {e} is."), "The mayor of {e} is {v}."),
    "known": ("It is known for its {v}.", ("What is {e} known for?", "For what is {e} known?", "What is {e} famous for?", "Why do people know {e}?", "Tell me what {e} is known for.", "What made {e} famous?"), "{e} is known for its {v}."),
    "height": ("It stands {v} metres above the sea.", ("How high is {e}?", "How many metres above the sea is {e}?", "Height of {e}?", "Tell me the height of {e}.", "At what height does {e} stand?", "What is the altitude of {e}?"), "{e} stands {v} metres above the sea."),
}  # fmt: skip
_ASK_PAGE = (
    "Look this up: {q}",
    "{q}",
    "{q}",
    "{q} Search for it.",
    "Please search: {q}",
    "Find out: {q}",
    "{q} Use the browser.",
)


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
    """Search, open the right link, perhaps find a word on the page, and answer with the line cited."""
    name = place(rng) if rng.random() < 0.3 else pseudo_word(rng, rng.choice((2, 2, 3))).capitalize()
    field = rng.choice(list(_FIELDS))
    known = rng.sample(list(_FIELDS), rng.randrange(2, 6))
    missing = rng.random() < 0.12
    known = [f for f in known if f != field] if missing else known if field in known else [*known[1:], field]
    rng.shuffle(known)
    sentence, phrasings, answer = _FIELDS[field]
    index = len(phrasings) - 1 if unseen else rng.randrange(len(phrasings) - 1)
    values = {f: _value(rng, f) for f in known}
    address = f"{rng.choice(('course://pages', 'https://wiki.example', 'https://towns.example'))}/{name.lower()}"
    lines = [
        f"# {name}",
        "",
        f"{name} is a {rng.choice(('town', 'village', 'city'))}.",
        *(_FIELDS[f][0].format(v=values[f]) for f in known),
    ]
    turns = _search(rng, style, name, address)
    where = lines.index(sentence.format(v=values[field])) if not missing else -1
    pages = _open_page(rng, style, name, address, lines, where, sentence, turns)
    if missing:
        text = f"The page about {name} does not say that."
    else:
        text = answer.format(e=name, v=values[field]) + f"【{pages}†L{where if pages == 1 else 1}】"
    if style != "low":
        found = "not on the page" if missing else f"line {where}"
        turns.append(
            thought(
                f"It is {found}."
                if style == "medium"
                else f"I looked for {field}. It is {found}. I "
                + ("say so and do not guess." if missing else "cite that line.")
            )
        )
    builtin = BROWSER if rng.random() < 0.85 else _official()[1]
    question = rng.choice(_ASK_PAGE).format(q=phrasings[index].format(e=name))
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
    """The search call, its result, and the call that opens the right link."""
    titles = [name] + [
        pseudo_word(rng, 2).capitalize()
        if rng.random() < 0.6
        else name + rng.choice((" FC", " Hotel", " Airport", " News"))
        for _ in range(rng.randrange(0, 4))
    ]
    rng.shuffle(titles)
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
    link = titles.index(name)
    if style == "high":
        turns.append(thought(f"Link {link} is {name} itself. I open it."))
    turns.append(_call("browser.open", json.dumps({"id": link})))
    return turns


def _open_page(
    rng: random.Random,
    style: str,
    name: str,
    address: str,
    lines: list[str],
    where: int,
    sentence: str,
    turns: list[dict],
) -> int:
    """The opened page, and where it is long a search for a word on it. Returns the cursor that holds the answer."""
    turns.append(result("browser.open", display(1, f"{name} ({address})", lines), channel="analysis"))
    if where < 0 or len(lines) < 8:
        return 1
    pattern = sentence.split(" {v}")[0].split("{v} ")[-1].rstrip(".")
    if style != "low":
        turns.append(
            thought(
                f"Find {pattern}." if style == "medium" else f"To be sure I look for the words {pattern} on the page."
            )
        )
    turns.append(_call("browser.find", json.dumps({"pattern": pattern})))
    turns.append(
        result(
            "browser.find",
            display(
                2,
                f"Find results for text: `{pattern}` in `{name}` ({address}/find)",
                [f"# 【0†match at L{where}】", lines[where]],
            ),
            channel="analysis",
        )
    )
    return 2
