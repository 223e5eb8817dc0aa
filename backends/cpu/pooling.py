"""Pooling routines, one in each layout."""

from __future__ import annotations

from typing import Any

from plait.backends.cpu.common import BLOCKS_OF_FLOATS, cpu, image_fields, resampling_fields
from plait.backends.lowering import Lowering
from plait.ir.layers.pool import AvgPool2d, GlobalAvgPool, MaxPool2d, Pool2d


def window_fields(layer: Pool2d) -> dict[str, int]:
    """Fields of the window of a pooling kernel."""
    names = ("kh", "kw", "stride_h", "stride_w", "pad_t", "pad_l", "pad_b", "pad_r", "dil_h", "dil_w")
    return dict(zip(names, (*layer.kernel, *layer.stride, *layer.pad, *layer.dilation), strict=True))


def _pool(dtype: str, layout: str, kernel: str) -> Any:
    def lower(layer: MaxPool2d | AvgPool2d, lowering: Lowering, variant: str) -> None:
        lowering.call(
            f"{dtype}_{kernel}_{layout}",
            x=lowering.place(layer.x),
            y=lowering.place(layer.result),
            **resampling_fields(layer.x.type, layer.result.type),
            **window_fields(layer),
            count_include_pad=int(isinstance(layer, AvgPool2d) and layer.count_pad),
        )

    lower.__qualname__ = kernel
    return lower


def _global(dtype: str, layout: str) -> Any:
    def lower(layer: GlobalAvgPool, lowering: Lowering, variant: str) -> None:
        x, y = lowering.place(layer.x), lowering.place(layer.result)
        lowering.call(f"{dtype}_global_avgpool_{layout}", x=x, y=y, **image_fields(layer.x.type))

    lower.__qualname__ = "global_avgpool"
    return lower


for _dtype, _layout in BLOCKS_OF_FLOATS:
    for _kind, _kernel in (("max_pool2d", "maxpool"), ("avg_pool2d", "avgpool")):
        _lower = _pool(_dtype, _layout, _kernel)
        cpu(_kind, _layout, "window", _lower, dtype=_dtype, summary="direct over windows")
    cpu("global_avg_pool", _layout, "mean", _global(_dtype, _layout), dtype=_dtype, summary="sum over the plane")
