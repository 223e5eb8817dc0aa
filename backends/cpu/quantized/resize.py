"""Resize on bytes, one routine in each layout; where pixels come from is computed once, into tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.backends.cpu.common import LOW_LAYOUTS, cpu, resampling_fields
from plait.backends.cpu.quantized.casts import quantize_fields
from plait.backends.cpu.quantized.common import grid, refuse_bytes
from plait.backends.cpu.quantized.tables import requantize_table
from plait.backends.cpu.resize import neighbours
from plait.backends.lowering import Lowering
from plait.ir.layers.resize import Resize


def _resize(layout: str) -> Any:
    def lower(layer: Resize, lowering: Lowering, variant: str) -> None:
        fields = _nearest if layer.mode == "nearest" else _linear
        lowering.call(
            f"q8_resize_{layer.mode}_{layout}",
            x=lowering.place(layer.x),
            y=lowering.place(layer.result),
            **resampling_fields(layer.x.type, layer.result.type),
            **fields(layer, lowering),
        )

    lower.__qualname__ = "resize"
    return lower


def _nearest(layer: Resize, lowering: Lowering) -> dict[str, Any]:
    rows, columns = (lowering.constant(taps.first.astype(np.int32)) for taps in layer.taps())
    return {"rows": rows, "columns": columns, "table": requantize_table(layer.x, layer.result, lowering)}


def _linear(layer: Resize, lowering: Lowering) -> dict[str, Any]:
    """Both neighbours, and weights in float64, in which the layer is defined."""
    rows, columns = layer.taps()
    x = grid(layer.x, lowering)
    return {
        "rows": lowering.constant(neighbours(rows)),
        "row_weights": lowering.constant(rows.weight),
        "columns": lowering.constant(neighbours(columns)),
        "column_weights": lowering.constant(columns.weight),
        "x_scale": float(x.scale),
        "x_zero": int(x.zero),
        **quantize_fields(layer.result, lowering),
    }


for _layout in LOW_LAYOUTS:
    cpu(
        "resize",
        _layout,
        "tables",
        _resize(_layout),
        dtype="q8",
        refuse=refuse_bytes,
        summary="neighbours from tables; a table changes parameters, mixed numbers are rounded once",
    )
