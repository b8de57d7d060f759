"""Fine-tune a model on conversations, or compute first what that takes.

    gptoss-edu finetune talk.jsonl --train experts --rate 1e-3 --rounding best --layout original --store best
    gptoss-edu finetune talk.jsonl --lora 8 --train attention experts      adapters in peft's format
    gptoss-edu finetune talk.jsonl --replay 0.5                            half of each update are old tasks
    gptoss-edu finetune plan --model 20b --lora 16 --train attention --recompute
    gptoss-edu finetune merge --adapter runs/finetune/adapter --model FOLDER --out merged --layout hf-bf16
    gptoss-edu finetune rounding --seeds 3                                 chapter 21's runs, on gpt-oss-tiny
    gptoss-edu finetune forgetting --seeds 3 --facts 64 --steps 60 --check   does the recording repeat?
    gptoss-edu finetune --check data/measurements/post_training.json         the same of a record, without a run

A conversation is a JSON object with "messages", as Conversation.to_dict() and openai-harmony write it, one per line.
The loss counts what the assistant says in the last turn, including thoughts. --train takes parts (all, attention,
router, experts, norms, sinks, embeddings) or patterns such as 'block.[345].mlp.mlp*_weight'; a pattern that matches
nothing is an error. The memory that a run needs is computed first, and a run that does not fit is refused.

The folder gets a log, any adapters, the model in bfloat16 (layout hf-bf16) or in the format of --layout, and a
checkpoint, every minute and when Ctrl-C ends the run: the same command goes on from it. To train a finished model
further, start from it: --model OUT/model. --lora writes no model unless --layout is given; `merge` makes one later.
Rounding experts to MXFP4 afterwards (--store) can lose everything that was learned; --rounding trains them rounded.
Chapter 21 shows when.
"""

import argparse
import json
from pathlib import Path

from gptoss_edu.errors import GptOssError
from gptoss_edu.options import LAYOUTS, ROUNDINGS, check_folder, positive, seed_number, write_text

EXPERIMENTS = ("rounding", "forgetting")
OF_MERGE = ("model", "adapter", "out", "layout", "store")
OF_EXPERIMENTS = ("seeds", "seed", "facts", "steps", "out", "device", "check")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = "FILE | plan | merge | rounding | forgetting"
    parser.add_argument("what", nargs="?", metavar=kinds, help="FILE: conversations")
    parser.add_argument("--model", help="checkpoint folder (default: gpt-oss-tiny); plan also takes 20b and 120b")
    parser.add_argument("--out", type=Path, default=Path("runs/finetune"), help="folder (runs/finetune)")
    parser.add_argument("--steps", type=positive, default=None, help="updates (100)")
    parser.add_argument("--rows", type=positive, default=8, help="conversations per update (8)")
    parser.add_argument("--rate", type=float, default=1e-4, help="learning rate (1e-4)")
    parser.add_argument("--warmup", type=int, default=3, help="updates in which the rate rises (3)")
    parser.add_argument("--decay", type=float, default=1.0, help="share of the run in which the rate falls to zero (1)")
    parser.add_argument("--train", nargs="+", default=["all"], metavar="PART", help="parts or patterns (all)")
    parser.add_argument("--lora", type=positive, metavar="RANK", help="train adapters of this rank, not the weights")
    parser.add_argument("--alpha", type=float, help="scale of the adapters times their rank (2 × rank)")
    parser.add_argument("--rounding", choices=ROUNDINGS, help="train with experts rounded to MXFP4")
    parser.add_argument(
        "--replay", type=float, default=0.0, metavar="SHARE", help="share of old data in each update (0)"
    )
    parser.add_argument(
        "--replay-data", type=Path, metavar="FILE", help="source of old data (default: gpt-oss-tiny's own tasks)"
    )
    parser.add_argument("--longest", type=positive, default=2048, help="maximum tokens per conversation (2048)")
    parser.add_argument("--recompute", action="store_true", help="less memory, more time")
    parser.add_argument("--seed", type=seed_number, default=0)
    parser.add_argument("--device", help="default: a GPU, if there is one, for models that are not small")
    parser.add_argument("--layout", choices=LAYOUTS, help="layout of the written model (with --lora: none by default)")
    parser.add_argument("--store", choices=ROUNDINGS, help="how to pack its experts that are not packed yet")
    parser.add_argument("--seeds", type=positive, default=1, metavar="N", help="rounding, forgetting: runs (1)")
    parser.add_argument("--facts", type=positive, default=8, help="rounding, forgetting: facts to learn (8)")
    parser.add_argument(
        "--check", nargs="?", const=True, metavar="FILE",
        help="rounding, forgetting: check the run, or the record in FILE, against the bands of the recording",
    )  # fmt: skip
    parser.add_argument("--adapter", type=Path, help="merge: a folder in peft's format")


def run(args: argparse.Namespace) -> int | None:
    if isinstance(args.check, str):
        from gptoss_edu.training.bands import read_record, report

        return report(read_record(Path(args.check)), args.check)
    if args.what is None:
        raise GptOssError("finetune: expected a file of conversations, or what to do, found nothing; see --help.")
    if args.check and args.what not in EXPERIMENTS:
        raise GptOssError(f"--check: expected {' or '.join(EXPERIMENTS)}, found {args.what}; only these have bands.")
    _refuse_ignored(args)
    if args.what == "plan":
        plan = _plan(args)
        print(f"{plan}{': does not fit' * (plan.needed > plan.available)}")
    elif args.what == "merge":
        _merge(args)
    elif args.what in EXPERIMENTS:
        return _experiment(args)
    else:
        _finetune(args)
    return None


def _refuse_ignored(args: argparse.Namespace) -> None:
    """Refuse an option that has no meaning here, instead of ignoring it."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    given = [name for name, value in vars(parser.parse_args([])).items() if getattr(args, name) != value]
    takes = {"merge": OF_MERGE} | dict.fromkeys(EXPERIMENTS, OF_EXPERIMENTS)
    for name in given:
        if args.what in takes:
            ignored = name not in (*takes[args.what], "what")
            known = f"options of {args.what} ({', '.join('--' + option for option in takes[args.what])})"
        else:
            ignored = name in ("adapter", "seeds", "facts")
            known = "options of a run"
        if ignored:
            merge = " (merge it first, and start from that with --model)" if name == "adapter" else ""
            raise GptOssError(
                f"{args.what}: expected {known}, found --{name.replace('_', '-')}, which it would ignore; "
                f"leave it out{merge}."
            )


def _recipe(args: argparse.Namespace):
    from gptoss_edu.training.finetune import Recipe

    return Recipe(
        steps=args.steps or 100, rows=args.rows, rate=args.rate, warmup=args.warmup, decay=args.decay, seed=args.seed,
        train=args.train, lora=args.lora, alpha=args.alpha, rounding=args.rounding, replay=args.replay,
        longest=args.longest, recompute=args.recompute,
    )  # fmt: skip


def _plan(args: argparse.Namespace):
    from gptoss_edu.config import ModelConfig
    from gptoss_edu.training.start import open_checkpoint, planned

    named = {"20b": ModelConfig.gpt_oss_20b, "120b": ModelConfig.gpt_oss_120b}
    if args.model in named:
        return planned(named[args.model](), True, _recipe(args), args.device)
    if args.model and ":" not in args.model and not Path(args.model).exists():
        raise GptOssError(f"plan: expected 20b, 120b or a checkpoint folder, found {args.model!r}, which is none.")
    reader = open_checkpoint(args.model)
    return planned(reader.config, reader.is_packed, _recipe(args), args.device)


def _merge(args: argparse.Namespace) -> None:
    from gptoss_edu.training.start import write_merged

    if args.adapter is None or args.layout is None:
        raise GptOssError("merge: expected --adapter FOLDER and --layout, found one or none; give both.")
    check_folder(args.out, "--out")
    write_merged(args.model, args.adapter, args.out, args.layout, args.store)
    print(f"{args.out}: merged, in the {args.layout} layout. Look at it with `gptoss-edu inspect {args.out}`.")


def _experiment(args: argparse.Namespace) -> int:
    """Do chapter 21's runs; write one small JSON file after each."""
    from gptoss_edu.evals.fine_tuning import EXPERIMENTS as RUNS
    from gptoss_edu.evals.fine_tuning import record
    from gptoss_edu.training.bands import bands_for, report

    path = args.out / f"{args.what}.json"
    check_folder(args.out, "--out")
    for label, recipe in RUNS[args.what][1].items() if args.check else ():
        bands_for({"facts": args.facts, "steps": args.steps or recipe.steps}, args.what, label)

    earlier = _earlier(path)

    def begin(label: str, seed: int, number: int, of: int) -> None:
        print(f"run {number} of {of}: {label}, seed {seed}", flush=True)

    def keep(result: dict, label: str, run: dict) -> None:
        write_text(path, json.dumps(result, ensure_ascii=False, separators=(",", ":")))
        found = {key: value for key, value in run.items() if isinstance(value, int | float)}
        print(f"{label}: " + ", ".join(f"{key} {value}" for key, value in found.items()), flush=True)

    seeds = range(args.seed, args.seed + args.seeds)
    try:
        found = record(args.what, seeds, args.facts, keep, args.steps, args.device, earlier, begin)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"the same command keeps the runs that are in {path}") from None
    write_text(path, json.dumps(found, ensure_ascii=False, separators=(",", ":")))
    print(f"record: {path}")
    return report(found, args.what) if args.check else 0


def _earlier(path: Path) -> dict | None:
    """Return the record in a file, if there is one with the parts of a record."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return found if all(key in found for key in ("about", "facts", "recipes", "runs", "start")) else None
    except (OSError, ValueError, TypeError):
        return None


def _finetune(args: argparse.Namespace) -> None:
    from dataclasses import replace

    from gptoss_edu.checkpoint.load import folder_tokenizer
    from gptoss_edu.options import one_thread_if_small
    from gptoss_edu.training.conversations import read_conversations, world
    from gptoss_edu.training.finetune import Finetuner, rows_for
    from gptoss_edu.training.saved_run import going_on
    from gptoss_edu.training.start import check_export, check_place, load_to_train, open_checkpoint, planned

    path, recipe = Path(args.what), _recipe(args)
    if not path.is_file():
        raise GptOssError(f"{path}: expected a file of conversations, or plan or merge, found neither; check the path.")
    check_folder(args.out, "--out")
    finished = next((name for name in ("model", "adapter") if (args.out / name).exists()), None)
    if finished:
        raise GptOssError(
            f"--out {args.out}: expected a run to resume or a new folder, found {finished}/; name another"
            + (f" (and --model {args.out / 'model'} to train its result further)." if finished == "model" else ".")
        )
    conversations, reader = read_conversations(path), open_checkpoint(args.model)
    check_export(reader, recipe, args.layout, args.store)
    recipe = replace(recipe, longest=min(recipe.longest, reader.config.max_context))
    tokenizer = folder_tokenizer(reader)
    replay = read_conversations(args.replay_data) if args.replay_data else world(tokenizer)
    rows = rows_for(recipe, conversations, tokenizer, replay)
    print(rows, flush=True)
    # replayed conversations may be as long as is allowed
    planned_for = recipe if recipe.replay else replace(recipe, longest=rows.longest_own)
    print(planned(reader.config, reader.is_packed, planned_for, args.device), flush=True)
    check_place(args.out, reader, recipe, args.layout or (None if recipe.lora else "hf-bf16"))
    model = load_to_train(reader, planned_for, args.device)
    one_thread_if_small(model)
    finetuner = Finetuner(model, rows, recipe, args.out)
    with going_on(finetuner, f"{recipe.steps} updates"):
        finetuner.run(watch=_tell)
    first, last = (finetuner.log[i]["loss"] for i in (0, -1))
    print(f"{finetuner.step} updates, loss {first:.4f} → {last:.4f}; log in {args.out / 'log.jsonl'}")
    _write(args, model, recipe)


def _tell(finetuner) -> None:
    """Print about ten lines per run."""
    step, steps = finetuner.step, finetuner.recipe.steps
    if step == 1 or step % max(1, steps // 10) == 0:
        print(f"update {step:5} of {steps} · loss {finetuner.log[-1]['loss']:.4f}", flush=True)


def _write(args: argparse.Namespace, model, recipe) -> None:
    from gptoss_edu import checkpoint
    from gptoss_edu.training.adapters import save_adapters
    from gptoss_edu.training.start import write_merged

    target = args.out / "model"
    if recipe.lora is None:
        layout = args.layout or "hf-bf16"
        checkpoint.save(model, target, layout, args.store)
        print(f'{target}: written in the {layout} layout. Ask it: `gptoss-edu generate "…" --model {target}`.')
        return
    save_adapters(model, args.out / "adapter", args.model)
    base = f" --model {args.model}" if args.model else ""
    merge = f"gptoss-edu finetune merge --adapter {args.out / 'adapter'}{base} --layout hf-bf16 --out {target}"
    print(f"{args.out / 'adapter'}: adapters in peft's format." + (f" A model of them: `{merge}`." * (not args.layout)))
    if args.layout:
        write_merged(args.model, args.out / "adapter", target, args.layout, args.store)
        print(f"{target}: merged, in the {args.layout} layout.")
