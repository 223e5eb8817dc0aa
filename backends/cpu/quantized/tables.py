"""Functions of one byte, numbers that are known aside: a table of 256 entries that the layer's own meaning fills."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.backends.cpu.common import LOW_LAYOUTS, cpu, flat_rows
from plait.backends.cpu.quantized.common import grid
from plait.backends.lowering import Lowering, Place
from plait.ir.dtypes import Quantized
from plait.ir.integer import Stored, Target
from plait.ir.layer import Layer
from plait.ir.layers.activations import ActivationLayer
from plait.ir.layers.bits import LookupTable
from plait.ir.layers.elementwise import Binary, Cast, Unary
from plait.ir.numbers import on_arrays
from plait.ir.quantization import Lookup, dequantize, quantize
from plait.ir.registry import known_layers
from plait.ir.values import Array, Constant, Value


def table_of(layer: Layer, lookup: Lookup) -> Array:
    """u8[256]: for each byte of the operand that of the result."""
    bytes_ = np.arange(256, dtype=np.uint8).view(_operand(layer).type.dtype.numpy)
    if isinstance(layer, LookupTable):
        assert isinstance(layer.table, Constant), "the routine should have refused"
        return layer.table.data
    operands = [v.data.reshape(()) if isinstance(v, Constant) else bytes_ for v in layer.operands]
    (result,) = on_arrays(layer, lookup)(*operands)
    return np.ascontiguousarray(result).view(np.uint8)


def requantize_table(x: Value, y: Value, lowering: Lowering) -> Place | None:
    """The table that changes the parameters of bytes from those of `x` to those of `y`; None if they are the same."""
    if x.type.dtype == y.type.dtype:
        return None
    bytes_ = np.arange(256, dtype=np.uint8).view(x.type.dtype.numpy)
    stored = Target(grid(y, lowering)).requantized(Stored(bytes_, grid(x, lowering)))
    return lowering.constant(stored.view(np.uint8))


def general_table(x: Value, y: Value, lowering: Lowering) -> Array:
    """u8[256]: for each byte of `x` the one of `y` nearest to its number, for layers that compute on numbers."""
    of, to = x.type.dtype, y.type.dtype
    assert isinstance(of, Quantized)
    assert isinstance(to, Quantized)
    bytes_ = np.arange(256, dtype=np.uint8).view(of.numpy)
    return quantize(dequantize(bytes_, of, lowering.lookup), to, lowering.lookup).view(np.uint8)


def _operand(layer: Layer) -> Value:
    """The operand of whose bytes the result is a function; the first one if there are several."""
    if isinstance(layer, LookupTable):
        return layer.x
    return next((v for v in layer.operands if not isinstance(v, Constant)), layer.operands[0])


def _refuse(layer: Layer) -> str | None:
    x = _operand(layer)
    if isinstance(layer, LookupTable) and not isinstance(layer.table, Constant):
        return "the table is not constant"
    for name, other in layer.named_operands():
        if other is not x and name != "table" and not (isinstance(other, Constant) and other.type.elements == 1):
            return f"%{other.name} is no constant number, so that the result is no function of one byte"
    for value in (x, *layer.results):
        dtype = value.type.dtype
        if not isinstance(dtype, Quantized) or dtype.bits != 8 or dtype.axis is not None:
            return f"%{value.name} is {dtype}, not bytes with one scale"
    return None if x.type.shape == layer.results[0].type.shape else f"%{x.name} is broadcast"


def _table(layout: str) -> Any:
    def lower(layer: Layer, lowering: Lowering, variant: str) -> None:
        x = _operand(layer)
        lowering.call(
            "q8_table",
            x=lowering.place(x),
            y=lowering.place(layer.results[0]),
            **flat_rows(x.type, layout),
            table=lowering.constant(table_of(layer, lowering.lookup)),
        )

    lower.__qualname__ = "table"
    return lower


_CLASSES = (ActivationLayer, Binary, Cast, LookupTable, Unary)
_KINDS = [kind for kind, spec in known_layers().items() if issubclass(spec.cls, _CLASSES)]
for _kind in _KINDS:
    for _layout in LOW_LAYOUTS:
        cpu(
            _kind,
            _layout,
            "table",
            _table(_layout),
            dtype="q8",
            refuse=_refuse,
            summary="a table of 256 bytes",
        )
