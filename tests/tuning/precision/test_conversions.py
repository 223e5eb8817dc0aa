"""Conversions between precisions: what casts cost, and that rounded copies never become floats again."""

from __future__ import annotations

import math

import pytest
from small_networks import network, samples_for

from plait.backends.null import FixedCosts
from plait.ir.dtypes import DType, Quantized
from plait.ir.layout import Format
from plait.ir.types import TensorType
from plait.tuning import tune
from plait.tuning.precision.choice import Joint
from plait.tuning.precision.conversions import Conversions, as_made, as_wanted, as_widened
from plait.tuning.precision.joint import JointEntries
from plait.tuning.precision.materialize import materialize
from plait.tuning.precision.twins import twins
from plait.tuning.quantize import QuantizeOptions

TYPE = TensorType(DType.F32, (1, 32, 4, 4))
BYTES = Quantized(DType.U8, 0.0235, 3)
READERS = """ir 1
net @main(%x: f32[1x16x6x6]) -> (%b: f32[1x16x6x6], %c: f32[1x16x6x6]) {
  %a = conv2d(%x, @w)
  %b = conv2d(%a, @v)
  %c = add(%a, %x)
}"""
COSTS = {"cast cpu:nchw": 3.0, "cast cpu:nchw16c": 2.0, "cast *reference": None, "adapt *": 7.0}


def test_ways_between_floats_and_bytes() -> None:
    entries = Conversions(1, "streamed")
    plain, blocked = Format("f32", "nchw"), Format("f32", "nchw16c")
    entries.add(TYPE, BYTES, [plain, blocked])
    priced = entries.priced(FixedCosts(COSTS).measure(entries.jobs()))

    def cost(source: Format, target: Format) -> float | None:
        found = priced.between(TYPE, source, target)
        return None if found is None else found.cost_us

    made, copy = as_made(plain, BYTES), as_wanted(plain, BYTES)
    assert cost(plain, copy) == 3.0
    assert cost(plain, as_wanted(blocked, BYTES)) == 2.0  # together with the change of layout
    assert cost(made, as_widened(plain)) == 3.0
    assert cost(as_widened(plain), copy) == 3.0
    assert cost(as_widened(plain), as_widened(blocked)) == 7.0
    assert cost(made, copy) == cost(as_widened(plain), plain) == 0.0
    assert cost(made, as_made(blocked, BYTES)) == cost(copy, as_wanted(blocked, BYTES)) == 7.0
    # Rounded numbers do not become floats again, and layers that give floats give no bytes.
    assert (
        cost(copy, plain) is None and cost(copy, as_widened(plain)) is None and cost(plain, as_widened(plain)) is None
    )
    assert cost(copy, made) is None and cost(plain, made) is None
    other = as_wanted(plain, DType.BF16)
    entries.add(TYPE, DType.BF16, [plain])
    assert priced.between(TYPE, made, other) is None


def test_types_that_differ_in_scale_alone_are_one() -> None:
    entries = Conversions(1, "streamed")
    for scale in (0.5, 0.25):
        entries.add(TYPE, Quantized(DType.U8, scale, 3), [Format("f32", "nchw")])
    assert len(entries.casts) == 2
    entries.add(TYPE, Quantized(DType.U8, 0.5), [Format("f32", "nchw")])
    assert len(entries.casts) == 4


@pytest.mark.parametrize("budget", [0.0, math.inf])
def test_readers_in_floats_get_no_rounded_numbers(budget: float) -> None:
    """%a is made in floats and read by %b in bytes, and by %c in floats of another layout, which bytes would be the
    cheapest way to."""
    module = network(READERS)
    found = twins(module, samples_for(module), QuantizeOptions(method="minmax"))
    table = {
        "*": 50.0,
        "cpu/*/*/reference": 900.0,
        "add cpu:nchw": 10_000.0,
        "add cpu:nchw16c": 10_000.0,
        "add cpu:nhwc": 1.0,
        "conv2d cpu:nhwc": 10_000.0,
        "cpu/q8": 1.0,
        "adapt *": 500.0,
        "adapt cpu/q8": 1.0,
        "cast *": 1.0,
    }
    profiler = FixedCosts(table)
    entries = JointEntries(found)
    joint = Joint(entries, profiler.measure(entries.jobs()), {"b": {"qint8": 1.0}})
    choice = joint.solve(budget)
    assert set(choice.precisions) == ({"b"} if budget else set())
    tuned = tune(materialize(found.prepared, choice.precisions), profiler)
    assert tuned.report.predicted_us == pytest.approx(choice.predicted_us, rel=1e-9)
