"""`decode` (chapter 11): the decoding loop with a cache."""

import torch

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck


def through(decode, prompt: list[int], max_new_tokens: int, stops: set[int]):
    """Decode with a toy model whose next token is the last digit of the sum of all tokens read."""
    memory, given = [], []

    def read(new):
        memory.extend(new)
        given.append(" ".join(map(str, new)))
        return torch.nn.functional.one_hot(torch.tensor(sum(memory) % 10), 10).float()

    said = decode(read, list(prompt), max_new_tokens, stops)
    if said is None:
        return None
    said = [int(token) for token in said]
    if said and len(given) > len(said) and given[-1].endswith(str(said[-1])):
        given.pop()  # the last token may be read or not
    return f"said {said}, read " + " | ".join(given)


CHECK = CaseCheck("decode", "(read, prompt, max_new_tokens, stops) -> new tokens", through)
BANK = Bank("decode")


@CHECK.cases
def cases():
    return [
        Case(
            "the first token",
            ([3, 4], 1, {0}),
            "said [7], read 3 4",
            "Prefill: the whole prompt is read once, in one go, and the place of the largest of its last logits "
            "(argmax) is the first token. The result holds the new tokens only, here one.",
        ),
        Case(
            "three tokens",
            ([3, 4], 3, {0}),
            "said [7, 4, 8], read 3 4 | 7 | 4",
            "After the prompt, only the newest token is read: the cache holds all earlier ones. A token that is read "
            "twice is stored twice.",
        ),
        Case(
            "a stop token",
            ([3, 4], 9, {8}),
            "said [7, 4, 8], read 3 4 | 7 | 4",
            "The stop token ends the result and belongs to it: without it, a complete answer looks like one that was "
            "cut off.",
        ),
        Case(
            "a stop token at once",
            ([3, 4], 9, {7}),
            "said [7], read 3 4",
            "The first generated token may be a stop token too: check every token, including the first.",
        ),
        Case(
            "a stop token in the prompt",
            ([3, 4], 3, {3}),
            "said [7, 4, 8], read 3 4 | 7 | 4",
            "Only generated tokens end the loop: a prompt contains stop tokens of earlier turns.",
        ),
    ]


@BANK.right("prefill, then token by token")
def decode(read, prompt, max_new_tokens, stops):
    generated, logits = [], read(prompt)
    for _ in range(max_new_tokens):
        generated.append(int(logits.argmax()))
        if generated[-1] in stops:
            break
        logits = read(generated[-1:])
    return generated


BANK.wrong("a stop token at once", "the first token not looked at", ("in stops", "in stops and generated[1:]"))
BANK.wrong("the first token", "the prompt in the result", ("return generated", "return prompt + generated"))
BANK.wrong("the first token", "nothing returned", ("    return generated", "    generated"))
BANK.wrong("the first token", "an empty result", ("return generated", "return []"))
BANK.wrong(
    "the first token",
    "the prompt read token by token",
    (
        "generated, logits = [], read(prompt)",
        "generated = []\n    for token in prompt:\n        logits = read([token])",
    ),
)
BANK.wrong("the first token", "the largest logit instead of its place", ("logits.argmax()", "logits.max()"))
BANK.wrong("three tokens", "everything read again", ("read(generated[-1:])", "read(prompt + generated)"))
BANK.wrong("three tokens", "all new tokens read again", ("read(generated[-1:])", "read(generated)"))
BANK.wrong("a stop token", "the stop token dropped", ("            break\n", "            return generated[:-1]\n"))
BANK.wrong("a stop token", "no stop", ("if generated[-1] in stops:\n            break", "pass"))
BANK.wrong(
    "a stop token in the prompt",
    "a stop token in the prompt ends the loop",
    ("generated[-1] in stops", "set(prompt + generated) & stops"),
)


@BANK.right("tensors as tokens, the last one not read")
def of_tensors(read, prompt, max_new_tokens, stops):
    generated, logits = [], read(prompt)
    while len(generated) < max_new_tokens:
        generated.append(logits.argmax())
        if int(generated[-1]) in stops or len(generated) == max_new_tokens:
            break
        logits = read([int(generated[-1])])
    return generated
