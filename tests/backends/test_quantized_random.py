"""Routines on bytes are exact to the bit: random quantized layers, and those with the largest sums, on every ISA level,
with every variant, on one and two threads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_layers.checking import Tally, case_of, check, check_corners, sample
from random_layers.corners import MOST_PRODUCTS
from random_layers.draw import Drawn, Recipe
from routine_cases.case import Case

from plait import kernels_pyx as kernels
from plait.backends.routine import applicable, known_routines
from plait.ir.dtypes import DType, Quantized

HERE = Path(__file__).parent
QUICK = 160
LAYERS = 10_000
HOURS = 3
"""For what takes a few minutes of one core: machines on which tests run have other work too."""
LEVELS = kernels.available_isas()
FIXED_POINT = (
    "conv2d cpu/q8/nchw/naive",
    "conv2d cpu/q8/nchw16c/direct",
    "conv2d cpu/q8/nchw16c/depthwise",
    "conv2d cpu/q8/nchw16c/stem_nchw",
    "conv2d cpu/q8/nchw16c/stem_nhwc",
    "fully_connected cpu/q8/row/naive",
    "fully_connected cpu/q8/row/gemv",
    "fully_connected cpu/q8/row/gemm",
    "conv2d cpu/q8/nhwc/gemm",
    "conv2d cpu/q8/nhwc/indirect",
    "conv2d cpu/q8/nhwc/depthwise",
    "matmul cpu/q8/row/gemm",
    "matmul cpu/q8/row/gemm_computed",
    "add cpu/q8/nchw/vector",
    "sub cpu/q8/nchw16c/channel",
    "mul cpu/q8/nchw16c/vector",
    "avg_pool2d cpu/q8/nchw16c/window",
    "avg_pool2d cpu/q8/nhwc/window",
    "reduce cpu/q8/nchw/vector",
    "global_avg_pool cpu/q8/nchw16c/mean",
)


def on_level(isa: str, count: int, *more: str) -> dict[str, Any]:
    """What a process that is capped at an ISA level has to say of so many layers."""
    done = subprocess.run(
        [sys.executable, "-m", "random_layers", str(count), *more],
        cwd=HERE,
        env={**os.environ, "PLAIT_MAX_ISA": isa},
        capture_output=True,
        text=True,
        timeout=3600 * HOURS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    assert answer["isa"] == isa
    return answer


def agree(failures: list[str], isa: str) -> None:
    assert not failures, f"{len(failures)} failures (ISA {isa}):\n" + "\n".join(failures[:20])


def test_a_sample() -> None:
    tally = check([*sample(QUICK), *(("adapt", seed) for seed in range(24))])
    agree(tally.failures, kernels.isa_level())
    paths = {str(r.path) for r in known_routines() if r.path.dtype == "q8"}
    assert {key.split()[1] for key in tally.runs} >= paths, "routines that no layer was drawn for"


@pytest.mark.parametrize("isa", [level for level in LEVELS if level != kernels.isa_level()])
def test_a_sample_on_lower_isa_levels(isa: str) -> None:
    agree(on_level(isa, QUICK // 4)["failures"], isa)


@pytest.mark.slow
@pytest.mark.parametrize("isa", LEVELS)
def test_ten_thousand_layers(isa: str) -> None:
    answer = on_level(isa, LAYERS, "corners")
    agree(answer["failures"], isa)
    known = {f"{r.layer} {r.path}" for r in known_routines() if r.path.dtype == "q8"}
    assert answer["runs"].keys() >= known, "routines that no layer was drawn for"
    assert min(answer["runs"].values()) >= 5
    assert sum(answer["untaken"].values()) < LAYERS // 50, "layers that no routine takes"
    assert not answer["untaken"]["corners"]
    assert min(answer["fixed_point"][key] for key in FIXED_POINT) >= 20


def test_the_largest_sums() -> None:
    tally = Tally()
    check_corners(tally, every=9)
    agree(tally.failures, kernels.isa_level())
    assert tally.layers["corners"] > 50
    assert not tally.untaken["corners"]


def _sums(products: int, bias: int, zero: int | tuple[int, ...] = 0) -> Case:
    """A fully connected layer."""
    shared: dict[str, Any] = {"constant": True, "weight": True}
    w = Drawn(Quantized(DType.I8, 1.0, zero), np.ones((2, products), np.int8), **shared)
    b = Drawn(Quantized(DType.I32, 1.0, 0), np.full(2, bias, np.int32), **shared)
    x = Drawn(Quantized(DType.U8, 1.0, 3), np.zeros((1, products), np.uint8))
    return case_of("sums", Recipe("fully_connected", (x, w, b), {}))


@pytest.mark.parametrize(
    ("products", "bias", "zero", "reason"),
    [
        (MOST_PRODUCTS, 127, 0, ""),
        (MOST_PRODUCTS, 128, 0, "the sum with the bias"),
        (MOST_PRODUCTS, -128, 0, "the sum with the bias"),
        (MOST_PRODUCTS + 1, 0, 0, f"the sum of {MOST_PRODUCTS + 1} products"),
        (33_000, 0, 0, ""),
        (33_000, 2_000_000_000, 0, "the sum with the bias"),
        (33_026, 0, 7, "the sum of 33026 products"),
        (33_025, 0, 7, ""),
    ],
)
def test_sums_that_might_overflow_are_refused(products: int, bias: int, zero: int, reason: str) -> None:
    """Zero points of weights make factors of up to 255."""
    layer = _sums(products, bias, zero).layer
    reasons = [refusal or "" for routine, refusal in applicable(layer) if routine.path.dtype == "q8"]
    assert ("" in reasons) == (not reason)
    assert any(reason in found for found in reasons)


def test_pools_of_too_many_bytes_are_refused() -> None:
    x = Drawn(Quantized(DType.U8, 1.0, 3), np.zeros((1, 1, 2902, 2902), np.uint8))
    case = case_of("pool", Recipe("global_avg_pool", (x,), {}))
    refused = {str(r.path): reason for r, reason in applicable(case.layer)}
    assert "an int32 may not hold" in (refused["cpu/q8/nchw16c/mean"] or "")
