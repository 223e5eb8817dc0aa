"""Copying modules: structure is new, constants' data are shared."""

from __future__ import annotations

import attrs

from plait.ir.module import Function, Module
from plait.ir.values import Constant, Value


def clone_module(module: Module) -> Module:
    """A copy whose layers and values may be changed without touching the original."""
    copy = Module()
    copy.weights_file = module.weights_file
    mapping: dict[Value, Value] = {}
    for name, constant in module.constants.items():
        twin = Constant(name, type=constant.type, load=lambda c=constant: c.data)  # type: ignore[misc]
        mapping[constant] = copy.adopt(twin)
    for function in module.functions.values():
        copy.functions[function.name] = _clone_function(function, mapping)
    return copy


def _clone_function(function: Function, mapping: dict[Value, Value]) -> Function:
    arguments = [Value(a.name, a.type) for a in function.arguments]
    mapping.update(zip(function.arguments, arguments, strict=True))
    copy = Function(function.name, arguments)
    for layer in function.body:
        twin = layer.with_operands(mapping) if layer.operands else attrs.evolve(layer)
        copy.body.append(twin, [r.name for r in layer.results], [r.type for r in layer.results])
        mapping.update(zip(layer.results, twin.results, strict=True))
    copy.set_outputs([mapping[v] for v in function.outputs], function.output_names)
    return copy
