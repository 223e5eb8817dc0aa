"""Store weights in fewer bits, and compute as before.

fully_connected(x, @w): f32   ->   fully_connected(x, @w'): f32   with @w' of 16-bit floats, or of bytes with scales

Layers that read each weight once take the time of reading them from memory: half the bytes, half the time. Activations,
sums and results stay what they are.
"""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from plait.ir.casting import cast_array
from plait.ir.dtypes import Array, ConstantName, Quantized
from plait.ir.layer import Layer
from plait.ir.module import Module
from plait.ir.registry import layer_class
from plait.ir.types import DType, TensorType
from plait.ir.values import Constant
from plait.passes.base import Pass, PassContext, Refusal
from plait.passes.options import matches, words
from plait.passes.quantize.weights import quantize_weights
from plait.passes.registry import register_pass
from plait.passes.support.constants import constant_data

TARGETS = {"bf16": DType.BF16, "f16": DType.F16, "q8": DType.I8}


def _target(value: Any) -> str:
    if (name := str(value)) not in TARGETS:
        raise ValueError(f"wants {', '.join(TARGETS)}, got {value}")
    return name


def _kinds(value: Any) -> tuple[str, ...]:
    found = words(value)
    for kind in found:
        cls = layer_class(kind)
        if cls is None or not cls.stored_operands:
            raise ValueError(f"{kind} is no layer whose weights may be stored in other types than it computes in")
    return found


@register_pass
@attrs.frozen
class StoreWeights(Pass):
    """Store constant f32 weights in fewer bits, while layers go on to compute in f32.

    Options: `to`, the type they are stored in: `bf16` or `f16`, rounded to nearest, or `q8`, bytes with a scale for
    each output; `layers`, the kinds of layers; `keep`, patterns (`*`, `?`) of the names of results of layers that stay
    as they are.

    Results change as weights are rounded: by 2^-9 of a weight at most in bf16, by 2^-12 in f16, and in q8 by 2^-8 of
    the largest weight of a row.
    """

    name = "store-weights"

    to: str = attrs.field(default="bf16", converter=_target)
    layers: tuple[str, ...] = attrs.field(default=("fully_connected",), converter=_kinds)
    keep: tuple[str, ...] = attrs.field(default=(), converter=words)

    def run(self, module: Module, context: PassContext) -> bool:
        made: dict[Constant, Constant] = {}
        changed = 0
        for layer in module.walk():
            if layer.op not in self.layers:
                continue
            for field in sorted(layer.stored_operands):
                if reason := self._store(module, layer, field, made):
                    place = (context.current, "store", layer.describe(), reason, layer.locations)
                    context.refuse(Refusal(*place))
                else:
                    changed += 1
        module.drop_unused_constants()
        context.count("weights", changed)
        return changed > 0

    def _store(self, module: Module, layer: Layer, field: str, made: dict[Constant, Constant]) -> str | None:
        """Change a layer, or say why not."""
        weight = getattr(layer, field)
        if matches(self.keep, *(r.name for r in layer.results)):
            return "it is to be kept"
        if not isinstance(weight, Constant) or weight.type.dtype is not DType.F32:
            return f"{field} is no constant of f32"
        if layer.results[0].type.dtype is not DType.F32:
            return f"the result is {layer.results[0].type.dtype}"
        if weight not in made:
            data = constant_data(weight)
            if data is None:
                return f"the data of @{weight.name} are not at hand"
            if not np.isfinite(self._rounded(data).astype(np.float64)).all():
                return f"@{weight.name} has numbers that {self.to} does not hold"
            made[weight] = self._adopt(module, weight, data)
        assert layer.region is not None
        layer.region.set_operand(layer, field, made[weight])
        layer.via = layer.cost_us = None
        return None

    def _rounded(self, data: Array) -> Array:
        return data if self.to == "q8" else cast_array(data, TARGETS[self.to])

    def _adopt(self, module: Module, weight: Constant, data: Array) -> Constant:
        name = module.free_name(f"{weight.name}.{self.to}")
        if self.to != "q8":
            return module.adopt(Constant(name, np.asarray(self._rounded(data), order="C")))
        found = quantize_weights(data, 1.0)
        scale = module.add_constant(f"{weight.name}.scale", found.scale)
        type = TensorType(Quantized(DType.I8, ConstantName(scale.name), 0, 0), data.shape)
        return module.adopt(Constant(name, np.asarray(found.stored, order="C"), type=type))
