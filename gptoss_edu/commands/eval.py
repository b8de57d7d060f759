"""Measure what gpt-oss-tiny can do: counts with 95 % intervals.

    gptoss-edu eval tiny                      about half an hour on two CPU cores
    gptoss-edu eval tiny --scale 0.1          a first impression
    gptoss-edu eval tiny --against FOLDER     the same prompts with a second model, compared pair by pair
    gptoss-edu eval tiny --only effort foreign --json results.json

Sections: mixed (validity, accuracy, tool dialogues, false refusals), effort, foreign (200 questions outside its world),
phrasing (held-out wordings), strangers (240 questions written without sight of the training's wordings), temperature_1,
and inside (losses with parts removed, sinks, router). Sections that stand in the --json file already, of the same model
and sizes, are not measured again; `measured_with` says of each with what it was measured.
"""

import argparse
import hashlib
import json
import platform
import time
from pathlib import Path

from gptoss_edu.errors import GptOssError
from gptoss_edu.options import positive

SIZES = {"mixed": 2000, "effort": 100, "foreign": 200, "phrasing": 1000, "strangers": 240, "warm": 2000, "probe": 24}
NAMES = {"temperature_1": "warm", "inside": "probe"}
RUN = ("device", "threads", "torch", "version", "date")  # what may differ between the sections of one file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("tiny",))
    parser.add_argument("--model", type=Path, help="checkpoint folder; default: the bundled gpt-oss-tiny")
    parser.add_argument(
        "--against", type=Path, help="a second model (bfloat16 experts, another seed) on the same prompts"
    )
    parser.add_argument("--scale", type=float, default=1.0, help="share of the prompts")
    parser.add_argument(
        "--only", nargs="+", choices=("mixed", "effort", "foreign", "phrasing", "strangers", "temperature_1", "inside")
    )
    parser.add_argument("--batch", type=positive, default=64, help="sequences decoded together")
    parser.add_argument("--seconds", type=float, help="begin nothing new after that time")
    parser.add_argument("--device")
    parser.add_argument("--json", type=Path, help="write all results here, section by section")


def run(args: argparse.Namespace) -> None:
    import torch

    from gptoss_edu import __version__, load_model
    from gptoss_edu.evals.suite import run_suite
    from gptoss_edu.options import check_writable, write_text
    from gptoss_edu.resources import data_path

    if not 0 < args.scale < float("inf"):
        raise GptOssError(f"--scale: expected a share above 0, found {args.scale}.")
    check_writable(args.json, "--json")
    model = load_model(args.model, device=args.device)
    against = load_model(args.against, device=args.device) if args.against else None
    wanted = {NAMES.get(name, name) for name in args.only} if args.only else set(SIZES)
    sizes = {name: max(4, round(size * args.scale)) if name in wanted else 0 for name, size in SIZES.items()}
    sizes["foreign"], sizes["strangers"] = min(sizes["foreign"], 200), min(sizes["strangers"], 240)
    began = time.monotonic()
    results = {
        "model": fingerprint(args.model or data_path("gpt-oss-tiny")), "scale": args.scale,
        "device": torch.cuda.get_device_name() if model.device.type == "cuda" else platform.machine(),
        "threads": torch.get_num_threads(), "torch": torch.__version__, "version": __version__, "date": time.strftime("%Y-%m-%d"),
    }  # fmt: skip
    against_weights = {"against": fingerprint(args.against)} if args.against else {}
    done, results["measured_with"] = earlier(args.json, results | against_weights)

    def store(name: str, section: dict) -> None:
        results[name] = section
        with_what = {key: results[key] for key in RUN}
        results["measured_with"][name] = with_what | (against_weights if name.startswith("paired") else {})
        results["seconds"] = round(time.monotonic() - began, 1)
        print(f"\n{name} ({results['seconds']:.0f} s)")
        print("\n".join(lines(section)), flush=True)
        if args.json:
            write_text(args.json, json.dumps(results, indent=1, ensure_ascii=False))

    results.update(done)
    run_suite(model, sizes, args.batch, store, args.seconds, against, done, Progress())


class Progress:
    """A line every ten seconds: how far a section is."""

    def __init__(self, every: float = 10.0):
        self.every, self.last, self.section, self.began = every, time.monotonic(), "", 0.0

    def __call__(self, section: str, answered: int, prompts: int, right: int, tokens: int) -> None:
        now = time.monotonic()
        if section != self.section:
            self.section, self.began = section, self.last
        if now - self.last < self.every and answered < prompts:
            return
        self.last = now
        speed = tokens / max(1e-3, now - self.began)
        print(f"{section}: {answered} of {prompts} answered, {right} right, {speed:.0f} tokens/s", flush=True)


def fingerprint(folder: Path) -> str:
    """The first 16 digits of the weights' sha256: tells results of different weights apart."""
    digest = hashlib.sha256()
    for path in sorted(Path(folder).rglob("*.safetensors")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def earlier(path: Path | None, now: dict) -> tuple[dict, dict]:
    """Sections that earlier calls have stored in this file, if model and scale are the same, and by section what it was
    measured with. A comparison with another second model than now's is left out."""
    if path is None or not path.is_file():
        return {}, {}
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        before = None
    if not isinstance(before, dict):
        raise GptOssError(
            f"--json {path}: expected results of an earlier call, found something else; name another file."
        )
    if any(before.get(name) != now[name] for name in ("model", "scale")):
        return {}, {}
    sections = {name: part for name, part in before.items() if isinstance(part, dict) and name != "measured_with"}
    header = {key: before[key] for key in RUN if key in before}  # of the only call, where a file has no measured_with
    how = {name: before.get("measured_with", {}).get(name, header) for name in sections}
    other = [n for n in sections if n.startswith("paired") and how[n].get("against") != now.get("against")]
    for name in other if "against" in now else ():
        del sections[name], how[name]
    return sections, how


def lines(section: dict, indent: str = "  ") -> list[str]:
    """A section as text: a count as '57 of 60, 95.0 % [86.3, 98.3]'; lists of examples are left to the JSON."""
    out = []
    for name, value in section.items():
        if isinstance(value, dict) and "right" in value:
            tokens = f", {value['analysis_tokens']:.0f} tokens of analysis" if "analysis_tokens" in value else ""
            if value["of"]:
                out.append(
                    f"{indent}{name}: {value['right']} of {value['of']}, {100 * value['share']:.1f} % [{100 * value['low']:.1f}, {100 * value['high']:.1f}]{tokens}"
                )
        elif isinstance(value, dict):
            out += [f"{indent}{name}", *lines(value, indent + "  ")]
        elif isinstance(value, list) and value and isinstance(value[0], float):
            out.append(f"{indent}{name}: {' '.join(f'{v:.3f}' for v in value)}")
        elif isinstance(value, (int, float, str)) and name != "flags":
            out.append(f"{indent}{name}: {value}")
    return out
