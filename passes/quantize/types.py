"""From observed ranges to the types of values: one for each group of values that share it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from plait.ir.diagnostics import Diagnostic, PlaitError
from plait.ir.dtypes import Array, Quantized
from plait.ir.layer import Layer
from plait.ir.layers.activations import ActivationLayer
from plait.ir.layers.elementwise import Unary
from plait.ir.values import Constant, Value
from plait.passes.quantize.plan import Plan
from plait.passes.quantize.ranges import LEVELS, Range, range_of_array, unsigned_type

_SAMPLES = 4096
"""Points at which a function is looked at."""
_FLAT = 0.25
"""How far, in steps of its result, a function may be from constant to count as flat."""


class QuantizationError(PlaitError):
    """A network cannot be quantized with what is known of its values (P520)."""


def choose_types(plan: Plan, ranges: Mapping[Value, Range]) -> dict[Value, Quantized]:
    """The type of each value that will have 8 bits.

    Args:
        ranges: of the values that are sources of their groups, constants aside.

    Raises:
        QuantizationError: P520, numbers that were observed are not finite.
    """
    found: dict[Value, Range] = {}
    groups = plan.groups()
    for leader, group in groups.items():
        for value in plan.sources(group):
            own = range_of_array(value.data) if isinstance(value, Constant) else ranges[value]
            if not own.is_finite:
                raise QuantizationError(Diagnostic("P520", f"%{value.name} holds numbers that are not finite"))
            found[leader] = found.get(leader, own).hull(own)
    for leader, group in groups.items():
        table = _only_table(plan, group)
        if table is not None:
            found[leader] = without_flat_ends(table, found[leader], found[plan.leader(table.result)])
    types = {leader: unsigned_type(range) for leader, range in found.items()}
    return {value: types[leader] for leader, group in groups.items() for value in group}


def _only_table(plan: Plan, group: list[Value]) -> Layer | None:
    """The layer that alone reads the only value of a group, if it becomes a table."""
    (value, *others) = group
    users = list(value.users)
    if others or len(users) != 1 or users[0] not in plan.integer:
        return None
    return users[0] if isinstance(users[0], (ActivationLayer, Unary)) else None


def without_flat_ends(table: Layer, x: Range, y: Range) -> Range:
    """The part of a range beyond which a function of one number does not change by what its result can tell.

    hard_swish is 0 below -3, sigmoid about 1 above 7: numbers there may be cut off, and the steps between become finer.
    """
    points = np.linspace(x.low, x.high, _SAMPLES)
    with np.errstate(all="ignore"):
        values = np.asarray(table.reference(points), np.float64)
    if x.width == 0 or y.width == 0 or not np.isfinite(values).all():
        return x
    tolerance = _FLAT * y.width / LEVELS
    first = _flat_until(values, tolerance)
    last = len(points) - 1 - _flat_until(values[::-1], tolerance)
    return x if first >= last else Range(points[first], points[last])


def _flat_until(values: Array, tolerance: float) -> int:
    """The last place from which all values before it are within a tolerance of the value there."""
    apart = np.maximum(np.maximum.accumulate(values) - values, values - np.minimum.accumulate(values)) > tolerance
    return int(np.argmax(apart)) - 1 if apart.any() else len(values) - 1
