"""Answer a question, or continue a raw text, with the bundled gpt-oss-tiny or any gpt-oss checkpoint.

    gptoss-edu generate "What is 47 times 36?"
    gptoss-edu generate "What is 47 times 36?" --effort high --temperature 1 --seed 7
    gptoss-edu generate "Once upon a time" --raw --model gpt-oss-20b/original --max-new-tokens 40
    gptoss-edu generate "What is 47 times 36?" --engine transformers

A question is rendered in the harmony format, and each message of the answer is printed under its channel. With --raw
the text is continued as is, without any format.
"""

import argparse
import codecs
import sys
from pathlib import Path

from gptoss_edu.errors import GptOssError, TokenizerError
from gptoss_edu.harmony import EFFORTS
from gptoss_edu.options import check_question, one_thread_if_small, seed_number

from .other_engines import add_engine, other_engine
from .several_ranks import add_ranks, load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", nargs="+", help="the question, or with --raw the text to continue; in quotes")
    parser.add_argument(
        "--model", type=Path, help="checkpoint folder, GGUF file, or ollama:NAME; default: the bundled gpt-oss-tiny"
    )
    parser.add_argument("--effort", choices=EFFORTS, default="medium", help="reasoning effort (medium)")
    parser.add_argument("--raw", action="store_true", help="continue the text without harmony")
    parser.add_argument("--max-new-tokens", type=int, default=512, help="longest answer, thoughts included (512)")
    parser.add_argument(
        "--temperature", type=float, default=0.0, help="0 is greedy; gpt-oss is meant to be sampled at 1 (0)"
    )
    parser.add_argument(
        "--top-p", type=float, default=1.0, help="sample from the likeliest tokens of this mass (1: all)"
    )
    parser.add_argument("--top-k", type=int, help="sample from the k likeliest tokens (all)")
    parser.add_argument("--seed", type=seed_number, default=0, help="of the sampling (0)")
    parser.add_argument("--device", help="cpu or cuda; default: a GPU if there is one")
    add_engine(parser)
    add_ranks(parser)


def run(args: argparse.Namespace) -> None:
    from gptoss_edu.generation import stop_tokens_of
    from gptoss_edu.harmony.question import question_tokens
    from gptoss_edu.tokenizer import encode_text

    if len(args.text) > 1:
        raise GptOssError(f'expected one text, found {len(args.text)}: put it in quotes, "{" ".join(args.text)}".')
    text = args.text[0]
    check_question(text, "the text")
    draw, encoding = who_continues(args)
    prompt = encode_text(encoding, text) if args.raw else question_tokens(text, args.effort, encoding)
    written: list[int] = []

    def kept():
        for token in draw(prompt):
            written.append(token)
            yield token

    for piece in (text_pieces if args.raw else channel_pieces)(kept(), encoding):
        sys.stdout.write(piece)
        sys.stdout.flush()
    print()
    if not args.raw and written and written[-1] not in stop_tokens_of(encoding):  # a raw text never ends by itself
        print(
            f"[cut off: {len(written)} tokens were written, the maximum of --max-new-tokens]",
            file=sys.stderr,
        )


def who_continues(args: argparse.Namespace):
    """Return (prompt → ids, the vocabulary) of the engine chosen by the options."""
    from gptoss_edu import generate
    from gptoss_edu.tokenizer import why_no_tokenizer

    engine = other_engine(args, temperature=args.temperature, top_p=args.top_p, seed=args.seed)
    if engine is not None:
        if args.top_k is not None:
            raise GptOssError(f"--top-k: engine {args.engine} has no such setting; use --top-p.")
        return lambda prompt: engine(prompt, args.max_new_tokens), engine.encoding
    model = load(args)
    one_thread_if_small(model)
    if model.tokenizer is None:
        raise TokenizerError(why_no_tokenizer(args.model, model.config.vocab_size))
    sampling = (args.max_new_tokens, args.temperature, args.top_p, args.top_k, args.seed)
    return lambda prompt: generate(model, prompt, *sampling), model.tokenizer


def text_pieces(tokens, tokenizer):
    """Yield text as it becomes complete UTF-8, since a token may end inside a character."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for token in tokens:
        yield decoder.decode(tokenizer.decode_single_token_bytes(token))
    yield decoder.decode(b"", final=True)


def channel_pieces(tokens, tokenizer):
    """Yield the answer's text, with a line that names channel and recipient before each message."""
    from gptoss_edu.harmony import Begins, Ends, Piece, PieceReader

    for event in PieceReader(tokenizer).read(tokens):
        if isinstance(event, Begins):
            to = f" to {event.recipient}" if event.recipient else ""
            yield f"{chr(10) if event.number else ''}[{event.channel or 'no channel'}{to}]\n"
        elif isinstance(event, Piece):
            yield event.text
        elif isinstance(event, Ends) and not event.partial:
            yield "\n"
