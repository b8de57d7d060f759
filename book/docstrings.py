"""Docstrings are written to be read in an editor; here they become reStructuredText."""

import re

SPAN = re.compile(r"(``[^`]+``|`[^`]+`)")
UNDERLINE = re.compile(r"^\s*-{3,}\s*$")


def to_rst(lines: list[str]) -> list[str]:
    """Indented passages after a blank line become code, `names` become literals, bars are nobody's substitution."""
    out: list[str] = []
    code: int | None = None  # indentation of the text that a code passage stands below
    before = 0
    for number, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if code is not None and line.strip() and indent <= code:
            code = None
        opens = line.strip() and indent > before and number and not lines[number - 1].strip() and code is None
        if opens and not UNDERLINE.match(line):
            code = before
            out += [" " * before + "::", ""]
        out.append(line if code is not None else inline(line))
        if line.strip():
            before = indent if code is None else before
    return out


def inline(line: str) -> str:
    """Return one line of text, spans in backticks apart."""
    parts = SPAN.split(line)
    for i, part in enumerate(parts):
        if i % 2:
            follows = parts[i + 1][:1]
            parts[i] = f"``{part.strip('`')}``" + ("\\ " if follows.isalnum() else "")
        else:
            parts[i] = part.replace("|", "\\|")
    return "".join(parts)
