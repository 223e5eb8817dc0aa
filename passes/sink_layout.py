"""Move transposes to where they cancel or cost least.

f(transpose(x; p), transpose(y; p))    = transpose(f'(x, y); p)
transpose(transpose(x; p); q)          = transpose(x; p[q])
transpose(x; identity)                 = x
fully_connected(reshape(transpose(x; p)), W) = fully_connected(reshape(x), W')     columns of W' in the order of x

f' is f with its axes renamed and its constants permuted: element-wise layers, concat, split, pad, slice, reduce,
softmax, matmul and others (`plait.passes.layout.turned`). Transposes sink or rise: which layers compute on permuted
data is the choice that moves the fewest bytes, and among equal ones the one with the transposes last
(`plait.passes.layout.placement`). A model of channels-last tools, with transposes around each convolution, keeps those
of its inputs and outputs.
"""

from __future__ import annotations

import math

import attrs
import numpy as np

from plait.ir.layer import Layer
from plait.ir.layers.linear import FullyConnected, Matmul
from plait.ir.layers.shape import Reshape, Transpose
from plait.ir.module import Function, Module
from plait.ir.values import Value
from plait.passes.base import Pass, PassContext
from plait.passes.canonical.identities import identity_transpose, transpose_of_transpose
from plait.passes.layout.placement import layers_to_turn, total_cost
from plait.passes.layout.turned import Perm, inverse, moves_nothing, plain
from plait.passes.layout.turning import share_transposes, turn_layers
from plait.passes.registry import register_pass
from plait.passes.rewriting import Builder, No, apply_rewrites, has_one_use, rewrite
from plait.passes.support.constants import constant_data


@rewrite(FullyConnected, Matmul)
def transpose_into_weights(layer: Layer, builder: Builder) -> Layer | No:
    """fully_connected(reshape(transpose(x; p)), W) -> fully_connected(reshape(x), W')"""
    assert isinstance(layer, (FullyConnected, Matmul))
    x, weight = (layer.x, layer.weight) if isinstance(layer, FullyConnected) else (layer.a, layer.b)
    flat = x.owner
    if not isinstance(flat, Reshape) or not isinstance(moved := flat.x.owner, Transpose):
        return No("the operand is not a reshape of a transpose")
    if (data := constant_data(weight)) is None or weight.type.rank != 2:
        return No("the weights are not a constant matrix")
    if x.type.rank != 2 or moved.perm[0] != 0 or x.type.shape[0] != moved.x.type.shape[0]:
        return No("the reshape does not keep the batch and join all other axes")
    if not (has_one_use(x) and has_one_use(moved.result)):
        return No(f"%{moved.result.name} has other uses")
    sizes = [d for d in moved.x.type.shape[1:] if isinstance(d, int)]
    if len(sizes) < moved.x.type.rank - 1:
        return No(f"{moved.x.type} has symbolic dimensions")
    # Column i of the weights belongs to the element order[i] of x.
    order = np.arange(math.prod(sizes)).reshape(sizes).transpose([p - 1 for p in moved.perm[1:]]).reshape(-1)
    place = np.argsort(order)
    straight = builder.layer(Reshape(moved.x, shape=(0, -1)), x.name)
    if isinstance(layer, FullyConnected):
        return attrs.evolve(layer, x=straight, weight=builder.constant(weight.name, data[:, place]))
    return attrs.evolve(layer, a=straight, b=builder.constant(weight.name, data[place]))


@rewrite(Reshape, Transpose, quantized=True)
def views_there_and_back(layer: Layer) -> Value | No:
    """reshape(reshape(x)) -> x if the shape is that of x; so for transposes that only move axes of size 1"""
    inner = layer.operands[0].owner
    if not _is_view(layer) or not isinstance(inner, (Reshape, Transpose)) or not _is_view(inner):
        return No("it is not a reshape of a reshape")
    return inner.x if inner.x.type == layer.results[0].type else No("the shape is another one")


def _is_view(layer: Layer) -> bool:
    """Whether a layer leaves all elements in their order."""
    return isinstance(layer, Reshape) or (isinstance(layer, Transpose) and moves_nothing(layer.x.type, layer.perm))


RULES = (identity_transpose, transpose_of_transpose, views_there_and_back, transpose_into_weights)


@register_pass
@attrs.frozen
class SinkLayout(Pass):
    """Move transposes through layers to where they cancel or move the fewest bytes, as late as possible."""

    name = "sink-layout"

    def run(self, module: Module, context: PassContext) -> bool:
        changed = [_run(f, module, context) for f in module.functions.values()]
        return any(changed)


def _run(function: Function, module: Module, context: PassContext) -> bool:
    changed = _tidy(function, module, context)
    while True:
        before, turned = total_cost(function.body), 0
        for perm in _permutations(function):
            for region in function.body.nest():
                if layers := layers_to_turn(region, perm):
                    turn_layers(region, module, perm, layers)
                    turned += len(layers)
            _tidy(function, module, context)
        context.count("turned", turned)
        changed |= turned > 0
        # Each turn gains something; the comparison is the proof that this ends.
        if not turned or total_cost(function.body) >= before:
            return changed


def _tidy(function: Function, module: Module, context: PassContext) -> bool:
    shared = sum(share_transposes(region) for region in function.body.nest())
    context.count("shared", shared)
    return apply_rewrites(function, module, RULES, context) or shared > 0


def _permutations(function: Function) -> list[Perm]:
    """Permutations by which layers could be turned, in order of appearance."""
    found: dict[Perm, None] = {}
    for layer in function.walk():
        if isinstance(layer, Transpose) and plain(layer.x) and plain(layer.result):
            found |= dict.fromkeys((inverse(layer.perm), layer.perm))
    return list(found)
