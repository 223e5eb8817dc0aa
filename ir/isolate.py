"""One layer on its own: as a module that can be sent, run and measured, and as a signature that equal layers share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from plait.ir.attributes import attribute_text
from plait.ir.dims import Dimension
from plait.ir.dtypes import ConstantName, DType, Quantized
from plait.ir.layer import Layer
from plait.ir.module import Function, Module
from plait.ir.text.printer import constant_type, layer_text
from plait.ir.types import TensorType, Type
from plait.ir.values import Constant, Value


def signature(layer: Layer) -> str:
    """Canonical text of a layer without names: kind, operand types, attributes, result types; of one with regions, all
    of its text.

    Layouts are left out, since routines choose them; except for `adapt`, which is about nothing else. Constants are
    marked `@`. Of quantized types there is no more than what routines and their speed depend on: `qu8<#0:*>` are those
    of the first scale in the layer, with a zero point.
    """
    if layer.regions():
        (copy,) = isolate(layer).main
        copy.via = copy.cost_us = None
        return layer_text(copy, locations=False)
    # An operand read twice is told apart from two operands of one type: its routine may run in place or share loads.
    seen: dict[Value, int] = {}
    scales = _Scales()
    operands = []
    for name, value in layer.named_operands():
        mark = f"={seen[value]}" if value in seen else ""
        seen.setdefault(value, len(seen))
        kind = "@" if isinstance(value, Constant) else ""
        operands.append(f"{name} {kind}{scales.type_text(layer, value.type)}{mark}")
    attributes = ", ".join(f"{k} = {scales.attribute_text(v)}" for k, v in _computing(layer).items())
    results = ", ".join(scales.type_text(layer, r.type) for r in layer.results)
    return f"{layer.op}({', '.join(operands)}){f' {{{attributes}}}' if attributes else ''} : {results}"


@attrs.define
class _Scales:
    """Quantized types by number, in the order in which a layer has them."""

    numbers: dict[tuple[object, ...], int] = attrs.field(factory=dict)

    def text(self, dtype: Quantized) -> str:
        """What routines depend on: the storage, which types are equal, whether there is a zero point, the axis."""
        number = self.numbers.setdefault((dtype.scale, dtype.zero), len(self.numbers))
        axis = "" if dtype.axis is None else f" axis {dtype.axis}"
        block = f" block {dtype.block}" if dtype.block else ""
        return f"{dtype.value.partition('<')[0]}<#{number}{':*' if dtype.zero != 0 else ''}{axis}{block}>"

    def type_text(self, layer: Layer, type: Type) -> str:
        plain = _type(layer, type)
        dtype = type.dtype if isinstance(type, TensorType) else None
        return plain.replace(str(dtype), self.text(dtype), 1) if isinstance(dtype, Quantized) else plain

    def attribute_text(self, value: object) -> str:
        return self.text(value) if isinstance(value, Quantized) else attribute_text(value)


def isolate(layer: Layer, constants: Mapping[str, Constant] | None = None) -> Module:
    """A module whose only layer is a copy of `layer`; what it reads becomes arguments, constants stay constants (data
    shared). Callees are not in it.

    Args:
        constants: those of the layer's module, from which scales and zero points are taken that types name; without
            them there are constants of their shape without data.
    """
    module = Module()
    types = [v.type for v in (*layer.reads(), *layer.results)]
    for name, type in {n: t for tensor in types for n, t in _named(tensor)}.items():
        module.adopt(Constant(name, type=type) if constants is None else constants[name].twin(name))
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


def _computing(layer: Layer) -> dict[str, Any]:
    """The attributes of a layer without remarks."""
    return {name: value for name, value in layer.attributes().items() if name not in layer.remarks}


def _named(type: Type) -> Iterator[tuple[str, TensorType]]:
    """Constants that a type names, with types that fit."""
    for tensor in type.tensors():
        dtype = tensor.dtype
        if not isinstance(dtype, Quantized):
            continue
        shape: tuple[Dimension, ...] = () if dtype.axis is None else (tensor.shape[dtype.axis],)
        if dtype.block:
            blocks = [-(-d // dtype.block) if i == dtype.axis else d for i, d in enumerate(tensor.static_shape)]
            shape = tuple(blocks)
        for parameter, element in ((dtype.scale, DType.F32), (dtype.zero, dtype.storage)):
            if isinstance(parameter, ConstantName):
                yield parameter.name, TensorType(element, shape)


def _type(layer: Layer, type: Type) -> str:
    return constant_type(type) if isinstance(type, TensorType) and layer.op != "adapt" else str(type)
