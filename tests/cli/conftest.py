"""Tiny models, and command lines run in this process with invented times, so that no test waits for measurements."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from plait.backends.profiling.job import Job, Result
from plait.backends.profiling.limits import Level, Limits
from plait.cli.main import main

TINY = """ir 1
const @w : f32[2x3x1x1] = [0.1, 0.2, -0.3, 0.4, -0.5, 0.6]
net @main(%image: f32[1x3x4x5] nchw) -> (%y: f32[1x2x4x5] nchw) {
  %c = conv2d(%image, @w) : f32[1x2x4x5] nchw
  %y = relu(%c) : f32[1x2x4x5] nchw
}
"""


LIMITS = Limits(
    1,
    "avx512",
    {"avx512": 200.0},
    (Level("DRAM", None, 100.0, 100.0, 100.0),),
    5.0,
    0.0,
    "",
    "2026-01-01T00:00:00+00:00",
)


@attrs.frozen
class Outcome:
    """What a command line gave."""

    code: int
    out: str
    err: str


Plait = Callable[..., Outcome]


def invented(self: object, job: Job, limit_ns: int | None, timeout_s: float) -> Result:
    """The same time for the same job, the reference far behind."""
    ns = 1000 + zlib.crc32(f"{job.signature} {job.routine}".encode()) % 1000
    return Result("ok", (ns * (1000 if "reference" in job.routine else 1),) * 10)


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own, with its own profile database, in which nothing is really measured."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PLAIT_PROFILE_DB", str(tmp_path / "profile.sqlite"))
    monkeypatch.setattr("plait.backends.profiling.worker_client.WorkerProcess.run", invented)
    monkeypatch.setattr("plait.tuning.api.known_limits", lambda database, threads: LIMITS)
    return folder


@pytest.fixture
def plait(capsys: pytest.CaptureFixture[str]) -> Plait:
    """Run a command line."""

    def run(*arguments: Any) -> Outcome:
        capsys.readouterr()
        code = main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def tiny(workplace: Path) -> Path:
    """A convolution and a relu as IR text."""
    path = workplace / "tiny.ir"
    path.write_text(TINY)
    return path


@pytest.fixture
def package(tiny: Path, plait: Plait) -> Path:
    """The tiny model, tuned."""
    outcome = plait("tune", tiny, "-o", "tiny.plait")
    assert outcome.code == 0, outcome.err
    return tiny.with_suffix(".plait")


@pytest.fixture
def symbolic_onnx(workplace: Path) -> Path:
    """An ONNX model with a symbolic batch and awkward names of outputs."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    x = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 4, 5])
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 2, 4, 5]) for name in ("../a:0", "..\\a/0")]
    numbers = np.array([0.1, 0.2, -0.3, 0.4, -0.5, 0.6], np.float32)
    weight = numpy_helper.from_array(numbers.reshape(2, 3, 1, 1), "w")
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["../a:0"], name="conv"),
        helper.make_node("Relu", ["../a:0"], ["..\\a/0"], name="act"),
    ]
    graph = helper.make_graph(nodes, "tiny", [x], outputs, [weight])
    path = workplace / "symbolic.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture
def listing(workplace: Path) -> Callable[[], dict[str, bytes]]:
    """The files of the workplace with their contents, to see that nothing half-written is left."""

    def take() -> dict[str, bytes]:
        return {str(p.relative_to(workplace)): p.read_bytes() for p in workplace.rglob("*") if p.is_file()}

    return take
