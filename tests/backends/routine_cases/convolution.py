"""Convolutions: windows, strides, edges, channels, groups, activations and sizes of images."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from routine_cases.case import ACTS, CHANNELS, Case, Operand, arg, const, make

STRIDES = ((1, 1), (2, 2), (2, 1), (1, 3))


def _conv(
    shape: tuple[int, ...],
    out: int,
    kernel: tuple[int, int],
    *,
    groups: int = 1,
    bias: bool = True,
    residual: bool = False,
    constant_residual: bool = False,
    **attributes: Any,
) -> Case:
    weight = const(out, shape[1] // groups, *kernel)
    operands = [arg(*shape), weight, const(out) if bias else None, None]
    if groups > 1:
        attributes["groups"] = groups
    if residual:
        plain = make("conv2d", operands, **{k: v for k, v in attributes.items() if k != "act"})
        operands[3] = Operand(plain.layer.result.type.static_shape, constant=constant_residual)
    return make("conv2d", operands, **attributes)


def _kernels_and_strides() -> Iterator[Case]:
    for kernel, stride in itertools.product(((1, 1), (3, 3), (5, 5), (7, 7), (1, 3), (3, 2)), STRIDES):
        half = tuple((k - 1) // 2 for k in kernel)
        pad = (half[0], half[1], (kernel[0] - 1) - half[0], (kernel[1] - 1) - half[1])
        yield _conv((1, 3, 9, 11), 17, kernel, stride=stride, pad=pad)
        yield _conv((3, 16, 9, 13), 24, kernel, stride=stride)


def _padded() -> Iterator[Case]:
    pads = ((0, 1, 2, 0), (2, 0, 0, 1), (1, 1, 1, 1), (3, 3, 3, 3), (0, 0, 4, 4))
    for pad, stride in itertools.product(pads, ((1, 1), (2, 2))):
        yield _conv((1, 8, 7, 10), 16, (3, 3), pad=pad, stride=stride)
        yield _conv((3, 3, 7, 10), 15, (5, 3), pad=pad, stride=stride)


def _channels() -> Iterator[Case]:
    for i, channels in enumerate(CHANNELS):
        for step in (1, 4, 7):
            out = CHANNELS[(i + step) % len(CHANNELS)]
            yield _conv((1 + 2 * (step == 4), channels, 5, 7), out, (3, 3), pad=(1, 1, 1, 1))
            yield _conv((3 - 2 * (step == 4), channels, 5, 7), out, (1, 1), bias=step != 7)
        yield _conv((1, channels, 5, 6), channels, (3, 3), pad=(1, 1, 1, 1), residual=True, act="relu", bias=i % 2 == 0)


def _dilated() -> Iterator[Case]:
    for dilation in ((2, 2), (1, 2), (3, 1)):
        yield _conv((1, 16, 11, 12), 17, (3, 3), dilation=dilation, pad=(2, 2, 2, 2))
        yield _conv((3, 3, 13, 14), 16, (5, 5), dilation=dilation, pad=(4, 3, 2, 1), stride=(2, 1))


def _grouped() -> Iterator[Case]:
    for shape, out, groups in (
        ((1, 8, 7, 9), 12, 2),
        ((3, 64, 5, 7), 64, 4),
        ((1, 9, 7, 7), 6, 3),
        ((1, 32, 6, 9), 64, 2),
        ((1, 48, 5, 5), 30, 3),
        ((1, 34, 5, 5), 34, 2),
        ((1, 32, 5, 5), 48, 2),
        ((1, 17, 5, 5), 34, 17),
    ):
        yield _conv(shape, out, (3, 3), groups=groups, pad=(1, 1, 1, 1))
        yield _conv(shape, out, (1, 1), groups=groups, residual=True, act="relu6", stride=(2, 1))


def _depthwise() -> Iterator[Case]:
    for i, channels in enumerate(CHANNELS[1:]):
        for kernel in ((3, 3), (5, 5), (1, 1), (7, 2)):
            yield _conv(
                (1 + 2 * (i % 2), channels, 9, 11),
                channels,
                kernel,
                groups=channels,
                stride=STRIDES[i % 3],
                pad=(kernel[0] // 2, kernel[1] // 2, kernel[0] // 2, (kernel[1] - 1) // 2),
            )
        yield _conv(
            (1, channels, 8, 9),
            channels,
            (3, 3),
            groups=channels,
            dilation=(2, 1),
            pad=(0, 2, 1, 0),
            residual=i % 2 == 0,
            act="hard_swish",
            bias=i % 3 > 0,
        )


def _activations() -> Iterator[Case]:
    for act in ACTS:
        yield _conv((1, 3, 5, 9), 17, (3, 3), pad=(1, 1, 1, 1), act=act)
        yield _conv((3, 17, 5, 9), 17, (3, 3), groups=17, act=act)
        yield _conv((1, 24, 4, 5), 40, (1, 1), act=act, residual=True)


def _sizes() -> Iterator[Case]:
    # Rows about as wide as register tiles, planes of one row, column or pixel, and windows larger than the image.
    for width in (1, 2, 6, 12, 13, 14, 15, 27, 28, 29, 33, 56, 71):
        yield _conv((1, 16, 3, width), 32, (3, 3), pad=(1, 1, 1, 1))
        yield _conv((1, 3, 4, width), 64, (3, 3), pad=(1, 1, 1, 1), stride=(2, 2))
        yield _conv((1, 16, 2, width), 16, (3, 3), groups=16, pad=(1, 1, 1, 1))
        yield _conv((1, 33, 1, width), 64, (1, 1))
    yield _conv((3, 24, 1, 1), 33, (1, 1))
    yield _conv((1, 5, 3, 3), 16, (7, 7), pad=(3, 3, 3, 3))
    yield _conv((1, 5, 13, 1), 20, (3, 1), pad=(1, 0, 1, 0))
    yield _conv((1, 96, 6, 6), 160, (3, 3), pad=(1, 1, 1, 1))
    yield _conv((2, 130, 7, 7), 66, (1, 1))


def _operands() -> Iterator[Case]:
    yield _conv((1, 16, 4, 5), 24, (1, 1), residual=True, constant_residual=True)
    yield make("conv2d", [const(1, 16, 4, 5), const(24, 16, 1, 1), const(24), arg(1, 24, 4, 5)])
    yield make("conv2d", [arg(1, 16, 4, 5), const(16, 16, 1, 1), None, Operand((), same_as=0)])
    yield make("conv2d", [arg(1, 3, 4, 5), arg(8, 3, 3, 3), arg(8), None])


def _random() -> Iterator[Case]:
    rng = np.random.default_rng(20)
    for _ in range(60):
        kernel = tuple(int(k) for k in rng.integers(1, 6, 2))
        dilation = tuple(int(d) for d in rng.integers(1, 3, 2))
        low = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
        groups = int(rng.choice((1, 1, 1, 2, 3)))
        yield _conv(
            (
                int(rng.integers(1, 4)),
                groups * int(rng.integers(1, 22)),
                int(rng.integers(low[0], low[0] + 8)),
                int(rng.integers(low[1], low[1] + 18)),
            ),
            groups * int(rng.integers(1, 40)),
            (kernel[0], kernel[1]),
            groups=groups,
            dilation=dilation,
            stride=tuple(int(s) for s in rng.integers(1, 4, 2)),
            pad=tuple(int(p) for p in rng.integers(0, 3, 4)),
            residual=bool(rng.integers(2)),
            bias=bool(rng.integers(2)),
            act=("none", "relu", "sigmoid")[int(rng.integers(3))],
        )


def conv2d() -> Iterator[Case]:
    for part in (
        _kernels_and_strides,
        _padded,
        _channels,
        _dilated,
        _grouped,
        _depthwise,
        _activations,
        _sizes,
        _operands,
        _random,
    ):
        yield from part()


KINDS = {"conv2d": conv2d}
