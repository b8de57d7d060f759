"""Write a checkpoint in another layout, tensor by tensor, into a new folder.

    gptoss-edu convert gpt-oss-20b/original out --layout hf          every byte of every tensor kept
    gptoss-edu convert gpt-oss-20b out --layout hf-bf16              experts dequantised, exactly
    gptoss-edu convert my-finetune out --layout original --rounding best
    gptoss-edu convert my-model my-model.gguf --layout gguf          for llama.cpp, Ollama and LM Studio
    gptoss-edu convert ollama:gpt-oss:20b out --layout hf            from a file that Ollama keeps here

Layouts: "original" (OpenAI's files), "hf" (Hugging Face, MXFP4 experts), "hf-bf16" (Hugging Face, experts in
bfloat16, transposed), "gguf" (one file, including vocabulary and chat template). Packing dequantised experts requires a
rounding: "floor" is the OCP specification's rule, "up" never saturates, "best" takes whichever has the
smaller squared error, block by block. Without a rounding, GGUF stores them in bfloat16.
"""

import argparse
from pathlib import Path

from gptoss_edu.options import ALL_LAYOUTS, ROUNDINGS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, help="checkpoint folder in any layout, GGUF file, or ollama:NAME")
    parser.add_argument("target", type=Path, help="new or empty folder; for gguf, also a new file that ends in .gguf")
    parser.add_argument("--layout", choices=ALL_LAYOUTS, required=True)
    parser.add_argument("--rounding", choices=ROUNDINGS, help="how to pack dequantised experts")


def run(args: argparse.Namespace) -> None:
    from gptoss_edu import checkpoint

    checkpoint.convert(args.source, args.target, args.layout, args.rounding)
    print(f"{args.target}: written in the {args.layout} layout. Inspect it with `gptoss-edu inspect {args.target}`.")
