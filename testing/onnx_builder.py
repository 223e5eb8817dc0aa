"""Writes ONNX graphs node by node, with seeded weights that keep activations in a useful range."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = npt.NDArray[Any]


class OnnxBuilder:
    """A graph under construction. Methods take and return names of tensors; `channels` knows axis 1 of each.

    Args:
        name: name of the graph; with `seed` it determines the weights.
        shape: shape of the only input, `input`.
    """

    def __init__(self, name: str, shape: Sequence[int], seed: int = 0, opset: int = 17) -> None:
        self.name = name
        self.shape = tuple(shape)
        self.opset = opset
        self.random = np.random.default_rng([zlib.crc32(name.encode()), seed])
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.channels: dict[str, int] = {"input": self.shape[1]}

    def weight(self, values: npt.ArrayLike, hint: str) -> str:
        """An initializer."""
        name = f"{hint}.{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def normal(self, deviation: float, *shape: int) -> Array:
        """Normally distributed numbers around 0."""
        return self.random.standard_normal(shape, np.float32) * np.float32(deviation)

    def node(self, op: str, *inputs: str, channels: int | None = None, **attributes: Any) -> str:
        """A node with one output, which has the channels of the first input unless stated."""
        name = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        self.channels[name] = self.channels.get(inputs[0], 0) if channels is None else channels
        return name

    def conv(
        self,
        x: str,
        out: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        pad: int | None = None,
        groups: int = 1,
        bias: bool = False,
        gain: float = 2.0,
        dilation: int = 1,
    ) -> str:
        """Convolution with He-scaled weights; "same" padding unless stated."""
        kh, kw = (kernel, kernel) if isinstance(kernel, int) else kernel
        ph, pw = (dilation * (kh // 2), dilation * (kw // 2)) if pad is None else (pad, pad)
        fan_in = self.channels[x] // groups * kh * kw
        weight = self.normal(math.sqrt(gain / fan_in), out, self.channels[x] // groups, kh, kw)
        inputs = [x, self.weight(weight, "weight")]
        if bias:
            inputs.append(self.weight(self.normal(0.1, out), "bias"))
        return self.node(
            "Conv",
            *inputs,
            channels=out,
            kernel_shape=[kh, kw],
            strides=[stride, stride],
            pads=[ph, pw, ph, pw],
            group=groups,
            dilations=[dilation, dilation],
        )

    def norm(self, x: str, scale: float = 1.0, epsilon: float = 1e-5) -> str:
        """Batch normalisation with statistics that are neither 0 nor 1."""
        c = self.channels[x]
        draws = (
            scale * self.random.uniform(0.8, 1.25, c),
            self.random.normal(0, 0.1, c),
            self.random.normal(0, 0.1, c),
            self.random.uniform(0.6, 1.5, c),
        )
        names = [
            self.weight(d.astype(np.float32), h) for d, h in zip(draws, ("scale", "shift", "mean", "var"), strict=True)
        ]
        return self.node("BatchNormalization", x, *names, epsilon=epsilon)

    def act(self, x: str, kind: str | None) -> str:
        """An activation as frameworks export it; None is none."""
        match kind:
            case None:
                return x
            case "relu6":
                return self.node("Clip", x, self.weight(np.float32(0), "low"), self.weight(np.float32(6), "high"))
            case "hard_sigmoid":
                return self.node("HardSigmoid", x, alpha=1 / 6, beta=0.5)
        return self.node(
            {
                "relu": "Relu",
                "hard_swish": "HardSwish",
                "sigmoid": "Sigmoid",
                "tanh": "Tanh",
                "leaky_relu": "LeakyRelu",
                "elu": "Elu",
            }[kind],
            x,
        )

    def unit(
        self,
        x: str,
        out: int,
        kernel: int,
        stride: int = 1,
        act: str | None = "relu",
        scale: float = 1.0,
        epsilon: float = 1e-5,
        **conv: Any,
    ) -> str:
        """Convolution, batch normalisation, activation."""
        return self.act(self.norm(self.conv(x, out, kernel, stride, **conv), scale, epsilon), act)

    def pool(self, x: str, kernel: int, stride: int, pad: int = 0, kind: str = "MaxPool", **attributes: Any) -> str:
        """Pooling."""
        return self.node(kind, x, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4, **attributes)

    def linear(self, x: str, out: int, features: int | None = None, gain: float = 1.0) -> str:
        """Fully connected layer."""
        features = features or self.channels[x]
        weight, bias = self.normal(math.sqrt(gain / features), out, features), self.normal(0.1, out)
        return self.node("Gemm", x, self.weight(weight, "weight"), self.weight(bias, "bias"), channels=out, transB=1)

    def concat(self, *xs: str) -> str:
        """Concatenation of channels."""
        return self.node("Concat", *xs, channels=sum(self.channels[x] for x in xs), axis=1)

    def head(self, x: str) -> str:
        """Global average pooling and flattening."""
        return self.node("Flatten", self.node("GlobalAveragePool", x))

    def squeeze_excite(self, x: str, middle: int, gate: str = "hard_sigmoid") -> str:
        """A gate for each channel. Source: Hu et al. 2018."""
        gates = self.conv(self.node("GlobalAveragePool", x), middle, 1, bias=True)
        gates = self.act(self.conv(self.act(gates, "relu"), self.channels[x], 1, bias=True, gain=1.0), gate)
        return self.node("Mul", x, gates)

    def model(self, output: str) -> onnx.ModelProto:
        """The finished model, in which the tensor `output` is called `output`."""
        for node in self.nodes:
            node.input[:] = ["output" if name == output else name for name in node.input]
            node.output[:] = ["output" if name == output else name for name in node.output]
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            self.nodes,
            self.name,
            [value("input", TensorProto.FLOAT, self.shape)],
            [value("output", TensorProto.FLOAT, None)],
            self.weights,
        )
        opset = helper.make_opsetid("", self.opset)
        return onnx.shape_inference.infer_shapes(
            helper.make_model(graph, opset_imports=[opset], producer_name="plait.testing", ir_version=8)
        )
