"""Test how `bench gpu` treats other implementations, as far as that needs no GPU."""

import json
import os
import shlex
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="the Triton package is not installed (no wheel on this platform)")

from gptoss_edu.benchmarks import gpu_peers

LLAMA_BENCH = """
import json, sys
words = sys.argv[1:]
value = lambda flag: int(words[words.index(flag) + 1]) if flag in words else 0
if "bad.gguf" in words:
    sys.exit("error: failed to load model 'bad.gguf'")
speed = 13700.0 if value("-p") else 285.5 if value("-d") == 1024 and value("-n") else 0.0
row = dict(build_commit="b1a2c3d", model_type="gpt-oss 20B MXFP4 MoE", n_prompt=value("-p"), n_gen=value("-n"),
           avg_ts=speed)
print(json.dumps([row]))
"""


@pytest.fixture
def llama_bench(tmp_path, monkeypatch) -> Path:
    """Put a program named llama-bench on the PATH that answers as `llama-bench -o json` does."""
    if os.name == "nt":
        pytest.skip("a script with a first line that names its interpreter does not run on Windows")
    program = tmp_path / "llama-bench"
    script = tmp_path / "answer.py"
    script.write_text(LLAMA_BENCH, encoding="utf-8")
    # Start it through the shell: a "#!" line cannot name an interpreter in a folder with blanks.
    program.write_text(
        f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(script))} "$@"\n', encoding="utf-8"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return program


def test_llama_bench_is_asked_for_a_prompt_and_for_tokens_behind_a_context(llama_bench):
    measure, missing = gpu_peers.peers(None, Path("20b.gguf"))["llama.cpp"]
    out = {}
    measure(out)
    assert missing == ""
    rows = out["results"]
    assert rows["llama.cpp prefill, 4,096 tokens"]["tokens_per_s"] == 13700.0
    assert rows["llama.cpp decode, context 1,024"]["tokens_per_s"] == 285.5
    assert all(row["build"] == "b1a2c3d" and "20B" in row["model"] for row in rows.values())


def test_a_peer_that_fails_says_why(llama_bench):
    measure, _ = gpu_peers.peers(None, Path("bad.gguf"))["llama.cpp"]
    with pytest.raises(RuntimeError, match="ended with 1: error: failed to load model"):
        measure({})


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_peers, "installed", lambda module: not module.startswith("triton_kernels"))
    monkeypatch.setenv("PATH", str(tmp_path))
    found = gpu_peers.peers(None, None)
    assert {name: why for name, (_, why) in found.items()} == {
        "transformers": "",
        "gpt_oss.triton": "not installed: triton_kernels.matmul_ogs",
        "llama.cpp": "llama-bench is not on the PATH",
    }


def test_without_a_file_llama_bench_is_not_run(llama_bench):
    assert gpu_peers.peers(None, None)["llama.cpp"] == (None, "no --gguf file for llama-bench")


@pytest.mark.parametrize("code, rows", [(0, True), (1, True), (1, False)])
def test_rows_of_a_peer_join_the_run_even_if_it_fails_later(monkeypatch, code, rows):
    def run(command, **options):
        assert command[1:4] == ["-m", "gptoss_edu.benchmarks.gpu_peers", "transformers"] and command[5:] == ["2"]
        if rows:
            Path(command[4]).write_text(json.dumps({"results": {"prefill": {"milliseconds": 1.0}}}), encoding="utf-8")
        return type("Done", (), {"returncode": code, "stderr": "Traceback …\nOutOfMemoryError: 39 GiB\n"})

    monkeypatch.setattr(gpu_peers.subprocess, "run", run)
    out = {"results": {"ours": {}}}
    if code:
        with pytest.raises(RuntimeError, match="transformers: OutOfMemoryError: 39 GiB"):
            gpu_peers.in_own_process("transformers", 2, out)
    else:
        gpu_peers.in_own_process("transformers", 2, out)
    assert set(out["results"]) == ({"ours", "prefill"} if rows else {"ours"})
