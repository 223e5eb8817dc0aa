"""The reference backend: one routine for each kind of layer, computed by the layer's own NumPy semantics.

Always legal, never fast.
"""

from __future__ import annotations

from plait.backends.descriptor import RoutinePath
from plait.backends.lowering import Lowering
from plait.backends.routine import Routine, register_routine, uniform
from plait.ir.layer import Layer
from plait.ir.registry import known_layers


def _lower(layer: Layer, lowering: Lowering, variant: str) -> None:
    lowering.python(layer)


def _refuse(layer: Layer) -> str | None:
    for value in (*layer.operands, *layer.results):
        if not value.type.is_plain:
            return f"%{value.name} is quantized ({value.type.dtype}), and the reference computes with plain numbers"
    return None


def register_all() -> None:
    """Add `cpu/any/nchw/reference` for every registered layer but `adapt`, which exists only between layouts."""
    for name, spec in known_layers().items():
        if name == "adapt":
            continue
        register_routine(
            Routine(
                RoutinePath("cpu", "any", "nchw", "reference"),
                name,
                uniform("nchw"),
                _lower,
                _refuse,
                summary="NumPy semantics of the layer",
                origin=f"plait.backends.reference:{spec.origin}",
            )
        )


register_all()
