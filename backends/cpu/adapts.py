"""Routines of `adapt`: one for each ordered pair of layouts, and one that moves data between cores."""

from __future__ import annotations

import itertools
from typing import Any

from plait.backends.aliasing import Alias
from plait.backends.cpu.common import LAYOUTS, cpu, image_fields
from plait.backends.cpu.movement import copy
from plait.backends.lowering import Lowering
from plait.backends.profiling.resplit import RESPLIT
from plait.backends.routine import Formats
from plait.ir.layer import Layer
from plait.ir.layers.elementwise import Adapt
from plait.ir.layout import Format


def _convert(source: str, target: str) -> Any:
    def lower(layer: Adapt, lowering: Lowering, variant: str) -> None:
        x, y = lowering.place(layer.x), lowering.place(layer.result)
        lowering.call(f"f32_{source}_to_{target}", x=x, y=y, **image_fields(layer.x.type))

    lower.__qualname__ = f"from_{source}"
    return lower


def _formats(source: str, target: str) -> Formats:
    def formats(layer: Layer) -> tuple[tuple[Format, ...], tuple[Format, ...]]:
        return (Format("f32", source),), (Format("f32", target),)

    return formats


def _refuse(source: str, target: str) -> Any:
    def refuse(layer: Layer) -> str | None:
        found = (layer.operands[0].type.layout.name, layer.results[0].type.layout.name)
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


for _source, _target in itertools.permutations(LAYOUTS, 2):
    cpu(
        "adapt",
        _target,
        f"from_{_source}",
        _convert(_source, _target),
        refuse=_refuse(_source, _target),
        formats=_formats(_source, _target),
        summary=f"{_source} to {_target} at memory bandwidth",
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
