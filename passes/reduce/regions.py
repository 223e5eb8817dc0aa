"""Less control flow: a region, or the body of a called function, in the place of its layer; fewer values yielded."""

from __future__ import annotations

from functools import partial

from plait.ir.layer import Layer
from plait.ir.module import Module
from plait.ir.region import Region
from plait.ir.values import Value
from plait.passes.reduce.edit import drop_function
from plait.passes.reduce.search import Search
from plait.passes.reduce.walk import callee_of, function_of, layers_of


def reduce_regions(search: Search) -> None:
    """For each layer that holds regions or calls a function: inline one, or else let them yield less."""
    # Counted from the end, since layers before one go when it reads them no more.
    number = -1
    while -number <= search.size.layers:
        layer = list(layers_of(search.best))[number]
        bodies = len(_bodies(search.best, layer))
        if not any(search.attempt(partial(inline, number=number, which=i)) for i in range(bodies)):
            _yield_less(search, number)
            number -= 1


def inline(module: Module, number: int, which: int) -> bool:
    """Put a copy of the layers of a body in the place of the layer that holds or calls it.

    Arguments of the body become operands of the layer of the same type, and its results the outputs of the body, in
    order; what has no counterpart becomes an argument of the function.
    """
    layer = list(layers_of(module))[number]
    body, region, callee = _bodies(module, layer)[which], layer.region, callee_of(module, layer)
    assert region is not None
    operands = list(layer.operands)
    mapping = {a: _matching(operands, a, region) for a in body.arguments}
    for inner in body:
        twin = inner.with_operands(mapping)
        region.insert(twin, layer, [r.name for r in inner.results], [r.type for r in inner.results])
        mapping.update(zip(inner.results, twin.results, strict=True))
    outputs = [mapping.get(v, v) for v in body.outputs]
    for result in layer.results:
        region.replace_uses(result, _matching(outputs, result, region))
    region.remove(layer)
    if callee is not None and not any(callee_of(module, other) is callee for other in layers_of(module)):
        drop_function(module, callee.name)
    return True


def _bodies(module: Module, layer: Layer) -> tuple[Region, ...]:
    callee = callee_of(module, layer)
    return layer.regions() if callee is None else (callee.body,)


def _matching(values: list[Value], wanted: Value, region: Region) -> Value:
    """The first of the values with a type, which is taken out; or a new argument."""
    for value in values:
        if value.type == wanted.type:
            values.remove(value)
            return value
    argument = Value(wanted.name, wanted.type)
    function_of(region).arguments.append(argument)
    return argument


def _yield_less(search: Search, number: int) -> None:
    """Without each result that nothing reads: with the values that regions yield for it, and what is carried along."""
    at = 0
    while at < len((layer := list(layers_of(search.best))[number]).results):
        yields = max((len(r.outputs) for r in layer.regions()), default=0)
        repeated = [o.name for o in layer.spec.operands if o.variadic]
        carried = len(getattr(layer, repeated[0])) if repeated else 0
        if layer.results[at].users or not any(
            search.attempt(partial(drop_result, number=number, result=at, output=j, carried=k))
            for j in range(yields)
            for k in (None, *range(carried))
        ):
            at += 1


def drop_result(module: Module, number: int, result: int, output: int, carried: int | None) -> bool:
    """A layer without a result, its regions without an output; and, if one is named, without a repeated operand and
    the last arguments of the regions, as many as there are such operands, without its counterpart."""
    old = list(layers_of(module))[number]
    new, region = old.with_operands({}), old.region
    assert region is not None
    for body in new.regions():
        body.outputs = [v for i, v in enumerate(body.outputs) if i != output]
    if carried is not None:
        _drop_carried(new, carried)
    kept = [r for i, r in enumerate(old.results) if i != result]
    types = new.result_types()
    # The text form has no layers without results.
    if not kept or len(types) != len(kept) or not all(t.same_logical(r.type) for t, r in zip(types, kept, strict=True)):
        return False
    region.insert(new, old, [r.name for r in kept], [r.type for r in kept])
    for before, after in zip(kept, new.results, strict=True):
        region.replace_uses(before, after)
    region.remove(old)
    return True


def _drop_carried(layer: Layer, carried: int) -> None:
    (field,) = (o.name for o in layer.spec.operands if o.variadic)
    values = getattr(layer, field)
    setattr(layer, field, (*values[:carried], *values[carried + 1 :]))
    for body in layer.regions():
        argument = body.arguments.pop(len(body.arguments) - len(values) + carried)
        # Regions see the values around them.
        body.replace_uses(argument, values[carried])
