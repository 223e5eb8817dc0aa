"""What routines on bytes share: refusals, grids of values, and the fields of kernels that change scales."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from plait.backends.cpu.quantized.limits import refuse_sums, stored_bias
from plait.backends.lowering import Lowering
from plait.ir.activation import BOUNDS, NONE, Activation
from plait.ir.dtypes import DType, Quantized
from plait.ir.fixed_point import quantize_multiplier
from plait.ir.integer import Grid
from plait.ir.layer import Layer
from plait.ir.quantization import why_not_integer
from plait.ir.values import Array, Constant, Value
from plait.kernels_pyx import packing_q8
from plait.kernels_pyx.packing import pack_channels

BLOCK = 16
"""Channels in a block of `nchw16c`, the only blocked layout of bytes."""
TURN = 128
"""What is added to a signed byte to make it an unsigned one: its top bit is turned."""


def quantized(value: Value) -> Quantized:
    """The element type of a quantized value."""
    dtype = value.type.dtype
    assert isinstance(dtype, Quantized), f"%{value.name} is not quantized; the routine should have refused"
    return dtype


def grid(value: Value, lowering: Lowering) -> Grid:
    """What the elements of a value stand for."""
    return Grid.of(quantized(value), lowering.lookup)


def refuse_kernels(layer: Layer) -> str | None:
    """Why a layer is none that kernels compute on bytes."""
    if reason := why_not_integer(layer):
        return reason
    act: Activation = getattr(layer, "act", NONE)
    if act.kind not in BOUNDS:
        return f"{act} is no bound of the result"
    images = [v for name, v in layer.named_operands() if name not in ("weight", "bias")]
    for value in (*images, *layer.results):
        if quantized(value).storage is not DType.U8:
            return f"%{value.name} is stored as {value.type.dtype.storage}, and kernels take unsigned bytes"
    return None


def refuse_bytes(layer: Layer) -> str | None:
    """Why a layer, on integers or on the numbers that they stand for, is none of unsigned bytes with one scale each."""
    for value in (*layer.operands, *layer.results):
        dtype = value.type.dtype
        if not isinstance(dtype, Quantized) or dtype.storage is not DType.U8 or dtype.axis is not None:
            return f"%{value.name} is {dtype}, not unsigned bytes with one scale"
    return None


def refuse_weights(layer: Any, zeros: bool = False) -> str | None:
    """Why the weights of a layer, and its bias, are none that kernels read; `zeros`: they may have zero points."""
    if reason := refuse_kernels(layer):
        return reason
    for name in ("weight", "bias"):
        value = getattr(layer, name)
        if value is not None and not isinstance(value, Constant):
            return f"{name} is not constant"
    weight = quantized(layer.weight)
    if weight.bits > 8:
        return f"the weights have {weight.bits} bits"
    if not zeros and (weight.zero != 0 or not weight.is_signed):
        return "the weights have zero points or no sign"
    return refuse_sums(layer)


@attrs.frozen(eq=False)
class Sums:
    """What a layer with weights adds up: signed bytes, and for each output channel (in order) an int32 to add, the
    factor that changes the scale (f32, or in fixed point a multiplier, with its shift), and the zero point of the
    weights, if there are any."""

    weight: Array
    bias: Array
    factor: Array
    shift: Array | None
    weight_zero: Array | None

    @staticmethod
    def of(layer: Any, lowering: Lowering) -> Sums:
        """Those of a convolution or a fully connected layer: `x`, `weight` [O, ...], `bias`."""
        x, weight = (grid(v, lowering) for v in (layer.x, layer.weight))
        outputs = layer.weight.type.static_shape[0]
        signed, zeros = signed_weights(layer.weight.data, weight, outputs)
        added = np.broadcast_to(stored_bias(layer, lowering.lookup), (outputs,)).astype(np.int32)
        folded = packing_q8.fold_zero(added, signed, int(x.zero), zeros)
        factor, shift = change_of_scale(layer, weight.scale * x.scale, outputs, lowering)
        return Sums(signed, folded, factor, shift, zeros)

    def fields(self, lowering: Lowering, block: int = 1) -> dict[str, Any]:
        """The fields `bias`, `scale` and, in fixed point, `shifts`, in whole blocks."""
        bias = lowering.constant(packing_q8.pack_ints(self.bias, block))
        if self.shift is None:
            return {"bias": bias, "scale": lowering.constant(pack_channels(self.factor, block))}
        multipliers, shifts = (packing_q8.pack_ints(v, block) for v in (self.factor, self.shift))
        scale = lowering.constant(np.concatenate([multipliers, shifts]))
        return {"bias": bias, "scale": scale, "shifts": multipliers.size}


def signed_weights(stored: Array, of: Grid, outputs: int) -> tuple[Array, Array | None]:
    """Stored weights [outputs, ...] as signed bytes, and what zero points of outputs these have (i32; None: none)."""
    stored, zero = stored.astype(np.int64), np.broadcast_to(of.zero, (outputs,))
    if not of.storage.is_signed:
        half = 1 << of.storage.bits - 1
        stored, zero = stored - half, zero - half
    return stored.astype(np.int8), zero.astype(np.int32) if zero.any() else None


def change_of_scale(layer: Layer, scale: Array, outputs: int, lowering: Lowering) -> tuple[Array, Array | None]:
    """What brings sums with steps of `scale` (f64, () or [outputs]) to those of the result: a factor for each output
    (f32), or in fixed point multipliers and shifts."""
    y = grid(layer.results[0], lowering)
    if is_fixed_point(layer):
        multiplier, shift = (np.broadcast_to(v, (outputs,)) for v in quantize_multiplier(scale / y.scale))
        return np.ascontiguousarray(multiplier), shift
    return np.ascontiguousarray(np.broadcast_to(y.multiplier(scale), (outputs,))), None


def is_fixed_point(layer: Layer) -> bool:
    """Whether a layer changes scales by multipliers of 31 bits and shifts."""
    return getattr(layer, "rounding", "") == "fixed_point"


def fixed_fields(real: Array, prefix: str = "") -> dict[str, int]:
    """The fields `multiplier` and `shift` of kernels with one factor: those of a real number."""
    multiplier, shift = quantize_multiplier(real)
    return {f"{prefix}multiplier": int(multiplier), f"{prefix}shift": int(shift)}


def result_fields(layer: Layer, lowering: Lowering) -> dict[str, int]:
    """The fields `zero`, `low` and `high`: how a layer's result is stored, behind its activation."""
    y = grid(layer.results[0], lowering)
    bounds = y.bounds(getattr(layer, "act", NONE))
    assert bounds is not None, "the routine should have refused the activation"
    return {"zero": int(y.zero), "low": bounds[0], "high": bounds[1]}


def residual_fields(residual: Value | None, result: Value, lowering: Lowering) -> dict[str, Any]:
    """The fields `res`, `res_zero` and `res_scale`."""
    if residual is None:
        return {"res": None, "res_zero": 0, "res_scale": 0.0}
    r, y = grid(residual, lowering), grid(result, lowering)
    return {
        "res": lowering.place(residual),
        "res_zero": int(r.zero),
        "res_scale": float(y.multiplier(r.scale)),
    }
