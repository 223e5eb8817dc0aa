"""Every routine against the NumPy reference of its layer, on every ISA level, on one and two threads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import routine_cases
from routine_cases.storage import format_of, from_storage, to_storage

from plait import kernels_pyx as kernels
from plait.backends.cpu.common import LAYOUTS
from plait.backends.routine import applicable, known_routines
from plait.ir.registry import known_layers
from plait.ir.types import DType, TensorType

HERE = Path(__file__).parent
MINUTES = 30
"""For what takes half a minute of one core: machines on which tests run have other work too."""


@pytest.mark.parametrize("kind", routine_cases.KINDS)
def test_routines_compute_what_the_layer_means(kind: str) -> None:
    failures = routine_cases.check(kind)
    assert not failures, f"{len(failures)} failures (ISA {kernels.isa_level()}):\n" + "\n".join(failures[:20])


@pytest.mark.parametrize("isa", kernels.isas_with("f32_fill")[:-1])
def test_routines_on_lower_isa_levels(isa: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "routine_cases"],
        cwd=HERE,
        env={**os.environ, "PLAIT_MAX_ISA": isa},
        capture_output=True,
        text=True,
        timeout=60 * MINUTES,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["isa"] == isa
    failures = [f for kind in routine_cases.KINDS for f in answer["failures"][kind]]
    assert not failures, f"{len(failures)} failures (ISA {isa}):\n" + "\n".join(failures[:20])


ONLY_EVALUATED = {
    kind for kind, spec in known_layers().items() if spec.cls.__module__.endswith((".control", ".sequence"))
}
"""Layers that no program runs: their routines refuse (tests/ir/test_sequence.py)."""


def test_every_kind_of_layer_has_cases() -> None:
    assert set(routine_cases.KINDS) == set(known_layers()) - ONLY_EVALUATED


def test_every_routine_is_exercised() -> None:
    exercised = {
        (kind, str(routine.path))
        for kind in routine_cases.KINDS
        for case in routine_cases.cases(kind)
        for routine, reason in applicable(case.layer)
        if reason is None
    }
    assert {(r.layer, str(r.path)) for r in known_routines() if r.layer not in ONLY_EVALUATED} == exercised


def test_refusals_are_sentences() -> None:
    reasons = [
        reason
        for kind in routine_cases.KINDS
        for case in routine_cases.cases(kind)
        for _, reason in applicable(case.layer)
    ]
    assert None in reasons
    assert all(reason is None or len(reason.split()) >= 3 for reason in reasons)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_storage_of_the_cases_themselves(layout: str) -> None:
    """The conversion that all tests here rest on, element by element."""
    type = TensorType(DType.F32, (2, 17, 3, 5)).with_format(format_of(layout))
    data = np.arange(2 * 17 * 3 * 5, dtype=np.float32).reshape(2, 17, 3, 5)
    stored = to_storage(data, type)
    block = int(layout[4:-1] or 1)
    assert stored.shape == type.storage_shape
    for n, c, h, w in ((0, 0, 0, 0), (1, 16, 2, 4), (0, 15, 1, 3), (1, 3, 0, 2)):
        at = {"nchw": (n, c, h, w), "nhwc": (n, h, w, c)}.get(layout) or (n, c // block, h, w, c % block)
        assert stored[at] == data[n, c, h, w]
    assert np.isnan(stored).sum() == 2 * 15 * (-17 % block)
    np.testing.assert_array_equal(from_storage(stored, type), data)
