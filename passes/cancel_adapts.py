"""Remove conversions between formats that cancel, repeat one another or change nothing.

adapt(x): F                = x             if x is in format F
adapt(adapt(x): G): F      = adapt(x): F   if no dtype on the way is narrower; x if x is in format F
adapt(x): F; adapt(x): F   = one of them
f(adapt(@c))               = f(@c)         since lowering stores constants as their readers want them

Where a routine is chosen (`via`), a chain of conversions is kept: it was the cheapest way, or the only one.
"""

from __future__ import annotations

import attrs

from plait.ir.layer import Layer, Return
from plait.ir.layers.elementwise import Adapt
from plait.ir.module import Module
from plait.ir.region import Region
from plait.ir.types import Type
from plait.ir.values import Constant, Value
from plait.passes.base import Pass, PassContext, Refusal
from plait.passes.registry import register_pass
from plait.passes.rewriting import No, rewrite, rewrite_module
from plait.passes.support.locations import merge_locations
from plait.passes.support.splice import replace_by_equal


@rewrite(Adapt, quantized=True)
def same_format(layer: Adapt) -> Value | No:
    """adapt(x): F -> x if x is in format F"""
    return layer.x if layer.x.type == layer.result.type else No("the format changes")


@rewrite(Adapt, quantized=True)
def adapt_of_adapt(layer: Adapt) -> Layer | Value | No:
    """adapt(adapt(x)): F -> adapt(x): F, or x"""
    inner = layer.x.owner
    if not isinstance(inner, Adapt):
        return No("the operand is not an adapt")
    if not inner.x.type.dtype == layer.x.type.dtype == layer.result.type.dtype:
        return No(f"on the way to {layer.result.type} the elements are {layer.x.type.dtype}")
    if inner.x.type == layer.result.type:
        return inner.x
    if layer.via or inner.via:
        return No("routines are chosen for both steps")
    return Adapt(inner.x)


@register_pass
@attrs.frozen
class CancelAdapts(Pass):
    """Remove adapts that cancel, repeat one another or change nothing."""

    name = "cancel-adapts"

    def run(self, module: Module, context: PassContext) -> bool:
        changed = rewrite_module(module, (same_format, adapt_of_adapt), context)
        for region in [r for f in module.functions.values() for r in f.body.nest()]:
            freed = _free_constants(region, context)
            shared = _share(region)
            context.count("constants", freed)
            context.count("shared", shared)
            changed |= freed + shared > 0
        return changed


def _free_constants(region: Region, context: PassContext) -> int:
    """Let the readers of converted constants read the constants; returns the number of adapts removed."""
    removed = 0
    for layer in region:
        if not isinstance(layer, Adapt) or not isinstance(layer.x, Constant):
            continue
        if why := _why_not_free(layer):
            context.refuse(Refusal(context.current, "adapt_of_constant", layer.describe(), why, layer.locations))
            continue
        readers = list(layer.result.users)
        region.replace_uses(layer.result, layer.x)
        region.remove(layer)
        for reader in readers[:1]:
            merge_locations(reader, layer)
        removed += 1
    return removed


def _why_not_free(layer: Adapt) -> str | None:
    if not layer.x.type.same_logical(layer.result.type):
        return "the elements change"
    for reader in layer.result.users:
        if isinstance(reader, Return):
            return "the function yields it in this format"
        if reader.via:
            return f"a routine of {reader.describe()} is chosen that reads it in this format"
    return None


def _share(region: Region) -> int:
    """Make one adapt serve all readers of a value in a format; returns the number of adapts removed."""
    first: dict[tuple[Value, Type], Adapt] = {}
    removed = 0
    for layer in region:
        if not isinstance(layer, Adapt):
            continue
        kept = first.setdefault((layer.x, layer.result.type), layer)
        if kept is layer:
            continue
        replace_by_equal(layer, kept)
        removed += 1
    return removed
