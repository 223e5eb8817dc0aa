"""Fewer functions, layers and outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np

from plait.ir.layer import Layer
from plait.ir.module import Function, Module
from plait.ir.types import TensorType
from plait.ir.values import Constant, Value
from plait.passes.reduce.ddmin import chunks_of, ddmin
from plait.passes.reduce.edit import drop_function
from plait.passes.reduce.search import Search
from plait.passes.reduce.walk import function_of, layers_of

PickOutput = Callable[[bool, bool], bool]
"""Whether a result becomes an output, from whether a reader of it was taken out and whether no reader is left."""
OUTPUTS: Sequence[PickOutput] = (
    lambda lost, unread: lost and unread,
    lambda lost, unread: lost,
    lambda lost, unread: unread,
)
"""Ways to pick outputs, in the order in which they are tried."""
Substitute = Callable[[Module, Layer, Value], Value | None]
"""What stands in the place of a result of a layer that is taken out; None if there is nothing fitting."""


def reduce_layers(search: Search) -> None:
    """Take out functions, then all layers but some, then outputs, then layers one after the other."""
    _reduce_functions(search)
    _keep_few(search)
    _drop_outputs(search)
    for substitute in _MANY:
        _take_out_runs(search, substitute)
    for substitute in SUBSTITUTES:
        _take_out_single(search, substitute)


def _reduce_functions(search: Search) -> None:
    """Without each function that is not needed; or with another function as the network."""
    for change in (_without_function, _promote):
        for name in list(search.best.functions):
            if name != "main" and name in search.best.functions:
                search.attempt(partial(change, name=name))


def _without_function(module: Module, name: str) -> bool:
    drop_function(module, name)
    return True


def _promote(module: Module, name: str) -> bool:
    for other in list(module.functions):
        if other != name:
            drop_function(module, other)
    function = module.functions.pop(name)
    function.name = "main"
    module.functions["main"] = function
    return True


def _keep_few(search: Search) -> None:
    """Delta debugging over the layers of each function: those that stay get arguments for what the others computed."""
    for name in list(search.best.functions):
        base = search.best
        if count := len(base.functions[name].body):
            ddmin(range(count), partial(_keep, search, base, name))


def _keep(search: Search, base: Module, name: str, kept: list[int]) -> bool:
    return any(search.attempt(partial(extract, name=name, kept=kept, pick=pick), base) for pick in OUTPUTS)


def extract(module: Module, name: str, kept: Iterable[int], pick: PickOutput) -> bool:
    """Only the layers with these numbers stay. Values that they read from others become arguments; the results that are
    picked become the outputs. Does not apply if there are none."""
    function = module.functions[name]
    layers = list(function.body)
    stay = {layers[i] for i in kept}
    lost = {v for layer in layers if layer not in stay for v in layer.reads()} | set(function.outputs)
    function.set_outputs([])
    for layer in reversed(layers):
        if layer not in stay:
            _cut_uses(function, layer)
            function.body.remove(layer)
    results = [r for layer in layers if layer in stay for r in layer.results]
    function.set_outputs([r for r in results if pick(r in lost, not r.users)])
    return bool(function.outputs)


def _cut_uses(function: Function, layer: Layer) -> None:
    for result in layer.results:
        if result.users:
            argument = Value(result.name, result.type)
            function.arguments.append(argument)
            function.body.replace_uses(result, argument)


def _drop_outputs(search: Search) -> None:
    for name in list(search.best.functions):
        base = search.best
        count = len(base.functions[name].outputs)
        ddmin(range(count), partial(_keep_outputs, search, base, name))


def _keep_outputs(search: Search, base: Module, name: str, kept: list[int]) -> bool:
    return search.attempt(partial(_outputs, name=name, kept=kept), base)


def _outputs(module: Module, name: str, kept: list[int]) -> bool:
    function = module.functions[name]
    values, names = function.outputs, function.output_names
    function.set_outputs([values[i] for i in kept], [names[i] for i in kept])
    return True


def _take_out_runs(search: Search, substitute: Substitute) -> None:
    """Neighbouring layers together, in ever shorter runs."""
    for size in chunks_of(search.size.layers):
        at = 0
        while at < search.size.layers:
            numbers = range(at, min(at + size, search.size.layers))
            if not search.attempt(partial(take_out, numbers=numbers, substitute=substitute)):
                at += size


def _take_out_single(search: Search, substitute: Substitute) -> None:
    at = 0
    while at < search.size.layers:
        if not search.attempt(partial(take_out, numbers=[at], substitute=substitute)):
            at += 1


def take_out(module: Module, numbers: Iterable[int], substitute: Substitute) -> bool:
    """Remove layers; something else stands for their results. What then is unused goes too."""
    layers = list(layers_of(module))
    # The last first, so that a chain of layers collapses to what the first of them reads.
    for number in sorted(numbers, reverse=True):
        layer = layers[number]
        if layer.region is None:
            continue
        for result in layer.results:
            if not result.users:
                continue
            other = substitute(module, layer, result)
            if other is None:
                return False
            layer.region.replace_uses(result, other)
        layer.region.remove(layer)
    return True


def _operand_of_type(module: Module, layer: Layer, result: Value) -> Value | None:
    return next((v for v in layer.operands if v.type == result.type and not isinstance(v, Constant)), None)


def _operand(number: int) -> Substitute:
    """The operand at a place, of whatever type: layers after it may fit, or can be made to."""

    def substitute(module: Module, layer: Layer, result: Value) -> Value | None:
        return layer.operands[number] if number < len(layer.operands) else None

    return substitute


def _fresh_argument(module: Module, layer: Layer, result: Value) -> Value | None:
    assert layer.region is not None
    function = function_of(layer.region)
    argument = Value(result.name, result.type)
    function.arguments.append(argument)
    return argument


def _zeros(module: Module, layer: Layer, result: Value) -> Value | None:
    if not isinstance(result.type, TensorType) or not result.type.is_static:
        return None
    return module.add_constant(result.name, np.zeros(result.type.static_shape, result.type.dtype.numpy))


_MANY: Sequence[Substitute] = (_operand_of_type, _fresh_argument)
SUBSTITUTES: Sequence[Substitute] = (*_MANY, *(_operand(i) for i in range(4)), _zeros)
"""All that may stand for the result of a layer that is taken out, in the order in which it is tried."""
