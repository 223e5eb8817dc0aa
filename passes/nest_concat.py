"""Make concatenations share what they have in common, and cancel them against splits.

concat(concat(a, b), c)              = concat(a, b, c)   if nothing else reads the inner one
p = concat(a, b); concat(a, b, c)    = concat(p, c)      if something else reads p
s, t = split(x); concat(s, t)        = x
s, t = split(concat(a, b))           = a, b              if the parts have the sizes of a and b

No equation moves more elements than before. The third is what the name speaks of. In a dense block each layer reads the
concatenation of all features so far; written flat, each feature is read by every later concatenation, and a solver that
chooses formats has to look at all of them at once: the treewidth of DenseNet121 is 25. Nested, each feature and each
prefix has two readers, and the width is 2. Concatenations that share nothing stay flat: routines and their costs are
those of the whole layer, and nested in pairs its elements would be copied again at each level.

Sums are left alone: additions have two operands, and in another order they round differently.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from plait.ir.layer import Layer
from plait.ir.layers.shape import Concat, Split
from plait.ir.module import Module
from plait.ir.region import Region
from plait.ir.values import Value
from plait.passes.base import Pass, PassContext
from plait.passes.canonical.identities import concat_of_concat, concat_of_one
from plait.passes.registry import register_pass
from plait.passes.rewriting import No, rewrite, rewrite_module
from plait.passes.support.locations import merge_locations


@rewrite(Concat)
def split_parts_joined(layer: Concat) -> Layer | Value | No:
    """s, t = split(x); concat(a, s, t, b) -> concat(a, x, b)"""
    parts: list[Value] = []
    rest = layer.xs
    while rest:
        made = rest[0].owner
        whole = _joins(made, rest, layer)
        parts.append(made.x if whole and isinstance(made, Split) else rest[0])
        rest = rest[whole or 1 :]
    if len(parts) == len(layer.xs):
        return No("the operands are not all parts of a split in order")
    return parts[0] if len(parts) == 1 else attrs.evolve(layer, xs=tuple(parts))


@rewrite(Split)
def split_of_concat(layer: Split) -> tuple[Value, ...] | No:
    """split(concat(a, b)) -> a, b"""
    joined = layer.x.owner
    if not isinstance(joined, Concat) or _axis(joined) != layer.axis % layer.x.type.rank:
        return No("the operand is not joined along this axis")
    if [r.type.shape for r in layer.results] != [x.type.shape for x in joined.xs]:
        return No("the parts have other sizes than what was joined")
    return joined.xs


def _joins(made: Layer | None, values: tuple[Value, ...], layer: Concat) -> int:
    """How many of the first values are all parts of one split, in order and along the axis of `layer`; 0 if not."""
    if not isinstance(made, Split) or made.results != values[: len(made.results)]:
        return 0
    return len(made.results) if made.axis % made.x.type.rank == _axis(layer) else 0


@register_pass
@attrs.frozen
class NestConcat(Pass):
    """Let concatenations share their common parts, and cancel them against splits."""

    name = "nest-concat"

    def run(self, module: Module, context: PassContext) -> bool:
        changed = False
        # Each round but the last removes a layer or lets one read fewer operands.
        while self._round(module, context):
            changed = True
        return changed

    def _round(self, module: Module, context: PassContext) -> bool:
        rules = (split_parts_joined, split_of_concat, concat_of_concat, concat_of_one)
        rewritten = rewrite_module(module, rules, context)
        shared = sum(_share_runs(r) for f in module.functions.values() for r in f.body.nest())
        context.count("shared", shared)
        return rewritten or shared > 0


def _share_runs(region: Region) -> int:
    """Replace runs of operands by earlier concatenations of just these; returns how often."""
    flat: dict[Concat, tuple[Value, ...]] = {}
    earlier: dict[tuple[int, Value], list[Concat]] = {}
    shared = 0
    for layer in region:
        if not isinstance(layer, Concat):
            continue
        flat[layer] = tuple(v for x in layer.xs for v in _flat(x, layer, flat))
        parts = tuple(_cover(layer, flat, earlier))
        if parts != layer.xs:
            before = [x.owner for x in layer.xs]
            region.set_operand(layer, "xs", parts)
            for made in before:
                if isinstance(made, Concat):
                    _remove_unused(made, layer)
            shared += 1
        earlier.setdefault((_axis(layer), flat[layer][0]), []).append(layer)
    return shared


def _flat(value: Value, layer: Concat, flat: dict[Concat, tuple[Value, ...]]) -> tuple[Value, ...]:
    """What `value` joins along the axis of `layer`, or just `value`."""
    made = value.owner
    joined = isinstance(made, Concat) and made in flat and _axis(made) == _axis(layer) and _keeps_type(made)
    return flat[made] if isinstance(made, Concat) and joined else (value,)


def _keeps_type(layer: Concat) -> bool:
    """Whether what is joined is so as it is stored, with no scale changed."""
    return all(x.type.dtype == layer.result.type.dtype for x in layer.xs)


def _cover(
    layer: Concat, flat: dict[Concat, tuple[Value, ...]], earlier: dict[tuple[int, Value], list[Concat]]
) -> Iterator[Value]:
    """Operands that join the same elements as `layer`, with the longest run that exists at each place."""
    if layer.via:  # chosen for just these operands
        yield from layer.xs
        return
    rest = flat[layer]
    while rest:
        runs = [c for c in earlier.get((_axis(layer), rest[0]), ()) if _usable(c, layer, flat[c], rest)]
        if runs:
            longest = max(runs, key=lambda c: len(flat[c]))
            yield longest.result
            rest = rest[len(flat[longest]) :]
        else:
            yield rest[0]
            rest = rest[1:]


def _usable(made: Concat, layer: Concat, run: tuple[Value, ...], rest: tuple[Value, ...]) -> bool:
    # Equal as a whole is the business of cse; what nothing reads must not come to life.
    there = made.region is layer.region and bool(made.result.users) and len(run) > 1
    return (
        there and _keeps_type(made) and run == rest[: len(run)] and made.result.type.format == layer.result.type.format
    )


def _remove_unused(layer: Concat, keeper: Layer) -> None:
    if layer.region is not None and not layer.result.users:
        layer.region.remove(layer)
        merge_locations(keeper, layer)


def _axis(layer: Concat) -> int:
    return layer.axis % layer.xs[0].type.rank
