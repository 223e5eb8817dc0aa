"""Layers on quantized numbers: what kernels compute on bytes, to the bit, and what only the reference can."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import numpy as np

from plait.backends.cpu.common import LOW_LAYOUTS
from plait.ir.activation import KINDS as ACTIVATIONS
from plait.ir.dtypes import DType, ElementType, Quantized, element_type
from plait.ir.types import TensorType
from plait.tuning.entries import detached_adapt
from routine_cases.case import CHANNELS, Case, Operand, arg, const, make
from routine_cases.storage import format_of

X, Y, R = (element_type(text) for text in ("qu8<0.0235:101>", "qu8<0.31:7>", "qu8<0.11:130>"))
SIGNED = element_type("q8<0.02:-5>")


def weights(outputs: int, text: str = "", zeros: bool = False) -> ElementType:
    """The type of filters: with a scale for each."""
    if text:
        return element_type(text)
    scales = tuple(0.001 * (1 + i % 7) for i in range(outputs))
    return Quantized(DType.I8, scales, tuple(i % 5 - 2 for i in range(outputs)) if zeros else 0, 0)


def _conv(
    shape: tuple[int, ...],
    out: int,
    kernel: tuple[int, int],
    *,
    w: str = "",
    zeros: bool = False,
    bias: ElementType | None = DType.F32,
    residual: ElementType | None = None,
    x: ElementType = X,
    to: ElementType = Y,
    **attributes: Any,
) -> Case:
    weight = const(out, shape[1] // attributes.get("groups", 1), *kernel, dtype=weights(out, w, zeros))
    operands = [arg(*shape, dtype=x), weight, None if bias is None else const(out, dtype=bias), None]
    if residual is not None:
        plain = make("conv2d", operands, to=to, **{k: v for k, v in attributes.items() if k != "act"})
        operands[3] = Operand(plain.layer.result.type.static_shape, dtype=residual)
    return make("conv2d", operands, to=to, **attributes)


def conv2d() -> Iterator[Case]:
    same: dict[str, Any] = {"pad": (1, 1, 1, 1)}
    acts: tuple[Any, ...] = ("relu", ("clip", -1.0, 20.0), "relu6")
    for i, c in enumerate(CHANNELS):
        out = CHANNELS[(i + 4) % len(CHANNELS)]
        yield _conv((1 + i % 2, c, 5, 7), out, (3, 3), **same, stride=(1 + i % 2, 1 + i % 2), act=acts[i % 3])
        yield _conv((2 - i % 2, c, 5, 7), out, (1, 1), bias=None if i % 2 else element_type("q32<0.0001>"))
        yield _conv((1, c, 6, 9), c, (3, 3), **same, groups=c, act=acts[i % 3])
    for kernel in ((5, 5), (7, 7), (3, 2)):
        pad = (kernel[0] // 2, kernel[1] // 2, kernel[0] // 2, kernel[1] // 2)
        yield _conv((1, 24, 9, 13), 40, kernel, pad=pad, stride=(2, 1), residual=R, act="relu")
        yield _conv((1, 24, 9, 33), 24, kernel, pad=pad, stride=(2, 2), groups=24, residual=R)
    yield _conv((1, 32, 5, 6), 64, (3, 3), **same, groups=2, dilation=(2, 1))
    yield _conv((1, 12, 5, 6), 6, (3, 3), **same, groups=3)
    yield _conv((1, 17, 5, 6), 19, (3, 3), zeros=True)  # weights with zero points
    yield _conv((1, 17, 5, 6), 19, (1, 1), w="qu8<0.003:120>")
    yield _conv((1, 16, 5, 6), 16, (3, 3), w="q4<0.02>")
    # What no kernel takes: other activations and roundings, signed bytes, floats among integers.
    yield _conv((1, 3, 4, 5), 4, (1, 1), act="silu")
    yield _conv((1, 3, 4, 5), 4, (1, 1), rounding="fixed_point")
    yield _conv((1, 3, 4, 5), 4, (1, 1), x=SIGNED, to=SIGNED)
    yield _conv((1, 3, 4, 5), 4, (1, 1), to=DType.F32)
    yield _conv((1, 3, 4, 5), 4, (1, 1), residual=DType.F32)


def fully_connected() -> Iterator[Case]:
    for rows, k, out in ((1, 64, 10), (3, 17, 33), (2, 300, 7)):
        for bias in (const(out), None):
            operands = [arg(rows, k, dtype=X), const(out, k, dtype=weights(out, zeros=rows > 1)), bias]
            yield make("fully_connected", operands, to=Y, act="relu" if rows == 3 else "none")
    yield make("fully_connected", [arg(2, 5, dtype=SIGNED), arg(3, 5, dtype=SIGNED)], to=Y)


def matmul() -> Iterator[Case]:
    """By weights for each column, of computed operands with and without batches, sums, and what no kernel takes."""
    per_column = Quantized(DType.I8, tuple(0.001 * (1 + i % 7) for i in range(33)), 0, 1)
    yield make("matmul", [arg(5, 17, dtype=X), const(17, 33, dtype=per_column)], to=Y)
    yield make("matmul", [arg(2, 3, 5, 40, dtype=X), const(1, 40, 70, dtype=SIGNED)], to=Y)
    yield make("matmul", [arg(2, 3, 5, 40, dtype=X), arg(3, 40, 70, dtype=R)], to=Y)
    yield make("matmul", [arg(3, 50, 40, dtype=X), arg(3, 40, 64, dtype=SIGNED)], to=Y)
    one = element_type("qu8<1.0:7>")
    yield make("matmul", [arg(3, 9, dtype=one), arg(9, 5, dtype=one)], to=element_type("q32<1.0>"))
    yield make("matmul", [arg(3, 9, dtype=X), arg(9, 5, dtype=X)], to=element_type("q32<1.0>"))
    yield make("matmul", [arg(3, 9, dtype=SIGNED), arg(9, 5, dtype=X)], to=Y)
    yield make("matmul", [arg(1, 1, 2, 3, 9, dtype=X), arg(9, 5, dtype=X)], to=Y)


def _table(kind: str, **attributes: Any) -> Callable[[], Iterator[Case]]:
    def cases() -> Iterator[Case]:
        for i, (shape, dtype) in enumerate(itertools.product(((1, 17, 5, 7), (3, 50)), (X, SIGNED))):
            yield make(kind, [arg(*shape, dtype=dtype)], **attributes, to=(Y, SIGNED)[i % 2])

    return cases


def _arithmetic(kind: str) -> Callable[[], Iterator[Case]]:
    """Operands of one shape, numbers for each channel, and numbers that are known."""

    def cases() -> Iterator[Case]:
        for i, shape in enumerate(((1, 17, 5, 7), (2, 40, 3, 4), (3, 50), (2, 16, 14, 14))):
            act = ("none", "relu", ("clip", -3.0, 1.0))[i % 3]
            yield make(kind, [arg(*shape, dtype=X), arg(*shape, dtype=(X, R)[i % 2])], to=Y, act=act)
            if len(shape) == 4:
                channel = arg(1 if i else shape[0], shape[1], 1, 1, dtype=R)
                yield make(kind, [arg(*shape, dtype=X), channel], to=X, act=act)
                yield make(kind, [channel, arg(*shape, dtype=X)], to=X, act=act)
        channel = arg(2, 17, 1, 1, dtype=R)
        yield make(kind, [arg(2, 17, 3, 5, dtype=X), channel], to=Y)
        yield make(kind, [arg(2, 17, 3, 5, dtype=X), arg(5, dtype=R)], to=Y)
        for i, dtype in enumerate((DType.F32, SIGNED)):
            number = const(*(1,) * (3 * i), dtype=dtype)
            pair = [arg(1, 17, 5, 7, dtype=X), number]
            yield make(kind, pair[::-1] if kind in ("sub", "pow") else pair, to=(Y, SIGNED)[i], act="relu")
        yield make(kind, [arg(3, 20, dtype=X), const(3, 20, dtype=SIGNED)], to=Y)

    return cases


def cast() -> Iterator[Case]:
    yield from _table("cast")()
    for i, c in enumerate(CHANNELS):
        for shape in ((1 + i % 2, c, 5, 7), (3, c)):
            for dtype in (X, SIGNED):
                yield make("cast", [arg(*shape)], to=dtype)
                yield make("cast", [arg(*shape, dtype=dtype)], to=DType.F32)
    yield make("cast", [arg(2, 3, dtype=element_type("q32<0.1>"))], to=SIGNED)


def _pool(kind: str) -> Callable[[], Iterator[Case]]:
    def cases() -> Iterator[Case]:
        shared: dict[str, Any] = {"count_pad": True} if kind == "avg_pool2d" else {}
        for i, c in enumerate(CHANNELS):
            to, ceil = (X, Y)[i % 2], i % 3 == 0
            yield make(kind, [arg(1 + i % 2, c, 9, 11, dtype=X)], kernel=(3, 2), stride=(2, 1), to=to, ceil=ceil)
            pads = (1, 1, 1, 0)
            yield make(kind, [arg(1, c, 8, 7, dtype=X)], kernel=3, stride=2, pad=pads, to=to, ceil=ceil, **shared)
            yield make(kind, [arg(1, c, 6, 7, dtype=X)], kernel=3, pad=1, to=to)
        yield make(kind, [arg(1, 16, 9, 8, dtype=X)], kernel=2, dilation=(3, 2), pad=1)
        yield make(kind, [arg(1, 16, 3, 3, dtype=X)], kernel=2, dilation=(2, 2), pad=2, to=Y)
        yield make(kind, [arg(1, 3, 4, 4, dtype=SIGNED)], kernel=2)

    return cases


def global_avg_pool() -> Iterator[Case]:
    for i, c in enumerate(CHANNELS):
        yield make("global_avg_pool", [arg(1 + i % 2, c, 7 - i % 3, 5 + i, dtype=X)], to=(X, Y)[i % 2])
    yield make("global_avg_pool", [arg(1, 3, 4, 4, dtype=X)], rounding="fixed_point")


def reduce() -> Iterator[Case]:
    for i, fn in enumerate(("mean", "sum", "max", "min")):
        for shape, axes in (((2, 5, 17), (2,)), ((2, 5, 70), (1,)), ((3, 4, 5), (0, 1, 2)), ((3, 2, 4, 33), (1, 2))):
            to = (X, Y)[i % 2]
            yield make("reduce", [arg(*shape, dtype=X)], fn=fn, axes=axes, keep=i % 2 == 0, to=to)
    yield make("reduce", [arg(3, 50, dtype=X)], fn="mean", axes=(1,), to=Y, rounding="fixed_point")
    yield make("reduce", [arg(3, 5, dtype=X)], fn="prod", axes=(1,), to=Y)
    yield make("reduce", [arg(3, 5, 2, dtype=X)], fn="mean", axes=(0, 2), to=Y)
    yield make("reduce", [arg(3, 5, dtype=SIGNED)], fn="mean", axes=(1,), to=Y)


def lookup() -> Iterator[Case]:
    """Bytes of every kind, and a table that is computed, which no kernel takes."""
    for shape, dtype in itertools.product(((1, 17, 5, 7), (3, 50)), (X, SIGNED, DType.U8)):
        yield make("lookup", [arg(*shape, dtype=dtype, high=256), const(256, dtype=DType.U8, high=256)], to=Y)
    yield make("lookup", [arg(3, 5, dtype=X), arg(256, dtype=DType.U8)])


def adapt() -> Iterator[Case]:
    for i, c in enumerate(CHANNELS):
        for source, target in itertools.permutations(LOW_LAYOUTS, 2):
            type = TensorType(X, (1 + i % 2, c, 5, 7 + i))
            formats = [type.with_format(format_as(type, layout)).format for layout in (source, target)]
            data = np.random.default_rng(c).integers(0, 256, type.static_shape, np.uint8)
            yield Case(f"adapt({type}) {source} to {target}", detached_adapt(type, *formats), (data,))


def format_as(type: TensorType, layout: str) -> Any:

    return attrs.evolve(format_of(layout), dtype=str(type.dtype))


def moved() -> dict[str, Callable[[], Iterator[Case]]]:
    """Layers that move bytes, with and without a change of parameters."""

    def concat() -> Iterator[Case]:
        yield make("concat", [arg(1, 3, 4, 5, dtype=X), arg(1, 5, 4, 5, dtype=X)])
        yield make("concat", [arg(1, 3, 4, 5, dtype=X), arg(1, 5, 4, 5, dtype=Y)], to=Y)
        yield make("concat", [arg(2, c, 3, 5, dtype=t) for c, t in ((16, X), (17, SIGNED), (40, X))], to=X)
        yield make("concat", [arg(2, 3, 4, dtype=X), arg(2, 3, 4, dtype=X)], axis=2)

    def split() -> Iterator[Case]:
        yield make("split", [arg(1, 40, 3, 5, dtype=X)], sizes=(16, 7, 17))
        yield make("split", [arg(5, 3, dtype=SIGNED)], sizes=(2, 3), axis=0)

    def pad() -> Iterator[Case]:
        for dtype in (X, SIGNED):
            sides = {"before": (0, 1, 2, -1), "after": (1, 0, 3, 2)}
            yield make("pad", [arg(1, 3, 4, 5, dtype=dtype)], **sides, value=0.5)
        yield make("pad", [arg(3, dtype=X)], before=(1,), after=(1,), to=Y)

    def resize() -> Iterator[Case]:
        yield make("resize", [arg(1, 3, 4, 5, dtype=X)], size=(7, 10), to=Y)
        yield make("resize", [arg(1, 3, 4, 5, dtype=X)], size=(7, 10), mode="linear")
        for i, c in enumerate(CHANNELS):
            mode, to = ("nearest", "linear")[i % 2], (X, Y)[i // 2 % 2]
            yield make("resize", [arg(1 + i % 2, c, 6, 5, dtype=X)], size=(9, 4 + i), mode=mode, to=to)
        yield make("resize", [arg(1, 3, 4, 5, dtype=SIGNED)], size=(7, 10), mode="linear", to=DType.F32)

    def transpose() -> Iterator[Case]:
        yield make("transpose", [arg(3, 4, 5, dtype=X)], perm=(2, 0, 1))

    def bitcast() -> Iterator[Case]:
        yield make("bitcast", [arg(1, 3, 4, 5, dtype=X)], to=DType.U8)
        yield make("bitcast", [arg(5)], to=DType.I32)

    return {
        "concat": concat,
        "split": split,
        "pad": pad,
        "resize": resize,
        "transpose": transpose,
        "bitcast": bitcast,
    }


_PARAMETERS = {"hard_sigmoid": {"alpha": 0.25}, "clip": {"low": -0.5, "high": 1.5}}
KINDS: dict[str, Callable[[], Iterator[Case]]] = {
    "conv2d": conv2d,
    "fully_connected": fully_connected,
    "matmul": matmul,
    "cast": cast,
    "lookup": lookup,
    "reduce": reduce,
    "adapt": adapt,
    "unary": _table("unary", fn="exp"),
    **{kind: _arithmetic(kind) for kind in ("add", "sub", "mul", "div", "minimum", "maximum", "pow")},
    **{kind: _table(kind, **_PARAMETERS.get(kind, {})) for kind in ACTIVATIONS if kind != "none"},
    "max_pool2d": _pool("max_pool2d"),
    "avg_pool2d": _pool("avg_pool2d"),
    "global_avg_pool": global_avg_pool,
    **moved(),
}
