"""Reductions of bytes over neighbouring axes, and global average pooling where channels do not lie in blocks."""

from __future__ import annotations

import math
from typing import Any

from plait.backends.cpu.common import cpu
from plait.backends.cpu.movement import reduced_extents, refuse_reduce
from plait.backends.cpu.quantized.casts import quantize_fields
from plait.backends.cpu.quantized.common import fixed_fields, grid, is_fixed_point, refuse_bytes, result_fields
from plait.backends.cpu.quantized.limits import MOST_MEANS
from plait.backends.cpu.quantized.pooling import refuse_mean
from plait.backends.cpu.quantized.tables import general_table
from plait.backends.lowering import Lowering
from plait.ir.layers.pool import GlobalAvgPool
from plait.ir.layers.reduce import Reduce
from plait.kernels_pyx import ReduceOp

_MOST_NUMBERS = 1 << 20
"""The sum of so many numbers of bytes is exact in float64."""


def _call(layer: Reduce | GlobalAvgPool, op: str, extents: dict[str, int], lowering: Lowering, **fields: Any) -> None:
    lowering.call(
        "q8_reduce",
        x=lowering.place(layer.x),
        y=lowering.place(layer.result),
        op=int(ReduceOp[op.upper()]),
        x_zero=int(grid(layer.x, lowering).zero),
        **extents,
        **fields,
    )


def _mean(layer: Reduce | GlobalAvgPool, extents: dict[str, int], lowering: Lowering) -> None:
    x, y = grid(layer.x, lowering), grid(layer.results[0], lowering)
    fixed = {"fixed_point": 1, **fixed_fields(x.scale / y.scale)} if is_fixed_point(layer) else {}
    scale = float(y.multiplier(x.scale, extents["n"]))
    ending = result_fields(layer, lowering)
    _call(layer, "mean", extents, lowering, table=None, x_scale=0.0, scale=scale, **ending, **fixed)


def _reduce(layer: Reduce, lowering: Lowering, variant: str) -> None:
    extents = reduced_extents(layer)
    if layer.fn == "mean":
        _mean(layer, extents, lowering)
        return
    extreme = layer.fn in ("max", "min")
    table = lowering.constant(general_table(layer.x, layer.result, lowering)) if extreme else None
    scale = float(grid(layer.x, lowering).scale)
    ending = quantize_fields(layer.result, lowering)
    _call(layer, layer.fn, extents, lowering, table=table, x_scale=scale, **ending)


def _refuse(layer: Reduce) -> str | None:
    if reason := refuse_bytes(layer) or refuse_reduce(layer):
        return reason
    count = reduced_extents(layer)["n"]
    if not count:
        return "nothing is reduced to a number"
    most = {"mean": MOST_MEANS, "sum": _MOST_NUMBERS}.get(layer.fn, count)
    return f"the sum of {count} bytes may not be exact" if count > most else None


def _global(layout: str) -> Any:
    def lower(layer: GlobalAvgPool, lowering: Lowering, variant: str) -> None:
        n, c, *plane = layer.x.type.static_shape
        outer, inner = (n * c, 1) if layout == "nchw" else (n, c)
        _mean(layer, {"outer": outer, "n": math.prod(plane), "inner": inner}, lowering)

    lower.__qualname__ = "_global"
    return lower


cpu("reduce", "nchw", "vector", _reduce, dtype="q8", refuse=_refuse, summary="over neighbouring axes, sums are exact")
for _layout in ("nchw", "nhwc"):
    cpu(
        "global_avg_pool",
        _layout,
        "mean",
        _global(_layout),
        dtype="q8",
        refuse=refuse_mean,
        summary="exact sums of bytes",
    )
