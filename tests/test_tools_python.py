"""Test the python tool: state, output, pictures, limits, and code that misbehaves.

Every kernel here runs in its own namespaces (or in bubblewrap) with small limits. On a system that allows neither,
tests that could harm it are skipped.
"""

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import openai_harmony
import psutil
import pytest

from gptoss_edu.errors import GptOssError
from gptoss_edu.tools import sandbox
from gptoss_edu.tools.python import PythonTool, cause_of_death, code_of

FENCED = [kind for kind in ("bubblewrap", "namespaces") if sandbox.isolation_available(kind) is None]
REASONS = "; ".join(f"{kind}: {sandbox.isolation_available(kind)}" for kind in ("bubblewrap", "namespaces"))
needs_fence = pytest.mark.skipif(not FENCED, reason=f"nothing to fence a process in: {REASONS}")
SMALL = sandbox.Limits(
    call_seconds=600.0,  # calls that must end by themselves have the time for it on any machine
    interrupt_seconds=300.0,
    memory=1024 * sandbox.MEGABYTE,
    processor_seconds=20,
    file_size=4 * sandbox.MEGABYTE,
    output_characters=2_000,
    message_bytes=8 * sandbox.MEGABYTE,
)


def processes_with(mark: str) -> list[psutil.Process]:
    """Return the running processes with `mark` in their command line, without zombies."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        if process.info["status"] != psutil.STATUS_ZOMBIE and any(
            mark in word for word in process.info["cmdline"] or []
        ):
            found.append(process)
    return found


@contextlib.contextmanager
def hurried(tool, **seconds):
    """Give a call one second, and with interrupt_seconds an interrupt less than SMALL does."""
    for holder in filter(None, [tool, tool.kernel]):  # no kernel before the first call, which a test alone begins
        holder.limits = dataclasses.replace(SMALL, call_seconds=1.0, **seconds)
    yield
    for holder in filter(None, [tool, tool.kernel]):
        holder.limits = SMALL


def gone(mark: str, seconds: float = 60.0) -> bool:
    """Return whether no process with `mark` is left, after giving the system a moment."""
    deadline = time.monotonic() + seconds
    while processes_with(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not processes_with(mark)


# Without a fence the tests that need one are skipped; a second kind of fence is tested in the full tier only.
FIXTURE_KINDS = (
    [FENCED[0], *(pytest.param(kind, marks=pytest.mark.slow) for kind in FENCED[1:])] if FENCED else ["none"]
)


@pytest.fixture(scope="module", params=FIXTURE_KINDS)
def tool(request):
    if request.param == "none":
        pytest.skip(f"nothing to fence a process in: {REASONS}")
    with PythonTool(SMALL, isolation=request.param) as python:
        yield python
    assert gone(str(python.work)), "a process survived the end"
    assert not python.work.exists()


def run(tool, code):
    return tool.call("python", code)


def test_code_of_accepts_json_from_models_that_wrap_it():
    assert code_of('{"code": "1 + 1"}') == "1 + 1"
    for text in ("1 + 1", '{"a": 1}', '{"code": 1}', '{"code": "a", "b": 2}', "[1]"):
        assert code_of(text) == text


def test_causes_of_death():
    assert "killed" in cause_of_death(137) and "killed" in cause_of_death(-9)
    assert "processor time" in cause_of_death(152)
    assert "exit status 3" in cause_of_death(3)


def test_unknown_isolation_is_refused():
    with pytest.raises(GptOssError, match="bubblewrap, namespaces, limits"):
        PythonTool(isolation="magic")


@needs_fence
def test_description_is_the_one_that_models_know():
    with PythonTool(isolation=FENCED[0]) as python:
        assert python.config() == openai_harmony.ToolNamespaceConfig.python().model_dump()


def test_state_output_and_errors(tool):
    assert run(tool, "x = 6 * 7").text == "[The code ran; it printed nothing. Use print() to see a value.]"
    assert run(tool, "print('hello'); x").text == "hello\n42"
    assert run(tool, "print(4, end=''); 2").text == "4\n2", "a value stands on a line of its own"
    failed = run(tool, "def f():\n    return 1 / 0\nf()")
    assert failed.error and "ZeroDivisionError" in failed.text and "\x1b" not in failed.text
    assert run(tool, "x").text == "42", "an error does not end the state"
    assert "SyntaxError" in run(tool, "x = = 1").text
    assert "input" in run(tool, "input('name? ')").text


def test_files_are_kept_and_environment_is_not(tool, monkeypatch):
    run(tool, "open('note.txt', 'w').write('kept')")
    assert (tool.scratch / "note.txt").read_text() == "kept"
    assert run(tool, "open('/mnt/data/note.txt').read()").text == "'kept'"
    seen = json.loads(run(tool, "import json, os; print(json.dumps(dict(os.environ)))").text)
    assert seen["HOME"] == "/mnt/data"
    # Python and ipykernel set some variables themselves; of the caller's, only PATH and LANG may be there.
    passed = {name for name, value in os.environ.items() if seen.get(name) == value and len(value) > 1}
    assert passed <= {"LANG", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PYDEVD_USE_FRAME_EVAL"}


def test_pictures_become_files(tool):
    code = "from IPython.display import Image, display\nimport base64\n"
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
    result = run(tool, code + f"for _ in range(20): display(Image(data=base64.b64decode('{pixel}')))")
    assert len(result.pictures) == SMALL.pictures
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in result.pictures)
    assert "[picture picture_001.png]" in result.text
    assert tool.scratch not in result.pictures[0].parents, "pictures lie where the code cannot replace them"


def test_the_fence(tool):
    network = run(tool, "import socket; socket.create_connection(('1.1.1.1', 80), timeout=1)")
    assert "Network is unreachable" in network.text
    secret = Path(__file__).resolve().parent / "forbidden"
    assert run(tool, f"open({str(secret)!r}, 'w')").error and not secret.exists()
    assert run(tool, f"import os; os.kill({os.getpid()}, 0)").error, "processes outside cannot be seen"
    too_big = run(tool, "open('big', 'wb').write(b'x' * 10**7)")
    assert "File too large" in too_big.text
    assert (tool.scratch / "big").stat().st_size <= SMALL.file_size
    memory = run(tool, "y = bytearray(2 * 10**9)")
    assert "MemoryError" in memory.text


@pytest.mark.slow
def test_infinite_loop_is_interrupted_and_state_survives(tool):
    run(tool, "state = 'alive'")
    with hurried(tool):
        result = run(tool, "while True: pass")
    assert result.error and "Interrupted after 1 s" in result.text
    assert run(tool, "state").text == "'alive'"


@pytest.mark.slow
def test_a_loop_that_ignores_the_interrupt_is_replaced(tool):
    code = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"
    run(tool, "z = 1\nopen('survivor', 'w').close()")
    with hurried(tool, interrupt_seconds=0.5):
        result = run(tool, code)
    assert result.error and "restarted" in result.text and "Variables are gone" in result.text
    assert "NameError" in run(tool, "z").text
    assert "True" in run(tool, "import os; os.path.exists('survivor')").text


@pytest.mark.slow
def test_ctrl_c_in_the_caller_stops_the_code_and_keeps_the_state(tool):
    in_the_call = True

    def interrupt(*_):  # and nothing else: a late interrupt would end the process that runs the tests
        if in_the_call:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    run(tool, "kept = 'kept'")
    timer = threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT])
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run(tool, "while True: pass")
    finally:
        in_the_call = False
        timer.join()
        signal.signal(signal.SIGINT, before)
    assert run(tool, "kept").text == "'kept'"


@pytest.mark.slow
def test_a_killed_kernel_is_reported_and_replaced(tool):
    result = run(tool, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert result.error and "killed (signal 9)" in result.text
    assert run(tool, "1 + 1").text == "2"
    tool.kernel.process.kill()  # kill it from outside, between two calls
    tool.kernel.process.wait()
    result = run(tool, "1 + 1")
    assert "had ended by itself" in result.text and result.text.endswith("2")
    assert "exit status 3" in run(tool, "import os; os._exit(3)").text


def test_a_gigabyte_of_output_is_cut(tool):
    result = run(tool, "for _ in range(1024): print('x' * 2**20)")
    assert "The output stops here" in result.text
    assert len(result.text) < SMALL.output_characters + 200
    assert run(tool, "'fine'").text == "'fine'"


@pytest.mark.slow
def test_output_around_the_limit_is_cut_too(tool):
    """Output comes from a child process, from one huge value, and from messages that the code sends itself."""
    shell = "import subprocess; subprocess.run('yes | head -c 5000000', shell=True)"
    value = "'x' * (40 * 10**6)"
    own = "from IPython.display import display\nfor _ in range(50): display({'text/plain': 'y' * 10**6}, raw=True)"
    run(tool, "'begun'")
    for code in (shell, value, own):
        with hurried(tool, interrupt_seconds=0.5):  # a message over the limit is lost, and with it the end of the call
            result = run(tool, code)
        assert len(result.text) < SMALL.output_characters + 4_500, code  # what is interrupted may leave a traceback
        assert run(tool, "'fine'").text.endswith("'fine'"), "the channel works again"


@pytest.mark.slow
def test_a_deleted_folder_is_reported_and_replaced(tool):
    run(tool, "gone = 1")
    shutil.rmtree(tool.scratch)
    result = run(tool, "import os; print(os.listdir('.'), 'gone' in globals())")
    assert "The working folder had been deleted" in result.text
    assert "False" in result.text
    inside = run(
        tool, "import shutil; shutil.rmtree('/mnt/data', ignore_errors=True); open('again', 'w').close(); 'ok'"
    )
    assert "ok" in inside.text and (tool.scratch / "again").exists(), "from inside, the folder itself cannot be deleted"


@pytest.mark.slow
def test_two_hundred_children_do_not_survive(tool):
    mark = f"{time.time_ns()}"
    code = f"""
import subprocess, sys
for i in range(200):
    subprocess.Popen(['sleep', '600.{mark}'], start_new_session=i % 2 == 0, stdin=subprocess.DEVNULL)
"""
    with PythonTool(SMALL, isolation=tool.isolation) as python:
        assert not run(python, code).error
        assert len(processes_with(mark)) == 200
        python._drop_kernel()
        assert gone(mark)
        assert run(python, "1").text == "1"


PARENT = """
import sys
from gptoss_edu.tools import sandbox
from gptoss_edu.tools.python import PythonTool
tool = PythonTool(sandbox.Limits(call_seconds=600), isolation=sys.argv[1])
tool.call("python", "import subprocess\\nfor _ in range(5): subprocess.Popen(['sleep', '600.' + '%s'])" % sys.argv[2])
print(tool.work, flush=True)
{end}
"""


@pytest.mark.slow
@needs_fence
@pytest.mark.parametrize("isolation", [*FENCED, "limits"])
@pytest.mark.parametrize("end", ["tool.close()", "sys.exit(0)", "import os; os.kill(os.getpid(), 9)"])
def test_nothing_survives_the_end_of_the_caller(isolation, end, tmp_path):
    """Try close(), an ordinary exit without it, and a kill that prevents any cleaning up."""
    mark = f"{time.time_ns()}"
    argv = [sys.executable, "-c", PARENT.replace("{end}", end), isolation, mark]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.stdout, done.stderr
    work = Path(done.stdout.strip())
    assert gone(mark) and gone(str(work))
    if "kill" not in end:
        assert not work.exists()
    shutil.rmtree(work, ignore_errors=True)


@pytest.mark.slow
@needs_fence
def test_processor_time_is_limited():
    limits = sandbox.Limits(call_seconds=600, processor_seconds=2, memory=SMALL.memory)
    with PythonTool(limits, isolation=FENCED[0]) as python:
        result = run(python, "while True: pass")
        assert "processor time" in result.text


@pytest.mark.slow
@needs_fence
def test_limits_alone_still_leave_no_process(tmp_path):
    """Test the weakest fence, inside one of the stronger ones."""
    mark = f"{time.time_ns()}"
    with PythonTool(SMALL, isolation="limits") as python:
        assert "NOT a security boundary" in python.describe_isolation()
        assert python.visible_folder in python.config()["description"]
        run(
            python,
            f"import subprocess\nfor _ in range(20): subprocess.Popen(['sleep', '600.{mark}'], start_new_session=True)",
        )
        assert len(processes_with(mark)) == 20
        assert "had been deleted" not in run(python, "import os, shutil; shutil.rmtree(os.getcwd())").text
        assert "had been deleted" in run(python, "1").text
        assert gone(mark), "a new kernel leaves nothing of the old one"
    assert gone(str(python.work))
