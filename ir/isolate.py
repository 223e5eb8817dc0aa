"""One layer on its own: as a module that can be sent, run and measured, and as a signature that equal layers share."""

from __future__ import annotations

from plait.ir.attributes import attribute_text
from plait.ir.layer import Layer
from plait.ir.module import Function, Module
from plait.ir.text.printer import constant_type, layer_text
from plait.ir.types import TensorType, Type
from plait.ir.values import Constant, Value


def signature(layer: Layer) -> str:
    """Canonical text of a layer without names: kind, operand types, attributes, result types; of one with regions, all
    of its text.

    Layouts are left out, since routines choose them; except for `adapt`, which is about nothing else. Constants are
    marked `@`.
    """
    if layer.regions():
        (copy,) = isolate(layer).main
        copy.via = copy.cost_us = None
        return layer_text(copy, locations=False)
    # An operand read twice is told apart from two operands of one type: its routine may run in place or share loads.
    seen: dict[Value, int] = {}
    operands = []
    for name, value in layer.named_operands():
        mark = f"={seen[value]}" if value in seen else ""
        seen.setdefault(value, len(seen))
        kind = "@" if isinstance(value, Constant) else ""
        operands.append(f"{name} {kind}{_type(layer, value.type)}{mark}")
    attributes = ", ".join(f"{k} = {attribute_text(v)}" for k, v in layer.attributes().items())
    results = ", ".join(_type(layer, r.type) for r in layer.results)
    return f"{layer.op}({', '.join(operands)}){f' {{{attributes}}}' if attributes else ''} : {results}"


def isolate(layer: Layer) -> Module:
    """A module whose only layer is a copy of `layer`; what it reads becomes arguments, constants stay constants (data
    shared). What it refers to by name alone (callees, scales of quantized types) is not in it."""
    module = Module()
    mapping: dict[Value, Value] = {}
    arguments: list[Value] = []
    for value in layer.reads():
        if isinstance(value, Constant):
            mapping[value] = module.adopt(value.twin(module.free_name(f"c{len(module.constants)}")))
        else:
            arguments.append(Value(f"x{len(arguments)}", value.type))
            mapping[value] = arguments[-1]
    function = Function("main", arguments)
    copy = layer.with_operands(mapping)
    function.body.append(copy, [f"y{i}" for i in range(len(layer.results))], [r.type for r in layer.results])
    function.set_outputs(copy.results)
    module.functions["main"] = function
    return module


def _type(layer: Layer, type: Type) -> str:
    return constant_type(type) if isinstance(type, TensorType) and layer.op != "adapt" else str(type)
