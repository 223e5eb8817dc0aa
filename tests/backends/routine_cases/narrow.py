"""Layers on floats of 16 bits: sums in float32, rounded once."""

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


@attrs.frozen
class Narrow:
    """The cases of one element type."""

    dtype: DType

    def x(self, *shape: int, **more: Any) -> Operand:
        return arg(*shape, dtype=self.dtype, **more)

    def w(self, *shape: int, **more: Any) -> Operand:
        return const(*shape, dtype=self.dtype, **more)

    def _conv(
        self,
        shape: tuple[int, ...],
        out: int,
        kernel: tuple[int, int],
        *,
        bias: bool = True,
        residual: bool = False,
        **attributes: Any,
    ) -> Case:
        weight = self.w(out, shape[1] // attributes.get("groups", 1), *kernel)
        operands = [self.x(*shape), weight, self.w(out) if bias else None, None]
        if residual:
            plain = make("conv2d", operands, **{k: v for k, v in attributes.items() if k != "act"})
            operands[3] = self.x(*plain.layer.result.type.static_shape)
        return make("conv2d", operands, **attributes)

    def conv2d(self) -> Iterator[Case]:
        same: dict[str, Any] = {"pad": (1, 1, 1, 1)}
        for i, c in enumerate(CHANNELS):
            out, act = CHANNELS[(i + 4) % len(CHANNELS)], ACTS[i % len(ACTS)]
            yield self._conv((1 + i % 2, c, 5, 7), out, (3, 3), **same, stride=(1 + i % 2, 1 + i % 2), act=act)
            yield self._conv((2 - i % 2, c, 5, 7), out, (1, 1), bias=bool(i % 2), residual=True)
            yield self._conv(
                (1, c, 6, 9), c, (3, 3), **same, groups=c, act=act, stride=(1 + i % 2, 1), residual=i % 3 == 0
            )
        for kernel in ((5, 5), (7, 7), (3, 2)):
            pad = (kernel[0] // 2, kernel[1] // 2, kernel[0] // 2, kernel[1] // 2)
            yield self._conv((1, 24, 9, 13), 40, kernel, pad=pad, stride=(2, 1), residual=True, act="relu")
            yield self._conv((1, 24, 9, 33), 24, kernel, pad=pad, stride=(2, 2), groups=24, residual=True, act="silu")
            yield self._conv((1, 24, 9, 33), 24, kernel, pad=pad, groups=24, dilation=(2, 2))
        yield self._conv((1, 32, 5, 6), 64, (3, 3), **same, groups=2, dilation=(2, 1))
        yield self._conv((1, 12, 5, 6), 6, (3, 3), **same, groups=3)
        yield make("conv2d", [self.x(1, 3, 5, 6), self.x(4, 3, 1, 1)])

    def separable_conv2d(self) -> Iterator[Case]:
        for i, c in enumerate(CHANNELS):
            out = CHANNELS[(i + 4) % len(CHANNELS)]
            filters = [self.w(c, 1, 3, 3), self.w(out, c, 1, 1)]
            operands = [self.x(1, c, 6, 9), *filters, self.w(c) if i % 2 else None, self.w(out) if i % 3 else None]
            yield make(
                "separable_conv2d", operands, pad=1, stride=1 + i % 2, depthwise_act="relu6", act=ACTS[i % len(ACTS)]
            )

    def concat(self) -> Iterator[Case]:
        yield make("concat", [self.x(1, 16, 4, 5), self.x(1, 17, 4, 5), self.x(1, 3, 4, 5)])
        yield make("concat", [self.x(2, 5, 4, 5), self.x(2, 40, 4, 5)])

    def split(self) -> Iterator[Case]:
        yield make("split", [self.x(1, 40, 3, 5)], sizes=(16, 7, 17))

    def fully_connected(self) -> Iterator[Case]:
        for rows, k, out in ((1, 64, 10), (3, 17, 33), (2, 300, 70)):
            for bias in (self.w(out), None):
                yield make(
                    "fully_connected", [self.x(rows, k), self.w(out, k), bias], act="gelu" if rows == 3 else "none"
                )
        yield make("fully_connected", [self.x(2, 5), self.x(3, 5)])

    def _pool(self, kind: str) -> Callable[[], Iterator[Case]]:
        def cases() -> Iterator[Case]:
            for i, c in enumerate(CHANNELS):
                yield make(kind, [self.x(1 + i % 2, c, 9, 11)], kernel=(3, 2), stride=(2, 1), ceil=i % 3 == 0)
                yield make(kind, [self.x(1, c, 8, 7)], kernel=3, stride=2, pad=1)

        return cases

    def global_avg_pool(self) -> Iterator[Case]:
        for i, c in enumerate(CHANNELS):
            yield make("global_avg_pool", [self.x(1 + i % 2, c, 7 - i % 3, 5 + i)])

    def squeeze_excite(self) -> Iterator[Case]:
        for i, c in enumerate((16, 17, 40)):
            operands = [self.x(1 + i % 2, c, 5, 7), self.w(6, c, 1, 1), self.w(c, 6, 1, 1), self.w(6), self.w(c)]
            yield make("squeeze_excite", operands, reduce_act="relu", gate="sigmoid", act=("none", "hard_swish")[i % 2])

    def _binary(self, kind: str) -> Callable[[], Iterator[Case]]:
        def cases() -> Iterator[Case]:
            positive = kind == "pow"
            for i, shape in enumerate(((1, 17, 5, 7), (2, 40, 3, 4), (3, 50), (2, 16, 14, 14), (1, 16, 13, 40))):
                act = ("none", "relu", "silu")[i % 3]
                yield make(kind, [self.x(*shape, positive=positive), self.x(*shape)], act=act)
                yield make(kind, [self.w(*(1,) * i, positive=positive), self.x(*shape)])
                if len(shape) == 4:
                    channel = (self.x, self.w)[i % 2](1 if i else shape[0], shape[1], 1, 1, positive=positive)
                    yield make(kind, [channel, self.x(*shape, positive=positive)], act=act)
            yield make(kind, [self.x(2, 17, 3, 5, positive=positive), self.x(5)])

        return cases

    def _unary(self, kind: str, **attributes: Any) -> Callable[[], Iterator[Case]]:
        def cases() -> Iterator[Case]:
            for shape in ((1, 17, 5, 7), (3, 50), (1, 16, 40, 40)):
                yield make(kind, [self.x(*shape, positive=True)], **attributes)

        return cases

    def cast(self) -> Iterator[Case]:
        for i, c in enumerate(CHANNELS):
            for shape in ((1 + i % 2, c, 5, 7), (3, c)):
                yield make("cast", [arg(*shape)], to=self.dtype)
                yield make("cast", [self.x(*shape)], to=DType.F32)
        yield make("cast", [self.x(2, 3)], to=DType.F16 if self.dtype is DType.BF16 else DType.BF16)

    def adapt(self) -> Iterator[Case]:
        for i, c in enumerate(CHANNELS):
            for source, target in itertools.permutations(LOW_LAYOUTS, 2):
                type = TensorType(self.dtype, (1 + i % 2, c, 5, 7 + i))
                formats = [attrs.evolve(format_of(layout), dtype=self.dtype.value) for layout in (source, target)]
                data = np.random.default_rng(c).standard_normal(type.static_shape).astype(self.dtype.numpy)
                yield Case(f"adapt({type}) {source} to {target}", detached_adapt(type, *formats), (data,))

    def unary(self) -> Iterator[Case]:
        for function in _FUNCTIONS:
            yield from self._unary("unary", fn=function)()

    def matmul(self) -> Iterator[Case]:
        yield make("matmul", [self.x(5, 17), self.x(17, 33)])
        yield make("matmul", [self.x(2, 3, 9, 20), self.x(1, 3, 20, 70)])
        yield make("matmul", [self.x(2, 3, 40, 64), self.w(64, 48)])
        yield make("matmul", [self.x(1, 7), self.x(7, 1)])

    def softmax(self) -> Iterator[Case]:
        yield make("softmax", [self.x(3, 50)])
        yield make("softmax", [self.x(2, 5, 7, 9)], axis=1)

    def layer_norm(self) -> Iterator[Case]:
        yield make("layer_norm", [self.x(3, 50), self.w(50), self.w(50)])

    def reduce(self) -> Iterator[Case]:
        yield make("reduce", [self.x(2, 17, 5, 7)], fn="mean", axes=(2, 3))
        yield make("reduce", [self.x(3, 50)], fn="max", axes=(1,))

    def pad(self) -> Iterator[Case]:
        yield make("pad", [self.x(1, 5, 4, 3)], before=(0, 0, 1, 2), after=(0, 1, 2, 0), value=0.5)

    def resize(self) -> Iterator[Case]:
        for c in (3, 16, 40):
            yield make("resize", [self.x(1, c, 5, 6)], size=(10, 9), mode="nearest")
            yield make("resize", [self.x(1, c, 5, 6)], size=(10, 9), mode="linear")

    def scale_shift(self) -> Iterator[Case]:
        for c in (3, 16, 40):
            yield make("scale_shift", [self.x(2, c, 5, 6), self.w(c), self.w(c)], act="relu")

    def local_response_norm(self) -> Iterator[Case]:
        for c in (3, 16, 40):
            yield make("local_response_norm", [self.x(1, c, 5, 6)], size=5)

    def kinds(self) -> dict[str, Callable[[], Iterator[Case]]]:
        """Kind -> what yields the cases."""
        plain = (
            *(self.conv2d, self.separable_conv2d, self.concat, self.split, self.fully_connected, self.matmul),
            *(self.global_avg_pool, self.squeeze_excite, self.unary, self.cast, self.adapt, self.softmax),
            *(self.layer_norm, self.reduce, self.pad, self.resize, self.scale_shift, self.local_response_norm),
        )
        return {
            **{method.__name__: method for method in plain},
            **{kind: self._pool(kind) for kind in ("max_pool2d", "avg_pool2d")},
            **{kind: self._binary(kind) for kind in ("add", "sub", "mul", "div", "minimum", "maximum", "pow")},
            **{kind: self._unary(kind, **_PARAMETERS.get(kind, {})) for kind in ACTIVATIONS if kind != "none"},
        }


_PARAMETERS: dict[str, dict[str, Any]] = {"hard_sigmoid": {"alpha": 0.25}, "clip": {"low": -0.5, "high": 1.5}}
_FUNCTIONS = ("exp", "sqrt", "neg", "abs", "log", "erf", "reciprocal", "floor", "ceil")
_DTYPES = (Narrow(DType.BF16).kinds(), Narrow(DType.F16).kinds())


def _stored() -> Iterator[Case]:
    """Fully connected layers of which the weights alone have fewer bits."""
    scales = Quantized(DType.I8, tuple(0.01 * (1 + i % 5) for i in range(70)), 0, 0)
    for dtype in (DType.BF16, DType.F16, scales, Quantized(DType.I8, 0.02, 0)):
        for rows in (1, 3):
            yield make("fully_connected", [arg(rows, 130), const(70, 130, dtype=dtype), const(70)], act="relu")
    yield make("fully_connected", [arg(2, 5), const(3, 5, dtype=Quantized(DType.I8, 0.02, 3)), None])


def _both(kind: str) -> Callable[[], Iterator[Case]]:
    return lambda: itertools.chain(
        *(kinds[kind]() for kinds in _DTYPES), _stored() if kind == "fully_connected" else ()
    )


KINDS: dict[str, Callable[[], Iterator[Case]]] = {kind: _both(kind) for kind in _DTYPES[0]}
