"""Odd input from a user, a file or a server makes a command print one harmless line, never a traceback."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from gptoss_edu.cli import main
from gptoss_edu.engines import open_engine
from gptoss_edu.errors import GptOssError, harmless
from gptoss_edu.evals.endpoint_backend import EndpointBackend
from gptoss_edu.evals.published.tools_and_users import load_tools
from gptoss_edu.options import check_url, run_file

TITLE = "\x1b]0;gone\x07\x1b[31m\u202e"  # set a terminal's title and colour, and reverse the direction of reading


def said(capsys, *call) -> str:
    """Return the last line on standard error of a call that is refused."""
    try:
        code = main([str(part) for part in call])
    except SystemExit as stopped:
        code = stopped.code
    lines = capsys.readouterr().err.strip().split("\n")
    assert code == 2 and lines[-1].startswith("gptoss-edu "), lines
    return lines[-1]


@pytest.mark.parametrize(
    "call",
    [
        ("inspect", TITLE),
        ("generate", "hi", "--model", f"ollama:{TITLE}"),
        ("generate", "hi", "--device", TITLE),
        ("inspect", "x", TITLE),
        (TITLE,),
    ],
)
def test_what_an_argument_holds_cannot_act_on_the_terminal(capsys, call):
    """The refusal repeats the argument with its control characters escaped."""
    with contextlib.suppress(SystemExit):
        assert main(list(call)) == 2
    found = capsys.readouterr().err
    assert "gone" in found or "x1b" in found
    assert not set(TITLE) & set("\x1b\x07\u202e") & set(found)


def test_what_a_learners_file_raises_cannot_act_on_the_terminal(capsys, tmp_path):
    section = f"# --- rms_norm ---\nraise ValueError({TITLE!r})\n# --- end of rms_norm ---\n"
    (tmp_path / "my_gptoss.py").write_text(section, encoding="utf-8")
    assert "\\x1b]0;gone" in said(capsys, "progress", tmp_path)


def test_harmless_text_keeps_its_lines_and_letters():
    assert harmless("größe\n\t東 a\x07") == "größe\n\t東 a\\x07"


@pytest.mark.parametrize(
    "body", ["class Own(BaseException): pass\nraise Own('no')", "raise SystemExit(3)", "def f(:", "1 / 0"]
)
def test_whatever_a_users_file_raises_is_one_sentence(tmp_path, body):
    """A user's own BaseException passes `except Exception`; the code around tools.py had no `except` at all."""
    path = tmp_path / "tools.py"
    path.write_text(body, encoding="utf-8")
    with pytest.raises(GptOssError, match=r"--functions: .*tools.py cannot be imported: \w+: "):
        run_file(path, "a_users_file", "--functions")
    with pytest.raises(GptOssError, match=r"tools\.py cannot be imported"):
        load_tools(tmp_path)


def test_ctrl_c_in_a_users_file_goes_through(tmp_path):
    (tmp_path / "f.py").write_text("raise KeyboardInterrupt", encoding="utf-8")
    with pytest.raises(KeyboardInterrupt):
        run_file(tmp_path / "f.py", "a_users_file", "--functions")


@pytest.mark.parametrize(
    ("call", "value"),
    [
        (("chat", "--message", "hi", "--offload"), "nan"),
        (("chat", "--message", "hi", "--offload"), "-1"),
        (("eval", "tiny", "--seconds"), "nan"),
        (("eval", "gsm8k", "--temperature"), "nan"),
        (("eval", "gsm8k", "--temperature"), "-1"),
        (("train", "smoke", "--seconds"), "nan"),
        (("train", "smoke", "--rate"), "inf"),
        (("train", "smoke", "--decay"), "1.5"),
        (("train", "smoke", "--qat"), "nan"),
    ],
)
def test_numbers_that_are_none_are_refused(capsys, call, value):
    """NaN is a valid float: compared with it, no time limit is ever reached and every answer is wrong."""
    assert f"argument {call[-1]}: expected a finite number" in (line := said(capsys, *call, value)) and value in line


@pytest.mark.parametrize(
    "url", ["x", "", "http://[::", "file:///etc/passwd", "http://", "http://a b/v1", "http://h:99999/v1", "ftp://h/v1"]
)
def test_what_is_no_servers_address_is_refused(url):
    """urllib also opens files, and raises a ValueError before it connects."""
    for use in (
        lambda: open_engine("endpoint", url=url),
        lambda: EndpointBackend(url),
        lambda: check_url(url, "--url"),
    ):
        with pytest.raises(GptOssError, match="expected a server's address, such as http://"):
            use()


MODELS = {"data": [{"id": "m"}]}
ANSWERS = {  # a server's answer at /models, its answer to everything else, and the words of the refusal
    "no object": ([1], [1], "expected a JSON object"),
    "models that are none": ({"data": 5}, [], "names its models"),
    "models without names": ({"data": [5, {"id": 7}, None]}, [], "names its models"),
    "nested too deeply": ("[" * 100_000, [], "expected a JSON object"),
    "no UTF-8": (b"\xff\xfe{", [], "expected a JSON object"),
    "cut off": (None, [], "broke off"),
    "choices that are none": (MODELS, {"choices": 5}, "choices and a message"),
    "a message that is none": (MODELS, {"choices": [{"message": [1]}]}, "choices and a message"),
    "a text that is none": (MODELS, {"choices": [{"message": {"content": {"a": 1}}}]}, "choices and a message"),
}


@contextlib.contextmanager
def server(models, other, events=None):
    """Start a server that answers with these values, bytes or texts; for None, with fewer bytes than it promises."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.answer(models)

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if body.get("stream"):
                self.answer("".join(f"data: {json.dumps(event)}\n\n" for event in events).encode())
            else:
                self.answer(other)

        def answer(self, value):
            text = value if isinstance(value, str) else json.dumps(value) if not isinstance(value, bytes | None) else ""
            data = value if isinstance(value, bytes) else text.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data) + 9 * (value is None)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args):
            pass

    found = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=found.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{found.server_port}/v1"
    finally:
        found.shutdown()
        found.server_close()


@pytest.mark.slow
@pytest.mark.parametrize("name", ANSWERS)
def test_a_server_may_answer_with_anything(name):
    """The JSON reader checks only the syntax of an answer; the code that uses the values has to check their types."""
    from gptoss_edu.harmony.question import question_tokens

    models, other, words = ANSWERS[name]
    with server(models, other) as url, pytest.raises(GptOssError, match=words):
        engine = open_engine("endpoint", url=url)
        list(engine(question_tokens("What is 1 + 1?", "low", engine.encoding), 5))


@pytest.mark.slow
@pytest.mark.parametrize("models", [[1], {"data": 5}, {"data": [5]}, {"data": [{"id": 7}]}, "[" * 100_000, None])
def test_an_evaluations_server_may_answer_with_anything(models):
    with server(models, {}) as url, pytest.raises(GptOssError):
        EndpointBackend(url, tries=1)


EVENTS = [
    [1],
    {"choices": 5},
    {"choices": [7]},
    {"choices": [{"token_ids": "abc"}]},
    {"choices": [{"token_ids": [10**9]}]},
    {"choices": [{"token_ids": [-1]}]},
    {"choices": [{"token_ids": [1.5]}]},
    {"choices": [{"token_ids": [5], "logprobs": {"token_logprobs": ["x"]}}]},
]


@pytest.mark.slow
@pytest.mark.parametrize("event", EVENTS)
def test_tokens_that_a_server_sends_are_of_the_vocabulary(event):
    ids = {"choices": [{"token_ids": [5]}]}
    with server(MODELS, ids, [ids, event]) as url:
        engine = open_engine("endpoint", url=url)
        stream = engine([1, 2], 5)
        assert engine.by_ids and next(stream) == 5
        with pytest.raises(GptOssError, match=r"expected token ids of this vocabulary|broke off"):
            list(stream)


@pytest.mark.parametrize("command", [("generate", "hi"), ("rl", "outcome"), ("finetune", "run"), ("train", "smoke")])
def test_a_seed_that_torch_cannot_take_is_refused(capsys, command):
    assert "argument --seed: expected a whole number of at most 63 bits" in said(capsys, *command, "--seed", 10**30)
