"""What the routine families share: registration, refusals, and the fields that many kernels have."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from plait.backends.cpu.splits import partition_of
from plait.backends.descriptor import RoutinePath
from plait.backends.effort import Effort
from plait.backends.lowering import Lowering, Place
from plait.backends.routine import (
    Aliases,
    Formats,
    Lower,
    Refusal,
    Routine,
    format_in,
    register_routine,
    uniform,
)
from plait.ir.activation import Activation
from plait.ir.dtypes import Quantized
from plait.ir.layer import Layer
from plait.ir.layout import ROW_WORD, Format
from plait.ir.types import Type
from plait.ir.values import Array, Constant, Value
from plait.kernels_pyx import Act, kernel_names
from plait.kernels_pyx.packing import pack_channels


def _blocked_layouts() -> dict[str, int]:
    """Blocked layouts that the highest usable ISA level has kernels for, and their channels in a block."""
    found = [re.fullmatch(r"f32_conv_(nchw(\d+)c)", name) for name in kernel_names()]
    return {m[1]: int(m[2]) for m in sorted((m for m in found if m), key=lambda m: -int(m[2]))}


BLOCKED = _blocked_layouts()
"""Channels in a block, by layout: `nchw16c`, which every ISA level has, and that of one vector where it is shorter."""
LAYOUTS = ("nchw", "nhwc", *BLOCKED)
LOW_LAYOUTS = ("nchw", "nhwc", "nchw16c")
"""Those of bytes and floats of 16 bits, which have blocks of 16 at every level."""
BLOCKS_OF_FLOATS = (*(("f32", layout) for layout in LAYOUTS), ("bf16", "nchw16c"), ("f16", "nchw16c"))
"""Element types and layouts of routines on images that floats of 16 bits have in blocks only."""
_DATA = frozenset({"x", "xs", "residual"})
"""Operand fields that kernels read in the routine's layout; weights and other parameters are packed."""


def cpu(
    layer: str,
    layout: str,
    algorithm: str,
    lower: Lower,
    *,
    dtype: str = "f32",
    also: tuple[str, ...] = (),
    refuse: Refusal | None = None,
    formats: Formats | None = None,
    variants: Callable[[Any], Sequence[str]] | None = None,
    version: str = "1",
    summary: str = "",
    aliases: Aliases | None = None,
    least: Callable[[Any], Effort] | None = None,
) -> Routine:
    """Register `cpu/{dtype}/{layout}/{algorithm}` for a kind of layer.

    Layers whose dtype is another are refused (`also`: what some values may have beside it), and so are constant
    images where the layout is not theirs, which is always `nchw`. Of dtype `any` are routines that move elements as
    they are stored, of `q8` those for which some of the values are quantized.
    """

    def refusal(candidate: Layer) -> str | None:
        if reason := refuse_dtypes(candidate, dtype, also):
            return reason
        if (
            layout != ROW_WORD
            and layout != "nchw"
            and not any(v.type.rank == 4 for v in (*candidate.operands, *candidate.results))
        ):
            return f"no operand or result is an image, so there is no {layout}"
        if layout not in (ROW_WORD, "nchw") and any(
            name in _DATA and isinstance(v, Constant) and v.type.rank == 4 for name, v in candidate.named_operands()
        ):
            return "a constant image has no layout but nchw"
        return refuse(candidate) if refuse is not None else None

    return register_routine(
        Routine(
            RoutinePath("cpu", dtype, layout, algorithm),
            layer,
            formats or uniform(layout),
            lower,
            refusal,
            variants or (lambda candidate: ("",)),
            version,
            summary,
            f"{lower.__module__}:{lower.__qualname__}[{layout}]",
            aliases or (lambda candidate: ()),
            partition_of(layer, layout, algorithm),
            least,
        )
    )


def refuse_dtypes(layer: Layer, dtype: str, also: tuple[str, ...] = ()) -> str | None:
    """Why element types are none that routines of a dtype take."""
    values = (*layer.operands, *layer.results)
    quantized = [v for v in values if isinstance(v.type.dtype, Quantized)]
    if dtype == "q8":
        return None if quantized else "no operand or result is quantized"
    if dtype == "any":
        wrong = [v for v in quantized if v.type.dtype != layer.results[0].type.dtype or _has_axis(v)]
        return f"%{wrong[0].name} is {wrong[0].type.dtype}: elements may change" if wrong else None
    named = [(v, "q8" if isinstance(v.type.dtype, Quantized) else v.type.dtype.value) for v in values]
    wrong = [v for v, name in named if name not in (dtype, *also)]
    if not wrong and all(v.type.dtype.value != dtype for v in values):
        wrong = list(values)
    return f"%{wrong[0].name} is {wrong[0].type.dtype}, not {dtype}" if wrong else None


def _has_axis(value: Value) -> bool:
    return isinstance(value.type.dtype, Quantized) and value.type.dtype.axis is not None


def act_fields(activation: Activation) -> dict[str, Any]:
    """The fields `act`, `act_a`, `act_b` of kernels with an epilogue."""
    a, b = (*activation.params, 0.0, 0.0)[:2]
    # Kernels take float32; infinite bounds are its largest number.
    limit = float(np.finfo(np.float32).max)
    return {
        "act": int(Act[activation.kind.upper()]),
        "act_a": min(max(a, -limit), limit),
        "act_b": min(max(b, -limit), limit),
    }


def image(type: Type) -> tuple[int, int, int, int]:
    """N, C, H, W of an image."""
    n, c, h, w = type.static_shape
    return n, c, h, w


def image_fields(type: Type) -> dict[str, int]:
    """Fields `n`, `c`, `h`, `w` of kernels over one image."""
    return dict(zip("nchw", image(type), strict=True))


def resampling_fields(x: Type, y: Type) -> dict[str, int]:
    """Fields `n`, `c`, `ih`, `iw`, `oh`, `ow` of kernels from an image to one of as many channels and another size."""
    n, c, ih, iw = image(x)
    _, _, oh, ow = image(y)
    return {"n": n, "c": c, "ih": ih, "iw": iw, "oh": oh, "ow": ow}


def channel_block(layout: str) -> int:
    """Channels in a block of a layout; 1 where channels do not lie in blocks."""
    return BLOCKED.get(layout, 1)


def flat_rows(type: Type, layout: str) -> dict[str, int]:
    """Fields `outer`, `rows`, `row` of element-wise kernels: how threads divide the elements of a tensor in this
    layout."""
    if type.rank != 4:
        shape = type.static_shape
        return {"outer": 1, "rows": math.prod(shape[:-1]), "row": shape[-1] if shape else 1}
    n, c, h, w = image(type)
    if layout == "nhwc":
        return {"outer": n, "rows": h, "row": w * c}
    block = channel_block(layout)
    return {"outer": n * -(-c // block), "rows": h, "row": w * block}


def data(value: Value | None, what: str) -> Array:
    """The elements of a constant operand."""
    assert isinstance(value, Constant), f"{what} is not constant; the routine should have refused"
    return value.data


def channel_constant(lowering: Lowering, value: Value | None, layout: str) -> Place | None:
    """One number for each channel, padded to whole blocks for blocked layouts; None stays None."""
    if value is None:
        return None
    values = data(value, "a channel vector").reshape(-1).astype(np.float32)
    return lowering.constant(pack_channels(values, channel_block(layout)))


def refuse_unless_constant(*names: str) -> Refusal:
    """Refuse layers in which one of these operands is computed."""

    def refuse(layer: Layer) -> str | None:
        for name in names:
            value = getattr(layer, name)
            if value is not None and not isinstance(value, Constant):
                return f"{name} is not constant"
        return None

    return refuse


def formats_between(source: str, target: str) -> Formats:
    """Formats of a layer that reads one layout and yields another."""

    def formats(layer: Layer) -> tuple[tuple[Format, ...], tuple[Format, ...]]:
        operands = tuple(format_in(v, source) for v in layer.operands if not isinstance(v, Constant))
        return operands, (format_in(layer.results[0], target),)

    return formats


def refuse_flat(refuse: Refusal) -> Refusal:
    """Refuse what has one layout only: constants, and what is no image."""

    def refuse_others(layer: Layer) -> str | None:
        x = layer.operands[0]
        if isinstance(x, Constant) or x.type.rank != 4:
            return "x is a constant or no image, so that its layout does not change"
        return refuse(layer)

    return refuse_others


__all__ = [
    "BLOCKED",
    "BLOCKS_OF_FLOATS",
    "LAYOUTS",
    "LOW_LAYOUTS",
    "act_fields",
    "channel_block",
    "channel_constant",
    "cpu",
    "data",
    "flat_rows",
    "formats_between",
    "image",
    "image_fields",
    "refuse_dtypes",
    "refuse_flat",
    "refuse_unless_constant",
]
