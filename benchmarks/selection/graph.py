"""Graphs of layers with shapes and arithmetic: what costs are made of, and no more."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import attrs

Shape: TypeAlias = tuple[int, ...]


@attrs.frozen
class Node:
    """One layer. ``flops`` count a product and a sum as two; ``detail`` holds the attributes that set layers apart."""

    op: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    flops: float = 0.0
    detail: str = ""


@attrs.frozen
class Graph:
    """Layers in schedule order over values with shapes; inputs and outputs of the network are layers too."""

    nodes: tuple[Node, ...]
    shapes: tuple[Shape, ...]

    def elements(self, value: int) -> int:
        """Elements of a value."""
        return math.prod(self.shapes[value])


@attrs.define
class GraphBuilder:
    """Adds layers one by one; every method returns the value that its layer makes.

    Images are (channels, height, width), sequences (features, length). Convolutions are meant with what is fused
    into them.
    """

    nodes: list[Node] = attrs.field(factory=list)
    shapes: list[Shape] = attrs.field(factory=list)

    def add(self, op: str, inputs: Sequence[int], shape: Sequence[int], flops: float = 0.0, detail: str = "") -> int:
        """Any layer with one output."""
        return self.add_many(op, inputs, [shape], flops, detail)[0]

    def add_many(
        self, op: str, inputs: Sequence[int], shapes: Sequence[Sequence[int]], flops: float = 0.0, detail: str = ""
    ) -> tuple[int, ...]:
        """Any layer."""
        made = tuple(range(len(self.shapes), len(self.shapes) + len(shapes)))
        self.shapes += [tuple(shape) for shape in shapes]
        self.nodes.append(Node(op, tuple(inputs), made, float(flops), detail))
        return made

    def input(self, *shape: int) -> int:
        """An input of the network."""
        return self.add("input", (), shape)

    def image(self, size: int = 224, channels: int = 3) -> int:
        """A square image as the input."""
        return self.input(channels, size, size)

    def channels(self, x: int) -> int:
        """Channels of an image, or features of a sequence."""
        return self.shapes[x][0]

    def conv(self, x: int, channels: int, kernel: int = 3, stride: int = 1) -> int:
        """A convolution that keeps the size but for the stride."""
        c, h, w = self.shapes[x]
        h, w = -(-h // stride), -(-w // stride)
        flops = 2.0 * c * channels * kernel * kernel * h * w
        return self.add("conv", [x], (channels, h, w), flops, f"k{kernel}s{stride}")

    def depthwise(self, x: int, kernel: int = 3, stride: int = 1) -> int:
        """A depthwise convolution."""
        c, h, w = self.shapes[x]
        h, w = -(-h // stride), -(-w // stride)
        return self.add("depthwise", [x], (c, h, w), 2.0 * c * kernel * kernel * h * w, f"k{kernel}s{stride}")

    def separable(self, x: int, channels: int, kernel: int = 3, stride: int = 1) -> int:
        """Depthwise, then 1x1."""
        return self.conv(self.depthwise(x, kernel, stride), channels, 1)

    def pool(self, x: int, stride: int = 2) -> int:
        """Pooling of windows of 3x3."""
        c, h, w = self.shapes[x]
        return self.add("pool", [x], (c, -(-h // stride), -(-w // stride)), 0.0, f"s{stride}")

    def resize(self, x: int, factor: int = 2) -> int:
        """Upsampling."""
        c, h, w = self.shapes[x]
        return self.add("resize", [x], (c, h * factor, w * factor))

    def resampled(self, x: int, factor: float) -> int:
        """Up- or downsampling by a power of two; nothing for 1."""
        return x if factor == 1 else self.resize(x, int(factor)) if factor > 1 else self.pool(x, round(1 / factor))

    def join(self, op: str, *inputs: int) -> int:
        """An element-wise layer on equal shapes, such as ``add``."""
        return self.add(op, inputs, self.shapes[inputs[0]])

    def sum(self, *inputs: int) -> int:
        """The sum of values, two at a time."""
        total = inputs[0]
        for x in inputs[1:]:
            total = self.join("add", total, x)
        return total

    def concat(self, *inputs: int) -> int:
        """Channels of all inputs, in one layer."""
        if len(inputs) == 1:
            return inputs[0]
        _, *rest = self.shapes[inputs[0]]
        return self.add("concat", inputs, (sum(map(self.channels, inputs)), *rest))

    def head(self, x: int, classes: int = 1000) -> int:
        """Global pooling and a fully connected layer."""
        c = self.channels(x)
        return self.dense(self.add("global_pool", [x], (c, 1)), classes)

    def dense(self, x: int, features: int) -> int:
        """A fully connected layer on every position of a sequence."""
        f, length = self.shapes[x]
        return self.add("dense", [x], (features, length), 2.0 * f * features * length)

    def build(self) -> Graph:
        """The graph; values that nothing reads are outputs of the network."""
        read = {x for node in self.nodes for x in node.inputs}
        ends = [Node("output", (x,), ()) for x in range(len(self.shapes)) if x not in read]
        return Graph((*self.nodes, *ends), tuple(self.shapes))
