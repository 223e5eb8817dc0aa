"""The benchmark of whole networks: what it makes of records, and one small run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import numpy as np
import pytest

from benchmarks.peers import commands
from benchmarks.peers.engines import ENGINES
from benchmarks.peers.engines.base import BFLOAT16, DTYPES, FLOAT32, INT8, ModelFiles
from benchmarks.peers.records import Cell, Record, Turn, append_record, read_records
from benchmarks.peers.report import SUSPICIOUS, markdown
from benchmarks.peers.runner import Session, keep_busy
from benchmarks.peers.summary import CellResult, summarize

CELL = Cell("resnet50", 1)


def record(engine: str, round: int, median: float, **more: float) -> Record:
    figures = {"median_ms": median, "min_ms": median - 1, "runs": 30, "memory_mb": 100.0, "error": 1e-7, **more}
    return Record(Turn(round, CELL, engine), figures)


def result(*records: Record, floor: float | None = None) -> CellResult:
    (found,) = summarize(records, {CELL: floor})
    return found


def test_the_best_peer_has_the_least_median_over_rounds() -> None:
    times = {"onnxruntime": (9, 20, 20), "openvino": (15, 14, 30)}
    found = result(
        *(record(e, r, t) for e, ts in times.items() for r, t in enumerate(ts)),
        *(record("plait-single-layout", r, 5) for r in range(3)),
        *(record("plait", r, t) for r, t in enumerate((10, 7, 10))),
    )
    assert found.best_peer is not None and found.best_peer.engine == "openvino"
    assert found.best_ratio == 2.0, "the median of 1.5, 2 and 3"
    assert found.ours is not None and found.ours.median_ms == 10


def test_ratios_compare_times_of_one_round() -> None:
    found = result(record("plait", 0, 10), record("plait", 1, 20), record("mnn", 1, 30))
    assert found.best_ratio == 1.5
    assert result(record("plait", 0, 10), record("mnn", 1, 30)).best_ratio is None
    assert result(record("plait", 0, 10)).best_ratio is None


def test_shares_of_the_roofline_and_the_leanest_peer() -> None:
    found = result(record("plait", 0, 10), record("mnn", 0, 30, memory_mb=70.0), record("ncnn", 0, 20), floor=5.0)
    assert found.share_of_floor("plait") == 0.5
    assert found.share_of_floor("openvino") is None
    assert found.leanest_mb == 70


def test_failures_are_told_and_do_not_count() -> None:
    found = result(record("plait", 0, 10), Record(Turn(0, CELL, "ncnn"), failure="no resnet50.ncnn.bin: prepare it"))
    assert found.best_peer is None
    assert "* resnet50, ncnn: no resnet50.ncnn.bin" in markdown([found])


def test_wrong_results_are_marked() -> None:
    found = result(record("plait", 0, 10), record("litert", 0, 11, error=0.5))
    assert "| resnet50 | 10.00 | 11.00 (error 5e-01) |" in markdown([found])


def test_records_survive_the_way_to_disk(tmp_path: Path) -> None:
    wanted = [record("plait", 0, 10), Record(Turn(1, CELL, "mnn"), failure="it ended")]
    for one in wanted:
        append_record(tmp_path / "log", one)
    assert read_records(tmp_path / "log") == wanted
    assert read_records(tmp_path / "nothing") == []


class Scripted(Session):
    """Takes no time and measures nothing."""

    def take(self, turn: Turn) -> Record:
        return Record(turn, failure="broken") if turn.engine == "mnn" else record(turn.engine, turn.round, 1)


def session(folder: Path, rounds: int) -> Session:
    engines = dict.fromkeys(("plait", "mnn"), Path("python"))
    return Scripted(engines, ["resnet50"], [1], rounds, folder, folder / "log", waking_s=0)


def test_cores_are_woken_before_the_first_measurement_on_so_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[tuple[int, float]] = []
    monkeypatch.setattr("benchmarks.peers.runner.keep_busy", lambda cores, seconds: woken.append((cores, seconds)))
    attrs.evolve(session(tmp_path, 2), threads=[1, 2], waking_s=0.5).run(None, lambda text: None)
    assert woken == [(1, 0.5), (2, 0.5)] * 2


def test_keeping_busy_takes_its_time() -> None:
    begin = time.perf_counter()
    keep_busy(2, 0.05)
    assert time.perf_counter() - begin >= 0.05


def test_a_session_goes_on_where_it_stopped(tmp_path: Path) -> None:
    assert session(tmp_path, 3).run(-1, lambda text: None) == [], "no budget at all"
    told: list[str] = []
    session(tmp_path, 1).run(None, told.append)
    found = session(tmp_path, 3).run(None, told.append)
    taken = [(r.turn.round, r.turn.engine) for r in found]
    assert taken == [(0, "plait"), (0, "mnn"), (1, "plait"), (2, "plait")], "what failed is tried once by each call"
    assert found == read_records(tmp_path / "log")
    assert len(told) == 2 + 3


def test_files_of_an_integer_network_stand_beside_those_of_floats(tmp_path: Path) -> None:
    floats, bytes_ = ModelFiles(tmp_path, "resnet50"), ModelFiles(tmp_path, "resnet50", INT8)
    assert floats.onnx == bytes_.float_onnx == tmp_path / "resnet50.onnx"
    assert bytes_.onnx == tmp_path / "resnet50.int8.onnx"
    assert (bytes_.image, bytes_.scores) == (floats.image, floats.scores), "the reference is float32"
    np.save(floats.image, np.ones((1, 3, 4, 4), np.float32))
    first, *others = bytes_.samples()
    assert first.max() == 1 and len({a.tobytes() for a in others}) == len(others) > 3


def test_engines_on_bfloat16_read_the_files_of_float32(tmp_path: Path) -> None:
    floats, narrow = ModelFiles(tmp_path, "resnet50"), ModelFiles(tmp_path, "resnet50", BFLOAT16)
    assert narrow.path(".ncnn.param") == floats.path(".ncnn.param")
    assert narrow.onnx == floats.onnx
    ours = {ENGINES["plait"].model_files(files, 1) for files in (floats, narrow)}
    assert ours == {(tmp_path / "resnet50.plait",), (tmp_path / "resnet50.bfloat16.plait",)}, "plans differ"
    able = {name for name, engine in ENGINES.items() if BFLOAT16 in engine.dtypes}
    assert able == {"plait", "plait-single-layout", "openvino", "ncnn", "torch-script", "torch-eager"}


@pytest.mark.parametrize(("dtype", "hint"), [(FLOAT32, "f32"), (INT8, "f32"), (BFLOAT16, "bf16")])
def test_openvino_is_told_its_element_type(dtype: str, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, Any] = {}
    core = SimpleNamespace(compile_model=lambda path, device, settings: _compiled(told, settings))
    monkeypatch.setattr("benchmarks.peers.engines.openvino.package", lambda name: SimpleNamespace(Core=lambda: core))
    ENGINES["openvino"].load(ModelFiles(Path(), "resnet50", dtype), 2)
    assert (told["INFERENCE_PRECISION_HINT"], told["INFERENCE_NUM_THREADS"]) == (hint, 2)


def _compiled(told: dict[str, Any], settings: dict[str, Any]) -> SimpleNamespace:
    told.update(settings)
    return SimpleNamespace(create_infer_request=SimpleNamespace)


@pytest.mark.parametrize("dtype", [FLOAT32, BFLOAT16])
def test_ncnn_stores_bfloat16_only_where_it_is_asked_to(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net = SimpleNamespace(opt=SimpleNamespace(), load_param=lambda path: 0, load_model=lambda path: 0)
    monkeypatch.setattr("benchmarks.peers.engines.ncnn.package", lambda name: SimpleNamespace(Net=lambda: net))
    ENGINES["ncnn"].load(ModelFiles(Path(), "resnet50", dtype), 2)
    on = {name for name, value in vars(net.opt).items() if value is True}
    assert on == ({"use_bf16_packed", "use_bf16_storage"} if dtype == BFLOAT16 else set())
    assert net.opt.use_fp16_storage is False, "on by default"


def test_each_dtype_has_its_log_and_results() -> None:
    parser = commands._parser()
    found = []
    int8 = ["report", "--dtype", "int8"]
    for arguments in (["report"], int8, [*int8, "--log", "mine"], ["report", "--dtype", "bfloat16"]):
        options = parser.parse_args(arguments)
        commands._fill_paths(options)
        found.append((str(options.log), str(options.results)))
    assert found == [
        ("build/peers.jsonl", "benchmarks/results/peers"),
        ("build/peers_int8.jsonl", "benchmarks/results/peers_int8"),
        ("mine", "benchmarks/results/peers_int8"),
        ("build/peers_bfloat16.jsonl", "benchmarks/results/peers_bfloat16"),
    ]


def test_errors_of_quantization_are_not_marked() -> None:
    found = result(record("plait", 0, 10, error=0.1), record("litert", 0, 11, error=0.7))
    assert "| resnet50 | 10.00 | 11.00 (error 7e-01) |" in markdown([found], SUSPICIOUS[INT8])


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_small_run(dtype: str, run_benchmark: Callable[..., Any], tmp_path: Path) -> None:
    common = ("--networks", "mobilenetv3", "--threads", "1", "--dtype", dtype)
    made = run_benchmark("peers", "prepare", *common, "--image", 32, "--width", 0.25)
    assert "mobilenetv3 for plait: done" in made.stderr
    quick = ("--rounds", 1, "--runs", 1, "--seconds", 0, "--results", "out/peers")
    told = run_benchmark("peers", "run", *common, *quick)
    assert "## One thread" in told.stdout
    (cell,) = json.loads((tmp_path / "out/peers.json").read_text())["cells"]
    wanted = {FLOAT32: {"plait", "onnxruntime", "plait-single-layout"}, INT8: {"plait", "onnxruntime"}}
    wanted[BFLOAT16] = {"plait", "plait-single-layout"}
    assert wanted[dtype] <= cell["engines"].keys() <= ENGINES.keys()
    for name, figures in cell["engines"].items():
        assert figures["error"] < {FLOAT32: 1e-4, BFLOAT16: 0.1, INT8: 0.5}[dtype], name
    if dtype != BFLOAT16:  # of which ONNX Runtime has none
        assert cell["best_peer"] and cell["ratio"] > 0
