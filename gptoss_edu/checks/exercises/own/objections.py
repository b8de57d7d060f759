"""`objections` (chapter 22): why a row of a model card cannot be signed."""

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck("objections", "(row) -> set of words")
BANK = Bank("objections")
ROW = {
    "task": "products, 3 × 3 digits", "prompt": "What is a times b?", "grader": "last number", "effort": "medium",
    "right": 18, "of": 20, "low": 0.699, "high": 0.972, "leaked": 0,
}  # fmt: skip


@CHECK.cases
def cases():
    return [
        Case("a whole row", (ROW,), set(), "Nothing is missing here, and the share is within its interval."),
        Case(
            "a field is missing",
            ({name: value for name, value in ROW.items() if name not in ("effort", "grader")},),
            {"effort", "grader"},
            "Every field of FIELDS that the row lacks is an objection; use its name.",
        ),
        Case(
            "an empty field", (ROW | {"prompt": "", "low": None},), {"prompt", "low"}, "'' and None count as missing."
        ),
        Case(
            "none right",
            (ROW | {"right": 0, "low": 0.0, "high": 0.161},),
            set(),
            "0 is a value: test for None and '', not for everything that Python counts as false.",
        ),
        Case(
            "outside",
            (ROW | {"right": 20},),
            {"interval"},
            "If right, of, low and high are there, right / of must be between low and high.",
        ),
        Case("below", (ROW | {"right": 10},), {"interval"}, "The share may be below its interval or above it."),
        Case("leaked", (ROW | {"leaked": 3},), {"leaked"}, "A row with leaked questions cannot be signed."),
        Case(
            "not looked for",
            (ROW | {"leaked": None},),
            {"leaked"},
            "Not having looked for leaks is not the same as 0 leaks.",
        ),
    ]


FIELDS = ("task", "prompt", "grader", "effort", "right", "of", "low", "high", "leaked")


@BANK.right("fields, then the interval, then leaks")
def objections(row):
    found = {name for name in FIELDS if row.get(name) in (None, "")}
    if not found & {"right", "of", "low", "high"}:
        if not row["low"] <= row["right"] / row["of"] <= row["high"]:
            found.add("interval")
    if row.get("leaked"):
        found.add("leaked")
    return found


@BANK.right("one thing after another")
def objections_in_a_loop(row):
    found = set()
    for name in FIELDS:
        value = row.get(name)
        if value is None or value == "" or (name == "leaked" and value > 0):
            found.add(name)
    numbers = [row.get(name) for name in ("low", "right", "of", "high")]
    if None not in numbers:
        low, right, of, high = numbers
        if right / of < low or right / of > high:
            found.add("interval")
    return found


BANK.change(objections)
BANK.wrong("a whole row", "no leak is an objection", ('if row.get("leaked"):', 'if "leaked" in row:'))
BANK.wrong(
    "a field is missing",
    "only what is there is looked at",
    ("for name in FIELDS if row.get(name) in", "for name in row if row[name] in"),
)
BANK.wrong("a field is missing", "the first objection only", ("    return found", "    return set(sorted(found)[:1])"))
BANK.wrong(
    "an empty field",
    "only missing keys",
    ('if row.get(name) in (None, "")', "if name not in row"),
    ('if not found & {"right", "of", "low", "high"}:', 'if not found and row["low"] is not None:'),
)
BANK.wrong(
    "none right", "0 taken for nothing", ('if row.get(name) in (None, "")', 'if not row.get(name) and name != "leaked"')
)
BANK.wrong("outside", "the interval is not looked at", ('found.add("interval")', "pass"))
BANK.wrong(
    "below",
    "only above",
    ('not row["low"] <= row["right"] / row["of"] <= row["high"]', 'row["right"] / row["of"] > row["high"]'),
)
BANK.wrong(
    "outside",
    "only below",
    ('not row["low"] <= row["right"] / row["of"] <= row["high"]', 'row["right"] / row["of"] < row["low"]'),
)
BANK.wrong("leaked", "leaks do not count", ('if row.get("leaked"):', "if False:"))
BANK.wrong(
    "not looked for",
    "None taken for 0",
    ('row.get(name) in (None, "")}', 'row.get(name) in (None, "") and name != "leaked"}'),
)
