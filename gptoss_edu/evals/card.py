"""Write the measured part of gpt-oss-tiny's model card from the results of `gptoss-edu eval tiny --json`.

python -m gptoss_edu.evals.card data/measurements/tiny_eval.json data/gpt-oss-tiny/README.md
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from gptoss_edu.harmony import EFFORTS
from gptoss_edu.options import write_text
from gptoss_edu.tasks.language_packs import pack

from .grading.orders import FATES

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
WHAT = {"product": "product of {}", "chain": "chain of {} terms", "word_problem": "word problem of {} steps"}


def share(c: dict) -> str:
    """Format a count: '1753 of 2000, 87.7 % [86.1, 89.0]', or '0 of 0'."""
    if not c["of"]:
        return "0 of 0"
    return f"{c['right']:,} of {c['of']:,}, {100 * c['share']:.1f} % [{100 * c['low']:.1f}, {100 * c['high']:.1f}]"


def table(head: list[str], rows: list[list]) -> list[str]:
    return [f"| {' | '.join(map(str, row))} |" for row in (head, ["---"] * len(head), *rows)] + [""]


def effort_rows(effort: dict) -> list[list]:
    rows = []
    for name, cell in effort["cells"].items():
        task, level = name.rsplit(" ", 1)
        found = [cell[e] for e in EFFORTS]
        rows.append([
            WHAT[task].format(level.replace("x", " × ")),
            *map(percent, found),
            " / ".join(f"{c['analysis_tokens']:.0f}" for c in found),
        ])  # fmt: skip
    mean = [effort["mean"][e] for e in EFFORTS]
    tokens = " / ".join(f"{c['analysis_tokens']:.0f}" for c in mean)
    return [*rows, ["mean of the cells", *(f"{100 * c['share']:.1f} %" for c in mean), tokens]]


def percent(c: dict | None) -> str:
    """Format a count: '52/60, 87 % [76, 93]', or nothing if nothing was asked."""
    if not c or not c["of"]:
        return ""
    return f"{c['right']}/{c['of']}, {100 * c['share']:.0f} % [{100 * c['low']:.0f}, {100 * c['high']:.0f}]"


def summary_rows(results: dict) -> list[list]:
    """Return one row each for validity, dialogues, hierarchy, refusals and wordings."""
    rows = []
    if "mixed" in results:
        m = results["mixed"]
        rows += [
            ["format validity, greedy", share(m["valid"])],
            ["right, all efforts together", share(m["correct"])],
            ["whole tool dialogues (functions, python, browser)", share(m["dialogues"])],
            ["instruction hierarchy", share(m["by_task"]["hierarchy"])],
            ["false refusals of what it can do", share(m["false_refusals"])],
        ]
    if "temperature_1" in results:
        t = results["temperature_1"]
        rows += [
            ["format validity at temperature 1", share(t["valid"])],
            ["right at temperature 1", share(t["correct"])],
        ]
    if "foreign" in results:
        found = results["foreign"]["refused"]
        rows.append([f"declined, of {found['of']} questions outside its world", share(found)])
    if "phrasing" in results:
        rows.append(["right in held-out wordings of the same patterns", share(results["phrasing"]["unseen"])])
    strangers = results.get("strangers", {})
    if "all" in strangers:
        said = "right in questions written without sight of the generators, medium effort"
        rows.append([said, share(strangers["all"])])
        rows += [[f"… {name}", share(c)] for name, c in strangers["by_group"].items()]
        second = results.get("questions")
        if second:
            rows.append([f"right in the questions of {second['file']}, medium effort", share(second["all"])])
            rows += [[f"… {name}", share(c)] for name, c in second["by_group"].items()]
    elif strangers:
        said = "right in 240 questions written without sight of the training's wordings"
        rows.append([said, share(strangers["unseen"])])
    return rows


def task_lines(results: dict) -> list[str]:
    """Return accuracy by task: trained and held-out wordings, and other people's questions."""
    if "mixed" not in results:
        return []
    unseen = results.get("phrasing", {}).get("by_task", {})
    strangers = results.get("strangers", {})
    columns, head = [unseen], ["task", "trained wordings", "held-out wordings"]
    if "by_task_english" in strangers:
        columns += [strangers["by_task_english"], strangers["by_task_other_languages"]]
        head += ["written apart, English, medium", "written apart, 14 languages, medium"]
    else:
        columns.append(strangers.get("by_task", {}))
        head.append("written apart, medium and high")
    rows = [
        [t.replace("_", " "), share(c), *(share(u[t]) if u.get(t, {}).get("of") else "" for u in columns)]
        for t, c in results["mixed"]["by_task"].items()
        if c["of"]
    ]
    said = "By task, all efforts together (low effort answers hard sums without working, and mostly wrongly):"
    return [said, "", *table(head, rows)]


def language_lines(results: dict) -> list[str]:
    """Return lines for fifteen languages: counts by effort, relative to English, refusals, other answer languages."""
    if "languages" not in results:
        return []
    found = results["languages"]
    relative, rows = found["relative_to_english"], []
    medium = relative.get("medium")
    for code, own in found["by_language"].items():
        ratio = medium["languages"].get(code) if medium else None
        rows.append([
            "English" if code == "en" else pack(code).name, *(percent(own[e]) for e in EFFORTS),
            f"{100 * ratio['ratio']:.0f} % [{100 * ratio['low']:.0f}, {100 * ratio['high']:.0f}]" if ratio else "",
            percent(own["refusals"]), percent(own["answer_in"]),
        ])  # fmt: skip
    head = ["language", *EFFORTS, "medium, relative to English", "declined what it should", "answers wanted in it"]
    lines = ["By language, the same tasks and levels, held-out operands:", "", *table(head, rows)]
    for effort in EFFORTS:
        if effort in relative:
            mean, worst = relative[effort]["mean"], relative[effort]["worst"]
            name = pack(worst["language"]).name
            lines.append(
                f"- {effort}: {of_english(mean)} of English in the mean of 14, worst {name} {of_english(worst)}"
            )
    better = ", ".join(f"{key} in {len(relative[key])}" for key in ("low < medium", "medium <= high"))
    return [*lines, f"- of the {len(found['by_language'])} languages: {better}", ""]


def of_english(ratio: dict) -> str:
    return f"{100 * ratio['ratio']:.1f} % [{100 * ratio['low']:.1f}, {100 * ratio['high']:.1f}]"


def new_task_lines(results: dict) -> list[str]:
    """Return the second edition's tasks: held-out operands, wordings and families."""
    if "tasks" not in results:
        return []
    rows = []
    for task, found in results["tasks"]["by_task"].items():
        columns = found["columns"]
        families = "; ".join(percent(c) for name, c in columns.items() if "family" in name)
        rows.append(
            [task, *(percent(columns.get(name)) for name in ("held-out operands", "held-out wordings")), families]
        )
    head = ["task", "held-out operands", "held-out wordings", "held-out families"]
    return ["The tasks that this edition added, all efforts together:", "", *table(head, rows)]


def stranger_lines(results: dict) -> list[str]:
    """Report questions written apart with numeric answers, at each effort."""
    found = results.get("strangers", {}).get("numbers_by_effort")
    if not found:
        return []
    groups = list(dict.fromkeys(name for cells in found.values() for name in cells))
    rows = [[name, *(percent(found[e].get(name)) for e in EFFORTS)] for name in groups]
    return ["Numbers asked for in questions written apart, at each effort:", "", *table(["", *EFFORTS], rows)]


def order_lines(results: dict) -> list[str]:
    """Report what became of orders in tools' results: three outcomes that add up."""
    rows = (
        [["written apart", results["strangers"]["orders"]["all"]]] if "orders" in results.get("strangers", {}) else []
    )
    rows += [[name, found["all"]] for name, found in results.get("tasks", {}).get("orders", {}).items()]
    if not rows:
        return []
    lines = [[name, *(percent(counts[fate]) for fate in FATES)] for name, counts in rows]
    said = "Orders in what tools send back: is the content told rightly, is the order followed, or neither?"
    return [said, "", *table(["questions", *FATES], lines)]


def inside_lines(results: dict) -> list[str]:
    lines: list[str] = []
    if "ablations" in results:
        rows = [[name, f"{loss:.4f}"] for name, loss in results["ablations"].items()]
        said = "Cross-entropy of the assistant's tokens with one mechanism taken out of the trained model:"
        lines += [said, "", *table(["model", "nats a token"], rows)]
    if "inside" in results:
        found = results["inside"]
        rows = [
            ["mean mass on the sinks", *(f"{v:.2f}" for v in found["sink_mass"])],
            ["mean attended distance, tokens", *(f"{v:.1f}" for v in found["distance"])],
            ["entropy of the first expert's load, of 4 bits", *(f"{v:.2f}" for v in found["load_entropy"])],
        ]
        for name, pair in found["information"].items():
            values = [f"{a:.2f} ({b:.2f})" for a, b in zip(pair["bits"], pair["shuffled"], strict=True)]
            rows.append([f"bits that the first expert says about the {name} (shuffled)", *values])
        said = f"Inside, by layer (even layers slide), over {found['tokens']:,} tokens of held-out conversations:"
        lines += [said, "", *table(["", *(f"layer {i}" for i in range(len(found["sink_mass"])))], rows)]
    if "router" in results:
        lines += router_lines(results["router"])
    return lines


def router_lines(found: dict) -> list[str]:
    """Return the bits about language, script and task; in brackets, the null from shuffled conversations or tokens."""
    rows = []
    for name, cell in found["information"].items():
        null = cell.get("conversations_exchanged", cell["shuffled"])
        rows.append([name, *(f"{a:.2f} ({b:.2f})" for a, b in zip(cell["bits"], null, strict=True))])
    said = (
        f"Bits that the first expert says about language, script and task, over {found['tokens']:,} tokens of "
        f"{found['conversations']:,} conversations in fifteen languages (in brackets with the labels of whole "
        "conversations exchanged; for scripts, of tokens shuffled):"
    )
    layers = len(next(iter(found["information"].values()))["bits"])
    return [said, "", *table(["", *(f"layer {i}" for i in range(layers))], rows)]


def pair_lines(results: dict) -> list[str]:
    p = results.get("paired") or results.get("paired_effort")  # of all prompts, or of those of the efforts
    if not p or "first" not in p:
        return []
    return [
        f"MXFP4 experts against bfloat16 ones, {p['prompts']:,} prompts in pairs: bfloat16 right {share(p['second'])}, "
        f"MXFP4 {share(p['first'])}; only bfloat16 right {p['only_second']}, only MXFP4 right {p['only_first']}; "
        f"difference (bfloat16 − MXFP4) {100 * p['difference']:.2f} ± {100 * p['half_interval']:.2f} points.",
        "",
    ]


def measured(results: dict) -> str:
    """Return the text between the two marks."""
    runs = results.get("measured_with", {}).values() or [results]  # sections may come from several calls
    runs = dict.fromkeys(
        ", ".join([run["device"], *([run["dtype"]] if "dtype" in run else []), f"torch {run['torch']}", run["date"]])
        for run in runs
    )
    lines = [
        f"By `gptoss-edu eval tiny` ({'; '.join(runs)}), greedy unless said, on held-out operands where a task has "
        "operands. Counts carry 95 % intervals (Wilson; ratios: Jeffreys); the JSON is "
        "`data/measurements/tiny_eval.json`.",
        "",
        *table(["what", "count, share, 95 % interval"], summary_rows(results)),
        *task_lines(results),
    ]
    if "effort" in results:
        lines += ["The same questions at each effort:", ""]
        lines += table(["", *EFFORTS, "tokens of analysis"], effort_rows(results["effort"]))
    lines += stranger_lines(results) + language_lines(results) + new_task_lines(results)
    lines += order_lines(results) + pair_lines(results)
    return "\n".join(lines + inside_lines(results)).strip()


def fill(card: str, results: dict) -> str:
    before, rest = card.split(BEGIN)
    return f"{before}{BEGIN}\n{measured(results)}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    source, target = map(Path, sys.argv[1:])
    write_text(target, fill(target.read_text(encoding="utf-8"), json.loads(source.read_text(encoding="utf-8"))))
