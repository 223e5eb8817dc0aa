"""The joint choice of precisions and routines: the optimum, budgets, and modules that take what was predicted."""

from __future__ import annotations

import functools
import itertools
import math

import pytest
from small_networks import FORK, GATED, costs, losses_of, network, samples_for

from plait.tuning import tune
from plait.tuning.precision.choice import Joint
from plait.tuning.precision.joint import JointEntries
from plait.tuning.precision.materialize import materialize
from plait.tuning.precision.twins import Twins, twins
from plait.tuning.quantize import QuantizeOptions

NETWORKS = {"fork": FORK, "gated": GATED}


@functools.cache
def twins_of(name: str, precisions: tuple[str, ...] = ("qint8",)) -> Twins:
    module = network(NETWORKS[name])
    return twins(module, samples_for(module), QuantizeOptions(method="minmax"), precisions)


def joint_of(found: Twins, seed: int, threads: int = 1) -> Joint:
    entries = JointEntries(found, threads=threads)
    return Joint(entries, costs(seed).measure(entries.jobs()), losses_of(found, seed))


def predicted(found: Twins, chosen: dict[str, str], seed: int, threads: int = 1) -> float:
    return tune(materialize(found.prepared, chosen), costs(seed), threads=threads).report.predicted_us


@functools.cache
def all_plans(name: str, seed: int) -> list[tuple[float, float]]:
    """(loss, time) of every set of layers with 8 bits."""
    found = twins_of(name)
    layers = [n for n, twins in found.by_layer.items() if "qint8" in twins]
    losses = losses_of(found, seed)
    plans = []
    for bits in itertools.product((False, True), repeat=len(layers)):
        chosen = {n: "qint8" for n, bit in zip(layers, bits, strict=True) if bit}
        plans.append((math.fsum(losses[n]["qint8"] for n in chosen), predicted(found, chosen, seed)))
    return plans


@pytest.mark.parametrize(("name", "seed"), [("fork", 13), ("gated", 5), ("gated", 12)])
def test_the_optimum_is_that_of_all_sets_of_layers(name: str, seed: int) -> None:
    pytest.importorskip("scipy")
    joint = joint_of(twins_of(name), seed)
    plans = all_plans(name, seed)
    most = max(loss for loss, _ in plans)
    assert joint.most == pytest.approx(most)
    for budget in (0.0, 0.2 * most, 0.5 * most, 0.8 * most, math.inf):
        choice = joint.solve(budget)
        best = min(time for loss, time in plans if loss <= budget)
        assert choice.predicted_us == pytest.approx(best, rel=1e-9)
        assert choice.loss <= budget and choice.solution.status == "optimal"


def test_no_budget_gives_floats() -> None:
    found = twins_of("gated")
    choice = joint_of(found, 3).solve(0.0)
    assert not choice.precisions and choice.loss == 0
    assert choice.predicted_us == tune(found.module, costs(3)).report.predicted_us


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("precisions", [("qint8",), ("qint8", "bfloat16")])
def test_modules_take_what_was_predicted(precisions: tuple[str, ...], threads: int) -> None:
    found = twins_of("gated", precisions)
    chosen = set[str]()
    for seed in (5, 8, 12):
        joint = joint_of(found, seed, threads)
        for budget in (0.4 * joint.most, math.inf):
            choice = joint.solve(budget)
            chosen.update(choice.precisions.values())
            time = predicted(found, dict(choice.precisions), seed, threads)
            assert time == pytest.approx(choice.predicted_us, rel=1e-9)
    assert precisions[-1] in chosen


def test_layers_without_a_finite_loss_stay_in_floats() -> None:
    found = twins_of("fork")
    entries = JointEntries(found)
    results = costs(13).measure(entries.jobs())
    assert len(Joint(entries, results, losses_of(found, 1)).solve().precisions) == 5
    losses = {name: {"qint8": math.inf} for name in found.by_layer} | {"b": {"qint8": 0.0}}
    assert set(Joint(entries, results, losses).solve().precisions) <= {"b"}
    assert not Joint(entries, results, {}).solve().precisions
