"""Random convolutional networks: small, odd-shaped, of all kinds of layers. A seed gives always the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx

from plait.testing.onnx_builder import OnnxBuilder

ACTIVATIONS = (None, "relu", "relu6", "hard_swish", "sigmoid", "tanh", "leaky_relu", "elu", "hard_sigmoid")


def random_model(seed: int, steps: int = 8) -> onnx.ModelProto:
    """A model with input `input` and output `output`, made of `steps` random blocks."""
    random = np.random.default_rng(seed)
    height, width = (int(s) for s in random.integers(7, 20, 2))
    shape = (int(random.integers(1, 3)), int(random.integers(1, 8)), height, width)
    net = _RandomNet(OnnxBuilder(f"random{seed}", shape, seed), random, height, width)
    x = "input"
    for _ in range(steps):
        x = net.step(x)
    return net.builder.model(net.end(x))


class _RandomNet:
    def __init__(self, builder: OnnxBuilder, random: np.random.Generator, height: int, width: int) -> None:
        self.builder, self.random = builder, random
        self.height, self.width = height, width
        self.steps: list[Callable[[str], str]] = [
            self.conv,
            self.conv,
            self.depthwise,
            self.grouped,
            self.pool,
            self.residual,
            self.branches,
            self.gate,
            self.norm,
            self.scale,
        ]

    def pick(self, *choices: int) -> int:
        return int(self.random.choice(choices))

    def act(self, x: str) -> str:
        return self.builder.act(x, ACTIVATIONS[int(self.random.integers(len(ACTIVATIONS)))])

    def step(self, x: str) -> str:
        return self.steps[int(self.random.integers(len(self.steps)))](x)

    def conv(self, x: str) -> str:
        out, kernel = int(self.random.integers(1, 40)), self.pick(1, 1, 3, 3, 5)
        stride = self.pick(1, 1, 2) if min(self.height, self.width) > 4 else 1
        dilation = self.pick(1, 1, 1, 2) if stride == 1 else 1
        y = self.builder.conv(x, out, kernel, stride, bias=bool(self.pick(0, 1)), dilation=dilation)
        self._shrink(stride)
        return self.act(self.builder.norm(y) if self.pick(0, 1) else y)

    def depthwise(self, x: str) -> str:
        channels = self.builder.channels[x]
        y = self.builder.conv(
            x, channels * self.pick(1, 1, 2), self.pick(3, 5), groups=channels, bias=bool(self.pick(0, 1))
        )
        return self.act(y)

    def grouped(self, x: str) -> str:
        channels = self.builder.channels[x]
        groups = max(g for g in (1, 2, 3, 4) if channels % g == 0)
        return self.act(self.builder.conv(x, groups * int(self.random.integers(1, 9)), 3, groups=groups))

    def pool(self, x: str) -> str:
        kind, kernel = ("MaxPool", "AveragePool")[self.pick(0, 1)], self.pick(2, 3)
        stride = self.pick(1, 2) if min(self.height, self.width) > 4 else 1
        pad, ceil = (1 if kernel == 3 else 0), self.pick(0, 1)
        counted = {"count_include_pad": self.pick(0, 1)} if kind == "AveragePool" else {}
        self.height, self.width = (self._pooled(s, kernel, stride, pad, ceil) for s in (self.height, self.width))
        return self.builder.pool(x, kernel, stride, pad, kind, ceil_mode=ceil, **counted)

    def residual(self, x: str) -> str:
        channels = self.builder.channels[x]
        y = self.builder.conv(self.act(self.builder.conv(x, int(self.random.integers(1, 20)), 1)), channels, 3)
        return self.act(self.builder.node("Add", *((x, y) if self.pick(0, 1) else (y, x))))

    def branches(self, x: str) -> str:
        parts = [
            self.act(self.builder.conv(x, int(self.random.integers(1, 12)), self.pick(1, 3)))
            for _ in range(self.pick(2, 3))
        ]
        return self.builder.concat(x, *parts) if self.pick(0, 1) else self.builder.concat(*parts)

    def gate(self, x: str) -> str:
        return self.builder.squeeze_excite(x, self.pick(2, 3, 8), ("hard_sigmoid", "sigmoid")[self.pick(0, 1)])

    def norm(self, x: str) -> str:
        return self.act(self.builder.norm(x))

    def scale(self, x: str) -> str:
        factors = self.random.uniform(0.5, 1.5, (1, self.builder.channels[x], 1, 1)).astype(np.float32)
        return self.builder.node(("Mul", "Add", "Sub")[self.pick(0, 1, 2)], x, self.builder.weight(factors, "factors"))

    def end(self, x: str) -> str:
        match self.pick(0, 1, 2):
            case 0:
                return self.builder.node("Identity", x)
            case 1:
                return self.builder.linear(self.builder.head(x), self.pick(3, 10, 17))
        features = self.builder.channels[x] * self.height * self.width
        x = self.builder.linear(self.builder.node("Flatten", x), self.pick(3, 10, 17), features)
        return self.builder.node("Softmax", x, axis=1)

    def _shrink(self, stride: int) -> None:
        self.height, self.width = (-(-s // stride) for s in (self.height, self.width))

    @staticmethod
    def _pooled(size: int, kernel: int, stride: int, pad: int, ceil: int) -> int:
        count = (size + 2 * pad - kernel + (stride - 1 if ceil else 0)) // stride + 1
        return count - 1 if ceil and (count - 1) * stride >= size + pad else count
