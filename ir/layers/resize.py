"""Images in another size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import attrs
import numpy as np

from plait.ir.attributes import number, optional_dtype, pair
from plait.ir.diagnostics import ShapeError, unknown
from plait.ir.dtypes import ElementType
from plait.ir.integer import Stored, Target
from plait.ir.layer import Elements, Layer, operand_axes
from plait.ir.layers._rules import result_dtype, want_rank
from plait.ir.registry import layer
from plait.ir.types import TensorType
from plait.ir.values import Array, Value

MODES = ("nearest", "linear")
COORDINATES = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric")
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")


class Taps(NamedTuple):
    """Where each position of a resized axis comes from: `first * (1 - weight) + second * weight`."""

    first: Array
    """i64[positions]"""
    second: Array
    """i64[positions]"""
    weight: Array
    """f64[positions], from 0 to 1"""


def _scales(value: Sequence[float]) -> tuple[float, ...]:
    """Nothing, or a number each for height and width."""
    if len(value) not in (0, 2):
        raise ValueError(f"wants 2 numbers or none, got {len(value)}")
    return tuple(number(v) for v in value)


@layer("resize")
@attrs.define(eq=False)
class Resize(Layer):
    """Images in another height and width.

    Operands:
        x: images [N, C, H, W].
    Attributes:
        size: height and width of the result.
        mode: `nearest` takes one element of the image, `linear` mixes the two neighbours on each axis.
        coordinates: where position `i` of the result lies on the axis of `x`, see below: `half_pixel`,
            `half_pixel_symmetric`, `pytorch_half_pixel`, `align_corners` or `asymmetric`.
        rounding: for `nearest`, which neighbour is nearest: `round_prefer_floor` and `round_prefer_ceil` differ where
            both are equally near; `floor` and `ceil` take the one before or behind.
        scale: by what height and width are multiplied, where that is not exactly `size` divided by the size of `x`:
            sizes are whole numbers, scales need not be.
        to: the type of the result, where that is not the type of `x`: a quantized one, or floats from quantized `x`.
    Shapes: `x` [N, C, H, W] to [N, C, `size`]. H and W are static and not 0.
    Types: numbers; the result has the type of `x`, or `to`.
    Semantics: Position i of an axis of `s` elements that becomes one of `o` = about `r = scale * s` comes from the
        place (i + 0.5) / scale - 0.5 for `half_pixel`; `pytorch_half_pixel` is the same, but 0 where o is 1, and
        `half_pixel_symmetric` the same with s / 2 * (1 - o / r) added. It is i * (s - 1) / (r - 1) for `align_corners`,
        0 where r is 1, and i / scale for `asymmetric`. Places beyond the ends are those of the ends. `linear` is
        computed in float64 and rounded once; of integers what is behind the point is dropped.
    Example:
        (%x: f32[1x64x20x20])
        %y = resize(%x) {size = [40, 40], coordinates = asymmetric, rounding = floor}
    Source: ONNX operator specification, Resize.
    """

    elements = Elements.NUMBERS
    integer_operands = operand_axes(x=None)

    x: Value
    size: tuple[int, int] = attrs.field(converter=pair, kw_only=True)
    mode: str = attrs.field(default="nearest", kw_only=True)
    coordinates: str = attrs.field(default="half_pixel", kw_only=True)
    rounding: str = attrs.field(default="round_prefer_floor", kw_only=True)
    scale: tuple[float, ...] = attrs.field(default=(), converter=_scales, kw_only=True)
    to: ElementType | None = attrs.field(default=None, converter=optional_dtype, kw_only=True)

    def infer(self) -> TensorType:
        n, c, h, w = want_rank(self.x, 4, "x")
        for what, word, known in (
            ("mode", self.mode, MODES),
            ("coordinates", self.coordinates, COORDINATES),
            ("rounding", self.rounding, ROUNDINGS),
        ):
            if word not in known:
                raise ShapeError(unknown(what, word, known))
        if not (isinstance(h, int) and isinstance(w, int)):
            raise ShapeError(f"height and width of {self.x.type} are symbolic")
        if min(h, w) < 1 or min(self.size) < 1 or min(self.scale, default=1) <= 0:
            raise ShapeError("height, width and scale must be positive, before and after")
        return TensorType(result_dtype(self), (n, c, *self.size))

    def refuse_integers(self) -> str | None:
        return None if self.mode == "nearest" else f"{self.mode} mixes elements"

    def flops(self) -> int:
        return 6 * self.result.type.elements if self.mode == "linear" else 0

    def taps(self) -> tuple[Taps, Taps]:
        """Where rows and columns come from; for `nearest` the second neighbours have no weight."""
        sizes = self.x.type.static_shape[2:]
        scales = self.scale or tuple(o / s for o, s in zip(self.size, sizes, strict=True))
        rows, columns = (self._taps(*axis) for axis in zip(sizes, self.size, scales, strict=True))
        return rows, columns

    def _taps(self, size: int, out: int, scale: float) -> Taps:
        places = self._places(size, out, scale)
        if self.mode == "nearest":
            nearest = np.clip(_round(places, self.rounding), 0, size - 1).astype(np.int64)
            return Taps(nearest, nearest, np.zeros(out))
        inside = np.clip(places, 0, size - 1)
        first = np.floor(inside).astype(np.int64)
        return Taps(first, np.minimum(first + 1, size - 1), inside - first)

    def _places(self, size: int, out: int, scale: float) -> Array:
        positions = np.arange(out, dtype=np.float64)
        match self.coordinates:
            case "asymmetric":
                return positions / scale
            case "align_corners":
                length = scale * size
                return positions * 0 if length == 1 else positions * (size - 1) / (length - 1)
            case "pytorch_half_pixel" if out == 1:
                return positions
            case "half_pixel_symmetric":
                positions += scale * size / 2 * (1 - out / (scale * size))
        return (positions + 0.5) / scale - 0.5

    def reference(self, x: Array) -> Array:
        rows, columns = self.taps()
        if self.mode == "nearest":
            return x[:, :, rows.first[:, None], columns.first]
        wide = x.astype(np.float64)
        down, across = rows.weight[:, None], columns.weight
        mixed = wide[:, :, rows.first] * (1 - down) + wide[:, :, rows.second] * down
        result: Array = (mixed[..., columns.first] * (1 - across) + mixed[..., columns.second] * across).astype(x.dtype)
        return result

    def integer_reference(self, target: Target, x: Stored) -> Array:
        return self.reference(target.requantized(x))


def _round(places: Array, rounding: str) -> Array:
    match rounding:
        case "floor":
            return np.floor(places)
        case "ceil":
            return np.ceil(places)
        case "round_prefer_floor":
            return np.ceil(places - 0.5)
    return np.floor(places + 0.5)
