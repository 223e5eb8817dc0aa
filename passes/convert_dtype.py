"""Compute in another floating-point type.

y = f(x, @w): f32   ->   cast(f(cast(x; t), @w'): t; f32)     for each layer f, with @w' = cast(@w; t)
cast(cast(x; f32); t)  =  x                                    for x of type t

So casts remain where layers that stay as they are meet converted ones, and at the arguments and outputs of functions.
"""

from __future__ import annotations

from typing import Any

import attrs

from plait.ir.attributes import dtype
from plait.ir.layer import Layer
from plait.ir.module import Module
from plait.ir.types import DType
from plait.passes.base import Pass, PassContext
from plait.passes.dtypes.conversion import Conversion
from plait.passes.options import matches, words
from plait.passes.registry import register_pass

TARGETS = (DType.F16, DType.BF16, DType.F64)


def _target(value: Any) -> DType:
    found = dtype(value)
    if found not in TARGETS:
        raise ValueError(f"wants {', '.join(map(str, TARGETS))}, got {value}")
    assert isinstance(found, DType)
    return found


def _at_the_border(value: str) -> str:
    if value not in ("keep", "convert"):
        raise ValueError(f"wants keep or convert, got {value!r}")
    return value


@register_pass
@attrs.frozen
class ConvertDtype(Pass):
    """Let layers that compute in f32 compute in another type.

    Options: `to`, that type (f16, bf16 or f64); `keep`, kinds of layers, or patterns (`*`, `?`) of the names of their
    results, that stay as they are; `io = convert` changes arguments and outputs of functions too, which otherwise keep
    their types.

    A layer whose constants would overflow stays as it is, and so do control flow and calls, but not what is in their
    regions.
    """

    name = "convert-dtype"

    to: DType = attrs.field(converter=_target)
    keep: tuple[str, ...] = attrs.field(default=(), converter=words)
    io: str = attrs.field(default="keep", converter=_at_the_border)

    def run(self, module: Module, context: PassContext) -> bool:
        conversion = Conversion(module, context, self.to, self._keeps)
        return conversion.run(convert_io=self.io == "convert")

    def _keeps(self, layer: Layer) -> bool:
        return matches(self.keep, layer.op, *(r.name for r in layer.results))
