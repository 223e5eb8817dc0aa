"""Compute equal things once: equal layers with equal operands, and constants with equal elements.

a = f(x); b = f(x); g(a, b)   ->   a = f(x); g(a, a)
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable

import attrs
import numpy as np

from plait.ir.attributes import attribute_text
from plait.ir.layer import Layer, OpaqueLayer
from plait.ir.layers.elementwise import Add, Maximum, Minimum, Mul
from plait.ir.module import Function, Module
from plait.ir.values import Constant, Value
from plait.passes.affine import constant_data
from plait.passes.base import Pass, PassContext
from plait.passes.registry import register_pass

_COMMUTE = (Add, Mul, Minimum, Maximum)


@register_pass
@attrs.frozen
class Cse(Pass):
    """Merge equal layers, and constants of equal type and elements. The first one stays, with the locations of all."""

    name = "cse"

    def run(self, module: Module, context: PassContext) -> bool:
        constants = merge_constants(module)
        layers = sum(merge_layers(f) for f in module.functions.values())
        context.count("constants", constants)
        context.count("layers", layers)
        return constants + layers > 0


def merge_constants(module: Module) -> int:
    """Make all readers of equal constants read the first of them; returns how many were removed."""
    first: dict[Hashable, Constant] = {}
    removed = 0
    for constant in list(module.constants.values()):
        data = constant_data(constant)
        if data is None:
            continue
        digest = hashlib.blake2b(np.ascontiguousarray(data).data, digest_size=20).digest()
        kept = first.setdefault((constant.type, digest), constant)
        if kept is constant:
            continue
        for layer in list(constant.users):
            assert layer.region is not None
            layer.region.replace_uses(constant, kept)
        del module.constants[constant.name]
        removed += 1
    return removed


def merge_layers(function: Function) -> int:
    """Replace later equal layers by the first; returns how many were removed."""
    first: dict[Hashable, Layer] = {}
    removed = 0
    for layer in function.body:
        kept = layer if isinstance(layer, OpaqueLayer) else first.setdefault(_key(layer), layer)
        if kept is layer:
            continue
        for old, new in zip(layer.results, kept.results, strict=True):
            function.body.replace_uses(old, new)
        kept.locations = tuple(dict.fromkeys((*kept.locations, *layer.locations)))
        function.body.remove(layer)
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
