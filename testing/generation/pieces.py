"""The small parts of random modules: names, numbers, dimensions, layouts, element types, attributes, arrays."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from plait.ir.attributes import Call, SymbolRef
from plait.ir.diagnostics import Location
from plait.ir.dims import Dim, Dimension, symbol
from plait.ir.dtypes import DType, ElementType, Quantized
from plait.ir.layout import Layout, Term, blocked, layout_named, layout_of
from plait.ir.literals import element
from plait.ir.types import TensorType
from plait.ir.values import Array
from plait.testing.generation.source import Source
from plait.testing.generation.style import Style

PLAIN_NAMES = ("x", "y", "conv1", "features.0.weight", "block-2", "$tmp", "7", "_", "relu")
ODD_NAMES = (
    "conv/1:0",
    "a b",
    'say "hi"',
    "back\\slash",
    "tab\there",
    "line\nbreak",
    "größe",
    "層",
    "😀",
    "%x",
    "\u2028",
)
SYMBOLS = ("N", "H", "W", "batch", "seq_len")
WORDS = ("relu", "split", "same_upper", "f32", "nhwc", "A", "_x1")
STRINGS = ("", "true", "inf", "two words", 'quote "', "\\", "\n", "é", "-1")
FLOATS = (0.0, 1.0, -1.0, 0.5, 0.1, -0.0, 6.0, 1e-5, 1e-45, 3.4e38, 1e300, float("inf"), float("-inf"), float("nan"))
INTEGERS = (0, 1, -1, 2, 3, 127, -128, 2**31, -(2**63), 2**64 - 1, 10**30)
STORAGES = tuple(DType(word) for word in ("i8", "u8", "i4", "u4", "i16", "i32", "u16", "i2", "u2"))
COMMENTS = ("a comment", "two\nlines", "", "\n", "// twice", 'é "quoted" {', "  indented", "ir 1", "%x = relu(%y)")
DEVICES = ("cpu", "gpu", "npu1")
IMAGE_SPLITS = ("", "", "rows", "channels", "all")
ROUTINES = ("cpu/f32/nchw16c/direct", "cpu/f32/nchw/gemm[tile=14x2]", "null/fast", "gpu/f16/nhwc/winograd.4[m=4,n=2]")


def name(source: Source, odd: int = 0) -> str:
    """A name of a value, a constant, a function or an output; `odd` is the chance that it needs quotes."""
    return source.choice(ODD_NAMES if source.chance(odd) else PLAIN_NAMES)


def dimension(source: Source, symbols: int = 0, arithmetic: int = 50) -> Dimension:
    """A dimension of at least 1; `symbols` is the chance that it is symbolic, and `arithmetic` that it is more than a
    symbol then."""
    if not source.chance(symbols):
        return source.integer(1, 5)
    return symbolic(source) if source.chance(arithmetic) else symbol(source.choice(SYMBOLS))


def symbolic(source: Source, depth: int = 2) -> Dim:
    """A symbol, or arithmetic on symbols."""
    dim: Dimension = symbol(source.choice(SYMBOLS))
    if depth == 0 or source.chance(50):
        assert isinstance(dim, Dim)
        return dim
    left = symbolic(source, depth - 1)
    right: Dimension = symbolic(source, depth - 1) if source.chance(30) else source.integer(2, 9)
    match source.integer(0, 4):
        case 0:
            dim = left + right
        case 1:
            dim = left * right
        case 2:
            dim = left - right
        case 3:
            dim = left // right
        case _:
            dim = left % right
    return dim if isinstance(dim, Dim) else left


def layout(source: Source, rank: int, expressions: int = 0) -> Layout | None:
    """A layout for tensors of this rank, None for the default; `expressions` is the chance of one without a name."""
    if rank and source.chance(expressions):
        terms = [term for axis in range(rank) for term in _terms(source, axis)]
        return layout_of(terms[i] for i in source.permutation(len(terms)))
    if rank != 4:
        return None
    return source.choice((None, layout_named("nhwc"), blocked(16), blocked(8)))


def _terms(source: Source, axis: int) -> list[Term]:
    """An axis whole, in blocks, or in blocks of blocks."""
    match source.integer(0, 3):
        case 0 | 1:
            return [Term(axis)]
        case 2:
            block = source.integer(2, 32)
            return [Term(axis, 0, block), Term(axis, block)]
        case _:
            inner = source.integer(2, 8)
            outer = inner * source.integer(2, 4)
            return [Term(axis, 0, outer), Term(axis, outer, inner), Term(axis, inner)]


def quantized(source: Source, shape: tuple[Dimension, ...]) -> Quantized:
    """A quantized element type for a tensor of this shape: for the whole tensor, or along an axis of known size."""
    storage = source.choice(STORAGES)
    low, high = storage.integer_range
    axes = [i for i, d in enumerate(shape) if isinstance(d, int) and d > 0]
    if not axes or source.chance(50):
        return Quantized(storage, source.choice((0.5, 0.0235, 1.0, 1e-6)), source.choice((0, 1, low, high)))
    axis = source.choice(axes)
    size = shape[axis]
    assert isinstance(size, int)
    scales = tuple(source.choice((0.5, 0.1, 2.0)) for _ in range(size))
    zeros = tuple(source.choice((0, low, high)) for _ in range(size)) if source.chance(50) else 0
    return Quantized(storage, scales, zeros, axis)


def tensor_type(source: Source, style: Style) -> TensorType:
    """The type of a tensor, in any layout, on any device."""
    shape = tuple(dimension(source, style.symbols, style.arithmetic) for _ in range(source.integer(0, 4)))
    dtype = quantized(source, shape) if source.chance(style.quantized) else source.choice(style.anything)
    return placed(source, TensorType(dtype, shape), style)


def placed(source: Source, type: TensorType, style: Style) -> TensorType:
    """A type in some layout and split, on some device."""
    where = layout(source, type.rank, style.expressions)
    split = source.choice(IMAGE_SPLITS) if type.rank == 4 else ""
    return attrs.evolve(type, layout=where, device=source.choice(DEVICES), split=split)


def array(source: Source, dtype: ElementType, shape: tuple[int, ...]) -> Array:
    """Elements of a constant: a few choices, repeated in an order that a seed gives."""
    stored = dtype.storage
    few = [scalar(source, stored) for _ in range(3)]
    count = int(np.prod(shape, dtype=np.int64))
    data: Array = np.empty(count, stored.numpy)
    order = np.random.default_rng(count).integers(0, len(few), count)
    for i, which in enumerate(order):
        data[i] = few[which]
    return data.reshape(shape)


def scalar(source: Source, dtype: DType) -> Any:
    """One element of a plain type."""
    if dtype is DType.BOOL:
        return source.chance(50)
    if dtype is DType.STRING:
        return source.choice(STRINGS)
    if dtype.is_complex:
        return complex(source.choice(FLOATS[:7]), source.choice(FLOATS[4:8]))
    if dtype.is_integer:
        low, high = dtype.integer_range
        return source.choice((0, 1, high, low)) if source.chance(50) else source.integer(low, high)
    try:
        return element(source.choice(FLOATS), dtype)
    except (ValueError, TypeError):  # outside the range of this type
        return element(1.0, dtype)


def attribute(source: Source, depth: int = 2) -> Any:
    """The value of an attribute of any kind, nested at will."""
    match source.integer(0, 10 if depth else 7):
        case 0:
            return source.choice(INTEGERS)
        case 1:
            return source.choice(FLOATS)
        case 2:
            return source.chance(50)
        case 3:
            return source.choice(WORDS)
        case 4:
            return source.choice(STRINGS)
        case 5:
            return source.integer(-9, 9) / 8
        case 6:
            return source.choice((DType.F32, SymbolRef("main"), SymbolRef("a b"), symbol("N") * 2 + 1))
        case 7:
            return tensor_type(source, Style())
        case 8:
            keys = source.several(("k", "two words", "true", "", "x-y"), 0, 2)
            return {key: attribute(source, depth - 1) for key in keys}
        case 9:
            return tuple(attribute(source, depth - 1) for _ in range(source.integer(0, 3)))
        case _:
            return Call(source.choice(WORDS), tuple(attribute(source, depth - 1) for _ in range(source.integer(0, 2))))


def locations(source: Source) -> tuple[Location, ...]:
    """Places in a model file."""
    return tuple(
        Location(source.choice(("m.onnx", "a b/ü.onnx")), source.choice((*PLAIN_NAMES, *ODD_NAMES)))
        for _ in range(source.integer(1, 3))
    )
