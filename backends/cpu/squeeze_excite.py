"""Squeeze-excite routines: row sums, two small products, the product with the image; each is split over the threads."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.backends.cpu.common import (
    BLOCKS_OF_FLOATS,
    act_fields,
    channel_block,
    cpu,
    data,
    image,
    refuse_unless_constant,
)
from plait.backends.lowering import Lowering, Place
from plait.ir.activation import Activation
from plait.ir.layers.squeeze_excite import SqueezeExcite
from plait.ir.values import Value
from plait.kernels_pyx import BinaryOp, packing
from plait.kernels_pyx.packing_bf16 import bits_of
from plait.kernels_pyx.packing_q8 import pack_fc_stored

_FLOAT = 4
"""Bytes."""


def _whole(channels: int, block: int) -> int:
    return -(-channels // block) * block


def _squeeze(layer: SqueezeExcite, lowering: Lowering, dtype: str, layout: str) -> tuple[Place, dict[str, Any]]:
    """Call the kernel that adds up the image; returns where the sums are, and the fields by which the next one turns
    them into means."""
    n, c, h, w = image(layer.x.type)
    size: dict[str, Any] = {"x": lowering.place(layer.x), "n": n, "c": c, "h": h, "w": w}
    if layout == "nchw":  # sums along a row would end in one number per vector
        means = lowering.workspace(n * c * _FLOAT)
        lowering.call("f32_global_avgpool_nchw", y=means, **size)
        return means, {"rows": 1, "x_row": c, "scale": 1.0}
    row = _whole(c, channel_block(layout))
    sums = lowering.workspace(n * h * row * _FLOAT)
    lowering.call(f"{dtype}_squeeze_{layout}", y=sums, **size)
    return sums, {"rows": h, "x_row": row, "scale": 1.0 / (h * w)}


def _excite(
    dtype: str,
    lowering: Lowering,
    x: Place,
    weight: Value,
    bias: Value | None,
    act: Activation,
    images: int,
    **fields: Any,
) -> Place:
    """Call the kernel that mixes channels; returns where its results are, [images][outputs in whole panels]."""
    o, k = weight.type.static_shape[:2]
    y = lowering.workspace(images * _whole(o, packing.EXCITE_PANEL) * _FLOAT)
    biases = (
        None
        if bias is None
        else lowering.constant(packing.pack_channels(data(bias, "bias").astype(np.float32), packing.EXCITE_PANEL))
    )
    stored = data(weight, "weight").reshape(o, k)
    narrow = dtype != "f32"
    packed = lowering.constant(
        pack_fc_stored(bits_of(stored), packing.EXCITE_PANEL) if narrow else packing.pack_excite(stored)
    )
    lowering.call(f"{dtype}_excite", x=x, w=packed, bias=biases, y=y, n=images, k=k, o=o, **fields, **act_fields(act))
    return y


def _narrow(dtype: str, lowering: Lowering, floats: Place, count: int) -> Place:
    """The same numbers in 16 bits."""
    narrow = lowering.workspace(count * _FLOAT // 2)
    lowering.call(f"{dtype}_narrow", x=floats, y=narrow, outer=1, rows=1, row=count)
    return narrow


def _squeeze_excite(dtype: str, layout: str) -> Any:
    def lower(layer: SqueezeExcite, lowering: Lowering, variant: str) -> None:
        n, c, h, w = image(layer.x.type)
        few = layer.reduced
        sums, mean = _squeeze(layer, lowering, dtype, layout)
        reduced = _excite(dtype, lowering, sums, layer.reduce_weight, layer.reduce_bias, layer.reduce_act, n, **mean)
        once = {"rows": 1, "x_row": _whole(few, packing.EXCITE_PANEL), "scale": 1.0}
        gates = _excite(dtype, lowering, reduced, layer.expand_weight, layer.expand_bias, layer.gate, n, **once)
        if dtype != "f32":
            gates = _narrow(dtype, lowering, gates, n * _whole(c, packing.EXCITE_PANEL))
        lowering.overwrite(layer.result, layer.x)
        lowering.call(
            f"{dtype}_binary_channel_{layout}",
            a=lowering.place(layer.x),
            b=gates,
            y=lowering.place(layer.result),
            op=int(BinaryOp.MUL),
            swap=0,
            n=n,
            c=c,
            h=h,
            w=w,
            b_image=_whole(c, packing.EXCITE_PANEL),
            **act_fields(layer.act),
        )

    lower.__qualname__ = "squeeze_excite"
    return lower


for _dtype, _layout in BLOCKS_OF_FLOATS:
    cpu(
        "squeeze_excite",
        _layout,
        "gate",
        _squeeze_excite(_dtype, _layout),
        dtype=_dtype,
        refuse=refuse_unless_constant("reduce_weight", "expand_weight", "reduce_bias", "expand_bias"),
        summary="sums of rows, two small products, the image times its gates",
    )
