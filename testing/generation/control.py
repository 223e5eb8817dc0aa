"""Recipes for layers that hold regions or call other functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from plait.ir.attributes import SymbolRef
from plait.ir.dims import Dimension
from plait.ir.dtypes import DType
from plait.ir.layer import Layer
from plait.ir.layers.control import Call, If, Loop
from plait.ir.types import TensorType, Type
from plait.ir.values import Value
from plait.testing.generation import pieces
from plait.testing.generation.growth import grow
from plait.testing.generation.network import Net
from plait.testing.generation.recipes import recipe

_FLAG = TensorType(DType.BOOL, ())
_COUNT = TensorType(DType.I64, ())


def _float(net: Net) -> Value:
    """A tensor that takes part in further layers."""
    return net.tensor(net.style.floats)


@recipe("if")
def _if(net: Net) -> Layer:
    condition = net.exact(_FLAG)
    count = net.source.integer(1, 2)
    with net.nested() as then:
        grow(net, net.source.integer(0, 2))
        then.outputs = [_float(net) for _ in range(count)]
    with net.nested() as otherwise:
        grow(net, net.source.integer(0, 2))
        otherwise.outputs = [net.exact(v.type) for v in then.outputs]
    return If(condition, then, otherwise)


@recipe("loop")
def _loop(net: Net) -> Layer:
    steps = net.source.integer(1, 3)
    known = net.style.computable or net.source.chance(50)
    count = net.constant(np.array(steps)) if known else net.exact(_COUNT)
    go = net.constant(np.array(True)) if known else net.exact(_FLAG)
    initial = tuple(_float(net) for _ in range(net.source.integer(0, 2)))
    types: Sequence[Type] = [_COUNT, _FLAG, *(v.type for v in initial)]
    with net.nested(types) as body:
        again = body.arguments[1]
        grow(net, net.source.integer(0, 2))
        carried = [net.exact(v.type) for v in initial]
        scanned = [_plain(net)] if not initial or net.source.chance(40) else []
        body.outputs = [again, *carried, *scanned]
    length: Dimension = steps if known else pieces.symbolic(net.source, 1)
    return Loop(count, go, initial, body, steps=length if scanned else None)


def _plain(net: Net) -> Value:
    """A value whose elements can be stacked."""
    return net.tensor(net.style.floats, rank=net.source.integer(0, 3))


@recipe("call")
def _call(net: Net) -> Layer:
    if not net.module.functions or net.source.chance(30):
        _helper(net)
    name = net.source.choice(list(net.module.functions))
    callee = net.module.functions[name]
    operands = tuple(net.exact(a.type) for a in callee.arguments)
    return Call(operands, callee=SymbolRef(name), declared=tuple(v.type for v in callee.outputs))


def _helper(net: Net) -> None:
    """Another function, which the module has not yet."""
    name = net.name()
    while name in net.module.functions or name == "main" or name in net.growing:
        name += "'"
    helper = Net(net.source, net.style, net.module, name, net)
    grow(helper, net.source.integer(0, 2))
    if not helper.values:
        _float(helper)
    helper.finish()
