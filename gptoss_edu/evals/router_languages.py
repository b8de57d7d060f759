"""Do experts speak languages? What the first expert of a token says about its language, script and task, beside nulls.

Two nulls stand beside each figure. In one the labels of all tokens are shuffled, which shows the bias of counting. In
the other the labels of whole conversations are exchanged: neighbouring tokens of one conversation then still belong
together, so that null is the honest one where a label is the same for all tokens of a conversation.
"""

from __future__ import annotations

import unicodedata
from functools import cache

import torch
from torch import Tensor

from gptoss_edu.tasks.example import Example

from .by_language import CORE, LANGUAGES, core_example
from .probe import forwards, mutual_information

SCRIPTS = ("LATIN", "ARABIC", "BENGALI", "DEVANAGARI", "CJK", "HIRAGANA", "KATAKANA", "HANGUL")
EFFORT = "medium"


def router_examples(each: int, seed: int = 11) -> list[Example]:
    """Return equally many held-out conversations of every core task in every language."""
    return [core_example(c, task, i, EFFORT, seed) for c in LANGUAGES for task in CORE for i in range(each)]


@cache
def script(sign: str) -> str:
    """Return 'Latin', 'Devanagari', 'digit', 'mark' …, by the character's Unicode name."""
    if sign.isdecimal():
        return "digit"
    if not (sign.isalpha() or unicodedata.category(sign).startswith("M")):
        return "mark"
    first = unicodedata.name(sign, "OTHER").split()[0]
    return first.capitalize() if first in SCRIPTS else "Latin" if first == "COMBINING" else "other"


def scripts(tokens: list[int], encoding) -> list[str]:
    """Return the script of the character that each token's first byte belongs to; "control" for control tokens.

    A token of a byte-pair vocabulary may hold half a character, so the bytes of a whole stretch are decoded together.
    """
    control = set(encoding._special_tokens.values())
    found, stretch = [], []
    for token in [*tokens, None]:
        if token is not None and token not in control:
            stretch.append(encoding.decode_single_token_bytes(token))
            continue
        found += _of_stretch(stretch)
        stretch = []
        if token is not None:
            found.append("control")
    return found


def _of_stretch(parts: list[bytes]) -> list[str]:
    owner = []  # of each byte, its character
    for sign in b"".join(parts).decode("utf-8", "replace"):
        owner += [sign] * len(sign.encode())
    found, at = [], 0
    for part in parts:
        text = owner[at : at + len(part)]
        # a leading blank belongs to the word after it
        chosen = next((sign for sign in text if not sign.isspace()), text[0] if text else " ")
        found.append(script(chosen))
        at += len(part)
    return found


@torch.no_grad()
def router_section(model, examples: list[Example], batch: int = 16, seed: int = 0) -> dict:
    """Return bits that each layer's first expert tells about language, script and task: all tokens, and questions."""
    layers = len(model.block)
    experts: list[list[Tensor]] = [[] for _ in range(layers)]
    names: dict[str, list[str]] = {"language": [], "task": [], "script": [], "role": []}
    conversation: list[int] = []
    at = 0
    for part, rows, caught in forwards(model, examples, batch):
        for layer in range(layers):
            experts[layer].append(caught["expert", layer])
        for i, (example, row) in enumerate(zip(part, rows, strict=True), at):
            names["language"] += [example.language] * len(row)
            names["task"] += [example.task] * len(row)
            names["script"] += scripts([t.token for t in row], model.tokenizer)
            names["role"] += [str(t.role) for t in row]
            conversation += [i] * len(row)
        at += len(part)
    chosen = [torch.cat(one) for one in experts]
    asked = torch.tensor([role == "user" for role in names["role"]])
    of = torch.tensor(conversation)
    result: dict = {"tokens": len(of), "conversations": len(examples), "information": {}}
    for label in ("language", "script", "task"):
        coded = _coded(names[label])
        own = {"language": [e.language for e in examples], "task": [e.task for e in examples]}.get(label)
        whole = _coded(own) if own else None
        result["information"][label] = beside_nulls(chosen, coded, of, whole, seed)
        result["information"][f"{label}, question only"] = beside_nulls(
            [c[asked] for c in chosen], coded[asked], of[asked], whole, seed
        )
    return result


def beside_nulls(experts: list[Tensor], label: Tensor, of: Tensor, whole: Tensor | None, seed: int = 0) -> dict:
    """Return mutual information by layer, and the same with shuffled labels.

    experts : (n,) of each layer; label : (n,); of : (n,) the conversation of each token
    whole : (conversations,) the label of each conversation, where it is the same for all its tokens
    """
    generator = torch.Generator().manual_seed(seed)
    shuffled = label[torch.randperm(len(label), generator=generator)]
    found = {
        "bits": [round(mutual_information(e, label), 3) for e in experts],
        "shuffled": [round(mutual_information(e, shuffled), 3) for e in experts],
    }
    if whole is not None:
        exchanged = whole[torch.randperm(len(whole), generator=generator)][of]
        found["conversations_exchanged"] = [round(mutual_information(e, exchanged), 3) for e in experts]
    return found


def _coded(values: list[str]) -> Tensor:
    index = {value: i for i, value in enumerate(dict.fromkeys(values))}
    return torch.tensor([index[value] for value in values])
