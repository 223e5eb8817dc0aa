"""Which layers of a module with quantized values compute on integers, which stay on numbers, and why."""

from __future__ import annotations

from collections import Counter

import attrs

from plait.ir.diagnostics import Location
from plait.ir.layer import Layer
from plait.ir.layers.bits import Bitcast
from plait.ir.layers.elementwise import Adapt, Cast
from plait.ir.module import Module
from plait.ir.types import TensorType
from plait.ir.values import Constant, Value
from plait.passes.quantized.casts import quantized, source, target
from plait.passes.quantized.units import why_not_formed

SHOWN = 3
"""Reasons that a short summary lists."""


@attrs.frozen
class FloatUnit:
    """A layer on numbers between quantized values, and why it does not compute on integers."""

    layer: str
    reason: str
    locations: tuple[Location, ...] = ()

    def __str__(self) -> str:
        place = f" of node {self.locations[-1].name}" if self.locations else ""
        return f"{self.layer}{place}: {self.reason}"


@attrs.frozen
class QuantizationReport:
    """What computes on integers, by kind of layer, and what stays on numbers."""

    integer: Counter[str]
    floats: tuple[FloatUnit, ...]

    def text(self, verbose: bool = False) -> str:
        """Lines for people; with `verbose` every layer that stays on numbers, else the most frequent reasons."""
        kinds = ", ".join(f"{n} {kind}" for kind, n in self.integer.most_common())
        lines = [f"  {self.integer.total()} layers compute on integers{f': {kinds}' if kinds else ''}"]
        if self.floats:
            lines.append(f"  {len(self.floats)} between quantized values stay on numbers{'' if verbose else ':'}")
        if verbose:
            return "\n".join(lines + [f"    {unit}" for unit in self.floats])
        reasons = Counter(unit.reason for unit in self.floats).most_common()
        first = {unit.reason: unit for unit in reversed(self.floats)}
        lines += [
            f"    {n} such as {first[reason]}" if n > 1 else f"    {first[reason]}" for reason, n in reasons[:SHOWN]
        ]
        if len(reasons) > SHOWN:
            lines.append(f"    and {sum(n for _, n in reasons[SHOWN:])} for other reasons (--verbose lists all)")
        return "\n".join(lines)


def quantization_report(module: Module) -> QuantizationReport | None:
    """The report of a module after form-integer-layers; None if nothing in it is quantized."""
    layers = [layer for layer in module.walk() if not isinstance(layer, (Cast, Adapt, Bitcast))]
    if not any(_is_quantized(v) for layer in module.walk() for v in (*layer.operands, *layer.results)):
        return None
    integer = Counter(layer.op for layer in layers if any(_is_quantized(r) for r in layer.results))
    return QuantizationReport(integer, tuple(filter(None, map(_float_unit, layers))))


def _is_quantized(value: Value) -> bool:
    return quantized(value) is not None


def _float_unit(layer: Layer) -> FloatUnit | None:
    """A layer that yields numbers though it reads those of integers, or its result is quantized."""
    if any(_is_quantized(r) or not isinstance(r.type, TensorType) for r in layer.results):
        return None
    reads = [found for v in layer.operands if (found := source(v)) is not None and not isinstance(found, Constant)]
    casts = [user for r in layer.results for user in r.users if isinstance(user, Cast) and target(user) is not None]
    if not reads and not casts and not any(_is_quantized(v) for v in layer.operands):
        return None
    reason = why_not_formed(casts[0]) if casts else "its result is not quantized"
    return FloatUnit(layer.describe(), reason, layer.locations)
