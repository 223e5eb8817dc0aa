"""The rewriter: from a plan and types to a module whose layers compute on integers.

    conv2d(%x, @w, @b)   ->   conv2d(%x.q, @w, @b) {to = qu8<...>}    with @w of q8, @b of q32 at the scale of products

Casts stand where values leave or enter the part of the network that is quantized.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np

from plait.ir.dtypes import Array, ConstantName, DType, Quantized
from plait.ir.layer import Layer
from plait.ir.layers.elementwise import Cast
from plait.ir.module import Module
from plait.ir.quantization import quantize
from plait.ir.types import TensorType
from plait.ir.values import Constant, Value
from plait.passes.quantize.plan import MOVING, WEIGHTED, Plan, data_read, weight_of, x_of
from plait.passes.quantize.weights import QuantizedWeights, bias_scale, quantize_bias, quantize_weights


def quantize_layers(
    module: Module,
    plan: Plan,
    types: Mapping[Value, Quantized],
    corrections: Mapping[Layer, Array] | None = None,
    weights: Mapping[Layer, QuantizedWeights] | None = None,
) -> dict[Value, Value]:
    """Make the layers of a plan integer, in place.

    Args:
        types: of every value that the plan has.
        corrections: f32[O] for layers with weights: what is added to their biases.
        weights: the integers of layers, where each weight is not to be rounded by itself.

    Returns:
        For each value of `plan.values()` that is no constant, the value of 8 bits that took its place.
    """
    conversion = _Conversion(module, types, corrections or {}, weights or {})
    for layer in plan.integer:
        conversion.layer(layer)
    conversion.leave()
    return conversion.stored


class _Conversion:
    def __init__(
        self,
        module: Module,
        types: Mapping[Value, Quantized],
        corrections: Mapping[Layer, Array],
        fitted: Mapping[Layer, QuantizedWeights],
    ) -> None:
        self.module, self.types, self.corrections, self.fitted = module, types, corrections, fitted
        self.body = module.main.body
        self.stored: dict[Value, Value] = {}
        self.constants: dict[tuple[Constant, Quantized], Constant] = {}
        self.names: dict[Constant, str] = {}
        """New constants and the names of those that they stand for, which may become free."""

    def layer(self, layer: Layer) -> None:
        """Put the integer layer beside one, which stays until all is done: others may read its result in floats."""
        mapping = {value: self.get(value, layer) for value in data_read(layer)}
        changes: dict[str, Any] = {"via": None, "cost_us": None}
        if isinstance(layer, WEIGHTED):
            changes.update(self.weights(layer))
        new = attrs.evolve(layer.with_operands(mapping), **changes)
        if not isinstance(layer, MOVING):
            wanted = self.types[layer.result]
            if new.operands[0].type.dtype != wanted:
                new = attrs.evolve(new, to=wanted)  # type: ignore[call-arg]
        self.body.insert(new, layer, [r.name for r in layer.results])
        self.stored.update(zip(layer.results, new.results, strict=True))

    def get(self, value: Value, reader: Layer) -> Value:
        """A value of 8 bits for one in floats; made where it is defined, so that all can read it."""
        if isinstance(value, Constant):
            return self.constant(value)
        if value not in self.stored:
            # What computes the value was not to be integer, or it would be stored.
            cast = Cast(value, to=self.types[value], explicit=value.owner is not None)
            before = self.body.first if value.owner is None else value.owner.next
            self.body.insert(cast, before, (f"{value.name}.q",))
            self.stored[value] = cast.result
        return self.stored[value]

    def constant(self, value: Constant) -> Constant:
        dtype = self.types[value]
        if (value, dtype) not in self.constants:
            data = quantize(value.data, dtype, lambda name: self.module.constants[name].data)
            self.constants[value, dtype] = self.adopt(value.name, data, dtype)
        return self.constants[value, dtype]

    def adopt(self, name: str, data: Array, dtype: Quantized) -> Constant:
        type = TensorType(dtype, data.shape)
        made = Constant(self.module.free_name(f"{name}.q"), np.asarray(data, order="C"), type=type)
        self.names[made] = name
        return self.module.adopt(made)

    def weights(self, layer: Layer) -> dict[str, Any]:
        """Weights and bias of a layer as integers."""
        field, weight, axis = weight_of(layer)
        assert isinstance(weight, Constant)
        x_type = self.types[x_of(layer)]
        assert isinstance(x_type.scale, float)
        bias = self.bias(layer)
        found = self.fitted.get(layer) or quantize_weights(weight.data, x_type.scale, bias, axis)
        scale = self.module.add_constant(f"{weight.name}.scale", found.scale)
        dtype = Quantized(DType.I8, ConstantName(scale.name), 0, axis)
        changes: dict[str, Any] = {field: self.adopt(weight.name, found.stored, dtype)}
        if bias is not None:
            name = f"{weight.name}.bias" if (old := getattr(layer, "bias", None)) is None else old.name
            steps = self.module.add_constant(f"{name}.scale", bias_scale(x_type.scale, found.scale))
            dtype = Quantized(DType.I32, ConstantName(steps.name), 0, 0)
            changes["bias"] = self.adopt(name, quantize_bias(bias, x_type.scale, found.scale), dtype)
        return changes

    def bias(self, layer: Layer) -> Array | None:
        """The bias of a layer with its correction."""
        value = getattr(layer, "bias", None)
        bias = value.data if isinstance(value, Constant) else None
        correction = self.corrections.get(layer)
        if correction is None or "bias" not in {o.name for o in layer.spec.operands}:
            return bias
        return np.asarray(correction if bias is None else bias + correction, np.float32)

    def leave(self) -> None:
        """Remove the layers in floats, whose results are cast from integers where others read them."""
        replaced = {value: new for value, new in self.stored.items() if not isinstance(new.owner, Cast)}
        old = list(dict.fromkeys(value.owner for value in replaced))
        for layer in reversed(old):
            assert layer is not None
            for value in layer.results:
                if not value.users:
                    continue
                new = replaced[value]
                assert new.owner is not None
                cast = Cast(new, to=DType.F32)
                self.body.insert(cast, new.owner.next, (f"{value.name}.f32",))
                self.body.replace_uses(value, cast.result)
            self.body.remove(layer)
        self.module.drop_unused_constants()
        for constant, name in self.names.items():
            if name not in self.module.constants:
                del self.module.constants[constant.name]
                constant.name = name
                self.module.adopt(constant)
