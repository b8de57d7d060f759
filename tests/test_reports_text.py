"""Text of any length and kind is encoded or refused in one sentence; panics of native code do not escape."""

import types

import pytest
import tiktoken

from gptoss_edu import cli, tokenizer
from gptoss_edu.errors import GptOssError, TokenizerError, is_panic
from gptoss_edu.harmony import Message, render
from gptoss_edu.tokenizer import LONGEST_RUN, encode_text

LONG = 1_200_000
TEXTS = {
    "blanks": "a" + " " * LONG + "b",
    "line ends": "a" + "\n" * LONG,
    "tabs": "\t" * LONG + "x",
    "mixed": "a" + " \n\t " * (LONG // 4) + "b",
    "blanks in two places": " " * LONG + "x" + " " * LONG,
    "blanks at the end": "x" + " " * LONG,
    "wide blanks": "a" + "\u3000" * LONG + "b",
    "letters": "a" * LONG,
    "digits": "1" * LONG,
    "marks": "!" * LONG,
    "words": " a" * (LONG // 2),
    "ideographs": "字" * (LONG // 3),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TEXTS)
def test_long_runs_of_one_kind_are_encoded(encoding, name):
    """A million blanks are 7,800 tokens, well within the context, but the pattern's backtracking made tiktoken panic.

    Report: openai/harmony 93. Report: openai/harmony 141. Report: openai/tiktoken 15. Report: openai/tiktoken 327.
    """
    assert encoding.decode(encode_text(encoding, TEXTS[name])) == TEXTS[name]


@pytest.mark.slow
@pytest.mark.parametrize("length", [1, 1000, LONGEST_RUN - 1, LONGEST_RUN])
def test_shorter_runs_get_tiktokens_own_ids(encoding, length):
    text = "a" + " " * length + "b\n" * 3 + "\t" * length
    if length < LONGEST_RUN:
        assert encode_text(encoding, text) == encoding.encode_ordinary(text)
    assert encoding.decode(encode_text(encoding, text)) == text


@pytest.mark.slow
def test_a_conversation_with_a_long_run_is_rendered(encoding):
    """Report: openai/harmony 93."""
    tokens = render([Message("user", TEXTS["blanks"])], encoding=encoding)
    assert 7_000 < len(tokens) < 20_000


@pytest.mark.slow
def test_the_command_line_takes_a_file_of_blanks(tmp_path, capfd):
    """The exit status is 0 or 2, without a traceback; here the message says that the context is too small.

    Report: openai/tiktoken 327.
    """
    file = tmp_path / "instructions.txt"
    file.write_text("Answer briefly." + " " * LONG + "x")
    code = cli.main(["chat", "--developer", f"@{file}", "--message", "What is 2 + 3?"])
    said = capfd.readouterr()
    assert code in (0, 2) and "the model's context holds 2048" in said.out + said.err
    assert "Traceback" not in said.err and "panicked" not in said.err


@pytest.fixture
def panic():
    """Stand in for the exception that native code raises."""
    return type("PanicException", (BaseException,), {"__module__": "pyo3_runtime"})


def test_a_panic_becomes_an_error_of_ours(panic, monkeypatch, encoding, capsys):
    """A panic is a BaseException, so `except Exception` does not catch it.

    Report: openai/tiktoken 15.
    """

    def give_up(*arguments):
        raise panic("stack overflow")

    with pytest.raises(TokenizerError, match=r"cannot be encoded by 'x' \(stack overflow\); give it in parts"):
        encode_text(types.SimpleNamespace(encode_ordinary=give_up, name="x"), "text")
    assert is_panic(panic("x")) and not is_panic(KeyboardInterrupt()) and issubclass(TokenizerError, GptOssError)
    monkeypatch.setattr(cli, "import_module", give_up)
    assert cli.main(["tour"]) == 2 and "a native library gave up (stack overflow)" in capsys.readouterr().err


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_what_is_no_panic_goes_through(error):
    def stop(text):
        raise error

    with pytest.raises(error):
        encode_text(types.SimpleNamespace(encode_ordinary=stop, name="x"), "text")


def test_the_panic_is_real():
    """The installed tiktoken still panics. Once it no longer does, `encode_text` can go."""
    ranks = {bytes([byte]): byte for byte in range(256)}
    plain = tiktoken.Encoding("x", pat_str=tokenizer.bpe.O200K_PATTERN, mergeable_ranks=ranks, special_tokens={})
    with pytest.raises(BaseException) as caught:
        plain.encode_ordinary("a" + " " * LONG + "b")
    assert is_panic(caught.value) or isinstance(caught.value, ValueError)
