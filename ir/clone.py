"""Copying modules, functions and regions: structure is new, constants' data are shared."""

from __future__ import annotations

from collections.abc import Mapping

from plait.ir.module import Function, Module
from plait.ir.region import Region
from plait.ir.values import Value


def clone_module(module: Module) -> Module:
    """A copy whose layers and values may be changed without touching the original."""
    copy = Module()
    copy.weights_file = module.weights_file
    mapping: dict[Value, Value] = {}
    for constant in module.constants.values():
        mapping[constant] = copy.adopt(constant.twin())
    for function in module.functions.values():
        copy.functions[function.name] = clone_function(function, mapping)
    return copy


def clone_function(function: Function, mapping: Mapping[Value, Value] | None = None, name: str = "") -> Function:
    """A copy of a function under its own or another name, reading what `mapping` gives for constants."""
    copy = Function(name or function.name)
    fill_region(copy.body, function.body, dict(mapping or {}))
    copy.output_names = list(function.output_names)
    copy.comment, copy.span = function.comment, function.span
    return copy


def clone_region(region: Region, mapping: Mapping[Value, Value]) -> Region:
    """A copy of a region that reads what `mapping` gives for values defined outside."""
    copy = Region()
    fill_region(copy, region, dict(mapping))
    return copy


def fill_region(copy: Region, region: Region, mapping: dict[Value, Value]) -> None:
    """Give the empty region `copy` the arguments, layers and outputs of `region`; `mapping` learns the new values."""
    copy.arguments = [Value(a.name, a.type) for a in region.arguments]
    mapping.update(zip(region.arguments, copy.arguments, strict=True))
    for layer in region:
        twin = layer.with_operands(mapping)
        copy.append(twin, [r.name for r in layer.results], [r.type for r in layer.results])
        mapping.update(zip(layer.results, twin.results, strict=True))
    copy.outputs = [mapping.get(v, v) for v in region.outputs]
