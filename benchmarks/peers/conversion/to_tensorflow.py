"""The benchmark's networks as TFLite files: TensorFlow functions over channels-last images, converted in float32 or on
integers of 8 bits."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.conversion.onnx_graph import Graph, Node, read_graph
from benchmarks.peers.engines.base import Array, package


def tflite_model(path: Path, samples: Iterable[Array] | None = None) -> bytes:
    """The ONNX file as a TFLite file.

    Args:
        samples: channels-last images; they say that the network is to be quantized. Images and scores stay floats.

    Raises:
        ValueError: an operator or attribute that these networks do not have.
    """
    tf, graph = package("tensorflow"), read_graph(path)
    n, c, h, w = graph.shapes[graph.input]

    @tf.function(input_signature=[tf.TensorSpec((n, h, w, c), tf.float32)], autograph=False)  # type: ignore[untyped-decorator]
    def network(image: Any) -> Any:
        values = {graph.input: image}
        for node in graph.nodes:
            values[node.output] = _apply(tf, graph, node, [values[name] for name in graph.variable(node)])
        return values[graph.output]

    converter = tf.lite.TFLiteConverter.from_concrete_functions([network.get_concrete_function()])
    if samples is not None:
        images = list(samples)  # asked for more than once
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image] for image in images)
    return bytes(converter.convert())


def _apply(tf: Any, graph: Graph, node: Node, arguments: list[Any]) -> Any:
    x = arguments[0]
    match node.op:
        case "Conv":
            return _conv(tf, graph, node, x)
        case "BatchNormalization":
            scale, shift, mean, variance = (graph.weights[name] for name in node.inputs[1:])
            factor = scale / np.sqrt(variance + np.float32(node.attributes.get("epsilon", 1e-5)))
            return x * factor + (shift - mean * factor)
        case "Gemm":
            return tf.matmul(x, _rows(graph, node)) + graph.weights[node.inputs[2]]
        case "Relu":
            return tf.nn.relu(x)
        case "Clip":
            return tf.nn.relu6(x)
        case "HardSigmoid":
            return tf.nn.relu6(x + 3.0) * (1 / 6)
        case "HardSwish":  # in the order that the converter knows as one operator
            return x * tf.nn.relu6(x + np.float32(3)) * np.float32(1 / 6)
        case "GlobalAveragePool":
            return tf.reduce_mean(x, [1, 2], keepdims=True)
        case "Flatten":
            return tf.reshape(x, (x.shape[0], -1))
        case "MaxPool" | "AveragePool":
            padded, mode = _pad(tf, graph, node, x, node.square("kernel_shape", 1))
            pool = tf.nn.max_pool2d if node.op == "MaxPool" else tf.nn.avg_pool2d
            return pool(padded, node.square("kernel_shape", 1), node.square("strides", 1), mode)
        case "Add":
            return arguments[0] + arguments[1]
        case "Mul":
            return arguments[0] * arguments[1]
        case "Concat":
            return tf.concat(arguments, 3)
    raise ValueError(f"{node.op} {node.output} has no counterpart here")


def _conv(tf: Any, graph: Graph, node: Node, x: Any) -> Any:
    weight, stride = graph.weights[node.inputs[1]], node.square("strides", 1)
    padded, mode = _pad(tf, graph, node, x, weight.shape[2])
    if node.attributes.get("group", 1) == 1:
        y = tf.nn.conv2d(padded, weight.transpose(2, 3, 1, 0), stride, mode)
    else:  # one filter for each channel: the only groups of these networks
        y = tf.nn.depthwise_conv2d(padded, weight.transpose(2, 3, 0, 1), [1, stride, stride, 1], mode)
    return tf.nn.bias_add(y, graph.weights[node.inputs[2]]) if len(node.inputs) > 2 else y


def _pad(tf: Any, graph: Graph, node: Node, x: Any, window: int) -> tuple[Any, str]:
    """The image and the name of its padding. SAME puts an odd pixel last, where ONNX has both sides alike, so that
    strided windows need a layer of padding. Zeros do for pooling too: what is pooled here is not negative."""
    stride, before = node.square("strides", 1), node.square("pads", 0)
    size, out = graph.shapes[graph.variable(node)[0]][2], graph.shapes[node.output][2]
    total = max((out - 1) * stride + window - size, 0)
    if total == 0 and before == 0:
        return x, "VALID"
    if total // 2 == before and -(-size // stride) == out:
        return x, "SAME"
    edges = [before, max(total - before, 0)]
    return tf.pad(x, [[0, 0], edges, edges, [0, 0]]), "VALID"


def _rows(graph: Graph, node: Node) -> Any:
    """The weights of a fully connected layer for features in the order of a channels-last image."""
    weight = graph.weights[node.inputs[1]]
    maker = next((n for n in graph.nodes if n.output == node.inputs[0]), None)
    if maker is not None and maker.op == "Flatten":
        _, c, h, w = graph.shapes[maker.inputs[0]]
        weight = weight.reshape(-1, c, h, w).transpose(0, 2, 3, 1).reshape(len(weight), -1)
    return np.ascontiguousarray(weight.T)
