"""Which layers are timed: those of networks after optimisation, each kind and shape once, and data movement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import attrs

from plait.ir.isolate import signature
from plait.ir.layer import Layer
from plait.ir.layers.conv import Conv2d
from plait.ir.layers.linear import FullyConnected
from plait.ir.layers.separable import SeparableConv2d
from plait.ir.layout import Format
from plait.ir.module import Module
from plait.ir.text.parser import parse_module
from plait.ir.types import TensorType, Type
from plait.tuning.entries import detached_adapt

CONVOLUTIONS = ("convolution", "depthwise", "separable")
PRODUCTS = (*CONVOLUTIONS, "fully connected")
"""Kinds whose arithmetic is looked at; the others move data."""
LAYOUTS = ("nchw", "nhwc", "nchw16c")


@attrs.frozen(eq=False)
class Shape:
    """A layer, how people call it, and how often networks have it."""

    kind: str
    text: str
    layer: Layer
    uses: dict[str, int]


def distinct(modules: dict[str, Module]) -> list[Shape]:
    """The layers of optimised networks, equal ones once; reshapes, which do nothing, left out."""
    found: dict[str, Shape] = {}
    for network, module in modules.items():
        for layer in module.main:
            kind = _kind(layer)
            if kind == "reshape":
                continue
            shape = found.setdefault(signature(layer), Shape(kind, describe(layer), layer, {}))
            shape.uses[network] = shape.uses.get(network, 0) + 1
    return list(found.values())


def movement(modules: Iterable[Module], count: int) -> list[Shape]:
    """Conversions of layout, additions and activations of up to `count` images, from the smallest to the largest of
    more than a pixel that convolutions of the networks read."""
    types = {
        layer.x.type: layer.x.type.nbytes
        for module in modules
        for layer in module.main
        if isinstance(layer, Conv2d)
        and isinstance(layer.x.type, TensorType)
        and layer.x.type.static_shape[2:] != (1, 1)
    }
    ordered = sorted(types, key=lambda t: types[t])
    count = min(count, len(ordered))
    chosen = [ordered[round(i * (len(ordered) - 1) / max(count - 1, 1))] for i in range(count)]
    return [shape for type in dict.fromkeys(chosen) for shape in _movements(type)]


def describe(layer: Layer) -> str:
    """A layer in a few words: `3x3 64>128 @56x56 s2 relu`."""
    if isinstance(layer, Conv2d):
        (_, c, _, _), (_, o, h, w) = layer.x.type.static_shape, layer.result.type.static_shape
        channels = f"{c}" if layer.is_depthwise else f"{c}>{o}"
        words = [f"{layer.kernel[0]}x{layer.kernel[1]} {channels} @{h}x{w}"]
        words += [f"s{layer.stride[0]}"] if layer.stride != (1, 1) else []
        words += ["residual"] if layer.residual is not None else []
        return " ".join([*words, *([str(layer.act)] if layer.act else [])])
    if isinstance(layer, SeparableConv2d):
        (_, c, _, _), (_, o, h, w) = layer.x.type.static_shape, layer.result.type.static_shape
        kernel = "x".join(map(str, layer.depthwise_weight.type.static_shape[2:]))
        words = [f"{kernel} {c}, 1x1 {c}>{o} @{h}x{w}"]
        words += [f"s{layer.stride[0]}"] if layer.stride != (1, 1) else []
        return " ".join([*words, *(["residual"] if layer.residual is not None else [])])
    if isinstance(layer, FullyConnected):
        outputs, inputs = layer.weight.type.static_shape
        return f"{inputs}>{outputs}" + (f" {layer.act}" if layer.act else "")
    operands = ", ".join(_extent(v.type) for v in layer.operands)
    return f"{layer.op} {operands}"


def onednn_subject(shape: Shape) -> dict[str, Any] | None:
    """What `benchmarks.layers.onednn` needs to run a layer (without its form); None if it is no product."""
    layer = shape.layer
    if not isinstance(layer, (Conv2d, FullyConnected)):
        return None
    common = {
        "kind": shape.kind,
        "x": list(layer.x.type.static_shape),
        "weight": list(layer.weight.type.static_shape),
        "bias": layer.bias is not None,
        "act": layer.act.kind,
        "parameters": list(layer.act.params),
    }
    if isinstance(layer, FullyConnected):
        return common
    geometry = {name: list(getattr(layer, name)) for name in ("stride", "pad", "dilation")}
    return {**common, **geometry, "groups": layer.groups}


def load_networks(names: Sequence[str], folder: Path) -> dict[str, Module]:
    """Optimised modules of `FOLDER/NAME.onnx`."""
    import plait

    return {name: plait.optimize(plait.load(folder / f"{name}.onnx")) for name in names}


def _kind(layer: Layer) -> str:
    if isinstance(layer, Conv2d):
        return "depthwise" if layer.is_depthwise else "convolution"
    if isinstance(layer, SeparableConv2d):
        return "separable"
    if isinstance(layer, FullyConnected):
        return "fully connected"
    return "pooling" if "pool" in layer.op else "reshape" if layer.op == "reshape" else "element-wise"


def _movements(type: TensorType) -> Iterable[Shape]:
    image = f"{type.dtype}[{'x'.join(map(str, type.static_shape))}]"
    for body in (f"add(%a, %b) : {image}", f"hard_swish(%a) : {image}"):
        text = f"ir 1\nnet @main(%a: {image}, %b: {image}) -> (%y: {image}) {{\n  %y = {body}\n}}\n"
        (layer,) = parse_module(text).main
        yield Shape("element-wise", describe(layer), layer, {})
    for source in LAYOUTS:
        for target in LAYOUTS:
            if source != target:
                layer = detached_adapt(type, Format(type.dtype.value, source), Format(type.dtype.value, target))
                yield Shape("adapt", f"{source} to {target} {_extent(type)}", layer, {})


def _extent(type: Type) -> str:
    return "x".join(str(d) for d in type.static_shape[1:])
