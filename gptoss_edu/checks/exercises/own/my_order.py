"""`my_order` (chapter 12): the lines of a parser in their order."""

from gptoss_edu import load_tokenizer
from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck
from gptoss_edu.harmony import control_tokens
from gptoss_edu.harmony.headers import parse_header_strict

LINES = {
    "A": "        elif token in control.ends:",
    "B": "        else:",
    "C": "    for token in tokens:",
    "D": "            content = []",
    "E": "            header, content = [], None",
    "F": "    messages, header, content = [], None, None",
    "G": "            messages.append((finished_header(header), encoding.decode(content)))",
    "H": "        if token == control.start:",
    "I": "            (header if content is None else content).append(token)",
    "J": "        elif token == control.message:",
}


def through(my_order, text: str) -> str:
    """Return the contents that the learner's parser reads from a text."""
    letters = [letter for letter in "".join(my_order()).upper() if letter in LINES]
    if uneven := [letter for letter in LINES if letters.count(letter) != 1]:
        return f"not just once: {' '.join(uneven)}"
    encoding = load_tokenizer()
    control = control_tokens(encoding)

    def finished_header(tokens):
        return parse_header_strict(tokens, control, encoding.decode, role=None, where=0)

    scope = {"control": control, "encoding": encoding, "finished_header": finished_header}
    source = ["def assembled(tokens):", *(LINES[letter] for letter in letters), "    return messages"]
    try:
        exec("\n".join(source), scope)
    except SyntaxError as error:
        return f"no Python yet: {error.msg}"
    try:
        parsed = scope["assembled"](encoding.encode(text, allowed_special="all"))
    except Exception as error:
        return f"your parser raises {type(error).__name__}: {error}"
    return "|".join(content for _, content in parsed)


CHECK = CaseCheck("my_order", "() -> ten letters", through)
BANK = Bank("my_order")


@CHECK.cases
def cases():
    two = "<|start|>user<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b<|return|>"
    empty = "<|start|>user<|message|><|end|><|start|>user<|message|>a<|end|>"
    return [
        Case(
            "one message",
            ("<|start|>user<|message|>Hi<|end|>",),
            "Hi",
            "Use each line once: start opens a header, message opens a content, an end closes it. A line that ends "
            "in a colon is followed by an indented line, and elif and else come after an if.",
        ),
        Case("two messages", (two,), "a|b", "The lists must be new for each message."),
        Case(
            "a call",
            ("<|start|>assistant to=f<|channel|>commentary<|message|>{}<|call|>",),
            "{}",
            "<|call|> is an end too.",
        ),
        Case("no content", (empty,), "|a", "An empty content counts as a content."),
    ]


@BANK.right("start, message, end")
def my_order():
    return "F C H E J D A G B I"


BANK.wrong("one message", "a block that is empty", ("F C H E J D A G B I", "F E C H J D A G B I"))
BANK.wrong("one message", "two lines forgotten", (" B I", ""))
BANK.wrong("one message", "a line twice", ("F C H E", "F C H E E"))
BANK.wrong("one message", "header and content opened the other way round", ("H E J D", "H D J E"))
BANK.wrong("one message", "the else before its time", ("A G B I", "B I A G"))
BANK.wrong("one message", "closed where the content should open", ("J D A G", "J G A D"))


@BANK.right("the end before the message, in small letters with commas")
def other_order():
    return "f,c,h,e,a,g,j,d,b,i"
