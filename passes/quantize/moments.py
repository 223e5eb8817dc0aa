"""What is observed of the elements that a layer multiplies with its weights: their means, and the means of the products
of each two of them."""

from __future__ import annotations

import math

import attrs
import numpy as np

from plait.ir.dtypes import Array
from plait.ir.layer import Layer
from plait.ir.layers.conv import Conv2d
from plait.ir.values import Constant
from plait.passes.quantize.plan import WEIGHTED, Plan, weight_of, x_of

MOST_ELEMENTS = 4608
"""Layers whose output channels read more elements than that are not observed: the matrix would be too large."""
_AT_ONCE = 512 << 20
"""Bytes of moments that are held at a time, if those of one layer are not more."""
_ROUNDING = 1e-10
"""Of the sum of all squares: more than by what differences of products are off."""
_PLACES = 256
"""Places of an image at which it is looked, at most."""


@attrs.define(eq=False)
class Moments:
    """Sums over all places at which the weights of a layer were applied."""

    layer: Layer
    total: Array | None = None
    """f64[G, K]: G groups of output channels, which read K elements each."""
    products: Array | None = None
    """f64[G, K, K]"""
    count: int = 0
    samples: int = 0

    def add(self, x: Array) -> None:
        """Take what the layer reads."""
        # In float64: what is left of them when means are taken off may be little.
        rows = np.asarray(rows_read(self.layer, x, self.samples), np.float64)
        self.samples += 1
        total, products = rows.sum(axis=1), np.swapaxes(rows, 1, 2) @ rows
        self.total = total if self.total is None else self.total + total
        self.products = products if self.products is None else self.products + products
        self.count += rows.shape[1]

    @property
    def mean(self) -> Array:
        """f64[G, K]"""
        assert self.total is not None, "nothing was observed"
        return np.asarray(self.total / self.count)

    @property
    def second(self) -> Array:
        """f64[G, K, K]: means of products."""
        assert self.products is not None, "nothing was observed"
        return np.asarray(self.products / self.count)

    @property
    def central(self) -> Array:
        """f64[G, K, K]: means of products of distances from the mean."""
        mean, second = self.mean, self.second
        least = _ROUNDING * np.trace(second, axis1=1, axis2=2)[:, None, None] * np.eye(second.shape[1])
        return np.asarray(second - mean[:, :, None] * mean[:, None, :] + least)


def elements_read(layer: Layer) -> int:
    """K: how many elements each output channel reads."""
    _, weight, axis = weight_of(layer)
    return math.prod(weight.type.static_shape) // weight.type.static_shape[axis]


def rows_read(layer: Layer, x: Array, turn: int = 0) -> Array:
    """[G, N, K]: what the output channels of each group read, at all places, or at some that lie on a grid.

    Args:
        turn: shifts the grid.
    """
    assert isinstance(layer, WEIGHTED)
    if not isinstance(layer, Conv2d):
        rows = x.reshape(-1, x.shape[-1])
        return rows[None, turn % _step(len(rows)) :: _step(len(rows))]
    (top, left, bottom, right), (down, across) = layer.pad, layer.dilation
    height, width = layer.weight.type.static_shape[2:]
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    window = (height - 1) * down + 1, (width - 1) * across + 1
    views = np.lib.stride_tricks.sliding_window_view(padded, window, (2, 3))
    views = views[:, :, :: layer.stride[0], :: layer.stride[1], ::down, ::across]
    step = math.ceil(math.sqrt(views.shape[0] * views.shape[2] * views.shape[3] / _PLACES))
    views = views[:, :, turn % min(step, views.shape[2]) :: step, turn // step % min(step, views.shape[3]) :: step]
    n, c, rows, columns = views.shape[:4]
    groups = layer.groups
    parts = views.reshape(n, groups, c // groups, rows, columns, height, width)
    return parts.transpose(1, 0, 3, 4, 2, 5, 6).reshape(groups, n * rows * columns, -1)


def _step(rows: int) -> int:
    return math.ceil(rows / _PLACES)


def as_rows(layer: Layer, weight: Array) -> Array:
    """f64[G, O, K]: weights in the order of `rows_read`."""
    _, _, axis = weight_of(layer)
    rows = np.moveaxis(weight, axis, 0).astype(np.float64).reshape(weight.shape[axis], -1)
    groups = layer.groups if isinstance(layer, Conv2d) else 1
    return np.asarray(rows.reshape(groups, -1, rows.shape[1]))


def layers_at_once(plan: Plan) -> list[list[Layer]]:
    """The layers of a plan that can be observed, in parts whose moments fit into memory."""
    found: list[list[Layer]] = []
    size = 0
    for layer in plan.integer:
        if not isinstance(layer, WEIGHTED) or isinstance(x_of(layer), Constant):
            continue
        if (count := elements_read(layer)) > MOST_ELEMENTS:
            continue
        groups = layer.groups if isinstance(layer, Conv2d) else 1
        size += (nbytes := 8 * groups * count**2)
        if not found or size > _AT_ONCE:
            found.append([])
            size = nbytes
        found[-1].append(layer)
    return found
