"""Six checks of a server with OpenAI's own Python client.

    board = conformance("http://127.0.0.1:8000/v1", "gpt-oss-tiny", {"What is 12 times 19?": "12 × 19 = 228"})

The first questions in `answers` are asked one at a time, and finally all at once. Sampling must be greedy. The long
list of checks is tests/test_serve_responses.py.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass
class Asking:
    """A client, the model's name, and questions with the answers that a single client gets."""

    client: Any  # openai.OpenAI; the server itself does not need it
    model: str
    answers: Mapping[str, str]

    @property
    def first(self) -> str:
        return next(iter(self.answers))

    def create(self, text: str | list, **more):
        return self.client.responses.create(model=self.model, input=text, temperature=0, **more)


def whole(asking: Asking) -> bool:
    return asking.create(asking.first).output_text == asking.answers[asking.first]


def streamed(asking: Asking) -> bool:
    """Check that the deltas add up to the text, and that event numbers have no gaps."""
    events = list(asking.create(asking.first, stream=True))
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    return text == asking.answers[asking.first] and [e.sequence_number for e in events] == list(range(len(events)))


def followed(asking: Asking) -> bool:
    """Check that the client's state machine, which raises on inconsistent events, builds the same response."""
    with asking.client.responses.stream(model=asking.model, input=asking.first, temperature=0) as stream:
        return stream.get_final_response().output_text == asking.answers[asking.first]


def second_turn(asking: Asking) -> bool:
    """Check a second turn that sends back all output items, including thoughts, unchanged."""
    first, second = list(asking.answers)[:2]
    items = [{"role": "user", "content": first}, *asking.create(first).output, {"role": "user", "content": second}]
    return asking.create(items).status == "completed"


def cut_off(asking: Asking) -> bool:
    done = asking.create(asking.first, max_output_tokens=9)
    return done.status == "incomplete"


def at_once(asking: Asking) -> bool:
    """Check that concurrent clients get the answers that each gets alone."""
    found: dict[str, str] = {}
    clients = [
        threading.Thread(target=lambda text=text: found.update({text: asking.create(text).output_text}))
        for text in asking.answers
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return found == dict(asking.answers)


QUESTIONS: dict[str, Callable[[Asking], bool]] = {
    "a whole answer": whole,
    "a stream, numbered from 0": streamed,
    "the client's state machine": followed,
    "a second turn, with thoughts": second_turn,
    "an answer cut off says so": cut_off,
    "clients at once, as each alone": at_once,
}


def conformance(url: str, model: str, answers: Mapping[str, str]) -> dict[str, bool | None]:
    """Run the checks; None if the official client is not installed. Exceptions are printed."""
    try:
        from openai import OpenAI
    except ImportError:
        print("The official client is not installed: pip install openai.")
        return dict.fromkeys(QUESTIONS)
    client = OpenAI(base_url=url, api_key="none", max_retries=0)
    found: dict[str, bool | None] = {}
    for name, question in QUESTIONS.items():
        try:
            found[name] = question(Asking(client, model, answers))
        except Exception as error:  # the client may refuse an answer in any way
            print(f"{name}: {type(error).__name__}: {str(error)[:80]}")
            found[name] = False
    return found
