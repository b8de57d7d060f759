"""Read a word problem before calculating: what is asked, and for each number, in the order told, what becomes of it.

    ? roses: sold 23 roses +, and 31 tulips ~, today 19 roses +

A number stands with the word before it and the one after it; "+", "-", "*" and "/" say what it does to the result, and
"~" that it does not matter. So a small model decides about one number at a time, next to the words that decide.
"""

from __future__ import annotations

import ast
import re

from .arithmetic import apply
from .english import number_word

OPEN, CLOSE = "\ue010", "\ue011"  # around a number whose letter is known: OPEN, letter, the number as written, CLOSE
UNUSED = "~"
UNSPACED = ("ja", "zh")  # languages without spaces between words
MARKS = ".,;:!?()[]\"'…—–-«»„“”‘’¿¡،؛؟।。、，；：？！「」『』《》（）/"
_ENDS = ".!?؟।。？！"
_NUMBER = re.compile(f"{OPEN}([a-ex])([^{CLOSE}]*){CLOSE}")
_WORDS = {number_word(n): n for n in range(2, 100)}
_ENGLISH = re.compile(rf"(?<![\w.])(?:\d+|{'|'.join(sorted(_WORDS, key=len, reverse=True))})(?![\w-])", re.IGNORECASE)


def marked(letter: str, written: str) -> str:
    """Return a number as it is written, with marks that say which of the problem's it is."""
    return f"{OPEN}{letter}{written}{CLOSE}"


def plain(text: str) -> str:
    """Return the text without marks."""
    return _NUMBER.sub(r"\2", text)


def roles(expression: str) -> dict[str, str]:
    """Return for each letter of an expression what its number does to the result: "+", "-", "*" or "/"."""
    found: dict[str, str] = {}

    def visit(node, role: str) -> None:
        if isinstance(node, ast.Name):
            found.setdefault(node.id, role)
        elif isinstance(node, ast.BinOp):
            if isinstance(node.op, ast.Mult | ast.Div):
                role = other = "*" if isinstance(node.op, ast.Mult) else "/"
            else:
                other = {"+": "-", "-": "+"}.get(role, "-") if isinstance(node.op, ast.Sub) else role
            visit(node.left, _inside(node.left, role))
            visit(node.right, _inside(node.right, other))

    visit(ast.parse(expression, mode="eval").body, "+")
    return found


def _inside(node, role: str) -> str:
    """Return the role within a factor: a sum that is multiplied has terms again."""
    is_sum = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)
    return "+" if is_sum and role in "*/" else role


def reading(text: str, expression: str, values: dict[str, int], code: str, unit: str = "") -> str:
    """Return the line for a marked text.

    values : the number of each letter. unit : what the answer counts; where none is known, the question's first words.
    """
    does = roles(expression)
    numbers = [(found, values[found[1]], does.get(found[1], UNUSED)) for found in _NUMBER.finditer(text)]
    return _line(text, numbers, code, unit)


def reading_of_steps(text: str, steps: list[tuple[int, str, int]], unit: str = "") -> str:
    """Return the line for an English text without marks: each number is the next one of its size in the steps."""
    left: list[tuple[int, str]] = []
    results: list[int] = []
    for x, op, y in steps:
        for value, role in ((x, op if op in "*/" else "+"), (y, op)):
            if value in results:
                results.remove(value)
            else:
                left.append((value, role))
        results.append(x // y if op == "/" else apply(x, op, y))
    numbers = []
    for found in _ENGLISH.finditer(text):
        value = _WORDS.get(found[0].lower(), -1) if found[0][0].isalpha() else int(found[0])
        role = next((pair for pair in left if pair[0] == value), None)
        if role is not None:
            left.remove(role)
        numbers.append((found, value, UNUSED if role is None else role[1]))
    return _line(text, numbers, "en", unit)


def _line(text: str, numbers: list[tuple[re.Match, int, str]], code: str, unit: str) -> str:
    facts = []
    for found, value, role in numbers:
        before, after = plain(text[: found.start()]), plain(text[found.end() :])
        words = [_last(before, code), str(value), _first(after, code), role]
        facts.append(" ".join(word for word in words if word))
    asked = unit or _asked(plain(text), code)
    return f"? {asked}: " + ", ".join(facts) if asked else ", ".join(facts)


def _last(before: str, code: str) -> str:
    """Return the word before a number, if its sentence has one."""
    before = before.rstrip(" ")
    if not before or before[-1] in MARKS + "\n":
        return ""
    return (
        before.split()[-1].strip(MARKS)
        if code not in UNSPACED
        else re.split(rf"[{re.escape(MARKS)}\s]", before)[-1][-2:]
    )


def _first(after: str, code: str) -> str:
    """Return the word after a number, or what is written onto it."""
    if code in UNSPACED:
        return re.split(rf"[{re.escape(MARKS)}\s]", after)[0][:3]
    found = re.match(r"\S+|[ ]\S+", after)
    if not found or (found[0][0] in MARKS and found[0][0] not in "-/"):
        return ""
    return found[0].strip(MARKS + " ")


def _asked(text: str, code: str) -> str:
    """Return the first words of the question; of a language without spaces, its last signs. Empty if there is none."""
    ends = [i for i, sign in enumerate(text) if sign in "?؟？"]
    if not ends:
        return ""
    question = re.split(rf"[{re.escape(_ENDS)}\n]", text[: ends[-1]])[-1].strip()
    if code in UNSPACED:
        return re.split(rf"[{re.escape(MARKS)}]", question)[-1][-8:]
    return " ".join(question.split(":")[-1].split(",")[-1].split()[:4]).strip(MARKS)
