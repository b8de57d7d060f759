"""`strict_reward` (chapter 20): 1 for a right answer in the right form, and for nothing else."""

import re

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.custom import Case, CaseCheck

CHECK = CaseCheck("strict_reward", "(text, right) -> 1.0 or 0.0")
BANK = Bank("strict_reward")

FINAL, THOUGHT = "<|channel|>final<|message|>", "<|channel|>analysis<|message|>"
NEXT = "<|end|><|start|>assistant"


@CHECK.cases
def cases():
    def case(label: str, text: str, expected: float, cause: str) -> Case:
        return Case(label, (text, "36"), expected, cause)

    work = f"{THOUGHT}12*3:30+6=36{NEXT}"
    return [
        case("right", f"{FINAL}12 × 3 = 36<|return|>", 1.0, "The last number of the final message is the answer."),
        case("right after a thought", f"{work}{FINAL}It is 36.<|return|>", 1.0, "A thought may stand before it."),
        case("wrong", f"{FINAL}12 × 3 = 35<|return|>", 0.0, "35 is not 36."),
        case("a longer number", f"{FINAL}It is 136<|return|>", 0.0, "136 ends in 36 and is another number."),
        case("several numbers", f"{FINAL}36, 37, 38<|return|>", 0.0, "Listing many numbers is not an answer."),
        case("only thought", f"{work}{FINAL}I do not know.<|return|>", 0.0, "The user never sees the thought."),
        case("no final message", f"{THOUGHT}The answer is 36<|return|>", 0.0, "The user never sees the thought."),
        case("cut short", f"{work}{FINAL}36", 0.0, "It must end: an answer is finished by <|return|>."),
        case(
            "two answers",
            f"{FINAL}36{NEXT}{FINAL}36<|return|>",
            0.0,
            "There must be only one final message; otherwise the model could try every answer.",
        ),
        case(
            "two thoughts",
            f"{work}{work}{FINAL}36<|return|>",
            0.0,
            "At most one thought: the format is part of the task.",
        ),
        case(
            "a user made up",
            f"{FINAL}I am thinking.<|end|><|start|>user<|message|>36<|return|>",
            0.0,
            "Nobody else speaks in an answer: a message must not contain control tokens.",
        ),
        case("words before it", f"Well. {FINAL}36<|return|>", 0.0, "All text must belong to a message."),
        case("a new line", f"{FINAL}12 × 3\n= 36<|return|>", 1.0, "A message may have several lines."),
    ]


@BANK.right("one pattern")
def strict_reward(text, right):
    body = r"(?:(?!<\|).)*"
    thought = rf"(?:<\|channel\|>analysis<\|message\|>{body}<\|end\|><\|start\|>assistant)?"
    found = re.fullmatch(rf"{thought}<\|channel\|>final<\|message\|>({body})<\|return\|>", text, re.S)
    numbers = re.findall(r"\d+", found[1]) if found else []
    return float(numbers[-1:] == [right])


@BANK.right("cut at the control tokens")
def cut(text, right):
    marks = re.findall(r"<\|\w+\|>", text)
    parts = re.split(r"<\|\w+\|>", text)
    final = ["<|channel|>", "<|message|>", "<|return|>"]
    if marks == final:
        ok = parts[1] == "final"
    else:
        thought = ["<|channel|>", "<|message|>", "<|end|>", "<|start|>"]
        ok = marks == thought + final and parts[1] == "analysis" and parts[4:6] == ["assistant", "final"]
    numbers = re.findall(r"\d+", parts[-2]) if ok and not parts[0] and not parts[-1] else []
    return float(bool(numbers) and numbers[-1] == right)


BANK.change(strict_reward)
LAST = "numbers[-1:] == [right]"
BANK.wrong("right", "the first number", (LAST, "numbers[:1] == [right]"))
BANK.wrong("right", "compared with a number", (LAST, "numbers[-1:] == [int(right)]"))
BANK.wrong("right", "the whole message", (LAST, "found is not None and found[1] == right"))
BANK.wrong("right after a thought", "no thought allowed", ("assistant)?", "assistant)"), ('rf"{thought}<', 'rf"<'))
BANK.wrong("several numbers", "one of the numbers", (LAST, "right in numbers"))
BANK.wrong("a new line", "a dot that stops at a new line", (", text, re.S)", ", text)"))
BANK.wrong("a user made up", "a greedy message", ('r"(?:(?!<\\|).)*"', 'r".*"'))
BANK.wrong("cut short", "an answer that need not end", ("<\\|return\\|>", "(?:<\\|return\\|>)?"))


@BANK.wrong("wrong", "anything well formed")
def well_formed(text, right):
    body = r"(?:(?!<\|).)*"
    thought = rf"(?:<\|channel\|>analysis<\|message\|>{body}<\|end\|><\|start\|>assistant)?"
    return float(re.fullmatch(rf"{thought}<\|channel\|>final<\|message\|>({body})<\|return\|>", text, re.S) is not None)


@BANK.wrong("a longer number", "the answer somewhere in the text")
def contained(text, right):
    return float(right in text)


@BANK.wrong("only thought", "the last number of everything")
def anywhere(text, right):
    return float(re.findall(r"\d+", text)[-1:] == [right])


@BANK.wrong("cut short", "the text after the last final")
def after_final(text, right):
    final = text.split("<|channel|>final<|message|>")
    return float(len(final) > 1 and re.findall(r"\d+", final[-1])[-1:] == [right])


@BANK.wrong("two answers", "the last final, ended")
def last_final(text, right):
    final = text.split("<|channel|>final<|message|>")
    return float(len(final) > 1 and text.endswith("<|return|>") and re.findall(r"\d+", final[-1])[-1:] == [right])


@BANK.wrong("two thoughts", "one final, ended")
def one_final(text, right):
    final = text.split("<|channel|>final<|message|>")
    return float(len(final) == 2 and text.endswith("<|return|>") and re.findall(r"\d+", final[-1])[-1:] == [right])


@BANK.wrong("a longer number", "the message ends in the answer")
def ends_in(text, right):
    final = text.split("<|channel|>final<|message|>")[-1]
    return float(final.removesuffix("<|return|>").rstrip(".").endswith(right))
