"""Changes of resolution, of format and of element type, and what becomes of shapes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import attrs
import numpy as np

from plait.backends.cpu.common import LAYOUTS
from plait.ir.layout import SPLITS
from plait.ir.types import DType, TensorType
from plait.tuning.entries import detached_adapt
from routine_cases.case import CHANNELS, Case, arg, const, make
from routine_cases.storage import format_of


def resize() -> Iterator[Case]:
    sizes = ((6, 10), (12, 20), (3, 4), (7, 9), (1, 1), (13, 3), (6, 33))
    for i, size in enumerate(sizes):
        for mode in ("nearest", "linear"):
            for c in (CHANNELS[i], CHANNELS[-i - 1]):
                yield make("resize", [arg(1 + i % 2, c, 6, 10)], size=size, mode=mode)
    for coordinates in ("asymmetric", "align_corners", "pytorch_half_pixel", "half_pixel_symmetric"):
        for mode, rounding in (("linear", "floor"), ("nearest", "floor"), ("nearest", "ceil")):
            options = {"mode": mode, "coordinates": coordinates, "rounding": rounding}
            yield make("resize", [arg(1, 17, 5, 7)], size=(11, 18), **options)
            yield make("resize", [arg(2, 3, 5, 40)], size=(2, 23), scale=(0.45, 0.59), **options)
    yield make("resize", [const(1, 3, 4, 4)], size=(8, 8))


def adapt() -> Iterator[Case]:
    for i, c in enumerate(CHANNELS):
        for source, target in itertools.permutations(LAYOUTS, 2):
            for plane in ((5, 7), (1, 1), (1, 19)):
                shape = (1 + 2 * (i % 2), c, *plane)
                type = TensorType(DType.F32, shape)
                layer = detached_adapt(
                    type, type.with_format(format_of(source)).format, type.with_format(format_of(target)).format
                )
                data = np.random.default_rng(c).standard_normal(shape).astype(np.float32)
                yield Case(f"adapt({type}) {source} to {target}", layer, (data,))
    for layout, split in itertools.product(LAYOUTS, SPLITS):
        held = attrs.evolve(format_of(layout), split=split)
        layer = detached_adapt(type, format_of(layout), held)
        yield Case(f"adapt({type}) {layout} to {split}", layer, (data,))


def cast() -> Iterator[Case]:
    yield make("cast", [arg(2, 5)], to=DType.I64)
    yield make("cast", [arg(1, 3, 2, 2, dtype=DType.U8)], to=DType.F32)


def shape() -> Iterator[Case]:
    yield make("shape", [arg(5, 3)])


KINDS = {"resize": resize, "adapt": adapt, "cast": cast, "shape": shape}
