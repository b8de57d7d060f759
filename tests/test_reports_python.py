"""Whatever its code does, the python tool answers or starts again, and exposes no sockets of the system.

Each test starts its own kernels, in the strongest fence available on this system.
"""

import socket
import sys
import tempfile
from pathlib import Path

import pytest

from gptoss_edu.tools import sandbox
from gptoss_edu.tools.python import PythonTool

if sandbox.isolation_available("limits") is not None:
    pytest.skip(f"no kernel here: {sandbox.isolation_available('limits')}", allow_module_level=True)
FENCED = [kind for kind in ("bubblewrap", "namespaces") if sandbox.isolation_available(kind) is None]
needs_fence = pytest.mark.skipif(not FENCED, reason="neither bubblewrap nor Linux namespaces work here")
FORGE = (
    "k = get_ipython().kernel\nk.session.send(k.iopub_socket, {kind!r}, {content},"
    " parent=k.get_parent('shell'))\nprint('sent')"
)
FORGED = {
    "display_data": ["{'data': 5}", "{'data': ['image/png']}", "{'data': {'image/png': 7}}", "[1]", "{}"],
    "error": ["{'traceback': 5}", "{'traceback': {'a': 1}}", "'text'", "{'traceback': [1, None]}"],
    "stream": ["{'text': 5}", "None", "[[]]"],
    "status": ["{'execution_state': []}", "7"],
}


@pytest.fixture(scope="module")
def tool():
    with PythonTool() as python:
        yield python


@pytest.mark.slow
@needs_fence
@pytest.mark.parametrize("kind", FORGED)
def test_forged_messages_end_in_a_result(tool, kind):
    """Code can send anything on the kernel's channels; the tool reads only the right types, and never raises."""
    for content in FORGED[kind]:
        assert "sent" in tool.call("python", FORGE.format(kind=kind, content=content)).text, content
    assert tool.call("python", "print(6 * 7)").text == "42"


@needs_fence
@pytest.mark.parametrize(
    "raw", [b"\xff\xfe", b"[" * 100_000, b"1" * 6_000, b'{"a": 1}'], ids=["bytes", "nested", "digits", "object"]
)
def test_messages_that_cannot_be_decoded_are_passed_over(tool, raw):
    """Deep JSON and long numbers in a forged message do not stop the tool."""
    code = (
        f"k = get_ipython().kernel\nraw = {raw!r}\n"
        if len(raw) < 100
        else f"k = get_ipython().kernel\nraw = {raw[:1]!r} * {len(raw)}\n"
    )
    code += "p = [raw] * 4\nk.session.send_raw(k.iopub_socket, p, ident=[b'x'])\nprint('sent')"
    tool.call("python", code)
    assert tool.call("python", "print(6 * 7)").text == "42"


LEFT_BEHIND = {
    "types.py": "x = 1",
    "ipykernel_launcher.py": "x = 1",
    "zmq.py": "raise SystemExit",
    "numpy.py": "x = 1",
    ".ipython/profile_default/ipython_kernel_config.py": "raise SystemExit(3)",
    "ipython_kernel_config.py": "raise SystemExit",
    ".ipython/profile_default/startup/a.py": "raise SystemExit(3)",
    "usercustomize.py": "raise SystemExit(3)",
    f".local/lib/python3.{sys.version_info.minor}/site-packages/usercustomize.py": "raise SystemExit(3)",
    f".local/lib/python3.{sys.version_info.minor}/site-packages/a.pth": "import os; os._exit(3)",
}


@pytest.mark.slow
@needs_fence
def test_no_file_that_code_left_behind_stops_the_next_kernel(tmp_path):
    """The folder stays between conversations, so a kernel starts without running or importing anything from it."""
    limits = sandbox.Limits(start_seconds=600, call_seconds=600)
    with PythonTool(limits, folder=tmp_path) as tool:
        write = f"import os, pathlib\nfor name, text in {LEFT_BEHIND!r}.items():\n    p = pathlib.Path.home() / name\n"
        write += (
            "    p.parent.mkdir(parents=True, exist_ok=True)\n   "
            " p.write_text(text)\npathlib.Path('mine.py').write_text('y = 7')\n"
        )
        tool.call("python", write + "os._exit(1)")
    assert (tmp_path / "scratch" / "types.py").exists()
    with PythonTool(limits, folder=tmp_path) as tool:
        assert tool.call("python", "import mine, numpy\nprint(mine.y, hasattr(numpy, 'array'))").text == "7 True"


@pytest.mark.slow
@needs_fence
def test_a_locked_folder_is_opened_for_the_next_kernel(tmp_path):
    """Code that removes its own folder's permissions does not disable the tool for good."""
    with PythonTool(folder=tmp_path) as tool:
        tool.call("python", "import os\nos.chmod('.', 0)\nos._exit(1)")
        tool.call("python", "1")
        assert tool.call("python", "open('a', 'w').write('x')\nprint('alive')").text == "alive"


@pytest.mark.slow
@needs_fence
def test_thousands_of_nested_folders_are_deleted():
    """Python 3.11 and 3.12 delete a tree by recursion, which ends near a thousand folders."""
    tool = PythonTool()
    nest = "import os\nfor i in range(3000):\n    os.mkdir('d'); os.chdir('d')"
    tool.call("python", nest)
    tool.call("python", f"os.chdir({str(tool.run)!r})\n" + nest + "\nos._exit(1)")
    assert tool.call("python", "print('alive')").text.endswith("alive")
    tool.close()
    assert not tool.work.exists()


@pytest.mark.slow
@needs_fence
def test_sockets_of_the_systems_programs_are_hidden(tmp_path_factory):
    """Code can connect to a socket even on a read-only file system, so /tmp and /run are empty in the fence.

    A container engine may listen there; code that reaches it has left every fence.
    """
    with (
        tempfile.TemporaryDirectory(dir="/tmp") as folder,
        socket.socket(socket.AF_UNIX) as listening,
        PythonTool() as tool,
    ):
        place = Path(folder, "engine.sock")
        listening.bind(str(place))
        listening.listen(1)
        code = (
            f"import socket, os\ns = socket.socket(socket.AF_UNIX)\ntry:\n    s.connect({str(place)!r})\n   "
            " print('reached')\n"
        )
        code += (
            "except OSError as error:\n    print(type(error).__name__)\nprint(os.listdir('/run'),"
            " os.path.exists('/mnt/data'))"
        )
        assert tool.call("python", code).text == "FileNotFoundError\n[] True"
        # Outside the fence, the same socket answers.
        with socket.socket(socket.AF_UNIX) as outside:
            outside.connect(str(place))
