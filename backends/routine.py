"""Routines: concrete implementations of layers, and the registry of them.

A routine states its formats, what it refuses (and why), its variants, and how it is lowered. Selection sees only
formats and costs.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import attrs

from plait.backends.descriptor import RoutinePath
from plait.backends.lowering import Lowering
from plait.ir.layer import Layer
from plait.ir.layout import ROW_WORD, Format
from plait.ir.registry import layer_class
from plait.ir.types import DType, TensorType
from plait.ir.values import Constant, Value

# A routine is registered for one kind of layer and its functions take that class, which the registry cannot express.
Refusal = Callable[[Any], "str | None"]
Lower = Callable[[Any, Lowering, str], None]
Formats = Callable[[Any], "tuple[tuple[Format, ...], tuple[Format, ...]]"]


def refuse_value(value: Value) -> str | None:
    """Why no routine can take or yield a value, or None: programs hold elements of known size in one arena."""
    if not isinstance(value.type, TensorType):
        return f"%{value.name} is {value.type}, not a tensor"
    return f"%{value.name} has strings for elements" if value.type.dtype is DType.STRING else None


def _only_tensors(refuse: Refusal) -> Refusal:
    def refuse_values_first(layer: Layer) -> str | None:
        for value in (*layer.operands, *layer.results):
            if reason := refuse_value(value):
                return reason
        return refuse(layer)

    return refuse_values_first


@attrs.frozen(eq=False)
class Routine:
    """One implementation of one kind of layer.

    `formats(layer)` gives the formats of the operands that are not constants, in order, and of the results. Constants
    (weights) are packed by `lower` as the routine likes. `refuse` returns a reason or None. `variants` are settings of
    one algorithm (tile sizes): all are measured, only the best meets the others. `version` changes when results or
    speed may have changed; it is part of the profile key.
    """

    path: RoutinePath
    layer: str
    formats: Formats = attrs.field(repr=False)
    lower: Lower = attrs.field(repr=False)
    refuse: Refusal = attrs.field(default=lambda layer: None, repr=False, converter=_only_tensors)
    variants: Callable[[Layer], Sequence[str]] = attrs.field(default=lambda layer: ("",), repr=False)
    version: str = "1"
    summary: str = ""
    origin: str = ""

    @property
    def full_version(self) -> str:
        """The version together with a hash of the kernel sources: what a stored time was measured with."""
        from plait.kernels_pyx import version_hash

        return f"{self.version}-{version_hash()[:12]}"

    def path_with(self, variant: str) -> RoutinePath:
        """The full path of one variant."""
        return attrs.evolve(self.path, variant=variant)


_routines: dict[tuple[str, str], Routine] = {}


def register_routine(routine: Routine) -> Routine:
    """Add a routine.

    Raises:
        ValueError: the path is taken for this layer; the message names both owners.
    """
    key = (routine.layer, str(routine.path))
    if key in _routines and _routines[key].origin != routine.origin:
        raise ValueError(
            f"routine {routine.path} of {routine.layer} is registered by both "
            f"{_routines[key].origin} and {routine.origin}"
        )
    _routines[key] = routine
    return routine


def known_routines(layer: str | None = None) -> list[Routine]:
    """All routines, or those of one kind of layer, in order of registration."""
    _load_builtin()
    return [r for r in _routines.values() if layer is None or r.layer == layer]


def find_routine(layer: str, path: RoutinePath) -> Routine | None:
    """The routine of a layer with this path (variant ignored), or None."""
    _load_builtin()
    return _routines.get((layer, path.base))


def uniform(layout: str) -> Formats:
    """Formats of a routine that has every image in one layout and everything else row-major."""

    def formats(layer: Layer) -> tuple[tuple[Format, ...], tuple[Format, ...]]:
        return (
            tuple(format_in(v, layout) for v in data_operands(layer)),
            tuple(format_in(r, layout) for r in layer.results),
        )

    return formats


def format_in(value: Value, layout: str) -> Format:
    """The format of a value when images are in `layout`."""
    return Format(
        value.type.dtype.value,
        layout if value.type.rank == 4 and layout != ROW_WORD else "nchw" if value.type.rank == 4 else "",
    )


def data_operands(layer: Layer) -> list[Value]:
    """Operands whose format is subject to selection: those that are not constants."""
    return [v for v in layer.operands if not isinstance(v, Constant)]


def applicable(layer: Layer) -> Iterable[tuple[Routine, str | None]]:
    """Every routine of a layer's kind with its refusal, or None where it can run the layer."""
    for routine in known_routines(layer.op):
        yield routine, routine.refuse(layer)


@functools.cache
def _load_builtin() -> None:
    for module in ("plait.backends.cpu", "plait.backends.reference.routines"):
        importlib.import_module(module)
    assert layer_class("conv2d")
