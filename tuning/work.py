"""The least that a layer has to do, whatever the routine: arithmetic, and bytes that move.

Layers that are not listed may have nothing to do at all (a reshape moves nothing, a concatenation may lie where its
parts were written), and take the time of an empty op at least.
"""

from __future__ import annotations

import math

import attrs

from plait.ir.layer import Layer
from plait.ir.layers.activations import ActivationLayer
from plait.ir.layers.conv import Conv2d, inner_products
from plait.ir.layers.elementwise import Binary, Unary
from plait.ir.layers.linear import FullyConnected, Matmul
from plait.ir.layers.pool import AvgPool2d, MaxPool2d
from plait.ir.layers.separable import SeparableConv2d
from plait.ir.values import Constant, Value

_WHOLE = {"adapt", "batch_norm", "global_avg_pool", "local_response_norm", "softmax", "squeeze_excite"}
"""Layers that read every element of their operands and write every one of their results."""


@attrs.frozen
class Work:
    """Bytes and operations (a multiply-add is two); `constants` are bytes of weights, which are read as well."""

    flops: float = 0.0
    read: float = 0.0
    written: float = 0.0
    constants: float = 0.0


def least_work(layer: Layer) -> Work:
    """What any routine for a layer has to do at least."""
    match layer:
        case Conv2d():
            return _moved(layer, 2.0 * inner_products(layer), {layer.x: _read_share(layer)})
        case SeparableConv2d():
            # Of the products of the depthwise part, some are with zeros of the padding.
            pointwise = 2.0 * layer.channels * layer.result.type.elements
            return _moved(layer, pointwise, {layer.x: _read_share(layer)})
        case FullyConnected() | Matmul():
            return _moved(layer, layer.flops(), {})
        case MaxPool2d() | AvgPool2d():
            return _moved(layer, 0.0, {layer.x: _read_share(layer)})
        case ActivationLayer() | Binary() | Unary():
            return _moved(layer, 0.0, {})
        case _ if layer.op in _WHOLE:
            return _moved(layer, 0.0, {})
    return Work()


def _moved(layer: Layer, flops: float, shares: dict[Value, float]) -> Work:
    data = dict.fromkeys(v for v in layer.operands if not isinstance(v, Constant))
    return Work(
        flops=flops,
        read=sum(v.type.nbytes * shares.get(v, 1.0) for v in data),
        written=sum(v.type.nbytes for v in layer.results),
        constants=sum(v.type.nbytes for v in layer.operands if isinstance(v, Constant)),
    )


def _read_share(layer: Conv2d | SeparableConv2d | MaxPool2d | AvgPool2d) -> float:
    """Share of an image that lies in any window."""
    size, outputs = layer.x.type.static_shape[2:], layer.results[0].type.static_shape[2:]
    dilation = (1, 1) if isinstance(layer, SeparableConv2d) else layer.dilation
    return math.prod(
        _touched(size[i], outputs[i], layer.kernel[i], layer.stride[i], layer.pad[i], dilation[i]) / size[i]
        for i in range(2)
    )


def _touched(size: int, outputs: int, kernel: int, stride: int, pad: int, dilation: int) -> int:
    starts = range(-pad, outputs * stride - pad, stride)
    places = {start + k * dilation for start in starts for k in range(kernel)}
    return sum(0 <= place < size for place in places)
