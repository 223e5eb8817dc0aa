"""Compute equal things once: equal layers with equal operands, and constants with equal elements.

a = f(x); b = f(x); g(a, b)   ->   a = f(x); g(a, a)
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Hashable

import attrs

from plait.ir.attributes import attribute_text
from plait.ir.layer import Layer, OpaqueLayer
from plait.ir.layers.elementwise import Add, Maximum, Minimum, Mul
from plait.ir.module import Module
from plait.ir.region import Region
from plait.ir.types import TensorType
from plait.ir.values import Constant, Value
from plait.passes.base import Pass, PassContext
from plait.passes.registry import register_pass
from plait.passes.support.constants import constant_data, equal_content, sample
from plait.passes.support.splice import replace_by_equal

_COMMUTE = (Add, Mul, Minimum, Maximum)


@register_pass
@attrs.frozen
class Cse(Pass):
    """Merge equal layers, and constants of equal type and elements. The first one stays, with the locations of all."""

    name = "cse"

    def run(self, module: Module, context: PassContext) -> bool:
        constants = merge_constants(module)
        layers = sum(merge_layers(f.body) for f in module.functions.values())
        context.count("constants", constants)
        context.count("layers", layers)
        return constants + layers > 0


def merge_constants(module: Module) -> int:
    """Make all readers of equal constants read the first of them; returns how many were removed."""
    known = _Distinct()
    removed = 0
    # What types name as scale or zero point has its meaning by its name.
    named = module.constants_in_types().union(*(c.type.constant_names() for c in module.constants.values()))
    for constant in list(module.constants.values()):
        kept = constant if constant.name in named else known.first_equal(constant)
        if kept is constant:
            continue
        for layer in list(constant.users):
            assert layer.region is not None
            layer.region.replace_uses(constant, kept)
        del module.constants[constant.name]
        removed += 1
    return removed


@attrs.define
class _Distinct:
    """Constants that differ from one another.

    Weights are large, and loading them takes time: those of a type of their own are not looked at, and most of the
    others are told apart by a few of their elements.
    """

    alone: dict[TensorType, Constant] = attrs.field(factory=dict)
    """The first of each type."""
    alike: dict[TensorType, dict[bytes, list[Constant]]] = attrs.field(factory=dict)
    """By samples, once there are several of a type."""

    def first_equal(self, constant: Constant) -> Constant:
        """The first constant of equal type and elements: this one if there was none, or if its data are not there."""
        if not constant.has_data or self.alone.setdefault(constant.type, constant) is constant:
            return constant
        samples = self.alike.setdefault(constant.type, {})
        if not samples and (data := constant_data(self.alone[constant.type])) is not None:
            samples[sample(data)] = [self.alone[constant.type]]
        if (data := constant_data(constant)) is None:
            return constant
        others = samples.setdefault(sample(data), [])
        kept = next((c for c in others if equal_content(c.data, data)), constant)
        if kept is constant:
            others.append(constant)
        return kept


def merge_layers(region: Region, around: ChainMap[Hashable, Layer] | None = None) -> int:
    """Replace later equal layers by the first; returns how many were removed.

    Args:
        around: layers of the regions around this one, by what they compute. They are computed before, so that they may
            stand for layers of this region, but what only a region computes is not there outside.
    """
    first: ChainMap[Hashable, Layer] = ChainMap() if around is None else around.new_child()
    removed = 0
    for layer in region:
        if layer.regions():
            removed += sum(merge_layers(inner, first) for inner in layer.regions())
            continue
        kept = layer if isinstance(layer, OpaqueLayer) else first.setdefault(_key(layer), layer)
        if kept is layer:
            continue
        replace_by_equal(layer, kept)
        removed += 1
    return removed


def _key(layer: Layer) -> Hashable:
    """Equal for layers that compute the same in the same way."""
    operands: list[Value | None] = list(layer.operand_slots())
    ids = [id(v) for v in operands]
    if isinstance(layer, _COMMUTE):
        ids.sort()
    attributes = tuple((k, attribute_text(v)) for k, v in layer.attributes().items())
    return (layer.op, tuple(ids), attributes, layer.via, tuple(r.type for r in layer.results))
