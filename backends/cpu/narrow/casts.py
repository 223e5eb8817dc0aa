"""float32 to floats of 16 bits and back, in one layout or together with a change of it."""

from __future__ import annotations

from typing import Any

from plait.backends.cpu.common import LOW_LAYOUTS, cpu, flat_rows, formats_between, image_fields, refuse_flat
from plait.backends.lowering import Lowering
from plait.ir.dtypes import DType
from plait.ir.layers.elementwise import Cast


def _refuse(source: DType, target: DType) -> Any:
    def refuse(layer: Cast) -> str | None:
        found = layer.x.type.dtype, layer.result.type.dtype
        return None if found == (source, target) else f"converts {source} to {target}, not {found[0]} to {found[1]}"

    return refuse


def _flat(dtype: str, kernel: str, layout: str) -> Any:
    def lower(layer: Cast, lowering: Lowering, variant: str) -> None:
        places = {"x": lowering.place(layer.x), "y": lowering.place(layer.result)}
        lowering.call(f"{dtype}_{kernel}", **places, **flat_rows(layer.x.type, layout))

    lower.__qualname__ = kernel
    return lower


def _turned(dtype: str, kernel: str, source: str, target: str) -> Any:
    def lower(layer: Cast, lowering: Lowering, variant: str) -> None:
        places = {"x": lowering.place(layer.x), "y": lowering.place(layer.result)}
        lowering.call(f"{dtype}_{kernel}_{source}_to_{target}", **places, **image_fields(layer.x.type))

    lower.__qualname__ = f"{kernel}_from_{source}"
    return lower


_CASTS = [
    (narrow.value, kernel, types)
    for narrow in (DType.BF16, DType.F16)
    for kernel, types in (("narrow", (DType.F32, narrow)), ("widen", (narrow, DType.F32)))
]
for _dtype, _kernel, (_from, _to) in _CASTS:
    for _layout in LOW_LAYOUTS:
        cpu(
            "cast",
            _layout,
            _kernel,
            _flat(_dtype, _kernel, _layout),
            dtype=_dtype,
            also=("f32",),
            refuse=_refuse(_from, _to),
            summary=f"{_from} to {_to}",
        )
    for _plain in ("nchw", "nhwc"):
        _source, _target = (_plain, "nchw16c") if _kernel == "narrow" else ("nchw16c", _plain)
        cpu(
            "cast",
            _target,
            f"{_kernel}_from_{_source}",
            _turned(_dtype, _kernel, _source, _target),
            dtype=_dtype,
            also=("f32",),
            refuse=refuse_flat(_refuse(_from, _to)),
            formats=formats_between(_source, _target),
            summary=f"the same, from {_source} to {_target}",
        )
