"""o200k_harmony, the vocabulary of gpt-oss, as a ``tiktoken.Encoding``; and vocabularies stored in a model's folder.

    encoding = load_tokenizer()                           # no network; the bundled file, its checksum verified
    encoding.encode_ordinary("text of a user")            # never a control token, whatever the text says
    encoding.encode_single_token("<|start|>")             # a control token, asked for by name
    encoding.encode("<|start|>user", allowed_special={"<|start|>"})     # text that the program itself wrote

For text that a program did not write itself, use ``encode_ordinary``, which reads "<|start|>" as nine harmless
characters. ``encode`` without ``allowed_special`` refuses such text with a ValueError: tiktoken asks you to say which
of the two you mean.

A custom vocabulary is two files beside the weights: ``tokenizer.tiktoken``, with one line "base64 rank" per token, and
``tokenizer.meta.json`` with name, pat_str, special_tokens, and the checksums of the ranks and of these three.

Source: gpt-oss model card, section 2.2 (201,088 tokens); the ranks are those of the public o200k_base.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import tiktoken

from . import bpe
from .errors import TokenizerError, is_panic
from .options import not_the_file, write_text
from .resources import data_path

O200K_SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
O200K_VOCABULARY = 201_088
RANKS_FILE, META_FILE = "tokenizer.tiktoken", "tokenizer.meta.json"
LONGEST_RUN = 100_000  # white space characters, of any kind
LONG_RUN = re.compile(rf"(?<!\s)\s{{{LONGEST_RUN},}}")  # tried where a run begins: the time stays linear
PROBE = "A\tb 12,3 ü 漢 \U0001f31e\n\n  x's!"  # every pattern should match each of these
FOREIGN = ("tokenizer.json", "tokenizer.model", "vocab.json")  # other programs' formats
_FIRST_SPECIAL = 199_998
_NAMED_SPECIALS = {
    199_998: "<|startoftext|>",
    199_999: "<|endoftext|>",
    200_002: "<|return|>",
    200_003: "<|constrain|>",
    200_005: "<|channel|>",
    200_006: "<|start|>",
    200_007: "<|end|>",
    200_008: "<|message|>",
    200_012: "<|call|>",
    200_018: "<|endofprompt|>",
}


def o200k_special_tokens() -> dict[str, int]:
    """Return the 1,090 control tokens that follow the 199,998 ordinary ones; every id has exactly one name."""
    ids = range(_FIRST_SPECIAL, O200K_VOCABULARY)
    return {_NAMED_SPECIALS.get(i, f"<|reserved_{i}|>"): i for i in ids}


# ------------------------------------------------------------------------------------------------------------ loading


def load_tokenizer(name: str | os.PathLike = "o200k_harmony") -> tiktoken.Encoding | None:
    """Return the vocabulary of that name, or the one in a checkpoint's folder.

    Parameters
    ----------
    name : str or path
        "o200k_harmony", or a folder. A folder without tokenizer files uses o200k_harmony if its config.json has
        ``vocab_size`` 201,088, or a smaller one that holds all named control tokens (200,019 or more; some programs cut
        the model to the tokens in use). For any other size the result is None.

    Returns
    -------
    tiktoken.Encoding or None

    Raises
    ------
    TokenizerError
        For an unknown name, a file whose checksum differs, or a damaged vocabulary.
    """
    if name == "o200k_harmony":
        return _o200k_harmony(O200K_VOCABULARY)
    folder = Path(name)
    if not folder.is_dir():
        raise TokenizerError(
            f"no tokenizer {str(name)!r}: it is neither the name 'o200k_harmony' nor an existing folder; give one of"
            " these."
        )
    if (folder / RANKS_FILE).exists() or (folder / META_FILE).exists():
        return _read_folder(folder)
    if not (folder / "config.json").is_file():
        raise TokenizerError(
            f"{folder} holds neither {RANKS_FILE} + {META_FILE} nor a config.json to say which vocabulary "
            f"belongs to it; give a checkpoint's folder."
        )
    return o200k_of_size(_read_json(folder / "config.json").get("vocab_size"))


def o200k_of_size(size) -> tiktoken.Encoding | None:
    """Return o200k_harmony with so many ids; None if they lack named control tokens or are too many."""
    fits = isinstance(size, int) and max(_NAMED_SPECIALS) < size <= O200K_VOCABULARY
    return _o200k_harmony(size) if fits else None


def why_no_tokenizer(folder: str | os.PathLike, vocab_size: int) -> str:
    """Say, for a folder whose tokenizer is None, what it holds and what to do, in one sentence."""
    foreign = [name for name in FOREIGN if (Path(folder) / name).is_file()]
    there = f"this package does not read its {foreign[0]}" if foreign else "it holds no tokenizer files"
    return (
        f"{folder}: its vocabulary of {vocab_size:,} is not o200k_harmony's, and {there}; write {RANKS_FILE} and "
        f"{META_FILE} into it with gptoss_edu.tokenizer.save_tokenizer."
    )


@functools.cache
def _o200k_harmony(size: int) -> tiktoken.Encoding:
    return _read_o200k(data_path("o200k_base.tiktoken"), size)


def _read_o200k(path: Path, size: int) -> tiktoken.Encoding:
    fix = "restore it with `git checkout -- data/o200k_base.tiktoken` or reinstall the package"
    ranks = _parse_ranks(_read_checked(path, O200K_SHA256, fix), path)
    return tiktoken.Encoding(
        "o200k_harmony",
        pat_str=bpe.O200K_PATTERN,
        mergeable_ranks=ranks,
        special_tokens={name: i for name, i in o200k_special_tokens().items() if i < size},
        explicit_n_vocab=size,
    )


def _read_folder(folder: Path) -> tiktoken.Encoding:
    meta_path, ranks_path = folder / META_FILE, folder / RANKS_FILE
    meta = _read_json(meta_path)
    wanted = {"name": str, "pat_str": str, "special_tokens": dict}
    for key, kind in wanted.items():
        if not isinstance(meta.get(key), kind):
            raise TokenizerError(
                f"{meta_path}: expected key {key!r} holding a {kind.__name__}, found {meta.get(key)!r}; "
                f"write the folder's tokenizer again with save_tokenizer."
            )
    fix = "the two tokenizer files do not belong together, or one is damaged: copy both again from where they came"
    if meta.get("settings_sha256", found := _settings_sha256(meta)) != found:
        raise TokenizerError(
            f"{meta_path}: expected name, pat_str and special_tokens with sha256 {meta['settings_sha256']}, found"
            f" {found}; {fix}."
        )
    raw = _read_checked(ranks_path, meta.get("sha256"), fix)
    return checked_encoding(
        meta["name"], _parse_ranks(raw, ranks_path), meta["pat_str"], meta["special_tokens"], str(folder)
    )


def _settings_sha256(meta: dict) -> str:
    """Return the checksum of everything besides the ranks that decides how text is encoded."""
    settings = {key: meta[key] for key in ("name", "pat_str", "special_tokens")}
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _read_checked(path: Path, sha256: str | None, fix: str) -> bytes:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise TokenizerError(f"{path}: expected the vocabulary's ranks, but {error.strerror}; {fix}.") from None
    if what := not_the_file(raw[:64]):
        raise TokenizerError(f"{path}: expected the vocabulary's ranks, found {what}")
    found = hashlib.sha256(raw).hexdigest()
    if sha256 is not None and found != sha256:
        raise TokenizerError(f"{path}: expected sha256 {sha256}, found {found} ({len(raw):,} bytes); {fix}.")
    return raw


def _parse_ranks(raw: bytes, path: Path) -> dict[bytes, int]:
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(raw.splitlines(), start=1):
        try:
            token, rank = line.split()
            ranks[base64.b64decode(token, validate=True)] = int(rank)
        except (ValueError, binascii.Error):
            raise TokenizerError(
                f"{path}, line {number}: expected 'base64 rank', found {line[:60]!r}; copy the file again."
            ) from None
    return ranks


def _read_json(path: Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TokenizerError(f"{path}: expected a JSON file, but {error.strerror}; copy it again.") from None
    except (ValueError, RecursionError) as error:
        found = not_the_file(path.read_bytes()[:64]) or f"none ({error}); copy it again."
        raise TokenizerError(f"{path}: expected JSON, found {found}") from None
    if not isinstance(content, dict):
        raise TokenizerError(f"{path}: expected a JSON object, found a {type(content).__name__}; copy it again.")
    return content


# ------------------------------------------------------------------------------------------------------------ encoding


def encode_text(encoding: tiktoken.Encoding, text: str) -> list[int]:
    """Encode text of any length and kind as `encoding.encode_ordinary` does.

    tiktoken fails on a run of a million blanks with a panic, which is not an Exception: its pattern looks back over the
    whole run. Runs longer than LONGEST_RUN are encoded in pieces. All other text gets tiktoken's own ids.

    Raises
    ------
    TokenizerError : the text cannot be encoded.
    """
    pieces, begin = [], 0
    for run in LONG_RUN.finditer(text) if len(text) > LONGEST_RUN else ():
        for end in range(run.start() + LONGEST_RUN, run.end() + 1, LONGEST_RUN):
            pieces.append(text[begin:end])
            begin = end
    try:
        return [token for piece in (*pieces, text[begin:]) for token in encoding.encode_ordinary(piece)]
    except BaseException as error:
        if not is_panic(error):
            raise
        raise TokenizerError(
            f"the text of {len(text):,} characters cannot be encoded by {encoding.name!r} ({error}); give it in parts."
        ) from None


# ----------------------------------------------------------------------------------------------------- making, saving


def make_encoding(
    name: str, ranks: dict[bytes, int], special_names: Iterable[str], pat_str: str = bpe.O200K_PATTERN
) -> tiktoken.Encoding:
    """Make an encoding: ``ranks`` as `bpe.train` returns them, then the control tokens in the order given.

    The first control token's id is ``len(ranks)``; the vocabulary's size is ``encoding.n_vocab``.
    """
    names = list(special_names)
    if len(set(names)) != len(names):
        raise TokenizerError(f"control tokens must differ from each other, but the names are {names}.")
    specials = {special: len(ranks) + i for i, special in enumerate(names)}
    return checked_encoding(name, ranks, pat_str, specials, f"vocabulary {name!r}")


def checked_encoding(
    name: str, ranks: dict[bytes, int], pat_str: str, specials: dict[str, int], where: str
) -> tiktoken.Encoding:
    """Make an encoding, or raise a `TokenizerError` that names `where` and the fault.

    tiktoken itself accepts most of these faults and fails later, some of them by aborting the process.
    """
    missing = [byte for byte in range(256) if bytes([byte]) not in ranks]
    if missing:
        raise TokenizerError(
            f"{where}: expected a token for each of the 256 bytes, found none for {len(missing)} of them (first: "
            f"{missing[0]}); some text could not be encoded; train with bpe.train, which starts from all bytes."
        )
    ids = [*ranks.values(), *specials.values()]
    odd = [i for i in ids if type(i) is not int or not 0 <= i < len(ids)]
    odd += [i for i, times in Counter(ids).items() if times > 1] if not odd else []
    if odd:
        raise TokenizerError(
            f"{where}: expected {len(ids):,} tokens to have the ids 0 to {len(ids) - 1:,}, each once, but id {odd[0]!r}"
            " is out of range or used twice; renumber the tokens."
        )
    try:
        encoding = tiktoken.Encoding(
            name, pat_str=pat_str, mergeable_ranks=ranks, special_tokens=specials, explicit_n_vocab=len(ids)
        )
        whole = encoding.decode(encoding.encode_ordinary(PROBE)) == PROBE  # a pattern with gaps loses text
    except BaseException as error:
        if not (is_panic(error) or isinstance(error, Exception)):
            raise
        raise TokenizerError(f"{where}: expected pat_str to be a regular expression, but {error}; fix it.") from None
    if not whole:
        raise TokenizerError(
            f"{where}: expected pat_str to match every piece of a text, but it leaves some out; fix it."
        )
    return encoding


def save_tokenizer(encoding: tiktoken.Encoding, folder: str | os.PathLike) -> None:
    """Write ``tokenizer.tiktoken`` and ``tokenizer.meta.json`` into a folder, which is created if necessary.

    Each file is first written under another name and then renamed. The second file holds the checksum of the first, so
    loading refuses a pair of which only one was replaced.
    """
    folder = Path(folder)
    ranks = sorted(encoding._mergeable_ranks.items(), key=lambda item: item[1])
    lines = "".join(f"{base64.b64encode(token).decode()} {rank}\n" for token, rank in ranks)
    meta = {
        "name": encoding.name,
        "pat_str": encoding._pat_str,
        "special_tokens": dict(sorted(encoding._special_tokens.items(), key=lambda item: item[1])),
        "sha256": hashlib.sha256(lines.encode()).hexdigest(),
    }
    meta["settings_sha256"] = _settings_sha256(meta)
    write_text(folder / RANKS_FILE, lines)
    write_text(folder / META_FILE, json.dumps(meta, ensure_ascii=False, indent=1) + "\n")
