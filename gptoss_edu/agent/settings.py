"""The preamble of a conversation, and its limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gptoss_edu.errors import GptOssError
from gptoss_edu.harmony import EFFORTS
from gptoss_edu.harmony.thoughts import RULES


@dataclass
class Settings:
    """The preamble of a conversation, and its limits.

    identity : the system message's first sentence; None for harmony's own. max_steps : tool calls per turn.
    max_tokens : tokens sampled per turn. max_context : tokens of prompt and answer together.
    drop_analysis : which old thoughts to leave out of the prompt (`gptoss_edu.harmony.thoughts`).
    """

    effort: str | None = "medium"
    developer: str | None = None
    date: str | None = None
    identity: str | None = None
    max_steps: int = 8
    max_tokens: int = 4096
    max_context: int = 131_072
    drop_analysis: str = "finished_turns"

    def __post_init__(self):
        for name in ("developer", "date", "identity"):
            self._expect(name, "a text or nothing", lambda value: value is None or isinstance(value, str))
        for name in ("max_steps", "max_tokens", "max_context"):
            self._expect(name, "a whole number that is not negative", lambda value: type(value) is int and value >= 0)
        self._expect("effort", f"one of {', '.join(EFFORTS)} or nothing", lambda value: value in (*EFFORTS, None))
        self._expect("drop_analysis", f"one of {', '.join(RULES)}", lambda value: value in RULES)

    def _expect(self, name: str, what: str, fits: Callable[[Any], bool]) -> None:
        value = getattr(self, name)
        if not fits(value):
            raise GptOssError(f"chat settings, {name}: expected {what}, found {value!r:.80}.")
