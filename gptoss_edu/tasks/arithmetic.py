"""Sums whose written working can be checked: products and additions. chains.py and stories.py put several in a row.

Low effort answers at once. Medium writes the intermediate results, each in one go. High works digit by digit, lowest
place first, so that no single token needs more than a small table, and then checks. About one high-effort example in
twenty holds an injected wrong step: the check fails, the text says ``bad``, and the work is done again.
"""

from __future__ import annotations

import random

from .example import RIGHT, WRONG, Draft, Phrasings, draw

ERROR_RATE = 0.11


def wrong_digit(rng: random.Random, number: int) -> int:
    """The number with one digit replaced, the first never by zero."""
    digits = list(str(number))
    place = rng.randrange(len(digits))
    choices = [d for d in "0123456789" if d != digits[place] and not (d == "0" and place == 0)]
    digits[place] = rng.choice(choices)
    return int("".join(digits))


def mark(text) -> str:
    """Shown to the model, but with loss weight 0."""
    return f"{WRONG}{text}{RIGHT}"


def add_columns(a: int, b: int) -> str:
    """'412+77:2+7=9,1+7=8,4=4': from the lowest place up; a two-digit result carries."""
    steps, carry = [], 0
    x, y = str(a)[::-1], str(b)[::-1]
    for i in range(max(len(x), len(y))):
        parts = [s[i] for s in (x, y) if i < len(s)] + (["1"] if carry else [])
        total = sum(map(int, parts))
        steps.append(f"{'+'.join(parts)}={total}")
        carry = total >= 10
    return f"{a}+{b}:{','.join(steps)}"


def subtract_columns(a: int, b: int) -> str:
    """'489-95:9-5=4,18-9=9,4-1=3' (1 in front: borrowed). Needs a >= b."""
    steps, borrow = [], 0
    x, y = str(a)[::-1], str(b)[::-1]
    for i in range(len(x)):
        top, bottom = int(x[i]), (int(y[i]) if i < len(y) else 0)
        lack = top < bottom + borrow
        minus = ([str(bottom)] if i < len(y) else []) + (["1"] if borrow else [])
        steps.append("-".join([f"1{top}" if lack else str(top), *minus]) + f"={top + 10 * lack - bottom - borrow}")
        borrow = int(lack)
    return f"{a}-{b}:{','.join(steps)}"


def times_digit(a: int, digit: int) -> str:
    """'4827*6:7*6=42,2*6+4=16,8*6+1=49,4*6+4=28': the tens of each step are the next carry."""
    steps, carry = [], 0
    for d in map(int, str(a)[::-1]):
        total = d * digit + carry
        steps.append(f"{d}*{digit}" + (f"+{carry}" if carry else "") + f"={total}")
        carry = total // 10
    return ",".join(steps)


def columns(a: int, op: str, b: int) -> str:
    return add_columns(a, b) if op == "+" else subtract_columns(a, b) if op == "-" else f"{a}*{b}:{times_digit(a, b)}"


def apply(a: int, op: str, b: int) -> int:
    return a + b if op == "+" else a - b if op == "-" else a * b


def inverse(a: int, op: str, b: int, value: int) -> tuple[str, bool]:
    """The step undone: '394+95=489'; true when it gives ``a`` back. A product is checked by its last digit."""
    if op == "*":
        last = (a % 10) * b % 10
        return f"last {a % 10}*{b}>{last}", value % 10 == last
    back = "-" if op == "+" else "+"
    undone = apply(value, back, b)
    return f"{value}{back}{b}={undone}", undone == a


def careful_step(rng: random.Random, a: int, op: str, b: int, error: bool = False) -> str:
    """One step of high effort with its check; with ``error`` a wrong result first, which the check finds."""
    value = apply(a, op, b)
    work = columns(a, op, b)
    text = ""
    if error:
        wrong = wrong_digit(rng, value)
        check, passes = inverse(a, op, b, wrong)
        if not passes and wrong >= b:
            text = f"{work}>{mark(wrong)} {check} bad, redo\n"
    check, _ = inverse(a, op, b, value)
    return f"{text}{work}>{value} {check} ok"


# --------------------------------------------------------------------------------------------------------- products

PRODUCT = Phrasings(
    "{a}[*|×|x]{b}[|=|=?]", "{a} [*|×|x|·] {b}[| =| = ?|?]", "{a} [times|multiplied by] {b}[|?| is?| is what?| equals?| makes?]", "[What is|What's] {a} [times|multiplied by|*|×|x] {b}[?|, please?]",
    "[How much is|How much are|How many are|How much would be] {a} [times|multiplied by|*|×] {b}?", "[What does|what does|What will|What would] {a} [times|multiplied by|*|×] {b} [give|make|equal|come to|yield|be equal to]?",
    "[Compute|Calculate|Evaluate|Work out|Solve|Figure out|Determine|Find] {a} [times|multiplied by|*|×|x] {b}[.|, please.]", "Please [compute|calculate|evaluate|work out|solve|find|determine] {a} [times|multiplied by|*|×|x] {b}.",
    "Multiply {a} [by|with|and|times] {b}[.|, please.|. What do you get?|. What is the result?| for me.]", "Multiply the [|two ]numbers {a} and {b}[.| for me.| with each other.]",
    "Multiply [these|these numbers|these two|together]: {a}[ and|,| and then] {b}", "Please multiply {a} [by|with|and] {b}[.| for me.]",
    "[Find|Give me|Tell me|Compute|Calculate|Work out|Determine|Show me|Get] the product of {a} and {b}[.|, please.]", "[What is|What's] the product of [|the numbers ]{a} and {b}?", "[The product|Product] of {a} and {b}[?| is?| is what?|, please.]",
    "Product[:| wanted:] {a} [and|×|times] {b}", "Multiplication: {a} [×|*|times|by] {b}", "I [need|want|am looking for|would like|have to find] the product [{a} × {b}|of {a} and {b}|{a} * {b}|of {a} times {b}].",
    "I [need|want|have] to multiply {a} [by|with|and] {b}[.|. What do I get?|. What is the answer?|. Help me.]", "[I'd like to know|I want to know|I need to know|I wonder] [what|how much] {a} [times|multiplied by] {b} [is|makes|gives|comes to].",
    "[Tell me|Let me know|Please tell me|Work out|Find out] [what|how much] {a} [times|multiplied by|×] {b} [is|makes|gives|equals].", "[Give me|Tell me|Show me|Write down|Let me have] {a} [times|multiplied by|*|×] {b}[.|, please.]",
    "[Can|Could|Would|Will] you [multiply|please multiply|kindly multiply] {a} [and|by|with] {b}[?| for me?]", "[Can|Could] you [tell me|say|work out|find out|figure out] [what|how much] {a} [times|multiplied by] {b} is?",
    "[Can|Could|Would] you [compute|calculate|work out|solve|find] {a} [times|multiplied by|*|×] {b}[?| for me?]", "[Do you know|Any idea|Can you say] [what|how much] {a} [times|multiplied by|×] {b} [is|makes]?",
    "What [do you get|do I get|comes out|is the result] [if|when] you multiply {a} [by|with|and] {b}?", "[If|When] I multiply {a} [by|with|and] {b}, what [do I get|is the result|is the product|comes out|is the answer]?",
    "[Give me|Find|Tell me] the [result of|answer to|value of] {a} [times|multiplied by|*|×] {b}[.|, please.]", "[What is|What's] the [result of|answer to|value of] {a} [times|multiplied by|*|×] {b}?",
    "[Result of|Answer to|Value of|Solution of] {a} [times|*|×|multiplied by] {b}[?|, please.]", "{a} and {b} multiplied[| together| with each other]: [what is that|what comes out|the result]?",
    "{a} multiplied [with|by] {b} [gives|makes|equals|is] [what|which number]?", "[Need|Wanted|To solve|To do|Exercise]: {a} [×|*|times|x] {b}",
    "[My exercise is|The task is|The exercise says|The question is|My worksheet says] {a} [×|*|times] {b}. [What is it|What comes out|What is the answer|How much is that]?",
    "How many [are|do you get from|are there in|would be in] {a} [groups|lots|sets|rows|packs] of {b}?", "{a} [rows|groups|columns|sets] of {b}: how many [are there|is that|in all|altogether]?",
    "[What|Which] number is {a} [times|multiplied by|×] {b}?", "[Fill in the blank|Fill the gap|Find the missing number]: {a} [×|*|times] {b} = [?|__|...]",
    "[Help me|Please help me|Help] [multiply|with multiplying|to multiply] {a} [and|by|with] {b}.",
)  # fmt: skip
SIZES = (
    (1, 1, 1),
    (2, 1, 3),
    (2, 2, 12),
    (3, 1, 4),
    (3, 2, 14),
    (3, 3, 22),
    (4, 1, 3),
    (4, 2, 12),
    (4, 3, 20),
    (4, 4, 34),
)


def digit_sum(number: int) -> str:
    """'4+8+2+7=21>3': casting out nines."""
    total = sum(map(int, str(number)))
    return "+".join(str(number)) + f"={total}>{number % 9}"


def product_work(rng: random.Random, a: int, b: int, error: bool) -> tuple[str, int]:
    """Rows of ``a`` times each digit of ``b``, then the rows added; with ``error`` one row's result is wrong."""
    digits = str(b)[::-1]
    bad_row = rng.choice([i for i, d in enumerate(digits) if d != "0"]) if error else -1
    lines, rows = [], []
    for place, digit in enumerate(map(int, digits)):
        row = a * digit
        if digit == 0:
            lines.append("0:0")
            continue
        shown = wrong_digit(rng, row) if place == bad_row else row
        text = f"{shown}{'0' * place}"
        lines.append(f"{digit}:{times_digit(a, digit)}>{mark(text) if shown != row else text}")
        rows.append(shown * 10**place)
    total = rows[0]
    for row in rows[1:]:
        lines.append(f"{add_columns(total, row)}>{total + row}")
        total += row
    return "\n".join(lines), total


def product_thought(rng: random.Random, a: int, b: int, style: str, error: bool) -> str | None:
    if style == "low":
        return None
    if style == "medium":
        rows = [a * int(d) * 10**i for i, d in enumerate(str(b)[::-1])]
        return f"{a}*{b}:{'+'.join(map(str, rows))}={a * b}"
    text, total = product_work(rng, a, b, error)
    claim = f"\n9:{digit_sum(a)},{digit_sum(b)},{a % 9}*{b % 9}>{a * b % 9};"
    if total % 9 == a * b % 9:
        text, total = (text, total) if total == a * b else product_work(rng, a, b, False)
        return f"{a}*{b}\n{text}{claim}{digit_sum(a * b)} ok"
    redone, _ = product_work(rng, a, b, False)
    return f"{a}*{b}\n{text}{claim}{digit_sum(total)} bad, redo\n{redone}{claim}{digit_sum(a * b)} ok"


def product(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """Two numbers of up to four digits each."""
    if level:
        m, n = (int(x) for x in level.split("x"))
    else:
        m, n, _ = rng.choices(SIZES, [w for *_, w in SIZES])[0]
        if rng.random() < 0.2:
            m, n = n, m

    def make():
        return rng.randrange(10 ** (m - 1) if m > 1 else 2, 10**m), rng.randrange(10 ** (n - 1) if n > 1 else 2, 10**n)

    a, b = draw(rng, test and m + n > 3, make) if m + n > 3 else make()
    index, template = PRODUCT.pick(rng, unseen)
    error = rng.random() < ERROR_RATE * (1 if m * n < 9 else 0.4)
    thought = product_thought(rng, a, b, style, error)
    return Draft(
        template.format(a=a, b=b), f"{a} × {b} = {a * b}", thought, str(a * b), level=f"{m}x{n}", phrasing=index
    )


# --------------------------------------------------------------------------------------------------------- additions

ADDITION = Phrasings(
    "{a}+{b}[|=|=?]", "{a} + {b}[| =| = ?|?]", "{a} [plus|added to] {b}[|?| is?| is what?| equals?| makes?]", "[What is|What's] {a} [plus|added to|and|+] {b}[?|, please?]", "How much [is|would be|do you get for|are] {a} [plus|and|+] {b}?",
    "How much [is|are|would be] {a} and {b} [together|in total|altogether|combined]?", "[Compute|Calculate|Evaluate|Work out|Solve|Figure out|Determine|Find] {a}[ + | plus |+]{b}[.|, please.]",
    "Please [compute|calculate|evaluate|work out|solve|find|add] {a} [+|plus] {b}.", "[Add|Add up|Sum|Sum up|Total|Add together] {a} and {b}[.|, please.| for me.|. What do you get?|. What is the result?]",
    "[Add|Please add|Now add] {b} to {a}[.|, please.|. What do you get?| for me.]", "[Add|Please add|Add up|Sum up|Please sum up] the [|two ]numbers {a} and {b}[.| for me.]",
    "[Add|Add up|Sum up|Total|Sum] [these|these numbers|these two]: {a}[ and|,| +] {b}", "Please [add|add up|sum|sum up|add together] {a} and {b}[.| for me.]",
    "[Find|Give me|Tell me|Compute|Calculate|Work out|Determine|Show me|Get] the [sum|total] of {a} and {b}[.|, please.]", "[What is|What's] the [sum|total] of [|the numbers ]{a} and {b}?",
    "[The sum|Sum|The total|Total] of {a} and {b}[?| is?| is what?|, please.]", "[Sum|Total|Addition]: {a} [and|+|plus] {b}", "[What does|What will|What would] {a} [plus|+] {b} [give|make|equal|come to|yield|be equal to]?",
    "What do {a} and {b} [give|come to|add up to|sum to|total|amount to]?", "What do {a} and {b} make[?| together?| in total?| altogether?]",
    "I [need|want|am looking for|would like|have to find] the [sum|total] [{a} + {b}|of {a} and {b}|of {a} plus {b}].", "I [need|want|have] to add {a} and {b}[.|. What do I get?|. What is the answer?|. Help me.]",
    "[I'd like to know|I want to know|I need to know|I wonder] [what|how much] {a} [plus|and] {b} [is|makes|comes to].", "[Tell me|Let me know|Please tell me|Work out|Find out] [what|how much] {a} [plus|and|+] {b} [is|makes|gives|equals].",
    "[Give me|Tell me|Show me|Write down|Let me have] {a} [plus|+] {b}[.|, please.]", "[Can|Could|Would|Will] you [add|please add|sum|add up|kindly add] {a} and {b}[?| for me?]",
    "[Can|Could] you [tell me|say|work out|find out|figure out] [what|how much] {a} [plus|and] {b} is?", "[Can|Could|Would] you [compute|calculate|work out|solve|find] {a} [plus|+] {b}[?| for me?]",
    "[Do you know|Any idea|Can you say] [what|how much] {a} [plus|and|+] {b} [is|makes]?", "What [do you get|do I get|comes out|is the result|is the sum] [if|when] you [add|sum|add up] {a} and {b}?",
    "[If|When] I add {a} and {b}, what [do I get|is the result|is the sum|comes out|is the answer|is the total]?", "What [do you get|do I get|comes out|is the result] [if|when] you add {b} to {a}?",
    "[Give me|Find|Tell me] the [result of|answer to|value of] {a} [plus|+] {b}[.|, please.]", "[What is|What's] the [result of|answer to|value of] {a} [plus|+] {b}?", "[Result of|Answer to|Value of|Solution of] {a} [plus|+] {b}[?|, please.]",
    "{a} and {b} added[| together| up]: [what is that|what comes out|the result|the sum]?", "[Need|Wanted|To solve|To do|Exercise]: {a} [+|plus] {b}",
    "[My exercise is|The task is|The exercise says|The question is|My worksheet says] {a} [+|plus] {b}. [What is it|What comes out|What is the answer|How much is that]?",
    "[Increase|Raise|Enlarge] {a} by {b}[.|. What do you get?|. What is the result?|. The new number?]", "[What is|Which number is|What number is|What is the number that is] {b} [more|greater|larger] than {a}?",
    "[Find|Give me|Work out] the total [of|for] {a} and {b}[.|, please.]", "I have {a} and [get|receive|find|am given] {b} more. [How many do I have now|How many is that|What is the total]?",
    "[Fill in the blank|Fill the gap|Find the missing number]: {a} + {b} = [?|__|...]", "[Help me|Please help me|Help] [add|with adding|to add] {a} and {b}.", "[What|Which] number is {a} [plus|+] {b}?",
)  # fmt: skip
SUBTRACTION = Phrasings(
    "{a}-{b}[|=|=?]", "{a} - {b}[| =| = ?|?]", "{a} [minus|less|take away] {b}[|?| is?| is what?| equals?| makes?]", "[What is|What's] {a} [minus|less|take away|-] {b}[?|, please?]",
    "How much [is|would be|do you get for] {a} [minus|less|take away|-] {b}?", "[Compute|Calculate|Evaluate|Work out|Solve|Figure out|Determine|Find] {a} [-|minus|less] {b}[.|, please.]",
    "Please [compute|calculate|evaluate|work out|solve|find] {a} [-|minus] {b}.", "[Subtract|Deduct|Take|Take away|Remove|Please subtract|Please deduct] {b} from {a}[.|, please.| for me.|. What do you get?|. What is the result?|. What remains?]",
    "[Take|Please take|Now take] {b} [away|off] from {a}[.|. What is left?|. What remains?]", "[From|Starting from] {a}[|,] [subtract|take away|take|deduct] {b}[.|. What is left?|. What remains?]", "Take {b} away from {a}[.|, please.| for me.]",
    "[Subtract|Please subtract] the number {b} from [|the number ]{a}[.| for me.]", "[What is|What's] the difference [between {a} and {b}|of {a} and {b}|of the numbers {a} and {b}|between the numbers {a} and {b}]?",
    "[Find|Give me|Tell me|Compute|Calculate|Work out|Determine|Show me] the difference [between|of] {a} and {b}[.|, please.]", "[The difference|Difference] [between|of] {a} and {b}[?| is?| is what?|, please.]",
    "[Difference|Subtraction]: {a} [minus|-|take away] {b}", "[What does|What will|What would] {a} [minus|-|less] {b} [give|make|equal|come to|leave|yield]?",
    "What [remains|is left|is left over|do you get|do I get|comes out|is the result] [if|when] you [take|subtract|remove|deduct|take away] {b} from {a}?",
    "[If|When] I [subtract|take|take away|remove] {b} from {a}, what [do I get|is the result|is left|remains|comes out|is the answer]?",
    "I [need|want|am looking for|would like|have to find] the difference [{a} - {b}|between {a} and {b}|of {a} and {b}].",
    "I [need|want|have] to [subtract|take away|take|deduct] {b} from {a}[.|. What do I get?|. What is the answer?|. What is left?]",
    "[I'd like to know|I want to know|I need to know|I wonder] [what|how much] {a} [minus|less|take away] {b} [is|makes|leaves].",
    "[Tell me|Let me know|Please tell me|Work out|Find out] [what|how much] {a} [minus|less|-] {b} [is|makes|gives|equals].", "[Give me|Tell me|Show me|Write down|Let me have] {a} [minus|-|less] {b}[.|, please.]",
    "[Can|Could|Would|Will] you [subtract|please subtract|take|deduct|kindly subtract] {b} from {a}[?| for me?]", "[Can|Could] you [tell me|say|work out|find out|figure out] [what|how much] {a} [minus|less|take away] {b} is?",
    "[Can|Could|Would] you [compute|calculate|work out|solve|find] {a} [minus|-] {b}[?| for me?]", "[Do you know|Any idea|Can you say] [what|how much] {a} [minus|less|-] {b} [is|makes]?",
    "[Give me|Find|Tell me] the [result of|answer to|value of] {a} [minus|-] {b}[.|, please.]", "[What is|What's] the [result of|answer to|value of] {a} [minus|-] {b}?", "[Result of|Answer to|Value of|Solution of] {a} [minus|-] {b}[?|, please.]",
    "[Reduce|Decrease|Lower|Diminish] {a} by {b}[.|. What do you get?|. What is the result?|. What is left?]", "[What is|Which number is|What number is|What is the number that is] {b} [less|smaller|lower] than {a}?",
    "How much [larger|bigger|greater|more|higher] is {a} than {b}?", "How much [smaller|less|lower] is {b} than {a}?", "By how much [is {a} larger than {b}|is {a} greater than {b}|does {a} exceed {b}]?", "How [far|much] is it from {b} to {a}?",
    "What [must I|do I have to|do you|should I] add to {b} to [get|reach|make] {a}?", "I have {a} and [give away|lose|spend|use|sell|eat] {b}. [How many are left|How many do I have left|How much remains|What is left]?",
    "[Need|Wanted|To solve|To do|Exercise]: {a} [-|minus|take away] {b}", "[My exercise is|The task is|The exercise says|The question is|My worksheet says] {a} [-|minus] {b}. [What is it|What comes out|What is the answer|How much is that]?",
    "[Fill in the blank|Fill the gap|Find the missing number]: {a} - {b} = [?|__|...]", "[Help me|Please help me|Help] [subtract|to subtract|with subtracting|take away|to take away] {b} from {a}.", "[What|Which] number is {a} [minus|-] {b}?",
)  # fmt: skip


def addition(rng: random.Random, style: str, test: bool, unseen: bool, level: str | None = None) -> Draft:
    """A sum or a difference of two numbers of one to six digits."""
    op = "+" if rng.random() < 0.6 else "-"
    digits = int(level) if level else rng.choice((1, 2, 2, 3, 3, 4, 4, 5, 5, 6))

    def make():
        size = digits if rng.random() < 0.7 else rng.randint(1, digits)
        a, b = rng.randrange(10 ** (digits - 1), 10**digits), rng.randrange(10 ** (size - 1), 10**size)
        return (a, b) if op == "+" or a >= b else (b, a)

    a, b = draw(rng, test, make) if digits > 1 else make()
    index, template = (ADDITION if op == "+" else SUBTRACTION).pick(rng, unseen)
    value = apply(a, op, b)
    thought = {
        "low": None,
        "medium": f"{columns(a, op, b)}>{value}",
        "high": careful_step(rng, a, op, b, rng.random() < ERROR_RATE),
    }[style]
    return Draft(
        template.format(a=a, b=b), f"{a} {op} {b} = {value}", thought, str(value), level=str(digits), phrasing=index
    )
