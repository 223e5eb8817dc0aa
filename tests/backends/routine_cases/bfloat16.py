"""Layers on bfloat16: sums in float32, rounded once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import numpy as np

from plait.backends.cpu.common import LOW_LAYOUTS
from plait.ir.activation import KINDS as ACTIVATIONS
from plait.ir.dtypes import Quantized
from plait.ir.types import DType, TensorType
from plait.tuning.entries import detached_adapt
from routine_cases.case import ACTS, CHANNELS, Case, Operand, arg, const, make
from routine_cases.storage import format_of

BF16 = DType.BF16


def x(*shape: int, **more: Any) -> Operand:
    return arg(*shape, dtype=BF16, **more)


def w(*shape: int, **more: Any) -> Operand:
    return const(*shape, dtype=BF16, **more)


def _conv(
    shape: tuple[int, ...],
    out: int,
    kernel: tuple[int, int],
    *,
    bias: bool = True,
    residual: bool = False,
    **attributes: Any,
) -> Case:
    weight = w(out, shape[1] // attributes.get("groups", 1), *kernel)
    operands = [x(*shape), weight, w(out) if bias else None, None]
    if residual:
        plain = make("conv2d", operands, **{k: v for k, v in attributes.items() if k != "act"})
        operands[3] = x(*plain.layer.result.type.static_shape)
    return make("conv2d", operands, **attributes)


def conv2d() -> Iterator[Case]:
    same: dict[str, Any] = {"pad": (1, 1, 1, 1)}
    for i, c in enumerate(CHANNELS):
        out, act = CHANNELS[(i + 4) % len(CHANNELS)], ACTS[i % len(ACTS)]
        yield _conv((1 + i % 2, c, 5, 7), out, (3, 3), **same, stride=(1 + i % 2, 1 + i % 2), act=act)
        yield _conv((2 - i % 2, c, 5, 7), out, (1, 1), bias=bool(i % 2), residual=True)
        yield _conv((1, c, 6, 9), c, (3, 3), **same, groups=c, act=act, stride=(1 + i % 2, 1), residual=i % 3 == 0)
    for kernel in ((5, 5), (7, 7), (3, 2)):
        pad = (kernel[0] // 2, kernel[1] // 2, kernel[0] // 2, kernel[1] // 2)
        yield _conv((1, 24, 9, 13), 40, kernel, pad=pad, stride=(2, 1), residual=True, act="relu")
        yield _conv((1, 24, 9, 33), 24, kernel, pad=pad, stride=(2, 2), groups=24, residual=True, act="silu")
        yield _conv((1, 24, 9, 33), 24, kernel, pad=pad, groups=24, dilation=(2, 2))
    yield _conv((1, 32, 5, 6), 64, (3, 3), **same, groups=2, dilation=(2, 1))
    yield _conv((1, 12, 5, 6), 6, (3, 3), **same, groups=3)
    yield make("conv2d", [x(1, 3, 5, 6), x(4, 3, 1, 1)])


def separable_conv2d() -> Iterator[Case]:
    for i, c in enumerate(CHANNELS):
        out = CHANNELS[(i + 4) % len(CHANNELS)]
        filters = [w(c, 1, 3, 3), w(out, c, 1, 1)]
        operands = [x(1, c, 6, 9), *filters, w(c) if i % 2 else None, w(out) if i % 3 else None]
        yield make(
            "separable_conv2d", operands, pad=1, stride=1 + i % 2, depthwise_act="relu6", act=ACTS[i % len(ACTS)]
        )


def concat() -> Iterator[Case]:
    yield make("concat", [x(1, 16, 4, 5), x(1, 17, 4, 5), x(1, 3, 4, 5)])
    yield make("concat", [x(2, 5, 4, 5), x(2, 40, 4, 5)])


def split() -> Iterator[Case]:
    yield make("split", [x(1, 40, 3, 5)], sizes=(16, 7, 17))


def fully_connected() -> Iterator[Case]:
    for rows, k, out in ((1, 64, 10), (3, 17, 33), (2, 300, 70)):
        for bias in (w(out), None):
            yield make("fully_connected", [x(rows, k), w(out, k), bias], act="gelu" if rows == 3 else "none")
    yield make("fully_connected", [x(2, 5), x(3, 5)])
    # Weights alone in fewer bits.
    scales = Quantized(DType.I8, tuple(0.01 * (1 + i % 5) for i in range(70)), 0, 0)
    for dtype in (BF16, DType.F16, scales, Quantized(DType.I8, 0.02, 0)):
        for rows in (1, 3):
            yield make("fully_connected", [arg(rows, 130), const(70, 130, dtype=dtype), const(70)], act="relu")
    yield make("fully_connected", [arg(2, 5), const(3, 5, dtype=Quantized(DType.I8, 0.02, 3)), None])


def _pool(kind: str) -> Callable[[], Iterator[Case]]:
    def cases() -> Iterator[Case]:
        for i, c in enumerate(CHANNELS):
            yield make(kind, [x(1 + i % 2, c, 9, 11)], kernel=(3, 2), stride=(2, 1), ceil=i % 3 == 0)
            yield make(kind, [x(1, c, 8, 7)], kernel=3, stride=2, pad=1)

    return cases


def global_avg_pool() -> Iterator[Case]:
    for i, c in enumerate(CHANNELS):
        yield make("global_avg_pool", [x(1 + i % 2, c, 7 - i % 3, 5 + i)])


def squeeze_excite() -> Iterator[Case]:
    for i, c in enumerate((16, 17, 40)):
        operands = [x(1 + i % 2, c, 5, 7), w(6, c, 1, 1), w(c, 6, 1, 1), w(6), w(c)]
        yield make("squeeze_excite", operands, reduce_act="relu", gate="sigmoid", act=("none", "hard_swish")[i % 2])


def _binary(kind: str) -> Callable[[], Iterator[Case]]:
    def cases() -> Iterator[Case]:
        positive = kind == "pow"
        for i, shape in enumerate(((1, 17, 5, 7), (2, 40, 3, 4), (3, 50), (2, 16, 14, 14), (1, 16, 13, 40))):
            act = ("none", "relu", "silu")[i % 3]
            yield make(kind, [x(*shape, positive=positive), x(*shape)], act=act)
            yield make(kind, [w(*(1,) * i, positive=positive), x(*shape)])
            if len(shape) == 4:
                channel = (x, w)[i % 2](1 if i else shape[0], shape[1], 1, 1, positive=positive)
                yield make(kind, [channel, x(*shape, positive=positive)], act=act)
        yield make(kind, [x(2, 17, 3, 5, positive=positive), x(5)])

    return cases


def _unary(kind: str, **attributes: Any) -> Callable[[], Iterator[Case]]:
    def cases() -> Iterator[Case]:
        for shape in ((1, 17, 5, 7), (3, 50), (1, 16, 40, 40)):
            yield make(kind, [x(*shape, positive=True)], **attributes)

    return cases


def cast() -> Iterator[Case]:
    for i, c in enumerate(CHANNELS):
        for shape in ((1 + i % 2, c, 5, 7), (3, c)):
            yield make("cast", [arg(*shape)], to=BF16)
            yield make("cast", [x(*shape)], to=DType.F32)
    yield make("cast", [x(2, 3)], to=DType.F16)


def adapt() -> Iterator[Case]:
    for i, c in enumerate(CHANNELS):
        for source, target in itertools.permutations(LOW_LAYOUTS, 2):
            type = TensorType(BF16, (1 + i % 2, c, 5, 7 + i))
            formats = [attrs.evolve(format_of(layout), dtype="bf16") for layout in (source, target)]
            data = np.random.default_rng(c).standard_normal(type.static_shape).astype(BF16.numpy)
            yield Case(f"adapt({type}) {source} to {target}", detached_adapt(type, *formats), (data,))


_PARAMETERS: dict[str, dict[str, Any]] = {"hard_sigmoid": {"alpha": 0.25}, "clip": {"low": -0.5, "high": 1.5}}
_FUNCTIONS = ("exp", "sqrt", "neg", "abs", "log", "erf", "reciprocal", "floor", "ceil")


def unary() -> Iterator[Case]:
    for function in _FUNCTIONS:
        yield from _unary("unary", fn=function)()


KINDS: dict[str, Callable[[], Iterator[Case]]] = {
    "conv2d": conv2d,
    "separable_conv2d": separable_conv2d,
    "concat": concat,
    "split": split,
    "fully_connected": fully_connected,
    "max_pool2d": _pool("max_pool2d"),
    "avg_pool2d": _pool("avg_pool2d"),
    "global_avg_pool": global_avg_pool,
    "squeeze_excite": squeeze_excite,
    "unary": unary,
    "cast": cast,
    "adapt": adapt,
    **{kind: _binary(kind) for kind in ("add", "sub", "mul", "div", "minimum", "maximum", "pow")},
    **{kind: _unary(kind, **_PARAMETERS.get(kind, {})) for kind in ACTIVATIONS if kind != "none"},
}
