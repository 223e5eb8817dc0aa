"""Short names, and nothing carried along that does not compute: locations, routines, costs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from plait.ir.module import Module
from plait.passes.reduce.edit import Change
from plait.passes.reduce.search import Search
from plait.passes.reduce.walk import layers_of


def reduce_labels(search: Search) -> None:
    """Strip and rename, all at once or else as far as the failure allows it."""
    steps = (_strip_locations, _strip_routines, _rename_values, _rename_constants, _rename_outputs)
    if not search.attempt(partial(_all, steps)):
        for step in steps:
            search.attempt(step)


def _all(steps: Sequence[Change], module: Module) -> bool:
    for step in steps:
        step(module)
    return True


def _strip_locations(module: Module) -> bool:
    for function in module.functions.values():
        function.comment = ""
    for layer in layers_of(module):
        layer.locations, layer.comment = (), ""
    return True


def _strip_routines(module: Module) -> bool:
    for layer in layers_of(module):
        layer.via = layer.cost_us = None
    return True


def _rename_values(module: Module) -> bool:
    """%0, %1, ... through each function, in the order of the text."""
    for function in module.functions.values():
        for i, value in enumerate(function.body.values()):
            value.name = str(i)
    return True


def _rename_constants(module: Module) -> bool:
    constants = list(module.constants.values())
    module.constants.clear()
    for i, constant in enumerate(constants):
        constant.name = f"c{i}"
        module.constants[constant.name] = constant
    return True


def _rename_outputs(module: Module) -> bool:
    for function in module.functions.values():
        function.output_names = [v.name for v in function.outputs]
    return True
