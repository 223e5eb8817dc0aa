"""Routines of `adapt` for images of bfloat16: one for each ordered pair of layouts."""

from __future__ import annotations

import itertools
from typing import Any

from plait.backends.cpu.bf16.casts import LAYOUTS
from plait.backends.cpu.common import cpu, image_fields
from plait.backends.lowering import Lowering
from plait.ir.layer import Layer
from plait.ir.layers.elementwise import Adapt
from plait.ir.layout import Format


def _convert(source: str, target: str) -> Any:
    def lower(layer: Adapt, lowering: Lowering, variant: str) -> None:
        x, y = lowering.place(layer.x), lowering.place(layer.result)
        lowering.call(f"bf16_{source}_to_{target}", x=x, y=y, **image_fields(layer.x.type))

    lower.__qualname__ = f"from_{source}"
    return lower


def _formats(source: str, target: str) -> Any:
    return lambda layer: ((Format("bf16", source),), (Format("bf16", target),))


def _refuse(source: str, target: str) -> Any:
    def refuse(layer: Layer) -> str | None:
        found = (layer.operands[0].type.layout.name, layer.results[0].type.layout.name)
        return None if found == (source, target) else f"converts {source} to {target}, not {found[0]} to {found[1]}"

    return refuse


for _source, _target in itertools.permutations(LAYOUTS, 2):
    cpu(
        "adapt",
        _target,
        f"from_{_source}",
        _convert(_source, _target),
        dtype="bf16",
        refuse=_refuse(_source, _target),
        formats=_formats(_source, _target),
        summary=f"{_source} to {_target}",
    )
