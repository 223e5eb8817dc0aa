"""The reference backend: one routine for each kind of layer, computed by the layer's own NumPy semantics.

Always legal, never fast.
"""

from __future__ import annotations

from plait.backends.effort import Effort
from plait.backends.lowering import Lowering
from plait.backends.routine import REFERENCE, Routine, register_routine, uniform
from plait.ir.layer import Layer
from plait.ir.layers.conv import Conv2d, inner_products
from plait.ir.numbers import on_arrays
from plait.ir.registry import known_layers
from plait.ir.types import DType


def _lower(layer: Layer, lowering: Lowering, variant: str) -> None:
    plain = all(v.type.is_plain for v in (*layer.operands, *layer.results))
    lowering.python(layer, None if plain else on_arrays(layer, lowering.lookup))


def _refuse(layer: Layer) -> str | None:
    if type(layer).execute is not Layer.execute and layer.op not in ("bitcast", "lookup"):
        return f"{layer.op} runs regions or nets, and a program only layers"
    return None


def _effort(layer: Layer) -> Effort:
    """In float64, of which a vector holds half as many; operands are converted first, the result at the end."""
    operands = tuple((v.type.nbytes, 2.0 * v.type.nbytes) for v in layer.operands if v.type.dtype is DType.F32)
    results = tuple((2.0 * r.type.nbytes, r.type.nbytes) for r in layer.results if r.type.dtype is DType.F32)
    products = inner_products(layer) if isinstance(layer, Conv2d) else layer.flops() / 2
    return Effort(4.0 * products, passes=(*operands, *results))


_IN_FLOAT64 = {"conv2d", "fully_connected", "matmul"}


def register_reference(layer: str) -> None:
    """Add `cpu/any/nchw/reference` for a kind of layer; not for `adapt`, which exists only between layouts."""
    if layer == "adapt":
        return
    register_routine(
        Routine(
            REFERENCE,
            layer,
            uniform("nchw"),
            _lower,
            _refuse,
            summary="NumPy semantics of the layer",
            origin=f"plait.backends.reference.routines:{layer}",
            least=_effort if layer in _IN_FLOAT64 else None,
        )
    )


for _name in known_layers():
    register_reference(_name)
