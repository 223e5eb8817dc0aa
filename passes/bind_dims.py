"""Bind symbolic dimensions.

bind-dims{N=1, H=2*S}:   f32[NxCxHxW]   ->   f32[1xCx2*SxW]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self

import attrs

from plait.ir.attributes import dimension
from plait.ir.diagnostics import did_you_mean
from plait.ir.dims import Dim, Dimension, substitute
from plait.ir.layer import Layer
from plait.ir.module import Function, Module
from plait.ir.region import Region
from plait.ir.types import Type
from plait.passes.base import OptionError, Pass, PassContext, Refusal, pass_error
from plait.passes.registry import register_pass


@register_pass
@attrs.frozen
class BindDims(Pass):
    """Replace dimension symbols in the whole module. Options: `symbol=size`, an integer or a dimension in quotes."""

    name = "bind-dims"

    bindings: tuple[tuple[str, Dimension], ...] = ()

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        if not options:
            raise OptionError("", "pass bind-dims needs at least one symbol", "write bind-dims{N=1}")
        bindings = tuple((name, _dimension(name, value)) for name, value in options.items())
        for name, size in bindings:
            if isinstance(size, Dim) and (again := size.symbols() & options.keys()):
                raise OptionError(name, f"dimension {name} is bound to {size}, but {min(again)} is bound too")
        return cls(bindings)

    def options(self) -> dict[str, Any]:
        return {name: size if isinstance(size, int) else str(size) for name, size in self.bindings}

    def run(self, module: Module, context: PassContext) -> bool:
        bindings = dict(self.bindings)
        known = {s for f in module.functions.values() for s in _symbols(f)}
        for name in bindings:
            if name in known:
                continue
            # A symbol bound by an earlier run is gone, so its absence is no error; a similar one tells of a slip.
            if hint := did_you_mean(name, known) or did_you_mean(name.swapcase(), known):
                raise pass_error(f"the module has no dimension {name!r}", hint)
            context.refuse(Refusal(self.name, "bind", name, "the module has no such dimension"))
        changed = [_bind(f, bindings) for f in module.functions.values()]
        return any(changed)


def _dimension(name: str, value: Any) -> Dimension:
    try:
        size = dimension(value)
    except (TypeError, ValueError) as error:
        raise OptionError(name, f"dimension {name} is bound to {value!r}, which is no dimension ({error})") from None
    if isinstance(size, int) and size < 1:
        raise OptionError(name, f"dimension {name} is bound to {size}, but sizes are at least 1")
    return size


def _symbols(function: Function) -> set[str]:
    values = [v for region in function.body.nest() for v in region.arguments]
    values += [r for layer in function.walk() for r in layer.results]
    return {s for v in values for s in v.type.symbols()}


def _bind(function: Function, bindings: Mapping[str, Dimension]) -> bool:
    changed = False
    for argument in [a for region in function.body.nest() for a in region.arguments]:
        new = argument.type.substitute(bindings)
        changed |= new != argument.type
        argument.type = new
    # What a layer's regions yield is known before what the layer gives.
    for layer in _inner_first(function.body):
        for attribute in layer.spec.attributes:
            value = getattr(layer, attribute.name)
            if isinstance(value, Type):
                setattr(layer, attribute.name, value.substitute(bindings))
            elif isinstance(value, Dim):
                setattr(layer, attribute.name, substitute(value, bindings))
        layer.declared = tuple(t.substitute(bindings) for t in layer.declared)
        # Inferred again rather than substituted: rules may be sharper for known sizes (a partial window of `ceil`).
        for result, inferred in zip(layer.results, layer.result_types(), strict=True):
            new = inferred.placed_like(result.type)
            changed |= new != result.type
            result.type = new
    return changed


def _inner_first(region: Region) -> Iterator[Layer]:
    for layer in region:
        for inner in layer.regions():
            yield from _inner_first(inner)
        yield layer
