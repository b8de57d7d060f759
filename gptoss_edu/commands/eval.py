"""Measure what a model can do: gpt-oss-tiny's own table, or a named benchmark.

    gptoss-edu eval tiny                      hours on two CPU cores, minutes on a GPU (--device cuda --batch 1024)
    gptoss-edu eval tiny --scale 0.05         a first impression
    gptoss-edu eval tiny --against FOLDER     the same prompts with a second model, compared pair by pair
    gptoss-edu eval tiny --sections effort foreign --json results.json
    gptoss-edu eval list                      the named benchmarks and their toy counterparts
    gptoss-edu eval aime-toy --effort all     gpt-oss-tiny on a toy
    gptoss-edu eval aime --data aime2025.jsonl --engine http://127.0.0.1:8000/v1 --effort all --attempts 4
    gptoss-edu eval report runs/eval/*.jsonl --html report.html
    gptoss-edu eval studies --json FILE       how scores come about: the experiments of chapter 22
    gptoss-edu eval safeguards --json FILE    who may tell the model what: the experiments of chapter 23
    gptoss-edu eval export aime-toy --inspect --out FOLDER      the same questions and graders for inspect-ai
    gptoss-edu eval tiny --questions own.jsonl --sections questions       questions of your own, and no others

A question of your own is a line {"question": …, "answer": …, "grade": …}. Grades: number (the last number), contains,
text (nothing else), list (in order), refusal, secret_kept, injection_ignored. It may have a task and a language, by
which answers are counted, and instructions of the developer: gptoss_edu/evals/strangers.jsonl has examples of each.

Sections of tiny: mixed (validity, accuracy, tool dialogues, false refusals), effort, strangers (690 questions written
without sight of the generators), languages (fifteen, at each effort), tasks (the second edition's, with held-out
wordings and families), foreign (200 questions outside its world), phrasing (held-out wordings), temperature_1,
ablations (losses with parts removed), inside (sinks, router) and router (what experts know of languages). Sections that
the --json file already holds completely, for the same model and sizes, are not measured again, so a long evaluation can
be done in pieces; `measured_with` records the conditions of each. Likewise, benchmark samples in the --out file are not
repeated.
"""

import argparse
import hashlib
import json
import platform
import time
from pathlib import Path

from gptoss_edu.errors import GptOssError
from gptoss_edu.options import number_from, positive

from .eval_named import add_named_arguments, run_named
from .eval_studies import run_studies_command

RUN = ("device", "dtype", "threads", "torch", "version", "date")  # may differ between sections of one file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", metavar="tiny | NAME | studies | safeguards | list | report | export")
    parser.add_argument("files", nargs="*", metavar="FILE", help="report: samples; export: the benchmark's name")
    parser.add_argument(
        "--model", type=Path, help="checkpoint folder, GGUF file, or ollama:NAME; default: the bundled gpt-oss-tiny"
    )
    parser.add_argument("--batch", type=positive, default=None, help="sequences decoded together (64; GPU 1024)")
    parser.add_argument("--seconds", type=number_from(0), help="start nothing new after this time")
    parser.add_argument("--device")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), help="default: float32 on a CPU, bfloat16 on a GPU")
    tiny = parser.add_argument_group("tiny")
    tiny.add_argument(
        "--against", type=Path, help="a second model (bfloat16 experts, another seed) on the same prompts"
    )
    tiny.add_argument("--scale", type=float, default=1.0, help="share of the prompts")
    tiny.add_argument("--sections", "--only", nargs="+", metavar="SECTION", help="default: all of them")
    tiny.add_argument("--questions", type=Path, help="your own questions, asked as one more section")
    tiny.add_argument("--json", type=Path, help="write all results here, section by section")
    add_named_arguments(parser)


def run(args: argparse.Namespace) -> None:
    if args.what in ("studies", "safeguards"):
        run_studies_command(args)
        return
    if args.what != "tiny":
        run_named(args)
        return
    if args.files:
        raise GptOssError(f"eval tiny: expected options only, found {' '.join(args.files)}; leave it out.")
    run_tiny(args)


def run_tiny(args: argparse.Namespace) -> None:
    import torch

    from gptoss_edu import __version__, load_model
    from gptoss_edu.evals import blind
    from gptoss_edu.evals.backends import check_finite
    from gptoss_edu.evals.suite import run_suite
    from gptoss_edu.options import check_writable, write_text
    from gptoss_edu.resources import data_path

    only = [name for name in args.sections or () if name != "questions"]
    if len(only) < len(args.sections or ()) and args.questions is None:
        raise GptOssError("--sections questions: expected --questions FILE with it, found none.")
    sizes = wanted_sizes(args.sections and only, args.scale)
    if args.questions is not None:
        if not args.questions.is_file():
            raise GptOssError(
                f"--questions {args.questions}: expected a file of JSON lines, found none; check the path."
            )
        blind.questions(args.questions)
    check_writable(args.json, "--json")
    dtype = getattr(torch, args.dtype) if args.dtype else None
    model = load_model(args.model, device=args.device, dtype=dtype)
    against = load_model(args.against, device=args.device, dtype=dtype) if args.against else None
    for measured, name in ((model, args.model or "gpt-oss-tiny"), (against, args.against)):
        if measured is not None:
            check_finite(measured, name)
    began = time.monotonic()
    results = {
        "model": fingerprint(args.model or data_path("gpt-oss-tiny")), "scale": args.scale,
        "device": torch.cuda.get_device_name() if model.device.type == "cuda" else platform.machine(),
        "dtype": str(model.dtype).removeprefix("torch."), "threads": torch.get_num_threads(),
        "torch": torch.__version__, "version": __version__, "date": time.strftime("%Y-%m-%d"),
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

    if args.questions is not None and done.get("questions", {}).get("file") != args.questions.name:
        done.pop("questions", None)  # from another file
    results.update(done)
    batch = args.batch or (1024 if model.device.type == "cuda" else 64)
    run_suite(model, sizes, batch, store, args.seconds, against, done, Progress(), args.questions)


def wanted_sizes(names: list[str] | None, scale: float) -> dict[str, int]:
    """Return how many prompts each section gets; 0 for sections that were not requested."""
    from gptoss_edu.evals.suite import FIXED, SIZES

    if not 0 < scale < float("inf"):
        raise GptOssError(f"--scale: expected a share above 0, found {scale}.")
    unknown = sorted(set(names or ()) - set(SIZES))
    if unknown:
        raise GptOssError(f"--sections: expected names of {', '.join(SIZES)}, found {', '.join(unknown)}.")
    sizes = {}
    for name, size in SIZES.items():
        least = min(size, 2 if size < 30 else 4)
        scaled = max(least, round(size * scale)) if names is None or name in names else 0
        sizes[name] = min(scaled, size) if name in FIXED else scaled
    return sizes


class Progress:
    """Prints the progress of a section every ten seconds."""

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
    """Return the first 16 digits of the weights' sha256, to tell results of different weights apart."""
    digest = hashlib.sha256()
    for path in sorted(Path(folder).rglob("*.safetensors")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def earlier(path: Path | None, now: dict) -> tuple[dict, dict]:
    """Return the complete sections that earlier calls stored in this file, and the conditions of each.

    Return none if model or scale differ. Leave out comparisons with a different second model.
    """
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
    sections = {name: part for name, part in sections.items() if part.get("answered") == part.get("prompts")}
    header = {key: before[key] for key in RUN if key in before}  # of the only call, if a file has no measured_with
    how = {name: before.get("measured_with", {}).get(name, header) for name in sections}
    other = [n for n in sections if n.startswith("paired") and how[n].get("against") != now.get("against")]
    for name in other if "against" in now else ():
        del sections[name], how[name]
    return sections, how


def lines(section: dict, indent: str = "  ") -> list[str]:
    """Format a section as text: a count as '57 of 60, 95.0 % [86.3, 98.3]'; examples are only in the JSON."""
    out = []
    for name, value in section.items():
        if isinstance(value, dict) and "ratio" in value:
            which = f" ({value['language']})" if "language" in value else ""
            out.append(f"{indent}{name}{which}: {value['ratio']:.3f} [{value['low']:.3f}, {value['high']:.3f}]")
        elif isinstance(value, dict) and "right" in value:
            tokens = f", {value['analysis_tokens']:.0f} tokens of analysis" if "analysis_tokens" in value else ""
            if value["of"]:
                share, low, high = (100 * value[key] for key in ("share", "low", "high"))
                out.append(
                    f"{indent}{name}: {value['right']} of {value['of']}, {share:.1f} % [{low:.1f}, {high:.1f}]{tokens}"
                )
        elif isinstance(value, dict):
            out += [f"{indent}{name}", *lines(value, indent + "  ")]
        elif isinstance(value, list) and value and isinstance(value[0], str):
            out.append(f"{indent}{name}: {len(value)} ({' '.join(value)})")
        elif isinstance(value, list) and value and isinstance(value[0], float):
            out.append(f"{indent}{name}: {' '.join(f'{v:.3f}' for v in value)}")
        elif isinstance(value, (int, float, str)) and name != "flags":
            out.append(f"{indent}{name}: {value}")
    return out
