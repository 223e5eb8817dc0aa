"""Which layers of a prepared float network will compute on integers, and which of their values share one type.

Convolutions and fully connected layers with constant weights become integer wherever they stand. Arithmetic, pools,
concatenations, tables and movements of data follow where all that they read is quantized already: between layers in
floats they would gain nothing and lose precision. Where costs decide, see `plait.tuning.precision`, every layer with a
rule for integers is a candidate, and `Plan.only` states what was chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

import attrs
import numpy as np

from plait.ir.dtypes import DType
from plait.ir.layer import Layer
from plait.ir.layers.activations import ActivationLayer
from plait.ir.layers.conv import Conv2d
from plait.ir.layers.elementwise import Add, Mul, Sub, Unary
from plait.ir.layers.linear import FullyConnected, Matmul
from plait.ir.layers.pool import AvgPool2d, GlobalAvgPool, MaxPool2d
from plait.ir.layers.reduce import Reduce
from plait.ir.layers.resize import Resize
from plait.ir.layers.shape import Concat, Expand, Gather, Pad, Reshape, Slice, Split, Transpose
from plait.ir.module import Function
from plait.ir.types import TensorType
from plait.ir.values import Constant, Value
from plait.passes.support.constants import constant_data

WEIGHTED = (Conv2d, FullyConnected, Matmul)
"""Layers with weights: what quantization is for."""
MOVING = (Reshape, Transpose, Slice, Split, Gather, Expand)
"""Layers whose result has the type of what they move."""
SHARING = (*MOVING, MaxPool2d, Concat, Pad, Resize)
"""Layers whose results take the type of what they read: their elements are some of those, so bytes are moved."""
FOLLOWING = (*SHARING, Add, Sub, Mul, AvgPool2d, GlobalAvgPool, Reduce, ActivationLayer, Unary)
"""Layers that become integer where what they read is quantized."""


def weight_of(layer: Layer) -> tuple[str, Value, int]:
    """The field of the weights of a layer of `WEIGHTED`, its value, and the axis of the output channels."""
    if isinstance(layer, Matmul):
        return "b", layer.b, layer.b.type.rank - 1
    assert isinstance(layer, (Conv2d, FullyConnected))
    return "weight", layer.weight, 0


def x_of(layer: Layer) -> Value:
    """What a layer of `WEIGHTED` multiplies with its weights."""
    if isinstance(layer, Matmul):
        return layer.a
    assert isinstance(layer, (Conv2d, FullyConnected))
    return layer.x


def data_read(layer: Layer) -> tuple[Value, ...]:
    """The operands of an integer layer that are quantized as values are, constants among them: no weights, biases,
    or positions."""
    if isinstance(layer, WEIGHTED):
        residual = getattr(layer, "residual", None)
        return (x_of(layer),) if residual is None else (x_of(layer), residual)
    if isinstance(layer, Gather):
        return (layer.x,)
    return layer.operands


@attrs.define(eq=False)
class Plan:
    """The decision for one function."""

    function: Function
    integer: dict[Layer, None] = attrs.field(factory=dict)
    """Layers that will be integer, in order."""
    reasons: dict[Layer, str] = attrs.field(factory=dict)
    """Why the others stay in floats."""
    _leader: dict[Value, Value] = attrs.field(factory=dict)

    def values(self) -> list[Value]:
        """Values that will have 8 bits, each once, constants of arithmetic among them."""
        found: dict[Value, None] = {}
        for layer in self.integer:
            found.update(dict.fromkeys((*data_read(layer), *layer.results)))
        return list(found)

    def leader(self, value: Value) -> Value:
        """The value that stands for all that share its type."""
        while (above := self._leader.get(value, value)) is not value:
            value = above
        return value

    def groups(self) -> dict[Value, list[Value]]:
        """All values by what stands for them."""
        found: dict[Value, list[Value]] = {}
        for value in self.values():
            found.setdefault(self.leader(value), []).append(value)
        return found

    def sources(self, group: list[Value]) -> list[Value]:
        """The values of a group whose elements are not taken from others of it."""
        return [v for v in group if not (v.owner in self.integer and isinstance(v.owner, SHARING))]

    def observed(self) -> list[Value]:
        """The values whose numbers decide on types; constants speak for themselves."""
        sources = [v for group in self.groups().values() for v in self.sources(group)]
        return [v for v in sources if not isinstance(v, Constant)]

    def only(self, chosen: Collection[Layer]) -> Plan:
        """The plan in which of these layers alone are integer; values share types as they do in this one."""
        reasons = {layer: "it was not chosen" for layer in self.integer if layer not in chosen} | self.reasons
        integer = dict.fromkeys(layer for layer in self.integer if layer in chosen)
        return Plan(self.function, integer, reasons, self._leader)

    def on(self, function: Function, layers: Mapping[Layer, Layer], values: Mapping[Value, Value]) -> Plan:
        """The same plan for a copy of the function.

        Args:
            layers: those of the function, and their copies.
            values: those of the function and the constants that it reads, and their copies.
        """
        integer = dict.fromkeys(layers[layer] for layer in self.integer)
        reasons = {layers[layer]: reason for layer, reason in self.reasons.items()}
        return Plan(function, integer, reasons, {values[v]: values[w] for v, w in self._leader.items()})

    def share(self, layer: Layer) -> None:
        """Let all that a layer reads and gives have one type."""
        first, *others = (*data_read(layer), *layer.results)
        for other in others:
            self._leader[self.leader(other)] = self.leader(first)


def make_plan(function: Function, kept: Callable[[Layer], bool], *, anywhere: bool = False) -> Plan:
    """Decide for each layer of a prepared function. Layers of nested regions stay in floats.

    Args:
        kept: whether a layer is to stay in floats.
        anywhere: whether layers may follow where what they read is in floats; a cast makes their bytes then.
    """
    plan = Plan(function)
    held: set[Value] | None = None if anywhere else set()
    for layer in function:
        reason = "it is to be kept" if kept(layer) else _why_not(layer, held)
        if reason is not None:
            plan.reasons[layer] = reason
            continue
        plan.integer[layer] = None
        if held is not None:
            held.update((*data_read(layer), *layer.results))
        if isinstance(layer, SHARING):
            plan.share(layer)
    return plan


def _why_not(layer: Layer, held: set[Value] | None) -> str | None:
    """Why a layer stays in floats. `held` are the values of 8 bits so far; None: any value may become one."""
    if not isinstance(layer, (*WEIGHTED, *FOLLOWING)) or (isinstance(layer, Unary) and layer.x.type.rank == 0):
        return f"{layer.op} has no rule for integers"
    for value in (*data_read(layer), *layer.results):
        if not isinstance(value.type, TensorType) or value.type.dtype is not DType.F32:
            return f"%{value.name} is {value.type}"
    if reason := layer.refuse_integers():
        return reason
    if isinstance(layer, WEIGHTED):
        return next(_unknown_weights(layer), None)
    reads = data_read(layer)
    if held is None:
        held = {v for v in reads if not isinstance(v, Constant)}
    if not any(v in held for v in reads):
        return f"%{reads[0].name} is in floats" if reads else "it reads nothing"
    for value in reads:
        if isinstance(value, Constant):
            data = constant_data(value)
            if data is None or not np.isfinite(data).all():
                return f"the elements of @{value.name} are not known, or not finite"
        elif value not in held:
            return f"%{value.name} is in floats"
    if isinstance(layer, Pad) and layer.value:
        return f"it pads with {layer.value}"
    return None


def _unknown_weights(layer: Layer) -> Iterator[str]:
    field, weight, _ = weight_of(layer)
    bias = getattr(layer, "bias", None)
    for what, value in ((field, weight), ("bias", bias)):
        if value is None:
            continue
        data = constant_data(value)
        if data is None:
            yield f"its {what} is computed" if not isinstance(value, Constant) else f"@{value.name} has no data at hand"
        elif data.dtype != np.float32:
            yield f"@{value.name} is {value.type}"
        elif not np.isfinite(data).all():
            yield f"@{value.name} has elements that are not finite"
    if isinstance(layer, Matmul) and weight.type.rank != 2:
        yield "its weights are several matrices"
