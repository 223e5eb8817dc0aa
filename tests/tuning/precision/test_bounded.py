"""Plans under a bound on the loss that is measured: repaired until it holds, and never slower than one precision."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable

import pytest
from small_networks import FORK, GATED, costs, losses_of, network, samples_for

from plait.backends.program import Program
from plait.ir.dtypes import Quantized
from plait.ir.module import Module
from plait.ir.values import Constant
from plait.tuning.precision.bounded import repaired, tune_bounded, tune_front
from plait.tuning.precision.evaluate import measure_loss
from plait.tuning.precision.materialize import materialize
from plait.tuning.precision.metrics import METRICS
from plait.tuning.precision.plans import Planner
from plait.tuning.precision.twins import Twins, twins
from plait.tuning.quantize import QuantizeOptions
from plait.tuning.untuned import untuned_module

NETWORKS = {"fork": FORK, "gated": GATED}


@functools.cache
def twins_of(name: str) -> Twins:
    module = network(NETWORKS[name])
    return twins(module, samples_for(module), QuantizeOptions(method="minmax"))


def integer_layers(module: Module) -> int:
    return sum(
        isinstance(layer.results[0].type.dtype, Quantized)
        for layer in module.main
        if layer.op not in ("cast", "adapt") and not isinstance(layer.results[0], Constant)
    )


def planner_of(name: str, seed: int, loss: Callable[[Module], float] = integer_layers) -> Planner:
    found = twins_of(name)
    return Planner(found, losses_of(found, seed), loss, costs(seed))


@pytest.mark.parametrize(("name", "seed"), [("fork", 13), ("gated", 5), ("gated", 12)])
def test_bounds_hold_and_no_pure_plan_is_faster(name: str, seed: int) -> None:
    planner = planner_of(name, seed)
    times = []
    for bound in (0, 2, math.inf):
        found = tune_bounded(planner, ("qint8",), bound)
        assert found.plan.loss <= bound and integer_layers(found.plan.tuned.module) == found.plan.loss
        assert all(found.plan.time_us <= p.time_us for p in found.finalists)
        assert {p.kind for p in (*found.finalists, *found.outside)} >= {"float32", "qint8"}
        assert all(p.loss > bound for p in found.outside)
        assert json.loads(json.dumps(found.to_json()))["plan"]["loss"] == found.plan.loss
        Program(found.plan.tuned.module)
        times.append(found.plan.tuned.report.predicted_us)
    assert times == sorted(times, reverse=True)
    free = planner.joint.solve()
    assert times[-1] == pytest.approx(free.predicted_us)
    assert times[0] == pytest.approx(planner.joint.solve(0.0).predicted_us)


def test_a_bound_that_the_free_choice_keeps_takes_one_measurement() -> None:
    planner = planner_of("gated", 12)
    free = planner.joint.solve()
    assert repaired(planner, free, 1000.0).precisions == free.precisions
    assert len(planner.tried) == 1


def test_losses_that_do_not_add_up_are_repaired() -> None:
    """By a metric that sees nothing up to some layers, and everything beyond."""
    planner = planner_of("fork", 13, lambda module: 1.0 if integer_layers(module) > 2 else 0.0)
    free = planner.joint.solve()
    assert planner.plan(free).loss == 1
    found = repaired(planner, free, 0.5)
    assert found.loss == 0 and found.precisions
    assert found.predicted_us is not None and free.predicted_us <= found.predicted_us


def test_nothing_but_floats_keeps_a_bound_that_nothing_else_does() -> None:
    planner = planner_of("fork", 13, lambda module: math.inf if integer_layers(module) else 0.0)
    found = tune_bounded(planner, ("qint8",), 0.0)
    assert not found.plan.precisions and found.plan.loss == 0
    assert [p.kind for p in found.outside] == ["qint8"]


def test_the_loss_of_the_numbers_themselves() -> None:
    found = twins_of("fork")
    samples = samples_for(found.module, 4)

    def loss(module: Module) -> float:
        return measure_loss(module, found.module, samples, METRICS["sqnr"])

    alone = {n: loss(untuned_module(materialize(found.prepared, {n: "qint8"}))) for n in "abcdy"}
    planner = Planner(found, {n: {"qint8": lost} for n, lost in alone.items()}, loss, costs(13))
    free = planner.plan(planner.joint.solve())
    assert 0 < free.loss < 0.05
    bound = 0.7 * free.loss
    kept = tune_bounded(planner, ("qint8",), bound)
    assert 0 < kept.plan.loss <= bound
    assert loss(kept.plan.tuned.module) == kept.plan.loss


def test_the_front() -> None:
    planner = planner_of("fork", 13)
    front = tune_front(planner, 5)
    times = [p.plan.time_us for p in front]
    assert times == sorted(times) and len(front) >= 3
    kept = [p.plan for p in front if not p.dominated]
    assert [p.loss for p in kept] == sorted((p.loss for p in kept), reverse=True)
    assert kept[0] is front[0].plan and kept[-1].loss == 0
    for p in front:
        beaten = any(q.plan.time_us <= p.plan.time_us and q.plan.loss <= p.plan.loss and q is not p for q in front)
        assert p.dominated == beaten
    with pytest.raises(ValueError, match="at least 2"):
        tune_front(planner, 1)
