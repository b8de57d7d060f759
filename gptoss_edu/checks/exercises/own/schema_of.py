"""`schema_of` (chapter 13): the JSON schema of a function's parameters."""

import inspect

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck


def through(schema_of, function, key: str) -> dict:
    """Return one entry of the schema; the order within required is free."""
    value = schema_of(function).get(key)
    return {key: sorted(value) if isinstance(value, list | tuple | set) else value}


CHECK = CaseCheck("schema_of", "(function) -> schema", through)
BANK = Bank("schema_of")


def one(a: int): ...
def kinds(name: str, share: float): ...
def twice(a: int = 1, b: bool = False): ...
def weather(city: str, days: int = 1): ...


@CHECK.cases
def cases():
    other = {"name": {"type": "string"}, "share": {"type": "number"}}
    return [
        Case("the schema itself", (one, "type"), {"type": "object"}, 'The schema as a whole has the type "object".'),
        Case(
            "one parameter",
            (one, "properties"),
            {"properties": {"a": {"type": "integer"}}},
            'Return one dictionary per name, {"type": …}; KINDS gives the word for the annotation.',
        ),
        Case(
            "other types",
            (kinds, "properties"),
            {"properties": other},
            "JSON's names differ from Python's: string, number.",
        ),
        Case(
            "no default",
            (one, "required"),
            {"required": ["a"]},
            "A parameter without a default is required; its .default is then inspect.Parameter.empty, not None.",
        ),
        Case(
            "a default",
            (weather, "required"),
            {"required": ["city"]},
            "A parameter with a default is optional: leave it out of required.",
        ),
        Case(
            "defaults that are false",
            (twice, "required"),
            {"required": []},
            "Compare with inspect.Parameter.empty: a default may be False or 0.",
        ),
    ]


KINDS = {str: "string", int: "integer", float: "number", bool: "boolean"}


@BANK.right("by the signature")
def schema_of(function):
    parameters = inspect.signature(function).parameters.values()
    properties = {p.name: {"type": KINDS[p.annotation]} for p in parameters}
    required = [p.name for p in parameters if p.default is p.empty]
    return {"type": "object", "properties": properties, "required": required}


BANK.wrong("a default", "every parameter required", (" if p.default is p.empty", ""))
BANK.wrong(
    "defaults that are false",
    "a default that is false is none",
    ("p.default is p.empty", "p.default is p.empty or not p.default"),
)
BANK.wrong("one parameter", "Python's names of the types", ("KINDS[p.annotation]", "p.annotation.__name__"))
BANK.wrong("other types", "integer for everything", ("KINDS[p.annotation]", '"integer"'))
BANK.wrong("no default", "None for no default", ("p.default is p.empty", "p.default is None"))
BANK.wrong("no default", "the optional ones required", ("p.default is p.empty", "p.default is not p.empty"))
BANK.wrong("the schema itself", "the type of the schema forgotten", ('"type": "object", ', ""))
BANK.wrong(
    "one parameter", "the word alone instead of a dictionary", ('{"type": KINDS[p.annotation]}', "KINDS[p.annotation]")
)
