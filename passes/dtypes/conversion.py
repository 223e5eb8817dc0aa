"""The conversion of a module from f32 to another floating-point type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np

from plait.ir.casting import cast_array
from plait.ir.diagnostics import ShapeError
from plait.ir.layer import Layer, OpaqueLayer
from plait.ir.layers.control import Call
from plait.ir.layers.elementwise import Adapt, Cast
from plait.ir.layers.shape import ShapeOf
from plait.ir.module import Function, Module
from plait.ir.region import Region
from plait.ir.types import DType, TensorType, Type
from plait.ir.values import Constant, Value
from plait.passes.base import PassContext, Refusal
from plait.passes.support.constants import constant_data
from plait.passes.support.locations import merge_locations


class Refused(Exception):
    """Why a layer stays as it is."""


class Conversion:
    """The state of one conversion: which values exist in the new type."""

    def __init__(self, module: Module, context: PassContext, to: DType, kept: Callable[[Layer], bool]) -> None:
        self.module, self.context, self.to, self.kept = module, context, to, kept
        self.new: dict[Value, Value] = {}
        """f32 value -> the same in the new type: exactly (`exact`), or rounded by a cast."""
        self.exact: set[Value] = set()
        self.homes: dict[Value, Region] = {}
        self.made: list[Cast] = []
        self.converted = 0

    def run(self, *, convert_io: bool) -> bool:
        """Convert all functions; returns whether anything changed."""
        changed = False
        called = {layer.callee.name for layer in self.module.walk() if isinstance(layer, Call)}
        for function in self.module.functions.values():
            own = convert_io and function.name not in called
            if own:
                changed |= self.convert_arguments(function)
            self.region(function.body)
            if own:
                changed |= self.convert_outputs(function)
        for cast in reversed(self.made):
            if cast.region is not None and not cast.result.users:
                cast.region.remove(cast)
        self.context.count("layers", self.converted)
        return changed or self.converted > 0

    def region(self, region: Region) -> None:
        """Convert the layers of a region and of those in it."""
        self.homes.update((argument, region) for argument in region.arguments)
        for layer in list(region):
            for inner in layer.regions():
                self.region(inner)
            if not _is_concerned(layer) or self.is_border(layer):
                continue
            try:
                self.layer(layer)
            except Refused as why:
                place = (self.context.current, "convert", layer.describe(), str(why), layer.locations)
                self.context.refuse(Refusal(*place))

    def is_border(self, layer: Layer) -> bool:
        """Note casts from the new type to f32, which are exact."""
        if not isinstance(layer, Cast):
            return False
        if layer.x.type.dtype is self.to and layer.to is DType.F32:
            if self.to is not DType.F64:
                self.new[layer.result] = layer.x
                self.exact.add(layer.result)
            if layer.result.users:
                self.made.append(layer)
            return True
        # The reverse, made by an earlier run.
        return layer.to is self.to and layer.x not in self.exact

    def layer(self, layer: Layer) -> None:
        """Put the converted layer in the place of one.

        Raises:
            Refused: it stays as it is.
        """
        self.check(layer)
        mapping = {v: self.get(v) for v in layer.operands if _is_f32(v.type)}
        named = [a.name for a in layer.spec.attributes if getattr(layer, a.name) is DType.F32]
        attributes: dict[str, Any] = dict.fromkeys(named, self.to)
        new = attrs.evolve(layer.with_operands(mapping), **attributes, via=None, cost_us=None)
        try:
            types = new.result_types()
        except ShapeError as error:
            raise Refused(f"{layer.op} does not take {self.to}: {error}") from None
        wanted = [_with_dtype(r.type, self.to) if _is_f32(r.type) else r.type for r in layer.results]
        if not all(a.same_logical(b) for a, b in zip(types, wanted, strict=True)):
            raise Refused(f"{layer.op} gives {types[0]} for {self.to}")
        assert layer.region is not None
        placed = [t.placed_like(r.type) for t, r in zip(types, layer.results, strict=True)]
        layer.region.insert(new, layer, [r.name for r in layer.results], placed)
        wides = []
        for old, result in zip(layer.results, new.results, strict=True):
            if _is_f32(old.type):
                wides.append(self.back(result, layer))
            layer.region.replace_uses(old, wides[-1] if _is_f32(old.type) else result)
        layer.region.remove(layer)
        self.drop_constants(layer.operands)
        self.drop_identity(new, wides)
        self.converted += 1

    def check(self, layer: Layer) -> None:
        if self.kept(layer):
            raise Refused("it is to be kept")
        if isinstance(layer, (OpaqueLayer, Adapt)) or layer.regions() or layer.declares_types:
            raise Refused(f"{layer.op} is not converted")
        for value in (*layer.operands, *layer.results):
            if not isinstance(value.type, TensorType) and any(t.dtype is DType.F32 for t in value.type.tensors()):
                raise Refused(f"%{value.name} is {value.type}")
        gives = any(_is_f32(r.type) for r in layer.results)
        rounded = [v for v in layer.operands if _is_f32(v.type) and v not in self.exact and not isinstance(v, Constant)]
        if rounded and (not gives or isinstance(layer, (Cast, ShapeOf))):
            raise Refused(f"%{rounded[0].name} would be rounded in vain")
        for value in layer.operands:
            if isinstance(value, Constant) and _is_f32(value.type):
                self.check_constant(value)

    def check_constant(self, constant: Constant) -> None:
        data = constant_data(constant)
        if data is None:
            raise Refused(f"the data of @{constant.name} are not at hand")
        new = cast_array(data, self.to).astype(np.float64)
        if not np.array_equal(np.isfinite(new), np.isfinite(data)):
            largest = float(np.abs(data[np.isfinite(data)]).max())
            raise Refused(f"@{constant.name} has {largest}, too much for {self.to}")
        if data.size == 1 and data.any() and not new.any():
            raise Refused(f"@{constant.name} is {float(data.reshape(()))}, which becomes 0 in {self.to}")

    def get(self, value: Value) -> Value:
        """An f32 value in the new type."""
        if value not in self.new:
            self.new[value] = self.convert_constant(value) if isinstance(value, Constant) else self.cast(value)
        return self.new[value]

    def convert_constant(self, constant: Constant) -> Constant:
        return self.module.add_constant(constant.name, cast_array(constant.data, self.to))

    def cast(self, value: Value) -> Value:
        """Cast a value where it is defined, so that all its readers can have the result."""
        owner = value.owner
        region = owner.region if owner is not None else self.homes[value]
        assert region is not None
        cast = Cast(value, to=self.to)
        before = region.first if owner is None else owner.next
        region.insert(cast, before, (f"{value.name}.{self.to}",), [_with_dtype(value.type, self.to)])
        self.made.append(cast)
        return cast.result

    def back(self, value: Value, before: Layer) -> Value:
        """The f32 form of a converted result."""
        cast = Cast(value, to=DType.F32)
        assert before.region is not None
        before.region.insert(cast, before, (f"{value.name}.f32",), [_with_dtype(value.type, DType.F32)])
        self.made.append(cast)
        self.new[cast.result] = value
        self.exact.add(cast.result)
        return cast.result

    def drop_identity(self, layer: Layer, wides: Sequence[Value]) -> None:
        """Remove a cast of the original model that has nothing left to do. `wides` are the f32 forms of its result."""
        if not isinstance(layer, Cast) or layer.x.type != layer.result.type or isinstance(layer.x, Constant):
            return
        assert layer.region is not None
        for wide in wides:
            self.new[wide] = layer.x
        layer.region.replace_uses(layer.result, layer.x)
        layer.region.remove(layer)
        if layer.x.owner is not None:
            merge_locations(layer.x.owner, layer)

    def drop_constants(self, values: Sequence[Value]) -> None:
        """Remove constants that nothing reads any more; their successors take over the names."""
        for old in values:
            new = self.new.get(old)
            if isinstance(old, Constant) and isinstance(new, Constant) and not old.users:
                if self.module.constants.get(old.name) is not old:
                    continue
                del self.module.constants[old.name], self.module.constants[new.name]
                new.name = old.name
                self.module.adopt(new)

    def convert_arguments(self, function: Function) -> bool:
        """Give the arguments of a function the new type."""
        changed = False
        for argument in function.arguments:
            if not _is_f32(argument.type):
                continue
            wide, region = argument.type, function.body
            argument.type = _with_dtype(wide, self.to)
            cast = Cast(argument, to=DType.F32)
            readers = list(argument.users)
            region.insert(cast, region.first, (f"{argument.name}.f32",), [wide])
            if readers:
                region.replace_uses(argument, cast.result)
                region.set_operand(cast, "x", argument)
            self.made.append(cast)
            self.new[cast.result] = argument
            self.exact.add(cast.result)
            changed = True
        return changed

    def convert_outputs(self, function: Function) -> bool:
        """Let a function yield the new type."""
        outputs = [self.get(v) if _is_f32(v.type) and self.fits(v) else v for v in function.outputs]
        before = function.outputs
        if outputs == list(before):
            return False
        function.body.outputs = outputs
        self.drop_constants(before)
        for old, name in zip(outputs, function.output_names, strict=True):
            if isinstance(old.owner, Cast) and old.owner in self.made:
                old.name = name
        return True

    def fits(self, value: Value) -> bool:
        if not isinstance(value, Constant):
            return True
        try:
            self.check_constant(value)
        except Refused:
            return False
        return True


def _is_concerned(layer: Layer) -> bool:
    return any(t.dtype is DType.F32 for v in (*layer.operands, *layer.results) for t in v.type.tensors())


def _is_f32(type: Type) -> bool:
    return isinstance(type, TensorType) and type.dtype is DType.F32


def _with_dtype(type: Type, dtype: DType) -> TensorType:
    assert isinstance(type, TensorType)
    return attrs.evolve(type, dtype=dtype)
