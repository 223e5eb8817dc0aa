"""Layers that move elements, into other places or shapes."""

from __future__ import annotations

from collections.abc import Iterator

from plait.ir.types import DType
from routine_cases.case import Case, Operand, arg, const, make


def concat() -> Iterator[Case]:
    for channels in ((16, 16), (3, 5), (8, 8, 17), (1, 15, 16, 24), (40,), (17, 64, 1), (24, 24)):
        for n in (1, 3):
            yield make("concat", [arg(n, c, 3, 5) for c in channels], axis=1)
    for axis in (0, 2, 3, -1, -3):
        shapes = [[2, 17, 3, 4], [2, 17, 3, 4]]
        shapes[1][axis] = 5
        yield make("concat", [arg(*s) for s in shapes], axis=axis)
    for axis in (0, 1):
        yield make("concat", [arg(3, 4), arg(3, 4), const(3, 4)], axis=axis)
    yield make("concat", [arg(1, 17, 3, 5), Operand((), same_as=0), arg(1, 3, 3, 5), Operand((), same_as=0)], axis=1)
    yield make("concat", [arg(1, 17, 3, 5), const(1, 3, 3, 5)], axis=1)
    yield make("concat", [arg(4, dtype=DType.I64), arg(3, dtype=DType.I64)], axis=0)
    yield make("concat", [arg(1, 4, 2, 2, dtype=DType.BOOL), arg(1, 3, 2, 2, dtype=DType.BOOL)], axis=1)


def split() -> Iterator[Case]:
    for sizes in ((16, 16), (3, 5), (8, 8, 17), (1, 15, 16, 24), (40,), (17, 64, 1)):
        for n in (1, 2):
            yield make("split", [arg(n, sum(sizes), 3, 5)], sizes=sizes, axis=1)
    yield make("split", [arg(2, 17, 6, 5)], sizes=(1, 3, 2), axis=2)
    yield make("split", [arg(2, 17, 6, 5)], sizes=(1, 1), axis=0)
    yield make("split", [arg(2, 20, 6, 5)], sizes=(4, 16), axis=-3)
    yield make("split", [arg(7, 4)], sizes=(3, 4), axis=0)
    yield make("split", [arg(7, dtype=DType.I64)], sizes=(3, 4), axis=0)
    yield make("split", [const(1, 8, 2, 3)], sizes=(3, 5), axis=1)


def transpose() -> Iterator[Case]:
    for shape, perm in (
        ((3, 4), (1, 0)),
        ((2, 3, 4), (2, 0, 1)),
        ((2, 17, 3, 5), (0, 2, 3, 1)),
        ((2, 17, 3, 5), (3, 1, 0, 2)),
        ((5,), (0,)),
        ((2, 3, 4, 5, 6), (4, 2, 0, 1, 3)),
        ((2, 1, 2, 3, 2, 2), (5, 3, 1, 0, 2, 4)),
        ((2, 1, 2, 3, 2, 2, 2), (5, 3, 1, 0, 2, 4, 6)),
    ):
        for dtype in (DType.F32, DType.I64, DType.U8):
            yield make("transpose", [arg(*shape, dtype=dtype)], perm=perm)


def slice_() -> Iterator[Case]:
    shape = (2, 17, 6, 7)
    for option in (
        {"axes": (1,), "starts": (3,), "stops": (9,)},
        {"axes": (2, 3), "starts": (1, 0), "stops": (100, 7), "steps": (2, 3)},
        {"axes": (3,), "starts": (-1,), "stops": (-100,), "steps": (-1,)},
        {"axes": (-2, 1), "starts": (5, 16), "stops": (0, 2), "steps": (-2, -3)},
        {"axes": (0,), "starts": (-1,), "stops": (2,)},
        {"axes": (1,), "starts": (5,), "stops": (5,)},
    ):
        yield make("slice", [arg(*shape)], **option)  # type: ignore[arg-type]
        yield make("slice", [arg(*shape, dtype=DType.I64)], **option)  # type: ignore[arg-type]
    yield make("slice", [arg(9)], axes=(0,), starts=(7,), stops=(1,), steps=(-3,))


def pad() -> Iterator[Case]:
    for before, after in (
        ((0, 0, 1, 2), (0, 0, 3, 0)),
        ((1, 2, 0, 0), (0, 1, 0, 0)),
        ((0, -1, -2, 1), (0, -3, 1, -2)),
        ((0, 0, 0, 0), (0, 0, 0, 0)),
    ):
        yield make("pad", [arg(2, 9, 6, 7)], before=before, after=after, value=-1.5)
    yield make("pad", [arg(5)], before=(2,), after=(-1,))
    yield make("pad", [arg(3, 5, dtype=DType.I64)], before=(2, 0), after=(-1, 1), value=3)


def expand() -> Iterator[Case]:
    for shape, target in (
        ((1, 17, 1, 5), (3, 17, 4, 5)),
        ((5,), (2, 3, 5)),
        ((), (2, 3)),
        ((3, 1), (1, 4)),
        ((2, 3), (2, 3)),
    ):
        yield make("expand", [arg(*shape)], shape=target)
        yield make("expand", [arg(*shape, dtype=DType.I64)], shape=target)


def reshape() -> Iterator[Case]:
    for source, target in (
        ((2, 3, 4, 5), (2, 60)),
        ((2, 60), (2, 3, 4, 5)),
        ((1, 24, 1, 1), (1, 24)),
        ((3, 24, 1, 1), (3, -1)),
        ((3, 32, 1, 1), (3, 32)),
        ((3, 32), (0, 32, 1, 1)),
        ((1, 24), (1, 24, 1, 1)),
        ((1, 32), (1, 32, 1, 1)),
        ((2, 16, 1, 1), (1, 32, 1, 1)),
        ((1, 17, 1, 1), (17,)),
        ((6,), (2, 3)),
        ((), (1,)),
        ((1, 48, 1, 1), (3, 16, 1, 1)),
        ((1, 24, 1, 1), (2, 12)),
    ):
        yield make("reshape", [arg(*source)], shape=target)
        yield make("reshape", [const(*source)], shape=target)
    yield make("reshape", [arg(2, 6, dtype=DType.I64)], shape=(3, 4))
    yield make("reshape", [arg(1, 3, 2, 2, dtype=DType.BOOL)], shape=(12,))


def gather() -> Iterator[Case]:
    yield make("gather", [arg(5, 3), arg(2, 2, dtype=DType.I64, high=5)])
    yield make("gather", [const(5, 3), arg(2, dtype=DType.I64, high=3)], axis=1)
    yield make("gather", [arg(5, 3), const(2, dtype=DType.I64, high=3)], axis=-1)


KINDS = {
    "concat": concat,
    "split": split,
    "transpose": transpose,
    "slice": slice_,
    "pad": pad,
    "expand": expand,
    "reshape": reshape,
    "gather": gather,
}
