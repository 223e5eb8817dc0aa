"""Patterns of routines where layers have several precisions."""

from __future__ import annotations

import re

import pytest
from small_networks import FORK, costs, losses_of, network, samples_for

from plait.backends.errors import DescriptorError
from plait.tuning.precision.plans import Planner
from plait.tuning.precision.twins import Twins, twins
from plait.tuning.quantize import QuantizeOptions

PRECISIONS = ("qint8", "bfloat16")


@pytest.fixture(scope="module")
def found() -> Twins:
    module = network(FORK)
    return twins(module, samples_for(module), QuantizeOptions(method="minmax"), PRECISIONS)


def planner_of(found: Twins, *routines: str) -> Planner:
    return Planner(found, losses_of(found, 13), lambda module: 0.0, costs(13), routines=routines)


def test_a_layer_has_no_precision_without_such_routines(found: Twins) -> None:
    free = planner_of(found)
    assert {free.joint.solve().precisions.get(n) for n in "ab"} <= {*PRECISIONS} | {None}
    assert {"a", "b"} <= {*free.pure("qint8").precisions}
    planner = planner_of(found, "cpu/f32@a", "cpu:float32@1")
    for plan in (planner.plan(planner.joint.solve()), *map(planner.pure, PRECISIONS)):
        assert not {"a", "b"} & {*plan.precisions} and plan.precisions
        floats = [layer for layer in plan.tuned.module.main if layer.results[0].name in ("a", "b")]
        assert len(floats) == 2 and all((layer.via or "").startswith("cpu/f32") for layer in floats)


def test_patterns_hold_in_every_precision(found: Twins) -> None:
    planner = planner_of(found, "*/naive*@a,b")
    for precision in ("float32", "qint8"):
        plan = planner.pure(precision)
        routines = [layer.via or "" for layer in plan.tuned.module.main if layer.op == "conv2d"]
        assert len(routines) == 2 and all(re.search("/[a-z_]*naive", via) for via in routines), routines
    assert planner.pure("qint8").precisions.keys() >= {"a", "b"}
    assert planner.joint.solve().predicted_us >= planner_of(found).joint.solve().predicted_us


def test_what_floats_cannot_is_refused(found: Twins) -> None:
    for pattern in ("cpu/q8@a", "cpu/f32/nchw/nothing@1", "*/direct@9"):
        with pytest.raises(DescriptorError, match="P404"):
            planner_of(found, pattern)
