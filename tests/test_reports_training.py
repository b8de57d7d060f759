"""Weights that are not finite, full disks and damaged files give no silent wrong number and lose no log."""

import errno
import json
import os
import shutil
import struct
from pathlib import Path
from types import SimpleNamespace

import pytest
from inside import run

from gptoss_edu.resources import data_path


@pytest.fixture(scope="module")
def not_finite(tmp_path_factory):
    """Save gpt-oss-tiny with NaN sinks in its first layer."""
    folder = tmp_path_factory.mktemp("nan") / "m"
    shutil.copytree(data_path("gpt-oss-tiny"), folder)
    raw = bytearray((folder / "model.safetensors").read_bytes())
    (length,) = struct.unpack("<Q", raw[:8])
    begin, end = json.loads(raw[8 : 8 + length])["block.0.attn.sinks"]["data_offsets"]
    raw[8 + length + begin : 8 + length + end] = b"\xc0\x7f" * ((end - begin) // 2)
    (folder / "model.safetensors").write_bytes(raw)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("which", ["tiny", "aime-toy", "--against"])
def test_an_evaluation_of_weights_that_are_not_finite_stops(not_finite, tmp_path, which):
    """argmax also picks an entry among NaNs, so an evaluation would have reported 0 % with exit status 0."""
    command = {
        "tiny": ("eval", "tiny", "--only", "inside", "--scale", "0.001", "--model", not_finite),
        "aime-toy": ("eval", "aime-toy", "--limit", "3", "--out", tmp_path / "samples.jsonl", "--model", not_finite),
        "--against": ("eval", "tiny", "--only", "foreign", "--scale", "0.001", "--against", not_finite),
    }[which]
    done = run(*command)
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stdout + done.stderr
    assert f"`gptoss-edu inspect {not_finite} --verify`" in done.stderr
    if which == "tiny":  # the advice is followed
        check = run("inspect", not_finite, "--verify")
        assert check.returncode == 2 and "block.0.attn.sinks" in check.stdout + check.stderr


@pytest.mark.slow
def test_a_request_whose_logits_are_not_finite_ends_with_the_reason(not_finite):
    """The pool serves many requests; the one that cannot be answered says why, and what to do."""
    from gptoss_edu import load_model
    from gptoss_edu.engines.pool import Pool
    from gptoss_edu.engines.request import Request

    pool = Pool(load_model(not_finite), 2, 64, streaming=False)
    pool.submit(Request([1, 2, 3], 4))
    pool.submit(Request([1, 2, 3], 4, temperature=1.0))
    for request in pool.run():
        assert "expected logits with a finite largest one, found nan" in str(request.error)


# ---- full disks and damaged files


@pytest.fixture
def trainer(tmp_path):
    from gptoss_edu.training.fresh import SMOKE
    from gptoss_edu.training.pretrain import Settings, Trainer

    settings = Settings(seconds=None, steps=2, workers=0, rows=2, length=64, log_every=1, save_every=1e9)
    trainer = Trainer(SMOKE, settings, tmp_path / "run", data_path("gpt-oss-tiny"), "cpu")
    yield trainer
    trainer.close()


@pytest.mark.slow
def test_the_log_of_a_run_is_written_before_its_checkpoint(trainer, monkeypatch):
    """If the disk is too full for the weights, the log is still written, and the message names the file."""
    from safetensors import SafetensorError

    from gptoss_edu.checkpoint import safetensors
    from gptoss_edu.errors import CheckpointError

    def full(tensors, path, metadata=None):
        path.write_bytes(b"half")
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(safetensors, "save_file", full)
    with pytest.raises(
        CheckpointError, match=r"checkpoint\.safetensors: cannot be written \(.*No space left.*free some space"
    ):
        trainer.run()
    assert [json.loads(line)["step"] for line in (trainer.folder / "log.jsonl").read_text().splitlines()] == [1, 2]
    assert [path.name for path in trainer.folder.iterdir()] == ["log.jsonl"], "nothing that is half written stays"


def test_a_full_disk_names_the_file(tmp_path, monkeypatch, capsys):
    """The system's error for a full disk names no file; this package's does, and the command says what to do."""
    from gptoss_edu import cli, options

    def full(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "a.json").write_text("before")
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*a\.json'"):
        options.write_text(tmp_path / "a.json", "after")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"] and (tmp_path / "a.json").read_text() == "before"
    assert cli.main(["workshop", str(tmp_path / "course"), "--chapters", "03"]) == 2
    said = capsys.readouterr().err
    assert "No space left on device; free some space or name another place." in said and str(tmp_path) in said


has_full_disk = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")


def test_a_trace_on_a_full_disk_names_its_file(tmp_path, monkeypatch):
    """The system's error while a file is written names no file."""
    from gptoss_edu.trace import file

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*a\.trace'"):
        file.save(SimpleNamespace(meta={}, arrays={}), tmp_path / "a.trace")
    assert not list(tmp_path.iterdir())


def test_a_finished_notebook_is_copied_whole_or_not_at_all(tmp_path, monkeypatch):
    """`lab --solutions` skips what is there already; half a notebook would stay half for good."""
    from gptoss_edu.commands import lab

    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "01_a.ipynb").write_text("the whole notebook")
    monkeypatch.setattr(lab, "notebooks_path", lambda: tmp_path / "notebooks")
    write = Path.write_bytes

    def full(path, content):
        write(path, content[:5])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match=r"No space left on device: '.*01_a\.ipynb'"):
        patch.setattr(Path, "write_bytes", full)
        lab.finished_folder(tmp_path / "mine")
    assert not list((tmp_path / "mine").iterdir())
    lab.finished_folder(tmp_path / "mine")
    assert (tmp_path / "mine" / "01_a.ipynb").read_text() == "the whole notebook"


@has_full_disk
def test_a_log_of_samples_on_a_full_disk_is_named():
    from gptoss_edu.evals.sample_log import SampleLog

    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        SampleLog._write(SimpleNamespace(path=Path("/dev/full")), {"question": 1})


def test_a_folder_of_adapters_on_a_full_disk_is_named(tmp_path):
    """The safetensors library has an error of its own for a full disk, which is no OSError."""
    from safetensors import SafetensorError

    from gptoss_edu.checkpoint.safetensors import new_folder
    from gptoss_edu.errors import CheckpointError

    with pytest.raises(CheckpointError, match=r"adapter: cannot be written \(.*No space left.*Free some space"):
        with new_folder(tmp_path / "adapter"):
            raise SafetensorError("I/O error: No space left on device (os error 28)")
    assert not list(tmp_path.iterdir())


@has_full_disk
def test_output_to_a_file_on_a_full_disk_ends_in_one_line(monkeypatch, capfd):
    """`gptoss-edu … > FILE`: a short output reaches the disk only at the end, when it is flushed."""
    from gptoss_edu import cli

    with open("/dev/full", "w") as full:
        monkeypatch.setattr("sys.stdout", full)
        assert cli.main(["--version"]) == 2
        monkeypatch.undo()
    assert capfd.readouterr().err == (
        "gptoss-edu: the output: No space left on device; free some space or name another place.\n"
    )


@pytest.mark.parametrize("damage", [b"", b"garbage", b"\x08\0\0\0\0\0\0\0{}      ", "about", "settings", "log"])
def test_a_damaged_checkpoint_of_a_run_is_named(trainer, damage):
    """Resuming from a file that is cut off, of another kind or with wrong types is refused in one sentence."""
    from safetensors.torch import load_file, save_file

    from gptoss_edu.errors import GptOssError
    from gptoss_edu.training.pretrain import CHECKPOINT

    path = trainer.save()
    if isinstance(damage, bytes):
        path.write_bytes(damage)
    else:
        about = {
            "about": "[1]",
            "settings": '{"settings": 3}',
            "log": '{"step": 1, "elapsed": 1, "settings": {}, "log": 3}',
        }
        save_file(load_file(path), path, metadata={"about": about[damage]})
    with pytest.raises(
        GptOssError, match=rf"{CHECKPOINT}: expected the checkpoint of a run, found what cannot be read"
    ):
        trainer.load()
