"""Layers with the largest products and sums that there can be: 255 times -128 everywhere, up to what an int32 holds.

Instructions that add two products of bytes in 16 bits (vpmaddubsw) saturate on them. A bias takes sums back to the
middle of the bytes, with steps of 1, so that no error is lost in the rounding.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from plait.ir.dtypes import Array, DType, Quantized
from random_layers.checking import case_of
from random_layers.draw import Drawn, Recipe

WEIGHTS = Quantized(DType.I8, 1.0, 0)
LARGEST = (1 << 31) - 1
MOST_PRODUCTS = LARGEST // (255 * 128)
SHAPES: tuple[tuple[str, tuple[int, ...], tuple[int, ...], dict[str, Any]], ...] = (
    ("fully_connected", (2, 1), (3, 1), {}),
    ("fully_connected", (1, 7), (65, 7), {}),
    ("fully_connected", (3, 4096), (70, 4096), {}),
    ("fully_connected", (1, 32_000), (5, 32_000), {}),
    ("conv2d", (1, 64, 3, 5), (17, 64, 1, 1), {}),
    ("conv2d", (1, 2048, 2, 3), (33, 2048, 1, 1), {}),
    ("conv2d", (1, 3500, 3, 4), (16, 3500, 3, 3), {"pad": (1, 1, 1, 1)}),
    ("conv2d", (1, 33, 6, 9), (66, 33, 3, 3), {"pad": (1, 0, 1, 2), "stride": (2, 1)}),
    ("conv2d", (1, 3, 15, 16), (40, 3, 7, 7), {"pad": (3, 3, 3, 3), "stride": (2, 2)}),
    ("conv2d", (1, 32, 5, 6), (64, 16, 3, 3), {"groups": 2}),
    *(
        ("conv2d", (1, 24, 13, 14), (24, 1, k, k), {"groups": 24, "pad": (k // 2,) * 4, "stride": (s, s)})
        for k, s in itertools.product((2, 3, 5, 9), (1, 2))
    ),
)


def corners() -> Iterator[tuple[str, Recipe]]:
    """Layers of weights, then what has none."""
    for (kind, x, w, attributes), zero, images, weights in itertools.product(
        SHAPES, (0, 255), ("most", "least", "both"), ("least", "most", "both")
    ):
        rounding = "half_even" if (zero == 0) == (images == "most") else "fixed_point"
        recipe = _layer(kind, _filled(x, images, 0, 255, np.uint8), _filled(w, weights, -128, 127, np.int8), zero)
        recipe.attributes.update(attributes, rounding=rounding)
        yield f"{kind} {x} {images} less {zero} by {w} {weights}, {rounding}", _centred(recipe)
    yield from _at_the_limit()
    yield from _products()
    yield from _without_weights()


def _filled(shape: tuple[int, ...], how: str, low: int, high: int, dtype: type) -> Array:
    if how == "both":  # neighbours differ, along channels and along rows
        return np.where(np.indices(shape).sum(0) % 3 == 0, low, high).astype(dtype)
    return np.full(shape, low if how == "least" else high, dtype)


def _layer(kind: str, x: Array, w: Array, zero: int) -> Recipe:
    image = Drawn(Quantized(DType.U8, 1.0, zero), x)
    return Recipe(kind, (image, Drawn(WEIGHTS, w, constant=True, weight=True), None), {})


def _with_bias(recipe: Recipe, bias: Array, to: Quantized) -> Recipe:
    drawn = Drawn(Quantized(DType.I32, 1.0, 0), bias.astype(np.int32), constant=True, weight=True)
    return Recipe(recipe.kind, (*recipe.operands[:2], drawn), {**recipe.attributes, "to": to})


def _centred(recipe: Recipe) -> Recipe:
    """The same with a bias that brings the sum in the middle of each channel near 0."""
    plain = {**recipe.attributes, "rounding": "half_even", "to": Quantized(DType.I32, 1.0, 0)}
    (sums,) = case_of("sums", Recipe(recipe.kind, recipe.operands, plain)).reference()
    channels = np.moveaxis(sums, 1, 0).reshape(sums.shape[1], -1)
    middle = channels[:, channels.shape[1] // 2].astype(np.int64)
    return _with_bias(recipe, np.arange(middle.size) % 200 - 100 - middle, Quantized(DType.U8, 1.0, 128))


def _at_the_limit() -> Iterator[tuple[str, Recipe]]:
    """Sums of 2^31 - 1, of either sign."""
    for (x_all, zero), rounding in itertools.product(((0, 255), (255, 0)), ("half_even", "fixed_point")):
        bias = LARGEST - MOST_PRODUCTS * 255 * 128
        for kind, x, w in (
            ("fully_connected", (1, MOST_PRODUCTS), (3, MOST_PRODUCTS)),
            ("conv2d", (1, MOST_PRODUCTS, 1, 2), (17, MOST_PRODUCTS, 1, 1)),
        ):
            recipe = _layer(kind, np.full(x, x_all, np.uint8), np.full(w, -128, np.int8), zero)
            recipe.attributes["rounding"] = rounding
            to = Quantized(DType.U8, float(1 << 24), 128)
            yield f"{kind} of {x} {x_all}, {rounding}", _with_bias(recipe, np.full(w[0], bias if zero else -bias), to)


def _products() -> Iterator[tuple[str, Recipe]]:
    """Of two activations: 255 times 255, and 255 times -128, of either sign."""
    k = 300
    for (byte, zero), (other, other_zero), signed, rounding in itertools.product(
        ((255, 0), (0, 255)), ((255, 0), (0, 255), (128, 0)), (False, True), ("half_even", "fixed_point")
    ):
        dtype = Quantized(DType.I8, 1.0, other_zero - 128) if signed else Quantized(DType.U8, 1.0, other_zero)
        b = np.full((2, k, 70), other, np.uint8) ^ np.uint8(128 if signed else 0)
        operands = (
            Drawn(Quantized(DType.U8, 1.0, zero), np.full((2, 9, k), byte, np.uint8)),
            Drawn(dtype, b.view(dtype.numpy), weight=True),
        )
        middle = Quantized(DType.U8, float(k * 255 * 255 / 100), 128)
        named = f"matmul {byte} less {zero} by {dtype} {other}, {rounding}"
        yield named, Recipe("matmul", operands, {"to": middle, "rounding": rounding})
        sums = Quantized(DType.I32, 1.0, 0)
        yield named + ", sums", Recipe("matmul", operands, {"to": sums})


def _without_weights() -> Iterator[tuple[str, Recipe]]:
    shape = (1, 17, 40, 50)
    for byte, zero, rounding in itertools.product((0, 255), (0, 255), ("half_even", "fixed_point")):
        x = Drawn(Quantized(DType.U8, 1.0, zero), np.full(shape, byte, np.uint8))
        other = Drawn(Quantized(DType.U8, 1.0, 255 - zero), np.full(shape, 255 - byte, np.uint8))
        for scale in (2.0**-20, 1.0, 300.0, 2.0**40):
            attributes = {"to": Quantized(DType.U8, scale, 77), "rounding": rounding}
            named = f"{byte} less {zero}, {scale}, {rounding}"
            for kind in ("add", "sub", "mul"):
                yield f"{kind} {named}", Recipe(kind, (x, other), dict(attributes))
            reduced = {"fn": "mean", "axes": (1, 2, 3), **attributes}
            yield f"mean {named}", Recipe("reduce", (x,), reduced)
            yield f"global_avg_pool {named}", Recipe("global_avg_pool", (x,), dict(attributes))
            window = {"kernel": (30, 30), "stride": (3, 3)}
            yield f"avg_pool2d {named}", Recipe("avg_pool2d", (x,), {**attributes, **window})
