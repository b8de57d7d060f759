"""Constrained decoding: allow only tokens that keep the answer within a JSON Schema, a regular expression or a grammar.

    constraint = Constraint(encoding, final=json_schema(schema))
    generate(model, render(conversation, encoding=encoding), logits_processor=constraint)

A constraint applies only inside contents: in the final message, or in a call's arguments. Headers and thoughts stay
free, and `<|return|>` (or `<|call|>`) is allowed exactly where the grammar may end, so control tokens are never
forbidden where the format needs them. With `headers=…` the headers follow a grammar too, so malformed ones cannot be
sampled.

Source: llguidance (masks from a lexer and an Earley parser over the token trie); Willard and Louf 2023,
arXiv:2307.09702, for the idea.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import llguidance
import numpy as np
import tiktoken
import torch
from llguidance.tiktoken import lltokenizer_from_encoding

from gptoss_edu.errors import HarmonyError

from .control import control_tokens, resolve_encoding
from .messages import CHANNELS
from .stream import BETWEEN, CONTENT, StreamParser

ANY_NAME = r"[a-zA-Z0-9_.\-]{1,64}"  # a recipient, if none are listed


@dataclass(frozen=True)
class Grammar:
    """A grammar in llguidance's form, and what it was made from, for error messages."""

    source: str
    what: str


def json_schema(schema: Any) -> Grammar:
    """Accept exactly the JSON documents of a schema, written without spaces.

    Keywords that cannot be enforced token by token ("not", "uniqueItems", "if" …) are refused when the constraint is
    built, never ignored. `oneOf` is enforced as `anyOf`: a document may fit several variants.
    """
    overrides = {"whitespace_flexible": False, "coerce_one_of": True}
    text = schema if isinstance(schema, str) else json.dumps(schema)
    try:
        grammar = llguidance.LLMatcher.grammar_from_json_schema(text, defaults=overrides)  # type: ignore[arg-type]
        return Grammar(grammar, "JSON Schema")
    except ValueError as error:
        raise HarmonyError(f"JSON Schema: expected a schema that can be enforced, found {_one_line(error)}.") from None


def regex(pattern: str) -> Grammar:
    """Accept texts that match the whole of a regular expression (Rust's syntax: no look-around, no back-references)."""
    return Grammar(llguidance.LLMatcher.grammar_from_regex(pattern), "regular expression")


def lark(grammar: str) -> Grammar:
    """Accept texts of a context-free grammar in Lark's syntax, beginning with `start`."""
    return Grammar(llguidance.LLMatcher.grammar_from_lark(grammar), "grammar")


def header_grammar(
    recipients: Sequence[str] | None = None, channels: Sequence[str] = CHANNELS, spoken: Sequence[str] | None = None
) -> str:
    """Return Lark rules for what may come between `<|start|>assistant` and `<|message|>`, as the rule `header`.

    Parameters
    ----------
    recipients : the tools that may be called; None: any name; an empty list: no calls.
    channels : the channels that may be named.
    spoken : those of messages that are not calls; None: all of `channels`; an empty list: only calls.
    """
    spoken = channels if spoken is None else spoken
    calls = recipients is None or len(recipients) > 0
    listed = "|".join(json.dumps(name) for name in recipients or ())
    kinds = (["<|channel|> CHANNEL <|message|>"] if spoken else []) + (["call"] if calls else [])
    rules = [f"header: {' | '.join(kinds)}"]
    if spoken:
        rules.append(f"CHANNEL: {'|'.join(map(json.dumps, spoken))}")
    if calls:
        rules += [
            "call: to <|channel|> CALLS kind? <|message|> | <|channel|> CALLS to kind? <|message|>",
            'to: " to=" NAME',
            'kind: " "? <|constrain|> "json" | " json" | " code"',
            f"NAME: {listed or f'/{ANY_NAME}/'}",
            f"CALLS: {'|'.join(json.dumps(name) for name in channels if name != 'final')}",
        ]
    return "\n".join(rules)


class Constraint:
    """A logits processor: `constraint(generated, logits) -> logits`, with forbidden tokens at minus infinity.

    Parameters
    ----------
    encoding : the model's encoding; None means o200k_harmony.
    final : grammar of the final message; None leaves it free.
    calls : grammar of a call's arguments: one for all calls, or one per recipient ({"functions.f": …}; calls to others
        stay free).
    headers : False: headers are free. True: they follow header_grammar() with the recipients of `calls`. A list of
        recipients: with those.
    must_call : the answer must be a call: at most one thought, then a call, and no final message. Headers then follow a
        grammar, with or without `headers`.
    prefix : ids that the prompt already holds after its last `<|start|>assistant`, for example those of
        `<|channel|>final<|message|>`.

    One constraint follows one sequence. It starts over whenever `generated` does; for a batch, create one per row.

    Raises
    ------
    HarmonyError : a grammar that cannot be enforced, and why; a sampled token that the grammar forbids.
    """

    def __init__(
        self,
        encoding: tiktoken.Encoding | None = None,
        *,
        final: Grammar | None = None,
        calls: Grammar | Mapping[str, Grammar] | None = None,
        headers: bool | Sequence[str] = False,
        must_call: bool = False,
        prefix: Sequence[int] = (),
    ):
        self.encoding = resolve_encoding(encoding)
        self.control = control_tokens(self.encoding)
        self._tokenizer = _ll_tokenizer(self.encoding)
        self.prefix = [int(token) for token in prefix]
        self._final: llguidance.LLMatcher | None = self._matcher(final) if final else None
        by_name = calls if isinstance(calls, Mapping) else {}
        self._calls = {name: self._matcher(grammar) for name, grammar in by_name.items()}
        self._other_calls = self._matcher(calls) if isinstance(calls, Grammar) else None
        self._headers = None
        if headers is not False or must_call:
            recipients = (list(by_name) or None) if isinstance(headers, bool) else list(headers)
            if must_call and recipients == []:
                raise HarmonyError("Constraint: must_call expects a recipient to call, found an empty list of them.")
            first = header_grammar(recipients, spoken=["analysis"] if must_call else None)
            later = header_grammar(recipients, spoken=[] if must_call else None)
            self._headers = self._matcher(lark(f"start: header\n{first}"))
            self._next_headers = self._matcher(lark(f'start: <|start|> "assistant" header\n{later}'))
        self._ordinary = np.ones(self.control.n_vocab, dtype=bool)  # (v,): no control token
        self._ordinary[list(self.control.specials)] = False
        self.reset()

    def _matcher(self, grammar: Grammar) -> llguidance.LLMatcher:
        matcher = llguidance.LLMatcher(self._tokenizer, grammar.source, log_level=0)
        if matcher.is_error():
            found = _one_line(matcher.get_error())
            raise HarmonyError(f"{grammar.what}: expected one that can be enforced, found {found}.")
        return matcher

    def reset(self) -> None:
        """Return to the end of the prompt."""
        self._parser = StreamParser(strict=False, encoding=self.encoding, role="assistant")
        self._active = self._headers and self._headers.deep_copy()
        self._generated: list[int] = []
        for token in self.prefix:
            self._advance(token)

    def __call__(self, generated: Sequence[int], logits: torch.Tensor) -> torch.Tensor:
        """Return logits (v,) with every token that may not come next at minus infinity."""
        allowed = self.allowed(generated)
        if allowed is None:
            return logits
        width = min(len(allowed), logits.shape[-1])
        mask = torch.zeros(logits.shape[-1], dtype=torch.bool)  # (v,): ids beyond the encoding stay forbidden
        mask[:width] = torch.from_numpy(allowed[:width])
        return logits.masked_fill(~mask.to(logits.device), -torch.inf)

    def allowed(self, generated: Sequence[int]) -> np.ndarray | None:
        """Return which tokens may come after `generated`: (v,) bool, or None if all may."""
        known = len(self._generated)
        if list(generated[:known]) != self._generated:
            self.reset()
            known = 0
        for token in generated[known:]:
            self._advance(int(token))
            self._generated.append(int(token))
        if self._active is None:
            return self._free_content() if self._headers and self._parser.state is CONTENT else None
        mask = self._mask()
        if self._parser.state is CONTENT:
            may_end = mask[self.control.return_]
            mask &= self._ordinary
            if may_end:
                mask[self._ends()] = True
        return mask

    def _mask(self) -> np.ndarray:
        bits = np.frombuffer(self._active.compute_bitmask(), dtype=np.uint8)
        return np.unpackbits(bits, bitorder="little")[: self.control.n_vocab].astype(bool)

    def _free_content(self) -> np.ndarray:
        """Allow all text, and the one fitting end, in a content without a grammar when headers have one."""
        mask = self._ordinary.copy()
        mask[self._ends()] = True
        return mask

    def _ends(self) -> int:
        if self._parser.current_recipient is not None:
            return self.control.call
        return self.control.return_ if self._parser.current_channel == "final" else self.control.end

    def _advance(self, token: int) -> None:
        """Take one sampled token: the grammar consumes it, or a message ends or begins."""
        before = self._parser.state
        if self._active is not None and not (before is CONTENT and token in self.control.ends):
            if not self._active.consume_token(token):
                position = len(self._parser.tokens)
                raise HarmonyError(
                    f"token {position}: expected one that the grammar allows, found "
                    f"{self.encoding.decode([token])!r}; sample from the constraint's logits."
                )
        self._parser.process(token)
        state = self._parser.state
        if state is CONTENT and before is not CONTENT:
            self._active = self._grammar_of_content()
        elif state is BETWEEN and before is CONTENT:
            self._active = self._headers and self._next_headers.deep_copy()

    def _grammar_of_content(self) -> llguidance.LLMatcher | None:
        recipient = self._parser.current_recipient
        chosen: llguidance.LLMatcher | None
        if recipient is not None:
            chosen = self._calls.get(recipient, self._other_calls)
        else:
            chosen = self._final if self._parser.current_channel == "final" else None
        return chosen and chosen.deep_copy()


def _one_line(error: Any) -> str:
    return re.sub(r"\s+", " ", str(error)).strip()


@lru_cache(maxsize=4)
def _ll_tokenizer(encoding: tiktoken.Encoding) -> llguidance.LLTokenizer:
    """Build llguidance's view of an encoding (about a second for o200k_harmony); `<|return|>` marks a grammar's end."""
    return lltokenizer_from_encoding(encoding, n_vocab=encoding.n_vocab, eos_token=control_tokens(encoding).return_)
