"""Fetch official gpt-oss weights from the Hugging Face hub: one layout only, resumed after an interruption, then
checked.

    gptoss-edu download 20b                              the original/ layout, 12.8 GiB, into ./gpt-oss-20b-original
    gptoss-edu download 120b --layout hf --to weights

The hub's repository holds three copies of the weights; this fetches one. Needs `pip install huggingface_hub`.
"""

import argparse
from pathlib import Path

from gptoss_edu.errors import CheckpointError
from gptoss_edu.options import free_bytes

PATTERNS = {
    "original": ["original/*"],
    "hf": ["model*.safetensors", "model.safetensors.index.json", "config.json", "generation_config.json", "tokenizer*"],
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("size", choices=("20b", "120b"))
    parser.add_argument("--layout", choices=tuple(PATTERNS), default="original")
    parser.add_argument("--to", type=Path, help="folder to fetch into")


def run(args: argparse.Namespace) -> None:
    from gptoss_edu import ModelConfig
    from gptoss_edu.checkpoint.layouts import CheckpointReader
    from gptoss_edu.checkpoint.sizes import GIB

    from .inspect import layout_bytes

    repository = f"openai/gpt-oss-{args.size}"
    target = args.to or Path(f"gpt-oss-{args.size}-{args.layout}")
    config = ModelConfig.gpt_oss_20b() if args.size == "20b" else ModelConfig.gpt_oss_120b()
    check_room(target, layout_bytes(config))
    code = by_python(repository, args.layout, target)
    by_hand = f'By hand: on any machine with a network, `python -c "{code}"`, then copy that folder here.'
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise CheckpointError(
            f"download needs the package huggingface_hub; install it with `pip install huggingface_hub`. {by_hand}"
        ) from None
    try:
        snapshot_download(repository, allow_patterns=PATTERNS[args.layout], local_dir=target)
    except Exception as error:  # the hub's client raises many kinds; all of them mean the same to the user
        raise CheckpointError(
            f"{repository} could not be fetched ({type(error).__name__}: {str(error).strip().partition(chr(10))[0]});"
            f" what has arrived is kept; run the same command again to go on. {by_hand}"
        ) from None
    folder = target / "original" if args.layout == "original" else target
    reader = CheckpointReader(folder)
    if reader.config != config:
        raise CheckpointError(
            f"{folder}: its config.json is not gpt-oss-{args.size}'s; delete the folder and fetch it again."
        )
    print(
        f"{folder}: {len(reader.shards.infos)} tensors, {reader.shards.nbytes / GIB:.1f} GiB, all there. Next:"
        f" `gptoss-edu inspect {folder} --verify`."
    )


def by_python(repository: str, layout: str, target: Path) -> str:
    """Return Python code for the same download, for a machine that has only huggingface_hub."""
    patterns = PATTERNS[layout]
    call = f"snapshot_download({repository!r}, allow_patterns={patterns!r}, local_dir={target.as_posix()!r})"
    return f"from huggingface_hub import snapshot_download; {call}"


def check_room(target: Path, needed: int) -> None:
    """Refuse a disk without room for the rest; the folder need not exist yet."""
    from gptoss_edu.checkpoint.sizes import GIB

    free = free_bytes(target)
    held = sum(file.stat().st_size for file in target.rglob("*") if file.is_file()) if target.exists() else 0
    if free + held < needed:
        raise CheckpointError(
            f"{target}: {needed / GIB:.1f} GiB are needed, {free / GIB:.1f} GiB are free on this disk; make room or"
            " name another folder with --to."
        )
