"""Move layers to a function of their own, and call it in their place.

b = g(a); y = h(b)     ->     y = call(a) {callee = @f};  net @f(a) -> (y) { b = g(a); y = h(b) }
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import attrs

from plait.ir.attributes import integer
from plait.ir.layer import Layer
from plait.ir.layers.control import Call
from plait.ir.module import Function, Module
from plait.ir.region import Region
from plait.ir.values import Constant, Value
from plait.passes.base import Pass, PassContext, Refusal, pass_error
from plait.passes.options import matches, words
from plait.passes.registry import register_pass
from plait.passes.support.locations import merge_locations
from plait.passes.support.regions import ancestor


@register_pass
@attrs.frozen
class Outline(Pass):
    """Move layers to a new function.

    Options, one of which says which layers: `layers`, names of results or patterns of them (`*`, `?`); `locations`,
    patterns of the names that nodes had in the original model; `block`, a number of layers, to divide the whole net
    into functions of so many. `net` is the function to take them from (main), `into` the name of the new one (block).

    No value may lead from these layers through others back to them. Calls stay where they are.
    """

    name = "outline"

    layers: tuple[str, ...] = attrs.field(default=(), converter=words)
    locations: tuple[str, ...] = attrs.field(default=(), converter=words)
    block: int = attrs.field(default=0, converter=integer)
    net: str = "main"
    into: str = "block"

    def run(self, module: Module, context: PassContext) -> bool:
        if sum(map(bool, (self.layers, self.locations, self.block))) != 1 or self.block < 0:
            raise pass_error("outline needs one of layers, locations and block")
        if self.net not in module.functions:
            raise pass_error(f"there is no net {self.net!r}")
        names = _free_names(module, self.into)
        changed = False
        for members in list(self.choose(module.functions[self.net].body)):
            if why := why_not(members):
                first = members[0]
                context.refuse(Refusal(self.name, "outline", first.describe(), why, first.locations))
                continue
            outline(module, members, next(names))
            context.count("nets")
            changed = True
        return changed

    def choose(self, body: Region) -> Iterator[list[Layer]]:
        """Groups of layers, each for one function."""
        if self.block:
            for called, run in itertools.groupby(list(body), key=lambda layer: isinstance(layer, Call)):
                if not called:
                    yield from _chunks(list(run), self.block)
            return
        members = [layer for layer in body if not isinstance(layer, Call) and self.wants(layer)]
        if members:
            yield members

    def wants(self, layer: Layer) -> bool:
        """Whether a layer is named by the options."""
        results = [r.name for r in layer.results]
        nodes = [place.name for place in layer.locations]
        return matches(self.layers, *results) or matches(self.locations, *nodes)


def _chunks(layers: list[Layer], size: int) -> Iterator[list[Layer]]:
    yield from (layers[i : i + size] for i in range(0, len(layers), size))


def why_not(members: Sequence[Layer]) -> str | None:
    """Why layers of one region, in order, cannot be one: nothing reads them, or a value leads from them through another
    layer back to them."""
    inside = set(members)
    if not _given(members):
        return "nothing reads what these layers give"
    through: set[Layer] = set()
    layer: Layer | None = members[0]
    while layer is not None and layer is not members[-1].next:
        makers = {value.owner for value in layer.reads()}
        if layer not in inside and makers & (inside | through):
            through.add(layer)
        elif layer in inside and (between := [m for m in makers if m in through]):
            return (
                f"{layer.describe()} reads {between[0].describe() if between[0] else ''}, which depends on the others"
            )
        layer = layer.next
    return None


def outline(module: Module, members: Sequence[Layer], name: str) -> Call:
    """Move layers of one region, given in order and convex, to a new function of a free name; returns the call in their
    place."""
    region = members[0].region
    assert region is not None
    made = {result for layer in members for result in layer.results}
    taken = dict.fromkeys(
        v for layer in members for v in layer.reads() if v not in made and not isinstance(v, Constant)
    )
    given = _given(members)
    function = Function(name, [Value(v.name, v.type) for v in taken])
    mapping: dict[Value, Value] = dict(zip(taken, function.arguments, strict=True))
    for layer in members:
        twin = layer.with_operands(mapping)
        function.body.append(twin, [r.name for r in layer.results], [r.type for r in layer.results])
        mapping.update(zip(layer.results, twin.results, strict=True))
    function.set_outputs([mapping[v] for v in given])
    module.functions[function.name] = function
    _let_dependants_follow(region, members)
    call = Call(tuple(taken), callee=function.name, declared=tuple(v.type for v in given))
    region.insert(call, members[-1].next, [v.name for v in given], [v.type for v in given])
    for old, new in zip(given, call.results, strict=True):
        region.replace_uses(old, new)
    merge_locations(call, *members)
    for layer in reversed(members):
        region.remove(layer)
    return call


def _given(members: Sequence[Layer]) -> list[Value]:
    """The results of layers of one region that others read."""
    region, inside = members[0].region, set(members)
    assert region is not None
    results = [result for layer in members for result in layer.results]
    return [value for value in results if any(ancestor(user, region) not in inside for user in value.users)]


def _let_dependants_follow(region: Region, members: Sequence[Layer]) -> None:
    """Move layers that stand between the members and depend on them behind the last."""
    inside, moved = set(members), list[Layer]()
    layer: Layer | None = members[0]
    while layer is not None and layer is not members[-1]:
        following = layer.next
        makers = {value.owner for value in layer.reads()}
        if layer not in inside and makers & (inside | set(moved)):
            moved.append(layer)
        layer = following
    place = members[-1].next
    for layer in moved:
        region.move_before(layer, place)


def _free_names(module: Module, name: str) -> Iterator[str]:
    """`name`, `name.1`, `name.2`, ... without those of the functions of the module."""
    candidates = itertools.chain((name,), (f"{name}.{n}" for n in itertools.count(1)))
    return (candidate for candidate in candidates if candidate not in module.functions)
