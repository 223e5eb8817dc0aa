"""Operators that move elements: reshape and its kin, concatenation, parts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from plait.frontends.onnx.context import Context
from plait.frontends.onnx.registry import converter
from plait.frontends.onnx.unsupported import Unsupported
from plait.ir.diagnostics import ShapeError
from plait.ir.dims import Dimension
from plait.ir.layers import shape as sh
from plait.ir.layers._rules import axis_in
from plait.ir.values import Value

_PADDED = 1 << 16
"""Longest axis that `Pad` writes as a gather."""
_TILES = 64
"""Most copies along one axis that `Tile` writes as a concat."""


@converter("Reshape")
def reshape(ctx: Context) -> Value:
    x = ctx.value()
    wanted = ctx.ints_attr("shape") if ctx.has("shape") else ctx.known(1, "the shape")
    if all(isinstance(d, int) for d in wanted):
        entries = tuple(d for d in wanted if isinstance(d, int))
        if 0 not in entries or not ctx.int_attr("allowzero", 0):
            return ctx.emit(sh.Reshape(x, shape=entries))
        return ctx.reshape(x, entries)
    source = x.type.shape
    target = [
        source[i] if d == 0 and not ctx.int_attr("allowzero", 0) and i < len(source) else d
        for i, d in enumerate(wanted)
    ]
    return ctx.reshape(x, target)


@converter("Flatten")
def flatten(ctx: Context) -> Value:
    x, axis = ctx.value(), ctx.int_attr("axis", 1)
    rank = x.type.rank
    if not -rank <= axis <= rank:
        raise ShapeError(f"axis {axis} is out of range for {x.type}")
    axis += rank if axis < 0 else 0
    return ctx.reshape(x, (math.prod(x.type.shape[:axis]), math.prod(x.type.shape[axis:])))


@converter("Squeeze")
def squeeze(ctx: Context) -> Value:
    x = ctx.value()
    axes = ctx.ints_from("axes", 1, "axes")
    drop = (
        [i for i, d in enumerate(x.type.shape) if d == 1] if axes is None else [axis_in(a, x.type.rank) for a in axes]
    )
    if wrong := [a for a in drop if x.type.shape[a] != 1]:
        raise ShapeError(f"axis {wrong[0]} of {x.type} is not 1")
    return ctx.reshape(x, [d for i, d in enumerate(x.type.shape) if i not in drop])


@converter("Unsqueeze")
def unsqueeze(ctx: Context) -> Value:
    x, axes = ctx.value(), ctx.ints_from("axes", 1, "axes") or ()
    rank = x.type.rank + len(axes)
    places = [axis_in(a, rank) for a in axes]
    if len(set(places)) < len(places):
        raise ShapeError(f"axes {list(axes)} repeat")
    rest = iter(x.type.shape)
    return ctx.reshape(x, [1 if i in places else next(rest) for i in range(rank)])


@converter("Transpose")
def transpose(ctx: Context) -> Value:
    x = ctx.value()
    return ctx.emit(sh.Transpose(x, perm=ctx.ints_attr("perm", tuple(reversed(range(x.type.rank))))))


@converter("Concat")
def concat(ctx: Context) -> Value:
    values = ctx.values()
    axis = axis_in(ctx.int_attr("axis", 1), values[0].type.rank)
    return values[0] if len(values) == 1 else ctx.emit(sh.Concat(values, axis=axis))


@converter("Split")
def split(ctx: Context) -> Sequence[Value]:
    x = ctx.value()
    axis = axis_in(ctx.int_attr("axis", 0), x.type.rank)
    sizes = ctx.ints_from("split", 1, "the sizes")
    if sizes is None:
        sizes = _equal_parts(
            x.type.shape[axis], ctx.int_attr("num_outputs", len(ctx.node.outputs)), uneven=ctx.opset >= 18
        )
    if len(sizes) != len(ctx.node.outputs):
        raise ShapeError(f"{len(sizes)} parts but {len(ctx.node.outputs)} outputs")
    if len(sizes) == 1 and sizes[0] == x.type.shape[axis]:
        return [x]
    return ctx.emit_all(sh.Split(x, sizes=sizes, axis=axis))


def _equal_parts(size: Dimension, count: int, uneven: bool) -> tuple[int, ...]:
    """Equal sizes; from opset 18 on the last part may be smaller."""
    if not isinstance(size, int):
        raise Unsupported("a split of a symbolic dimension; pin it with dims=")
    if count < 1 or (size % count and not uneven):
        raise ShapeError(f"{size} cannot be split into {count} equal parts")
    part = -(-size // count)
    return tuple(max(min(part, size - i * part), 0) for i in range(count))


@converter("Slice", until=9)
def slice_by_attributes(ctx: Context) -> Value:
    starts, stops = ctx.ints_attr("starts"), ctx.ints_attr("ends")
    return _slice(ctx, starts, stops, ctx.ints_attr("axes", range(len(starts))), (1,) * len(starts))


@converter("Slice", since=10)
def slice_(ctx: Context) -> Value:
    starts = ctx.known_ints(1, "starts")
    axes = ctx.known_ints(3, "axes") if ctx.optional(3) is not None else tuple(range(len(starts)))
    steps = ctx.known_ints(4, "steps") if ctx.optional(4) is not None else (1,) * len(starts)
    return _slice(ctx, starts, ctx.known(2, "ends"), axes, steps)


def _slice(
    ctx: Context, starts: Sequence[int], stops: Sequence[Dimension], axes: Sequence[int], steps: Sequence[int]
) -> Value:
    """A slice with bounds as plain as they can be; axes that stay whole are left out."""
    x = ctx.value()
    if not len(starts) == len(stops) == len(axes) == len(steps) or 0 in steps:
        raise ShapeError("starts, ends, axes and steps must have equal lengths, and no step may be 0")
    parts: list[tuple[int, int, int, int]] = []
    for axis, start, stop, step in zip(axes, starts, stops, steps, strict=True):
        axis = axis_in(axis, x.type.rank)
        size = x.type.shape[axis]
        if not isinstance(size, int):
            whole = start == 0 and step == 1 and (stop == size or (isinstance(stop, int) and stop >= 2**31 - 1))
            if not whole:
                raise Unsupported("a slice of a symbolic dimension; pin it with dims=")
            continue
        if not isinstance(stop, int):
            raise Unsupported("a slice up to a symbolic position; pin it with dims=")
        picked = range(*slice(start, stop, step).indices(size))
        if len(picked) == 0:
            parts.append((axis, 0, 0, 1))
        elif picked != range(size):
            # Before the first element, which a negative step may end at, is written as -size - 1.
            parts.append((axis, picked.start, picked.stop if picked.stop >= 0 else -size - 1, step))
    if not parts:
        return x
    taken, first, last, steps = zip(*parts, strict=True)
    return ctx.emit(sh.Slice(x, axes=taken, starts=first, stops=last, steps=() if set(steps) == {1} else steps))


@converter("Pad")
def pad(ctx: Context) -> Value:
    x = ctx.value()
    mode = ctx.text_attr("mode", "constant")
    name = "paddings" if ctx.opset < 2 else "pads"
    counts = ctx.ints_from(name, 1, "pads") or ()
    value = ctx.number(2, "the value") if ctx.opset >= 11 else ctx.float_attr("value", 0.0)
    axes = range(x.type.rank)
    if ctx.optional(3) is not None:
        axes = [axis_in(a, x.type.rank) for a in ctx.known_ints(3, "axes")]  # type: ignore[assignment]
    if len(counts) != 2 * len(axes):
        raise ShapeError(f"pads need {2 * len(axes)} entries, got {len(counts)}")
    before, after = [0] * x.type.rank, [0] * x.type.rank
    for i, axis in enumerate(axes):
        before[axis], after[axis] = counts[i], counts[i + len(axes)]
    if not any(before) and not any(after):
        return x
    if mode != "constant":
        return _pad_by_gather(ctx, before, after, mode)
    return ctx.emit(sh.Pad(x, before=before, after=after, value=value or 0.0))


def _pad_by_gather(ctx: Context, before: Sequence[int], after: Sequence[int], mode: str) -> Value:
    """Padding with elements of the tensor itself: one gather along each padded axis."""
    x = ctx.value()
    if mode not in ("edge", "reflect", "wrap"):
        raise ShapeError(f"unknown mode {mode!r}")
    for axis, (b, a) in enumerate(zip(before, after, strict=True)):
        size = x.type.shape[axis]
        if b == a == 0:
            continue
        if not isinstance(size, int) or size + max(a, 0) + max(b, 0) > _PADDED:
            raise Unsupported(f"mode = {mode} over {size} with {b} and {a} more")
        kept = np.arange(size)[max(-b, 0) : size - max(-a, 0)]
        places = np.pad(kept, (max(b, 0), max(a, 0)), mode=mode)  # type: ignore[call-overload]
        x = ctx.emit(sh.Gather(x, ctx.constant(places.astype(np.int64), f"pad{axis}"), axis=axis))
    return x


@converter("Gather")
def gather(ctx: Context) -> Value:
    return ctx.emit(sh.Gather(ctx.value(0), ctx.value(1), axis=ctx.int_attr("axis", 0)))


@converter("Expand", since=8)
def expand(ctx: Context) -> Value:
    x = ctx.value()
    wanted = ctx.known(1, "the shape")
    if any(isinstance(d, int) and d < 0 for d in wanted):
        raise ShapeError(f"shape {list(wanted)} has a negative dimension")
    lead = len(wanted) - x.type.rank
    entries = []
    for i, dim in enumerate(wanted):
        if isinstance(dim, int):
            entries.append(dim)
        elif i >= lead and x.type.shape[i - lead] == dim:
            entries.append(1)
        else:
            raise Unsupported("Expand to a symbolic dimension; pin it with dims=")
    same = len(entries) <= x.type.rank and all(
        e in (1, d) for e, d in zip(entries[::-1], x.type.shape[::-1], strict=False)
    )
    return x if same else ctx.emit(sh.Expand(x, shape=entries))


@converter("Tile", since=6)
def tile(ctx: Context) -> Value:
    x, repeats = ctx.value(), ctx.known_ints(1, "repeats")
    if len(repeats) != x.type.rank:
        raise ShapeError(f"repeats need {x.type.rank} entries, got {len(repeats)}")
    for axis, count in enumerate(repeats):
        if not 1 <= count <= _TILES:
            raise Unsupported(f"{count} repeats; 1 to {_TILES} are supported")
        x = ctx.emit(sh.Concat((x,) * count, axis=axis)) if count > 1 else x
    return x


@converter("DepthToSpace")
def depth_to_space(ctx: Context) -> Value:
    x, b = ctx.value(), ctx.int_attr("blocksize")
    n, c, h, w = _image(x)
    first = ctx.text_attr("mode", "DCR") == "DCR"
    split = (n, b, b, c // (b * b), h, w) if first else (n, c // (b * b), b, b, h, w)
    parts = ctx.emit(sh.Transpose(ctx.reshape(x, split), perm=(0, 3, 4, 1, 5, 2) if first else (0, 1, 4, 2, 5, 3)))
    return ctx.reshape(parts, (n, c // (b * b), h * b, w * b))


@converter("SpaceToDepth")
def space_to_depth(ctx: Context) -> Value:
    x, b = ctx.value(), ctx.int_attr("blocksize")
    n, c, h, w = _image(x)
    first = ctx.text_attr("mode", "DCR") == "DCR"
    perm = (0, 3, 5, 1, 2, 4) if first else (0, 1, 3, 5, 2, 4)
    parts = ctx.emit(sh.Transpose(ctx.reshape(x, (n, c, h // b, b, w // b, b)), perm=perm))
    return ctx.reshape(parts, (n, c * b * b, h // b, w // b))


def _image(x: Value) -> tuple[Dimension, int, Dimension, Dimension]:
    if x.type.rank != 4 or not isinstance(x.type.shape[1], int):
        raise ShapeError(f"wants an image with a known number of channels, got {x.type}")
    n, _, h, w = x.type.shape
    return n, x.type.shape[1], h, w
