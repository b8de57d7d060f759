"""One broken folder loses no learner's work and spoils no table of the class."""

import pytest
from inside import run

from gptoss_edu.checks import guard, store
from gptoss_edu.commands.progress import read_folder
from gptoss_edu.course import class_progress
from gptoss_edu.errors import GptOssError


def folder_with(place, **sections):
    """Make a student folder with these sections."""
    place.mkdir(parents=True)
    (place / store.FILE_NAME).write_text(store.HEADER)
    for name, body in sections.items():
        store.write_section(place, name, body)
    return place


RIGHT = (
    "import torch\ndef rms_norm(x, scale, eps):\n    h = x.float()\n    return (h * torch.rsqrt(h.square().mean(-1,"
    " keepdim=True) + eps) * scale.float()).to(x.dtype)\n"
)
BROKEN = {
    "a renamed function": ("def norm(x, scale, eps): return x", "section rms_norm"),
    "sys.exit": ("import sys\nsys.exit(0)", "SystemExit"),
    "a missing import": ("import nonexistent_module", "nonexistent_module"),
    "half a line": ("def rms_norm(:", "section rms_norm"),
    "an exit that nothing stops": ("import os\nos._exit(0)", "ended the program"),
    "a crash": ("import os\nos.abort()", "ended the program"),
    "an endless loop": ("while True: pass", "TookTooLong"),
    "an exception of its own": ("class Mine(BaseException): pass\nraise Mine('no')", "Mine"),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "names", [("sys.exit", "an exit that nothing stops"), pytest.param(tuple(BROKEN), marks=pytest.mark.long)]
)
def test_one_broken_folder_costs_its_row_only(tmp_path, names):
    """The class's table counts everybody else, and says whose folder is left out and why."""
    good = [folder_with(tmp_path / "good" / str(i), rms_norm=RIGHT) for i in range(2)]
    broken = [BROKEN[name] for name in names]
    bad = [folder_with(tmp_path / "bad" / str(i), rms_norm=body) for i, (body, _) in enumerate(broken)]
    (tmp_path / "none").mkdir()
    done = run("progress", good[0], *bad, tmp_path / "none", good[1])
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert done.stdout.startswith("2 learners") and f"not counted, {len(bad) + 1}:" in done.stdout
    assert done.stdout.split("rms_norm", 1)[1].split()[0] == "2"
    for folder, (_, words) in zip(bad, broken, strict=True):
        line = next(line for line in done.stdout.splitlines() if str(folder) + "/" in line or f"{folder}:" in line)
        assert words in line, line
    alone = run("progress", tmp_path / "none", tmp_path / "nor this")
    assert alone.returncode == 2 and "none of 2 folders" in alone.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, (_, words) in BROKEN.items() if words != "ended the program"])
def test_a_learners_own_broken_section_is_named(tmp_path, monkeypatch, name):
    monkeypatch.setattr(store, "time_limit", lambda *_: guard.time_limit(2.0))
    body, words = BROKEN[name]
    with pytest.raises(GptOssError, match=words):
        read_folder(folder_with(tmp_path / "m", rms_norm=body))


@pytest.mark.slow
def test_what_one_folder_does_to_torch_reaches_no_other(tmp_path):
    """torch's settings and functions belong to a process, so each folder is checked in its own process."""
    spoils = "import torch\ntorch.set_default_dtype(torch.float64)\ntorch.rsqrt = None\n"
    first = folder_with(tmp_path / "a", rms_norm=spoils + RIGHT.removeprefix("import torch\n"))
    second = folder_with(tmp_path / "b", rms_norm=RIGHT)
    found, left_out = class_progress.read_class([first, second])
    assert len(found) + len(left_out) == 2
    assert found[-1][0].count("x") == 1


@pytest.mark.slow
def test_a_folder_that_does_not_end_is_given_up(tmp_path):
    folder = folder_with(
        tmp_path / "m", rms_norm="import time\nwhile True:\n    try: time.sleep(1)\n    except BaseException: pass\n"
    )
    progress, why = class_progress.read_apart(folder, seconds=5)
    assert progress is None and ("did not end within 5 s" in why or "TookTooLong" in why)
