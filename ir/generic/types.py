"""Types as MLIR writes them, and back.

f32[1x3xHxW] nhwc on gpu    tensor<1x3x?x?xf32, {dims = ["H", "W"], layout = "nhwc", device = "gpu"}>
f32[1x3x8x8] split rows     tensor<1x3x8x8xf32, {split = "rows"}>
q8<0.0235:-12>[4]           tensor<4x!quant.uniform<i8:f32, 0.0235:-12>>
seq<string[2]>              !plait.seq<tensor<2x!plait.string>>
"""

from __future__ import annotations

import re
import sys
from typing import Any

from plait.ir.diagnostics import did_you_mean, unknown
from plait.ir.dims import Dimension, parse_dim
from plait.ir.dtypes import DType, ElementType, Quantized, element_type, shortest
from plait.ir.generic.spelling import real, string
from plait.ir.layout import default_layout, layout_named
from plait.ir.types import OptionalType, SequenceType, TensorType, Type

ELEMENTS: dict[DType, str] = {
    DType.F64: "f64",
    DType.F32: "f32",
    DType.F16: "f16",
    DType.BF16: "bf16",
    DType.F8E4M3FN: "f8E4M3FN",
    DType.F8E4M3FNUZ: "f8E4M3FNUZ",
    DType.F8E5M2: "f8E5M2",
    DType.F8E5M2FNUZ: "f8E5M2FNUZ",
    DType.F8E8M0: "f8E8M0FNU",
    DType.F6E2M3: "f6E2M3FN",
    DType.F6E3M2: "f6E3M2FN",
    DType.F4E2M1: "f4E2M1FN",
    DType.C64: "complex<f32>",
    DType.C128: "complex<f64>",
    DType.BOOL: "i1",
    DType.STRING: "!plait.string",
    **{DType(f"i{bits}"): f"i{bits}" for bits in (2, 4, 8, 16, 32, 64)},
    **{DType(f"u{bits}"): f"ui{bits}" for bits in (2, 4, 8, 16, 32, 64)},
}
"""How MLIR calls each plain element type. Signed integers are signless there, as is usual."""
_BY_NAME = {text: dtype for dtype, text in ELEMENTS.items()} | {f"si{n}": DType(f"i{n}") for n in (2, 4, 8, 16, 32, 64)}
_F32_RANGE = (1.1754943508222875e-38, 3.4028234663852886e38)
"""Scales that MLIR takes where the numbers are f32."""


def type_text(type: Type) -> str:
    """The MLIR type of values of this type."""
    match type:
        case TensorType():
            return _tensor_text(type)
        case SequenceType():
            return f"!plait.seq<{type_text(type.element)}>"
        case OptionalType():
            return f"!plait.optional<{type_text(type.element)}>"
    raise TypeError(f"{type} has no form in MLIR")


def constant_type_text(type: TensorType, element: ElementType | None = None) -> str:
    """The type of a constant, which is always row-major; with other elements if they are given."""
    return f"tensor<{''.join(f'{d}x' for d in type.shape)}{element_type_text(element or type.dtype)}>"


def _tensor_text(type: TensorType) -> str:
    shape = "".join(f"{d}x" if isinstance(d, int) else "?x" for d in type.shape)
    notes = []
    if symbolic := [string(str(d)) for d in type.shape if not isinstance(d, int)]:
        notes.append(f"dims = [{', '.join(symbolic)}]")
    if type.layout != default_layout(type.rank):
        notes.append(f"layout = {string(type.layout.name)}")
    if type.split:
        notes.append(f"split = {string(type.split)}")
    if type.device != "cpu":
        notes.append(f"device = {string(type.device)}")
    encoding = f", {{{', '.join(notes)}}}" if notes else ""
    return f"tensor<{shape}{element_type_text(type.dtype)}{encoding}>"


def element_type_text(dtype: ElementType) -> str:
    """The MLIR type of elements."""
    if isinstance(dtype, DType):
        return ELEMENTS[dtype]
    return _uniform_text(dtype) or f"!plait.type<{string(str(dtype))}>"


def _uniform_text(dtype: Quantized) -> str | None:
    """The type of MLIR's dialect `quant`; None where it has no such type: parameters that are constants, blocks."""
    scales = dtype.scale if isinstance(dtype.scale, tuple) else (dtype.scale,)
    if not all(isinstance(s, float) and _F32_RANGE[0] <= s <= _F32_RANGE[1] for s in scales) or dtype.block:
        return None
    head = f"!quant.uniform<{'i' if dtype.is_signed else 'u'}{dtype.bits}:f32"
    if isinstance(dtype.scale, float):
        return f"{head}, {_scale_text(dtype.scale, dtype.zero)}>" if isinstance(dtype.zero, int) else None
    zeros = (0,) * len(scales) if dtype.zero == 0 else dtype.zero
    if not isinstance(zeros, tuple):
        return None
    pairs = [_scale_text(s, z) for s, z in zip(scales, zeros, strict=True)]
    return f"{head}:{dtype.axis}, {{{', '.join(pairs)}}}>"


def _scale_text(scale: Any, zero: int) -> str:
    return real(shortest(scale)) + (f":{zero}" if zero else "")


# --- from text ---

_UNIFORM = re.compile(
    r"!quant\.uniform<\s*(?P<sign>s?i|u)(?P<bits>\d{1,3})\s*(?P<range><[^<>]*>)?\s*:\s*\w+\s*"
    r"(?::\s*(?P<axis>\d{1,3})\s*)?,\s*(?P<numbers>.*?)\s*>\Z",
    re.DOTALL,
)
_ENCODING = {"dims": tuple, "layout": str, "split": str, "device": str}


def named_element(name: str) -> DType:
    """The element type that MLIR calls so.

    Raises:
        ValueError: there is none.
    """
    if name in _BY_NAME:
        return _BY_NAME[name]
    raise ValueError(unknown("element type", name, _BY_NAME))


def uniform_element(text: str) -> ElementType:
    """The quantized type that `!quant.uniform<...>` stands for.

    Raises:
        ValueError: malformed, or with a range of its own for the stored integers.
    """
    match = _UNIFORM.match(text)
    if match is None or match["range"]:
        raise ValueError(f"{text} is not a type that can be read; wanted !quant.uniform<i8:f32, 0.5:3>")
    word = f"q{'u' if match['sign'] == 'u' else ''}{match['bits']}"
    numbers = match["numbers"].strip()
    if not numbers.startswith("{"):
        return element_type(f"{word}<{numbers}>")
    pairs = [pair.partition(":") for pair in numbers.strip("{}").split(",")]
    scales, zeros = ", ".join(p[0] for p in pairs), ", ".join(p[2] or "0" for p in pairs)
    return element_type(f"{word}<[{scales}]:[{zeros}] axis {match['axis'] or 0}>")


def tensor_type(head: str, dtype: ElementType, encoding: Any) -> TensorType:
    """The type of a tensor from its parts.

    Args:
        head: `tensor<1x?x`. encoding: the dictionary that stands after the element type, or None.

    Raises:
        ValueError: the encoding is malformed or does not fit the shape. ShapeError: nor does the element type.
    """
    notes = {} if encoding is None else encoding
    if not isinstance(notes, dict):
        raise ValueError('the encoding of a tensor must be a dictionary such as {layout = "nhwc"}')
    for name, value in notes.items():
        if name not in _ENCODING:
            raise ValueError(f"the encoding of a tensor has no {name!r}; {did_you_mean(name, _ENCODING)}".rstrip("; "))
        if not isinstance(value, _ENCODING[name]):
            raise ValueError(f"{name} of the encoding of a tensor must be {_WANTED[_ENCODING[name]]}")
    sizes = re.findall(r"\d+|\?", head[len("tensor<") :])
    shape = _shape(sizes, notes.get("dims", ()))
    layout = None if "layout" not in notes else layout_named(notes["layout"])
    return TensorType(dtype, shape, layout, sys.intern(notes.get("device", "cpu")), sys.intern(notes.get("split", "")))


_WANTED = {tuple: 'a list of strings such as ["N"]', str: "a string"}


def _shape(sizes: list[str], names: tuple[Any, ...]) -> tuple[Dimension, ...]:
    unknown = sizes.count("?")
    if not all(isinstance(n, str) for n in names):
        raise ValueError(f"dims of the encoding of a tensor must be {_WANTED[tuple]}")
    if unknown != len(names):
        raise ValueError(f"{unknown} dimensions are unknown, but dims names {len(names)}")
    given = iter(names)
    return tuple(parse_dim(next(given)) if size == "?" else int(size) for size in sizes)
