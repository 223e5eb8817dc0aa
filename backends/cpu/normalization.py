"""Normalisation routines."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from plait.backends.cpu.common import (
    LAYOUTS,
    act_fields,
    channel_constant,
    cpu,
    image,
    image_fields,
    refuse_unless_constant,
)
from plait.backends.lowering import Lowering, Place
from plait.ir.activation import NONE
from plait.ir.layers.normalization import LayerNorm, LocalResponseNorm, ScaleShift, Softmax
from plait.ir.values import Constant, Value


def _scale_shift(layout: str) -> Any:
    def lower(layer: ScaleShift, lowering: Lowering, variant: str) -> None:
        shape = layer.x.type.static_shape
        n, c, h, w = image(layer.x.type) if len(shape) == 4 else (shape[0], shape[1], 1, math.prod(shape[2:]))
        lowering.call(
            f"f32_affine_{layout}",
            x=lowering.place(layer.x),
            y=lowering.place(layer.result),
            scale=channel_constant(lowering, layer.scale, layout),
            shift=channel_constant(lowering, layer.shift, layout),
            n=n,
            c=c,
            h=h,
            w=w,
            **act_fields(layer.act),
        )

    lower.__qualname__ = "scale_shift"
    return lower


def _softmax(layer: Softmax, lowering: Lowering, variant: str) -> None:
    shape = layer.x.type.static_shape
    axis = layer.axis % len(shape)
    lowering.call(
        "f32_softmax",
        x=lowering.place(layer.x),
        y=lowering.place(layer.result),
        outer=math.prod(shape[:axis]),
        n=shape[axis],
        inner=math.prod(shape[axis + 1 :]),
    )


def _inner_shape(layer: LayerNorm) -> tuple[int, ...]:
    shape = layer.x.type.static_shape
    return shape[layer.axis % len(shape) :]


def _refuse_layer_norm(layer: LayerNorm) -> str | None:
    inner = _inner_shape(layer)
    for name in ("scale", "bias"):
        value = getattr(layer, name)
        if value is not None and not isinstance(value, Constant) and value.type.static_shape != inner:
            return f"{name} is computed and not of shape {list(inner)}"
    return None


def _layer_norm(layer: LayerNorm, lowering: Lowering, variant: str) -> None:
    inner = _inner_shape(layer)
    n = math.prod(inner)

    def row(value: Value | None) -> Place | None:
        if isinstance(value, Constant):
            return lowering.constant(np.ascontiguousarray(np.broadcast_to(value.data, inner), np.float32).reshape(-1))
        return None if value is None else lowering.place(value)

    lowering.call(
        "f32_layer_norm",
        x=lowering.place(layer.x),
        y=lowering.place(layer.result),
        scale=row(layer.scale),
        bias=row(layer.bias),
        outer=layer.x.type.elements // n,
        n=n,
        epsilon=layer.epsilon,
        **act_fields(NONE),
    )


def _lrn(layout: str) -> Any:
    def lower(layer: LocalResponseNorm, lowering: Lowering, variant: str) -> None:
        lowering.call(
            f"f32_lrn_{layout}",
            x=lowering.place(layer.x),
            y=lowering.place(layer.result),
            **image_fields(layer.x.type),
            size=layer.size,
            alpha=layer.alpha,
            beta=layer.beta,
            bias=layer.k,
        )

    lower.__qualname__ = "local_response_norm"
    return lower


for _layout in LAYOUTS:
    cpu(
        "scale_shift",
        _layout,
        "vector",
        _scale_shift(_layout),
        refuse=refuse_unless_constant("scale", "shift"),
        summary="multiply-add with one pair of numbers for each channel",
    )
    cpu(
        "local_response_norm",
        _layout,
        "window",
        _lrn(_layout),
        summary="sum of squares over a window of channels",
    )
cpu(
    "layer_norm",
    "nchw",
    "vector",
    _layer_norm,
    refuse=_refuse_layer_norm,
    summary="mean and variance of a row in two passes",
)
cpu("softmax", "nchw", "vector", _softmax, summary="max, exp and sum along the axis")
