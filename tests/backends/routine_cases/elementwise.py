"""Functions of one element or of two."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import attrs

from plait.ir.types import DType
from routine_cases.case import ACTS, CHANNELS, Case, Operand, arg, const, make

_BINARY = ("add", "sub", "mul", "div", "minimum", "maximum", "pow")
_ACTIVATION = ("relu", "clip", "hard_swish", "hard_sigmoid", "sigmoid", "silu", "leaky_relu", "tanh", "elu", "gelu")


def _binary(kind: str) -> Iterator[Case]:
    def pair(a: Operand, b: Operand, **attributes: Any) -> Case:
        if kind == "pow":
            a = attrs.evolve(a, positive=True)
        if kind == "div":
            b = attrs.evolve(b, positive=True)
        return make(kind, [a, b], **attributes)

    # All operations share their kernels: two of them, one not commutative, stand for the broadcasting of all.
    channels = CHANNELS if kind in ("add", "sub") else (3, 17)
    for i, c in enumerate(channels):
        n = 1 + i % 3
        full = (n, c, 5, 7)
        yield pair(arg(*full), arg(*full))
        for per_channel in ((c, 1, 1), (1, c, 1, 1), (n, c, 1, 1)):
            yield pair(arg(*full), const(*per_channel))
            yield pair(const(*per_channel), arg(*full))
            yield pair(arg(*full), arg(*per_channel))
            yield pair(arg(*per_channel), arg(*full))
    # [N, C] numbers whose count is a multiple of a block, while C is not.
    for n, c in ((2, 8), (4, 4), (16, 1), (16, 3), (3, 16), (2, 24)) if kind in ("add", "sub") else ((2, 8),):
        yield pair(arg(n, c, 2, 3), const(n, c, 1, 1))
        yield pair(const(n, c, 1, 1), arg(n, c, 2, 3))
        yield pair(arg(n, c, 2, 3), arg(n, c, 1, 1))
        yield pair(arg(n, c, 2, 3), const(1, c, 1, 1))
        yield pair(arg(n, c, 1, 1), arg(n, c, 1, 1))
        yield pair(arg(n, c, 1, 1), arg(1, c, 1, 1))
    for scalar in ((), (1,), (1, 1, 1, 1), (1, 1, 1, 1, 1)):
        for shape in ((2, 17, 3, 5), (5,), (3, 7)) if kind in ("add", "sub") else ((2, 17, 3, 5),):
            yield pair(arg(*shape), const(*scalar))
            yield pair(const(*scalar), arg(*shape))
            yield pair(arg(*shape), arg(*scalar))
            yield pair(arg(*scalar), arg(*shape))
    for a, b in (
        ((2, 3, 4, 5), (5,)),
        ((2, 3, 4, 5), (4, 1)),
        ((2, 3, 4, 1), (2, 1, 4, 5)),
        ((1, 16, 1, 5), (2, 16, 3, 1)),
        ((7, 1), (1, 9)),
        ((3,), (3,)),
        ((), ()),
        ((2, 3, 4, 5, 6), (3, 4, 5, 6)),
        ((1, 2, 3, 4, 5), (2, 3, 4, 5)),
        ((2, 1, 16, 4, 5), (16, 1, 1)),
        ((2, 3), (2, 3)),
        ((2, 1, 2, 1, 2, 3), (2, 1, 2, 1, 3)),
        ((1, 1, 2, 1, 2, 1, 3), (2, 1, 2, 2, 3)),
        ((2, 3, 4, 5), (2, 3, 4, 1)),
        ((3, 1, 4, 5), (3, 1, 1, 1)),
        ((3, 17, 4, 5), (3, 1, 1, 1)),
        ((1, 2, 3, 4, 5), (3, 1, 1)),
        ((1, 3, 4, 5), (3, 4, 5)),
        ((3, 4, 5), (1, 1, 1, 1)),
        ((1, 3, 4, 5), (3, 4, 5)),
    )[: None if kind in ("add", "sub") else 5]:
        yield pair(arg(*a), arg(*b))
        yield pair(arg(*b), const(*a))
        yield pair(const(*b), arg(*a))
    yield pair(const(1, 8, 3, 4), const(1, 8, 3, 4))
    yield pair(arg(2, 17, 3, 4), const(2, 17, 3, 4))
    if kind not in ("div", "pow"):
        yield make(kind, [arg(2, 17, 3, 4), Operand((), same_as=0)])
        yield make(kind, [arg(5, dtype=DType.I64), arg(5, dtype=DType.I64)])
    if kind in ("add", "mul"):
        for act in ACTS:
            yield pair(arg(1, 17, 3, 5), arg(1, 17, 3, 5), act=act)
            yield pair(arg(1, 17, 3, 5), const(1, 17, 1, 1), act=act)
    yield pair(arg(1, 3, 50, 60), arg(1, 3, 50, 60), act="relu")


def _activation(kind: str) -> Iterator[Case]:
    options: tuple[dict[str, Any], ...] = {
        "clip": ({"low": 0.0, "high": 6.0}, {"low": -0.5}, {"high": 0.25}, {}),
        "hard_sigmoid": ({}, {"alpha": 1 / 6}),
        "leaky_relu": ({}, {"alpha": 0.2}),
        "elu": ({}, {"alpha": 0.5}),
    }.get(kind, ({},))
    for option in options:
        for shape in (
            (1, 3, 5, 7),
            (3, 17, 4, 5),
            (1, 64, 3, 3),
            (2, 1, 1, 1),
            (5,),
            (3, 7),
            (2, 3, 4, 5, 6),
            (),
            (1, 2, 40, 60),
        ):
            yield make(kind, [arg(*shape)], **option)
    yield make(kind, [const(1, 3, 4, 5)], **options[0])


def unary() -> Iterator[Case]:
    for fn in ("exp", "log", "sqrt", "abs", "neg", "floor", "ceil", "reciprocal", "erf"):
        positive = fn in ("log", "sqrt", "reciprocal")
        for shape in ((1, 3, 5, 7), (2, 17, 4, 5), (9,), (3, 7)):
            yield make("unary", [arg(*shape, positive=positive)], fn=fn)
    yield make("unary", [arg(5, dtype=DType.I64)], fn="neg")


KINDS = {
    **{kind: functools.partial(_binary, kind) for kind in _BINARY},
    **{kind: functools.partial(_activation, kind) for kind in _ACTIVATION},
    "unary": unary,
}
