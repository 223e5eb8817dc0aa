"""Quantized forms of ONNX models as other tools write them, with pairs of QuantizeLinear and DequantizeLinear."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from plait.backends.reference import evaluate
from plait.frontends.onnx import import_onnx

Array = npt.NDArray[Any]
_BOUNDS = ("Relu", "Clip")
_WITH_WEIGHTS = ("Conv", "Gemm")


def with_qdq(
    model: onnx.ModelProto, inputs: Mapping[str, Array], *, signed: bool = False, leave: Collection[str] = ()
) -> onnx.ModelProto:
    """The model with a Q/DQ pair behind each node, except where a bound follows: so its numbers are 8-bit ones.

    Weights of Conv and Gemm (transB = 1) are int8 with a scale for each channel, their biases int32; ranges of all
    other tensors are those that the inputs lead to.

    Args:
        model: a model of float32, of opset 13 or later.
        inputs: an example of each input.
        signed: activations as int8 rather than uint8.
        leave: names of nodes behind which there is no pair.
    """
    return _Quantizer(model, inputs, np.dtype(np.int8 if signed else np.uint8)).run(leave)


class _Quantizer:
    def __init__(self, model: onnx.ModelProto, inputs: Mapping[str, Array], dtype: np.dtype[Any]) -> None:
        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        self.graph, self.dtype = self.model.graph, dtype
        self.weights = {t.name: numpy_helper.to_array(t) for t in self.graph.initializer}
        self.ranges = {name: (float(a.min()), float(a.max())) for name, a in inputs.items()}
        evaluate(import_onnx(model).module, inputs, values=self._observe)
        self.made: dict[str, Array] = {}
        self.scales: dict[str, np.float32] = {}

    def _observe(self, value: Any, array: Array) -> None:
        self.ranges[value.name] = (float(array.min()), float(array.max()))

    def run(self, leave: Collection[str]) -> onnx.ModelProto:
        nodes = [pair for i in self.graph.input if i.name in self.ranges for pair in self._pair(i.name)]
        for node in list(self.graph.node):
            nodes += [*self._weights(node), node]
            if node.name not in leave and not self._is_bounded(node):
                nodes += self._pair(node.output[0])
        readers = {name: f"{name}.dq" for name in self.scales}
        for node in nodes:
            if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
                node.input[:] = [readers.get(name, name) for name in node.input]
        for output in self.graph.output:
            output.name = readers.get(output.name, output.name)
        kept = [t for t in self.graph.initializer if any(t.name in n.input for n in nodes)]
        constants = [numpy_helper.from_array(a, name) for name, a in self.made.items()]
        for field, values in ((self.graph.node, nodes), (self.graph.initializer, [*kept, *constants])):
            del field[:]
            field.extend(values)
        del self.graph.value_info[:]
        return self.model

    def _is_bounded(self, node: onnx.NodeProto) -> bool:
        readers = [n for n in self.graph.node if node.output[0] in n.input]
        return len(readers) == 1 and readers[0].op_type in _BOUNDS and node.op_type in (*_WITH_WEIGHTS, "Add", "Mul")

    def _pair(self, name: str) -> Iterator[onnx.NodeProto]:
        """Quantize and dequantize a tensor, in the range that it has."""
        least, limits = min(self.ranges[name][0], 0.0), np.iinfo(self.dtype)
        scale = np.float32(max(max(self.ranges[name][1], 0.0) - least, 1e-6) / 255)
        self.scales[name] = scale
        self.made[f"{name}.scale"] = np.array(scale)
        self.made[f"{name}.zero"] = np.array(round(limits.min - least / float(scale)), self.dtype)
        yield helper.make_node("QuantizeLinear", [name, f"{name}.scale", f"{name}.zero"], [f"{name}.q"])
        yield helper.make_node("DequantizeLinear", [f"{name}.q", f"{name}.scale", f"{name}.zero"], [f"{name}.dq"])

    def _weights(self, node: onnx.NodeProto) -> Sequence[onnx.NodeProto]:
        if node.op_type not in _WITH_WEIGHTS:
            return ()
        weight = self.weights[node.input[1]]
        scale = (np.abs(weight.reshape(len(weight), -1)).max(axis=1) / 127).astype(np.float32)
        stored = np.rint(weight / scale.reshape(-1, *[1] * (weight.ndim - 1))).astype(np.int8)
        pairs = [(1, stored, scale)]
        if len(node.input) > 2:
            product = (scale * self.scales[node.input[0]]).astype(np.float32)
            pairs.append((2, np.rint(self.weights[node.input[2]] / product).astype(np.int32), product))
        return [self._constant(node, *pair) for pair in pairs]

    def _constant(self, node: onnx.NodeProto, i: int, stored: Array, scale: Array) -> onnx.NodeProto:
        name = node.input[i]
        node.input[i] = f"{name}.dq"
        self.made |= {f"{name}.q": stored, f"{name}.scale": scale, f"{name}.zero": np.zeros(len(scale), stored.dtype)}
        parameters = [f"{name}.q", f"{name}.scale", f"{name}.zero"]
        return helper.make_node("DequantizeLinear", parameters, [f"{name}.dq"], axis=0)
