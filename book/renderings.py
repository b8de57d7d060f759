"""The page of the two renderings: what harmony.render and the published chat template write differently.

Each difference is a conversation; both texts on the page are computed. A test renders the same conversations with
openai-harmony and with the template itself.
"""

from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from gptoss_edu import harmony, load_tokenizer
from gptoss_edu.errors import HarmonyError
from gptoss_edu.harmony import Conversation, DeveloperContent, Message, SystemContent, ToolDescription
from gptoss_edu.harmony.sections import function_tools

DATE = "2025-08-05"  # what the template is given for today
HEAD = """# Two renderings of one conversation

Programs write the prompts of gpt-oss in two ways. `openai-harmony` is the library of the format, and
`gptoss_edu.harmony.render` gives its ids, token for token. The Hugging Face repositories of the models carry a chat
template in Jinja, which transformers, vLLM and llama.cpp apply; `harmony.as_chat_template` gives its ids. The two
differ in {count} ways, each with one example below. Messages and lines that both write alike are left out: `…`.

Which one should you take? The one that your engine takes: a model that reads its own call in another form than it
wrote it has changed its past, and a cache of its prompt is lost. Thread 91 of openai/harmony discusses the differences.
[Chapter 12](../chapters/12_harmony.ipynb) builds the format.
"""
NO_WAY = """
## What the template has no way to say

`as_chat_template` refuses these conversations by name; `render` writes them.

| conversation | what is said |
|---|---|
"""


@dataclass(frozen=True)
class Difference:
    """What differs, why it matters, and a conversation that shows it."""

    title: str
    says: str
    messages: tuple[Message, ...]
    next_role: str | None = "assistant"


def _parameters(**properties) -> dict:
    return {"type": "object", "properties": properties}


def _offer(*tools: ToolDescription, text: str | None = None) -> Message:
    return Message("developer", DeveloperContent(text, function_tools(list(tools))))


def _book(**properties) -> Message:
    return _offer(ToolDescription("book", "Books a room.", _parameters(**properties)))


SYSTEM = Message("system", SystemContent(conversation_start_date=DATE))
USER = Message("user", "Is it warm in Oslo?")
CITY = ToolDescription("weather", "Gets the weather.", _parameters(city={"type": "string"}))
CALL = Message("assistant", '{"city": "Oslo"}', "commentary", "functions.weather", "<|constrain|>json")
PLAIN_CALL = replace(CALL, content_type="json")  # of a form that both write alike
AGE = {"type": "integer", "description": "In years."}
RESULT = Message("tool", '{"celsius": 21}', "commentary", "assistant", name="functions.weather")
DIFFERENCES = (
    Difference(
        "A system message is always written",
        "Without one in the conversation the library writes none; the template writes identity, date and effort.",
        (USER,),
    ),
    Difference(
        "The date is today's",
        "The library writes the date that the conversation holds, or none. The template asks the clock, so a prompt "
        "changes at midnight. Here the date is an argument.",
        (Message("system", SystemContent()), USER),
    ),
    Difference(
        "Two line breaks after the instructions",
        "The template ends the developer's instructions with an empty line, whether tools follow or not.",
        (SYSTEM, Message("developer", DeveloperContent("Answer in verse.")), USER),
    ),
    Difference(
        "The content type of a call",
        "The library keeps `<|constrain|>`, one id, as the model wrote it. The template writes the word `json` alone.",
        (SYSTEM, USER, CALL),
        None,
    ),
    Difference(
        "Arguments are written anew",
        "The template reads the arguments and writes them with its own spaces; the library keeps the model's text.",
        (SYSTEM, USER, Message("assistant", '{"city":"Oslo"}', "commentary", "functions.weather", "json")),
        None,
    ),
    Difference(
        "Results are JSON strings",
        "The template puts every result into quotation marks and escapes those inside it.",
        (SYSTEM, USER, PLAIN_CALL, RESULT),
    ),
    Difference(
        "What is left out of the system message",
        "A conversation may leave out identity, cutoff or effort, and then the library writes none. The template "
        "writes what is usual: ChatGPT, 2024-06, medium.",
        (
            Message("system", SystemContent(None, None, conversation_start_date=DATE, knowledge_cutoff=None)),
            USER,
        ),
    ),
    Difference(
        "Comments of several lines",
        "A function's description of several lines is a comment in each line for the library; for the template only in "
        "the first, so that the others stand there as code.",
        (SYSTEM, _offer(ToolDescription("weather", "Gets the weather.\nOf today only.", CITY.parameters)), USER),
    ),
    Difference(
        "A function with an empty list of parameters",
        "The template tells it like one without any.",
        (SYSTEM, _offer(ToolDescription("now", "Tells the time.", _parameters())), USER),
    ),
    Difference(
        "Defaults",
        "In the template the comma lands behind the comment, and so inside it.",
        (SYSTEM, _book(size={"type": "string", "default": "small"}), USER),
    ),
    Difference(
        "Objects in objects",
        "The template leaves out descriptions of their fields, and gives them another indentation.",
        (SYSTEM, _book(guest={"type": "object", "properties": {"age": AGE}}), USER),
    ),
    Difference(
        "Objects of which nothing is known",
        "Empty braces, or the word `object`.",
        (SYSTEM, _book(guest={"type": "object"}), USER),
    ),
    Difference(
        "Lists of choices",
        "The library names the choices, without parentheses around them; the template names their type alone.",
        (SYSTEM, _book(days={"type": "array", "items": {"type": "string", "enum": ["Sat", "Sun"]}}), USER),
    ),
    Difference(
        "One of several types",
        "On a line each, or in one row whose comment swallows the comma.",
        (SYSTEM, _book(room={"oneOf": [{"type": "string"}, {"type": "number", "description": "Its door."}]}), USER),
    ),
    Difference(
        "Titles and examples",
        "The library writes a parameter's `title` and `examples` as comments; the template leaves them out.",
        (SYSTEM, _book(room={"type": "string", "title": "Room", "examples": ["Blue", "Red"]}), USER),
    ),
    Difference(
        "Which thoughts are kept",
        "The template drops the thoughts of every finished turn. The library drops those before the last answer, too, "
        "but while a loop of calls runs it keeps all of them, those of finished turns included.",
        (
            SYSTEM, USER, Message("assistant", "In August: yes.", "analysis"), Message("assistant", "Yes.", "final"),
            Message("user", "And now?"), Message("assistant", "I must look.", "analysis"), PLAIN_CALL,
        ),
        None,
    ),
)  # fmt: skip
REFUSED = {
    "words to the user before a call": (USER, Message("assistant", "I look it up.", "commentary"), CALL, RESULT),
    "a call to a built-in tool": (USER, Message("assistant", '{"query": "Oslo"}', "commentary", "browser.search")),
    "a second developer message": (
        Message("developer", DeveloperContent("Be brief.")),
        USER,
        Message("developer", DeveloperContent("Be briefer.")),
    ),
    "a system message of one's own text": (Message("system", "You are a parrot."), USER),
}


def both(difference: Difference) -> tuple[str, str]:
    """(what the library writes, what the template writes) for the whole conversation, as text."""
    encoding, more = load_tokenizer(), {"next_role": difference.next_role}
    conversation = Conversation(difference.messages)
    template = harmony.as_chat_template(conversation, date=DATE)
    return (
        encoding.decode(harmony.render(conversation, encoding=encoding, **more)),
        encoding.decode(harmony.render(template, encoding=encoding, drop_analysis="finished_turns", **more)),
    )


def page() -> str:
    """Markdown: each difference with both texts, and what the template cannot say."""
    parts = [HEAD.format(count=len(DIFFERENCES))]
    for number, difference in enumerate(DIFFERENCES, 1):
        library, template = shortened(*both(difference))
        parts.append(
            f"\n## {number}. {difference.title}\n\n{difference.says}\n\nopenai-harmony:\n\n```text\n{library}\n```\n\n"
            f"The template:\n\n```text\n{template}\n```\n"
        )
    rows = [f"| {what} | {refusal(messages)} |" for what, messages in REFUSED.items()]
    return "".join(parts) + NO_WAY + "\n".join(rows) + "\n"


def refusal(messages: tuple[Message, ...]) -> str:
    """Return what `as_chat_template` says of messages that the template cannot say."""
    try:
        harmony.as_chat_template(Conversation(messages), date=DATE)
    except HarmonyError as error:
        return str(error).partition(";")[0]
    raise AssertionError(f"the template says {messages}")


def shortened(library: str, template: str) -> tuple[str, str]:
    """Return the two texts without the messages, and in these the lines, that both have."""
    left, right = (text.split("<|start|>")[1:] for text in (library, template))
    kept: tuple[list[str], list[str]] = ([], [])
    for kind, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        ours, theirs = left[a:b], right[c:d]
        if len(ours) == len(theirs):
            pairs = [_lines(x.split("\n"), y.split("\n")) for x, y in zip(ours, theirs, strict=True)]
            ours, theirs = [x for x, _ in pairs], [y for _, y in pairs]
        kept[0].extend(ours)
        kept[1].extend(theirs)
    first, second = ("\n".join(f"<|start|>{text}" for text in texts) or "(nothing)" for texts in kept)
    return first, second


def _lines(ours: list[str], theirs: list[str]) -> tuple[str, str]:
    """Lines that differ, with the one before and after them; the first line stays, as it holds the header."""
    near = [set(), set()]
    for kind, a, b, c, d in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if kind != "equal":
            near[0].update(range(a - 1, b + 1))
            near[1].update(range(c - 1, d + 1))
    texts = []
    for lines, shown in zip((ours, theirs), near, strict=True):
        out: list[str] = []
        for i, line in enumerate(lines):
            if i in shown or i == 0:
                out.append(line)
            elif out[-1] != "…":
                out.append("…")
        texts.append("\n".join(out))
    return texts[0], texts[1]
