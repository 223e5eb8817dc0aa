"""Routines of float32 for layers on floats of 16 bits: operands are widened, and results rounded once.

That is all the arithmetic there is on float16 here, and what is left of bfloat16 where no kernel multiplies pairs. The
detour costs a pass over each image; sums, weights and activation are those of float32.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence

import attrs
import numpy as np

from plait.backends.cpu.common import flat_rows, refuse_dtypes
from plait.backends.cpu.splits import partition_of
from plait.backends.descriptor import RoutinePath
from plait.backends.lowering import Lowering, Place
from plait.backends.routine import Lower, Refusal, Routine, find_routine, known_routines, register_routine
from plait.ir.layer import Layer
from plait.ir.region import Region
from plait.ir.types import DType, TensorType, Type
from plait.ir.values import Constant, Value

NARROW = {"bf16": DType.BF16, "f16": DType.F16}
PREFIX = "widened_"


def _wide_type(type: Type) -> TensorType:
    assert isinstance(type, TensorType)
    return attrs.evolve(type, dtype=DType.F32) if type.dtype in NARROW.values() else type


def _wide(value: Value) -> Value:
    """The same numbers in float32. Constants are converted when they are asked for."""
    if not isinstance(value, Constant):
        return Value(value.name, _wide_type(value.type))
    constant = value
    return Constant(value.name, type=_wide_type(value.type), load=lambda: constant.data.astype(np.float32))


def float32_twin(layer: Layer) -> tuple[Layer, dict[Value, Value]]:
    """The layer on float32, in the same formats; and for its operands, those of the twin."""
    wide = {v: _wide(v) for v in layer.operands}
    results = layer.results
    arguments = [v for v in wide.values() if not isinstance(v, Constant)]
    twin = Region(arguments).append(
        layer.with_operands(wide), [r.name for r in results], [_wide_type(r.type) for r in results]
    )
    return twin, wide


def _convert(kernel: str, x: Place, y: Place, type: TensorType, lowering: Lowering) -> None:
    lowering.call(kernel, x=x, y=y, **flat_rows(type, type.layout.name))


def _lower(dtype: str, base: Callable[[], Routine]) -> Lower:
    def lower(layer: Layer, lowering: Lowering, variant: str) -> None:
        twin, wide = float32_twin(layer)
        for value, other in wide.items():
            if not isinstance(value, Constant):
                place = lowering.workspace(other.type.nbytes)
                _convert(f"{dtype}_widen", lowering.place(value), place, _wide_type(other.type), lowering)
                lowering.stand_in(other, place)
        places = [lowering.workspace(r.type.nbytes) for r in twin.results]
        for result, place in zip(twin.results, places, strict=True):
            lowering.stand_in(result, place)
        base().lower(twin, lowering, variant)
        for result, place in zip(layer.results, places, strict=True):
            _convert(f"{dtype}_narrow", place, lowering.place(result), _wide_type(result.type), lowering)

    lower.__qualname__ = "widened"
    return lower


def _refuse(kind: str, dtype: str, base: Callable[[], Routine], only: Refusal) -> Refusal:
    def refuse(layer: Layer) -> str | None:
        if reason := refuse_dtypes(layer, dtype) or only(layer):
            return reason
        return base().refuse(float32_twin(layer)[0])

    return refuse


def _native(kind: str, dtype: str) -> Refusal:
    """Refuses what a routine of the dtype's own takes, so that nobody need measure the detour."""

    def refuse(layer: Layer) -> str | None:
        for routine in known_routines(kind):
            own = routine.path.dtype == dtype and not routine.path.algorithm.startswith(PREFIX)
            if own and routine.refuse(layer) is None:
                return f"{routine.path} takes it without a detour"
        return None

    return refuse


def _blocks(kind: str, dtype: str) -> Refusal:
    """Refuses convolutions that a routine on blocks of channels takes."""

    def refuse(layer: Layer) -> str | None:
        for routine in known_routines(kind):
            if routine.path.dtype == dtype and routine.path.layout == "nchw16c" and routine.refuse(layer) is None:
                return f"{routine.path} takes it in blocks of channels"
        return None

    return refuse


def _few_rows(kind: str, dtype: str) -> Refusal:
    """Refuses matrices of one row, whose time is that of reading the weights."""

    def refuse(layer: Layer) -> str | None:
        rows = layer.operands[0].type.static_shape[:-1]
        return "a single row: weights are streamed as they are stored" if np.prod(rows) == 1 else None

    return refuse


def _any(kind: str, dtype: str) -> Refusal:
    return lambda layer: None


def _register(
    kind: str, dtype: str, layout: str, algorithm: str, only: Callable[[str, str], Refusal] = _any
) -> Routine:
    @functools.cache
    def base() -> Routine:
        found = find_routine(kind, RoutinePath("cpu", "f32", layout, algorithm))
        assert found is not None, f"no {algorithm} of {kind} on float32 in {layout}"
        return found

    def variants(layer: Layer) -> Sequence[str]:
        return base().variants(float32_twin(layer)[0])

    lower = _lower(dtype, base)
    return register_routine(
        Routine(
            RoutinePath("cpu", dtype, layout, PREFIX + algorithm),
            kind,
            lambda layer: base().formats(layer),
            lower,
            _refuse(kind, dtype, base, only(kind, dtype)),
            variants,
            summary="operands widened to float32, its routine, results rounded",
            origin=f"{lower.__module__}:{lower.__qualname__}[{dtype}, {layout}]",
            partition=partition_of(kind, layout, algorithm),
        )
    )


for _algorithm in ("direct", "stem_nchw"):
    _register("conv2d", "f16", "nchw16c", _algorithm)
_register("separable_conv2d", "f16", "nchw16c", "fused")
_register("fully_connected", "f16", "row", "gemv", _few_rows)
_register("matmul", "f16", "row", "gemm")
for _dtype in NARROW:
    _register("conv2d", _dtype, "nchw", "gemm", _blocks)
    for _kind, _algorithm in (("softmax", "vector"), ("layer_norm", "vector"), ("reduce", "vector"), ("pad", "copy")):
        _register(_kind, _dtype, "nchw", _algorithm)
    for _layout, (_kind, _algorithm) in itertools.product(
        ("nchw", "nchw16c"), (("resize", "tables"), ("scale_shift", "vector"), ("local_response_norm", "window"))
    ):
        _register(_kind, _dtype, _layout, _algorithm)
    for _kind in ("add", "sub", "mul", "div", "maximum", "minimum", "pow"):
        _register(_kind, _dtype, "nchw", "vector", _native)
