"""Train gpt-oss-tiny or its vocabulary, or watch a loss fall.

  smoke      half a minute on two CPU cores: a smaller model, the same loop; the loss falls
  tiny       the real model: about eight minutes on an H100 or H200, including data and compilation
  tokenizer  the vocabulary: byte pairs learned from the tasks' text, half a minute on a CPU

A run of smoke or tiny writes its checkpoint, log and snapshots to the folder and resumes from there when called again.
Several GPUs share a batch with the same loss as one: torchrun --nproc-per-node 2 -m gptoss_edu train tiny. Both use the
bundled vocabulary, which is frozen with the weights, unless --tokenizer names another. The vocabulary that `tokenizer`
learns differs slightly as soon as wordings are added.
"""

import json
import os
import sys
import time
from pathlib import Path

from gptoss_edu.errors import GptOssError
from gptoss_edu.options import check_folder, check_writable, number_from, positive, seed_number
from gptoss_edu.resources import data_path


def add_arguments(parser):
    parser.add_argument("what", choices=("smoke", "tiny", "tokenizer"))
    parser.add_argument(
        "--out",
        type=Path,
        default=None,
        help="folder for checkpoint, log and results, or the vocabulary (default: runs/WHAT)",
    )
    parser.add_argument(
        "--seconds",
        type=number_from(0),
        default=None,
        help="time for training (default: 20 for smoke, 400 for tiny)",
    )
    parser.add_argument(
        "--steps", type=int, default=None, help="number of updates instead of a time; exactly reproducible"
    )
    parser.add_argument("--seed", type=seed_number, default=0)
    parser.add_argument("--examples", type=int, default=40_000, help="tokenizer: conversations to learn from (40,000)")
    parser.add_argument(
        "--workers",
        type=int,
        default=None,
        help="processes that generate data (default: cores less 3, at most 12; 0 for smoke)",
    )
    parser.add_argument("--rows", type=positive, default=None, help="packed rows per batch (default: 16; smoke 4)")
    parser.add_argument("--length", type=positive, default=None, help="tokens per row (default: 2048; smoke 256)")
    parser.add_argument("--device", default=None, help="default: cuda if there is one")
    parser.add_argument(
        "--tokenizer",
        type=Path,
        default=None,
        metavar="FOLDER",
        help="the vocabulary to train with (default: the bundled one)",
    )
    parser.add_argument(
        "--init",
        default=None,
        metavar="FOLDER",
        help="start from this checkpoint, not from random weights",
    )
    parser.add_argument(
        "--qat",
        type=number_from(0, 1),
        default=0.0,
        metavar="SHARE",
        help="final share of the run that trains with experts rounded to MXFP4 (default: 0, never; 1: always)",
    )
    parser.add_argument(
        "--rate",
        type=number_from(0, above=True),
        default=1.0,
        metavar="SCALE",
        help="factor of all learning rates (default: 1)",
    )
    parser.add_argument(
        "--decay",
        type=number_from(0, 1),
        default=None,
        metavar="SHARE",
        help="final share of the run in which the rates fall to zero (default: 0.18)",
    )
    parser.add_argument("--plain", action="store_true", help="AdamW alone, without Muon")
    parser.add_argument(
        "--eval-seconds",
        type=number_from(0),
        default=60,
        help="seconds for comparing bf16 with MXFP4 after training; 0: no comparison",
    )
    parser.add_argument(
        "--eval-batch", type=int, default=None, help="sequences decoded together (default: 256 on a GPU, 32 on a CPU)"
    )
    parser.add_argument(
        "--transfer",
        type=Path,
        default=None,
        help="also write the results here, as few files of at most 15 MB",
    )


def run(args) -> int:
    if args.out:
        check_folder(args.out, "--out")
    if args.what == "tokenizer":
        return _tokenizer(args.out or Path("runs") / args.what, args.examples, args.seed)
    import torch

    from gptoss_edu.fast.ranks import start
    from gptoss_edu.training.fresh import SMOKE, TINY
    from gptoss_edu.training.pretrain import Settings, Trainer

    torch.set_float32_matmul_precision("highest")
    device = args.device or ("cuda" if args.what == "tiny" and torch.cuda.is_available() else "cpu")
    small = args.what == "smoke"
    cores = os.cpu_count() or 1
    out = args.out or Path("runs") / args.what
    workers = args.workers if args.workers is not None else 0 if small else max(0, min(12, cores - 3))
    seconds = (20 if small else 400) if args.seconds is None else args.seconds
    settings = Settings(
        seconds=seconds if args.steps is None else None,
        steps=args.steps,
        seed=args.seed,
        workers=workers,
        plain=args.plain,
        rows=args.rows or (4 if small else 16),
        length=args.length or (256 if small else 2048),
        init=args.init,
        qat=args.qat,
        rate=args.rate,
        decay=Settings.decay if args.decay is None else args.decay,
        warmup=10 if small else 150,
        log_every=5 if small else 20,
        save_every=1e9 if small else 60,
    )
    started = time.monotonic()
    ranks = start("cuda" if str(device).startswith("cuda") else "cpu")
    vocabulary = args.tokenizer or data_path("gpt-oss-tiny")
    trainer = Trainer(SMOKE if small else TINY, settings, out, vocabulary, device, ranks)
    try:
        return _smoke(trainer) if small else _tiny(trainer, args, started)
    finally:
        trainer.close()


def _tokenizer(out: Path, examples: int, seed: int) -> int:
    from gptoss_edu.tokenizer import RANKS_FILE, load_tokenizer
    from gptoss_edu.training.vocabulary import VOCABULARY, train_tokenizer

    if examples < 1:
        raise GptOssError(f"--examples: expected at least one conversation to learn from, found {examples}.")
    if (out / RANKS_FILE).exists():
        raise GptOssError(f"--out {out}: expected a folder without a vocabulary, found {RANKS_FILE}; name another.")
    check_writable(out / RANKS_FILE, "--out", makes_folder=True)
    learnt = train_tokenizer(out, examples, seed)
    if learnt.n_vocab < VOCABULARY:
        print(f"{examples:,} conversations hold too few repeated pairs for {VOCABULARY:,} tokens; use more --examples.")
    bundled = load_tokenizer(data_path("gpt-oss-tiny"))
    tokens, known = set(learnt.token_byte_values()), set(bundled.token_byte_values())
    print(f"{out}: {learnt.n_vocab:,} tokens; `gptoss_edu.load_tokenizer({str(out)!r})` reads them.")
    print(
        f"{len(tokens & known):,} of {len(tokens):,} byte-pair tokens are in the bundled, frozen vocabulary too", end=""
    )
    print("." if tokens == known else ", which was learnt from an earlier set of wordings.")
    return 0


def _smoke(trainer) -> int:
    log = trainer.run()
    if not trainer.is_first:
        return 0
    if not log:
        raise GptOssError(f"{trainer.step} updates are too few to see a loss fall; give it more --seconds.")
    for line in log[:: max(1, len(log) // 12)]:
        print(f"step {line['step']:5} · {line['tokens']:8,} tokens · loss {line['loss']:.3f}")
    first, last = log[0]["loss"], log[-1]["loss"]
    print(
        f"loss {first:.3f} → {last:.3f} in {trainer.step} steps, {trainer.elapsed:.0f} s; log in"
        f" {trainer.folder / 'log.jsonl'}"
    )
    if not last < first:
        raise GptOssError(f"the loss did not fall: {first:.3f} at first, {last:.3f} at last; give it more --seconds.")
    return 0


def _tiny(trainer, args, started: float) -> int:
    from gptoss_edu.evals.after_training import finish
    from gptoss_edu.training.finish import keep_json

    kept = trainer.folder / "snapshots.json"  # from before, if a run resumes
    snapshots: dict = json.loads(kept.read_text(encoding="utf-8")) if trainer.step and kept.is_file() else {}

    def look(share: float):
        def action(trainer) -> None:
            from gptoss_edu.evals.snapshots import snapshot

            begun = time.monotonic()
            try:
                snapshots[str(share)] = {"step": trainer.step} | snapshot(
                    trainer.model, *((400, 16) if trainer.device.type == "cuda" else (40, 2))
                )
                keep_json("snapshots.json", snapshots, trainer.folder, args.transfer)
                losses = snapshots[str(share)]["losses"]
                print(
                    f"snapshot at {share:.0%}: held-out loss {losses['all']:.4f}, {time.monotonic() - begun:.1f} s",
                    flush=True,
                )
            except Exception as error:  # a picture for a lesson is not worth a training run
                print(
                    f"snapshot at {share:.0%} failed: {type(error).__name__}: {str(error)[:300]}",
                    file=sys.stderr,
                    flush=True,
                )

        return action

    failed = True
    try:
        trainer.run({share: look(share) for share in (0.01, 0.1, 0.4, 1.0)} if trainer.is_first else {})
        failed = False
    finally:
        if trainer.step and trainer.is_first:
            if failed:
                args.eval_seconds = 0
                trainer.save()
            print(
                f"{trainer.step} steps, {trainer.elapsed:.1f} s of training,"
                f" {trainer.step * trainer.settings.rows * trainer.settings.length / 1e6:.0f}M tokens",
                flush=True,
            )
            finish(trainer, started, args.transfer, args.eval_seconds, args.eval_batch)
    return 0
