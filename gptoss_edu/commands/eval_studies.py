"""`gptoss-edu eval studies` and `eval safeguards`: the experiments of chapters 22 and 23, section by section.

See eval.py.
"""

from __future__ import annotations

import argparse
import json
import platform
import time

from gptoss_edu.errors import GptOssError
from gptoss_edu.options import check_writable, write_text


def run_studies_command(args: argparse.Namespace) -> None:
    """Measure the requested sections again, or go on with them; the others stay in the file unchanged."""
    import torch

    from gptoss_edu import __version__
    from gptoss_edu.evals import safeguard_studies, studies
    from gptoss_edu.resources import data_path

    from .eval import fingerprint

    chapters = {
        "studies": (studies.SIZES, studies.run_studies),
        "safeguards": (safeguard_studies.SIZES, safeguard_studies.run_safeguard_studies),
    }
    sizes, run = chapters[args.what]
    unknown = sorted(set(args.sections or ()) - set(sizes))
    if unknown:
        raise GptOssError(f"--sections: expected names of {', '.join(sizes)}, found {', '.join(unknown)}.")
    if not 0 < args.scale < float("inf"):
        raise GptOssError(f"--scale: expected a share above 0, found {args.scale}.")
    check_writable(args.json, "--json")
    results = read_earlier(args)
    measured_with = {
        "model": fingerprint(data_path("gpt-oss-tiny")), "device": platform.machine(), "dtype": "float32",
        "threads": torch.get_num_threads(), "torch": torch.__version__, "version": __version__, "scale": args.scale,
        "date": time.strftime("%Y-%m-%d"),
    }  # fmt: skip

    def store(name: str, section: dict | list) -> None:
        results[name] = section
        results.setdefault("measured_with", {})[name] = measured_with
        print(f"\n{name}\n{json.dumps(section, ensure_ascii=False)[:1500]}", flush=True)
        if args.json:
            write_text(args.json, json.dumps(results, indent=1, ensure_ascii=False))

    wanted = args.sections or tuple(sizes)
    if args.what == "safeguards":
        run(wanted, args.scale, store, unfinished(results, args.scale))
    else:
        run(wanted, args.scale, store)


def unfinished(results: dict, scale: float) -> dict:
    """Return the file's sections that were measured at this scale, so that a long run can continue where it stopped."""
    return {name: section for name, section in results.items()
            if results.get("measured_with", {}).get(name, {}).get("scale") == scale}  # fmt: skip


def read_earlier(args: argparse.Namespace) -> dict:
    """Return the record in the file; an empty one if there is no file."""
    if args.json is None or not args.json.is_file():
        return {}
    try:
        found = json.loads(args.json.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise GptOssError(f"--json {args.json}: expected the record of an earlier call, found something else.")
    return found
