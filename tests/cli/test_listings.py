"""What is registered, what is in a package, what is in the database."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Plait = Callable[..., Any]


def test_routines(plait: Plait) -> None:
    outcome = plait("routines", "--layer", "conv2d")
    assert outcome.code == 0
    assert "cpu/f32/nchw16c/direct" in outcome.out and "max_pool2d" not in outcome.out
    found = json.loads(plait("routines", "cpu/f32/nhwc", "--json").out)
    assert found["schema"] == "routines/1" and len(found["routines"]) > 5


def test_layers_and_passes(plait: Plait) -> None:
    assert "conv2d" in plait("layers").out
    assert json.loads(plait("layers", "--json").out)["schema"] == "layers/1"
    assert plait("layers", "conv2d").out.startswith("# conv2d\n\n2-D convolution")
    assert plait("layers", "--write", "pages").code == 0 and Path("pages/conv2d.md").exists()
    passes = json.loads(plait("passes", "--json").out)
    assert passes["schema"] == "passes/1" and "default" in passes["pipelines"]


def test_inspect(plait: Plait, package: Path) -> None:
    outcome = plait("inspect", package, "--verify")
    assert outcome.code == 0
    assert "(this machine)" in outcome.out and "weights.safetensors" in outcome.out and "input image" in outcome.out
    described = json.loads(plait("inspect", package, "--json").out)
    assert described["schema"] == "package/1"
    key = described["plans"][0]["key"]
    assert "runner-up" in plait("inspect", package, "--plan", key).out


def test_inspect_a_module(plait: Plait, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = plait("inspect", tiny)
    assert outcome.out.splitlines() == [
        f"{tiny}: 1 constant, 24 B",
        "",
        "net @main: 2 layers, 280 flops",
        "  input image: f32[1x3x4x5] nchw",
        "  output y: f32[1x2x4x5] nchw",
        "",
        "layer   count  flops",
        "conv2d      1    240",
        "relu        1     40",
    ]
    monkeypatch.setattr(sys, "stdin", io.StringIO(tiny.read_text()))
    assert plait("inspect", "-").out.splitlines()[1:] == outcome.out.splitlines()[1:]
    plait("opt", tiny, "--generic", "-o", "tiny.mlir", "-p", "")
    assert plait("inspect", "tiny.mlir").out.splitlines()[1:] == outcome.out.splitlines()[1:]
    plait("tune", tiny, "-o", "tuned.ir")
    assert "1 layer, 240 flops, tuned\n" in plait("inspect", "tuned.ir").out


def test_inspect_a_model_file(plait: Plait, symbolic_onnx: Path) -> None:
    outcome = plait("inspect", symbolic_onnx)
    assert "symbolic.onnx: unknown producer, opset 17, 1 constant, 24 B\n" in outcome.out
    assert "net @main: 2 layers, ? flops\n" in outcome.out and "  symbolic dimensions: N\n" in outcome.out
    found = json.loads(plait("inspect", symbolic_onnx, "--json").out)
    assert (found["schema"], found["opset"], found["constant_bytes"]) == ("module/1", 17, 24)
    (net,) = found["nets"]
    assert net["symbols"] == ["N"] and net["arguments"] == {"image": "f32[Nx3x4x5] nchw"} and net["flops"] is None
    assert net["kinds"] == [
        {"layer": "conv2d", "count": 1, "flops": None},
        {"layer": "relu", "count": 1, "flops": None},
    ]


def test_inspect_wants_a_package_for_plans(plait: Plait, tiny: Path) -> None:
    outcome = plait("inspect", tiny, "--verify")
    assert outcome.code == 2 and "are for packages" in outcome.err


def test_profile_ls(plait: Plait, package: Path, tmp_path: Path) -> None:
    found = json.loads(plait("profile", "ls", "--json").out)
    assert found["measurements"] > 0 and found["file"] == str(tmp_path / "profile.sqlite")
    assert "not there yet" in plait("profile", "ls", "--db", "none.sqlite").out
    assert not Path("none.sqlite").exists()
