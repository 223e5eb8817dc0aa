"""How the kernels of each family can cut their work: the rules for what is worth measuring.

* A layer whose result has a single pixel, or is no image, is left to the kernel: its data are too few to matter.
* By rows, where each thread gets one. Operands and results are held by rows; the rows that a window reads beyond are
  few.
* By channels, where each thread gets a block of them, for single images. Dense convolutions then read all of x on each
  core, all other layers the same channels as they write. The choice is offered only where rows are few (less than four
  a thread), or to a convolution whose weights outweigh its images, since then each core reads half of the weights.
* With channels last only dense convolutions cut channels.
"""

from __future__ import annotations

import math

from plait.backends.partition import Partition, Splits
from plait.ir.layer import Layer
from plait.ir.layers.activations import ActivationLayer
from plait.ir.layers.bits import LookupTable
from plait.ir.layers.conv import Conv2d
from plait.ir.layers.elementwise import Binary, Unary
from plait.ir.layout import layout_named
from plait.ir.registry import known_layers
from plait.ir.types import Type
from plait.ir.values import Constant, Value

FEW_ROWS = 4
"""Rows a thread below which channels are tried as well."""
_PANEL = {"nchw": 16, "nhwc": 32}
"""Channels that kernels without blocks in their layout do at a time, about."""
_WINDOWS = {"max_pool2d", "avg_pool2d", "scale_shift", "resize", "squeeze_excite", "separable_conv2d"}
_DENSE = {"direct", "gemm", "indirect", "winograd_f2", "winograd_f4", "winograd_f6", "stem_nchw", "stem_nhwc"}


def partition_of(layer: str, layout: str, algorithm: str) -> Partition | None:
    """The ways to cut the work of a routine; None for one whose kernel knows a single way."""
    if layer == "conv2d" and algorithm in _DENSE:
        return Partition(lambda conv, threads: _dense_offers(conv, layout, threads), _dense_splits)
    if layer == "global_avg_pool":
        return Partition(lambda pool, threads: _global_offers(pool, layout, threads), _global_splits)
    if (
        algorithm in ("naive", "fused")
        or layer == "local_response_norm"
        or (layer in ("concat", "split") and layout not in ("nchw", "nhwc"))
    ):
        return Partition(_row_offers, _same_splits)
    spec = known_layers().get(layer)
    elementwise = spec is not None and issubclass(spec.cls, (ActivationLayer, Binary, LookupTable, Unary))
    if elementwise or layer in _WINDOWS or algorithm == "depthwise" or algorithm.startswith("from_"):
        return Partition(lambda candidate, threads: _offers(candidate, layout, threads), _same_splits)
    return None


# --- what is offered ---


def _row_offers(layer: Layer, threads: int) -> list[str]:
    result = layer.results[0].type
    return ["rows"] if _pixels(result) > 1 and result.static_shape[2] >= threads else []


def _offers(layer: Layer, layout: str, threads: int) -> list[str]:
    if isinstance(layer, Binary) and not _simple_operands(layer):
        return []
    by_channels = layout != "nhwc" and _few_rows(layer, threads) and _channels_suffice(layer, layout, threads)
    return _row_offers(layer, threads) + ["channels"] * by_channels


def _dense_offers(conv: Conv2d, layout: str, threads: int) -> list[str]:
    images = conv.x.type.elements + conv.result.type.elements
    wanted = _few_rows(conv, threads) or conv.weight.type.elements > images
    by_channels = wanted and conv.groups == 1 and _channels_suffice(conv, layout, threads)
    return _row_offers(conv, threads) + ["channels"] * by_channels


def _simple_operands(layer: Binary) -> bool:
    """Whether operands are images like the result, single numbers, or numbers for each channel."""
    full = layer.results[0].type.static_shape
    padded = [(1,) * (len(full) - v.type.rank) + v.type.static_shape for v in (layer.a, layer.b)]
    return full in padded and all(
        p == full or math.prod(p) == 1 or (p[0] in (1, full[0]) and p[1:] == (full[1], 1, 1)) for p in padded
    )


def _global_offers(pool: Layer, layout: str, threads: int) -> list[str]:
    image = pool.operands[0].type
    return ["channels"] if _pixels(image) > 1 and _blocks(image, layout) >= threads else []


def _pixels(type: Type) -> int:
    return type.static_shape[2] * type.static_shape[3] if type.rank == 4 else 0


def _few_rows(layer: Layer, threads: int) -> bool:
    result = layer.results[0].type
    return result.rank == 4 and result.static_shape[2] < FEW_ROWS * threads


def _channels_suffice(layer: Layer, layout: str, threads: int) -> bool:
    result = layer.results[0].type
    return _pixels(result) > 1 and _blocks(result, layout) >= threads


def _blocks(image: Type, layout: str) -> int:
    """Pieces of channels that threads can share out; of several images none, as kernels differ in how they go on."""
    n, c = image.static_shape[:2]
    terms = layout_named(layout).terms or ()
    block = max((t.modulo for t in terms), default=0) or _PANEL[layout]
    return -(-c // block) if n == 1 else 0


# --- what that says of operands and results ---


def _same_splits(layer: Layer, way: str) -> tuple[Splits, Splits]:
    data = [v for v in layer.operands if not isinstance(v, Constant)]
    return tuple(_held(v, way) for v in data), tuple(_held(r, way) for r in layer.results)


def _held(value: Value, way: str) -> str:
    """Images are held as the work is cut; of vectors, and images of one pixel, nothing is said."""
    return way if _pixels(value.type) > 1 else ""


def _dense_splits(conv: Conv2d, way: str) -> tuple[Splits, Splits]:
    operands, results = _same_splits(conv, way)
    return (("all" if way == "channels" else way, *operands[1:]), results)


def _global_splits(pool: Layer, way: str) -> tuple[Splits, Splits]:
    operands, _ = _same_splits(pool, way)
    return operands, ("",)
