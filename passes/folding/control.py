"""Control flow that is known at compile time.

if(true) then A else B           = A
loop(0, go, v) body              = v
loop(1, true, v) body            = body(0, true, v)     n times in a row for n up to a limit, if nothing is scanned
"""

from __future__ import annotations

import numpy as np

from plait.ir.layer import Layer
from plait.ir.layers.control import If, Loop
from plait.ir.module import Module
from plait.ir.values import Constant, Value
from plait.passes.support.constants import constant_data
from plait.passes.support.regions import inner_first
from plait.passes.support.splice import replace_by_values, splice


def fold_control(module: Module, unroll: int) -> int:
    """Replace `if` and `loop` where what they run is known, loops of at most `unroll` runs; returns how many."""
    folded = 0
    # Inside before around, so that what is copied is folded already; forwards, so that conditions are known in time.
    for layer in [layer for function in module.functions.values() for layer in inner_first(function.body)]:
        if not _is_known(layer, unroll):
            continue
        if isinstance(layer, If):
            values = splice(layer.then if _flag(layer.condition) else layer.else_, layer)
        else:
            assert isinstance(layer, Loop)
            values = _runs(module, layer)
        replace_by_values(layer, values)
        for operand in layer.operands:
            if isinstance(operand, Constant) and not operand.users:
                module.constants.pop(operand.name, None)
        folded += 1
    return folded


def _is_known(layer: Layer, unroll: int) -> bool:
    if isinstance(layer, If):
        flag = _flag(layer.condition)
        yields = layer.then.outputs if flag else layer.else_.outputs
        return flag is not None and [v.type for v in yields] == [r.type for r in layer.results]
    if not isinstance(layer, Loop) or len(layer.results) != len(layer.initial):
        return False
    if [v.type for v in layer.initial] != [r.type for r in layer.results]:
        return False
    count = _run_count(layer)
    return count is not None and count <= unroll


def _run_count(layer: Loop) -> int | None:
    """How often the body is run, if that is known."""
    count, go = constant_data(layer.count), _flag(layer.condition)
    if go is False or (count is not None and int(count) <= 0):
        return 0
    if count is None or go is None:
        return None
    following = layer.body.outputs[0]
    goes_on = following is layer.body.arguments[1] or _flag(following) is True
    return int(count) if goes_on or int(count) == 1 else None


def _runs(module: Module, layer: Loop) -> tuple[Value, ...]:
    carried: tuple[Value, ...] = layer.initial
    for step in range(_run_count(layer) or 0):
        number = module.add_constant(f"{layer.body.arguments[0].name}.{step}", np.asarray(step, np.int64))
        _, *rest = splice(layer.body, layer, (number, layer.condition, *carried))
        carried = tuple(rest)
        if not number.users:
            del module.constants[number.name]
    return carried


def _flag(value: Value) -> bool | None:
    data = constant_data(value) if isinstance(value, Constant) else None
    return None if data is None else bool(data)
