"""Products of matrices."""

from __future__ import annotations

from collections.abc import Iterator

from plait.ir.types import DType
from routine_cases.case import ACTS, Case, Operand, arg, const, make


def fully_connected() -> Iterator[Case]:
    for m, k, n in (
        (1, 1, 1),
        (1, 17, 10),
        (3, 16, 64),
        (1, 64, 65),
        (7, 100, 63),
        (1, 300, 129),
        (2, 15, 40),
        (13, 33, 128),
        (64, 24, 70),
    ):
        yield make("fully_connected", [arg(m, k), const(n, k), const(n)])
        yield make("fully_connected", [arg(m, k), const(n, k), None], act="relu")
    for act in ACTS:
        yield make("fully_connected", [arg(3, 20), const(37, 20), const(37)], act=act)
    for leading in ((2, 5), (1, 7), (3, 1), (2, 1, 3), (1, 2, 2, 2)):
        yield make("fully_connected", [arg(*leading, 33), const(70, 33), const(70)], act="gelu")
    yield make("fully_connected", [arg(3, 20), arg(37, 20), const(37)])
    yield make("fully_connected", [const(3, 20), const(37, 20), const(37)])


def matmul() -> Iterator[Case]:
    shapes = (
        ((3, 5), (5, 7)),
        ((1, 64), (64, 33)),
        ((2, 9, 17), (2, 17, 16)),
        ((4, 9, 17), (17, 5)),
        ((9, 17), (4, 17, 5)),
        ((2, 3, 8, 16), (2, 3, 16, 24)),
        ((2, 1, 8, 16), (1, 3, 16, 24)),
        ((2, 3, 33, 40), (40, 1)),
        ((1, 1), (1, 1)),
        ((2, 1, 3, 4, 5), (1, 2, 3, 5, 6)),
        ((70, 90), (90, 100)),
    )
    for a, b in shapes:
        yield make("matmul", [arg(*a), arg(*b)])
        yield make("matmul", [arg(*a), const(*b)])
    yield make("matmul", [const(2, 6, 17), arg(17, 5)])
    yield make("matmul", [arg(9, 9), Operand((), same_as=0)])
    yield make("matmul", [arg(3, 4, dtype=DType.I64), arg(4, 5, dtype=DType.I64)])


KINDS = {"fully_connected": fully_connected, "matmul": matmul}
