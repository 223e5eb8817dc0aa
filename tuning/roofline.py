"""How near layers come to what the machine can do: their arithmetic and their bytes against its limits.

After the roofline model (Williams, Waterman, Patterson 2009), with a roof for each level of the memory.
"""

from __future__ import annotations

import attrs

from plait.backends.profiling.limits import Limits
from plait.ir.dtypes import DType, Quantized
from plait.ir.layer import Layer
from plait.ir.values import Constant


@attrs.frozen
class Roofline:
    """Parts of the machine's limits, 1 being all there is."""

    peak: float
    """Operations by second, as a part of the peak of their type. Above 1 where an algorithm saves operations."""
    bandwidth: float
    """The least time in which the bytes can be moved, as a part of the time that the layer took."""
    level: str
    """The level of the memory that most of that least time goes to."""
    bound: str
    """Which of the two is nearer: `FMA`, or the level."""


def peak(layer: Layer, limits: Limits) -> float:
    """Operations in a nanosecond at best: of float32, or of bytes or bfloat16 where a layer multiplies such."""
    dtypes = {v.type.dtype for v in layer.operands}
    if any(isinstance(dtype, Quantized) and dtype.bits == 8 for dtype in dtypes):
        return max(limits.gops.values(), default=limits.peak)
    return max(limits.bf16.values(), default=limits.peak) if DType.BF16 in dtypes else limits.peak


def roofline(layer: Layer, time_us: float, limits: Limits, resident: int) -> Roofline:
    """Compare a layer with the limits.

    Operands and results have just been written or will be read soon: they move at the speed of the smallest level that
    holds them all. Constants are read once in a run, so they come from the level that holds everything a run touches.

    Args:
        resident: bytes of all constants and of the arena.
    """
    constants = sum(v.type.nbytes for v in layer.operands if isinstance(v, Constant))
    read = sum(v.type.nbytes for v in layer.operands) - constants
    written = sum(v.type.nbytes for v in layer.results)
    near, far = limits.level_for(read + written), limits.level_for(resident)
    near_us, far_us = near.time_us(read, written), far.time_us(constants, 0)
    arithmetic = layer.flops() / time_us / 1e3 / peak(layer, limits)
    bandwidth = (near_us + far_us) / time_us
    level = far.name if far_us > near_us else near.name
    return Roofline(arithmetic, bandwidth, level, "FMA" if arithmetic > bandwidth else level)
