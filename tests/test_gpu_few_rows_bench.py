"""Test what the benchmark of a few rows tries and keeps, with a made-up clock."""

from dataclasses import replace

import pytest
import torch

pytest.importorskip("triton", reason="the Triton package is not installed (no wheel on this platform)")

from test_kernels import LARGE, LARGE_TILES, random_packed, small_config

from gptoss_edu.benchmarks import gpu_few_rows as bench
from gptoss_edu.fast import FastTransformer
from gptoss_edu.fast.tuning import Tiles, Tuning


def test_the_search_combines_the_best_of_each_part(capsys):
    base = Tuning().two

    def seconds(tiles: Tiles) -> float:
        if tiles.up == (64, 32, 8, 1):
            raise RuntimeError("out of resource: shared memory")
        good = (tiles.up == (16, 32, 8, 1)) + (tiles.qkv == (32, 512, 8, 1)) + (tiles.out == (16, 512, 8, 2))
        return 3e-3 - 1e-4 * good + 1e-4 * (tiles.down != base.down)

    best, times = bench.search(seconds, base)
    assert best == replace(base, up=(16, 32, 8, 1), qkv=(32, 512, 8, 1), out=(16, 512, 8, 2))
    assert times[best] == pytest.approx(2.7e-3) and times[base] == pytest.approx(3e-3)
    assert "out of resource" in capsys.readouterr().out
    assert bench.search(seconds, base, until=0.0)[0] == base


def test_every_variant_is_compiled_once_before_it_is_timed():
    bases = [Tuning().more, Tuning().two]
    work = bench.jobs(bases)
    of_experts = [(tiles.up, tiles.down) for kernel, _, tiles in work if kernel == "experts"]
    assert len(of_experts) == len(set(of_experts))
    for base in bases:
        for _, tiles in bench.variants(base):
            assert (tiles.up, tiles.down) in of_experts
            for name in bench.DENSE:
                found = [getattr(t, name) for kernel, _, t in work if kernel == name]
                assert getattr(tiles, name) in found and len(found) == len(set(found))


def small_model(**changes) -> FastTransformer:
    config = small_config(num_experts=4, experts_per_token=2, **changes)
    return FastTransformer.from_reference(random_packed(config, 2), tuning=LARGE)


@pytest.mark.slow
def test_all_of_it_runs_with_a_small_model(monkeypatch, tmp_path, capsys):
    if torch.cuda.is_available():
        pytest.skip("runs in Triton's interpreter, which is off where there is a GPU")
    model, ticks = small_model(), iter(range(1, 1000))

    def clock(function, repeats, warmup):
        function()
        return 1e-3 + 1e-6 * next(ticks)

    for name, value in {
        "ROWS": (2, 3), "SEARCHED": (2,), "CONTEXT": 9, "ROOM": 14, "SEARCH": {"qkv": [(128, 64, 2, 1)]},
        "kernel_times": lambda replay: replay() or {}, "timeline": lambda replay, first: replay() or [],
    }.items():  # fmt: skip
        monkeypatch.setattr(bench, name, value)
    monkeypatch.setattr(bench, "PROFILED", (2,))
    out: dict = {}
    bench.measure(bench.Bench(model, clock), out, tmp_path / "few.json", 1e12, 99.0)
    rows = [row for name, row in out["results"].items() if "x context" in name]
    assert len(rows) == 4 and all(row["difference"] < 1e-5 and 0 < row["rounding"] < 1e-5 for row in rows)
    assert out["results"]["the same bits, 2 and 3 rows"] == {"company": True, "twice": True, "finite": True}
    assert len(out["tiles"]["2"]) == 2 and (tmp_path / "few.json").exists()


def test_kernels_are_compiled_on_their_own(monkeypatch):
    if torch.cuda.is_available():
        pytest.skip("runs in Triton's interpreter, which is off where there is a GPU")
    monkeypatch.setitem(bench.PLACE, "model", small_model(num_hidden_layers=1))
    for kernel in ("old", "attend", "experts", *bench.DENSE):
        assert bench.compile_one((kernel, 2, LARGE_TILES)) == ""
    assert "AttributeError" in bench.compile_one(("experts", 2, None))
