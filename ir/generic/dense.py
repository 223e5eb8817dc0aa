"""Elements of constants as MLIR's `dense<...>`, and back."""

from __future__ import annotations

import math
from typing import Any

import attrs
import lark
import numpy as np

from plait.ir.attributes import Call
from plait.ir.dtypes import DType
from plait.ir.generic.spelling import real, string, unescape
from plait.ir.generic.types import constant_type_text
from plait.ir.literals import element_text
from plait.ir.text.records import TypeSyntax
from plait.ir.types import TensorType
from plait.ir.values import Array

SPLAT_LIMIT = 1 << 20
"""One number stands for at most this many elements."""


def elements_text(data: Array, type: TensorType) -> str:
    """The elements of a constant: `dense<[1.0, 2.0]> : tensor<2xf32>`, or a list of strings.

    Numbers that are not finite make it the hexadecimal bytes of all: `dense<"0x0000C07F">`.
    """
    storage = type.dtype.storage
    if storage is DType.STRING:
        return f"[{', '.join(string(str(v)) for v in data.reshape(-1))}]"
    return f"dense<{_inside(data, storage)}> : {constant_type_text(type, storage)}"


def _inside(data: Array, dtype: DType) -> str:
    if data.size == 0:
        return ""
    if dtype.is_inexact and not all(_finite(v) for v in data.reshape(-1)):
        return f'"0x{np.ascontiguousarray(data).tobytes().hex().upper()}"'
    return _nested(data, dtype)


def _finite(value: Any) -> bool:
    return all(math.isfinite(float(part)) for part in (value.real, value.imag))


def _nested(data: Array, dtype: DType) -> str:
    if data.ndim:
        return f"[{', '.join(_nested(part, dtype) for part in data)}]"
    value = data[()]
    if dtype.is_complex:
        part = DType.F32 if dtype is DType.C64 else DType.F64
        return f"({element_text(value.real, part)}, {element_text(value.imag, part)})"
    # Of types that NumPy has not, the exact number: readers may round short ones differently.
    short = not dtype.is_float or dtype in (DType.F64, DType.F32, DType.F16)
    return element_text(value, dtype) if short else real(float(value))


# --- from text ---


@attrs.define
class DenseSyntax:
    """`dense<...> : type`. `items` is a token, a list of items, a pair of tokens (a complex number), or None."""

    token: lark.Token
    items: Any
    type: TypeSyntax


def dense_elements(syntax: DenseSyntax, type: TensorType) -> Any:
    """The elements as `read_literal` takes them: a number, or a tuple of them.

    Raises:
        ValueError: they do not fit the type.
    """
    dtype, items = type.dtype.storage, syntax.items
    if isinstance(items, lark.Token) and items.type == "STRING":
        values = _from_bytes(unescape(items), dtype)
        return values[0] if type.shape == () else _repeated(values, type)
    if items is None:
        return ()
    if not isinstance(items, list):
        value = _value(items, dtype)
        return value if type.shape == () else _repeated((value,), type)
    shape, flat = _flatten(items)
    if shape != type.shape:
        raise ValueError(f"elements of shape {_shown(shape)}, but the type has {_shown(type.shape)}")
    return tuple(_value(item, dtype) for item in flat)


def _shown(shape: tuple[Any, ...]) -> str:
    return f"[{'x'.join(map(str, shape))}]"


def _repeated(values: tuple[Any, ...], type: TensorType) -> tuple[Any, ...]:
    if len(values) != 1 or type.elements == 1:
        return values
    if type.elements > SPLAT_LIMIT:
        raise ValueError(f"{type.elements} elements are too many for a text")
    return values * type.elements


def _flatten(items: list[Any]) -> tuple[tuple[int, ...], list[Any]]:
    """Shape and elements of nested lists, level by level."""
    shape = [len(items)]
    while any(isinstance(item, list) for item in items):
        counts = {len(item) if isinstance(item, list) else -1 for item in items}
        if len(counts) > 1:
            raise ValueError("the lists of elements are not equally long")
        items = [inner for item in items for inner in item]
        shape.append(counts.pop())
    return tuple(shape), items


def _value(item: Any, dtype: DType) -> Any:
    if isinstance(item, tuple):
        part = DType.F32 if dtype is DType.C64 else DType.F64
        return Call("complex", tuple(_value(i, part) for i in item))
    if item.type == "BARE":
        return {"true": True, "false": False}.get(str(item), str(item))
    if item.type == "HEX":
        return from_bits(item, dtype)
    if item.type == "FLOAT":
        return float(item)
    number = int(item)
    return bool(number) if dtype is DType.BOOL and number in (0, 1) else number


def from_bits(token: str, dtype: DType) -> int | float:
    """The number that hexadecimal digits stand for: of floating-point types, the bits.

    Raises:
        ValueError: they are more than the type has.
    """
    number = int(token, 16)
    if not dtype.is_float:
        return number
    if number >> 8 * dtype.size:
        raise ValueError(f"{token} has more bits than {dtype}")
    return float(np.frombuffer(number.to_bytes(dtype.size, "little"), dtype.numpy)[0])


def _from_bytes(text: str, dtype: DType) -> tuple[Any, ...]:
    """Elements from the hexadecimal bytes of all."""
    if dtype.bits % 8 or dtype is DType.BOOL or not text.startswith("0x"):
        raise ValueError('elements in quotes are the hexadecimal bytes of numbers of whole bytes: "0x0000C07F"')
    data = bytes.fromhex(text[2:])
    if not data or len(data) % dtype.size:
        raise ValueError(f"{len(data)} bytes are no elements of {dtype}")
    values = np.frombuffer(data, dtype.numpy)
    if dtype.is_complex:
        return tuple(Call("complex", (float(v.real), float(v.imag))) for v in values)
    return tuple(float(v) if dtype.is_float else int(v) for v in values)
