"""Links each chapter's first use of a term to its entry in the glossary."""

import re
from functools import cache
from pathlib import Path

GLOSSARY = Path(__file__).parent / "pages" / "glossary.md"
# Words that mean something else in ordinary English, or two things in this course: they are not linked.
ORDINARY = set(
    """
    agent analysis batch block channel clipping commentary context final gate kernel key ladder layout loss monitor nat
    null parameter policy prompt query rank reward ring role rung schema seed slot tensor trace turn value weight
    window
    """.split()
)
# What must stay as it is: fences, code, mathematics, links, HTML, headings, tables, roles.
PROTECTED = re.compile(
    r"(```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$\n]+\$|!?\[[^\]]*\]\([^)]*\)|<[^>\n]+>|^[ ]*[#|<].*?$)", re.S | re.M
)


@cache
def terms() -> tuple[str, ...]:
    """Return the glossary's entries, longest first, so that "reasoning effort" is not taken for "effort"."""
    text = GLOSSARY.read_text(encoding="utf-8").split("```{glossary}")[1]
    found = [line.strip() for line in text.splitlines() if line and not line.startswith((" ", "`"))]
    return tuple(sorted((term for term in found if term not in ORDINARY), key=len, reverse=True))


def link_terms(source: str, seen: set[str]) -> str:
    """Markdown with the first use of every term that is not in `seen` linked; `seen` grows."""
    parts = PROTECTED.split(source)
    for i in range(0, len(parts), 2):
        parts[i] = _link(parts[i], seen)
    return "".join(parts)


def _link(text: str, seen: set[str]) -> str:
    wanted = [term for term in terms() if term not in seen]
    pattern = (
        re.compile(r"(?<![\w-])(" + "|".join(map(re.escape, wanted)) + r")(s?)(?![\w-])", re.I) if wanted else None
    )
    by_lower = {term.lower(): term for term in wanted}

    def replace(match: re.Match) -> str:
        term = by_lower[match[1].lower()]
        if term in seen:
            return match[0]
        seen.add(term)
        return f"{{term}}`{match[0]} <{term}>`"

    return pattern.sub(replace, text) if pattern else text
