"""Routines of `adapt`: one for each dtype and ordered pair of layouts, and one that moves data between cores."""

from __future__ import annotations

import itertools
from typing import Any

from plait.backends.aliasing import Alias
from plait.backends.cpu.common import LAYOUTS, LOW_LAYOUTS, cpu, image_fields
from plait.backends.cpu.movement import copy
from plait.backends.lowering import Lowering
from plait.backends.profiling.resplit import RESPLIT
from plait.backends.routine import Formats
from plait.ir.layer import Layer
from plait.ir.layers.elementwise import Adapt
from plait.ir.layout import Format


def _convert(dtype: str, source: str, target: str) -> Any:
    def lower(layer: Adapt, lowering: Lowering, variant: str) -> None:
        x, y = lowering.place(layer.x), lowering.place(layer.result)
        lowering.call(f"{dtype}_{source}_to_{target}", x=x, y=y, **image_fields(layer.x.type))

    lower.__qualname__ = f"from_{source}"
    return lower


def _formats(source: str, target: str) -> Formats:
    def formats(layer: Layer) -> tuple[tuple[Format, ...], tuple[Format, ...]]:
        dtype = layer.operands[0].type.dtype.value
        return (Format(dtype, source),), (Format(dtype, target),)

    return formats


def _refuse(bits: int, source: str, target: str) -> Any:
    def refuse(layer: Layer) -> str | None:
        x, y = layer.operands[0].type, layer.results[0].type
        if x.dtype.bits != bits:
            return f"moves elements of {bits} bits, not {x.dtype}"
        found = (x.layout.name, y.layout.name)
        return None if found == (source, target) else f"converts {source} to {target}, not {found[0]} to {found[1]}"

    return refuse


def _resplit(layer: Adapt, lowering: Lowering, variant: str) -> None:
    if not lowering.alias(layer.result, layer.x):
        nbytes = layer.x.type.nbytes
        copy(lowering, lowering.place(layer.x), lowering.place(layer.result), 1, (nbytes,), (1,), (1,))


def _refuse_resplit(layer: Layer) -> str | None:
    source, target = layer.operands[0].type.format, layer.results[0].type.format
    if source.whole != target.whole:
        return f"changes {source.whole} to {target.whole}, not only who holds it"
    return None if target.split else "does not say how the result is split"


def _resplit_formats(layer: Layer) -> tuple[tuple[Format, ...], tuple[Format, ...]]:
    return (layer.operands[0].type.format,), (layer.results[0].type.format,)


_KINDS = (
    ("f32", "f32", 32, LAYOUTS, " at memory bandwidth"),
    ("bf16", "bf16", 16, LOW_LAYOUTS, ""),
    ("f16", "bf16", 16, LOW_LAYOUTS, ""),  # words of 16 bits are moved, whatever they mean
    ("q8", "q8", 8, LOW_LAYOUTS, ", bytes"),
)
for _dtype, _kernels, _bits, _layouts, _how in _KINDS:
    for _source, _target in itertools.permutations(_layouts, 2):
        cpu(
            "adapt",
            _target,
            f"from_{_source}",
            _convert(_kernels, _source, _target),
            dtype=_dtype,
            refuse=_refuse(_bits, _source, _target),
            formats=_formats(_source, _target),
            summary=f"{_source} to {_target}{_how}",
        )
cpu(
    "adapt",
    RESPLIT.layout,
    RESPLIT.algorithm,
    _resplit,
    dtype=RESPLIT.dtype,
    refuse=_refuse_resplit,
    formats=_resplit_formats,
    aliases=lambda layer: [Alias(layer.result, layer.x)],
    summary="nothing is called: what reading from other cores costs the layers behind",
)
