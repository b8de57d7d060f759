"""Reinforcement learning on gpt-oss-tiny, with rewards that can be checked (chapters 20 and 27).

  gptoss-edu rl                     the experiments, one line each
  gptoss-edu rl think               a small run: about a minute on two processor cores
  gptoss-edu rl think --export      writes the model as well: gptoss-edu chat --model runs/rl/think/seed_0/model
  gptoss-edu rl swap --seeds 3      three seeds, one after another, in one record
  gptoss-edu rl think --large       the size of a recording: minutes on one GPU, many hours on a processor
  gptoss-edu rl --show runs/rl/think/think.json --figure think.png             samples, and curves as a picture
  gptoss-edu rl think --seeds 3 --check              does the recording repeat? exit code 1 if a value is out of band
  gptoss-edu rl --check data/measurements/rl/key.json         the same of a record, without a run

A run writes its checkpoint to the folder every minute, and when Ctrl-C ends it; the same command goes on from there.
Without decay it may continue for more --steps than before. NAME.json beside it is the record: curves, samples, device,
versions, date. Chapter 20 shows how to pay for something else.
"""

import json
from pathlib import Path

from gptoss_edu.errors import GptOssError
from gptoss_edu.options import check_folder, check_writable, positive, seed_number, write_text

VARIED = "variants"
VARIED_SAYS = "what fails: each change of the recipe alone (no baseline, other rates, other rewards)"
CHECK = "check the run, or the record in FILE, against the bands within which the recording repeats"
CHANGES = {  # options that change a setting of the experiment
    "steps": (positive, "updates"),
    "prompts": (positive, "problems per step"),
    "group": (positive, "answers per problem"),
    "limit": (positive, "maximum tokens per answer"),
    "rate": (float, "learning rate"),
    "advantage": (str, "grpo, centred, rloo or reinforce (no baseline)"),
    "per": (str, "normalise the loss per token, answer or limit"),
    "passes": (positive, "updates on each batch of answers"),
    "clip": (float, "limit of the ratio of new to old probability"),
    "kl": (float, "penalty for the distance from the initial model"),
    "temperature": (float, "of sampling"),
    "probes": (int, "held-out problems of each kind per measurement"),
    "probe_every": (int, "steps between measurements"),
}


def add_arguments(parser):
    parser.add_argument("name", nargs="?", default=None, help="an experiment; none: list them")
    parser.add_argument("--large", action="store_true", help="the size of a recording, for a GPU")
    parser.add_argument("--seeds", type=positive, default=1, metavar="N", help="number of runs, with consecutive seeds")
    parser.add_argument("--seed", type=seed_number, default=0, help="the first seed (0)")
    parser.add_argument("--out", type=Path, default=None, metavar="FOLDER", help="default: runs/rl/NAME")
    parser.add_argument("--model", default=None, metavar="FOLDER", help="start from this model (default: gpt-oss-tiny)")
    parser.add_argument("--device", default=None, help="default: cuda if there is one")
    parser.add_argument("--no-decay", action="store_true", help="keep the learning rate up to the end")
    parser.add_argument("--check", nargs="?", const=True, metavar="FILE", help=CHECK)
    parser.add_argument("--show", type=Path, metavar="FILE", help="print what the record in FILE holds, and samples")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="draw the curves of the run, or of --show's record")
    parser.add_argument("--forget", action="store_true", help="write no checkpoint, only the record")
    parser.add_argument(
        "--export", action="store_true", help="write the model as well, to FOLDER/seed_N/model, for chat and eval"
    )
    for name, (kind, text) in CHANGES.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, default=None, help=text)


def run(args) -> int:
    if args.out is not None:
        check_folder(args.out, "--out")
    from gptoss_edu.training.rl_experiments import EXPERIMENTS, VARIANTS

    if isinstance(args.check, str):
        from gptoss_edu.training.bands import read_record, report

        return report(read_record(Path(args.check)), args.check)
    check_writable(args.figure, "--figure")
    if args.show is not None:
        from gptoss_edu.training.bands import read_record

        from .rl_show import draw, records_of, show

        records = records_of(read_record(args.show), args.show)
        show(records)
        if args.figure is not None:
            draw(records, args.figure)
        return 0
    if args.name is None:
        listed = {name: experiment.says for name, experiment in EXPERIMENTS.items()} | {VARIED: VARIED_SAYS}
        width = max(map(len, listed))
        print("\n".join(f"  {name:<{width}}  {says}" for name, says in listed.items()))
        return 0
    if args.name not in (*EXPERIMENTS, VARIED):
        raise GptOssError(f"rl: expected an experiment of {', '.join((*EXPERIMENTS, VARIED))}, found {args.name!r}.")
    if args.check:
        _check_sizes(args)
    out = args.out or Path("runs") / "rl" / args.name
    if args.name == VARIED:
        found = {label: _runs(args, label, name, out, changes) for label, (name, changes) in VARIANTS.items()}
    else:
        found = _runs(args, args.name, args.name, out, {})
    _keep(out / f"{args.name}.json", found)
    print(f"record: {out / (args.name + '.json')}")
    if args.figure is not None:
        from .rl_show import draw

        draw(found if args.name == VARIED else {args.name: found}, args.figure)
    if args.check:
        from gptoss_edu.training.bands import report

        return report(found, args.name)
    return 0


def _check_sizes(args) -> None:
    """Refuse a size without bands before anything runs."""
    from dataclasses import asdict

    from gptoss_edu.training.bands import bands_for
    from gptoss_edu.training.rl_experiments import VARIANTS

    if args.name != VARIED:
        bands_for(asdict(_settings(args, args.name, {})), args.name)
    for label, (name, changes) in VARIANTS.items() if args.name == VARIED else ():
        bands_for(asdict(_settings(args, name, changes)), VARIED, label)


def _settings(args, name: str, changes: dict):
    """Return an experiment's settings after the command's options; changes : of a variant."""
    from dataclasses import replace

    from gptoss_edu.training.rl_experiments import EXPERIMENTS

    experiment = EXPERIMENTS[name]
    changes = (dict(experiment.large) if args.large else {}) | changes
    changes |= {option: getattr(args, option) for option in CHANGES if getattr(args, option) is not None}
    return replace(experiment.settings, **changes | ({"decay": False} if args.no_decay else {}))


def _runs(args, label: str, name: str, out: Path, changes: dict) -> dict:
    """Run one experiment for every seed; return its record."""
    from dataclasses import replace

    import torch

    from gptoss_edu.checkpoint.load import load_model
    from gptoss_edu.options import one_thread_if_small
    from gptoss_edu.training.rl import Run
    from gptoss_edu.training.rl_experiments import EXPERIMENTS
    from gptoss_edu.training.rl_record import record
    from gptoss_edu.training.saved_run import going_on

    experiment, whole, settings = EXPERIMENTS[name], None, _settings(args, name, changes)
    device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    for seed in range(args.seed, args.seed + args.seeds):
        model = load_model(args.model, device=device, dtype=torch.float32, experts="dense")
        one_thread_if_small(model)
        place = f"{label.replace(' ', '_')}_{seed}" if label != name else f"seed_{seed}"
        learner = Run(model, experiment, replace(settings, seed=seed), None if args.forget else out / place)
        begun = f" (after {learner.step} of {learner.settings.steps} steps, from {learner.folder})" * (learner.step > 0)
        print(f"{label}, seed {seed}: {experiment.says}{begun}")

        def told(line: dict, learner=learner, before=whole) -> None:
            _tell(line)
            if args.name != VARIED:  # the record holds every step and finished seed, whatever happens next
                _keep(out / f"{args.name}.json", _joined(before, record(name, learner)))

        with going_on(learner, f"{learner.settings.steps} steps"):
            learner.go(told=told)
        _compare(learner)
        if args.export:
            _export(learner, out / place / "model")
        whole = _joined(whole, record(name, learner))
        if args.name != VARIED:
            _keep(out / f"{args.name}.json", whole)
    return whole


def _export(learner, target: Path) -> None:
    """Write the model that has learned, unless an earlier call did."""
    from gptoss_edu import checkpoint

    if not target.exists():
        checkpoint.save(learner.model, target, "hf-bf16")
    print(f"{target}: the model, in the hf-bf16 layout")


def _joined(earlier: dict | None, found: dict) -> dict:
    """Return a record with the runs of another one appended."""
    return found if earlier is None else earlier | {"runs": earlier["runs"] + found["runs"]}


def _keep(path: Path, found: dict) -> None:
    write_text(path, json.dumps(found, ensure_ascii=False, separators=(",", ":")))


def _tell(line: dict) -> None:
    terms = " · ".join(f"{name} {value:.2f}" for name, value in line["terms"].items() if "," not in name)
    print(
        f"step {line['step']:3} · reward {line['reward']:6.3f} · {terms} · norm {line['norm']:.2f} · "
        f"{line['rolling'] + line['pushing']:.1f} s",
        flush=True,
    )


def _compare(learner) -> None:
    """Print results on held-out problems before the first step and after the last, and a few of the answers."""
    from .rl_show import show_samples

    if len(learner.probed) < 2:
        return
    before, after = learner.probed[0]["kinds"], learner.probed[-1]["kinds"]
    print("held out, before → after:")
    for kind, found in before.items():
        terms = [name for name in found if name != "of"]
        changes = " · ".join(f"{name} {found[name]:.2f} → {after[kind][name]:.2f}" for name in terms)
        print(f"  {kind} ({found['of']}): {changes}")
    show_samples(learner.probed)
