"""Fully connected layers of floats of 16 bits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from plait.backends.cpu.common import act_fields, cpu, data, refuse_unless_constant
from plait.backends.lowering import Lowering
from plait.ir.layers.linear import FullyConnected
from plait.ir.layout import ROW_WORD
from plait.kernels_pyx import packing, packing_bf16
from plait.kernels_pyx.packing_q8 import pack_fc_stored


def _fully_connected(dtype: str) -> Any:
    def lower(layer: FullyConnected, lowering: Lowering, variant: str) -> None:
        *rows, k = layer.x.type.static_shape
        bias = None
        if layer.bias is not None:
            floats = data(layer.bias, "bias").astype(np.float32)
            bias = lowering.constant(packing.pack_channels(floats, packing.FC_PANEL))
        lowering.call(
            f"{dtype}_fc",
            x=lowering.place(layer.x),
            w=lowering.constant(pack_fc_stored(packing_bf16.bits_of(data(layer.weight, "weight")))),
            bias=bias,
            res=None,
            y=lowering.place(layer.result),
            m=math.prod(rows),
            k=k,
            n=layer.weight.type.static_shape[0],
            **act_fields(layer.act),
        )

    lower.__qualname__ = "fully_connected"
    return lower


for _dtype in ("bf16", "f16"):
    cpu(
        "fully_connected",
        ROW_WORD,
        "gemv",
        _fully_connected(_dtype),
        dtype=_dtype,
        refuse=refuse_unless_constant("weight", "bias"),
        summary="weights packed in panels of 64 outputs and streamed, widened as they are read",
    )
