"""Concatenations and splits: by copies, or by letting the parts lie where they belong in the whole.

A part can lie in the whole if its elements are one stretch of it: where nothing outside the axis is larger than 1, and
for blocked layouts where it starts at a whole block. (Its last block may have lanes of the next part for padding; that
one is copied in later, as it starts within a block.) Which parts do lie there is decided for all layers of a function
together, see `plait.backends.aliasing`; the others are copied.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator
from typing import Any

import attrs

from plait.backends.aliasing import Alias
from plait.backends.cpu.common import BLOCKED, BLOCKS_OF_FLOATS, cpu, image
from plait.backends.cpu.movement import copy, refuse_small_elements, shifted
from plait.backends.lowering import Lowering
from plait.ir.layer import Layer
from plait.ir.layers.shape import Concat, Split
from plait.ir.values import Constant, Value

Join = Concat | Split


@attrs.frozen
class Part:
    """A part of a whole: `outer` stretches of `inner` elements, the first of them `start` elements into the whole."""

    value: Value
    start: int
    outer: int
    inner: int


def _whole(layer: Join) -> Value:
    return layer.result if isinstance(layer, Concat) else layer.x


def _values(layer: Join) -> tuple[Value, ...]:
    return layer.xs if isinstance(layer, Concat) else tuple(layer.results)


def _parts(layer: Join, layout: str) -> Iterator[Part]:
    """The parts in a layout without blocks."""
    rank = _whole(layer).type.rank
    order = (0, 2, 3, 1) if layout == "nhwc" and rank == 4 else tuple(range(rank))
    place = order.index(layer.axis % rank)
    start = 0
    for value in _values(layer):
        shape = [value.type.static_shape[axis] for axis in order]
        yield Part(value, start, math.prod(shape[:place]), inner := math.prod(shape[place:]))
        start += inner


def channel_parts(layer: Join) -> Iterator[tuple[Value, int]]:
    """The parts with their first channels."""
    first = 0
    for value in _values(layer):
        yield value, first
        first += image(value.type)[1]


# --- strided layouts ---


def _strided_aliases(layout: str) -> Any:
    def aliases(layer: Join) -> list[Alias]:
        whole = _whole(layer)
        size = whole.type.dtype.size
        return [Alias(p.value, whole, p.start * size) for p in _parts(layer, layout) if p.outer == 1]

    return aliases


def _strided(layout: str, in_place: bool) -> Any:
    def lower(layer: Join, lowering: Lowering, variant: str) -> None:
        whole = _whole(layer)
        size, parts = whole.type.dtype.size, list(_parts(layer, layout))
        row = sum(p.inner for p in parts)
        for part in parts:
            if in_place and part.outer == 1 and lowering.alias(part.value, whole, part.start * size):
                continue
            inside, alone = shifted(lowering.place(whole), part.start, size), lowering.place(part.value)
            box = (part.outer, part.inner)
            if isinstance(layer, Concat):
                copy(lowering, alone, inside, size, box, (part.inner, 1), (row, 1))
            else:
                copy(lowering, inside, alone, size, box, (row, 1), (part.inner, 1))

    lower.__qualname__ = "in_place" if in_place else "copy"
    return lower


# --- blocks of channels ---


def _starts_whole_block(layer: Join, layout: str, first: int) -> bool:
    return image(_whole(layer).type)[0] == 1 and first % BLOCKED[layout] == 0


def _block_offset(layer: Join, first: int) -> int:
    _, _, h, w = image(_whole(layer).type)
    return first * h * w * _whole(layer).type.dtype.size


def _blocked_aliases(layout: str) -> Any:
    def aliases(layer: Join) -> list[Alias]:
        return [
            Alias(value, _whole(layer), _block_offset(layer, first))
            for value, first in channel_parts(layer)
            if _starts_whole_block(layer, layout, first)
        ]

    return aliases


def _blocked(layout: str, in_place: bool) -> Any:
    def lower(layer: Join, lowering: Lowering, variant: str) -> None:
        whole = _whole(layer)
        for value, first in channel_parts(layer):
            may_lie = in_place and _starts_whole_block(layer, layout, first)
            if may_lie and lowering.alias(value, whole, _block_offset(layer, first)):
                continue
            if isinstance(layer, Concat):
                _move_channels(lowering, layout, value, 0, whole, first, value)
            else:
                _move_channels(lowering, layout, whole, first, value, 0, value)

    lower.__qualname__ = "in_place_blocked" if in_place else "copy_blocked"
    return lower


def _move_channels(
    lowering: Lowering, layout: str, x: Value, x_first: int, y: Value, y_first: int, part: Value
) -> None:
    """Copy the channels of a part from one blocked image into another, from and to any channel."""
    n, channels, h, w = image(part.type)
    lowering.call(
        f"{part.type.dtype.value}_concat_part_{layout}",
        x=lowering.place(x),
        y=lowering.place(y),
        n=n,
        h=h,
        w=w,
        channels=channels,
        x_c=image(x.type)[1],
        x_first=x_first,
        y_c=image(y.type)[1],
        y_first=y_first,
    )


# --- refusals and registration ---


def _aliases(layout: str) -> Any:
    return _blocked_aliases(layout) if layout in BLOCKED else _strided_aliases(layout)


def _join(layout: str, in_place: bool) -> Any:
    return _blocked(layout, in_place) if layout in BLOCKED else _strided(layout, in_place)


def _refuse(layout: str) -> Any:
    def refuse(layer: Join) -> str | None:
        if layout == "nchw":
            return refuse_small_elements(layer)
        if layout in BLOCKED and layer.axis % 4 != 1:
            return f"only channels can be {'joined' if isinstance(layer, Concat) else 'split'} in blocks"
        if any(isinstance(v, Constant) and v.type.rank == 4 for v in layer.operands):
            return "a constant image has no layout but nchw"
        return None

    return refuse


def _refuse_in_place(layout: str) -> Any:
    aliases = _aliases(layout)

    def refuse(layer: Layer) -> str | None:
        assert isinstance(layer, Concat | Split)
        if reason := _refuse(layout)(layer):
            return str(reason)
        return None if aliases(layer) else f"no part is one stretch of the whole in {layout}"

    return refuse


for _layer, (_dtype, _layout) in itertools.product(("concat", "split"), BLOCKS_OF_FLOATS):
    _register = functools.partial(cpu, _layer, _layout, dtype="any" if _layout == "nchw" else _dtype)
    _register(
        "copy",
        _join(_layout, in_place=False),
        refuse=_refuse(_layout),
        summary="block copies, lanes shifted where needed" if _layout in BLOCKED else "strided copies",
    )
    _register(
        "in_place",
        _join(_layout, in_place=True),
        refuse=_refuse_in_place(_layout),
        aliases=_aliases(_layout),
        summary="parts lie in the whole, where each is one stretch of it; others are copied",
    )
