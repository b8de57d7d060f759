"""`sentence_pattern` (chapter 14): a regular expression that leaves only the city free."""

import re

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck


def through(sentence_pattern, country: str, cities: list[str], text: str) -> str:
    """Return whether the pattern matches a whole text."""
    return "fits" if re.fullmatch(sentence_pattern(country, cities), text) else "does not fit"


CHECK = CaseCheck("sentence_pattern", "(country, cities) -> pattern", through)
BANK = Bank("sentence_pattern")


@CHECK.cases
def cases():
    two = ["Oslo", "Rome"]
    return [
        Case(
            "the whole alternative",
            ("Norway", two, "Rome."),
            "does not fit",
            "Without brackets, | splits the whole sentence in two.",
        ),
        Case(
            "the sentence",
            ("Norway", two, "The capital of Norway is Oslo."),
            "fits",
            "The pattern must match exactly what the model writes, including the full stop.",
        ),
        Case(
            "another city",
            ("Norway", two, "The capital of Norway is Rome."),
            "fits",
            "Any of the cities: the model chooses, not the grammar.",
        ),
        Case(
            "no city",
            ("Norway", two, "The capital of Norway is Rose."),
            "does not fit",
            "Only the cities: (Oslo|Rome). Square brackets would allow any of their letters.",
        ),
        Case(
            "a full stop",
            ("Norway", two, "The capital of Norway is Oslo!"),
            "does not fit",
            "An unescaped dot is any character: write \\.",
        ),
    ]


@BANK.right("an alternative in brackets")
def sentence_pattern(country, cities):
    return rf"The capital of {country} is ({'|'.join(cities)})\."


CITIES = "({'|'.join(cities)})"
BANK.wrong("the whole alternative", "without brackets", (CITIES, "{'|'.join(cities)}"))
BANK.wrong("a full stop", "an unescaped full stop", ("\\.", "."))
BANK.wrong("no city", "any word", (CITIES, "[A-Z][a-z]+"))
BANK.wrong("no city", "square brackets", (CITIES, "[{'|'.join(cities)}]+"))
BANK.wrong("another city", "the first city only", (CITIES, "{cities[0]}"))
BANK.wrong("the sentence", "without the full stop", ("\\.", ""))
BANK.wrong("the sentence", "Norway written in as its own capital's country", ("{country}", "country"))
BANK.wrong("the sentence", "a list for the cities", (CITIES, "{cities}"))
