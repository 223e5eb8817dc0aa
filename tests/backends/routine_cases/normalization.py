"""Normalisation, reductions, and products and sums per channel."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from plait.ir.types import DType
from routine_cases.case import ACTS, CHANNELS, Case, arg, const, make


def softmax() -> Iterator[Case]:
    for shape in ((1, 10), (3, 1000), (2, 3, 4), (2, 17, 3, 5), (7,), (2, 1)):
        for axis in range(-1, len(shape)):
            yield make("softmax", [arg(*shape)], axis=axis)


def scale_shift() -> Iterator[Case]:
    for i, c in enumerate(CHANNELS):
        yield make("scale_shift", [arg(1 + i % 3, c, 5, 7), const(c), const(c)])
    for shape in ((3, 17), (2, 5, 9), (1, 16, 4), (2, 3, 4, 5, 6)):
        yield make("scale_shift", [arg(*shape), const(shape[1]), const(shape[1])], act="relu")
    for act in ACTS:
        yield make("scale_shift", [arg(2, 17, 3, 5), const(17), const(17)], act=act)
    yield make("scale_shift", [arg(2, 17, 3, 5), arg(17), const(17)])
    yield make("scale_shift", [const(1, 8, 3, 5), const(8), const(8)])


def local_response_norm() -> Iterator[Case]:
    for channels, size in itertools.product((1, 3, 16, 40), (1, 2, 3, 5)):
        yield make("local_response_norm", [arg(2, channels, 3, 5)], size=size, alpha=0.3, beta=0.6, k=1.5)


def reduce() -> Iterator[Case]:
    shapes = (
        ((2, 17, 3, 5), ((2, 3), (1,), (-1,), (0,), (1, 2), (), (1, 3))),
        ((7,), ((0,), ())),
        ((3, 5), ((0,), (1,))),
        ((), ((),)),
    )
    for fn in ("mean", "sum", "max", "min", "prod"):
        for shape, choices in shapes:
            for axes in choices:
                yield make("reduce", [arg(*shape)], fn=fn, axes=axes, keep=len(axes) != 1)
    yield make("reduce", [arg(3, 5, dtype=DType.I64)], fn="sum", axes=(1,))


def batch_norm() -> Iterator[Case]:
    yield make("batch_norm", [arg(2, 5, 3, 4), const(5), const(5), const(5), const(5, positive=True)])


def layer_norm() -> Iterator[Case]:
    for shape in ((2, 5, 8), (3, 1000), (1, 17), (4, 33), (2, 3, 4, 5)):
        for axis in (-1, len(shape) - 2):
            yield make("layer_norm", [arg(*shape), const(*shape[axis:]), const(*shape[axis:])], axis=axis, epsilon=1e-3)
    yield make("layer_norm", [arg(2, 5, 8), const(8), None])
    yield make("layer_norm", [arg(2, 5, 8), arg(8), None])


KINDS = {
    "softmax": softmax,
    "scale_shift": scale_shift,
    "local_response_norm": local_response_norm,
    "reduce": reduce,
    "batch_norm": batch_norm,
    "layer_norm": layer_norm,
}
