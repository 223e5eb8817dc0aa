"""Moves of bytes that change their parameters, or that need the value of padding."""

from __future__ import annotations

import numpy as np

from plait.backends.cpu.common import cpu, image
from plait.backends.cpu.joining import Join, channel_parts
from plait.backends.cpu.movement import copy_padded, refuse_rank
from plait.backends.cpu.quantized.common import grid, quantized
from plait.backends.cpu.quantized.tables import requantize_table
from plait.backends.lowering import Lowering
from plait.ir.dtypes import Quantized
from plait.ir.layers.shape import Concat, Pad
from plait.ir.quantization import why_not_integer


def _refuse_channels(layer: Join) -> str | None:
    for value in (*layer.operands, *layer.results):
        dtype = value.type.dtype
        if not isinstance(dtype, Quantized) or dtype.bits != 8 or dtype.axis is not None:
            return f"%{value.name} is {dtype}, not bytes with one scale"
    return None if layer.axis % 4 == 1 else "only channels can be joined or split in blocks"


def _channels(layer: Join, lowering: Lowering, variant: str) -> None:
    joins = isinstance(layer, Concat)
    whole = layer.result if isinstance(layer, Concat) else layer.x
    for part, first in channel_parts(layer):
        x, y = (part, whole) if joins else (whole, part)
        n, channels, h, w = image(part.type)
        lowering.call(
            "q8_concat_part_nchw16c",
            x=lowering.place(x),
            y=lowering.place(y),
            table=requantize_table(x, y, lowering),
            n=n,
            h=h,
            w=w,
            channels=channels,
            x_c=image(x.type)[1],
            x_first=0 if joins else first,
            y_c=image(y.type)[1],
            y_first=first if joins else 0,
        )


def _refuse_pad(layer: Pad) -> str | None:
    if reason := why_not_integer(layer) or refuse_rank(layer):
        return reason
    dtype = quantized(layer.result)
    return "the bytes change" if dtype != quantized(layer.x) or dtype.bits != 8 else None


def _pad(layer: Pad, lowering: Lowering, variant: str) -> None:
    stored = grid(layer.result, lowering).nearest(np.float32(layer.value))
    value = int(stored.astype(layer.result.type.dtype.numpy).view(np.uint8))
    lowering.call("q8_fill", y=lowering.place(layer.result), count=layer.result.type.elements, value=value)
    copy_padded(layer, lowering)


for _kind in ("concat", "split"):
    cpu(
        _kind,
        "nchw16c",
        "copy",
        _channels,
        dtype="q8",
        refuse=_refuse_channels,
        summary="block copies of bytes, lanes shifted where needed; a table changes parameters",
    )
cpu("pad", "nchw", "copy", _pad, dtype="q8", refuse=_refuse_pad, summary="fill, then strided copy")
