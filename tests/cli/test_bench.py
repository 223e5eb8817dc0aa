"""`plait bench`: the report, the table and how it fits a terminal, traces."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from plait.backends.profiling.limits import Level, Limits, store
from plait.cli.bench_table import layer_table
from plait.tuning.bench import BenchReport, LayerTime
from plait.tuning.roofline import Roofline

LIMITS = Limits(
    threads=1,
    isa="avx2",
    gflops={"avx2": 100.0},
    levels=(Level("DRAM", None, 40.0, 30.0, 35.0),),
    op_ns=3.0,
    barrier_ns=0.0,
    kernels="abc",
    taken="2026-01-02T03:04:05+00:00",
)
HINT = "note: `plait doctor` measures this machine, for the columns FMA and memory\n"


def test_report(plait: Any, package: Path) -> None:
    outcome = plait("bench", package, "--runs", "5")
    assert outcome.code == 0, outcome.err
    assert "5 runs, threads 1: min" in outcome.out and "GFLOP/s" in outcome.out and "sum of layers" in outcome.out
    assert outcome.err == HINT
    report = json.loads(plait("bench", package, "--runs", "5", "--json").out)
    assert report["schema"] == "bench-report/2" and report["limits"] is None
    assert report["runs"] == 5 and 0 < report["min_us"] <= report["median_us"] <= report["p90_us"]
    assert sum(row["share"] for row in report["layers"]) == pytest.approx(1)
    assert any(row["runner_up"] for row in report["layers"])
    assert {row["roofline"] for row in report["layers"]} == {None}


def test_with_threads_that_have_no_plan(plait: Any, package: Path) -> None:
    outcome = plait("bench", package, "--runs", "3", "--threads", "2")
    assert outcome.code == 0
    assert "warning: " in outcome.err and "no plan for 2 threads, only for 1" in outcome.err
    assert "note: `plait doctor --threads 2` measures" in outcome.err
    assert "threads 2" in outcome.out


def test_limits_from_the_database(plait: Any, package: Path, tmp_path: Path) -> None:
    store([LIMITS], tmp_path / "limits.sqlite")
    outcome = plait("bench", package, "--runs", "3", "--db", tmp_path / "limits.sqlite")
    assert outcome.code == 0 and outcome.err == ""
    assert "100% FMA is 100 GFLOP/s; constants are read from DRAM, 40 GB/s (measured 2026-01-02)" in outcome.out
    assert "% DRAM" in outcome.out
    assert plait("bench", package, "--runs", "3").err == HINT


def test_a_damaged_database(
    plait: Any, package: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    (workplace / "notes.txt").write_text("This is not a database. " * 10)
    refused = plait("bench", package, "--runs", "3", "--db", "notes.txt")
    assert refused.code == 1 and "P501" in refused.err
    monkeypatch.setenv("PLAIT_PROFILE_DB", "notes.txt")
    outcome = plait("bench", package, "--runs", "3")
    assert outcome.code == 0 and "warning: cannot use the profile database" in outcome.err


# --- the table ---


def report(*layers: LayerTime) -> BenchReport:
    return BenchReport(
        runs=5, threads=1, min_us=100.0, median_us=110.0, p90_us=120.0, layers=layers, layers_us=100.0, layer_runs=5,
        arena_bytes=1000, constant_bytes=2000, single_call=True, limits=LIMITS,
    )  # fmt: skip


CONVOLUTION = LayerTime(
    index=0,
    name="features_denseblock3_denselayer21_conv2",
    op="conv2d",
    routine="cpu/f32/nchw16c/winograd_f4[tile=0x2]",
    time_us=250.0,
    share=0.25,
    gflops=300.0,
    nbytes=1_200_000,
    roofline=Roofline(0.91, 0.125, "L3", "FMA"),
    runner_up="cpu/f32/nchw16c/direct[tile=0x4]",
    runner_up_loss_us=15.0,
)
VIEW = LayerTime(
    index=1, name="y", op="reshape", routine="cpu/any/nchw/view", time_us=0.0, share=0.0, gflops=0.0, nbytes=8
)


def lines(width: int, *rows: LayerTime, capsys: pytest.CaptureFixture[str]) -> list[str]:
    table, _ = layer_table(report(*rows), width)
    table.show()
    return capsys.readouterr().out.splitlines()


def test_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    head, first, second = lines(300, CONVOLUTION, VIEW, capsys=capsys)
    titles = "# layer op routine ms share GFLOP/s bytes FMA memory runner-up"
    assert head.split() == titles.split(" ")
    assert first.split() == [
        "0", CONVOLUTION.name, "conv2d", CONVOLUTION.routine, "0.250", "25.0%", "300.0", "1.2", "MB", "91%", "12%",
        "L3", CONVOLUTION.runner_up, "+0.0150",
    ]  # fmt: skip
    assert second.split() == ["1", "y", "reshape", "cpu/any/nchw/view", "0.0000", "0.0%", "8", "B"]


@pytest.mark.parametrize("width", [180, 150, 120, 100, 90])
def test_it_fits(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    found = lines(width, CONVOLUTION, CONVOLUTION, VIEW, capsys=capsys)
    assert max(map(len, found)) <= width
    assert all("winograd_f4" in line and "91%" in line and "conv2" in line for line in found[1:3])


def test_what_goes_first(capsys: pytest.CaptureFixture[str]) -> None:
    rows = (CONVOLUTION, attrs.evolve(CONVOLUTION, name="short"), VIEW)
    wide, narrow, least = (lines(width, *rows, capsys=capsys) for width in (170, 120, 60))
    assert "nchw16c/winograd_f4[tile=0x2]" in wide[1] and "cpu/f32/" not in wide[1]
    assert "cpu/any/nchw/view" in wide[3]
    assert "runner-up" in narrow[0] and "nchw16c/direct +0.0150" in narrow[1] and "[tile" not in narrow[1]
    assert "runner-up" not in least[0] and least[1].split()[1] == "…layer21_conv2"
    assert "short" in least[2]


def test_the_prefix_that_is_left_out() -> None:
    assert layer_table(report(CONVOLUTION), 300)[1] == ""
    assert layer_table(report(CONVOLUTION, CONVOLUTION, VIEW), 120)[1] == "cpu/f32/"
    assert layer_table(report(), 120)[1] == ""


# --- traces ---


def test_trace(plait: Any, package: Path) -> None:
    outcome = plait("bench", package, "--runs", "3", "--threads", "2", "--trace", "out.json")
    assert outcome.code == 0, outcome.err
    assert "wrote out.json: 5 runs, for https://ui.perfetto.dev" in outcome.err
    data = json.loads(Path("out.json").read_text())
    assert {e["tid"] for e in data["traceEvents"]} == {0, 1}
    assert data["traceEvents"][0]["args"] == {"name": "tiny.plait"}


def test_a_trace_that_cannot_be_written(
    plait: Any, package: Path, listing: Callable[[], dict[str, bytes]]
) -> None:  # fmt: skip
    before = listing()
    for target in ("none/out.json", package):
        outcome = plait("bench", package, "--runs", "3", "--trace", target)
        assert outcome.code in (1, 2) and "runs" not in outcome.out, outcome.err
    assert listing() == before
