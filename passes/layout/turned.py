"""Layers on permuted data.

For a permutation p, the *turned* value of x is transpose(x; p). A layer f can be turned if there is a layer f' with

    transpose(f(x, ...); p) = f'(transpose(x; p), ...)

Axes in the attributes are renamed and constants are permuted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import attrs

from plait.ir.diagnostics import ShapeError
from plait.ir.dims import Dim
from plait.ir.dtypes import Quantized
from plait.ir.layer import Layer
from plait.ir.layers.activations import ActivationLayer
from plait.ir.layers.elementwise import Binary, Cast, Unary
from plait.ir.layers.linear import FullyConnected, Matmul
from plait.ir.layers.normalization import BatchNorm, LayerNorm, ScaleShift, Softmax
from plait.ir.layers.reduce import Reduce
from plait.ir.layers.shape import Concat, Expand, Gather, Pad, Reshape, Slice, Split, Transpose
from plait.ir.types import TensorType, Type
from plait.ir.values import Array, Constant, Value
from plait.passes.support.constants import constant_data

Perm = tuple[int, ...]
Turn = Callable[[Value], Value]
T = TypeVar("T")


def inverse(perm: Perm) -> Perm:
    """The permutation that undoes `perm`."""
    return tuple(perm.index(i) for i in range(len(perm)))


def permuted(items: Sequence[T], perm: Perm) -> tuple[T, ...]:
    """`items[perm[0]], items[perm[1]], ...`"""
    return tuple(items[p] for p in perm)


def turned_type(type: Type, perm: Perm) -> TensorType:
    """The type of a turned value."""
    return TensorType(type.dtype, permuted(type.shape, perm), device=type.device)


def moves_nothing(type: Type, perm: Perm) -> bool:
    """Whether a permutation leaves all elements where they are: only axes of size 1 change places with others."""
    moved = [p for p in perm if type.shape[p] != 1]
    return moved == sorted(moved)


def transposes(layer: Layer | None, perm: Perm) -> bool:
    """Whether a layer is the permutation `perm` of its operand, spelled as a transpose or, where it moves nothing, as a
    reshape."""
    if not isinstance(layer, (Transpose, Reshape)) or layer.via:
        return False
    x, y = layer.x.type, layer.result.type
    if not (plain(layer.x) and plain(layer.result)) or x.rank != len(perm) or y.rank != len(perm):
        return False
    if isinstance(layer, Transpose) and layer.perm == perm:
        return True
    same = y.shape == permuted(x.shape, perm) and moves_nothing(x, perm)
    return same and (isinstance(layer, Reshape) or moves_nothing(x, layer.perm))


def plain(value: Value) -> bool:
    """Whether a value is an array that lies row-major: layouts that are chosen already are not touched, and axes of
    quantized types not renamed."""
    type = value.type
    if not isinstance(type, TensorType):
        return False
    if not type.is_plain and (isinstance(value, Constant) or not _per_tensor(type)):
        return False
    return type == TensorType(type.dtype, type.shape, device=type.device)


def _per_tensor(type: TensorType) -> bool:
    return isinstance(type.dtype, Quantized) and type.dtype.axis is None


def result_turns(layer: Layer) -> bool:
    """Whether the results of a turned layer are turned; those of a reduction that drops axes are as before."""
    return not (isinstance(layer, Reduce) and not layer.keep)


def turned(layer: Layer, perm: Perm, turn: Turn) -> Layer | None:
    """The layer that computes on turned operands, detached, or None if there is none.

    Args:
        turn: gives the turned value of an operand that is no constant, and a constant for a constant.
    """
    if layer.via or not layer.operands or not all(plain(v) for v in (*layer.operands, *layer.results)):
        return None
    try:
        made = _turned(layer, perm, turn)
        if made is None:
            return None
        types = made.result_types()
    except (ShapeError, Unturnable):
        return None
    wanted = [turned_type(r.type, perm) if result_turns(layer) else r.type for r in layer.results]
    if [(t.dtype, t.shape) for t in types] != [(t.dtype, t.shape) for t in wanted]:
        return None
    return made


class Unturnable(Exception):
    """An operand has no turned form; raised by `turn`."""


def _turned(layer: Layer, perm: Perm, turn: Turn) -> Layer | None:
    rank = len(perm)
    if (layer.results[0].type.rank if result_turns(layer) else layer.operands[0].type.rank) != rank:
        return None
    place = inverse(perm)  # where axis i of the original is
    match layer:
        case ActivationLayer() | Unary() | Cast():
            return attrs.evolve(layer, x=turn(layer.x))
        case Binary(a, b):
            return attrs.evolve(layer, a=_broadcast(a, rank, turn), b=_broadcast(b, rank, turn))
        case Concat(xs):
            return attrs.evolve(layer, xs=tuple(turn(x) for x in xs), axis=place[layer.axis % rank])
        case Split(x) | Softmax(x):
            return attrs.evolve(layer, x=turn(x), axis=place[layer.axis % rank])
        case Gather(x, indices) if indices.type.rank == 1:
            return attrs.evolve(layer, x=turn(x), axis=place[layer.axis % rank])
        case Pad(x):
            return attrs.evolve(
                layer, x=turn(x), before=permuted(layer.before, perm), after=permuted(layer.after, perm)
            )
        case Slice(x):
            return attrs.evolve(layer, x=turn(x), axes=tuple(place[a % rank] for a in layer.axes))
        case Expand(x) if x.type.rank == rank:
            full = (*(1,) * (rank - len(layer.shape)), *layer.shape)
            return attrs.evolve(layer, x=turn(x), shape=permuted(full, perm))
        case Reduce(x):
            return _reduce(layer, perm, turn)
        case BatchNorm(x) | ScaleShift(x) if perm[1] == 1:
            return attrs.evolve(layer, x=turn(x))
        case LayerNorm(x) if perm[layer.axis % rank :] == tuple(range(layer.axis % rank, rank)):
            return attrs.evolve(layer, x=turn(x))
        case FullyConnected(x) if perm[-1] == rank - 1:
            return attrs.evolve(layer, x=turn(x))
        case Matmul(a, b):
            return _matmul(layer, perm, turn)
        case _:
            return None


def _broadcast(value: Value, rank: int, turn: Turn) -> Value:
    """An operand that is broadcast to `rank` axes."""
    if all(d == 1 for d in value.type.shape) and value.type.rank < rank:
        return value
    if value.type.rank < rank and not isinstance(value, Constant):
        raise Unturnable
    return turn(value)


def _reduce(layer: Reduce, perm: Perm, turn: Turn) -> Layer | None:
    rank = len(perm)
    axes = sorted({a % rank for a in layer.axes}) or list(range(rank))
    kept = [p for p in perm if p not in axes]
    if not layer.keep and kept != sorted(kept):
        return None
    return attrs.evolve(layer, x=turn(layer.x), axes=tuple(sorted(perm.index(a) for a in axes)))


def _matmul(layer: Matmul, perm: Perm, turn: Turn) -> Layer | None:
    """Batch axes may change places; (A B)ᵀ = Bᵀ Aᵀ."""
    rank = len(perm)
    swapped = perm[-2:] == (rank - 1, rank - 2)
    if not swapped and perm[-2:] != (rank - 2, rank - 1):
        return None
    operands = []
    for value in (layer.a, layer.b):
        # A matrix for all batches stays one, lest its readers miss what they know of matrices.
        matrix = value.type.rank == 2 < rank
        if (matrix and swapped) or (value.type.rank < rank and not matrix):
            return None
        operands.append(value if matrix else turn(value))
    return attrs.evolve(layer, a=operands[swapped], b=operands[not swapped])


def turned_data(constant: Constant, perm: Perm) -> Array | None:
    """The permuted elements of a constant; None if they are not at hand.

    A constant of fewer axes is taken as broadcast: axes of size 1 are put in front.
    """
    data = constant_data(constant)
    if data is None:
        return None
    return data.reshape((*(1,) * (len(perm) - data.ndim), *data.shape)).transpose(perm)


def bytes_moved(type: Type, perm: Perm) -> int:
    """Bytes that a permutation of a value moves; each symbol counts as 64."""
    if moves_nothing(type, perm):
        return 0
    try:
        sizes = type.substitute(dict.fromkeys(type.symbols(), 64)).shape
    except ZeroDivisionError:  # a dimension such as H/(W-64)
        sizes = tuple(64 if isinstance(d, Dim) else d for d in type.shape)
    return math.prod(max(d, 1) if isinstance(d, int) else 64 for d in sizes) * type.dtype.size
