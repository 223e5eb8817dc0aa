"""Where transposes go: cuts are minimal, bytes never grow, channels-last models keep those of inputs and outputs."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from plait.frontends.onnx import import_onnx
from plait.ir import Module
from plait.ir.layers.conv import Conv2d
from plait.ir.layers.shape import Transpose
from plait.passes.layout.mincut import INFINITE, CutGraph
from plait.passes.layout.turned import bytes_moved
from plait.passes.manager import PassManager, run_pipeline
from plait.passes.pipeline import Pipeline
from plait.testing.onnx_builder import OnnxBuilder

LAST, FIRST = [0, 2, 3, 1], [0, 3, 1, 2]


@pytest.mark.parametrize("seed", range(60))
def test_minimum_cut(seed: int) -> None:
    rng = np.random.default_rng(seed)
    graph, inner = CutGraph(), int(rng.integers(1, 8))
    for _ in range(inner):
        graph.node()
    arcs = [
        (int(a), int(b), int(rng.choice([0, 1, 2, 5, 9])))
        for a, b in rng.integers(0, inner + 2, (int(rng.integers(1, 24)), 2))
        if a != b
    ]
    for arc in arcs:
        graph.arc(*arc)

    def cost(side: set[int]) -> int:
        return sum(c for a, b, c in arcs if a not in side and b in side)

    choices = [
        {CutGraph.SINK, *(n for n, chosen in enumerate(bits, 2) if chosen)}
        for bits in itertools.product((False, True), repeat=inner)
    ]
    least = min(map(cost, choices))
    side = graph.sink_side()
    assert CutGraph.SOURCE not in side
    assert cost(side) == least
    assert len(side) == min(len(c) for c in choices if cost(c) == least)


def test_infinite_arcs_hold_nodes_together() -> None:
    graph = CutGraph()
    a, b = graph.node(), graph.node()
    graph.arc(CutGraph.SOURCE, a, 3)
    graph.arc(a, b, INFINITE)
    graph.arc(b, CutGraph.SINK, 2)
    assert graph.sink_side() == {CutGraph.SINK}


def moved(module: Module) -> int:
    """Bytes that all transposes move."""
    layers = (layer for layer in module.main if isinstance(layer, Transpose))
    return sum(bytes_moved(layer.x.type, layer.perm) for layer in layers)


class ChannelsLast:
    """Writes a network as tf2onnx does: convolutions between transposes, all else on [N, H, W, C]."""

    def __init__(self, seed: int = 0, size: int = 8) -> None:
        self.net = OnnxBuilder(f"last{seed}", (1, size, size, 3), seed)
        self.random = np.random.default_rng(seed)
        self.width = {"input": 3}

    def named(self, name: str, width: int) -> str:
        self.width[name] = width
        return name

    def conv(self, x: str, out: int, kernel: int = 1) -> str:
        """Conv, bias and clip."""
        weight = self.net.weight(self.net.normal(0.3, out, self.width[x], kernel, kernel), "w")
        pads = [kernel // 2] * 4
        straight = self.net.node("Transpose", x, perm=FIRST)
        y = self.net.node("Conv", straight, weight, kernel_shape=[kernel, kernel], pads=pads)
        y = self.net.node("Transpose", y, perm=LAST)
        y = self.net.node("Add", y, self.net.weight(self.net.normal(0.3, out), "b"))
        low, high = (self.net.weight(np.float32(v), "limit") for v in (0, 6))
        return self.named(self.net.node("Clip", y, low, high), out)

    def residual(self, x: str) -> str:
        return self.named(self.net.node("Add", self.conv(self.conv(x, 5, 3), self.width[x]), x), self.width[x])

    def gate(self, x: str) -> str:
        mean = self.named(self.net.node("ReduceMean", x, axes=[1, 2], keepdims=1), self.width[x])
        scale = self.net.node("Sigmoid", self.conv(mean, self.width[x]))
        return self.named(self.net.node("Mul", scale, x), self.width[x])

    def branches(self, x: str) -> str:
        parts = [self.conv(x, 2), self.conv(x, 3, 3), x]
        return self.named(self.net.node("Concat", *parts, axis=3), 5 + self.width[x])

    def swish(self, x: str) -> str:
        return self.named(self.net.node("Mul", x, self.net.node("Sigmoid", x)), self.width[x])

    def flat(self, x: str, classes: int = 4) -> str:
        count = self.width[x] * self.net.shape[1] * self.net.shape[2]
        flat = self.net.node("Reshape", x, self.net.weight(np.array([1, -1], np.int64), "shape"))
        weight = self.net.weight(self.net.normal(0.1, count, classes), "fc")
        return self.net.node("MatMul", flat, weight)

    def pooled(self, x: str, classes: int = 4) -> str:
        mean = self.net.node("ReduceMean", x, axes=[1, 2], keepdims=0)
        return self.net.node("MatMul", mean, self.net.weight(self.net.normal(0.3, self.width[x], classes), "fc"))


def random_model(seed: int, head: str) -> onnx.ModelProto:
    """A stem and six random blocks, then a head or none."""
    net = ChannelsLast(seed)
    x = net.conv("input", 6, 3)
    blocks = [net.residual, net.gate, net.branches, net.swish, lambda v: net.conv(v, 4)]
    for choice in net.random.integers(0, len(blocks), 6):
        x = blocks[choice](x)
    heads = {"none": lambda v: v, "flat": net.flat, "pooled": net.pooled}
    return net.net.model(heads[head](x))


@pytest.mark.parametrize("head", ["none", "flat", "pooled"])
@pytest.mark.parametrize("seed", range(8))
def test_only_inputs_and_outputs_are_transposed(
    seed: int, head: str, tmp_path: Path, same_numbers: Callable[[Module, Module], None]
) -> None:
    path = tmp_path / "last.onnx"
    onnx.save(random_model(seed, head), path)
    module = import_onnx(path).module
    before = module.clone()
    places = {place for layer in module.main for place in layer.locations}
    assert sum(isinstance(layer, Transpose) for layer in module.main) > 2
    PassManager(Pipeline.parse("default"), check_changed=True).run(module)
    transposes = [layer for layer in module.main if isinstance(layer, Transpose)]
    assert all(t.x in module.main.arguments or t.result in module.main.outputs for t in transposes)
    assert len(transposes) == (2 if head == "none" else 1)
    kinds = Counter(layer.op for layer in module.main)
    assert "reduce" not in kinds and "clip" not in kinds, "means are pools, activations are in convolutions"
    assert all(layer.bias is not None and layer.act for layer in module.main if isinstance(layer, Conv2d))
    assert {place for layer in module.main for place in layer.locations} == places
    assert not run_pipeline("default", module)
    same_numbers(before, module)


@pytest.mark.parametrize("seed", range(20))
def test_bytes_never_grow(seed: int, same_numbers: Callable[[Module, Module], None], tmp_path: Path) -> None:
    path = tmp_path / "last.onnx"
    onnx.save(random_model(seed + 100, "none"), path)
    module = import_onnx(path).module
    run_pipeline("canonical", module)
    # Some transposes lose their partner, so that not all can cancel.
    rng = np.random.default_rng(seed)
    values = [r for layer in module.main for r in layer.results if r.type.rank == 4]
    extra = [values[i] for i in rng.integers(0, len(values), 3)]
    module.main.set_outputs([*module.main.outputs, *extra], ["y", "e0", "e1", "e2"])
    before, bytes_before = module.clone(), moved(module)
    run_pipeline("sink-layout", module)
    assert moved(module) <= bytes_before
    assert not run_pipeline("sink-layout", module)
    same_numbers(before, module)
