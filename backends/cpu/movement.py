"""Routines that move elements: reshape as a view, transpose, slice, pad, and reductions over trailing axes.

Concatenations and splits are in `plait.backends.cpu.joining`.
"""

from __future__ import annotations

import math
from typing import Any

from plait.backends.aliasing import Alias
from plait.backends.cpu.common import LAYOUTS, channel_block, cpu, image
from plait.backends.lowering import Lowering, Place
from plait.ir.layer import Layer
from plait.ir.layers._rules import axes_in
from plait.ir.layers.reduce import Reduce
from plait.ir.layers.shape import Expand, Pad, Reshape, Slice, Transpose
from plait.kernels_pyx import ReduceOp

_RANK = 6


def copy(
    lowering: Lowering,
    source: Place,
    target: Place,
    size: int,
    dims: tuple[int, ...],
    from_steps: tuple[int, ...],
    to_steps: tuple[int, ...],
) -> None:
    """Copy an N-D box of elements of `size` bytes; steps in elements."""
    lead = _RANK - len(dims)
    fields: dict[str, Any] = {"x": source, "y": target, "elem_size": size}
    for i in range(_RANK):
        fields[f"d{i}"] = 1 if i < lead else dims[i - lead]
        fields[f"x_step{i}"] = 0 if i < lead else from_steps[i - lead]
        fields[f"y_step{i}"] = 0 if i < lead else to_steps[i - lead]
    lowering.call("copy_nd", **fields)


def steps_of(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Element steps of a row-major array."""
    return tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))


def shifted(place: Place, elements: int, size: int) -> Place:
    """A place some elements further on."""
    return Place(place.buffer, place.offset + elements * size)


def refuse_rank(layer: Layer) -> str | None:
    if any(v.type.rank > _RANK for v in (*layer.operands, *layer.results)):
        return f"more than {_RANK} dimensions"
    return None


def refuse_small_elements(layer: Layer) -> str | None:
    # Parts of these layers start anywhere, but plans name places in the arena by multiples of 4 bytes.
    if layer.operands[0].type.dtype.size < 4:
        return f"elements of {layer.operands[0].type.dtype.size} bytes start at places that plans cannot name"
    return refuse_rank(layer)


# --- reshape ---


def _refuse_view(layout: str) -> Any:
    def refuse(layer: Layer) -> str | None:
        for value in (*layer.operands, *layer.results):
            if layout == "nchw" or value.type.rank != 4:
                continue
            n, c, h, w = image(value.type)
            incomplete = c % channel_block(layout)
            if (h, w) != (1, 1) or (incomplete and n > 1):
                return f"%{value.name} is not one row in {layout}"
            # The padding of a last block may be cut off, not made up.
            if incomplete and value in layer.results:
                return f"%{value.name} would need padding"
        return None

    return refuse


def _view_aliases(layer: Reshape) -> list[Alias]:
    return [Alias(layer.result, layer.x)]


def _view(layer: Layer, lowering: Lowering, variant: str) -> None:
    operand, result = layer.operands[0], layer.results[0]
    if not lowering.alias(result, operand):
        size = operand.type.dtype.size
        count = result.type.elements
        copy(lowering, lowering.place(operand), lowering.place(result), size, (count,), (1,), (1,))


# --- strided copies ---


def _copy_by(steps: tuple[int, ...], layer: Transpose | Expand, lowering: Lowering) -> None:
    """Fill the result in its order; `steps` lie between the elements of `x` along its axes."""
    x, y, shape = lowering.place(layer.x), lowering.place(layer.result), layer.result.type.static_shape
    copy(lowering, x, y, layer.x.type.dtype.size, shape, steps, steps_of(shape))


def _transpose(layer: Transpose, lowering: Lowering, variant: str) -> None:
    source = steps_of(layer.x.type.static_shape)
    _copy_by(tuple(source[p] for p in layer.perm), layer, lowering)


def _slice(layer: Slice, lowering: Lowering, variant: str) -> None:
    shape, size = layer.x.type.static_shape, layer.x.type.dtype.size
    parts = layer.slices(shape)
    source = steps_of(shape)
    starts = [p.indices(d)[0] for p, d in zip(parts, shape, strict=True)]
    strides = [p.indices(d)[2] for p, d in zip(parts, shape, strict=True)]
    first = sum(a * b for a, b in zip(starts, source, strict=True))
    copy(
        lowering,
        shifted(lowering.place(layer.x), first, size),
        lowering.place(layer.result),
        size,
        layer.result.type.static_shape,
        tuple(a * b for a, b in zip(strides, source, strict=True)),
        steps_of(layer.result.type.static_shape),
    )


def _expand(layer: Expand, lowering: Lowering, variant: str) -> None:
    shape = layer.result.type.static_shape
    own = (1,) * (len(shape) - layer.x.type.rank) + layer.x.type.static_shape
    _copy_by(tuple(0 if d == 1 else s for d, s in zip(own, steps_of(own), strict=True)), layer, lowering)


def _pad(layer: Pad, lowering: Lowering, variant: str) -> None:
    lowering.call("f32_fill", y=lowering.place(layer.result), count=layer.result.type.elements, value=layer.value)
    copy_padded(layer, lowering)


def copy_padded(layer: Pad, lowering: Lowering) -> None:
    """Copy what a layer pads to its place in the result."""
    source, target, size = layer.x.type.static_shape, layer.result.type.static_shape, layer.x.type.dtype.size
    skip = sum(max(-b, 0) * s for b, s in zip(layer.before, steps_of(source), strict=True))
    lead = sum(max(b, 0) * s for b, s in zip(layer.before, steps_of(target), strict=True))
    box = tuple(d - max(-b, 0) - max(-a, 0) for d, b, a in zip(source, layer.before, layer.after, strict=True))
    copy(
        lowering,
        shifted(lowering.place(layer.x), skip, size),
        shifted(lowering.place(layer.result), lead, size),
        size,
        box,
        steps_of(source),
        steps_of(target),
    )


# --- reductions ---


def refuse_reduce(layer: Layer) -> str | None:
    """Why a reduction is none that kernels have: over neighbouring axes, of a function that they know."""
    assert isinstance(layer, Reduce)
    axes = axes_in(layer.axes, layer.x.type.rank)
    if not axes:
        return "a scalar has no axes"
    if axes != tuple(range(axes[0], axes[-1] + 1)):
        return f"axes {list(axes)} are not neighbours"
    if layer.fn not in ("mean", "sum", "max", "min"):
        return f"no kernel for {layer.fn}"
    return None


def reduced_extents(layer: Reduce) -> dict[str, int]:
    """The fields `outer`, `n` and `inner`: elements before, along and behind the reduced axes."""
    shape = layer.x.type.static_shape
    axes = axes_in(layer.axes, len(shape))
    return {
        "outer": math.prod(shape[: axes[0]]),
        "n": math.prod(shape[axes[0] : axes[-1] + 1]),
        "inner": math.prod(shape[axes[-1] + 1 :]),
    }


def _reduce(layer: Reduce, lowering: Lowering, variant: str) -> None:
    lowering.call(
        "f32_reduce",
        x=lowering.place(layer.x),
        y=lowering.place(layer.result),
        **reduced_extents(layer),
        op=int(ReduceOp[layer.fn.upper()]),
    )


for _layout in LAYOUTS:
    cpu(
        "reshape",
        _layout,
        "view",
        _view,
        dtype="any" if _layout == "nchw" else "f32",
        refuse=_refuse_view(_layout),
        aliases=_view_aliases,
        summary="no copy: the same memory under another shape",
    )
cpu("transpose", "nchw", "copy", _transpose, dtype="any", refuse=refuse_rank, summary="strided copy")
cpu("slice", "nchw", "copy", _slice, dtype="any", refuse=refuse_small_elements, summary="strided copy")
cpu("expand", "nchw", "copy", _expand, dtype="any", refuse=refuse_rank, summary="strided copy with repeated elements")
cpu("pad", "nchw", "copy", _pad, refuse=refuse_rank, summary="fill, then strided copy")
cpu("reduce", "nchw", "vector", _reduce, refuse=refuse_reduce, summary="over neighbouring axes")
