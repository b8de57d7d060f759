"""`stream_room` (chapter 26): a stream that loses tokens and breaks emoji, fixed, and a test of it."""

import codecs

from gptoss_edu.checks.bank import Bank
from gptoss_edu.checks.catching import Mutant, catching


def right(chunks):
    """Return the texts to show: one per chunk (a list of tokens' bytes that arrived together), and one for the end."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    return [*(decoder.decode(b"".join(chunk)) for chunk in chunks), decoder.decode(b"", final=True)]


def token_by_token(chunks):
    return [*("".join(token.decode("utf-8", "replace") for token in chunk) for chunk in chunks), ""]


def last_of_each(chunks):
    return right([chunk[-1:] for chunk in chunks])


def chunk_by_chunk(chunks):
    return [*(b"".join(chunk).decode("utf-8", "replace") for chunk in chunks), ""]


def nothing_at_the_end(chunks):
    return [*right(chunks)[:-1], ""]


def all_at_the_end(chunks):
    return ["" for _ in chunks] + ["".join(right(chunks))]


MUTANTS = (
    Mutant("each token alone", token_by_token, "Let a character's bytes come in two tokens."),
    Mutant("the last token of a chunk only", last_of_each, "Let two tokens arrive together."),
    Mutant("each chunk alone", chunk_by_chunk, "Let a character begin in one chunk and end in the next."),
    Mutant(
        "nothing at the end",
        nothing_at_the_end,
        "Let the stream end inside a character: the bytes held back must still be shown.",
    ),
    Mutant("everything at the end", all_at_the_end, "Ask for each chunk's own text, not for the joined one."),
)
SUN = "🌞".encode()
PROBES = (([[b"Hi", b" ", SUN[:2]], [SUN[2:], b"!"]],), ([[b"x"], [SUN[:3]]],), ([],), ([[b"na\xc3", b"\xafve"], []],))
CHECK = catching(
    "stream_room", right, MUTANTS, PROBES, 16, "bytes", lambda chunks: sum(len(t) for c in chunks for t in c)
)
BANK = Bank("stream_room")


@BANK.right("an é cut in two, twice")
def stream_room():
    def fixed(chunks):
        decoder, shown = codecs.getincrementaldecoder("utf-8")("replace"), []
        for chunk in chunks:
            shown.append("".join(decoder.decode(token) for token in chunk))
        return [*shown, decoder.decode(b"", final=True)]

    def test(stream):
        found = stream([[b"a", b"b\xc3"], [b"\xa9", b"c\xc3"]])
        assert found == ["ab", "éc", "\ufffd"]

    return fixed, test


BYTES, ASKED = '[[b"a", b"b\\xc3"], [b"\\xa9", b"c\\xc3"]]', 'assert found == ["ab", "éc", "\\ufffd"]'
BANK.wrong("two functions", "the other way round, in a list", ("return fixed, test", "return [test, fixed]"))
BANK.wrong("fixed", "tokens decoded alone", ("decoder.decode(token) for", 'token.decode("utf-8", "replace") for'))
BANK.wrong("fixed", "what is held is thrown away", ('decoder.decode(b"", final=True)]', '""]'))
BANK.wrong("the right code passes", "no text for the end", (ASKED, 'assert found == ["ab", "éc"]'))
BANK.wrong(
    "each token alone", "plain letters", (BYTES, '[[b"a", b"b"], [b"c"]]'), (ASKED, 'assert found == ["ab", "c", ""]')
)
BANK.wrong(
    "the last token of a chunk only",
    "one token at a time",
    (BYTES, '[[b"b\\xc3"], [b"\\xa9c\\xc3"]]'),
    (ASKED, 'assert found == ["b", "éc", "\\ufffd"]'),
)
BANK.wrong(
    "each chunk alone",
    "characters cut within a chunk",
    (BYTES, '[[b"a", b"b\\xc3", b"\\xa9"], [b"c"]]'),
    (ASKED, 'assert found == ["abé", "c", ""]'),
)
BANK.wrong(
    "nothing at the end",
    "a stream that ends well",
    ('[b"\\xa9", b"c\\xc3"]', '[b"\\xa9", b"c"]'),
    (ASKED, 'assert found == ["ab", "éc", ""]'),
)
BANK.wrong("everything at the end", "the joined text", (ASKED, 'assert "".join(found) == "abéc\\ufffd"'))
BANK.wrong(
    "small",
    "a long text",
    ("        found = stream", '        assert "".join(stream([[b"long"] * 9])) == "long" * 9\n        found = stream'),
)
