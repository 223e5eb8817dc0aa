"""Trying a change on a copy of a module: what it leaves unused is swept, types are inferred anew, all is verified."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from plait.ir.layer import Layer
from plait.ir.module import Module
from plait.ir.types import TensorType, Type
from plait.ir.values import Array, Constant, Value
from plait.ir.verify import diagnose
from plait.passes.reduce.fit import MISFITS, fit
from plait.passes.reduce.size import shape_of
from plait.passes.reduce.walk import callee_of, layers_of, regions_of
from plait.passes.support.regions import inner_first

Change = Callable[[Module], bool]
"""Alters a module in place; false if it does not apply. It may leave types behind that do not fit together."""


def edited(module: Module, change: Change) -> Module | None:
    """A changed copy, or None where the change does not apply or gives no valid module.

    Layers and constants that lose their last reader are removed; those that had none before stay, since they may be
    what the failure is about.
    """
    copy = module.clone()
    used = [layer for layer in layers_of(copy) if any(r.users for r in layer.results)]
    read = [c for c in copy.constants.values() if c.users]
    types = {c: c.type for c in copy.constants.values()}
    try:
        if not change(copy):
            return None
        _sweep(copy, used, read)
        _infer(copy)
        _resize_constants(copy, types)
    except MISFITS:
        return None
    # `N-3` may have become negative, or empty, by which failures are rather hidden than shown.
    if _least_size(copy) < min(1, _least_size(module)) or diagnose(copy, allow_unknown=True):
        return None
    return copy


def _least_size(module: Module) -> int:
    """The smallest dimension of arguments and results."""
    values = [a for region in regions_of(module) for a in region.arguments]
    values += [r for layer in layers_of(module) for r in layer.results]
    return min((d for v in values for d in shape_of(v) if isinstance(d, int)), default=1)


def replace_constant(module: Module, old: Constant, new: Constant) -> None:
    """Put a constant in the place of another, under its name."""
    new.name = old.name
    # Assigned rather than adopted: the order of constants stays.
    module.constants[old.name] = new
    if old.users:
        next(iter(regions_of(module))).replace_uses(old, new)


def drop_function(module: Module, name: str) -> None:
    """Remove a function, and what it reads is read no more."""
    function = module.functions[name]
    function.set_outputs([])
    for layer in reversed(list(inner_first(function.body))):
        for result in layer.results:
            result.users.clear()
        if layer.region is not None:
            layer.region.remove(layer)
    del module.functions[name]


def _sweep(module: Module, used: list[Layer], read: list[Constant]) -> None:
    """Remove layers that were used, and constants that were read, and are no more."""
    for layer in reversed(used):
        if layer.region is not None and not any(r.users for r in layer.results):
            layer.region.remove(layer)
    for constant in read:
        if not constant.users and module.constants.get(constant.name) is constant:
            del module.constants[constant.name]


def _infer(module: Module) -> None:
    """Result types from operands, constants and attributes fitted where they have to.

    Raises:
        ShapeError, or another of `MISFITS`: a layer cannot be made to fit.
    """
    # Types go along calls from caller to callee and back.
    for _ in module.functions:
        _infer_layers(module)


def _infer_layers(module: Module) -> None:
    layers = list(layers_of(module))
    restarts, i = len(layers) + 10, 0
    while i < len(layers):
        layer = layers[i]
        _enter(layer)
        _call(module, layer)
        try:
            types = layer.result_types()
        except MISFITS:
            restarts -= 1
            if restarts < 0 or not fit(layer):
                raise
            # What was fitted may be read by layers before this one too.
            i = 0
            continue
        for result, inferred in zip(layer.results, types, strict=True):
            _set_type(result, inferred)
        i += 1


def _enter(layer: Layer) -> None:
    """Before the first layer of a nested region, and before the layer that holds it (the region may be empty): give the
    arguments of the region the types of the operands, where there is one for each."""
    holders = [layer]
    if layer.region is not None and layer.region.first is layer and isinstance(layer.region.owner, Layer):
        holders.append(layer.region.owner)
    for holder in holders:
        for region in holder.regions():
            if len(region.arguments) == len(holder.operands):
                for argument, operand in zip(region.arguments, holder.operands, strict=True):
                    argument.type = operand.type


def _call(module: Module, layer: Layer) -> None:
    """Let a called function take the types of the operands, and the call give those of its outputs."""
    callee = callee_of(module, layer)
    if callee is not None and len(callee.arguments) == len(layer.operands):
        for argument, operand in zip(callee.arguments, layer.operands, strict=True):
            argument.type = operand.type
        layer.declared = tuple(v.type for v in callee.outputs)


def _set_type(result: Value, inferred: Type) -> None:
    old = result.type
    if isinstance(old, TensorType) and isinstance(inferred, TensorType) and old.rank == inferred.rank:
        # The format is a choice, not a consequence.
        inferred = inferred.placed_like(old)
    result.type = inferred


def _resize_constants(module: Module, types: dict[Constant, TensorType]) -> None:
    for old, type in types.items():
        if old.type == type or module.constants.get(old.name) is not old:
            continue
        load = partial(_resized_data, old, old.type.static_shape)
        replace_constant(module, old, Constant(old.name, type=old.type, load=load))


def _resized_data(constant: Constant, shape: tuple[int, ...]) -> Array:
    return resized(constant.data, shape)


def resized(data: Array, shape: tuple[int, ...]) -> Array:
    """The first elements along each axis; where there are too few, they repeat."""
    if data.ndim != len(shape):
        return np.resize(data, shape)
    for axis, size in enumerate(shape):
        data = data.take(range(size), axis=axis, mode="wrap") if data.shape[axis] != size else data
    return np.array(data, order="C")
