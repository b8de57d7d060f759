"""The two built-in tools: python for what is too large to work out, and a browser over small invented pages.

Their results are made here, in the form in which tools/ shows them; no code runs and no page is opened while training.
"""

from __future__ import annotations

import math
import random
from functools import cache

from .example import Draft, Phrasings, final, message, result, thought
from .read_wordings import wordings
from .words import any_word

TEXT = wordings("builtin_tools")

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
    """Call a built-in tool: on the analysis channel, with the content type 'code'."""
    return message("assistant", text, channel="analysis", recipient=recipient, content_type="code")


# ------------------------------------------------------------------------------------------------------------- python


_WORDINGS = {kind: Phrasings(*patterns) for kind, patterns in TEXT["wordings"].items()}


def _number_tasks(rng: random.Random) -> list[tuple]:
    """Return (kind of wording, values, code, value, answer), one of each kind."""
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
        ("product", {"a": a, "b": b}, f"print({a}*{b})", a * b, "{a} × {b} = {v}"),
        (
            "power",
            {"n": n, "p": power, "th": "3rd" if power == 3 else f"{power}th"},
            f"print({n}**{power})",
            n**power,
            "{n} to the power of {p} is {v}.",
        ),
        (
            "range",
            {"k": k, "k2": k + 1, "n": n + 12},
            f"print(sum(range({k}, {n + 13})))",
            sum(range(k, n + 13)),
            "The sum is {v}.",
        ),
        (
            "factorial",
            {"m": m},
            f"import math\nprint(math.factorial({m}))",
            math.factorial(m),
            "The factorial of {m} is {v}.",
        ),
        ("length", {"w": word}, f'print(len("{word}"))', len(word), "{w} has {v} letters."),
        ("floor", {"a": a, "k": k}, f"print({a}//{k})", a // k, "The result is {v}."),
        ("mod", {"a": a, "k": k}, f"print({a}%{k})", a % k, "The remainder is {v}."),
        ("max", {"l": ", ".join(map(str, items))}, f"print(max({items}))", max(items), "The largest is {v}."),
        ("total", {"l": ", ".join(map(str, items))}, f"print(sum({items}))", sum(items), "The sum is {v}."),
        (
            "prime",
            {"n": n},
            f"n = {n}\nprint(all(n % i for i in range(2, n)))",
            n > 1 and all(n % i for i in range(2, n)),
            "For {n} the answer is {v}.",
        ),
    ]


def use_python(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """Draw one piece of code, its output and the answer; sometimes the code fails."""
    kind, values, code, value, answer = rng.choice(_number_tasks(rng))
    index, template = _WORDINGS[kind].pick(rng, unseen)
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
        template.format(**values),
        text,
        None,
        text,
        "dialogue",
        "error" if failed else "ok",
        turns=[*turns, final(text)],
        builtin=builtin,
        phrasing=index,
    )
