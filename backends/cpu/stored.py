"""Fully connected layers in float32 whose weights are stored in fewer bits (pass `store-weights`)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from plait.backends.cpu.common import act_fields, cpu, data, refuse_unless_constant
from plait.backends.lowering import Lowering
from plait.ir.dtypes import DType, Quantized
from plait.ir.integer import Grid
from plait.ir.layers.linear import FullyConnected
from plait.ir.layout import ROW_WORD
from plait.kernels_pyx import packing, packing_bf16
from plait.kernels_pyx.packing_q8 import pack_fc_stored

_CONSTANT = refuse_unless_constant("weight", "bias")
_STORED = {"bf16": DType.BF16, "f16": DType.F16}


def _refuse(word: str) -> Any:
    def refuse(layer: FullyConnected) -> str | None:
        if reason := _CONSTANT(layer):
            return reason
        x, weight, result = (v.type.dtype for v in (layer.x, layer.weight, layer.result))
        if x is not DType.F32 or result is not DType.F32 or (layer.bias and layer.bias.type.dtype is not DType.F32):
            return "only weights may be other numbers than f32"
        if word != "q8":
            return None if weight is _STORED[word] else f"the weights are {weight}, not {word}"
        if not isinstance(weight, Quantized) or weight.storage is not DType.I8 or weight.zero != 0 or weight.block:
            return f"the weights are {weight}, not signed bytes without zero points"
        return f"scales of {weight} are not those of rows" if weight.axis not in (None, 0) else None

    return refuse


def _packed(word: str, layer: FullyConnected, lowering: Lowering) -> dict[str, Any]:
    """The field `w`, and of bytes `scale`."""
    stored = data(layer.weight, "weight")
    if word != "q8":
        return {"w": lowering.constant(pack_fc_stored(packing_bf16.bits_of(stored)))}
    dtype = layer.weight.type.dtype
    assert isinstance(dtype, Quantized)
    scale = np.broadcast_to(Grid.of(dtype, lowering.lookup).scale, (stored.shape[0],)).astype(np.float32)
    return {
        "w": lowering.constant(pack_fc_stored(stored.astype(np.int8, copy=False))),
        "scale": lowering.constant(packing.pack_channels(scale, packing.FC_PANEL)),
    }


def _stored(word: str, kernel: str) -> Any:
    def lower(layer: FullyConnected, lowering: Lowering, variant: str) -> None:
        *rows, k = layer.x.type.static_shape
        bias = None
        if layer.bias is not None:
            bias = lowering.constant(packing.pack_channels(data(layer.bias, "bias"), packing.FC_PANEL))
        lowering.call(
            kernel,
            x=lowering.place(layer.x),
            bias=bias,
            res=None,
            y=lowering.place(layer.result),
            m=math.prod(rows),
            k=k,
            n=layer.weight.type.static_shape[0],
            **_packed(word, layer, lowering),
            **act_fields(layer.act),
        )

    lower.__qualname__ = f"stored_{word}"
    return lower


for _word, _kernel in (("bf16", "f32_fc_bf16"), ("f16", "f32_fc_f16"), ("q8", "f32_fc_s8")):
    cpu(
        "fully_connected",
        ROW_WORD,
        f"gemv_{_word}",
        _stored(_word, _kernel),
        also=(_word,),
        refuse=_refuse(_word),
        summary=f"weights of {_word} streamed, widened as they are read",
    )
