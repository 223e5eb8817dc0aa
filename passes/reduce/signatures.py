"""Fewer outputs and parameters of called functions, in the function and in all its calls at once."""

from __future__ import annotations

from functools import partial

import attrs

from plait.ir.layers.control import Call
from plait.ir.module import Function, Module
from plait.passes.reduce.search import Search
from plait.passes.reduce.walk import callee_of, layers_of


def reduce_signatures(search: Search) -> None:
    """Without each output whose results nothing reads, and each parameter that the function does not read."""
    for name in list(search.best.functions):
        for drop, things in ((drop_output, "outputs"), (drop_parameter, "arguments")):
            at = 0
            while name in search.best.functions and at < len(getattr(search.best.functions[name], things)):
                if not search.attempt(partial(drop, name=name, place=at)):
                    at += 1


def drop_output(module: Module, name: str, place: int) -> bool:
    """Without an output, unless it is the only one, or a call's result for it is read."""
    function = module.functions[name]
    kept = [i for i in range(len(function.outputs)) if i != place]
    calls = _calls(module, function)
    if not kept or not calls or any(call.results[place].users for call in calls):
        return False
    function.set_outputs([function.outputs[i] for i in kept], [function.output_names[i] for i in kept])
    for old in calls:
        results = [old.results[i] for i in kept]
        new = attrs.evolve(old, declared=tuple(r.type for r in results))
        assert old.region is not None
        old.region.insert(new, old, [r.name for r in results])
        for before, after in zip(results, new.results, strict=True):
            old.region.replace_uses(before, after)
        old.region.remove(old)
    return True


def drop_parameter(module: Module, name: str, place: int) -> bool:
    """Without a parameter that the function does not read, and what calls give for it."""
    function = module.functions[name]
    calls = _calls(module, function)
    if not calls or function.arguments[place].users:
        return False
    function.arguments.pop(place)
    for call in calls:
        assert call.region is not None
        given = call.arguments
        call.region.set_operand(call, "arguments", (*given[:place], *given[place + 1 :]))
    return True


def _calls(module: Module, function: Function) -> list[Call]:
    return [c for c in layers_of(module) if isinstance(c, Call) and callee_of(module, c) is function]
