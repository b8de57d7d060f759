"""`response_events` (chapter 24): what a client hears while the model writes."""

from itertools import count, groupby

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck
from gptoss_edu.harmony import Begins, Ends, Piece, PieceReader, StreamParser  # noqa: F401 - wrong solutions use it
from gptoss_edu.serve.responses import blank_item, response_object
from gptoss_edu.tokenizer import load_tokenizer

CAUSES = {
    "restart": "The sequence numbers start again. They count the events of the whole response, from 0, without a gap.",
    "ids": (
        "An item's id or call_id is not the same in all of its events. A client finds the item by it: create it "
        "once, when the item begins."
    ),
    "headers": "Tokens of a message's header are sent as text. Only what follows <|message|> is text.",
    "half": (
        "A token may end in the middle of a character. Decoded alone it gives a replacement character; wait until "
        "the character is complete."
    ),
    "done_text": "The done event must repeat the whole text of the item: the joined deltas.",
    "first_end": "The response ends with the first message. Only a thought has ended; the answer is still to come.",
    "completed": "An answer that was cut off is reported as completed: the client takes half an answer for the whole.",
    "half_item": "The response is incomplete, but its cut-off item says completed.",
    "no_done": "A call ends without function_call_arguments.done. Clients that run the call wait for it.",
    "no_added": "Text comes before its item's response.output_item.added. Clients refuse it.",
    "index": "All items have the same output_index. It is the item's place in the response's output.",
    "phases": "A thought is sent as text of the answer. Its events should be reasoning_text.delta and "
    "reasoning_text.done.",
    "empty_output": "The response in the last event does not hold the items with their text.",
}


def text_in(item: dict) -> str:
    return item.get("arguments", "") or "".join(part.get("text", "") for part in item.get("content") or [])


def canonical(events: list[dict]) -> str:
    """Return events as lines: ids numbered by first use, an item's deltas joined, sequence numbers only if wrong."""
    names: dict[str, str] = {}

    def name(identity) -> str:
        return names.setdefault(identity, f"id{len(names)}") if identity is not None else "no id"

    lines = []
    for event in events:
        kind = event["type"].removeprefix("response.")
        if "item" in event:
            item = event["item"]
            told = [item["type"], name(item.get("id")), item.get("status"), f"text {text_in(item)!r}"]
            told += [f"calls {item.get('name')} as {name(item.get('call_id'))}"] if "call_id" in item else []
        elif "response" in event:
            response = event["response"]
            told = [response.get("status"), f"output {[(i['type'], text_in(i)) for i in response['output']]}"]
        else:
            told = [name(event.get("item_id"))]
            said = event.get("delta", event.get("text", event.get("arguments")))
            told += [f"{said!r}"] if said is not None else []
        at = f" at {event['output_index']}" if "output_index" in event else ""
        if event.get("delta", "…"):
            lines.append((f"{kind}{at}", event.get("delta"), ", ".join(map(str, told))))
    out = []
    for (kind, _), group in groupby(lines, key=lambda line: (line[0], line[1] is None)):
        group = list(group)
        whole = "".join(delta for _, delta, _ in group if delta is not None)
        out += [f"{kind}: {whole!r}"] if group[0][1] is not None else [f"{kind}: {told}" for _, _, told in group]
    numbers = [event.get("sequence_number") for event in events]
    out += [] if numbers == list(range(len(numbers))) else [f"numbers {numbers}"]
    return "\n".join(out)


def through(response_events, answer: str) -> str | None:
    """Return the learner's events for an answer that is written with its control tokens."""
    encoding = load_tokenizer()
    events = response_events(encoding.encode(answer, allowed_special="all"), encoding)
    return None if events is None else canonical([dict(event) for event in events])


CHECK = CaseCheck("response_events", "(tokens, encoding) -> events", through, causes=CAUSES)
BANK = Bank("response_events")


def right(answer: str) -> str:
    from gptoss_edu.serve.responses import response_events as finished

    return through(finished, answer)


FINAL, THOUGHT = "<|channel|>final<|message|>", "<|channel|>analysis<|message|>"
CALL = "<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>"


@CHECK.cases
def cases():
    next_one = "<|end|><|start|>assistant"
    return [
        Case(
            "an answer",
            (f"{FINAL}Hello there!<|return|>",),
            right,
            "created, in_progress; output_item.added, content_part.added, deltas, output_text.done, content_part.done, "
            "output_item.done; completed.",
        ),
        Case(
            "a thought, then an answer",
            (f"{THOUGHT}A greeting.{next_one}{FINAL}Hello!<|return|>",),
            right,
            "Each message is an item with its own output_index; the numbers go on.",
        ),
        Case(
            "a call",
            (f'{CALL}{{"city":"Oslo"}}<|call|>',),
            right,
            "A call has function_call_arguments.delta and .done between its item's events, and no content part.",
        ),
        Case(
            "three items",
            (f"{THOUGHT}I ask.{next_one}<|channel|>commentary<|message|>I look it up.{next_one}{CALL}{{}}<|call|>",),
            right,
            "A thought, a remark and a call are three items.",
        ),
        Case(
            "characters of several tokens",
            (f"{FINAL}Snow on 🏔️ and 🌡️!<|return|>",),
            right,
            "Text is sent when its characters are complete.",
        ),
        Case(
            "cut off in a thought",
            (f"{THOUGHT}It could be that",),
            right,
            "Tokens that end before their message: item and response are incomplete.",
        ),
        Case(
            "cut off in an answer",
            (f"{THOUGHT}A greeting.{next_one}{FINAL}Hello and",),
            right,
            "Only the item that was cut off is incomplete; the response is too.",
        ),
    ]


@BANK.right("by what happens")
def response_events(tokens, encoding):
    response, numbers, cut = response_object({}, "mine"), count(), False

    def event(kind, **fields):
        return {"type": f"response.{kind}", "sequence_number": next(numbers), **fields}

    yield event("created", response=dict(response))
    yield event("in_progress", response=dict(response))
    for what in PieceReader(encoding).read(tokens):
        if isinstance(what, Begins):
            item, part = blank_item(what)
            place = {"item_id": item["id"], "output_index": len(response["output"])}
            kind = part["type"] if part else "function_call_arguments"
            response["output"].append(item)
            text = ""
            yield event("output_item.added", output_index=place["output_index"], item=dict(item))
            if part:
                place["content_index"] = 0
                yield event("content_part.added", **place, part=dict(part))
        elif isinstance(what, Piece):
            text += what.text
            yield event(f"{kind}.delta", **place, delta=what.text, logprobs=[])
        elif isinstance(what, Ends):
            cut = cut or what.partial
            item["status"] = "incomplete" if what.partial else "completed"
            if part:
                part["text"] = text
                item["content"] = [part]
                yield event(f"{kind}.done", **place, text=text, logprobs=[])
                yield event("content_part.done", **place, part=dict(part))
            else:
                item["arguments"] = text
                yield event(f"{kind}.done", **place, name=item["name"], arguments=text)
            yield event("output_item.done", output_index=place["output_index"], item=dict(item))
    response["status"] = "incomplete" if cut else "completed"
    yield event(response["status"], response=dict(response))


def anew(item, message):
    fresh, _ = blank_item(Begins(0, "assistant", message.channel, message.recipient))
    return item | {key: fresh[key] for key in ("id", "call_id") if key in fresh}


ADDED = 'yield event("output_item.added", output_index=place["output_index"], item=dict(item))'
DONE = 'yield event("output_item.done", output_index=place["output_index"], item=dict(item))'
ARGUMENTS = 'yield event(f"{kind}.done", **place, name=item["name"], arguments=text)'
ITEM_STATUS = 'item["status"] = "incomplete" if what.partial else "completed"'
LAST = 'response["status"] = "incomplete" if cut else "completed"'
BANK.wrong(
    "restart",
    "numbers begin again with each item",
    (
        "            item, part = blank_item(what)\n",
        "            item, part = blank_item(what)\n            numbers = count()\n",
    ),
)
BANK.wrong("restart", "no numbers", ("next(numbers)", "0"))
BANK.wrong("restart", "numbers from 1", ("count(), False", "count(1), False"))
BANK.wrong(
    "ids",
    "the item made anew at its end",
    (
        "            cut = cut or what.partial\n",
        "            cut = cut or what.partial\n            item = anew(item, what.message)\n",
    ),
)
BANK.wrong(
    "ids",
    "events of the text with an id of their own",
    ('{"item_id": item["id"], ', '{"item_id": blank_item(what)[0]["id"], '),
)
BANK.wrong("done_text", "the last piece", ("text += what.text", "text = what.text"))
BANK.wrong(
    "done_text",
    "nothing",
    ('yield event(f"{kind}.done", **place, text=text', 'yield event(f"{kind}.done", **place, text=""'),
)
BANK.wrong("first_end", "over with the first message", (DONE, f"{DONE}\n            break"))
BANK.wrong(
    "completed",
    "always completed",
    (LAST, 'response["status"] = "completed"'),
    (ITEM_STATUS, 'item["status"] = "completed"'),
    seen="vllm 57998, 24184",
)
BANK.wrong("completed", "the item incomplete, the response not", (LAST, 'response["status"] = "completed"'))
BANK.wrong("half_item", "the response incomplete, the item not", (ITEM_STATUS, 'item["status"] = "completed"'))
BANK.wrong("no_done", "a call without arguments.done", (ARGUMENTS, "pass"))
BANK.wrong("no_added", "items begin without a word", (ADDED, "pass"))
BANK.wrong(
    "no_added",
    "added when it is over",
    (ADDED, "pass"),
    (DONE, f"{ADDED}\n            {DONE}"),
    seen="vllm 24076, 25728",
)
BANK.wrong("index", "always the first place", ('len(response["output"])}', "0}"))
BANK.wrong(
    "phases",
    "thoughts as text of the answer",
    ('part["type"] if part', '"output_text" if part'),
)
BANK.wrong(
    "empty_output",
    "no items in the response",
    ('response["output"].append(item)', 'response["output"] += [None]'),
    (
        '    yield event(response["status"], response=dict(response))',
        '    yield event(response["status"], response={**response, "output": []})',
    ),
)
BANK.wrong(
    "empty_output",
    "items as they were when they began",
    ('response["output"].append(item)', 'response["output"].append(dict(item))'),
)
BANK.wrong(
    "an answer", "no content part", ("if part:\n                place", "if part and not part:\n                place")
)
BANK.wrong(
    "an answer",
    "the text once, at the end",
    ('yield event(f"{kind}.delta", **place, delta=what.text, logprobs=[])', "pass"),
)


@BANK.wrong("half", "every token decoded alone")
def token_by_token(tokens, encoding):
    for event in response_events(tokens, encoding):
        if event["type"].endswith(".delta"):
            for token in encoding.encode_ordinary(event["delta"]):
                yield {**event, "delta": encoding.decode([token])}
        else:
            yield event


@BANK.wrong("headers", "every token that is no control token is text")
def with_headers(tokens, encoding):
    first, shift = True, 0
    header = "".join(encoding.decode([token]) for token in list(tokens)[1:2])
    for event in response_events(tokens, encoding):
        if event["type"].endswith(".delta") and first:
            first = False
            yield {**event, "sequence_number": event["sequence_number"], "delta": header}
            shift = 1
        yield {**event, "sequence_number": event["sequence_number"] + shift}


@BANK.right("a list of events")
def as_list(tokens, encoding):
    return list(response_events(tokens, encoding))
