"""Cases for every routine: layers of each kind with shapes below, at and above the blocks of the kernels.

`check(kind)` runs each case on each routine that takes it and compares with the layer's NumPy reference. Run as a
program this file prints the failures as JSON; so the tests reach ISA levels below the one that this process was started
with (`PLAIT_MAX_ISA`).
"""

from __future__ import annotations

import functools
import itertools
import json
import re
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from plait.backends import build
from plait.backends.cpu.common import LAYOUTS
from plait.backends.partition import with_split
from plait.backends.program import Program, Segment
from plait.backends.routine import CUTS, Routine, known_routines
from plait.ir.layer import Layer
from plait.ir.layout import SPLITS, layout_named
from plait.ir.module import Module
from plait.ir.region import Region
from plait.ir.registry import layer_class
from plait.ir.text.parser import parse_module
from plait.ir.types import DType, TensorType
from plait.ir.values import Array, Constant, Value
from plait.kernels_pyx import aligned_empty, isa_level, poison, sanitized
from plait.testing.compare import relative_error
from plait.tuning.costs import detached_adapt, option_for

sys.path.insert(0, str(Path(__file__).parent))
import apart

if sanitized():
    build.assign_offsets = apart.assign_offsets

TOLERANCE = 1e-5
CHANNELS = (1, 3, 8, 15, 16, 17, 24, 40, 64)
ACTS: tuple[Any, ...] = (
    "relu",
    "relu6",
    "hard_swish",
    "sigmoid",
    "silu",
    "tanh",
    "gelu",
    ("clip", -1.0, 0.5),
    ("hard_sigmoid", 0.25, 0.4),
    ("leaky_relu", 0.1),
    ("elu", 0.7),
)


@attrs.frozen(eq=False)
class Case:
    """A layer with its operands' data, in logical order; arguments and constants in the order of the layer's
    operands."""

    name: str
    layer: Layer
    arguments: tuple[Array, ...]

    def reference(self) -> tuple[Array, ...]:
        """What the layer means, computed by NumPy on copies."""
        known = dict(zip(self.inputs(), self.arguments, strict=True))
        operands = [
            None if v is None else v.data if isinstance(v, Constant) else known[v].copy()
            for v in self.layer.operand_slots()
        ]
        with np.errstate(all="ignore"):
            results = self.layer.reference(*operands)
        return results if isinstance(results, tuple) else (results,)

    def inputs(self) -> list[Value]:
        """The operands that are not constants, each once."""
        return list(dict.fromkeys(v for v in self.layer.operands if not isinstance(v, Constant)))


# --- making cases ---


@attrs.frozen
class Operand:
    """An operand to be made: its shape, whether constant, and the range of its random elements."""

    shape: tuple[int, ...]
    constant: bool = False
    dtype: DType = DType.F32
    positive: bool = False
    high: int = 5
    same_as: int | None = None


def arg(*shape: int, **more: Any) -> Operand:
    return Operand(shape, **more)


def const(*shape: int, **more: Any) -> Operand:
    return Operand(shape, constant=True, **more)


def _random(operand: Operand, rng: np.random.Generator) -> Array:
    if operand.dtype is DType.BOOL:
        return rng.integers(0, 2, operand.shape).astype(np.bool_)
    if not operand.dtype.is_float:
        return np.asarray(rng.integers(0, operand.high, operand.shape), operand.dtype.numpy)
    values = rng.uniform(0.5, 2.0, operand.shape) if operand.positive else rng.standard_normal(operand.shape) * 2
    return np.asarray(values, operand.dtype.numpy)


def make(kind: str, operands: Sequence[Operand | None], **attributes: Any) -> Case:
    """A case; its name and its data follow from what it is."""
    for name in {"act", "gate"} & attributes.keys():
        if isinstance(attributes[name], tuple):
            from plait.ir.activation import Activation

            word, *params = attributes[name]
            attributes[name] = Activation(word, tuple(params))
    shown = [_shown(o) for o in operands]
    name = f"{kind}({', '.join(shown)}) {attributes}"
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    values: list[Value | None] = []
    arguments: list[Array] = []
    for operand in operands:
        if operand is None or operand.same_as is not None:
            values.append(None if operand is None else values[operand.same_as])  # type: ignore[index]
            continue
        data = _random(operand, rng)
        if operand.constant:
            values.append(Constant(f"c{len(values)}", data))
        else:
            values.append(Value(f"x{len(values)}", TensorType(operand.dtype, operand.shape)))
            arguments.append(data)
    cls = layer_class(kind)
    assert cls is not None, kind
    variadic = cls.spec.operands and cls.spec.operands[0].variadic
    layer = cls(tuple(values), **attributes) if variadic else cls(*values, **attributes)
    Region([v for v in values if v is not None and not isinstance(v, Constant)]).append(layer, ["y"])
    return Case(name, layer, tuple(arguments))


def _shown(operand: Operand | None) -> str:
    if operand is None:
        return "-"
    if operand.same_as is not None:
        return f"={operand.same_as}"
    return f"{'@' if operand.constant else ''}{operand.dtype}[{'x'.join(map(str, operand.shape))}]"


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


def conv2d() -> Iterator[Case]:
    strides = ((1, 1), (2, 2), (2, 1), (1, 3))
    for kernel, stride in itertools.product(((1, 1), (3, 3), (5, 5), (7, 7), (1, 3), (3, 2)), strides):
        half = tuple((k - 1) // 2 for k in kernel)
        pad = (half[0], half[1], (kernel[0] - 1) - half[0], (kernel[1] - 1) - half[1])
        yield _conv((1, 3, 9, 11), 17, kernel, stride=stride, pad=pad)
        yield _conv((3, 16, 9, 13), 24, kernel, stride=stride)
    pads = ((0, 1, 2, 0), (2, 0, 0, 1), (1, 1, 1, 1), (3, 3, 3, 3), (0, 0, 4, 4))
    for pad, stride in itertools.product(pads, ((1, 1), (2, 2))):
        yield _conv((1, 8, 7, 10), 16, (3, 3), pad=pad, stride=stride)
        yield _conv((3, 3, 7, 10), 15, (5, 3), pad=pad, stride=stride)
    for i, channels in enumerate(CHANNELS):
        for step in (1, 4, 7):
            out = CHANNELS[(i + step) % len(CHANNELS)]
            yield _conv((1 + 2 * (step == 4), channels, 5, 7), out, (3, 3), pad=(1, 1, 1, 1))
            yield _conv((3 - 2 * (step == 4), channels, 5, 7), out, (1, 1), bias=step != 7)
        yield _conv((1, channels, 5, 6), channels, (3, 3), pad=(1, 1, 1, 1), residual=True, act="relu", bias=i % 2 == 0)
    for dilation in ((2, 2), (1, 2), (3, 1)):
        yield _conv((1, 16, 11, 12), 17, (3, 3), dilation=dilation, pad=(2, 2, 2, 2))
        yield _conv((3, 3, 13, 14), 16, (5, 5), dilation=dilation, pad=(4, 3, 2, 1), stride=(2, 1))
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
    for i, channels in enumerate(CHANNELS[1:]):
        for kernel in ((3, 3), (5, 5), (1, 1), (7, 2)):
            yield _conv(
                (1 + 2 * (i % 2), channels, 9, 11),
                channels,
                kernel,
                groups=channels,
                stride=strides[i % 3],
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
    for act in ACTS:
        yield _conv((1, 3, 5, 9), 17, (3, 3), pad=(1, 1, 1, 1), act=act)
        yield _conv((3, 17, 5, 9), 17, (3, 3), groups=17, act=act)
        yield _conv((1, 24, 4, 5), 40, (1, 1), act=act, residual=True)
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
    yield _conv((1, 16, 4, 5), 24, (1, 1), residual=True, constant_residual=True)
    yield make("conv2d", [const(1, 16, 4, 5), const(24, 16, 1, 1), const(24), arg(1, 24, 4, 5)])
    yield make("conv2d", [arg(1, 16, 4, 5), const(16, 16, 1, 1), None, Operand((), same_as=0)])
    yield make("conv2d", [arg(1, 3, 4, 5), arg(8, 3, 3, 3), arg(8), None])
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


def _pool_cases(kind: str, options: Sequence[dict[str, Any]]) -> Iterator[Case]:
    windows: tuple[dict[str, Any], ...] = (
        {"kernel": (2, 2), "stride": (2, 2)},
        {"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1, 1, 1)},
        {"kernel": (3, 3), "pad": (1, 1, 1, 1)},
        {"kernel": (3, 2), "stride": (1, 2), "pad": (0, 1, 2, 0)},
        {"kernel": (2, 3), "stride": (3, 2), "pad": (1, 0, 0, 2)},
        {"kernel": (3, 3), "dilation": (2, 2), "pad": (1, 2, 2, 1)},
        {"kernel": (2, 2), "stride": (2, 1), "dilation": (1, 3)},
        {"kernel": (1, 1), "stride": (3, 3)},
        {"kernel": (7, 7), "stride": (1, 1)},
        {"kernel": (5, 4), "stride": (4, 3), "pad": (2, 2, 2, 2)},
    )
    for i, (window, option) in enumerate(itertools.product(windows, options)):
        yield make(kind, [arg(1 + 2 * (i % 2), CHANNELS[i % len(CHANNELS)], 9, 11)], **window, **option)
    for channels in CHANNELS:
        yield make(kind, [arg(3, channels, 7, 8)], kernel=(3, 3), stride=(2, 2), pad=(1, 0, 1, 1), **options[-1])
    yield make(kind, [const(1, 3, 7, 8)], kernel=(3, 3))
    yield make(kind, [arg(1, 16, 1, 1)], kernel=(1, 1))


def max_pool2d() -> Iterator[Case]:
    yield from _pool_cases("max_pool2d", ({}, {"ceil": True}))


def avg_pool2d() -> Iterator[Case]:
    yield from _pool_cases("avg_pool2d", ({}, {"ceil": True}, {"count_pad": True}, {"ceil": True, "count_pad": True}))


def global_avg_pool() -> Iterator[Case]:
    for i, channels in enumerate(CHANNELS):
        for plane in ((1, 1), (3, 5), (7, 7), (13, 17)):
            yield make("global_avg_pool", [arg(1 + 2 * (i % 2), channels, *plane)])
    yield make("global_avg_pool", [const(1, 3, 4, 5)])


def _separable(
    shape: tuple[int, ...],
    out: int,
    kernel: tuple[int, int],
    *,
    biases: bool = True,
    residual: bool = False,
    **attributes: Any,
) -> Case:
    c = shape[1]
    vectors = [const(c), const(out)] if biases else [None, None]
    operands = [arg(*shape), const(c, 1, *kernel), const(out, c, 1, 1), *vectors, None]
    if residual:
        plain = make("separable_conv2d", operands, **{k: v for k, v in attributes.items() if not k.endswith("act")})
        operands[5] = arg(*plain.layer.result.type.static_shape)
    return make("separable_conv2d", operands, **attributes)


def separable_conv2d() -> Iterator[Case]:
    for i, c in enumerate(CHANNELS):
        out, s = CHANNELS[(i + 4) % len(CHANNELS)], 1 + i % 2
        yield _separable((1 + 2 * (i % 2), c, 9, 11), out, (3, 3), pad=(1, 1, 1, 1), stride=(s, s), biases=i % 3 > 0)
        yield _separable((1, c, 15, 6), out, (5, 5), pad=(2, 2, 2, 2), stride=(3 - s, 1), depthwise_act="relu6")
        yield _separable((1, c, 8, 9), out, (3, 2), pad=(0, 2, 1, 0), dilation=(2, 1), residual=True, act="relu")
    for i, act in enumerate(ACTS):
        yield _separable((1, 24, 7, 7), 40, (3, 3), pad=(1, 1, 1, 1), residual=i % 2 > 0, act=act)
        yield _separable((3, 17, 1, 5), 16, (1, 3), depthwise_act=act if isinstance(act, str) else "tanh")
    for width in (1, 13, 14, 15, 29):
        yield _separable((2, 33, 14, width), 130, (3, 3), pad=(1, 1, 1, 1), depthwise_act="hard_swish")
    yield _separable((1, 160, 40, 41), 16, (3, 3), pad=(1, 1, 1, 1))  # several bands, the last of fewer rows
    yield _separable((1, 5, 3, 3), 16, (7, 7), pad=(3, 3, 3, 3))
    yield make("separable_conv2d", [arg(1, 3, 4, 5), arg(3, 1, 3, 3), const(8, 3, 1, 1)])
    yield make("separable_conv2d", [const(1, 3, 4, 5), const(3, 1, 3, 3), const(8, 3, 1, 1)])


def squeeze_excite() -> Iterator[Case]:
    def gated(n: int, c: int, few: int, h: int, w: int, biases: bool = True, **attributes: Any) -> Case:
        weights = [const(few, c, 1, 1), const(c, few, 1, 1)]
        return make(
            "squeeze_excite", [arg(n, c, h, w), *weights, *([const(few), const(c)] if biases else [])], **attributes
        )

    for i, c in enumerate(CHANNELS):
        few, gate = (1, 5, 16, 33)[i % 4], ("sigmoid", ("hard_sigmoid", 0.1, 0.5))[i % 2]
        for plane in ((1, 1), (2, 1), (7, 7), (3, 5), (14, 9)):
            yield gated(1 + 2 * (i % 2), c, few, *plane, biases=i % 3 > 0, gate=gate)
    for act in ACTS:
        yield gated(1, 24, 8, 5, 6, reduce_act="silu", gate="hard_swish", act=act)
    yield make("squeeze_excite", [arg(1, 16, 3, 3), const(4, 16, 1, 1), arg(16, 4, 1, 1)])
    yield make("squeeze_excite", [const(1, 16, 3, 3), const(4, 16, 1, 1), const(16, 4, 1, 1)])


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


def resize() -> Iterator[Case]:
    sizes = ((6, 10), (12, 20), (3, 4), (7, 9), (1, 1), (13, 3), (6, 33))
    for i, size in enumerate(sizes):
        for mode in ("nearest", "linear"):
            for c in (CHANNELS[i], CHANNELS[-i - 1]):
                yield make("resize", [arg(1 + i % 2, c, 6, 10)], size=size, mode=mode)
    for coordinates in ("asymmetric", "align_corners", "pytorch_half_pixel", "half_pixel_symmetric"):
        for mode, rounding in (("linear", "floor"), ("nearest", "floor"), ("nearest", "ceil")):
            options = {"mode": mode, "coordinates": coordinates, "rounding": rounding}
            yield make("resize", [arg(1, 17, 5, 7)], size=(11, 18), **options)
            yield make("resize", [arg(2, 3, 5, 40)], size=(2, 23), scale=(0.45, 0.59), **options)
    yield make("resize", [const(1, 3, 4, 4)], size=(8, 8))


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


def adapt() -> Iterator[Case]:
    for i, c in enumerate(CHANNELS):
        for source, target in itertools.permutations(LAYOUTS, 2):
            for plane in ((5, 7), (1, 1), (1, 19)):
                shape = (1 + 2 * (i % 2), c, *plane)
                type = TensorType(DType.F32, shape)
                layer = detached_adapt(
                    type, type.with_format(_format(source)).format, type.with_format(_format(target)).format
                )
                data = np.random.default_rng(c).standard_normal(shape).astype(np.float32)
                yield Case(f"adapt({type}) {source} to {target}", layer, (data,))
    for layout, split in itertools.product(LAYOUTS, SPLITS):
        held = attrs.evolve(_format(layout), split=split)
        layer = detached_adapt(type, _format(layout), held)
        yield Case(f"adapt({type}) {layout} to {split}", layer, (data,))


def _format(layout: str) -> Any:
    from plait.ir.layout import Format

    return Format("f32", layout)


def batch_norm() -> Iterator[Case]:
    yield make("batch_norm", [arg(2, 5, 3, 4), const(5), const(5), const(5), const(5, positive=True)])


def layer_norm() -> Iterator[Case]:
    for shape in ((2, 5, 8), (3, 1000), (1, 17), (4, 33), (2, 3, 4, 5)):
        for axis in (-1, len(shape) - 2):
            yield make("layer_norm", [arg(*shape), const(*shape[axis:]), const(*shape[axis:])], axis=axis, epsilon=1e-3)
    yield make("layer_norm", [arg(2, 5, 8), const(8), None])
    yield make("layer_norm", [arg(2, 5, 8), arg(8), None])


def cast() -> Iterator[Case]:
    yield make("cast", [arg(2, 5)], to=DType.I64)
    yield make("cast", [arg(1, 3, 2, 2, dtype=DType.U8)], to=DType.F32)


def gather() -> Iterator[Case]:
    yield make("gather", [arg(5, 3), arg(2, 2, dtype=DType.I64, high=5)])
    yield make("gather", [const(5, 3), arg(2, dtype=DType.I64, high=3)], axis=1)
    yield make("gather", [arg(5, 3), const(2, dtype=DType.I64, high=3)], axis=-1)


def shape() -> Iterator[Case]:
    yield make("shape", [arg(5, 3)])


_BINARY = ("add", "sub", "mul", "div", "minimum", "maximum", "pow")
_ACTIVATION = ("relu", "clip", "hard_swish", "hard_sigmoid", "sigmoid", "silu", "leaky_relu", "tanh", "elu", "gelu")
_OTHERS = {
    "slice": slice_,
    **{
        f.__name__: f
        for f in (
            conv2d,
            fully_connected,
            matmul,
            max_pool2d,
            avg_pool2d,
            global_avg_pool,
            separable_conv2d,
            squeeze_excite,
            unary,
            softmax,
            scale_shift,
            local_response_norm,
            concat,
            split,
            transpose,
            pad,
            expand,
            reshape,
            resize,
            reduce,
            adapt,
            batch_norm,
            layer_norm,
            cast,
            gather,
            shape,
        )
    },
}


@functools.cache
def cases(kind: str) -> tuple[Case, ...]:
    """The cases of one kind of layer."""
    if kind in _BINARY:
        return tuple(_binary(kind))
    return tuple(_activation(kind) if kind in _ACTIVATION else _OTHERS[kind]())


KINDS = (*_BINARY, *_ACTIVATION, *_OTHERS)


# --- storage ---


def to_storage(array: Array, type: TensorType) -> Array:
    """A logical array as it lies in memory; lanes beyond the last channel are NaN."""
    layout = layout_named(type.layout.name)
    if layout.terms is None:
        return np.ascontiguousarray(array)
    if layout.order is not None:
        return np.ascontiguousarray(array.transpose(layout.order))
    n, c, h, w = array.shape
    block = layout.terms[-1].modulo
    stored = np.full((n, -(-c // block), block, h, w), np.nan, array.dtype)
    stored.reshape(n, -1, h, w)[:, :c] = array
    return np.ascontiguousarray(stored.transpose(0, 1, 3, 4, 2))


def from_storage(stored: Array, type: TensorType) -> Array:
    """The logical array of what lies in memory."""
    layout = layout_named(type.layout.name)
    if layout.terms is None:
        return stored
    if layout.order is not None:
        return stored.transpose(np.argsort(layout.order))
    n, c, h, w = type.static_shape
    return stored.transpose(0, 1, 4, 2, 3).reshape(n, -1, h, w)[:, :c]


# --- running ---


def alone(case: Case, routine: Routine, variant: str) -> Module:
    """The case as a module that runs on one routine, through the text of its profiling job."""
    job = option_for(case.layer, routine, variant, 1).job
    module = _read(case, re.sub(r"\s+via \S+", "", job.module))
    (layer,) = module.main
    layer.via = job.routine
    return module


@functools.lru_cache(maxsize=16)
def _read(case: Case, text: str) -> Module:
    """The module of a text without routine: most variants have it in common, and reading takes longer than running."""
    module = parse_module(text)
    constants = list(dict.fromkeys(v for v in case.layer.operands if isinstance(v, Constant)))
    (layer,) = module.main
    found = list(dict.fromkeys(v for v in layer.operands if isinstance(v, Constant)))
    for ours, theirs in zip(found, constants, strict=True):
        if ours._data is None:
            ours._load = functools.partial(np.copy, theirs.data)
        else:
            np.testing.assert_array_equal(ours.data, theirs.data)
    return module


def run_poisoned(program: Program, inputs: Sequence[Array]) -> list[Array]:
    """Run with an arena and outputs full of NaN."""
    outputs = program.allocate_outputs()
    for output in outputs:
        output.reshape(-1).view(np.uint8)[...] = 0xFF
    memory = aligned_empty((max(program.arena_bytes, 64),), np.uint8)
    memory[...] = 0xFF
    externals = [*inputs, *outputs]
    for begin, end in apart.gaps:
        poison(memory, begin, end)
    for part in program._order:
        if isinstance(part, Segment):
            program._plan.run(externals, memory, part.first, part.last)
        else:
            program._run_python(part, externals, memory)
    return outputs


def check_case(case: Case, wanted: Sequence[Array], routine: Routine, variant: str) -> str:
    """What is wrong with a routine on a case, or an empty string."""
    module = alone(case, routine, variant)
    first: list[Array] = []
    for threads in (1, 2):
        program = Program(module, threads)
        inputs = [to_storage(a, v.type) for a, v in zip(case.arguments, module.main.arguments, strict=True)]
        kept = [i.copy() for i in inputs]
        outputs = zip(run_poisoned(program, inputs), module.main.outputs, strict=True)
        found = [from_storage(o, v.type) for o, v in outputs]
        if any(a.tobytes() != b.tobytes() for a, b in zip(inputs, kept, strict=True)):
            return f"changes its input on {threads} threads"
        for i, (a, b) in enumerate(zip(found, wanted, strict=True)):
            if a.shape != b.shape or a.dtype != b.dtype:
                return f"result {i} is {a.dtype}{list(a.shape)}, not {b.dtype}{list(b.shape)}"
            if (error := relative_error(a, b)) > (TOLERANCE if b.dtype.kind == "f" else 0):
                return f"result {i} has relative error {error:.2e} on {threads} threads"
        if not first:
            first = found
        elif any(a.tobytes() != b.tobytes() for a, b in zip(first, found, strict=True)):
            return "1 and 2 threads give different bits"
    return ""


def ways(routine: Routine, case: Case) -> list[str]:
    """All variants, and the first one with its work cut in each way."""
    variants = list(routine.variants(case.layer))
    return variants + [with_split(variants[0], way) for way in CUTS if routine.partition is not None]


def check(kind: str) -> list[str]:
    """Failures of all routines of one kind of layer on all its cases."""
    failures = []
    for case in cases(kind):
        wanted = case.reference()
        for routine in known_routines(kind):
            if routine.refuse(case.layer) is not None:
                continue
            for variant in ways(routine, case):
                try:
                    problem = check_case(case, wanted, routine, variant)
                except Exception as error:
                    problem = f"{type(error).__name__}: {error}"
                if problem:
                    failures.append(f"{case.name} by {routine.path_with(variant)}: {problem}")
    return failures


if __name__ == "__main__":
    json.dump({"isa": isa_level(), "failures": {kind: check(kind) for kind in KINDS}}, sys.stdout)
