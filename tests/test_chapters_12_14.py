"""The checks that chapters 12 and 14 bring along, against plausible wrong solutions, each with its cause."""

import matplotlib
import pytest
from chapter_cells import chapter, run_cell

matplotlib.use("Agg")
HARMONY, STRUCTURED = "12_harmony", "14_structured_output"

READ = """
def read_header(tokens):
    sections, names = [[]], ["role"]
    for token in tokens:
        if token in (control.channel, control.constrain):
            sections.append([])
            names.append("channel" if token == control.channel else "content type")
        else:
            sections[-1].append(token)
    found = {}
    for name, section in zip(names, sections):
        for i, word in enumerate(encoding.decode(section).split()):
            BODY
    return found
"""
WRONG = [  # chapter, exercise, wrong solution, words of the message
    (HARMONY, "stays", "def stays(messages):\n    return [m != ('assistant', 'analysis') for m in messages]", "everything stays"),
    (
        HARMONY, "stays",
        "def stays(messages):\n    first = messages.index(('assistant', 'final')) if ('assistant', 'final') in messages else -1\n"
        "    return [not (m == ('assistant', 'analysis') and i < first) for i, m in enumerate(messages)]",
        "not only the first",
    ),
    (
        HARMONY, "stays",
        "def stays(messages):\n    done = messages and messages[-1] != ('tool', 'commentary') and ('assistant', 'final') in messages\n"
        "    return [not (done and m == ('assistant', 'analysis')) for m in messages]",
        "those of the running loop stay",
    ),
    (
        HARMONY, "stays",
        "def stays(messages):\n    finals = [i for i, m in enumerate(messages) if m == ('assistant', 'final')]\n"
        "    return [not (finals and m[1] == 'analysis' and i < finals[-1]) for i, m in enumerate(messages)]",
        "not a tool's result",
    ),
    (
        HARMONY, "stays",
        "def stays(messages):\n    return [not (m == ('assistant', 'analysis') and messages[i + 1 : i + 2] == [('assistant', 'final')]) for i, m in enumerate(messages)]",
        "ALL thoughts before the answer",
    ),
    (
        HARMONY, "stays",
        "def stays(messages):\n    finals = [i for i, m in enumerate(messages) if m == ('assistant', 'final')]\n"
        "    return [not (finals and m in (('assistant', 'analysis'), ('assistant', 'commentary')) and i < finals[-1]) for i, m in enumerate(messages)]",
        "the call and its result stay",
    ),
    (
        HARMONY, "stays",
        "def stays(messages):\n    return [not (m == ('assistant', 'analysis') and ('user', None) in messages[i:]) for i, m in enumerate(messages)]",
        "no next question has to follow",
    ),
    (
        HARMONY, "read_header",
        READ.replace("BODY", "found[name if i == 0 else 'recipient'] = word.removeprefix('to=')"),
        "is a content type, not a recipient",
    ),
    (
        HARMONY, "read_header",
        READ.replace("BODY", "found[name if i == 0 else 'recipient' if name == 'role' else 'content type'] = word.removeprefix('to=')"),
        "to=… may follow the channel too",
    ),
    (
        HARMONY, "read_header",
        "def read_header(tokens):\n    text = encoding.decode(tokens)\n    out = {}\n    head, *rest = text.replace('<|constrain|>', '<|channel|>').split('<|channel|>')\n"
        "    for name, part in zip(('role', 'channel', 'content type'), (head, *rest)):\n"
        "        for i, word in enumerate(part.split()):\n"
        "            out[name if i == 0 else 'recipient' if word.startswith('to=') else 'content type'] = word.removeprefix('to=')\n"
        "    return out",
        "decide by id",
    ),
    (HARMONY, "my_order", "def my_order():\n    return 'F E C H J D A G B I'", "no Python yet: unexpected indent"),
    (HARMONY, "my_order", "def my_order():\n    return 'F C H E J D A G'", "not just once: B I"),
    (HARMONY, "my_order", "def my_order():\n    return 'f,c,h,e,j,d,a,g,b,i'", None),
    (HARMONY, "my_order", "def my_order():\n    return 'F C H E A G J D B I'", None),  # another right order
    (
        STRUCTURED, "allowed_tokens",
        "def allowed_tokens(prefix, vocabulary, words):\n    return [prefix + t in words or (t == '<|return|>' and prefix in words) for t in vocabulary]",
        "pieces that begin one",
    ),
    (
        STRUCTURED, "allowed_tokens",
        "def allowed_tokens(prefix, vocabulary, words):\n"
        "    return [any(w.startswith(prefix) for w in words) if t == '<|return|>' else any(w.startswith(prefix + t) for w in words) for t in vocabulary]",
        "Whole words and pieces",
    ),
    (
        STRUCTURED, "allowed_tokens",
        "def allowed_tokens(prefix, vocabulary, words):\n    return [any(w.startswith(prefix + t) for w in words) for t in vocabulary]",
        "only the end is left",
    ),
    (
        STRUCTURED, "masked_probabilities",
        "def masked_probabilities(logits, allowed):\n    return (logits * allowed).softmax(-1)", "share its probability",
    ),
    (
        STRUCTURED, "masked_probabilities",
        "def masked_probabilities(logits, allowed):\n    return logits.softmax(-1) * allowed", "share its probability",
    ),
    (
        STRUCTURED, "masked_probabilities",
        "def masked_probabilities(logits, allowed):\n    return logits.masked_fill(~allowed, -9).softmax(-1)", "Forbidden is minus infinity",
    ),
    (
        STRUCTURED, "masked_probabilities",
        "def masked_probabilities(logits, allowed):\n    p = logits.exp() * allowed\n    return p / p.sum()", None,
    ),
    (
        STRUCTURED, "walk",
        "def walk(table, state, text):\n    return table[state].get(kind(text[0])) if text else state", "starts from the state before it",
    ),
    (
        STRUCTURED, "walk",
        "def walk(table, state, text):\n    for c in text:\n        state = table[state].get(kind(c), state)\n    return state", "None, not an error",
    ),
    (
        STRUCTURED, "walk",
        "def walk(table, state, text):\n    for c in text:\n        state = table[state][kind(c)]\n    return state", "KeyError",
    ),
    (
        STRUCTURED, "sentence_pattern",
        "def sentence_pattern(country, cities):\n    return f'The capital of {country} is ' + '|'.join(cities) + r'\\.'", "Without brackets",
    ),
    (
        STRUCTURED, "sentence_pattern",
        "def sentence_pattern(country, cities):\n    return f\"The capital of {country} is ({'|'.join(cities)}).\"", "any character",
    ),
    (
        STRUCTURED, "sentence_pattern",
        "def sentence_pattern(country, cities):\n    return rf'The capital of {country} is [A-Z][a-z]+\\.'", "Only the cities",
    ),
    (
        STRUCTURED, "sentence_pattern",
        "def sentence_pattern(country, cities):\n    return rf\"The capital of {country} is [{'|'.join(cities)}]+\\.\"", "Square brackets",
    ),
    (
        STRUCTURED, "masked_probabilities",
        "def masked_probabilities(logits, allowed):\n    logits[~allowed] = -torch.inf\n    return logits.softmax(-1)", "changed its input logits",
    ),
    (
        STRUCTURED, "allowed_tokens",
        "def allowed_tokens(prefix, vocabulary, words):\n    return [t for t in vocabulary if any(w.startswith(prefix + t) for w in words)]",
        "6 entries for 12 tokens",
    ),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("name", "exercise", "solution", "says"), WRONG)
def test_a_wrong_solution_is_refused_with_its_cause(name, exercise, solution, says):
    names, checks = chapter(name)
    names = dict(names)
    exec(solution, names)
    result = run_cell(checks[exercise], names)
    if says is None:
        assert result.passed, result.message
        return
    assert not result.passed, result.message
    assert says in result.message
