"""`mistakes` (chapter 13): what is wrong with the arguments of a call."""

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CAUSES = {
    "lists": (
        "The three values are sets of names: set(), or {name for …}. A list or {}, which is an empty dictionary, "
        "does not equal a set."
    ),
}
CHECK = CaseCheck("mistakes", "(schema, arguments) -> {missing, unknown, wrong}", causes=CAUSES)
BANK = Bank("mistakes")


@CHECK.cases
def cases():
    schema = {"properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"]}
    flags = {"properties": {"on": {"type": "boolean"}, "x": {"type": "number"}}, "required": []}
    none = {"missing": set(), "unknown": set(), "wrong": set()}
    misspelt = none | {"missing": {"city"}, "unknown": {"town"}}
    return [
        Case("a good call", (schema, {"city": "Oslo", "days": 2}), none, "Nothing is wrong here: three empty sets."),
        Case("optional left out", (schema, {"city": "Oslo"}), none, "Only names in required can be missing."),
        Case(
            "a name misspelt",
            (schema, {"town": "Oslo"}),
            misspelt,
            "A misspelt name is two mistakes: one missing, one unknown.",
        ),
        Case(
            "wrong types",
            (schema, {"city": 7, "days": "2"}),
            none | {"wrong": {"city", "days"}},
            "Compare each value with PYTHON_TYPES of its property.",
        ),
        Case(
            "true is no integer",
            (schema, {"city": "Oslo", "days": True}),
            none | {"wrong": {"days"}},
            "isinstance(True, int) holds in Python; in JSON, true is not a number.",
        ),
        Case(
            "an integer is a number",
            (flags, {"x": 3, "on": True}),
            none,
            "Every integer is a number, and true is a boolean.",
        ),
    ]


PYTHON_TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool}


@BANK.right("three sets")
def mistakes(schema, arguments):
    def fits(value, kind):
        return isinstance(value, PYTHON_TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))

    properties = schema["properties"]
    missing = set(schema["required"]) - set(arguments)
    unknown = set(arguments) - set(properties)
    wrong = {k for k, v in arguments.items() if k in properties and not fits(v, properties[k]["type"])}
    return {"missing": missing, "unknown": unknown, "wrong": wrong}


BANK.wrong("optional left out", "optional names missing too", ('set(schema["required"])', "set(properties)"))
BANK.wrong("a name misspelt", "unknown names not told", ('"unknown": unknown', '"unknown": set()'))
BANK.wrong("a name misspelt", "missing names not told", ('"missing": missing', '"missing": set()'))
BANK.wrong("a name misspelt", "an unknown name looked up", ("k in properties and ", ""))
BANK.wrong("wrong types", "types not compared", ('"wrong": wrong', '"wrong": set()'))
BANK.wrong(
    "wrong types",
    "types compared with the words",
    ('not fits(v, properties[k]["type"])', 'type(v).__name__ == properties[k]["type"]'),
)
BANK.wrong("true is no integer", "isinstance alone", (' and (kind == "boolean" or not isinstance(value, bool))', ""))
BANK.wrong(
    "an integer is a number",
    "the very type",
    (
        'isinstance(value, PYTHON_TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))',
        'type(value) is {"string": str, "integer": int, "number": float, "boolean": bool}[kind]',
    ),
)
BANK.wrong(
    "an integer is a number",
    "no booleans at all",
    ('(kind == "boolean" or not isinstance(value, bool))', "not isinstance(value, bool)"),
)
BANK.wrong(
    "lists",
    "lists instead of sets",
    (
        '{"missing": missing, "unknown": unknown, "wrong": wrong}',
        '{"missing": list(missing), "unknown": list(unknown), "wrong": list(wrong)}',
    ),
)
BANK.wrong("lists", "one of the three as a list", ('"wrong": wrong', '"wrong": [k for k in arguments if k in wrong]'))
BANK.wrong(
    "lists",
    "empty dictionaries instead of sets",
    (
        '"missing": missing, "unknown": unknown, "wrong": wrong',
        '"missing": missing or {}, "unknown": unknown or {}, "wrong": wrong or {}',
    ),
)
