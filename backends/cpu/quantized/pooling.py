"""Pooling of bytes, on blocks of channels and with channels last."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from plait.backends.cpu.common import cpu, image_fields, resampling_fields
from plait.backends.cpu.pooling import window_fields
from plait.backends.cpu.quantized.common import (
    fixed_fields,
    grid,
    is_fixed_point,
    quantized,
    refuse_kernels,
    result_fields,
)
from plait.backends.cpu.quantized.limits import MOST_MEANS
from plait.backends.cpu.quantized.tables import requantize_table
from plait.backends.lowering import Lowering
from plait.ir.integer import Grid
from plait.ir.layers.pool import AvgPool2d, GlobalAvgPool, MaxPool2d, Pool2d


def _places(layer: Pool2d | GlobalAvgPool, lowering: Lowering) -> dict[str, Any]:
    return {"x": lowering.place(layer.x), "y": lowering.place(layer.result)}


def _max(layout: str) -> Any:
    def lower(layer: MaxPool2d, lowering: Lowering, variant: str) -> None:
        lowering.call(
            f"q8_maxpool_{layout}",
            **_places(layer, lowering),
            **resampling_fields(layer.x.type, layer.result.type),
            **window_fields(layer),
            table=requantize_table(layer.x, layer.result, lowering),
        )

    lower.__qualname__ = "_max"
    return lower


def _refuse_max(layer: MaxPool2d) -> str | None:
    extents = ((k - 1) * d + 1 for k, d in zip(layer.kernel, layer.dilation, strict=True))
    inside = all(max(pads) < e for pads, e in zip((layer.pad[::2], layer.pad[1::2]), extents, strict=True))
    if quantized(layer.x) != quantized(layer.result) and not (inside and layer.dilation == (1, 1)):
        return "a window may hold nothing but padding, which has no parameters to change"
    return None


def _fixed_mean(layer: Pool2d | GlobalAvgPool, x: Grid, y: Grid, keeps: bool = False) -> dict[str, int]:
    """The fields of means in fixed point: nothing, or 1 with the factor, or 2 where parameters stay."""
    if not is_fixed_point(layer):
        return {}
    return {"fixed_point": 2} if keeps else {"fixed_point": 1, **fixed_fields(x.scale / y.scale)}


def _average(layout: str) -> Any:
    def lower(layer: AvgPool2d, lowering: Lowering, variant: str) -> None:
        x, y = grid(layer.x, lowering), grid(layer.result, lowering)
        counts = np.arange(1, layer.kernel[0] * layer.kernel[1] + 1)
        scales = np.concatenate([np.zeros(1, np.float32), y.multiplier(x.scale, counts)])
        keeps = x.scale == y.scale and x.zero == y.zero and not layer.count_pad
        lowering.call(
            f"q8_avgpool_{layout}",
            **_places(layer, lowering),
            **resampling_fields(layer.x.type, layer.result.type),
            **window_fields(layer),
            **result_fields(layer, lowering),
            scale=lowering.constant(scales),
            count_include_pad=int(layer.count_pad),
            x_zero=int(x.zero),
            **_fixed_mean(layer, x, y, keeps),
        )

    lower.__qualname__ = "_average"
    return lower


def _global(layer: GlobalAvgPool, lowering: Lowering, variant: str) -> None:
    x, y = grid(layer.x, lowering), grid(layer.result, lowering)
    count = int(np.prod(layer.x.type.static_shape[2:]))
    lowering.call(
        "q8_global_avgpool_nchw16c",
        **_places(layer, lowering),
        **image_fields(layer.x.type),
        **result_fields(layer, lowering),
        scale=float(y.multiplier(x.scale, count)),
        x_zero=int(x.zero),
        **_fixed_mean(layer, x, y),
    )


def refuse_mean(layer: AvgPool2d | GlobalAvgPool) -> str | None:
    """Why a pool is none of which kernels add up the bytes."""
    if reason := refuse_kernels(layer):
        return reason
    count = math.prod(layer.kernel if isinstance(layer, AvgPool2d) else layer.x.type.static_shape[2:])
    return f"an int32 may not hold the sum of {count} bytes" if count > MOST_MEANS else None


for _layout in ("nchw16c", "nhwc"):
    cpu(
        "max_pool2d",
        _layout,
        "window",
        _max(_layout),
        dtype="q8",
        refuse=lambda layer: refuse_kernels(layer) or _refuse_max(layer),
        summary="columns first, then rows; a table changes parameters",
    )
    cpu(
        "avg_pool2d",
        _layout,
        "window",
        _average(_layout),
        dtype="q8",
        refuse=refuse_mean,
        summary="exact sums of bytes",
    )
cpu("global_avg_pool", "nchw16c", "mean", _global, dtype="q8", refuse=refuse_mean, summary="exact sums of bytes")
