"""The benchmark's networks as PyTorch modules, written from their ONNX files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.conversion.onnx_graph import Graph, Node, read_graph
from benchmarks.peers.engines.base import package


def torch_module(path: Path, *, fold: bool = False) -> Any:
    """A `torch.fx.GraphModule` that computes what the ONNX file says.

    Args:
        fold: put batch normalisation into the weights of the convolution before it.

    Raises:
        ValueError: an operator or attribute that these networks do not have.
    """
    fx = package("torch.fx")
    source, target, modules = read_graph(path), fx.Graph(), {}
    values = {source.input: target.placeholder("image")}
    for number, node in enumerate(source.nodes):
        arguments = [values[name] for name in source.variable(node)]
        if function := _FUNCTIONS.get(node.op):
            values[node.output] = function(target, arguments)
        else:
            name = f"{node.op.lower()}{number}"
            modules[name] = _module(node, source)
            values[node.output] = target.call_module(name, tuple(arguments))
    target.output(values[source.output])
    module = fx.GraphModule(modules, target).eval()
    return package("torch.fx.experimental.optimization").fuse(module) if fold else module


def example(path: Path) -> Any:
    """The stored image as a tensor."""
    return package("torch").from_numpy(np.load(path))


def _binary(name: str) -> Any:
    return lambda graph, arguments: graph.call_function(getattr(package("operator"), name), tuple(arguments))


_FUNCTIONS: dict[str, Any] = {
    "Add": _binary("add"),
    "Mul": _binary("mul"),
    "Concat": lambda graph, arguments: graph.call_function(package("torch").cat, (arguments, 1)),
}


def _module(node: Node, graph: Graph) -> Any:
    nn = package("torch.nn")
    attributes = node.attributes
    match node.op:
        case "Conv":
            return _conv(node, graph)
        case "BatchNormalization":
            return _norm(node, graph)
        case "Gemm":
            return _linear(node, graph)
        case "Relu":
            return nn.ReLU()
        case "Clip":
            low, high = (float(graph.weights[name].item()) for name in node.inputs[1:])
            return nn.ReLU6() if (low, high) == (0, 6) else nn.Hardtanh(low, high)
        case "HardSwish":
            return nn.Hardswish()
        case "HardSigmoid" if np.isclose([attributes["alpha"], attributes["beta"]], [1 / 6, 0.5]).all():
            return nn.Hardsigmoid()
        case "GlobalAveragePool":
            return nn.AdaptiveAvgPool2d(1)
        case "Flatten":
            return nn.Flatten()
        case "MaxPool":
            return nn.MaxPool2d(**_window(node))
        case "AveragePool":
            return nn.AvgPool2d(**_window(node), count_include_pad=bool(attributes.get("count_include_pad", 0)))
    raise ValueError(f"{node.op} {node.output} has no counterpart here")


def _window(node: Node) -> dict[str, Any]:
    return {
        "kernel_size": node.square("kernel_shape", 1),
        "stride": node.square("strides", 1),
        "padding": node.square("pads", 0),
        "ceil_mode": bool(node.attributes.get("ceil_mode", 0)),
    }


def _conv(node: Node, graph: Graph) -> Any:
    weight, groups = graph.weights[node.inputs[1]], node.attributes.get("group", 1)
    conv = package("torch.nn").Conv2d(
        weight.shape[1] * groups,
        weight.shape[0],
        weight.shape[2:],
        stride=node.square("strides", 1),
        padding=node.square("pads", 0),
        dilation=node.square("dilations", 1),
        groups=groups,
        bias=len(node.inputs) > 2,
    )
    return _with_weights(conv, graph, weight=node.inputs[1], bias=node.inputs[2] if len(node.inputs) > 2 else None)


def _norm(node: Node, graph: Graph) -> Any:
    names = dict(zip(("weight", "bias", "running_mean", "running_var"), node.inputs[1:], strict=True))
    norm = package("torch.nn").BatchNorm2d(
        len(graph.weights[names["weight"]]), eps=node.attributes.get("epsilon", 1e-5)
    )
    return _with_weights(norm, graph, **names)


def _linear(node: Node, graph: Graph) -> Any:
    if not node.attributes.get("transB"):
        raise ValueError(f"Gemm {node.output}: the weights are not transposed")
    out, features = graph.weights[node.inputs[1]].shape
    linear = package("torch.nn").Linear(features, out)
    return _with_weights(linear, graph, weight=node.inputs[1], bias=node.inputs[2])


def _with_weights(module: Any, graph: Graph, **names: str | None) -> Any:
    torch = package("torch")
    state = {field: torch.from_numpy(graph.weights[name].copy()) for field, name in names.items() if name is not None}
    module.load_state_dict(state, strict=False)
    for parameter in module.parameters():
        parameter.requires_grad = False
    return module
