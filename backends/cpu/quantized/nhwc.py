"""Convolutions of bytes with channels last: matrix products of pixels by packed weights, and depthwise ones."""

from __future__ import annotations

import math
from typing import Any

import attrs

from plait.backends.cpu.common import cpu, image
from plait.backends.cpu.convolution import geometry
from plait.backends.cpu.quantized.common import Sums, grid, refuse_weights, residual_fields, result_fields
from plait.backends.cpu.quantized.convolution import refuse_depthwise
from plait.backends.lowering import Lowering
from plait.ir.layers.conv import Conv2d
from plait.kernels_pyx import packing, packing_q8

_MOST_OFFSET = 2**31 - 1


def _product(conv: Conv2d, lowering: Lowering, offsets: Any) -> None:
    sums, groups = Sums.of(conv, lowering), conv.groups
    columns = {name: packing_q8.pack_groups(getattr(sums, name), groups) for name in ("bias", "factor")}
    shift = None if sums.shift is None else packing_q8.pack_groups(sums.shift, groups)
    lowering.call(
        "q8_conv_nhwc",
        x=lowering.place(conv.x),
        y=lowering.place(conv.result),
        w=lowering.constant(packing_q8.pack_conv_nhwc(sums.weight, groups)),
        x_zero=int(grid(conv.x, lowering).zero),
        offsets=offsets,
        groups=groups,
        **geometry(conv),
        **attrs.evolve(sums, **columns, shift=shift).fields(lowering),
        **result_fields(conv, lowering),
        **residual_fields(conv.residual, conv.result, lowering),
    )


def _depthwise(conv: Conv2d, lowering: Lowering, variant: str) -> None:
    sums = Sums.of(conv, lowering)
    lowering.call(
        "q8_dwconv_nhwc",
        x=lowering.place(conv.x),
        y=lowering.place(conv.result),
        w=lowering.constant(packing_q8.pack_dwconv_nhwc(sums.weight)),
        x_zero=int(grid(conv.x, lowering).zero),
        **geometry(conv),
        **sums.fields(lowering, packing_q8.FC_PANEL),
        **result_fields(conv, lowering),
        **residual_fields(conv.residual, conv.result, lowering),
    )


def _gemm(conv: Conv2d, lowering: Lowering, variant: str) -> None:
    _product(conv, lowering, None)


def _refuse_gemm(conv: Conv2d) -> str | None:
    if conv.kernel != (1, 1) or any(conv.pad):
        return "not 1x1 without padding"
    return refuse_weights(conv)


def _indirect(conv: Conv2d, lowering: Lowering, variant: str) -> None:
    _, c, h, w = image(conv.x.type)
    _, _, oh, ow = image(conv.result.type)
    top, left, _, _ = conv.pad
    offsets = packing.conv_offsets((h, w, c), (oh, ow), conv.kernel, conv.stride, (top, left), conv.dilation)
    _product(conv, lowering, lowering.constant(offsets))


def _refuse_indirect(conv: Conv2d) -> str | None:
    if conv.kernel == (1, 1) and not any(conv.pad):
        return "1x1 without padding needs no table: gemm reads in place"
    if math.prod(image(conv.x.type)[1:]) > _MOST_OFFSET:
        return f"images of more than {_MOST_OFFSET} elements"
    return refuse_weights(conv)


cpu(
    "conv2d",
    "nhwc",
    "gemm",
    _gemm,
    dtype="q8",
    refuse=_refuse_gemm,
    summary="1x1: pixels x packed panels of 64 filters",
)
cpu(
    "conv2d",
    "nhwc",
    "indirect",
    _indirect,
    dtype="q8",
    refuse=_refuse_indirect,
    summary="the same through a table of places (Dukhan 2019)",
)
cpu(
    "conv2d",
    "nhwc",
    "depthwise",
    _depthwise,
    dtype="q8",
    refuse=refuse_depthwise,
    summary="one filter for each channel, products of four taps",
)
