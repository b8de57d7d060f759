"""The measured part of gpt-oss-tiny's model card, written from what `gptoss-edu eval tiny --json` recorded.

python -m gptoss_edu.evals.card data/measurements/tiny_eval.json data/gpt-oss-tiny/README.md
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from gptoss_edu.harmony import EFFORTS
from gptoss_edu.options import write_text

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
WHAT = {"product": "product of {}", "chain": "chain of {} terms", "word_problem": "word problem of {} steps"}


def share(c: dict) -> str:
    """'1753 of 2000, 87.7 % [86.1, 89.0]'"""
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
            *(f"{c['right']}/{c['of']}, {100 * c['share']:.0f} % [{100 * c['low']:.0f}, {100 * c['high']:.0f}]" for c in found),
            " / ".join(f"{c['analysis_tokens']:.0f}" for c in found),
        ])  # fmt: skip
    mean = [effort["mean"][e] for e in EFFORTS]
    tokens = " / ".join(f"{c['analysis_tokens']:.0f}" for c in mean)
    return [*rows, ["mean of the cells", *(f"{100 * c['share']:.1f} %" for c in mean), tokens]]


def mixed_lines(results: dict) -> list[str]:
    """Validity, dialogues, hierarchy, refusals, wordings: one row each, and accuracy by task."""
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
        rows += [["format validity at temperature 1", share(t["valid"])], ["right at temperature 1", share(t["correct"])]]  # fmt: skip
    if "foreign" in results:
        rows.append(["declined, of 200 questions outside its world", share(results["foreign"]["refused"])])
    if "phrasing" in results:
        rows.append(["right in held-out wordings of the same patterns", share(results["phrasing"]["unseen"])])
    if "strangers" in results:
        rows.append(
            [
                "right in 240 questions written without sight of the training's wordings",
                share(results["strangers"]["unseen"]),
            ]
        )
    lines = table(["what", "count, share, 95 % interval"], rows)
    if "mixed" in results:
        unseen = results.get("phrasing", {}).get("by_task", {})
        foreign = results.get("strangers", {}).get("by_task", {})
        by_task = [
            [t.replace("_", " "), share(c), *(share(u[t]) if u.get(t, {}).get("of") else "" for u in (unseen, foreign))]
            for t, c in results["mixed"]["by_task"].items()
        ]
        lines += ["By task, all efforts together (low effort answers hard sums without working, and mostly wrongly):", ""]  # fmt: skip
        lines += table(["task", "trained wordings", "held-out wordings", "written apart, medium and high"], by_task)
    return lines


def inside_lines(results: dict) -> list[str]:
    lines: list[str] = []
    if "ablations" in results:
        lines += ["Cross-entropy of the assistant's tokens with one mechanism taken out of the trained model:", ""]
        lines += table(["model", "nats a token"], [[name, f"{loss:.4f}"] for name, loss in results["ablations"].items()])  # fmt: skip
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
        lines += [f"Inside, by layer (even layers slide), over {found['tokens']:,} tokens of held-out conversations:", ""]  # fmt: skip
        lines += table(["", *(f"layer {i}" for i in range(len(found["sink_mass"])))], rows)
    return lines


def measured(results: dict) -> str:
    """The text between the two marks."""
    runs = results.get("measured_with", {}).values() or [results]  # sections may come from several calls
    runs = dict.fromkeys(f"{run['device']}, torch {run['torch']}, {run['date']}" for run in runs)
    lines = [
        f"By `gptoss-edu eval tiny` on a processor ({'; '.join(runs)}), greedy unless said, on held-out operands where a task has operands. "
        f"Counts carry 95 % intervals (Wilson); the JSON is `data/measurements/tiny_eval.json`.",
        "",
    ]
    lines += mixed_lines(results)
    if "effort" in results:
        lines += ["The same questions at each effort:", ""]
        lines += table(["", *EFFORTS, "tokens of analysis"], effort_rows(results["effort"]))
    if "paired" in results or "paired_effort" in results:
        p = results.get("paired") or results["paired_effort"]  # of all prompts, or of those above
        lines += [
            f"MXFP4 experts against bfloat16 ones, {p['prompts']:,} prompts in pairs: bfloat16 right {share(p['second'])}, MXFP4 {share(p['first'])}; only bfloat16 right "
            f"{p['only_second']}, only MXFP4 right {p['only_first']}; difference (bfloat16 − MXFP4) {100 * p['difference']:.2f} ± {100 * p['half_interval']:.2f} points.",
            "",
        ]
    return "\n".join(lines + inside_lines(results)).strip()


def fill(card: str, results: dict) -> str:
    before, rest = card.split(BEGIN)
    return f"{before}{BEGIN}\n{measured(results)}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    source, target = map(Path, sys.argv[1:])
    write_text(target, fill(target.read_text(encoding="utf-8"), json.loads(source.read_text(encoding="utf-8"))))
