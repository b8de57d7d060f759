"""The reference, a page for each room of the package, in the order in which the course needs them."""

import importlib
import pkgutil
import sys
from functools import cache
from pathlib import Path

import gptoss_edu

PACKAGE = "gptoss_edu"
MODEL = "bpe tokenizer norm rope attention moe mxfp4 cache hooks transformer generation ladder"
TRAINING = (
    "training.lessons training.packing training.objective training.optim training.fresh training.pretrain "
    "training.quantize"
)
EVALS = "evals.suite evals.answering evals.benchmark evals.run_benchmark evals.uncertainty evals.contamination"
ROOMS = {  # page: (title, what it says at its top, modules; a star: and all in it)
    "model": ("The model", "What chapters 01 to 11 build, a file for each idea.", MODEL),
    "basics": ("Shape, errors, options, files", "What everything else stands on.", "config errors options resources"),
    "checkpoint": ("Checkpoints", "Load, write and convert weights.", "checkpoint*"),
    "harmony": ("Harmony", "Render, parse, stream and constrain conversations.", "harmony*"),
    "tools": ("Tools", "Functions, Python and the browser.", "tools*"),
    "agent": ("The agent", "Render, generate, parse, call, repeat.", "agent*"),
    "engines": ("Engines", "The sampler protocol and what implements it.", "engines*"),
    "serve": ("Serving", "Responses and Chat Completions over HTTP.", "serve*"),
    "trace": ("Looking inside", "Capture, interventions, traces.", "trace"),
    "viz": (
        "Figures",
        "A function for each figure.",
        "viz viz.figures viz.attention_figures viz.router_figures viz.tokens viz.style",
    ),
    "web": (
        "The explorer and the model in a page",
        "What joins the modules, and what writes the pages.",
        "web web.page web.playground web.site web.modules",
    ),
    "fast": ("The fast path", "Kernels and the model on a GPU.", "fast"),
    "tasks": ("The small world of gpt-oss-tiny", "Generators and graders.", "tasks.mix tasks.catalogue tasks.graders"),
    "training": ("Training", "Pre-training, fine-tuning, reinforcement learning, quantisation.", TRAINING),
    "evals": ("Evaluation", "Suites, runners, reports.", EVALS),
    "checks": ("Checks", "What tells a learner what is wrong.", "checks checks.registry checks.mutants"),
    "course": (
        "The course",
        "Predictions, questions, the learner's folder.",
        "course.predictions course.workshop course.progress",
    ),
}
LEFT_OUT = ("gptoss_edu.checks.exercises.", "gptoss_edu.commands", "gptoss_edu.benchmarks")
FRONT_DOOR = "\n".join(
    f".. autofunction:: {PACKAGE}.{f}" for f in ("load_model", "load_tokenizer", "generate", "generate_batch")
)


def write(target: Path, write_page) -> None:
    """A page for each room, and nothing else in the folder."""
    for room, (title, about, _) in ROOMS.items():
        head = f"# {title}\n\n{about} Shapes are given with the [letters of the axes](../../pages/notation.md).\n"
        door = f"\n## The front door\n\n```{{eval-rst}}\n{FRONT_DOOR}\n```\n" if room == "model" else ""
        write_page(target / f"{room}.md", head + door + "".join(map(section, modules(room))))


def section(name: str) -> str:
    """Return one module: its own members, without those that its package already shows."""
    short = name.removeprefix(f"{PACKAGE}.")
    shown = set(getattr(importlib.import_module(name.rpartition(".")[0]), "__all__", ()))
    own = sorted(shown & set(vars(importlib.import_module(name)))) if name.count(".") > 1 else []
    excluded = f"   :exclude-members: {', '.join(own)}\n" if own else ""
    return f"\n## {short}\n\n```{{eval-rst}}\n.. automodule:: {name}\n   :members:\n{excluded}```\n"


@cache
def modules(room: str) -> tuple[str, ...]:
    """Return the importable modules of a room, packages first; one that is gone is named and passed over."""
    found = []
    for short in ROOMS[room][2].split():
        name = f"{PACKAGE}.{short.rstrip('*')}"
        if not _shown(name):
            print(f"book/api_pages.py: {name} cannot be shown: no such module, or no docstring.", file=sys.stderr)
            continue
        found.append(name)
        if short.endswith("*"):
            inner = pkgutil.walk_packages(importlib.import_module(name).__path__, name + ".")
            taken = getattr(importlib.import_module(name), "__all__", ())  # a function may be named like its module
            found += sorted(m.name for m in inner if _shown(m.name) and m.name.rpartition(".")[2] not in taken)
    return tuple(found)


def _shown(name: str) -> bool:
    if name.startswith(LEFT_OUT) or name.rpartition(".")[2].startswith("_"):
        return False
    try:
        return bool((importlib.import_module(name).__doc__ or "").strip())
    except ImportError:
        return False  # what it needs is not installed here


def address(module: str) -> str:
    """Return the entry of a module, from the folder of generated pages: `api/model.html#module-gptoss_edu.norm`."""
    name = f"{gptoss_edu.__name__}.{module}"
    room = next(room for room in ROOMS if name in modules(room))
    return f"api/{room}.html#module-{name}"
