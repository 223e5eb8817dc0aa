"""Node units: numbers of integers, a layer on numbers, an activation that is a bound, and integers again.

quantize(act(layer(dequantize(x)))) = layer(x) {act, to}
"""

from __future__ import annotations

import attrs
import numpy as np

from plait.ir.activation import BOUNDS, Activation
from plait.ir.diagnostics import ShapeError
from plait.ir.dtypes import DType, Quantized
from plait.ir.layer import Layer
from plait.ir.layers.activations import ActivationLayer
from plait.ir.layers.conv import Conv2d
from plait.ir.layers.elementwise import Add, Binary, Cast, Mul, Sub, Unary
from plait.ir.layers.linear import FullyConnected
from plait.ir.layers.shape import Concat
from plait.ir.module import Module
from plait.ir.quantization import why_not_integer
from plait.ir.types import TensorType
from plait.ir.values import Constant, Value, scalar
from plait.passes.quantized.casts import integers_of, numbers_of, per_tensor, quantized, scales, source, target
from plait.passes.rewriting import Builder, No, has_one_use, rewrite
from plait.passes.support.constants import constant_data

_BOUNDED = (Conv2d, FullyConnected, Add, Sub, Mul)
_LAST_BITS = 1e-6


@rewrite(Cast, quantized=True)
def form_unit(cast: Cast, builder: Builder) -> Layer | No:
    """quantize(act(layer(dequantize(x)))) -> layer(x) {act, to}"""
    to = target(cast)
    if to is None:
        return No("it does not quantize numbers")
    found = _layer_and_bound(cast.x)
    if isinstance(found, No):
        return found
    layer, act = found
    made = _on_integers(layer)
    if isinstance(made, No):
        return made
    if reason := _refusal(made, to):
        return No(reason)
    if (bias := getattr(made, "bias", None)) is not None:
        made = attrs.evolve(made, bias=_bias(made, bias, builder))  # type: ignore[call-arg]
    # What is concatenated may be of several types.
    decisive = made.operands if isinstance(made, Concat) else made.operands[:1]
    kept = all(value.type.dtype == to for value in decisive)
    made = attrs.evolve(made, to=None if kept else to)  # type: ignore[call-arg]
    return made if act is None else attrs.evolve(made, act=act)  # type: ignore[call-arg]


def why_not_formed(cast: Cast) -> str:
    """Why the layer whose numbers a cast quantizes does not compute on integers; to be asked after the rewrite."""
    to, found = target(cast), _layer_and_bound(cast.x)
    if to is None or isinstance(found, No):
        return found.reason if isinstance(found, No) else "its result is not quantized"
    made = _on_integers(found[0])
    return made.reason if isinstance(made, No) else _refusal(made, to) or "the data of a constant are not at hand"


def _layer_and_bound(value: Value) -> tuple[Layer, Activation | None] | No:
    """The layer that makes a value, and the activation behind it that it can apply itself (None: it stays)."""
    layer = value.owner
    if layer is None:
        return No(f"%{value.name} is made by no layer")
    if not has_one_use(value):
        return No(f"%{value.name} is read as numbers elsewhere")
    if isinstance(layer, ActivationLayer) and source(layer.x) is None:
        inner = layer.x.owner
        if not isinstance(inner, _BOUNDED):
            return No(_unknown(layer.x))
        if not has_one_use(layer.x):
            return No(f"%{layer.x.name} is read as numbers elsewhere")
        act = layer.activation()
        if inner.act or act.kind not in BOUNDS:
            return No(f"{act} is no bound, and there are no integers between it and {inner.op}")
        return inner, act
    if isinstance(layer, _BOUNDED) and layer.act.kind not in BOUNDS:
        return No(f"{layer.act} is no bound, and there are no integers between it and {layer.op}")
    if not hasattr(layer, "to") or isinstance(layer, Cast):
        return No(_unknown(value))
    return layer, None


def _unknown(value: Value) -> str:
    return f"{value.owner.op} has no rule for integers" if value.owner else f"%{value.name} is an input of numbers"


def _on_integers(layer: Layer) -> Layer | No:
    """A detached copy of a layer that reads the integers behind its operands."""
    mapping: dict[Value, Value] = {}
    for name, value in layer.named_operands():
        found = source(value)
        if name == "bias" and not isinstance(value, Constant) and not isinstance(found, Constant):
            return No(f"the bias, %{value.name}, is computed at run time")
        if found is not None:
            mapping[value] = found
        elif name != "bias" and not (isinstance(layer, Binary) and scalar(value) is not None):
            return No(f"{name}, %{value.name}, is not quantized")
    return layer.with_operands(mapping)


def _bias(layer: Layer, bias: Constant, builder: Builder) -> Value:
    """The bias beside integers: of 32 bits with the scale of the products, or numbers."""
    if quantized(bias) is None or _has_scale_of_products(layer, bias, builder.module):
        return bias
    numbers = numbers_of(bias, builder.module)
    return bias if numbers is None else builder.constant(f"{bias.name}.f32", numbers.astype(np.float32))


def _has_scale_of_products(layer: Layer, bias: Constant, module: Module) -> bool:
    operands, dtype = dict(layer.named_operands()), quantized(bias)
    types = [quantized(operands[name]) for name in ("x", "weight")]
    if dtype is None or dtype.storage is not DType.I32 or dtype.zero != 0:
        return False
    own, *found = [None if t is None else scales(t, module) for t in (dtype, *types)]
    if own is None or found[0] is None or found[1] is None:
        return False
    wanted = np.broadcast_to(found[0] * found[1], bias.type.static_shape)
    return bool(np.allclose(own, wanted, rtol=_LAST_BITS, atol=0))


def _is_table(layer: Layer) -> bool:
    """Whether the result is a function of single elements of 8 bits: 256 numbers say all of it."""
    stored = [v for v in layer.operands if quantized(v) is not None]
    return (
        isinstance(layer, (ActivationLayer, Unary, Binary))
        and len(stored) == 1
        and per_tensor(stored[0])
        and stored[0].type.dtype.bits == 8
        and all(scalar(v) is not None for v in layer.operands if v is not stored[0])
    )


def _refusal(layer: Layer, to: Quantized) -> str | None:
    """Why a layer that reads integers cannot yield others, or None if it can."""
    if to.axis is not None:
        return f"the result has several scales: {to}"
    made = attrs.evolve(layer, to=to)  # type: ignore[call-arg]
    try:
        made.result_types()
    except ShapeError as error:
        return str(error)
    return None if _is_table(layer) else why_not_integer(made, to)


@rewrite(Cast, quantized=True)
def change_parameters(cast: Cast) -> Layer | Value | No:
    """quantize(dequantize(x)) -> x, or cast(x) to the other scale"""
    stored = source(cast.x)
    if target(cast) is None or stored is None:
        return No("it does not quantize the numbers of integers")
    return stored if stored.type.dtype == cast.to else Cast(stored, to=cast.to)


@rewrite(Cast, quantized=True)
def quantize_constant(cast: Cast, builder: Builder) -> Value | No:
    """quantize(@c) -> @q"""
    to = target(cast)
    if to is None or not isinstance(cast.x, Constant):
        return No("it does not quantize a constant")
    data = constant_data(cast.x)
    if data is None or any(name not in builder.module.constants for name in to.constant_names()):
        return No("the data of an operand are not at hand")
    stored = integers_of(data, to, builder.module)
    return builder.constant(f"{cast.x.name}.{to.storage}", stored, TensorType(to, cast.x.type.shape))
