"""Element-wise routines: activations, unary functions, and binary arithmetic with broadcasting."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from plait.backends.cpu.common import LAYOUTS, LOW_LAYOUTS, act_fields, channel_block, cpu, flat_rows, image
from plait.backends.lowering import Lowering, Place
from plait.ir.layer import Layer
from plait.ir.layers.activations import ActivationLayer
from plait.ir.layers.elementwise import Binary, Unary
from plait.ir.registry import known_layers
from plait.ir.types import Type
from plait.ir.values import Constant, Value
from plait.kernels_pyx import BinaryOp, UnaryFunction

_MAX_RANK = 6
_OPS = {
    "add": BinaryOp.ADD,
    "sub": BinaryOp.SUB,
    "mul": BinaryOp.MUL,
    "div": BinaryOp.DIV,
    "maximum": BinaryOp.MAX,
    "minimum": BinaryOp.MIN,
    "pow": BinaryOp.POW,
}


def _activation(dtype: str, layout: str) -> Any:
    def lower(layer: ActivationLayer, lowering: Lowering, variant: str) -> None:
        lowering.call(
            f"{dtype}_act",
            x=lowering.place(layer.x),
            y=lowering.place(layer.result),
            **flat_rows(layer.x.type, layout),
            **act_fields(layer.activation()),
        )

    lower.__qualname__ = "activation"
    return lower


def _refuse_unary(layer: Layer) -> str | None:
    assert isinstance(layer, Unary)
    return None if layer.fn.upper() in UnaryFunction.__members__ else f"no kernel for {layer.fn}"


def _unary(dtype: str, layout: str) -> Any:
    def lower(layer: Unary, lowering: Lowering, variant: str) -> None:
        lowering.call(
            f"{dtype}_unary",
            x=lowering.place(layer.x),
            y=lowering.place(layer.result),
            **flat_rows(layer.x.type, layout),
            function=int(UnaryFunction[layer.fn.upper()]),
        )

    lower.__qualname__ = "unary"
    return lower


def operand_kind(value: Value, result: Type) -> str:
    """How an operand is broadcast: `same`, `scalar`, `channel` ([C] or [N, C] numbers over planes), or `strided`."""
    shape, full = value.type.static_shape, result.static_shape
    padded = (1,) * (len(full) - len(shape)) + shape
    if padded == full:
        return "same"
    if all(d == 1 for d in padded):
        return "scalar"
    if len(full) == 4 and padded[1] == full[1] and padded[0] in (1, full[0]) and padded[2:] == (1, 1):
        return "channel"
    return "strided"


def _refuse_binary(dtype: str, layout: str) -> Any:
    def refuse(layer: Layer) -> str | None:
        assert isinstance(layer, Binary)
        result = layer.result.type
        if result.rank > _MAX_RANK:
            return f"more than {_MAX_RANK} dimensions"
        kinds = {operand_kind(v, result) for v in (layer.a, layer.b)}
        if "same" not in kinds:
            kinds.add("strided")
        if dtype != "f32" and layout != "nchw16c" and kinds & {"strided", "channel"}:
            return "an operand is broadcast, and is no single number"
        if layout != "nchw":
            if result.rank != 4:
                return f"the result has {result.rank} dimensions, so there is no {layout}"
            if "strided" in kinds:
                return "broadcasting other than by channel or scalar"
            for value in (layer.a, layer.b):
                if operand_kind(value, result) == "same" and isinstance(value, Constant):
                    return "a constant image has no layout but nchw"
                if operand_kind(value, result) == "same" and value.type.rank != 4:
                    return f"%{value.name} has {value.type.rank} dimensions, so there is no {layout}"
                if (
                    operand_kind(value, result) == "channel"
                    and value.type.rank != 4
                    and not isinstance(value, Constant)
                ):
                    return "a computed channel vector must be an image of 1 x 1"
        return None

    return refuse


def _binary(dtype: str, layout: str) -> Any:
    def lower(layer: Binary, lowering: Lowering, variant: str) -> None:
        result = layer.result.type
        a, b, swap = layer.a, layer.b, 0
        if operand_kind(a, result) != "same":
            a, b, swap = b, a, 1
        kind = operand_kind(b, result) if operand_kind(a, result) == "same" else "strided"
        common = {"op": int(_OPS[layer.op]), "y": lowering.place(layer.result), **act_fields(layer.act)}
        if kind in ("same", "scalar"):
            lowering.call(
                f"{dtype}_binary_{kind}",
                a=lowering.place(a),
                b=lowering.place(b),
                swap=swap,
                **common,
                **flat_rows(result, layout),
            )
        elif kind == "channel":
            n, c, h, w = image(result)
            # How far apart the numbers of two images lie; 0: all images share them.
            block = channel_block(layout)
            per_image = -(-c // block) * block
            shared = (b.type.elements == c and n > 1) or n == 1
            lowering.call(
                f"{dtype}_binary_channel_{layout}",
                a=lowering.place(a),
                b=_channels(b, lowering, layout, c),
                swap=swap,
                n=n,
                c=c,
                h=h,
                w=w,
                b_image=0 if shared else per_image,
                **common,
            )
        else:
            lowering.call(
                "f32_binary_nd",
                a=lowering.place(layer.a),
                b=lowering.place(layer.b),
                swap=0,
                **common,
                **_dims(result),
                **_steps("a", layer.a, result),
                **_steps("b", layer.b, result),
            )

    lower.__qualname__ = "binary"
    return lower


def _channels(value: Value, lowering: Lowering, layout: str, channels: int) -> Place:
    block = channel_block(layout)
    if isinstance(value, Constant) and channels % block:
        # Each image's numbers are filled up to whole blocks.
        rows = value.data.reshape(-1, channels)
        return lowering.constant(np.pad(rows, [(0, 0), (0, -channels % block)]))
    return lowering.place(value)


def _dims(result: Type) -> dict[str, int]:
    shape = (1,) * (_MAX_RANK - result.rank) + result.static_shape
    return {f"d{i}": d for i, d in enumerate(shape)}


def _steps(name: str, value: Value, result: Type) -> dict[str, int]:
    """Element steps of an operand along each of the six dimensions; 0 where it is broadcast."""
    shape = (1,) * (_MAX_RANK - value.type.rank) + value.type.static_shape
    step, steps = 1, [0] * _MAX_RANK
    for i in reversed(range(_MAX_RANK)):
        steps[i] = 0 if shape[i] == 1 else step
        step *= shape[i]
    return {f"{name}_step{i}": s for i, s in enumerate(steps)}


for _dtype, _layout in itertools.product(("f32", "bf16", "f16"), LAYOUTS):
    if _dtype != "f32" and _layout not in LOW_LAYOUTS:
        continue
    for _name, _spec in known_layers().items():
        if issubclass(_spec.cls, ActivationLayer):
            cpu(
                _name,
                _layout,
                "vector",
                _activation(_dtype, _layout),
                dtype=_dtype,
                summary="vectorised, any shape",
            )
        elif issubclass(_spec.cls, Binary) and _name in _OPS:
            cpu(
                _name,
                _layout,
                "vector",
                _binary(_dtype, _layout),
                dtype=_dtype,
                refuse=_refuse_binary(_dtype, _layout),
                summary="vectorised, broadcast operand in place",
            )
    cpu(
        "unary",
        _layout,
        "vector",
        _unary(_dtype, _layout),
        dtype=_dtype,
        refuse=_refuse_unary,
        summary="vectorised, any shape",
    )
