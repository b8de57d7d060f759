"""Write one HTML file in which gpt-oss-tiny runs: ask it, look inside, change it. It needs no server and no network.

    gptoss-edu page out.html
    gptoss-edu page out.html --checkpoint runs/my-model        your own model, of at most 60 MB
    gptoss-edu page out.html --beside model.js                 the weights in a separate script, for several pages

The file works without installation: a double click opens it in any browser since 2023.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from gptoss_edu.errors import GptOssError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", type=Path, help="the page, a file that ends in .html")
    parser.add_argument("--checkpoint", type=Path, help="a checkpoint's folder; default: the bundled gpt-oss-tiny")
    parser.add_argument("--title", help="the page's heading; default: the model's name")
    parser.add_argument("--beside", metavar="FILE.js", help="write the model into this script, in the page's folder")


def run(args: argparse.Namespace) -> None:
    from gptoss_edu.checkpoint.sizes import size_text
    from gptoss_edu.options import check_writable, write_text
    from gptoss_edu.web.playground import Lab, ModelFiles

    if args.out.suffix != ".html":
        raise GptOssError(f"out: expected a file that ends in .html, found {args.out.name}; rename it.")
    beside = None if args.beside is None else args.out.parent / args.beside
    if beside is not None and (Path(args.beside).name != args.beside or beside.suffix != ".js"):
        raise GptOssError(
            f"--beside: expected the name of a file that ends in .js, found {args.beside!r}; "
            "it is written to the page's folder."
        )
    check_writable(args.out, "out")
    check_writable(beside, "--beside")
    files = ModelFiles.read(args.checkpoint)
    if beside is not None:
        write_text(beside, files.script())
        print(f"wrote {beside} ({size_text(beside.stat().st_size)})")
    written = Lab(files, weights=args.beside, title=args.title).save(args.out)
    print(f"wrote {written} ({size_text(written.stat().st_size)})")
