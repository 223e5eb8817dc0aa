"""Resize routines, one in each layout; where pixels come from is computed once, into tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.backends.cpu.common import LAYOUTS, cpu, resampling_fields
from plait.backends.lowering import Lowering, Place
from plait.ir.layers.resize import Resize, Taps


def _resize(layout: str) -> Any:
    def lower(layer: Resize, lowering: Lowering, variant: str) -> None:
        tables = _nearest if layer.mode == "nearest" else _linear
        lowering.call(
            f"f32_resize_{layer.mode}_{layout}",
            x=lowering.place(layer.x),
            y=lowering.place(layer.result),
            **resampling_fields(layer.x.type, layer.result.type),
            **tables(layer, lowering),
        )

    lower.__qualname__ = "resize"
    return lower


def _nearest(layer: Resize, lowering: Lowering) -> dict[str, Place]:
    rows, columns = (lowering.constant(taps.first.astype(np.int32)) for taps in layer.taps())
    return {"rows": rows, "columns": columns}


def _linear(layer: Resize, lowering: Lowering) -> dict[str, Place]:
    rows, columns = layer.taps()
    return {
        "rows": lowering.constant(neighbours(rows)),
        "row_weights": lowering.constant(rows.weight.astype(np.float32)),
        "columns": lowering.constant(neighbours(columns)),
        "column_weights": lowering.constant(columns.weight.astype(np.float32)),
    }


def neighbours(taps: Taps) -> np.ndarray[Any, Any]:
    """i32[2 * positions]: the first neighbours of all positions, then the second ones."""
    return np.concatenate([taps.first, taps.second]).astype(np.int32)


for _layout in LAYOUTS:
    cpu("resize", _layout, "tables", _resize(_layout), summary="neighbours and weights from tables")
