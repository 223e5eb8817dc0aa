"""What is registered, what is in a package, what is in the database."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def test_profile_ls(plait: Plait, package: Path, tmp_path: Path) -> None:
    found = json.loads(plait("profile", "ls", "--json").out)
    assert found["measurements"] > 0 and found["file"] == str(tmp_path / "profile.sqlite")
    assert "not there yet" in plait("profile", "ls", "--db", "none.sqlite").out
    assert not Path("none.sqlite").exists()
