"""`messages_of` (chapter 24): the items of a request as harmony messages."""

import json  # noqa: F401 - wrong solutions use it

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck
from gptoss_edu.harmony import DeveloperContent, Message, render
from gptoss_edu.tokenizer import load_tokenizer

CAUSES = {
    "twice": (
        "The arguments are encoded as JSON twice. They arrive as text that is already JSON, exactly as the model "
        "wrote it."
    ),
    "wrong_author": (
        "A result carries only the call_id of its call. The model does not know that id: the result's author is the "
        "function, whose name is in the call."
    ),
    "channel": "An answer has no channel. It belongs to final: without a channel the model sees a form that it never "
    "writes.",
    "preamble": "A message whose phase is commentary is a remark along the way: neither an answer nor a thought.",
    "dropped": "The thoughts of a running tool loop are left out: after each call the model starts thinking from "
    "scratch.",
    "kept": (
        "A thought is on a channel other than analysis. There it survives its turn: render recognises old thoughts "
        "by their channel."
    ),
    "constrain": "A call has lost <|constrain|>json, which the model wrote into its header.",
    "as_user": "The developer's instructions are written as if the user had given them: then anybody could give "
    "orders.",
    "joined": "Content may be a list of parts. Their texts, joined, are the message; the list itself is not.",
    "behind": "A result comes right after its call, where the model expects it, even if two calls came first.",
    "namespace": "A client's function is called as functions.NAME, and its result comes from functions.NAME.",
}


def through(messages_of, items: list[dict]) -> str:
    """Return the prompt of the messages, one message per line, rendered as by the server."""
    encoding = load_tokenizer()
    messages = messages_of(items)
    text = encoding.decode(render(messages, encoding=encoding, drop_analysis="finished_turns"))
    return text.replace("<|start|>", "\n<|start|>").removesuffix("\n<|start|>assistant")


CHECK = CaseCheck("messages_of", "(items: list of dict) -> list of Message", through, causes=CAUSES)
BANK = Bank("messages_of")

OSLO = {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": '{"city":"Oslo"}'}
RISE = {"type": "function_call", "call_id": "call_2", "name": "sunrise", "arguments": '{"in": "Rome"}'}
WARM = {"type": "function_call_output", "call_id": "call_1", "output": '{"celsius":17}'}
EARLY = {"type": "function_call_output", "call_id": "call_2", "output": "05:12"}
THOUGHT = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "I need the weather."}]}


def said(text: str | list, role: str = "user", **more) -> dict:
    return {"type": "message", "role": role, "content": text, **more}


def answer(text: str, phase: str = "final_answer") -> dict:
    return said([{"type": "output_text", "text": text, "annotations": []}], "assistant", phase=phase)


def expected(items: list[dict]) -> str:
    from gptoss_edu.serve.items import messages_of as finished

    calls = {item["call_id"] for item in items if item.get("type") == "function_call"}
    outputs = {item["call_id"] for item in items if item.get("type") == "function_call_output"}
    if calls == outputs:
        return through(finished, items)
    return through(messages_of, items)  # the package refuses a call without its result


@CHECK.cases
def cases():
    hello = said("Hello!")
    return [
        Case("a question", ([hello],), expected, "Text from the user becomes a user message."),
        Case(
            "a question in parts",
            ([said([{"type": "input_text", "text": "How warm "}, {"type": "input_text", "text": "is it?"}])],),
            expected,
            "The texts of the parts are joined.",
        ),
        Case(
            "orders of the developer",
            ([said("Be brief.", "developer"), hello],),
            expected,
            "Roles developer and system become a developer message with DeveloperContent.",
        ),
        Case(
            "orders under their old name",
            ([said("Be brief.", "system"), hello],),
            expected,
            "Clients also say system for what harmony calls developer.",
        ),
        Case("an answer", ([hello, answer("Hi!"), said("And now?")],), expected, "An answer is on final."),
        Case(
            "a remark on the way",
            ([hello, answer("I look.", "commentary"), OSLO, WARM],),
            expected,
            "A message whose phase is commentary is on commentary, without a recipient.",
        ),
        Case(
            "a call",
            ([hello, OSLO],),
            expected,
            "A call is on commentary, goes to functions.NAME and has <|constrain|>json; its text is `arguments`.",
        ),
        Case(
            "a call and its result",
            ([hello, OSLO, WARM],),
            expected,
            "A result has role tool, its call's recipient as name, and goes to the assistant.",
        ),
        Case(
            "a result in parts",
            (
                [
                    hello,
                    OSLO,
                    WARM | {"output": [{"type": "input_text", "text": "17"}, {"type": "input_text", "text": " C"}]},
                ],
            ),
            expected,
            "A result's output may be a list of parts as well.",
        ),
        Case(
            "one call after the other",
            ([hello, OSLO, WARM, RISE, EARLY],),
            expected,
            "Each result has the name of its own call.",
        ),
        Case(
            "a thought in a tool loop",
            ([hello, THOUGHT, OSLO, WARM],),
            expected,
            "While the loop runs, its thoughts stay: an item of type reasoning is a message on analysis.",
        ),
        Case(
            "a thought of a finished turn",
            ([hello, THOUGHT, answer("17 degrees."), said("And Rome?")],),
            expected,
            "It is on analysis, and `render` leaves it out.",
        ),
        Case(
            "two calls, then two results",
            ([hello, OSLO, RISE, EARLY, WARM],),
            expected,
            "A result comes right after its own call.",
        ),
    ]


@BANK.right("by kind")
def messages_of(items):
    def text_of(content):
        return content if isinstance(content, str) else "".join(part["text"] for part in content)

    messages, calls = [], {}
    for item in items:
        kind = item.get("type", "message")
        if kind == "reasoning":
            messages.append(Message("assistant", text_of(item["content"]), "analysis"))
        elif kind == "function_call":
            to = f"functions.{item['name']}"
            call = Message("assistant", item["arguments"], "commentary", to, "<|constrain|>json")
            calls[item["call_id"]] = call
            messages.append(call)
        elif kind == "function_call_output":
            call, text = calls[item["call_id"]], text_of(item["output"])
            result = Message("tool", text, "commentary", "assistant", name=call.recipient)
            messages.insert(messages.index(call) + 1, result)
        elif item["role"] == "assistant":
            channel = "commentary" if item.get("phase") == "commentary" else "final"
            messages.append(Message("assistant", text_of(item["content"]), channel))
        elif item["role"] == "user":
            messages.append(Message("user", text_of(item["content"])))
        else:
            messages.append(Message("developer", DeveloperContent(text_of(item["content"]))))
    return messages


JOIN = '"".join(part["text"] for part in content)'
CHANNEL = 'channel = "commentary" if item.get("phase") == "commentary" else "final"'
THINK = 'messages.append(Message("assistant", text_of(item["content"]), "analysis"))'
DEVELOP = 'Message("developer", DeveloperContent(text_of(item["content"])))'
BEHIND = "messages.insert(messages.index(call) + 1, result)"
BANK.wrong("twice", "arguments as JSON again", ('item["arguments"]', 'json.dumps(item["arguments"])'))
BANK.wrong("twice", "arguments quoted", ('item["arguments"]', "repr(item['arguments'])"))
BANK.wrong("wrong_author", "the call's id as name", ("name=call.recipient", 'name=item["call_id"]'))
BANK.wrong("wrong_author", "a name for all tools", ("name=call.recipient", 'name="functions"'))
BANK.wrong(
    "wrong_author", "the first call's name", ("name=call.recipient", "name=next(iter(calls.values())).recipient")
)
BANK.wrong("channel", "no channel", (CHANNEL, "channel = None"), seen="vllm 32156, 28729")
BANK.wrong("channel", "a channel for remarks only", ('else "final"', "else None"))
BANK.wrong("preamble", "the phase not looked at", (CHANNEL, 'channel = "final"'))
BANK.wrong("preamble", "a remark as a thought", ('"commentary" if item', '"analysis" if item'))
BANK.wrong("preamble", "every message a remark", (CHANNEL, 'channel = "commentary"'))
BANK.wrong("dropped", "thoughts left out", (THINK, "continue"))
BANK.wrong("dropped", "the summary for the thought", (THINK, THINK.replace('"content"', '"summary"')))
BANK.wrong("kept", "thoughts on commentary", ('"analysis"', '"commentary"'))
BANK.wrong("kept", "thoughts on final", ('"analysis"', '"final"'))
BANK.wrong("kept", "thoughts without a channel", ('"analysis"', "None"))
BANK.wrong("constrain", "no content type", (', "<|constrain|>json")', ")"))
BANK.wrong("constrain", "json alone", ('"<|constrain|>json"', '"json"'))
BANK.wrong("as_user", "everybody else is a user", (DEVELOP, 'Message("user", text_of(item["content"]))'))
BANK.wrong(
    "orders of the developer",
    "orders as the system's",
    (DEVELOP, 'Message("system", text_of(item["content"]))'),
)
BANK.wrong(
    "orders under their old name",
    "only the new name",
    ('elif item["role"] == "user":', 'elif item["role"] != "developer":'),
)
BANK.wrong("joined", "the list as it is", (JOIN, "str(content)"), seen="llama.cpp 23465")
BANK.wrong("joined", "the list as JSON", (JOIN, "json.dumps(content)"))
BANK.wrong("joined", "the first part", (JOIN, 'content[0]["text"]'))
BANK.wrong("joined", "a line per part", ('"".join', '"\\n".join'))
BANK.wrong("joined", "results' lists as they are", ('text_of(item["output"])', 'str(item["output"])'))
BANK.wrong("behind", "results in the order in which they came", (BEHIND, "messages.append(result)"))
BANK.wrong("namespace", "the bare name", ("f\"functions.{item['name']}\"", 'item["name"]'))
BANK.wrong("namespace", "the bare name in the result", ("name=call.recipient", 'name=call.recipient.partition(".")[2]'))
BANK.wrong(
    "a call and its result", "a result to nobody", ('"commentary", "assistant", name', '"commentary", None, name')
)
BANK.wrong(
    "a call and its result", "a result on no channel", ('text, "commentary", "assistant"', 'text, None, "assistant"')
)


@BANK.right("a table of functions")
def by_table(items):
    calls, out = {}, []

    def joined(content):
        return "".join(part["text"] for part in content) if isinstance(content, list) else content

    def message(item):
        role, text = item["role"], joined(item["content"])
        if role == "user":
            return Message("user", text)
        if role == "assistant":
            return Message("assistant", text, {"commentary": "commentary"}.get(item.get("phase"), "final"))
        return Message("developer", DeveloperContent(text))

    def call(item):
        name = "functions." + item["name"]
        calls[item["call_id"]] = Message("assistant", item["arguments"], "commentary", name, "<|constrain|>json")
        return calls[item["call_id"]]

    makers = {
        "message": message,
        "function_call": call,
        "reasoning": lambda item: Message("assistant", joined(item["content"]), "analysis"),
    }
    for item in items:
        if item.get("type") == "function_call_output":
            asked = calls[item["call_id"]]
            at = next(i for i, m in enumerate(out) if m is asked)
            out.insert(at + 1, Message("tool", joined(item["output"]), "commentary", "assistant", name=asked.recipient))
        else:
            out.append(makers[item.get("type", "message")](item))
    return out
