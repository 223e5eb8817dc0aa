"""What it costs that data lie in the cache of another core: a value written in one split is read in another.

Nothing is called where a value changes only its split; its readers take longer. By how much is measured with a kernel
that does nothing but touch elements: written by one cut, read by another, less the same read where each core has the
data already. The two are timed in turn, so that what else goes on meets both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from plait.backends.descriptor import RoutinePath
from plait.backends.profiling.job import Result
from plait.ir.layer import Layer
from plait.ir.types import Type
from plait.ir.values import Array

RESPLIT = RoutinePath("cpu", "any", "any", "resplit")
"""The routine of `adapt` that changes the split alone."""
BUDGET_NS = 40_000_000
_WARM_UP, _MOST = 3, 100
_FIRST = 1


def is_resplit(layer: Layer) -> bool:
    """Whether a layer changes the split alone."""
    return layer.via is not None and layer.op == "adapt" and RoutinePath.parse(layer.via).base == RESPLIT.base


def measure_resplit(layer: Layer, threads: int) -> Result:
    """Samples of one reading: of the data of other cores, less of its own; at least 0."""
    from plait.kernels_pyx import Plan

    source, target = layer.operands[0].type, layer.results[0].type
    plan, image = Plan(threads), _image(source)
    floats = math.prod(image.values())
    x = plan.add_external(4 * floats, writable=True)
    sums = plan.add_external(threads * 64, writable=True)
    # A core that has read all of it need not write it: its second reading is what the first is compared with.
    again = () if target.split == "all" else ((target.split, True),)
    for split, write in ((source.split, True), (target.split, False), *again, (target.split, False)):
        plan.add("f32_touch", x=x, sums=sums, **image, split=_cut(split), write=int(write))
    data: list[Array] = [np.ones(floats, np.float32), np.zeros(threads * 16, np.float32)]
    runs: list[tuple[int, int]] = []
    spent = 0
    while len(runs) < _WARM_UP + _MOST and (spent < BUDGET_NS or len(runs) < 2 * _WARM_UP):
        times = plan.run_timed(data)
        spent += int(times.sum())
        runs.append((int(times[_FIRST]), int(times[-1])))
    return Result("ok", differences(runs[_WARM_UP:]))


def differences(runs: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """How much longer the first reading takes, at least 0: by rank, of the faster half of either reading.

    What disturbs a reading adds to its time, often more than there is to be seen; so the slower half says nothing.
    """
    first, again = (sorted(times)[: (len(runs) + 1) // 2] for times in zip(*runs, strict=True))
    return tuple(max(0, a - b) for a, b in zip(first, again, strict=True))


def _cut(split: str) -> int:
    from plait.kernels_pyx import Split

    return int(Split.AUTO if split == "all" else Split[split.upper()])


def _image(type: Type) -> dict[str, Any]:
    """Fields of the kernel: the image as `[outer][rows][columns][lanes]` of four bytes, of which narrower elements
    take a part each, rounded up."""
    n, _, h, w = type.static_shape
    outer = {"nhwc": n, "nchw": math.prod(type.static_shape[:2])}.get(
        type.layout.name, math.prod(type.storage_shape[:2])
    )
    lanes = math.prod(type.storage_shape) // (outer * h * w)
    if lanes == 1:
        return {"outer": outer, "rows": h, "columns": _fours(w, type), "lanes": 1}
    return {"outer": outer, "rows": h, "columns": w, "lanes": _fours(lanes, type)}


def _fours(elements: int, type: Type) -> int:
    """How many times four bytes so many elements are."""
    return -(-elements * type.dtype.bits // 32)
