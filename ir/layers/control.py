"""Control flow: layers that hold regions, and calls of other functions.

The regions see the values around them. A layer's regions yield what the layer results in, so the types of regions and
results must agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np

from plait.ir.attributes import SymbolRef, optional_dimension, symbol_ref
from plait.ir.diagnostics import ShapeError
from plait.ir.dims import Dimension
from plait.ir.layer import Layer, Scope
from plait.ir.region import Region
from plait.ir.registry import layer
from plait.ir.types import DType, TensorType, Type
from plait.ir.values import Array, Value


@layer("if")
@attrs.define(eq=False)
class If(Layer):
    """The outputs of `then` where `condition` is true, else those of `else`. Only that region is run.

    Operands:
        condition: which region to run.
    Regions:
        then: for true; without arguments.
        else: for false; without arguments.
    Shapes: `condition` is a scalar. Both regions yield values of the same types, in the same order; the results have
        them.
    Types: `condition` bool; those of the outputs are free.
    Example:
        (%flag: bool[], %x: f32[4])
        %y = if(%flag)
          then () -> (%a: f32[4]) {
            %a = relu(%x)
          }
          else () -> (%x: f32[4]) {
          }
    Source: ONNX operator specification, If.
    """

    condition: Value
    then: Region
    else_: Region

    def infer(self) -> tuple[Type, ...]:
        _want_flag(self.condition.type, "condition")
        for name, region in (("then", self.then), ("else", self.else_)):
            if region.arguments:
                raise ShapeError(f"region {name} takes no arguments")
        yes, no = ([v.type for v in region.outputs] for region in (self.then, self.else_))
        if yes != no:
            raise ShapeError(f"then yields ({_show(yes)}) but else yields ({_show(no)})")
        return tuple(yes)

    def execute(self, scope: Scope, *operands: Any) -> tuple[Array, ...]:
        return scope.region(self.then if bool(operands[0]) else self.else_, ())


@layer("loop")
@attrs.define(eq=False)
class Loop(Layer):
    """Runs `body` up to `count` times, as long as the condition holds, handing values from one run to the next.

    Operands:
        count: how often at most.
        condition: whether to run at all.
        initial: the values that the first run is handed.
    Regions:
        body: takes the number of the run (i64[], from 0), the condition (bool[]) and the carried values; yields the
            condition of the next run, the carried values, and any number of values to scan.
    Attributes:
        steps: the number of runs, an integer or a dimension; must be given if there are values to scan.
    Shapes: carried values keep their types from run to run. Results are the last carried values, then for each scanned
        value all of them, stacked along a new first axis of length `steps`.
    Types: `count` i64[], `condition` bool[]; those of carried and scanned values are free.
    Semantics: Without any run the results are the `initial` values, and nothing for scanned ones. Where there
        are scanned values it is an error if the body does not run as often as an integer `steps` says.
    Example:
        const @ten : i64[] = 10
        const @yes : bool[] = true
        (%x: f32[4])
        %last, %rows = loop(@ten, @yes, %x) {steps = 10}
          body (%i: i64[], %go: bool[], %v: f32[4]) -> (%go: bool[], %w: f32[4], %v: f32[4]) {
            %w = add(%v, %x)
          }
    Source: ONNX operator specification, Loop.
    """

    count: Value
    condition: Value
    initial: tuple[Value, ...]
    body: Region
    steps: Dimension | None = attrs.field(default=None, converter=optional_dimension, kw_only=True)

    def infer(self) -> tuple[Type, ...]:
        if self.count.type != TensorType(DType.I64, ()):
            raise ShapeError(f"count must be i64[], got {self.count.type}")
        _want_flag(self.condition.type, "condition")
        carried = [v.type for v in self.initial]
        takes = [v.type for v in self.body.arguments]
        if takes != [self.count.type, self.condition.type, *carried]:
            raise ShapeError(f"body takes ({_show(takes)}) but is given (i64[], bool[]{_show(carried, ', ')})")
        yields = [v.type for v in self.body.outputs]
        if yields[: 1 + len(carried)] != [self.condition.type, *carried]:
            raise ShapeError(f"body yields ({_show(yields)}), which does not start with (bool[]{_show(carried, ', ')})")
        scanned = yields[1 + len(carried) :]
        if not scanned:
            return tuple(carried)
        if self.steps is None:
            raise ShapeError("steps must be given, as the body yields values to scan")
        return (*carried, *(TensorType(t.dtype, (self.steps, *t.shape)) for t in scanned))

    def execute(self, scope: Scope, *operands: Any) -> tuple[Array, ...]:
        count, go, *carried = operands
        scanned: list[list[Array]] = [[] for _ in self.body.outputs[1 + len(carried) :]]
        step = 0
        while step < int(count) and bool(go):
            outputs = scope.region(self.body, (np.asarray(step, np.int64), go, *carried))
            go, carried = outputs[0], list(outputs[1 : 1 + len(carried)])
            for rows, value in zip(scanned, outputs[1 + len(carried) :], strict=True):
                rows.append(value)
            step += 1
        if scanned and isinstance(self.steps, int) and step != self.steps:
            raise ValueError(f"the loop ran {step} times but steps = {self.steps}")
        empty = [v.type for v in self.body.outputs[1 + len(carried) :]]
        return (*carried, *(_stack(rows, t) for rows, t in zip(scanned, empty, strict=True)))


@layer("call")
@attrs.define(eq=False)
class Call(Layer):
    """The outputs of another function of the module, applied to the operands.

    Operands:
        arguments: as many as the function takes, of the types that it takes.
    Attributes:
        callee: the function. Functions do not call themselves, directly or through others.
    Shapes: those of the arguments and outputs of the function, symbols and layouts included.
    Types: those of the arguments and outputs of the function. The types of the results must be written.
    Example:
        net @double(%x: f32[4]) -> (%y: f32[4]) {
          %y = add(%x, %x)
        }
        (%x: f32[4])
        %y = call(%x) {callee = @double} : f32[4]
    Source: ONNX intermediate representation specification, model-local functions.
    """

    declares_types = True

    arguments: tuple[Value, ...]
    callee: SymbolRef = attrs.field(converter=symbol_ref, kw_only=True)

    def execute(self, scope: Scope, *operands: Any) -> tuple[Array, ...]:
        return scope.net(self.callee.name, operands)


def _stack(rows: Sequence[Array], type: Type) -> Array:
    return np.stack(rows) if rows else np.empty((0, *type.static_shape), type.dtype.numpy)


def _want_flag(type: Type, what: str) -> None:
    if type != TensorType(DType.BOOL, ()):
        raise ShapeError(f"{what} must be bool[], got {type}")


def _show(types: Sequence[Type], before: str = "") -> str:
    return "".join(f"{before or (', ' if i else '')}{t}" for i, t in enumerate(types))
