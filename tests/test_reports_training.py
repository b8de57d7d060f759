"""No wrong number without a word, and no log lost: weights that are not finite, full disks, damaged files."""

import json
import shutil
import struct
import subprocess
import sys

import pytest

from gptoss_edu.resources import data_path


def run(*arguments, **keywords):
    return subprocess.run(
        [sys.executable, "-m", "gptoss_edu", *map(str, arguments)], capture_output=True, text=True, **keywords
    )


@pytest.fixture(scope="module")
def not_finite(tmp_path_factory):
    """gpt-oss-tiny with NaN sinks in its first layer."""
    folder = tmp_path_factory.mktemp("nan") / "m"
    shutil.copytree(data_path("gpt-oss-tiny"), folder)
    raw = bytearray((folder / "model.safetensors").read_bytes())
    (length,) = struct.unpack("<Q", raw[:8])
    begin, end = json.loads(raw[8 : 8 + length])["block.0.attn.sinks"]["data_offsets"]
    raw[8 + length + begin : 8 + length + end] = b"\xc0\x7f" * ((end - begin) // 2)
    (folder / "model.safetensors").write_bytes(raw)
    return folder


@pytest.mark.parametrize("which", ["tiny", "aime-toy", "--against"])
def test_an_evaluation_of_weights_that_are_not_finite_stops(not_finite, tmp_path, which):
    """NaN compared with NaN has a largest entry, so an evaluation would have reported 0 % and exit status 0."""
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


def test_a_request_whose_logits_are_not_finite_ends_with_the_reason(not_finite):
    """The pool answers many requests; one that cannot be answered says why, and what to do."""
    from gptoss_edu import load_model
    from gptoss_edu.engines.pool import Pool
    from gptoss_edu.engines.request import Request

    pool = Pool(load_model(not_finite), 2, 64, streaming=False)
    pool.submit(Request([1, 2, 3], 4))
    pool.submit(Request([1, 2, 3], 4, temperature=1.0))
    for request in pool.run():
        assert "expected logits with a finite largest one, found nan" in str(request.error)
