"""Bind symbolic dimensions.

bind-dims{N=1, H=2*S}:   f32[NxCxHxW]   ->   f32[1xCx2*SxW]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import attrs

from plait.ir.attributes import dimension
from plait.ir.diagnostics import ShapeError, did_you_mean
from plait.ir.dims import Dim, Dimension, substitute
from plait.ir.layer import Layer
from plait.ir.module import Function, Module
from plait.ir.types import Type
from plait.ir.values import Value
from plait.passes.base import OptionError, Pass, PassContext, Refusal, pass_error
from plait.passes.registry import register_pass
from plait.passes.support.regions import inner_first


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
    return {s for v in function.body.values() for s in v.type.symbols()}


def _bind(function: Function, bindings: Mapping[str, Dimension]) -> bool:
    """Raises PassError: a size does not fit, such as a window larger than what it slides over."""
    changed = False
    for argument in [a for region in function.body.nest() for a in region.arguments]:
        with _user_errors(f"%{argument.name}", bindings):
            changed |= _set_type(argument, argument.type.substitute(bindings))
    # What a layer's regions yield is known before what the layer gives.
    for layer in inner_first(function.body):
        with _user_errors(layer.describe(), bindings):
            changed |= _bind_attributes(layer, bindings)
            # Inferred again rather than substituted: rules may be sharper for known sizes (a window of `ceil`).
            for result, inferred in zip(layer.results, layer.result_types(), strict=True):
                changed |= _set_type(result, inferred.placed_like(result.type))
    return changed


def _bind_attributes(layer: Layer, bindings: Mapping[str, Dimension]) -> bool:
    changed = False
    for attribute in layer.spec.attributes:
        value = old = getattr(layer, attribute.name)
        if isinstance(value, Type):
            value = value.substitute(bindings)
        elif isinstance(value, Dim):
            value = substitute(value, bindings)
        if value != old:
            setattr(layer, attribute.name, value)
            changed = True
    layer.declared = tuple(t.substitute(bindings) for t in layer.declared)
    return changed


def _set_type(value: Value, new: Type) -> bool:
    if value.type == new:
        return False
    for tensor in new.tensors():
        if any(isinstance(d, int) and d < 0 for d in tensor.shape):
            raise ShapeError(f"%{value.name} would have a negative dimension: {new}")
    value.type = new
    return True


@contextmanager
def _user_errors(what: str, bindings: Mapping[str, Dimension]) -> Iterator[None]:
    """Sizes that do not fit are the fault of who chose them."""
    try:
        yield
    except (ShapeError, ZeroDivisionError) as error:
        sizes = ", ".join(f"{name}={size}" for name, size in bindings.items())
        raise pass_error(f"{what} does not fit {sizes}: {error}") from None
