"""Wrong solutions of chapter 13, written from its text alone."""

import re

from gptoss_edu.checks.exercises.own.citations import BANK as CITATIONS
from gptoss_edu.checks.exercises.own.mistakes import BANK as MISTAKES

PYTHON_TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool}  # from the chapter


@MISTAKES.wrong("true is no integer", "True passes as an integer", unseen=True)
def mistakes_1(schema, arguments):
    properties = schema["properties"]
    wrong = {
        n for n, v in arguments.items() if n in properties and not isinstance(v, PYTHON_TYPES[properties[n]["type"]])
    }
    return {
        "missing": set(schema["required"]) - set(arguments),
        "unknown": set(arguments) - set(properties),
        "wrong": wrong,
    }


@CITATIONS.wrong("one line", "a single line is not matched", unseen=True)
def citations_1(answer):
    return {m[0]: (int(m[1]), int(m[2]), int(m[3])) for m in re.finditer(r"【(\d+)†L(\d+)-L(\d+)】", answer)}
