"""Graphs of the networks that Plait's own tests build, after optimisation."""

from __future__ import annotations

import tempfile

from benchmarks.selection.graph import Graph, Node
from plait.ir.layer import Layer
from plait.ir.module import Module
from plait.ir.values import Constant, Value

NETWORKS = ("vgg16", "resnet50", "mobilenetv2", "mobilenetv3", "squeezenet", "googlenet", "densenet121")
WIDTH = 0.25
"""Factor of the numbers of channels: weights are made to be thrown away."""
_NAMES = {"conv2d": "conv", "fully_connected": "dense", "max_pool2d": "pool", "avg_pool2d": "pool"}


def imported(name: str) -> Graph:
    """The graph of a network of ``plait.testing.networks``, with a quarter of the channels."""
    import plait
    from plait.testing import networks

    with tempfile.TemporaryDirectory() as folder:
        return graph_of(plait.optimize(plait.load(networks.save(name, folder, width=WIDTH))))


def graph_of(module: Module) -> Graph:
    """The main function of a module as a graph; constants are part of the layers that read them."""
    numbers: dict[Value, int] = {}

    def made(*values: Value) -> tuple[int, ...]:
        return tuple(numbers.setdefault(value, len(numbers)) for value in values)

    nodes = [Node("input", (), made(value)) for value in module.main.arguments]
    for layer in module.main:
        read = tuple(numbers[x] for x in layer.operands if x in numbers)
        detail = f"{_window(layer)} {layer.attributes()}"
        nodes.append(Node(_op(layer), read, made(*layer.results), float(layer.flops()), detail))
    nodes += [Node("output", (numbers[value],), ()) for value in module.main.outputs]
    # The batch, which is one, is left out.
    return Graph(tuple(nodes), tuple(tuple(value.type.static_shape[1:]) for value in numbers))


def _op(layer: Layer) -> str:
    if layer.spec.name == "conv2d" and layer.attributes().get("groups", 1) > 1:
        return "depthwise"
    return _NAMES.get(layer.spec.name, layer.spec.name)


def _window(layer: Layer) -> str:
    """Kernel and stride of a convolution, as ``GraphBuilder`` writes them."""
    weights = [x.type.static_shape for x in layer.operands if isinstance(x, Constant)]
    kernel = max((shape[2] for shape in weights if len(shape) == 4), default=1)
    return f"k{kernel}s{max(layer.attributes().get('stride', [1]))}"
