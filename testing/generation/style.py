"""What random modules may hold."""

from __future__ import annotations

import attrs

from plait.ir.dtypes import DType, ElementType

_FLOATS = (DType.F32, DType.F16, DType.F64, DType.BF16)
_NUMBERS = (*_FLOATS, DType.I64, DType.I32, DType.U8, DType.I8, DType.I16, DType.U16, DType.U32, DType.U64)


@attrs.frozen
class Style:
    """What the modules hold beside layers and tensors. Chances are in percent."""

    floats: tuple[ElementType, ...] = _FLOATS
    """Element types of operands of layers that want floating-point numbers."""
    numbers: tuple[ElementType, ...] = _NUMBERS
    """Element types of operands of arithmetic."""
    anything: tuple[ElementType, ...] = tuple(DType)
    """Element types of operands of layers that only move elements."""
    computable: bool = False
    """Only layers that the reference evaluates without overflow."""
    quantized: int = 15
    """Chance that a tensor that is only moved has a quantized type."""
    integers: int = 20
    """Chance that a layer that can compute on quantized numbers does."""
    sequences: int = 15
    """Chance that a type is a sequence or optional where any will do."""
    symbols: int = 25
    """Chance that a dimension is symbolic."""
    arithmetic: int = 50
    """Chance that a symbolic dimension is more than a symbol."""
    expressions: int = 30
    """Chance that a layout is an expression without a name."""
    annotations: int = 30
    """Chance of a layout, a routine, a cost, locations or a comment."""
    odd_names: int = 25
    """Chance that a name needs quotes."""
    opaque: int = 12
    """Chance that a layer is of a kind that is not registered."""
    nesting: int = 10
    """Chance that a layer has regions of its own, or calls another function."""


EVERYTHING = Style()
"""All that the language has."""
COMPUTABLE = Style(
    floats=(DType.F32,),
    numbers=(DType.F32,),
    anything=(DType.F32,),
    computable=True,
    quantized=0,
    sequences=0,
    expressions=0,
    symbols=8,
    arithmetic=0,
    odd_names=0,
    opaque=0,
)
"""Networks of float32 that the reference runs, with numbers that stay small."""
