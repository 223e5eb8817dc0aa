"""Parts of networks as modules of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plait.ir.layer import Layer
from plait.ir.module import Function, Module
from plait.ir.values import Constant, Value


def extract(module: Module, layers: Sequence[Layer], reads: Mapping[str, Value], gives: Mapping[str, Value]) -> Module:
    """A module of copies of some layers of `main`, in order; constants' data are shared.

    Args:
        reads: what they read besides constants and each other's results, by the names of the arguments.
        gives: what the module yields, by name.
    """
    part = Module()
    arguments = [Value(name, v.type) for name, v in reads.items()]
    mapping: dict[Value, Value] = dict(zip(reads.values(), arguments, strict=True))
    function = Function("main", arguments)
    part.functions["main"] = function
    for value in (*reads.values(), *(v for layer in layers for v in (*layer.operands, *layer.results))):
        if isinstance(value, Constant) and value not in mapping:
            mapping[value] = part.adopt(value.twin())
    for value in (*mapping, *(r for layer in layers for r in layer.results)):
        for name in value.type.constant_names():
            if name not in part.constants:
                part.adopt(module.constants[name].twin())
    for layer in layers:
        copy = layer.with_operands(mapping)
        function.body.append(copy, [r.name for r in layer.results], [r.type for r in layer.results])
        mapping.update(zip(layer.results, copy.results, strict=True))
    function.set_outputs([mapping[v] for v in gives.values()], list(gives))
    return part
