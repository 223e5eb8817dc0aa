"""Normalisation routines."""

from __future__ import annotations

import math
from typing import Any

from plait.backends.cpu.common import LAYOUTS, act_fields, channel_constant, cpu, image, refuse_unless_constant
from plait.backends.lowering import Lowering
from plait.ir.layer import Layer
from plait.ir.layers.normalization import LocalResponseNorm, ScaleShift, Softmax


def _scale_shift(layout: str) -> Any:
    def lower(layer: ScaleShift, lowering: Lowering, variant: str) -> None:
        shape = layer.x.type.static_shape
        n, c, h, w = image(layer.x.type) if len(shape) == 4 else (shape[0], shape[1], 1, math.prod(shape[2:]))
        lowering.call(f"f32_affine_{layout}", x=lowering.place(layer.x), y=lowering.place(layer.result),
                      scale=channel_constant(lowering, layer.scale, layout), shift=channel_constant(lowering, layer.shift, layout),
                      n=n, c=c, h=h, w=w, **act_fields(layer.act))

    lower.__qualname__ = "scale_shift"
    return lower


def _softmax(layer: Softmax, lowering: Lowering, variant: str) -> None:
    shape = layer.x.type.static_shape
    axis = layer.axis % len(shape)
    lowering.call("f32_softmax", x=lowering.place(layer.x), y=lowering.place(layer.result), outer=math.prod(shape[:axis]), n=shape[axis],
                  inner=math.prod(shape[axis + 1:]))


def _lrn(layer: LocalResponseNorm, lowering: Lowering, variant: str) -> None:
    n, c, h, w = image(layer.x.type)
    lowering.call("f32_lrn_nchw", x=lowering.place(layer.x), y=lowering.place(layer.result), n=n, c=c, h=h, w=w, size=layer.size,
                  alpha=layer.alpha, beta=layer.beta, bias=layer.k)


def _any(layer: Layer) -> str | None:
    return None


for _layout in LAYOUTS:
    cpu("scale_shift", _layout, "vector", _scale_shift(_layout), refuse=refuse_unless_constant("scale", "shift"),
        summary="multiply-add with one pair of numbers for each channel")
cpu("softmax", "nchw", "vector", _softmax, refuse=_any, summary="max, exp and sum along the axis")
cpu("local_response_norm", "nchw", "window", _lrn, refuse=_any, summary="sliding sum of squares over channels")
