"""`decode` (chapter 11): the decoding loop with a cache."""

import torch

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck
from gptoss_edu.checks.harness import Refused

CAUSES = {
    "tensor_in_stops": (
        "A tensor is never in a set of whole numbers, not even one that prints the same number, so no stop token ends "
        "the loop. Make the token a whole number first: int(logits.argmax())."
    ),
    "unlimited": "The loop goes on after max_new_tokens new tokens.",
    "too_few": (
        "Fewer than max_new_tokens tokens come back. Either the loop has too few rounds (range(1, n) has n - 1 of "
        "them), or a token is appended a round late."
    ),
    "one_stop": "The stop tokens are taken for one. There may be several, and any ends the loop: `token in stops`.",
    "all_stops": "The loop waits until every stop token has been said. Any one of them ends it: `token in stops`.",
    "prompt_changed": (
        "The list that was passed in is changed (by append, +=, pop, or an assignment to a part of it), and the caller "
        "still needs it. Collect the new tokens in a list of your own."
    ),
    "prompt_counted": "max_new_tokens limits the new tokens. Here the tokens of the prompt are counted too.",
}


class Stops(set):
    """Stop tokens that note which tensor was looked up among them; it is never found, because sets compare by hash."""

    tensor = ""

    def __contains__(self, token) -> bool:
        if isinstance(token, torch.Tensor):
            self.tensor = self.tensor or repr(token)
        return super().__contains__(token)

    def __repr__(self) -> str:
        return repr(set(self))


def shortened(parts: list, between: str, most: int = 12) -> str:
    """Return the parts in one line, of many the first eight and their number."""
    words = list(map(str, parts))
    return between.join(words if len(words) <= most else [*words[:8], f"… ({len(words):,} in all)"])


def through(decode, prompt: list[int], max_new_tokens: int, stops: set[int]):
    """Decode with a toy model whose next token is the last digit of the sum of all tokens read."""
    memory, given = [], []

    def read(new):
        new = [int(token) for token in new]
        memory.extend(new)
        given.append(" ".join(map(str, new)))
        return torch.nn.functional.one_hot(torch.tensor(sum(memory) % 10), 10).float()

    looked_up = Stops(stops)
    passed = list(prompt)
    said = decode(read, passed, max_new_tokens, looked_up)
    if said is None:
        return None
    if passed != prompt:
        what = f"your function changed the caller's prompt {prompt} to [{shortened(passed, ', ')}]"
        raise Refused(what, "prompt_changed", certain=True)
    said = [int(token) for token in said]
    if looked_up.tensor:
        what = f"your loop asks whether {looked_up.tensor} is in stops = {set(stops)}, and a tensor never is"
        raise Refused(what, "tensor_in_stops", certain=True)
    if min(len(said), len(given)) > len(prompt) + max_new_tokens:
        what = f"the result has {len(said):,} tokens, max_new_tokens is {max_new_tokens}"
        raise Refused(what, "unlimited", certain=True)
    if said and len(given) > len(said) and given[-1].endswith(str(said[-1])):
        given.pop()  # the last token may be read or not
    return f"said [{shortened(said, ', ')}], read {shortened(given, ' | ')}"


CHECK = CaseCheck("decode", "(read, prompt, max_new_tokens, stops) -> new tokens", through, CAUSES)
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
            ([3, 4, 5], 3, {0}),
            "said [2, 4, 8], read 3 4 5 | 2 | 4",
            "After the prompt, only the newest token is read: the cache holds all earlier ones. A token that is read "
            "twice is stored twice.",
        ),
        Case(
            "a stop token",
            ([1, 5], 9, {3, 4, 7}),
            "said [6, 2, 4], read 1 5 | 6 | 2",
            "Any of the stop tokens ends the result and belongs to it: without it, a complete answer looks like one "
            "that was cut off.",
        ),
        Case(
            "a stop token at once",
            ([4, 3], 9, {4, 6, 7}),  # all are said in the end, the smallest before the last of them
            "said [7], read 4 3",
            "The first generated token may be a stop token too: check every token, including the first.",
        ),
        Case(
            "a stop token in the prompt",
            ([3, 4], 9, {4}),
            "said [7, 4], read 3 4 | 7",
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
BANK.wrong("tensor_in_stops", "a tensor looked up among the stop tokens", ("int(logits.argmax())", "logits.argmax()"))
BANK.wrong("unlimited", "a limit of its own", ("range(max_new_tokens)", "range(1000)"))
BANK.wrong(
    "prompt_counted",
    "the prompt counted in the limit",
    ("range(max_new_tokens)", "range(max_new_tokens - len(prompt))"),
)
for fewer in ("range(1, max_new_tokens)", "range(1, max_new_tokens - 1)"):
    BANK.wrong("too_few", f"rounds of {fewer}", ("range(max_new_tokens)", fewer))
for one in ("generated[-1] == min(stops)", "generated[-1] == list(stops)[0]", "{generated[-1]} == stops"):
    BANK.wrong("one_stop", f"stopped by {one}", ("generated[-1] in stops", one))
BANK.wrong(
    "one_stop", "stopped by a popped token", ("in stops:", "== (stop := stops.pop() if len(generated) == 1 else stop):")
)
BANK.wrong("all_stops", "stopped by the last of all", ("generated[-1] in stops", "stops.issubset(generated)"))
BANK.wrong(
    "prompt_changed",
    "appended to the caller's prompt",
    ("generated, logits = [], read(prompt)", "generated, start, logits = prompt, len(prompt), read(prompt)"),
    ("return generated", "return generated[start:]"),
)
BANK.wrong("a stop token", "no stop", ("if generated[-1] in stops:\n            break", "pass"))
BANK.wrong(
    "a stop token in the prompt",
    "a stop token in the prompt ends the loop",
    ("generated[-1] in stops", "set(prompt + generated) & stops"),
)


@BANK.wrong("a stop token in the prompt", "the prompt's last token looked at before the first round")
def looks_at_the_prompt(read, prompt, max_new_tokens, stops):
    text, logits = list(prompt), read(prompt)
    while len(text) < len(prompt) + max_new_tokens and text[-1] not in stops:
        text.append(int(logits.argmax()))
        logits = read(text[-1:])
    return text[len(prompt) :]


@BANK.right("tensors as tokens, the last one not read")
def of_tensors(read, prompt, max_new_tokens, stops):
    generated, logits = [], read(prompt)
    while len(generated) < max_new_tokens:
        generated.append(logits.argmax())
        if int(generated[-1]) in stops or len(generated) == max_new_tokens:
            break
        logits = read([int(generated[-1])])
    return generated


@BANK.right("tensors as tokens, read as they are")
def reads_tensors(read, prompt, max_new_tokens, stops):
    generated, logits = [], read(prompt)
    for _ in range(max_new_tokens):
        token = logits.argmax()
        generated.append(token)
        if int(token) in stops:
            break
        logits = read([token])
    return generated
