"""The two built-in tools: python for what is too large to work out, and a browser over small invented pages.

Their results are made here, in the form in which tools/ shows them; no code runs and no page is opened while training.
"""

from __future__ import annotations

import math
import random
from functools import cache

from .example import Draft, Phrasings, final, message, result, thought
from .words import any_word

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


_YOU = "[Can|Could|Would|Will] you [please |]"
_KNOW = (
    "[I want to know|I'd like to know|I need to know|I would like to know|I wonder|Tell me|Please tell me|Find out] "
)
_WORDINGS = {
    "product": Phrasings(
        "[What is|What's|How much is] {a} [times|multiplied by|*|×|x] {b}?", "{a}[*| * |×| × | x | times ]{b}[| = ?| =|?]", "[Multiply|Please multiply] {a} [by|with|and|times] {b}.",
        "[Compute|Calculate|Find|Work out|Evaluate|Determine|Solve|Tell me|Give me] {a} [times|multiplied by|*|×] {b}[|, please| with Python| for me].", "[Product|The product|Multiplication] of {a} and {b}[?|]", "[Calculate|Compute|Find|Work out|Determine|Give me|Tell me] the product of {a} and {b}[|, please].",
        _YOU + "[multiply {a} by|compute {a} times|calculate {a} *|work out {a} times] {b}?", _KNOW + "[what {a} times {b} is|how much {a} times {b} is].", "[What do you get|What comes out|What do I get] when [you multiply|I multiply|multiplying] {a} by {b}?",
        "I [need|want|have] to multiply {a} by {b}.", "[What is|What's] the [product|result] of {a} [times|multiplied by|*|×] {b}?", "[Run|Use|Write] [Python|code|a program] to multiply {a} by {b}.", "If you multiply {a} and {b}, what [is the product|do you get|comes out]?",
        "[A box holds|A shelf holds|A house has] {a} [nails|seeds|bricks]. How many [are in|make] {b} of them?",
    ),
    "power": Phrasings(
        "[What is|What's|How much is] {n} [to the power of|to the power|raised to|raised to the power of|^|**] {p}?", "{n}[^|**| ^ | ** |**]{p}[| = ?| =|?]", "[Compute|Calculate|Find|Work out|Evaluate|Determine|Tell me|Give me] {n}[**|^| to the power of | raised to the power ]{p}[|, please].",
        "[Raise|Please raise|Take] {n} to the power [of |]{p}.", "{n} to the {th} power[?|]", "[Find|Compute|Calculate|Give me|Work out|Tell me] the {th} power of {n}.", "[What is|What's] the {th} power of {n}?", _YOU + "[raise {n} to the power|compute {n} to the power|calculate {n} to the power of] {p}?",
        _KNOW + "[what {n} to the power of {p} is|how much {n} to the power of {p} is].", "[Power|Exponent|Powers]: {n}[^|**| to the power of | to the ]{p}", "[What do you get|What comes out] when [{n} is raised|you raise {n}|I raise {n}] to the power [of |]{p}?",
        "[Base|The base is] {n}, [exponent|the exponent is] {p}. What is the [power|result|value]?", "I need {n} [to the power of|raised to|to the power] {p}.", "[What is|What's] the [value|result] of {n}[^|**| to the power of ]{p}?",
    ),
    "range": Phrasings(
        "[What is|What's] the [sum|total] of [all|the|all the] [numbers|integers|whole numbers] [from {k} to|from {k} up to|from {k} through] {n}?", "[Find|Compute|Calculate|Tell me|Give me|Work out|I need] the [sum|total] of [all|the|all the] [numbers|integers|whole numbers] [from {k} to|from {k} up to|from {k} through] {n}[.|, please.]", "What is the sum of all numbers from {k} to {n}?",
        "[Add|Add up|Sum|Sum up|Total|Please add|Please add up] [the|all|all the] [numbers|integers|whole numbers] from {k} [to|up to|through] {n}.", "[Sum|Total|The sum] [of|from] {k} to {n}[?|]", "[Sum|Add up|Add|Total] [everything|all] from {k} [up to|to] {n}.",
        "[Total|Sum] of [the|all|all the] [numbers|integers] {k} to {n}[?|]", "What do [the|all|all the] [numbers|integers|whole numbers] from {k} to {n} [add up to|sum to|make together|give together]?", _YOU + "[add|add up|sum|sum up] [all|the] [numbers|integers] from {k} to {n}?",
        _KNOW + "[what all numbers from {k} to {n} add up to|what the sum of the numbers from {k} to {n} is].", "{k} + ... + {n}[| = ?|?]", "{k}+...+{n}[| = ?|?]", "[Count up|Go|Start at {k} and go] from {k} to {n} and add [all|the] numbers.", "I [want to|need to|have to] add [all|the] [numbers|integers] from {k} to {n}.",
        "[How much is|What is] {k} + {k2} + ... + {n}?", "How [big|large] is the sum of [the|all] [numbers|integers] from {k} to {n}?",
    ),
    "factorial": Phrasings(
        "[What is|What's|How much is|How large is|How big is] [{m} factorial|the factorial of {m}|{m}!]?", "{m}![| =| = ?|?]", "[Compute|Calculate|Find|Give me|Tell me|Work out|Evaluate|Determine|Show me|I need] [the factorial of {m}|{m} factorial][|, please].", "[Factorial|The factorial] of {m}[?|]", "Give me {m}!.",
        "[Factorial|Factorial:] {m}[|, please]", _YOU + "[compute|calculate|work out|find|tell me] [the factorial of {m}|{m} factorial]?", _KNOW + "[what the factorial of {m} is|what {m} factorial is|how large {m} factorial is].", "{m} factorial[?|]", "[Multiply|Please multiply] all [numbers|integers|whole numbers] from 1 to {m}.",
        "[What is|What's] the product of [all|the] [numbers|integers|whole numbers] from 1 to {m}?", "[Find|Compute] the product of [all|the] [numbers|integers|whole numbers] from 1 to {m}[.|, please.]", "In how many [ways|orders] can {m} [different |]things be arranged[| in a row]?", "1 × 2 × ... × {m}[| = ?|?]",
    ),
    "length": Phrasings(
        "How many [letters|characters] [does {w} have|are in {w}|are there in {w}|does the word {w} have|are in the word {w}|has {w}|has the word {w}|does {w} contain|does {w} consist of]?", "How long is [{w}|the word {w}|the string {w}]?", "[Length|Word length|The length|Letter count|Number of characters] of {w}[?|]",
        "Count [the|all|all the] [letters|characters] [of|in] [{w}|the word {w}][|, please].", "[Number of letters|Number of characters|Letters|How many letters] in {w}[?|]", "[What is|What's] the [length|number of letters|number of characters] of [the word |]{w}?", "[Find|Give me|Tell me|Compute|Determine|I need|Work out|Print] the [length|number of letters|number of characters] of [the word |]{w}[.|, please.]", "What is the length of {w}?",
        _YOU + "[count the letters of|count the letters in|tell me the length of|find the length of] {w}?", _KNOW + "[how long {w} is|how many letters {w} has|how many letters there are in {w}].", "With how many letters [do you write|is spelled|does one write] {w}?",
        "The word {w}: how [long is it|many letters does it have|many letters are there]?", "len({w})[| = ?|?]", "[Measure|Check] the length of [the word |]{w}.", "[Look at|Take] the word {w}. How [many letters does it have|long is it|many characters are there]?",
    ),
    "floor": Phrasings(
        "[What is|What's|How much is] {a} divided by {k}, [rounded down|without the remainder|as a whole number|rounded down to a whole number|ignoring the remainder]?", "[Find|Compute|Calculate|Tell me|Give me] {a} divided by {k}, [rounded down|without the remainder|as a whole number|rounded down to a whole number|ignoring the remainder][.|, please.]", "What is {a} divided by {k}, rounded down?", "[Divide|Please divide] {a} by {k}[ and round down|, rounded down|, without the rest|, without the remainder| and drop the remainder| and ignore the rest|, whole part only].",
        "{a} // {k}[| = ?|?]", "{a}//{k}[| = ?|?]", "How [often|many times] [does {k} go into|does {k} fit into|is {k} contained in|can I subtract {k} from] {a}?", "[Integer part|Whole part|Floor|Rounded-down value|Integer quotient] of {a} [divided by|over|/] {k}[?|]",
        "[What is|What's] the [integer part|whole part|floor|integer quotient] of {a} [divided by|over|/] {k}?", "[Compute|Find|Calculate|Give me|Work out|I need] the [integer part|whole part|floor|integer quotient] of {a} [divided by|over|/] {k}[.|, please.]", "[Integer division|Floor division|Whole-number division] of {a} by {k}[?|.|, please.]", _YOU + "divide {a} by {k} and [round down|drop the remainder|ignore the rest]?",
        _KNOW + "[how often|how many times] {k} [goes|fits] into {a}.", "How many [full|whole|complete] groups of {k} [are in|can I make from|do you get from] {a}?", "How many times [|completely ]does {k} go into {a}?",
    ),
    "mod": Phrasings(
        "[What is|What's] the [remainder|rest] [of {a} divided by|when {a} is divided by|of the division of {a} by|of {a} over|of dividing {a} by] {k}?", "[Find|Compute|Calculate|Tell me|Give me|Determine|Work out|I need] the [remainder|rest] [of {a} divided by|when {a} is divided by|of the division of {a} by|of {a} over|of dividing {a} by] {k}[.|, please.]", "What is the remainder of {a} divided by {k}?",
        "{a}[ mod | modulo | % |%]{k}[| = ?|?]", "[Remainder|Rest|The remainder] of {a} [by|over|divided by|/] {k}[?|]", "[Compute|Calculate|Find|Give me|Work out|Tell me|Evaluate] {a} [modulo|mod|%] {k}[|, please].", "[What is|What's] {a} [modulo|mod|%] {k}?",
        "[What is left|What remains|How much is left|What is left over|What remainder is left|How much remains] when {a} is divided by {k}?", "[What|Which] [remainder|rest] [does {a} leave when divided by|is left if {a} is divided by|do you get when dividing {a} by] {k}?",
        "[Divide|Please divide] {a} by {k}[ and tell me the remainder.| and give only the rest.|. What is left?|. What is the remainder?|. What remains?]", _YOU + "[find|compute|calculate|tell me] the remainder of {a} [divided by|over] {k}?",
        _KNOW + "[what is left|what remains] when {a} is divided by {k}.", "I share {a} [marbles|coins|cards|beads] among {k} [children|people|friends]. How many are left[| over]?", "[In groups|Packed in boxes] of {k}, how many of {a} are left over?",
    ),
    "max": Phrasings(
        "[What is|What's] the [largest|biggest|highest|greatest|maximum] [number |value |one |][of|in|among] {l}?", "[Maximum|Max|Largest|Biggest|Highest number|Largest number|Greatest number|Maximum value] [of|in|among] {l}[?|]", "[Which|Which one|Which number] is the [biggest|largest|highest|greatest] [of|among|in] {l}?",
        "[Find|Pick|Give me|Tell me|Show me|Get|Select|Choose|I need|Return|Print|Please find] the [maximum|largest|highest|biggest|greatest|largest number|biggest number] [of|among|in] {l}.", "The [greatest|largest|biggest|highest|maximum] [among|of|in] {l}[?|, please.]", "max({l})[| = ?|?]",
        _YOU + "[find|pick|tell me|give me] the [largest|biggest|highest|maximum] of {l}?", _KNOW + "which [number |]is the [largest|biggest|highest|greatest] of {l}.", "[Look at|Here are|I have] these numbers: {l}[. Which is the largest|. Which is the biggest|. What is the maximum|. Which one is the highest]?",
        "Of {l}, which [number |]is the [largest|biggest|highest|greatest]?", "[Which of these is|Which one of these is|Which number is] the [largest|biggest|highest|greatest]: {l}[|?]", "[Maximum|Largest|Biggest|Highest]: {l}",
    ),
    "total": Phrasings(
        "[What is|What's] the [sum|total] of {l}?", "[Sum|Sum up|Add|Add up|Total|Please add|Please add up] {l}.", "[Total|Sum|Sum total|The sum|The total] of {l}[?|]", "[Add|Add up|Sum|Sum up] [all of|all numbers in|the numbers] {l}.", "[Add|Add up|Sum|Sum up|Total|Please add] [these|these numbers|the following|the numbers|the following numbers|all these]: {l}",
        "What do {l} [add up to|sum to|make together|give together|make in total]?", "[Find|Compute|Calculate|Give me|Tell me|Work out|Determine|I need|Show me] the [sum|total] of {l}[|, please].", _YOU + "[add|add up|sum|sum up] {l}?", _KNOW + "[what {l} add up to|what the sum of {l} is].",
        "How much are {l} [together|in all|in total|altogether]?", "sum({l})[| = ?|?]", "[I have|Here are|Look at] these numbers: {l}[. Add them|. Add them up|. Sum them|. Add all of them].", "[Altogether|In total|All together], how much are {l}?", "[Numbers|A list|The list]: {l}. [What is the sum|What is the total|What do they add up to]?",
        "I [want to|need to|have to] [add|add up|sum] {l}.", "If you add {l}, what do you get?",
    ),
    "prime": Phrasings(
        "Is {n} [a prime number|a prime|prime|prime or not|really prime]?", "[Check|Test|Find out|Tell me|See|Determine|Please check|Decide|Verify] [whether|if] {n} is [prime|a prime|a prime number].", "[Prime or not|Prime|Is this prime|Is this a prime number|Prime number or not|Prime number]: {n}[?|]", "Tell me if {n} is a prime.",
        "Can {n} only be divided by [1 and itself|one and itself|itself and 1]?", "[Test|Check|Examine|Please test] {n} for [primality|being prime].", _YOU + "[check|tell me|find out|test] [whether|if] {n} is [prime|a prime|a prime number]?", "[I want to know|I'd like to know|I need to know|I wonder|I would like to know] [whether|if] {n} is [prime|a prime|a prime number].",
        "[Does {n} belong to|Is {n} among|Is {n} one of] the [primes|prime numbers]?", "Is the number {n} [prime|a prime|a prime number]?", "Do you know [whether|if] {n} is [prime|a prime|a prime number]?", "[Would you say|Am I right|Is it true|Is it correct] that {n} is [prime|a prime number|a prime]?",
        "Has {n} [no divisors|no factors] [other than|besides|except] 1 and itself?", "Are 1 and {n} the only [divisors|factors] of {n}?", "{n}: [prime or not|is it prime|is it a prime number|a prime number or not]?",
    ),
}  # fmt: skip


def _number_tasks(rng: random.Random) -> list[tuple]:
    """(kind of wording, values, code, value, answer), one of each kind."""
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
        ("power", {"n": n, "p": power, "th": "3rd" if power == 3 else f"{power}th"}, f"print({n}**{power})", n**power, "{n} to the power of {p} is {v}."),
        ("range", {"k": k, "k2": k + 1, "n": n + 12}, f"print(sum(range({k}, {n + 13})))", sum(range(k, n + 13)), "The sum is {v}."),
        ("factorial", {"m": m}, f"import math\nprint(math.factorial({m}))", math.factorial(m), "The factorial of {m} is {v}."),
        ("length", {"w": word}, f'print(len("{word}"))', len(word), "{w} has {v} letters."),
        ("floor", {"a": a, "k": k}, f"print({a}//{k})", a // k, "The result is {v}."),
        ("mod", {"a": a, "k": k}, f"print({a}%{k})", a % k, "The remainder is {v}."),
        ("max", {"l": ", ".join(map(str, items))}, f"print(max({items}))", max(items), "The largest is {v}."),
        ("total", {"l": ", ".join(map(str, items))}, f"print(sum({items}))", sum(items), "The sum is {v}."),
        ("prime", {"n": n}, f"n = {n}\nprint(all(n % i for i in range(2, n)))", n > 1 and all(n % i for i in range(2, n)), "For {n} the answer is {v}."),
    ]  # fmt: skip


def use_python(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """One piece of code, its output, the answer; now and then the code fails."""
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
