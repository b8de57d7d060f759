"""The page of measured numbers: every table is read from a file that a command wrote, never typed."""

import json
from pathlib import Path

ABOUT = ("about", "device", "versions", "date", "model", "command", "seed", "seconds", "measured")
UNITS = {
    "tokens_per_s": "tokens/s", "milliseconds": "ms", "floor_milliseconds": "floor, ms", "of_floor": "floor / measured",
    "of_matrix_ceiling": "of the matrix ceiling", "seconds": "s", "first_seconds": "first time, s",
    "allocated_gib": "allocated, GiB", "reserved_gib": "reserved, GiB", "on_device_gib": "on the device, GiB",
    "s_per_token": "s a token", "prompt": "prompt, tokens", "prompt_tokens_per_s": "prompt, tokens/s",
    "low": "95 % from", "high": "to", "analysis_tokens": "tokens of thought",
}  # fmt: skip


def page(files: list[Path]) -> str:
    """Markdown with one section for each file."""
    head = (
        "# Measured numbers\n\nEvery table on this page is read from a file in `data/` that a command wrote; "
        "[how they were measured](../pages/measured.md) names the commands. Timings on shared machines vary.\n"
    )
    return head + "".join(section(path) for path in files)


def section(path: Path) -> str:
    values = json.loads(path.read_text(encoding="utf-8"))
    about = {key: value for key, value in values.items() if key in ABOUT}
    rest = {key: value for key, value in values.items() if key not in ABOUT}
    parts = [f"\n## `{path.parent.name}/{path.name}`\n", described(about)]
    tables: dict[tuple, list] = {}
    for name, row in rows(rest):
        tables.setdefault(tuple(row), []).append((name, row))
    return "\n".join(parts + [table(columns, found) for columns, found in tables.items()])


def described(about: dict) -> str:
    """Device, versions and date in one line."""
    flat = {}
    for key, value in about.items():
        flat |= value if isinstance(value, dict) else {key: value}
    return ", ".join(f"{key} {shown(value)}" for key, value in flat.items()) + "\n"


def rows(values: dict, path: tuple[str, ...] = ()) -> list[tuple[str, dict]]:
    """Return every innermost group of numbers, with the names that lead to it."""
    found, plain = [], {}
    for key, value in values.items():
        if isinstance(value, dict):
            found += rows(value, (*path, str(key)))
        elif isinstance(value, (bool, int, float, str)):
            plain[str(key)] = value
    own = [(" · ".join(path) or "in all", plain)] if plain else []
    return own + found


def table(columns: tuple[str, ...], found: list[tuple[str, dict]]) -> str:
    """Few columns stand beside each other; many numbers of one thing stand below each other."""
    if len(columns) > 6 and len(found) == 1:
        columns, found = ("value",), [(key, {"value": value}) for key, value in found[0][1].items()]
    head = "| | " + " | ".join(UNITS.get(column, column.replace("_", " ")) for column in columns) + " |"
    lines = [head, "|---|" + "---|" * len(columns)]
    for name, row in found:
        name = name.replace("results · ", "").replace("_", " ").replace("|", "\\|")
        lines.append(f"| {name} | " + " | ".join(shown(row[column]) for column in columns) + " |")
    return "\n" + "\n".join(lines) + "\n"


def shown(value) -> str:
    """Return four digits that count."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        if value == 0 or 1e-3 <= abs(value) < 1e4:
            return f"{value:,.4g}"
        return f"{value:,.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.3e}"
    return str(value).replace("|", "\\|")
