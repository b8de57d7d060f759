"""The named benchmarks on the command line: run, list, report, export. See eval.py."""

from __future__ import annotations

import argparse
import itertools
import shlex
import time
from pathlib import Path

from gptoss_edu.errors import GptOssError
from gptoss_edu.options import SMALL, check_writable, number_from, positive, seed_number, write_text


def add_named_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("benchmarks")
    group.add_argument("--data", type=Path, help="the published data file or folder")
    group.add_argument(
        "--engine",
        default="local",
        metavar="NAME | URL",
        help="local, transformers, llama_cpp, vllm, or a server (…/v1)",
    )
    group.add_argument("--url", help="of --engine endpoint, up to and including /v1")
    group.add_argument("--served-model", metavar="NAME", help="the model's name at the server (its first)")
    group.add_argument("--effort", nargs="+", choices=("low", "medium", "high", "all"), default=["medium"])
    group.add_argument("--attempts", type=positive, help="per question (default: the benchmark's; 1 at temperature 0)")
    group.add_argument("--temperature", type=number_from(0), default=0.0)
    group.add_argument("--seed", type=seed_number, default=0)
    group.add_argument("--max-tokens", type=positive, help="per turn (default: the benchmark's)")
    group.add_argument("--room", type=positive, help="tokens per row, prompt and answer (default: what fits in 2 GiB)")
    group.add_argument("--limit", type=positive, help="number of questions, evenly spread")
    group.add_argument("--workers", type=positive, default=8, help="simultaneous requests to a server (8)")
    group.add_argument("--judge", metavar="URL", help="a server whose model judges rubrics (HealthBench)")
    group.add_argument("--user", metavar="URL", help="a server whose model plays the user (Tau-bench)")
    group.add_argument("--corpus", type=Path, help="training text in which to look for the questions")
    group.add_argument("--out", type=Path, help="samples (default: runs/eval/NAME.jsonl); export: a folder")
    group.add_argument("--html", type=Path, help="also write the report as a page")
    group.add_argument("--markdown", type=Path, help="also write the report as Markdown")
    group.add_argument("--inspect", action="store_true", help="export: a task for inspect-ai")


def run_named(args: argparse.Namespace) -> None:
    if args.what == "list":
        print_list()
    elif args.what == "report":
        write_reports(args)
    elif args.what == "export":
        export(args)
    else:
        if args.files:
            raise GptOssError(f"eval {args.what}: expected options only, found {' '.join(args.files)}; leave it out.")
        run_one(args)


def print_list() -> None:
    from gptoss_edu.evals.named import BENCHMARKS

    for benchmark in BENCHMARKS.values():
        reads = "makes its own questions" if benchmark.toy else f"reads {benchmark.form}; {benchmark.licence}"
        print(f"{benchmark.name:16} {benchmark.measures} {reads[0].upper()}{reads[1:]}.")


def run_one(args: argparse.Namespace) -> None:
    from gptoss_edu.evals.contamination import contamination, corpus_texts
    from gptoss_edu.evals.named import named, read_questions
    from gptoss_edu.evals.report_markdown import report
    from gptoss_edu.evals.run_benchmark import run_benchmark
    from gptoss_edu.evals.sample_log import SampleLog, new_header
    from gptoss_edu.harmony import EFFORTS

    benchmark = named(args.what)
    questions = read_questions(benchmark, args.data)
    if args.limit and args.limit < len(questions):
        questions = [questions[i * len(questions) // args.limit] for i in range(args.limit)]
    out = args.out or Path("runs") / "eval" / f"{benchmark.name}.jsonl"
    for path, name in ((out, "--out"), (args.html, "--html"), (args.markdown, "--markdown")):
        check_writable(path, name, makes_folder=path == out)
    benchmark = judged(benchmark, args)
    backend, details = backend_of(args)
    settings = {
        "temperature": args.temperature,
        "seed": args.seed,
        "max_new_tokens": args.max_tokens or benchmark.max_new_tokens,
    }
    log = SampleLog(new_header(benchmark, questions, backend.name, **settings, **details), out)
    efforts = EFFORTS if "all" in args.effort else list(dict.fromkeys(args.effort))
    samples = run_benchmark(
        benchmark, questions, backend, log, efforts, args.attempts, args.temperature, args.seed, args.max_tokens,
        args.seconds, Watch(), tools=tools_of(benchmark, args), user=user_of(benchmark, args),
    )  # fmt: skip
    if all(s["ended"] == "error" for s in samples):
        why = samples[0]["note"] if samples else "no time"
        raise GptOssError(f"{benchmark.name}: expected answers, found errors only: {why.rstrip('.')}.")
    found = contamination(questions, corpus_texts(args.corpus)) if args.corpus else None
    text = report(log.header, samples, contaminated=found)
    print(f"\n{text}\n{len(samples)} samples in {out}")
    keep_reports(args, text, [(log.header, samples)])


class Watch:
    """Prints the progress of the run every ten seconds."""

    def __init__(self, every: float = 10.0):
        self.every, self.last = every, time.monotonic()

    def __call__(self, done: int, wanted: int, right: int) -> None:
        if time.monotonic() - self.last >= self.every:
            self.last = time.monotonic()
            print(f"{done} of {wanted} samples, {right} right", flush=True)


def backend_of(args: argparse.Namespace):
    """Return (backend, its description for the record)."""
    import torch

    from gptoss_edu import __version__, load_model
    from gptoss_edu.engines import open_engine
    from gptoss_edu.evals.backends import EngineBackend, PoolBackend, check_finite
    from gptoss_edu.evals.endpoint_backend import EndpointBackend

    from .eval import fingerprint

    details = {"version": __version__, "date": time.strftime("%Y-%m-%d")}
    address = args.url if args.engine == "endpoint" else args.engine
    if address and address.startswith(("http://", "https://")):
        return EndpointBackend(address, args.served_model, args.workers), details
    if args.engine not in ("local", "pool"):
        engine = open_engine(args.engine, args.model, args.url, args.device)
        return EngineBackend(engine), details | {"engine": engine.name}
    from gptoss_edu.resources import data_path

    model = load_model(args.model, device=args.device, dtype=getattr(torch, args.dtype) if args.dtype else None)
    check_finite(model, args.model or "gpt-oss-tiny")
    on_gpu = model.device.type == "cuda"
    device = torch.cuda.get_device_name() if on_gpu else "cpu"
    name = f"pool {fingerprint(args.model or data_path('gpt-oss-tiny'))}"
    small = sum(p.nbytes for p in model.state_dict().values()) < SMALL
    rows = args.batch or ((256 if on_gpu else 32) if small else 8)
    return PoolBackend(model, rows, args.room, name), details | {"torch": torch.__version__, "device": device}


def judged(benchmark, args: argparse.Namespace):
    """Return the benchmark with the named judge."""
    from gptoss_edu.evals.backends import ask_one
    from gptoss_edu.evals.endpoint_backend import EndpointBackend
    from gptoss_edu.evals.grading.rubrics import ModelJudge
    from gptoss_edu.evals.named import with_judge

    if args.judge is None:
        if benchmark.name == "healthbench":
            raise GptOssError("healthbench: expected a judge, found none; name a server with --judge URL.")
        return benchmark
    backend = EndpointBackend(args.judge, args.served_model, 1)
    return with_judge(benchmark, ModelJudge(lambda prompt, number: ask_one(backend, prompt, seed=number)))


def tools_of(benchmark, args: argparse.Namespace):
    from gptoss_edu.evals.published.tools_and_users import load_tools

    return load_tools(args.data) if benchmark.dialogue else None


def user_of(benchmark, args: argparse.Namespace):
    """Return a model that plays the user in a dialogue."""
    from gptoss_edu.evals.backends import ask_one
    from gptoss_edu.evals.endpoint_backend import EndpointBackend
    from gptoss_edu.evals.published.tools_and_users import played_user

    if not benchmark.dialogue:
        return None
    if args.user is None:
        raise GptOssError(
            f"{benchmark.name}: expected a model that plays the user, found none; name a server with --user URL."
        )
    backend = EndpointBackend(args.user, args.served_model, 1)
    return played_user(lambda prompt: ask_one(backend, prompt))


def write_reports(args: argparse.Namespace) -> None:
    """Write reports from files of samples, this project's or inspect-ai's."""
    from gptoss_edu.evals.inspect_logs import read_samples
    from gptoss_edu.evals.report_markdown import comparison, report
    from gptoss_edu.evals.summarise import compare

    if not args.files:
        raise GptOssError("eval report: expected files of samples, found none; name them.")
    for path, name in ((args.html, "--html"), (args.markdown, "--markdown")):
        check_writable(path, name)
    runs = [read_samples(Path(name)) for name in args.files]
    parts = [report(header, samples) for header, samples in runs]
    for (first, one), (second, other) in itertools.pairwise(runs):
        if all(first.get(key) == second.get(key) for key in ("benchmark", "questions")):
            parts.append(comparison(first["engine"], second["engine"], compare(one, other)))
    text = "\n".join(parts)
    print(text)
    keep_reports(args, text, runs)


def keep_reports(args: argparse.Namespace, text: str, runs: list) -> None:
    from gptoss_edu.evals.report_html import page

    if args.markdown:
        write_text(args.markdown, text)
    if args.html:
        write_text(args.html, page(runs))


def export(args: argparse.Namespace) -> None:
    from gptoss_edu.evals.inspect_export import export_task
    from gptoss_edu.evals.named import named, read_questions

    if not args.inspect or len(args.files) != 1:
        raise GptOssError(
            "eval export: expected one benchmark and --inspect; gptoss-edu eval export NAME --inspect --out FOLDER."
        )
    benchmark = named(args.files[0])
    folder = args.out or Path("runs") / "inspect" / benchmark.name
    task = export_task(benchmark, read_questions(benchmark, args.data), folder, args.data)
    print(
        f"cd {shlex.quote(str(task.parent))} && inspect eval {task.name} --model PROVIDER/NAME --reasoning-effort"
        " medium"
    )
