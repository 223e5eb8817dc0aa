"""Signed bytes between layers become unsigned ones, which kernels take.

    q8<s:z> = qu8<s:z + 128>    with each byte's top bit turned: the same numbers, to the last bit

Each layer that makes signed bytes makes unsigned ones and a cast behind it, each that reads such a cast reads what is
before it, so that casts remain only where signed bytes enter or leave a function. Weights and biases stay as they are.
"""

from __future__ import annotations

import attrs
import numpy as np

from plait.ir.dtypes import DType, Quantized
from plait.ir.layer import Layer
from plait.ir.layers.bits import Bitcast, LookupTable
from plait.ir.layers.elementwise import Adapt, Cast
from plait.ir.layers.linear import Matmul
from plait.ir.layers.pool import AvgPool2d
from plait.ir.layers.shape import Expand, Gather, Reshape, Slice, Split, Transpose
from plait.ir.module import Module
from plait.ir.types import TensorType
from plait.ir.values import Constant, Value
from plait.passes.base import Pass, PassContext
from plait.passes.quantized.casts import quantized
from plait.passes.registry import register_pass
from plait.passes.rewriting import Builder, No, rewrite, rewrite_module
from plait.passes.support.constants import stored_data

_TURN = 128
_MOVERS = (Expand, Gather, Reshape, Slice, Split, Transpose)
_WEIGHTS = ("weight", "bias")


def unsigned(value: Value) -> Quantized | None:
    """The unsigned type of the same numbers, of a value of signed bytes with one scale; None for any other."""
    dtype = quantized(value)
    if dtype is None or dtype.storage is not DType.I8 or dtype.axis is not None or not isinstance(dtype.zero, int):
        return None
    return attrs.evolve(dtype, storage=DType.U8, zero=dtype.zero + _TURN)


def _turns(layer: Layer | None) -> bool:
    """Whether a layer only turns the top bit of bytes."""
    if not isinstance(layer, Cast):
        return False
    made, read = unsigned(layer.result), unsigned(layer.x)
    return (made is not None and made == quantized(layer.x)) or (read is not None and read == layer.to)


def _converts(layer: Layer) -> bool:
    """Whether the attribute `to` says what type a layer makes."""
    return hasattr(layer, "to") and not isinstance(layer, (Bitcast, LookupTable, Adapt))


def _is_weight(layer: Layer, name: str, value: Value) -> bool:
    """Whether kernels want an operand signed: they multiply unsigned bytes by signed ones."""
    return name in _WEIGHTS or (isinstance(layer, Matmul) and name == "b" and isinstance(value, Constant))


def _rounds_by_sign(layer: Layer) -> bool:
    """Whether a layer rounds halves of stored integers away from zero, which is another number for unsigned bytes."""
    fixed = isinstance(layer, AvgPool2d) and layer.rounding == "fixed_point" and not layer.count_pad
    return fixed and layer.operands[0].type.dtype == layer.results[0].type.dtype


@rewrite(Layer, quantized=True)
def make_unsigned(layer: Layer, builder: Builder) -> Layer | No:
    """layer(x) {to = q8<s:z>} -> cast(layer(x) {to = qu8<s:z + 128>}) {to = q8<s:z>}"""
    to = unsigned(layer.results[0]) if len(layer.results) == 1 else None
    if to is None or not _converts(layer) or _turns(layer):
        return No("it makes no signed bytes, or has no attribute that says so")
    if _rounds_by_sign(layer):
        return No("it rounds halves of signed bytes away from zero")
    made = attrs.evolve(layer, to=to)  # type: ignore[call-arg]
    return Cast(builder.layer(made, f"{layer.results[0].name}.u8"), to=layer.results[0].type.dtype)


@rewrite(Layer, quantized=True)
def read_unsigned(layer: Layer, builder: Builder) -> Layer | tuple[Value, ...] | No:
    """layer(cast(x) {to = q8<s:z>}) -> layer(x) for x of qu8<s:z + 128>"""
    if not (_converts(layer) or isinstance(layer, _MOVERS)) or _turns(layer):
        return No(f"{layer.op} is not made for it")
    if _rounds_by_sign(layer):
        return No("it rounds halves of signed bytes away from zero")
    signed = [v for name, v in layer.named_operands() if unsigned(v) is not None and not _is_weight(layer, name, v)]
    found = {v: _turned(v, builder) for v in dict.fromkeys(signed)}
    if not signed or None in found.values():
        return No("it reads no signed bytes, or such without data")
    made = layer.with_operands({v: new for v, new in found.items() if new is not None})
    if _converts(made):
        wanted = layer.results[0].type.dtype
        implied = not isinstance(made, Cast) and made.operands[0].type.dtype == wanted
        return attrs.evolve(made, to=None if implied else wanted)  # type: ignore[call-arg]
    results = builder.results(made, [f"{r.name}.u8" for r in layer.results])
    pairs = list(zip(results, layer.results, strict=True))
    if len(pairs) == 1:
        return Cast(results[0], to=layer.results[0].type.dtype)
    return tuple(builder.layer(Cast(new, to=old.type.dtype), old.name) for new, old in pairs)


def _turned(value: Value, builder: Builder) -> Value | None:
    """The unsigned bytes of the same numbers; None for a constant without data."""
    to = unsigned(value)
    assert to is not None
    if isinstance(value, Constant):
        data = stored_data(value)
        if data is None:
            return None
        turned = data.view(np.uint8) ^ np.uint8(_TURN)
        return builder.constant(f"{value.name}.u8", turned, TensorType(to, value.type.shape))
    if isinstance(value.owner, Cast) and _turns(value.owner):
        return value.owner.x
    return builder.layer(Cast(value, to=to), f"{value.name}.u8")


@register_pass
@attrs.frozen
class UnsignedActivations(Pass):
    """Store the bytes between layers unsigned, as kernels take them: the same numbers with zero points 128 greater."""

    name = "unsigned-activations"

    def run(self, module: Module, context: PassContext) -> bool:
        return rewrite_module(module, (make_unsigned, read_unsigned), context)
