"""Test installation: other machines, lower bounds, the entry point, users without a home folder."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
import tempfile
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from gptoss_edu import __main__ as entry
from gptoss_edu.commands import doctor

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONSTRAINTS = (ROOT / "constraints.txt").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def load_check():
    """Load the script .ci/check_install.py as a module; it is not part of the package."""
    spec = importlib.util.spec_from_file_location("check_install", ROOT / ".ci" / "check_install.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["check_install"] = module  # its dataclass looks itself up there
    spec.loader.exec_module(module)
    return module


check = load_check()


@pytest.fixture
def answers(monkeypatch):
    """Replace uv: the table is made from answer(command); return a function that sets it."""

    def replace(answer) -> None:
        monkeypatch.setattr(check, "get_uv", lambda: Path("uv"))
        monkeypatch.setattr(check, "resolve", lambda command, cache: answer(" ".join(command)))

    return replace


def known_absent(command: str) -> str:
    """Answer as the index does for a machine in WITHOUT: name the package that has no wheel there."""
    for _, platform, python, package in check.WITHOUT:
        if f"--python-platform {platform} --python-version {python}" in command:
            return f"{package}==1 has no wheels"
    return ""


def test_the_table_has_every_platform_python_and_extra(answers, capsys):
    answers(known_absent)
    assert check.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    extras = ["base", *PROJECT["optional-dependencies"], "all"]
    assert lines[2].split() == ["platform", "Python", "versions", *extras]
    for platform in check.PLATFORMS:
        for python in check.PYTHONS:
            rows = [line for line in lines if line.startswith(f"{platform} ") and f" {python} " in line]
            assert [row.split().count("ok") for row in rows] == [len(extras)] * 2, (platform, python)


def test_one_row_that_does_not_resolve_fails_and_is_named(answers, capsys):
    def answer(command: str) -> str:
        windows = "windows-msvc --python-version 3.13" in command and "--extra cpu" in command
        return "numba has no wheels" if windows and "x86_64" in command else known_absent(command)

    answers(answer)
    assert check.main([]) == 1
    out = capsys.readouterr().out
    assert "FAIL Windows x86-64, Python 3.13, pinned (cpu): numba has no wheels" in out
    assert "FAIL Windows x86-64, Python 3.13, lowest (cpu): numba has no wheels" in out
    assert out.count("FAIL ") == 4  # two in the table, two below it


@pytest.mark.parametrize("answer", ["", "numpy has no wheels"])
def test_what_readme_calls_impossible_must_stay_so_for_that_reason(answers, capsys, answer):
    answers(lambda command: answer if "x86_64-apple-darwin" in command else known_absent(command))
    assert check.main([]) == 1
    assert "FAIL macOS Intel, Python 3.12: expected no wheel of torch" in capsys.readouterr().out


def test_a_network_that_goes_away_is_a_skip_with_its_name(answers, capsys):
    answers(lambda command: check.NO_ANSWER if "macosx" in command or "darwin" in command else known_absent(command))
    assert check.main([]) == check.SKIPPED
    out = capsys.readouterr().out
    assert f"SKIPPED in part: {check.NO_ANSWER}" in out and " skipped " in out
    answers(lambda command: check.NO_ANSWER)
    assert check.main([]) == check.SKIPPED
    assert "SKIPPED, nothing was checked" in capsys.readouterr().out


def test_a_failure_is_not_hidden_by_a_network_that_goes_away(answers):
    answers(lambda command: {True: check.NO_ANSWER, False: "no solution"}["darwin" in command])
    assert check.main(["--extra", "base"]) == 1


def test_settings_of_this_machine_do_not_reach_the_check(monkeypatch):
    for name in ("PIP_FIND_LINKS", "PIP_INDEX_URL", "UV_FIND_LINKS", "UV_INDEX", "UV_CONSTRAINT"):
        monkeypatch.setenv(name, "/somewhere")
    clean = check.clean_environment()
    assert "/somewhere" not in clean.values()
    assert (
        clean["PIP_CONFIG_FILE"] == os.devnull and clean["UV_NO_CONFIG"] == "1" and clean["PATH"] == os.environ["PATH"]
    )


def resolve(*arguments) -> subprocess.CompletedProcess:
    """Run the real check; skip the test without a network."""
    command = [sys.executable, str(ROOT / ".ci" / "check_install.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == check.SKIPPED:
        pytest.skip("no network: the public package index cannot be reached")
    return done


@pytest.mark.slow
@pytest.mark.network
def test_the_constraints_of_version_0_1_0_are_found_out(tmp_path):
    old = tmp_path / "constraints.txt"
    old.write_text(re.sub(r"(?m)^triton==.*$", "triton==3.9.0", CONSTRAINTS))
    only = ("--constraints", old, "--python", "3.12", "--extra", "base", "--versions", "pinned")
    linux = resolve(*only, "--platform", "Linux x86-64")
    assert linux.returncode == 1 and "triton" in linux.stdout and "==3.9.0" in linux.stdout
    windows = resolve(*only, "--platform", "Windows x86-64")
    assert windows.returncode == 0, "Windows has no triton, so nothing is wrong there"


PROBES = {
    "pydantic": (
        "2.12.2",
        """
from typing import Annotated
from pydantic import Field
from gptoss_edu.tools.functions import FunctionTool
def forecast(city: str, days: Annotated[int, Field(ge=1, description="How many days.")] = 3) -> str:
    '''Get a forecast.'''
    return f"{city} {days}"
assert FunctionTool([forecast]).call("functions.forecast", '{"city": "Oslo", "days": 2}').text == "Oslo 2"
""",
    ),
    "tiktoken": (
        "0.12.0",
        """
from gptoss_edu import load_tokenizer
from gptoss_edu.viz.tokens import token_strip
assert "hello" in str(token_strip("hello", load_tokenizer()))
""",
    ),
}


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("name", PROBES)
def test_a_lower_bound_is_the_first_version_that_works(name, tmp_path):
    """Report: pydantic/pydantic 12360. Report: pydantic/pydantic 12380. Report: pydantic/pydantic 8797. Report:
    openai/tiktoken 536.
    """
    below, probe = PROBES[name]
    bound = next(line for line in PROJECT["dependencies"] if line.startswith(f"{name}>=")).partition(">=")[2]
    codes = {}
    for version in (below, bound):
        try:
            command = [check.get_uv(), "pip", "install", "--quiet", "--no-build", "--python", sys.executable]
        except check.NoNetworkError as error:
            pytest.skip(f"no network: {error}")
        command += ["--target", tmp_path / version, f"{name}=={version}"]
        environment = check.clean_environment(UV_CACHE_DIR=str(tmp_path / "cache"))
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment)
        if check.NO_NETWORK.search(done.stderr):
            pytest.skip("no network: the public package index cannot be reached")
        assert done.returncode == 0, done.stderr
        path = os.pathsep.join([str(tmp_path / version), str(ROOT)])
        tried = subprocess.run(
            [sys.executable, "-c", probe], capture_output=True, env={**os.environ, "PYTHONPATH": path}
        )
        codes[version] = tried.returncode
    assert codes == {below: 1, bound: 0}


def test_every_pin_lies_in_its_range():
    pins = dict(re.findall(r"(?m)^([\w.-]+)==(\S+)$", CONSTRAINTS))
    for requirement in map(Requirement, chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())):
        pin = pins.get(requirement.name)
        assert pin is None or requirement.specifier.contains(pin), f"{requirement} excludes the pin {pin}"


def test_the_pythons_of_the_check_are_the_ones_that_are_promised():
    promised = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", line)]
    assert tuple(promised) == check.PYTHONS
    assert PROJECT["requires-python"] == f">={promised[0]}"
    assert f"Python {promised[0]} to {promised[-1]}" in README


def test_readme_names_what_has_no_wheels():
    table = README[README.index("| where | Python") :].partition("\n\n")[0]
    for words in ("Intel", "Windows on arm64", "glibc", "Python 3.15", *{package for *_, package in check.WITHOUT}):
        assert words.replace("torch", "PyTorch") in table


@pytest.mark.parametrize(
    ("cuda", "hip", "system", "name"),
    [("13.0", None, "linux", "CUDA 13.0"), (None, "7.1", "linux", "ROCm 7.1"), (None, None, "linux", "CPU"),
     (None, None, "darwin", "Metal"), (None, None, "win32", "CPU")],
)  # fmt: skip
def test_the_doctor_names_the_build_of_torch(cuda, hip, system, name):
    assert doctor.build_name(cuda, hip, system) == name


def test_the_doctor_tells_a_cuda_build_that_nothing_uses(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    [(level, text)] = doctor.torch_build()
    assert level == doctor.NOTE and "the CUDA 13.0 build" in text and "CPU build" in text
    assert float(re.search(r"([\d.]+) GiB", text)[1]) > 0.1


@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGINT for one process")
def test_ctrl_c_while_torch_is_imported_ends_with_one_line(tmp_path):
    """Stand in for torch by an import that takes long and swallows every exception, as compiled code does."""
    (tmp_path / "torch.py").write_text(
        "import time\nprint('importing', flush=True)\nfor _ in range(600):\n"
        "    try:\n        time.sleep(0.1)\n    except BaseException:\n        pass\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    command = [sys.executable, "-m", "gptoss_edu", "generate", "hi"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=tmp_path,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:  # fmt: skip
        assert process.stdout.readline() == "importing\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert process.returncode == 130
    assert errors == "\ngptoss-edu generate: interrupted.\n"


def test_ctrl_c_is_a_keyboard_interrupt_where_nothing_is_imported():
    with pytest.raises(KeyboardInterrupt):
        entry.interrupted(signal.SIGINT, None)


@pytest.fixture
def nobody():
    """Return a function that runs Python as a user with only a number, in a folder that this user may write to."""
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("needs root, to become a user without a name")
    with tempfile.TemporaryDirectory() as folder:  # other users cannot enter pytest's own folders
        Path(folder).chmod(0o777)
        kept = {k: v for k, v in os.environ.items() if k not in ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME")}

        def run(program: str, **environment: str) -> list[str]:
            environment = {**kept, "PYTHONPATH": str(ROOT), "TMPDIR": folder, **environment}
            for python in (
                sys.executable,
                "/usr/bin/python3",
            ):  # the first may be in a folder that only root may enter
                try:
                    return subprocess.check_output(
                        [python, "-c", program], env=environment, cwd=folder, user=54321, group=54321, text=True
                    ).split()
                except (PermissionError, FileNotFoundError):
                    continue
            pytest.skip("no Python lies where a user without a name may run it")

        yield run


@pytest.mark.slow
@pytest.mark.parametrize("home", [{}, {"HOME": "/"}, {"HOME": "/nonexistent"}], ids=["none", "root folder", "absent"])
def test_a_user_without_home_or_name_gets_one_for_the_time_being(nobody, home):
    program = "import getpass, pathlib, sys, gptoss_edu.__main__ as e; sys.argv = ['x', '--version']; e.main()"
    *_, lent, user = nobody(
        f"{program}; home = pathlib.Path.home(); (home / 'x').touch(); print(home, getpass.getuser())", **home
    )
    assert "gptoss-edu-home-" in lent and user == "54321"
    assert not Path(lent).exists(), "it is removed at the end"


def test_a_home_that_can_be_written_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert entry.has_home()
