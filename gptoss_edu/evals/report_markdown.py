"""Write a run's report in Markdown: settings, the table with intervals, failures by kind, some wrong samples."""

from __future__ import annotations

from collections.abc import Sequence

from .card import table
from .grading.orders import FATES
from .named import named
from .summarise import summarise


def percent(cell: dict) -> str:
    """Format a mean with its interval: '87.5 % [80.1, 92.4]'."""
    return f"{100 * cell['mean']:.1f} % [{100 * cell['low']:.1f}, {100 * cell['high']:.1f}]"


def counted(cell: dict) -> str:
    """Format a count the same way."""
    return percent({**cell, "mean": cell["share"]}) if cell["of"] else "none"


def rows_of(found: dict, score: str) -> list[list[str]]:
    """Return the lines of the table, one effort per column."""
    efforts = found["efforts"]
    lines: list[tuple[str, object]] = []
    if score == "mean score":
        lines.append(("score", lambda row: percent(row["score"])))
    lines.append(("right" if score == "accuracy" else "whole rubric met", lambda row: percent(row["accuracy"])))
    if any("majority" in row for row in efforts.values()):
        most = max(k for row in efforts.values() for k in row.get("pass@k", {1: 0}))
        lines += [
            (f"pass@{most}", lambda row: f"{100 * row.get('pass@k', {}).get(most, 0):.1f} %"),
            (f"pass^{most} (all of {most})", lambda row: f"{100 * row.get('pass^k', {}).get(most, 0):.1f} %"),
            ("majority of the attempts", lambda row: counted(row["majority"]) if "majority" in row else ""),
        ]
    if any("declines" in row for row in efforts.values()):
        lines += [
            ("attempted", lambda row: counted(row["declines"]["attempted"])),
            ("right of those attempted", lambda row: counted(row["declines"]["correct_given_attempted"])),
            ("F-score", lambda row: f"{row['declines']['f_score']:.3f}"),
        ]
    if any("orders" in row for row in efforts.values()):
        lines += [
            (f"order in a result: {fate}", lambda row, fate=fate: counted(row["orders"]["all"][fate])) for fate in FATES
        ]
    lines += [
        ("questions, samples", lambda row: f"{row['questions']:,}, {row['samples']:,}"),
        ("tokens, of them thought", lambda row: f"{row['tokens']:,.0f}, {row['thought_tokens']:,.0f}"),
        ("seconds per sample", lambda row: f"{row['seconds']:.1f}"),
    ]
    return [[title, *(make(row) for row in efforts.values())] for title, make in lines]


def settings_line(header: dict) -> str:
    """Describe the run in one sentence."""
    parts = [f"engine {header['engine']}", f"temperature {header['temperature']:g}"]
    parts += [f"{key} {header[key]}" for key in ("device", "version", "torch", "date") if header.get(key)]
    return f"{', '.join(parts)}; questions {header['questions']}."


def report(header: dict, samples: Sequence[dict], wrong: int = 10, contaminated: dict | None = None) -> str:
    """Return the whole report, with ``wrong`` of the wrong samples."""
    benchmark = named(header["benchmark"])
    found = summarise(samples, benchmark.score)
    lines = [f"# {benchmark.title}", "", benchmark.measures, "", settings_line(header), ""]
    if found["errors"]:
        lines += [f"{found['errors']} samples ended with an error of the engine and are left out.", ""]
    lines += table(["", *found["efforts"]], rows_of(found, benchmark.score))
    lines += difference_lines(found)
    lines += group_lines(found)
    lines += order_lines(found)
    kinds = dict.fromkeys(kind for row in found["efforts"].values() for kind in row["failures"])
    if kinds:
        rows = [[kind, *(row["failures"].get(kind, 0) for row in found["efforts"].values())] for kind in kinds]
        lines += ["## Failures by kind", "", *table(["", *found["efforts"]], rows)]
    if contaminated is not None:
        lines += contamination_lines(contaminated, samples)
    shown = [s for s in samples if not s["right"]][:wrong]
    if shown:
        lines += ["## Some wrong samples", ""]
        for s in shown:
            said, wanted = _short(s["text"]), _short(s["target"])
            lines.append(f"- {s['effort']}, {s['kind']}: {_short(s['asked'])} → {said} (wanted {wanted})")
    return "\n".join(lines).rstrip() + "\n"


def difference_lines(found: dict) -> list[str]:
    lines = [difference(name, d) for name, d in found["differences"].items()]
    return [*lines, ""] if lines else []


def difference(name: str, d: dict) -> str:
    """Return a paired difference in one line."""
    return (
        f"{name}: {100 * d['difference']:+.1f} points [{100 * d['low']:+.1f}, {100 * d['high']:+.1f}] on the same "
        f"{d['questions']} questions; better in {d['only_second']}, worse in {d['only_first']} "
        f"(sign test {d['sign_test']:.3g})."
    )


def comparison(first: str, second: str, found: dict) -> str:
    """Compare two runs of the same questions at each common effort."""
    lines = [difference(effort, d) for effort, d in found.items()] or ["They share no effort."]
    return "\n".join([f"## {second} against {first}", "", *lines, ""])


def group_lines(found: dict) -> list[str]:
    """Report accuracy by subject and by language, if there is more than one."""
    lines: list[str] = []
    for key, title in (("by_subject", "subject"), ("by_language", "language")):
        names = dict.fromkeys(name for row in found["efforts"].values() for name in row[key])
        rows = [
            [name, *(percent(row[key][name]) if name in row[key] else "" for row in found["efforts"].values())]
            for name in names
        ]
        if rows:
            lines += [f"## By {title}", "", *table([title, *found["efforts"]], rows)]
    return lines


def order_lines(found: dict) -> list[str]:
    """Report what became of orders in tools' results, by what they want; a row's three counts add up."""
    rows = [
        [effort, family, *(counted(counts[fate]) for fate in FATES)]
        for effort, row in found["efforts"].items()
        for family, counts in row.get("orders", {}).items()
    ]
    return ["## Orders in tools' results", "", *table(["effort", "order", *FATES], rows)] if rows else []


def contamination_lines(found: dict, samples: Sequence[dict]) -> list[str]:
    """Return how many questions the corpus holds, and the accuracy without them."""
    touched = set(found["touched"])
    clean = [s for s in samples if s["question"] not in touched]
    lines = [
        "## Contamination",
        "",
        (
            f"{len(touched)} of {found['checked']} questions have a run of {found['length']} words in common with the"
            f" corpus ({len(found['too_short'])} are too short to be looked for)."
        ),
    ]
    if found["canaries"]:
        lines.append(f"Canaries in the corpus: {', '.join(found['canaries'])}.")
    if touched and clean:
        for effort, row in summarise(clean)["efforts"].items():
            lines.append(f"Without them, {effort}: {percent(row['accuracy'])}.")
    return [*lines, ""]


def _short(text: str, most: int = 160) -> str:
    text = " ".join(str(text).split()).replace("|", "\\|")
    return text if len(text) <= most else text[: most - 1] + "…"
