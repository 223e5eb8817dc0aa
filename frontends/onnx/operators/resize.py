"""Resize, and Upsample before it.

Layers resize height and width of images [N, C, H, W]; other tensors are reshaped or transposed into such.
"""

from __future__ import annotations

import math

import attrs

from plait.frontends.onnx.context import Context, short
from plait.frontends.onnx.registry import converter
from plait.frontends.onnx.unsupported import Unsupported
from plait.ir.diagnostics import ShapeError
from plait.ir.layers._rules import axis_in
from plait.ir.layers.resize import COORDINATES, MODES, Resize
from plait.ir.layers.shape import Transpose
from plait.ir.values import Constant, Value


@attrs.frozen
class Axis:
    """An axis that is resized: which, to what size, and by what factor."""

    place: int
    size: int
    scale: float


@converter("Upsample", until=9)
@converter("Resize", since=10, until=10)
def upsample(ctx: Context) -> Value:
    scales = [short(s) for s in ctx.attributes["scales"]] if ctx.has("scales") else _numbers(ctx, 1)
    mode = ctx.text_attr("mode", "nearest")
    axes = _by_scales(ctx, scales or [], range(ctx.value().type.rank))
    return _resize(ctx, axes, mode="linear" if mode == "bilinear" else mode, coordinates="asymmetric", rounding="floor")


@converter("Resize", since=11)
def resize(ctx: Context) -> Value:
    if ctx.int_attr("antialias", 0):
        raise Unsupported("resize with antialiasing")
    rank = ctx.value().type.rank
    places = [axis_in(a, rank) for a in ctx.ints_attr("axes", range(rank))]
    scales = _numbers(ctx, 2)
    axes = _by_scales(ctx, scales, places) if scales else _by_sizes(ctx, places)
    return _resize(
        ctx,
        axes,
        mode=ctx.text_attr("mode", "nearest"),
        coordinates=ctx.text_attr("coordinate_transformation_mode", "half_pixel"),
        rounding=ctx.text_attr("nearest_mode", "round_prefer_floor"),
    )


# --- sizes ---


def _numbers(ctx: Context, i: int) -> list[float]:
    """The numbers in operand `i`; none if it is left out or empty."""
    value = ctx.optional(i)
    if value is None or value.type.shape == (0,):
        return []
    if not isinstance(value, Constant):
        raise Unsupported("scales must be known at import; they are computed at run time")
    return [short(float(s)) for s in value.data.reshape(-1)]


def _lengths(ctx: Context, places: list[int] | range) -> list[int | None]:
    """The sizes of these axes, None for symbols."""
    shape = ctx.value().type.shape
    return [d if isinstance(d := shape[p], int) else None for p in places]


def _by_scales(ctx: Context, scales: list[float], places: list[int] | range) -> list[Axis]:
    if len(scales) != len(places):
        raise ShapeError(f"{len(places)} axes need as many scales, got {len(scales)}")
    found = []
    for place, length, scale in zip(places, _lengths(ctx, places), scales, strict=True):
        if scale != 1:
            found.append(Axis(place, math.floor(_static(length) * scale), scale))
    return found


def _by_sizes(ctx: Context, places: list[int]) -> list[Axis]:
    wanted = ctx.known(3, "the sizes") if ctx.optional(3) is not None else ()
    if len(wanted) != len(places):
        raise ShapeError(f"{len(places)} axes need as many sizes, got {len(wanted)}")
    shape = ctx.value().type.shape
    changed = [(p, size) for p, size in zip(places, wanted, strict=True) if size != shape[p]]
    policy = ctx.text_attr("keep_aspect_ratio_policy", "stretch")
    if policy != "stretch":
        return _keeping_ratio(ctx, dict(zip(places, ctx.known_ints(3, "the sizes"), strict=True)), policy)
    found = []
    for (place, size), length in zip(changed, _lengths(ctx, [p for p, _ in changed]), strict=True):
        if not isinstance(size, int):
            raise Unsupported("a size that depends on symbolic dimensions; pin them with dims=")
        found.append(Axis(place, size, size / _static(length)))
    return found


def _keeping_ratio(ctx: Context, sizes: dict[int, int], policy: str) -> list[Axis]:
    choose = {"not_larger": min, "not_smaller": max}.get(policy)
    if choose is None:
        raise ShapeError(f"unknown keep_aspect_ratio_policy {policy!r}")
    lengths = [_static(length) for length in _lengths(ctx, list(sizes))]
    scale = choose(size / length for size, length in zip(sizes.values(), lengths, strict=True))
    return [Axis(p, int(scale * length + 0.5), scale) for p, length in zip(sizes, lengths, strict=True) if scale != 1]


def _static(length: int | None) -> int:
    if length is None:
        raise Unsupported("an axis of symbolic size is resized; pin it with dims=")
    return max(length, 1)


# --- the layer ---


def _resize(ctx: Context, axes: list[Axis], *, mode: str, coordinates: str, rounding: str) -> Value:
    if mode not in MODES:
        raise Unsupported(f"resize mode {mode!r}")
    if coordinates not in COORDINATES:
        raise Unsupported(f"coordinate transformation mode {coordinates!r}")
    x = ctx.value()
    if not axes:
        return x
    rank, places = x.type.rank, {a.place for a in axes}
    if rank == 4 and places <= {1, 2}:
        image = ctx.emit(Transpose(x, perm=(0, 3, 1, 2)))
        moved = [attrs.evolve(a, place=a.place + 1) for a in axes]
        return ctx.emit(Transpose(ctx.emit(_layer(image, moved, mode, coordinates, rounding)), perm=(0, 2, 3, 1)))
    if not places <= {rank - 1, rank - 2}:
        raise Unsupported(f"axes {sorted(places)} of {rank} are resized, not the last two")
    shape = x.type.shape
    image = ctx.reshape(x, (1,) * (4 - rank) + shape if rank <= 4 else (shape[0], -1, *shape[-2:]))
    moved = [attrs.evolve(a, place=a.place - rank + 4) for a in axes]
    result = ctx.emit(_layer(image, moved, mode, coordinates, rounding))
    return ctx.reshape(result, (*shape[:-2], *result.type.shape[4 - min(rank, 2) :]))


def _layer(image: Value, axes: list[Axis], mode: str, coordinates: str, rounding: str) -> Resize:
    """The layer that resizes height (axis 2) and width (axis 3)."""
    by_place = {a.place: a for a in axes}
    sizes, scales, exact = [], [], True
    for place in (2, 3):
        length = image.type.shape[place]
        if not isinstance(length, int):
            raise Unsupported("height or width is symbolic; pin it with dims=")
        axis = by_place.get(place, Axis(place, length, 1.0))
        sizes.append(axis.size)
        scales.append(axis.scale)
        exact = exact and axis.scale == axis.size / max(length, 1)
    return Resize(
        image,
        size=(sizes[0], sizes[1]),
        mode=mode,
        coordinates=coordinates,
        rounding=rounding if mode == "nearest" else "round_prefer_floor",
        scale=() if exact else tuple(scales),
    )
