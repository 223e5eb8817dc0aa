"""Integer layers out of layers between casts: files with Q/DQ pairs, and linear operators of quantized tensors.

    quantize(act(layer(dequantize(x)))) -> layer(x) {act, to}

What is between a cast from integers and one to integers, and has a rule for integers or is a function of single bytes,
computes on the integers; what only moves elements moves bytes. Weights that arrive as numbers behind a cast to integers
are quantized. The rest stays as it is: layers on numbers, with casts as layers of their own.
"""

from __future__ import annotations

import attrs
import numpy as np

from plait.ir.layers.elementwise import Cast
from plait.ir.module import Module
from plait.ir.values import Constant, Value
from plait.passes.base import Pass, PassContext
from plait.passes.quantized.casts import numbers_of
from plait.passes.quantized.movement import (
    matmul_of_weights,
    move_constant,
    raise_cast_to_integers,
    sink_cast_from_integers,
)
from plait.passes.quantized.units import change_parameters, form_unit, quantize_constant
from plait.passes.registry import register_pass
from plait.passes.rewriting import Builder, No, rewrite, rewrite_module

RULES = (
    quantize_constant,
    change_parameters,
    move_constant,
    matmul_of_weights,
    form_unit,
    raise_cast_to_integers,
    sink_cast_from_integers,
)


@rewrite(Cast, quantized=True)
def dequantize_constant(cast: Cast, builder: Builder) -> Value | No:
    """dequantize(@q) -> @c, for what stays on numbers"""
    if not cast.to.is_float or not isinstance(cast.x, Constant):
        return No("it does not read a quantized constant")
    numbers = numbers_of(cast.x, builder.module)
    if numbers is None:
        return No("the data of an operand are not at hand")
    return builder.constant(f"{cast.x.name}.{cast.to}", np.asarray(numbers, cast.to.numpy))


@register_pass
@attrs.frozen
class FormIntegerLayers(Pass):
    """Let layers between casts from and to integers compute on these, and move bytes where elements only move."""

    name = "form-integer-layers"

    def run(self, module: Module, context: PassContext) -> bool:
        formed = rewrite_module(module, RULES, context)
        return rewrite_module(module, (dequantize_constant,), context) or formed
