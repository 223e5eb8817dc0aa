"""`plait quantize`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plait.ir.text.files import load_ir
from plait.ir.verify import verify

Plait = Callable[..., Any]


@pytest.fixture
def batch(workplace: Path) -> Path:
    path = workplace / "batch.npz"
    np.savez(path, image=np.random.default_rng(0).standard_normal((5, 3, 4, 5), dtype=np.float32))
    return path


def test_a_model_is_quantized(plait: Plait, tiny: Path, batch: Path, workplace: Path) -> None:
    outcome = plait("quantize", tiny, "--calibrate", batch, "--report")
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines()[0].split() == ["layer", "kind", "SQNR", "dB", "type", "in", "floats", "because"]
    assert "1 of 1 layers compute on integers: 1 conv2d" in outcome.err and "wrote tiny.q8.ir" in outcome.err
    module = load_ir(workplace / "tiny.q8.ir")
    verify(module)
    assert [layer.op for layer in module.main] == ["cast", "conv2d", "cast"]


def test_json(plait: Plait, tiny: Path, batch: Path) -> None:
    outcome = plait("quantize", tiny, "--calibrate", batch, "-o", "out.ir", "--json", "--method", "minmax")
    report = json.loads(outcome.out)
    assert (report["schema"], report["method"]) == ("quantization/1", "minmax")
    assert [row["op"] for row in report["layers"]] == ["conv2d"]


def test_random_samples_are_warned_of(plait: Plait, tiny: Path) -> None:
    outcome = plait("quantize", tiny, "--samples", "2", "-o", "out.ir")
    assert outcome.code == 0 and "warning: random samples are no calibration" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "give samples by --calibrate"),
        (("--samples", "2", "--calibrate", "batch.npz"), 2, "give samples by --calibrate"),
        (("--samples", "2", "--std", "1,0"), 2, "cannot be divided by 0"),
        (("--samples", "2", "--mean", "x"), 2, "'x' is not a number"),
        (("--samples", "2", "--keep-float", "gone"), 1, "error[P520]: no layer is called 'gone'"),
        (("--samples", "2", "--keep-float", "*"), 1, "error[P520]: no layer can be quantized"),
        (("--calibrate", "tiny.ir"), 1, "tiny.ir: error[P520]: cannot be read"),
        (("--calibrate", "."), 0, "wrote out.ir"),
    ],
)
def test_errors_leave_nothing_behind(
    plait: Plait, tiny: Path, batch: Path, workplace: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    outcome = plait("quantize", tiny, *arguments, "-o", "out.ir")
    assert outcome.code == code and message in outcome.err
    assert (workplace / "out.ir").exists() == (code == 0)


def test_samples_that_do_not_fit(plait: Plait, tiny: Path, workplace: Path) -> None:
    np.save(workplace / "wrong.npy", np.ones((2, 3, 4, 4), np.float32))
    outcome = plait("quantize", tiny, "--calibrate", "wrong.npy")
    assert outcome.code == 1 and "wrong.npy: error[P401]: input 'image' must have the shape" in outcome.err
